//! Keys with a meaning of their own: lines that go on, and what is taken over from a hint.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustyline::history::History;
use rustyline::{
    Cmd, ConditionalEventHandler, EditMode, Editor, Event, EventContext, EventHandler, Helper, InputMode,
    KeyCode, KeyEvent, Modifiers, RepeatCount,
};

use super::incomplete::is_whole;
use super::lexer::{CommentKind, Kind, Lexed, lex};

/// How far one level is indented.
pub(super) const INDENT: &str = "    ";

/// Binds them. A closing bracket that begins its line is put in `closer`, for the completer to place.
pub(super) fn bind<H: Helper, I: History>(editor: &mut Editor<H, I>, closer: &Arc<AtomicU8>) {
    let mut bind = |code, modifiers, handler: Box<dyn ConditionalEventHandler>| {
        editor.bind_sequence(KeyEvent(code, modifiers), EventHandler::Conditional(handler));
    };
    bind(KeyCode::Enter, Modifiers::NONE, Box::new(GoesOn { always: false }));
    bind(KeyCode::Char('J'), Modifiers::CTRL, Box::new(GoesOn { always: false }));
    bind(KeyCode::Enter, Modifiers::ALT, Box::new(GoesOn { always: true }));
    for bracket in ['}', ')', ']'] {
        bind(KeyCode::Char(bracket), Modifiers::NONE, Box::new(Closes { closer: closer.clone() }));
    }
    bind(KeyCode::Right, Modifiers::NONE, Box::new(Takes { words: false }));
    bind(KeyCode::End, Modifiers::NONE, Box::new(Takes { words: false }));
    bind(KeyCode::Char('E'), Modifiers::CTRL, Box::new(Takes { words: false }));
    bind(KeyCode::Char('F'), Modifiers::CTRL, Box::new(Takes { words: false }));
    bind(KeyCode::Right, Modifiers::CTRL, Box::new(Takes { words: true }));
    bind(KeyCode::Right, Modifiers::ALT, Box::new(Takes { words: true }));
    bind(KeyCode::Char('f'), Modifiers::ALT, Box::new(Takes { words: true }));
    // Escape and then Ctrl-C come as one key
    editor.bind_sequence(KeyEvent(KeyCode::Char('C'), Modifiers::CTRL | Modifiers::ALT), Cmd::Interrupt);
    // earlier lines that begin as this one does, up to the cursor
    editor.bind_sequence(KeyEvent(KeyCode::PageUp, Modifiers::NONE), Cmd::HistorySearchBackward);
    editor.bind_sequence(KeyEvent(KeyCode::PageDown, Modifiers::NONE), Cmd::HistorySearchForward);
}

/// Whether keys are letters to insert, and not vi's commands.
fn inserts(context: &EventContext<'_>) -> bool {
    context.mode() == EditMode::Emacs || context.input_mode() == InputMode::Insert
}

/// Enter: in an entry that is not whole the next line, indented; with Alt always.
struct GoesOn {
    always: bool,
}

impl ConditionalEventHandler for GoesOn {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let goes_on = inserts(context) && (self.always || !is_whole(context.line()));
        goes_on.then(|| Cmd::Insert(1, format!("\n{}", indent(&context.line()[..context.pos()]))))
    }
}

/// How the line after a text is indented.
pub(super) fn indent(text: &str) -> String {
    let lexed = lex(text);
    // what is added to a string is part of it
    if lexed.unclosed.is_some() || lexed.comment == Some(CommentKind::Block) {
        return String::new();
    }
    let depth = depth(text, &lexed);
    let last = lexed.tokens.len().checked_sub(1);
    let in_the_middle = depth == 0
        && last.is_some_and(|last| lexed.tokens[last].kind == Kind::Mark && lexed.text(text, last) != ";");
    INDENT.repeat(depth + usize::from(in_the_middle))
}

/// How many lines there are whose brackets are open at the end: `f(#{` is one level, not two.
fn depth(text: &str, lexed: &Lexed) -> usize {
    let mut lines: Vec<usize> = lexed
        .open
        .iter()
        .map(|index| text[..lexed.tokens[*index].start].bytes().filter(|c| *c == b'\n').count())
        .collect();
    lines.dedup();
    lines.len()
}

/// A closing bracket: the first on its line goes back to where the line with its pair begins.
struct Closes {
    closer: Arc<AtomicU8>,
}

impl ConditionalEventHandler for Closes {
    fn handle(&self, event: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let Some(KeyEvent(KeyCode::Char(bracket), _)) = event.get(0) else { return None };
        let (before, after) = context.line().split_at(context.pos());
        let (_, line) = before.rsplit_once('\n')?;
        if !inserts(context) || line.is_empty() || !line.trim().is_empty() || !after.is_empty() {
            return None;
        }
        // there is no command that does two things at once but a completion
        self.closer.store(u8::try_from(*bracket).ok()?, Ordering::Relaxed);
        Some(Cmd::Complete)
    }
}

/// Where the line of a closing bracket begins, and what stands there instead of its spaces.
pub(super) fn closed(before: &str, bracket: char) -> (usize, String) {
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let lexed = lex(&before[..start]);
    if lexed.unclosed.is_some() || lexed.comment == Some(CommentKind::Block) {
        return (before.len(), bracket.to_string());
    }
    let depth = depth(before, &lexed);
    (start, format!("{}{bracket}", INDENT.repeat(depth.saturating_sub(1))))
}

/// Takes a hint over, the whole or its next word.
struct Takes {
    words: bool,
}

impl ConditionalEventHandler for Takes {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let at_end = context.pos() == context.line().len();
        let hint = context.hint_text().filter(|hint| at_end && !hint.is_empty())?;
        if !self.words {
            return Some(Cmd::CompleteHint);
        }
        let word = hint.find(|c: char| c.is_alphanumeric()).unwrap_or(hint.len());
        let end =
            hint[word..].find(|c: char| !c.is_alphanumeric()).map_or(hint.len(), |length| word + length);
        Some(Cmd::Insert(1, hint[..end].to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_line_is_indented_by_what_is_open() {
        for (text, spaces) in [
            ("fn f() {", 4),
            ("f(#{", 4),
            ("fn f() {\n    if x {", 8),
            ("fn f() {\n    if x {\n    }", 4),
            ("let x = [1,", 4),
            ("let x =", 4),
            ("1 +", 4),
            ("f();", 0),
            ("fn f()", 0),
            ("let x = `{", 0),
            ("/* {", 0),
            ("f(\"{\")", 0),
        ] {
            assert_eq!(indent(text).len(), spaces, "{text}");
        }
    }

    #[test]
    fn a_closing_bracket_goes_back_to_its_line() {
        assert_eq!(closed("fn f() {\n    1\n    ", '}'), (15, "}".to_owned()));
        assert_eq!(closed("fn f() {\n    if x {\n        ", '}'), (20, "    }".to_owned()));
        assert_eq!(closed("let x = `\n  ", '}'), (12, "}".to_owned()));
    }
}
