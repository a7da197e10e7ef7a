//! What is shown in dim behind the cursor: how an earlier line went on, what a call takes, how to get out of an entry.

use rustyline::history::{History, SearchDirection};

use super::incomplete::is_whole;
use super::lexer::{Kind, lex};
use crate::shell::command::Receiver;
use crate::shell::{commands, help};

/// What stands in an empty line of an entry that goes on.
const WAY_OUT: &str = "… goes on; two empty lines end it, Ctrl-C drops it";

/// A hint.
pub(super) struct Hint {
    shown: String,
    /// What is typed where it is taken.
    rest: Option<String>,
}

impl rustyline::hint::Hint for Hint {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.rest.as_deref()
    }
}

/// The hint for a line with the cursor at its end.
pub(super) fn hint(line: &str, history: &dyn History) -> Option<Hint> {
    if line.is_empty() {
        return None;
    }
    if let Some((before, last)) = line.rsplit_once('\n')
        && last.trim().is_empty()
    {
        return (!is_whole(before)).then(|| Hint { shown: WAY_OUT.to_owned(), rest: None });
    }
    let newest = history.len().checked_sub(1);
    let found = newest.and_then(|newest| history.starts_with(line, newest, SearchDirection::Reverse).ok()?);
    let Some(found) = found else { return parameters(line) };
    let rest = found.entry[line.len()..].to_owned();
    let first = rest.lines().next()?;
    if first.contains(char::is_control) {
        return None;
    }
    let shown = if first.len() < rest.len() { format!("{first} …") } else { first.to_owned() };
    Some(Hint { shown, rest: Some(rest) })
}

/// What a call that was just begun takes.
fn parameters(line: &str) -> Option<Hint> {
    let before = line.strip_suffix('(')?;
    let lexed = lex(before);
    let token = lexed.tokens.last().filter(|token| token.kind == Kind::Word && token.end == before.len())?;
    if lexed.unclosed.is_some() || lexed.comment.is_some() {
        return None;
    }
    let name = &before[token.start..];
    let is_method = before[..token.start].ends_with('.');
    let command = commands().find(|command| command.name == name)?;
    let mut forms = command.forms.iter().filter(|form| (form.on == Receiver::None) != is_method);
    let calls = help::signatures(command, forms.next()?.on);
    let longest = calls.iter().max_by_key(|call| call.len())?;
    let shown = longest.split_once('(')?.1.to_owned();
    (shown != ")").then_some(Hint { shown, rest: None })
}

#[cfg(test)]
mod tests {
    use rustyline::hint::Hint as _;

    use super::*;
    use crate::shell::prompt::history::Entries;

    #[test]
    fn the_newest_line_that_begins_so_is_hinted_and_an_open_entry_tells_the_way_out() {
        let mut history = Entries::default();
        for line in ["mount(\"a\")", "mount(\"b\")", "fn f() {\n    1\n}"] {
            history.add(line).unwrap();
        }
        let shown = |line: &str| hint(line, &history).map(|hint| hint.display().to_owned());
        let taken = |line: &str| hint(line, &history).and_then(|hint| hint.completion().map(str::to_owned));
        assert_eq!(shown("mou").as_deref(), Some("nt(\"b\")"));
        assert_eq!(shown("mount(\"a").as_deref(), Some("\")"));
        assert_eq!(shown("fn f").as_deref(), Some("() { …"));
        assert_eq!(taken("fn f").as_deref(), Some("() {\n    1\n}"));
        assert_eq!((shown("x"), shown(""), shown("mount(\"b\")")), (None, None, None));
        assert_eq!(shown("if x {\n    ").as_deref(), Some(WAY_OUT));
        assert_eq!((taken("if x {\n    "), shown("1;\n")), (None, None));
    }

    #[test]
    fn a_call_that_is_begun_tells_what_it_takes() {
        let shown = |line: &str| hint(line, &Entries::default()).map(|hint| hint.display().to_owned());
        assert_eq!(shown("let x = commit(").as_deref(), Some("[name [, message]])"));
        assert_eq!(shown("l.add(").as_deref(), Some("host_path [, at [, options]])"));
        assert_eq!(shown("diff(").as_deref(), Some("a, b)"));
        assert_eq!(
            (shown("layers("), shown("nothing("), shown("\"commit("), shown("// commit(")),
            (None, None, None, None)
        );
    }
}
