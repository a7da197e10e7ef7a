//! The line editor: its settings and keys, and what it asks of us while a line is typed.

use std::rc::Rc;

use rhai::Engine;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Cmd, Config, Editor, Helper, KeyCode, KeyEvent, Modifiers};

use super::history::LINES;
use super::incomplete::is_incomplete;
use crate::shell::engine::Ours;

/// The editor of lines, with all that it asks us.
pub(super) type Lines = Editor<Asked, FileHistory>;

/// Sets an editor up.
pub(super) fn editor(ours: Rc<Ours>) -> rustyline::Result<Lines> {
    let config = Config::builder()
        .max_history_size(LINES)?
        .history_ignore_dups(true)?
        .history_ignore_space(true)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Asked { ours }));
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
    Ok(editor)
}

/// What the line editor asks: whether a line is whole.
pub(super) struct Asked {
    ours: Rc<Ours>,
}

impl Helper for Asked {}
impl Highlighter for Asked {}

impl Completer for Asked {
    type Candidate = String;
}

impl Hinter for Asked {
    type Hint = String;
}

impl Validator for Asked {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        if is_whole(&self.ours.engine, context.input()) {
            return Ok(ValidationResult::Valid(None));
        }
        Ok(ValidationResult::Incomplete)
    }
}

/// Whether Enter ends the entry. An empty line ends any, so that nobody is ever stuck.
pub(super) fn is_whole(engine: &Engine, text: &str) -> bool {
    text.starts_with('!') || text.ends_with("\n\n") || !is_incomplete(engine, text)
}
