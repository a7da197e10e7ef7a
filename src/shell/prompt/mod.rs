//! The prompt, `ufs>`: one line after the other, with state across lines.

mod colours;
mod editor;
mod hints;
mod history;
mod incomplete;
mod keys;
mod lexer;
#[cfg(test)]
mod lexer_tests;
mod memory;
#[cfg(test)]
mod memory_tests;
mod plain;
mod session;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use rustyline::error::ReadlineError;

use self::session::{Next, Session};
use super::run as running;
use super::state::Shell;
use crate::sys::signals;
use crate::view::Paint;

/// Reads and runs lines until the end; gives the exit code.
pub(super) fn run(shell: &Shell, history: Option<&Path>) -> u8 {
    let session = Rc::new(RefCell::new(Session::new(shell)));
    let mut editor = match editor::editor(&session, history, shell.style()) {
        Ok(editor) => editor,
        Err(error) => {
            let message = format!("the terminal cannot be used: {error}");
            shell.complain(&message);
            return running::FAILED;
        }
    };
    shell.tell("`help()` lists what you can do, `show()` draws the layers, Ctrl-D ends");
    let plain = "ufs> ";
    let styled = shell.style().paint(Paint::Heading, "ufs>") + " ";
    let edited = !plain::is_needed();
    loop {
        let read = signals::while_reading(|| {
            if edited { editor.readline(&(plain, styled.as_str())) } else { plain::read(plain) }
        });
        let Some(read) = read else { return running::FAILED };
        let line = match read {
            Ok(line) => line,
            // Ctrl-C as a key, or a signal from outside: one to end is seen before the next line
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {
                signals::clear_interrupt();
                continue;
            }
            Err(ReadlineError::Eof) => return 0,
            Err(error) => {
                shell.tell(&format!("cannot read on: {error}"));
                return running::FAILED;
            }
        };
        if line.trim().is_empty() {
            continue;
        }
        // what a paste ends with is no part of the entry
        let line = line.trim_end();
        if let Err(error) = editor.add_history_entry(line) {
            log::debug!("history: {error}");
        }
        match session.borrow_mut().run_line(line) {
            Next::Line => signals::clear_interrupt(),
            Next::End(code) => return code,
        }
    }
}
