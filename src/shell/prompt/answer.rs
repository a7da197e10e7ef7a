//! How what a line gives is shown: by its view, through a pager where it is longer than the screen, with the time
//! where that was long.

use std::time::{Duration, Instant};

use rhai::{AST, Dynamic, Expr, Stmt};

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
        Self(Instant::now())
    }

    /// Stops it; gives the time.
    pub(super) fn stop(self, shell: &Shell) -> Duration {
        self.0.elapsed().saturating_sub(shell.end_answer())
    }
}

/// Shows a line's value.
pub(super) fn show(shell: &Shell, value: &Dynamic) {
    shell.start_answer(true);
    if let Ok(text) = value.as_immutable_string_ref()
        && !shell.is_json()
    {
        // what a file holds must not reach the terminal as it is
        shell.write_long(&view::escape::text(&text, &shell.style()));
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
    let named = |expr: &Expr| match expr {
        Expr::FnCall(call, _) | Expr::MethodCall(call, _) => call.name == "show",
        _ => false,
    };
    match ast.statements() {
        [Stmt::FnCall(call, _)] => call.name == "show",
        [Stmt::Expr(expr)] => match &**expr {
            Expr::Dot(both, ..) => named(&both.rhs),
            expr => named(expr),
        },
        _ => false,
    }
}
