//! The prompt, `ufs>`: one line after the other, with state across lines.

mod answer;
mod asking;
mod calls;
mod colours;
mod complete;
mod editor;
mod edits;
mod hints;
mod history;
mod host;
mod incomplete;
mod interrupts;
mod keys;
mod last;
mod lexer;
#[cfg(test)]
mod lexer_tests;
mod memory;
#[cfg(test)]
mod memory_tests;
mod plain;
mod session;
mod text;
mod transcript;
mod typed;
mod versions;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use rustyline::EditMode;
use rustyline::config::Configurer as _;
use rustyline::error::ReadlineError;

pub(super) use self::asking::agrees;
pub(super) use self::colours::coloured;
use self::interrupts::{Interrupts, Line, Said};
use self::session::{Next, Session};
pub(super) use self::transcript::Transcript;
use super::run as running;
use super::state::{Keys, Shell};
use super::watching::{self, Printer};
use crate::sys::signals;

/// What prints above the line that is edited, where something may be told meanwhile and the terminal can do it.
fn above(shell: &Shell, editor: &mut editor::Lines) -> Option<Printer> {
    if !shell.workspace().is_watching() || !watching::can_print_above() {
        return None;
    }
    match editor.create_external_printer() {
        Ok(printer) => Some(Arc::new(Mutex::new(printer))),
        Err(error) => {
            log::debug!("nothing can be printed above the line that is edited: {error}");
            None
        }
    }
}

/// Reads and runs lines until the end; gives the exit code.
pub(super) fn run(shell: &Shell, history: Option<&Path>, start_up: Option<&Path>) -> u8 {
    shell.begin_transcript();
    let session = Rc::new(RefCell::new(Session::new(shell)));
    let mut editor = match editor::editor(shell, &session, history) {
        Ok(editor) => editor,
        Err(error) => {
            let message = format!("the terminal cannot be used: {error}");
            shell.complain(&message);
            return running::FAILED;
        }
    };
    if let Some(file) = start_up
        && let Next::End(code) = session.borrow_mut().start_up(file)
    {
        return code;
    }
    if asking::is_possible() {
        shell.begin_asking();
    }
    signals::clear_interrupt();
    shell.tell("`help()` lists what you can do, `show()` draws the layers, Ctrl-D ends");
    let code = read_lines(shell, &session, &mut editor);
    session.borrow_mut().end();
    code
}

fn read_lines(shell: &Shell, session: &RefCell<Session>, editor: &mut editor::Lines) -> u8 {
    let mut interrupts = Interrupts::default();
    let edited = !plain::is_needed();
    loop {
        editor.set_edit_mode(match shell.keys() {
            Keys::Emacs => EditMode::Emacs,
            Keys::Vi => EditMode::Vi,
        });
        let (plain, styled) = text::prompt(shell);
        if let Some(asked) = editor.helper() {
            asked.begin();
        }
        let mut begun = false;
        if edited {
            shell.close_line();
        }
        let read = if signals::take_interrupt() {
            // it came between two lines, when no editor was there to hear it as a key
            Some(Err(ReadlineError::Interrupted))
        } else {
            let printer = if edited { above(shell, editor) } else { None };
            shell.teller().above(printer, || {
                signals::while_waiting(|| {
                    if edited {
                        editor.readline(&(plain.as_str(), styled.as_str()))
                    } else {
                        plain::read(&plain, &mut begun)
                    }
                })
            })
        };
        let Some(read) = read else { return running::FAILED };
        let line = match read {
            Ok(line) => line,
            // Ctrl-C as a key, or a signal from outside: one to end is seen before the next line
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {
                signals::clear_interrupt();
                let line = match editor.helper().filter(|_| edited) {
                    None if begun => Line::Typed,
                    None => Line::Unseen,
                    Some(asked) if asked.is_empty() => Line::Empty,
                    Some(_) => Line::Typed,
                };
                match interrupts.another(line) {
                    Said::Nothing => {}
                    Said::Offer => shell.tell("press Ctrl-C once more, or Ctrl-D, to quit"),
                    Said::Quit => return 0,
                }
                continue;
            }
            Err(ReadlineError::Eof) => return 0,
            // a key of another encoding, or a paste of bytes
            Err(ReadlineError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                shell.tell("that was not UTF-8, so the line is dropped");
                continue;
            }
            Err(error) => {
                shell.tell(&format!("cannot read on: {error}"));
                return running::FAILED;
            }
        };
        if line.trim().is_empty() {
            continue;
        }
        interrupts = Interrupts::default();
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
