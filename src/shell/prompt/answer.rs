//! How what a line gives is shown: by its view, through a pager where it is longer than the screen, with the time
//! where that was long.

use std::time::{Duration, Instant};

use rhai::{AST, Array, Dynamic};

use crate::shell::run;
use crate::shell::state::{Shell, write_err};
use crate::view::{self, Paint};

/// A line that took less says nothing of it.
const LONG: Duration = Duration::from_secs(1);

/// Measures how long a line runs, without the time that its reader took in a pager.
pub(super) struct Clock(Instant);

impl Clock {
    /// Starts it. What a line prints that is nothing but a call of `show` may go through the pager.
    pub(super) fn start(shell: &Shell, ast: &AST) -> Self {
        shell.start_answer(is_show(ast));
        // what is told of watched mounts is written as it comes, and shows that something goes on
        if !shell.workspace().is_watching() {
            shell.bar().begin(shell.err_style());
        }
        Self(Instant::now())
    }

    /// Stops it; gives the time.
    pub(super) fn stop(self, shell: &Shell) -> Duration {
        shell.bar().end();
        self.0.elapsed().saturating_sub(shell.end_answer())
    }
}

/// Shows a line's value.
pub(super) fn show(shell: &Shell, ast: &AST, value: &Dynamic) {
    shell.start_answer(true);
    if !shell.is_json()
        && run::ends_with(ast, "diff")
        && value.read_lock::<Array>().is_some_and(|changes| changes.is_empty())
    {
        // an array says nothing of what was compared, and `[]` would leave a learner guessing
        let style = shell.style();
        shell.write_long(&format!("{}\n", style.paint(Paint::Dim, "no differences")));
    } else {
        shell.print(value);
    }
    shell.end_answer();
}

/// Tells the time of a line that took long.
pub(super) fn tell_time(shell: &Shell, took: Duration) {
    if took >= LONG && !shell.is_quiet() {
        let style = shell.err_style();
        let line = style.paint(Paint::Dim, &format!("took {}", view::quantity::duration(took)));
        write_err(format!("{line}\n").as_bytes());
    }
}

/// Whether a text is one call of `show`.
fn is_show(ast: &AST) -> bool {
    ast.statements().len() == 1 && run::ends_with(ast, "show")
}
