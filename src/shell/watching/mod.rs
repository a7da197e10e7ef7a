//! Tells what happens in watched mounts: on stderr, or above the line that is being typed.
//!
//! Events come from any thread and are only queued there. A thread of ours writes them as they come; whoever is about to
//! write something else has the queue written first ([`Teller::flush`]), so that what a call did stands before its
//! answer. While a line is edited the editor must print, and takes what it is handed only while it waits for keys: so
//! nobody but that thread ever waits for it.

mod burst;
mod document;

use std::io::IsTerminal as _;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use rustyline::ExternalPrinter;

use self::burst::Burst;
use super::state::write_err;
use crate::view::{self, Style};
use crate::workspace::{Tally, Told, Watcher};

/// Prints above the line that is being edited.
pub(super) type Printer = Arc<Mutex<dyn ExternalPrinter + Send>>;

/// A text that changes nothing on the screen. The editor's queue has room for one: once this is in it, the text before
/// it has been printed.
const ACKNOWLEDGE: &str = "\x1b[A\n";

/// Writes what happens.
pub(super) struct Teller {
    shared: Arc<Shared>,
    thread: OnceLock<()>,
}

struct Shared {
    style: Style,
    json: bool,
    state: Mutex<State>,
    changed: Condvar,
    /// Held from taking events out of the queue until they are written, so that they stay in order.
    writing: Mutex<()>,
}

#[derive(Default)]
struct State {
    burst: Burst,
    place: Place,
    /// Handed to the editor, and perhaps not printed yet.
    handed: Option<String>,
    ended: bool,
}

/// Where lines go at the moment.
#[derive(Default)]
enum Place {
    /// To stderr.
    #[default]
    Straight,
    /// Nowhere: another program has the terminal.
    Held,
    /// A line is being edited; lines go above it by this.
    Above(Option<Printer>),
}

impl Teller {
    pub(super) fn new(style: Style, json: bool) -> Self {
        let shared = Shared {
            style,
            json,
            state: Mutex::default(),
            changed: Condvar::new(),
            writing: Mutex::default(),
        };
        Self { shared: Arc::new(shared), thread: OnceLock::new() }
    }

    /// Who is to be told; from now on events are written as they come.
    pub(super) fn watcher(&self) -> Arc<dyn Watcher> {
        self.thread.get_or_init(|| {
            let shared = Arc::clone(&self.shared);
            let named = std::thread::Builder::new().name("watch".to_owned());
            if let Err(error) = named.spawn(move || shared.serve()) {
                log::warn!("what happens in mounts is told late: no thread for it: {error}");
            }
        });
        self.shared.clone()
    }

    /// Writes all that came so far, before anything else is written.
    pub(super) fn flush(&self) {
        self.shared.flush();
    }

    /// Runs what has the terminal to itself; what happens meanwhile is told afterwards.
    pub(super) fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        self.shared.go_to(Place::Held);
        let result = work();
        self.shared.go_to(Place::Straight);
        self.flush();
        result
    }

    /// Lets a line be edited, and has what happens meanwhile printed above it where there is a way to.
    pub(super) fn above<T>(&self, printer: Option<Printer>, edit: impl FnOnce() -> T) -> T {
        // whoever reads stderr elsewhere gets it there
        if std::io::stderr().is_terminal() {
            self.shared.go_to(Place::Above(printer));
        }
        let result = edit();
        self.shared.go_to(Place::Straight);
        result
    }

    /// Writes all that came, also what an editor that has ended was handed and did not print.
    pub(super) fn end(&self) {
        let handed = {
            let mut state = lock(&self.shared.state);
            state.ended = true;
            state.handed.take()
        };
        self.shared.changed.notify_one();
        if let Some(text) = handed {
            write_err(text.as_bytes());
        }
        self.flush();
    }
}

/// The highest descriptor that an editor with a printer may wait on; select(2) knows no higher ones.
const HIGHEST: RawFd = 1000;

/// Whether an editor may have a printer: the descriptors that it opens must be low ones, or it would break down.
pub(super) fn can_print_above() -> bool {
    let next = std::io::stdin().as_fd().try_clone_to_owned();
    next.is_ok_and(|next| next.as_raw_fd() < HIGHEST)
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher for Shared {
    fn take(&self, told: Told) {
        lock(&self.state).burst.take(told, Instant::now());
        self.changed.notify_one();
    }
}

impl Shared {
    fn text(&self, due: &[Told], more: Option<&Tally>) -> String {
        let mut text = String::new();
        for told in due {
            text += &if self.json { document::of(told) } else { view::watch(told, &self.style) };
        }
        if let Some(more) = more {
            text += &if self.json { document::of_more(more) } else { view::watch_more(more, &self.style) };
        }
        text
    }

    /// Writes what is queued; ends the burst.
    fn flush(&self) {
        let _writing = lock(&self.writing);
        let (due, more) = {
            let mut state = lock(&self.state);
            (state.burst.due(), state.burst.end())
        };
        if !due.is_empty() || more.is_some() {
            write_err(self.text(&due, more.as_ref()).as_bytes());
        }
    }

    /// Writes events as they come, until the end.
    fn serve(&self) {
        while self.wait() {
            let writing = lock(&self.writing);
            let mut state = lock(&self.state);
            if matches!(state.place, Place::Held) {
                continue;
            }
            let due = state.burst.due();
            let sum = state.burst.sum_in(Instant::now()).is_some_and(|left| left.is_zero());
            let more = if sum { state.burst.end() } else { None };
            if due.is_empty() && more.is_none() {
                continue;
            }
            let mut text = self.text(&due, more.as_ref());
            match &mut state.place {
                Place::Above(Some(printer)) => {
                    let printer = Arc::clone(printer);
                    state.handed = Some(text.clone());
                    drop((state, writing));
                    hand_over(&printer, &text);
                    lock(&self.state).handed = None;
                    continue;
                }
                // the line that is typed stays where it is, and is not drawn again
                Place::Above(None) => text.insert(0, '\n'),
                Place::Straight | Place::Held => {}
            }
            drop(state);
            write_err(text.as_bytes());
        }
    }

    /// Waits until something is to be written; `false` at the end.
    fn wait(&self) -> bool {
        let mut state = lock(&self.state);
        loop {
            if state.ended {
                return false;
            }
            let may_write = !matches!(state.place, Place::Held);
            let left = state.burst.sum_in(Instant::now());
            if may_write && (state.burst.has_due() || left.is_some_and(|left| left.is_zero())) {
                return true;
            }
            state = match left.filter(|_| may_write) {
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn go_to(&self, place: Place) {
        lock(&self.state).place = place;
        self.changed.notify_one();
    }
}

/// Has a text printed above the line that is edited; waits until it is.
fn hand_over(printer: &Printer, text: &str) {
    // only the thread that writes uses it
    let mut printer = lock(printer);
    if let Err(error) = printer.print(text.to_owned()).and_then(|()| printer.print(ACKNOWLEDGE.to_owned())) {
        log::debug!("the line editor takes no text: {error}");
        write_err(text.as_bytes());
    }
}
