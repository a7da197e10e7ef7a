//! A question at the prompt, before something is destroyed.

use std::io::{self, IsTerminal as _};
use std::time::Instant;

use super::plain;
use crate::shell::state::Shell;
use crate::sys::{signals, terminal};
use crate::view;

/// Asks whether to go on. Only a clear yes is one: an empty line, any other word, the end of the input and Ctrl-C are no.
///
/// What was typed before the question could be seen is no answer to it, and is dropped.
///
/// `list`: what it is about, drawn already; it stands before the question.
pub(in crate::shell) fn agrees(shell: &Shell, list: &str, about: &str) -> bool {
    let start = Instant::now();
    shell.bar().end();
    shell.close_line();
    let question = format!("{list}{}\ngo on? [y/N] ", view::escape::prose(about, &shell.err_style()));
    let answer = shell.teller().hold(|| {
        terminal::drop_typed_ahead(io::stdin());
        plain::say(&question).ok()?;
        let answer = signals::while_waiting(plain::line)?;
        if !matches!(answer, Ok(Some(_))) {
            // the cursor stands behind the question or behind `^C`
            plain::say("\n").ok()?;
        }
        answer.ok().flatten()
    });
    signals::clear_interrupt();
    shell.spend(start.elapsed());
    answer.is_some_and(|answer| matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Whether a question can be seen and answered here.
pub(super) fn is_possible() -> bool {
    io::stdin().is_terminal() && (io::stdout().is_terminal() || io::stderr().is_terminal())
}
