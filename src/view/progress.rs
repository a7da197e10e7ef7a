//! A bar on the terminal for work that takes long.

use std::cell::RefCell;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Style;
use super::escape::prose;
use crate::workspace::Progress;

/// Work that ends sooner shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// Draws progress on stderr, where that is a terminal: a bar with rate and time left, or a spinner where the
/// total is unknown. It needs no thread: it moves when the work does.
#[derive(Debug)]
pub struct Bar {
    style: Style,
    terminal: bool,
    work: RefCell<Option<Work>>,
}

#[derive(Debug)]
struct Work {
    bar: ProgressBar,
    started: Instant,
    visible: bool,
}

impl Bar {
    /// A bar that draws as the style allows.
    pub fn new(style: Style) -> Self {
        Self { style, terminal: std::io::stderr().is_terminal(), work: RefCell::new(None) }
    }

    fn look(&self, known: bool) -> ProgressStyle {
        let template = match (known, self.style.color) {
            (true, true) => "{msg} {bar:20.green} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            (true, false) => "{msg} {bar:20} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            (false, _) => "{spinner} {msg} {bytes} {bytes_per_sec}",
        };
        let (bar, spinner) = if self.style.unicode {
            ("━╸ ", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
        } else {
            ("=> ", r"-\|/ ")
        };
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars(bar)
            .tick_chars(spinner)
    }
}

impl Progress for Bar {
    fn start(&self, what: &str, total: Option<u64>) {
        self.finish();
        if !self.terminal {
            return;
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        bar.set_style(self.look(total.is_some()));
        bar.set_message(prose(what, &self.style));
        *self.work.borrow_mut() = Some(Work { bar, started: Instant::now(), visible: false });
    }

    fn advance(&self, bytes: u64) {
        if let Some(work) = &mut *self.work.borrow_mut() {
            if !work.visible && work.started.elapsed() >= PATIENCE {
                work.bar.set_draw_target(ProgressDrawTarget::stderr());
                work.visible = true;
            }
            work.bar.inc(bytes);
        }
    }

    fn finish(&self) {
        if let Some(work) = self.work.borrow_mut().take() {
            work.bar.finish_and_clear();
        }
    }
}
