//! Rhai's parse errors in our words, with advice.

use rhai::{LexError, ParseErrorType, Position};

use super::{commands, is_word, translate};
use crate::view::Style;
use crate::view::escape::literal;

/// Words that begin a function in other languages.
const FUNCTIONS: &[&str] = &["function", "func", "fun", "def", "sub"];
/// Words that make a variable in other languages.
const VARIABLES: &[&str] = &["var", "static", "auto", "val"];
/// Words that mean no value in other languages.
const NOTHING: &[&str] = &["null", "nil", "undefined"];

/// The message and the hint for a text that is no script.
pub(super) fn told(kind: &ParseErrorType, position: Position, source: &str) -> (String, Option<String>) {
    let (before, rest) = around(source, position);
    let of_rhai = || translate::lower_first(&kind.to_string());
    if before.trim().is_empty()
        && let Some(topic) = rest.strip_prefix('?').map(str::trim).filter(|topic| is_word(topic))
    {
        let hint = format!("in a script: `print(help({}))`", literal(topic, &Style::plain(usize::MAX)));
        return (format!("`?{topic}` asks for help at the prompt only"), Some(hint));
    }
    match kind {
        ParseErrorType::BadInput(error) => bad_input(error, before, rest),
        ParseErrorType::UnknownOperator(operator) => {
            if operator == "?" && is_word(before.trim()) && rest.trim() == "?" {
                let topic = before.trim();
                let hint =
                    format!("in a script: `print(help({}))`", literal(topic, &Style::plain(usize::MAX)));
                return (format!("`{topic}?` asks for help at the prompt only"), Some(hint));
            }
            let hint = match operator.as_str() {
                "++" => Some("`x += 1` adds one".to_owned()),
                "--" => Some("`x -= 1` takes one away".to_owned()),
                "===" | "!==" => Some("`==` and `!=` compare".to_owned()),
                _ => None,
            };
            (format!("there is no operator `{operator}`"), hint)
        }
        ParseErrorType::Reserved(word) => {
            let arguments = rest.strip_prefix(word.as_str()).unwrap_or_default();
            let hint = if NOTHING.contains(&word.as_str()) {
                "`()` is no value".to_owned()
            } else if VARIABLES.contains(&word.as_str()) {
                "`let` makes a variable: `let x = 1;`".to_owned()
            } else if let Some(call) = call(word, arguments) {
                format!("a call has parentheses: `{call}`")
            } else {
                "it cannot name anything: take another word".to_owned()
            };
            (format!("`{word}` is a reserved word"), Some(hint))
        }
        ParseErrorType::MissingToken(token, _) if token == ";" => {
            let word = last_word(before);
            if before.trim().is_empty() && !rest.is_empty() {
                let hint =
                    "a `;` does: one is missing behind what stands before this, or a bracket or a comma";
                return ("the end of a line does not end a statement here".to_owned(), Some(hint.to_owned()));
            }
            let hint = if FUNCTIONS.contains(&word) {
                "a function begins with `fn`: `fn name(x) { … }`".to_owned()
            } else if VARIABLES.contains(&word) {
                "`let` makes a variable: `let x = 1;`".to_owned()
            } else if let Some(call) = callable(word).then(|| call(word, rest)).flatten() {
                format!("a call has parentheses: `{call}`")
            } else {
                "statements end with `;`; a bracket or a comma may be missing too".to_owned()
            };
            ("a `;` is missing before this".to_owned(), Some(hint))
        }
        ParseErrorType::MissingToken(token, why) => {
            let hint = "a bracket, a brace or a comma may be missing before this".to_owned();
            (format!("expecting `{token}` {why}"), Some(hint))
        }
        ParseErrorType::UnexpectedEOF => (
            "the script ends too early".to_owned(),
            Some("a bracket, a brace or a value is missing".to_owned()),
        ),
        _ => (of_rhai(), None),
    }
}

/// What is meant by a line that a script has as the negation of a variable that there is not: a command of the host.
pub(super) fn host_command(position: Position, source: &str) -> Option<(String, String)> {
    let (before, rest) = around(source, position);
    let command = before.trim_start().strip_prefix('!').filter(|between| between.trim().is_empty())?;
    let command = format!("{command}{rest}");
    let command = command.trim().trim_end_matches(';');
    let said = format!("`!{command}` runs a command of the host at the prompt only");
    Some((said, format!("in a script: `sh({})`", literal(command, &Style::plain(usize::MAX)))))
}

/// What the lexer could not take.
fn bad_input(error: &LexError, before: &str, rest: &str) -> (String, Option<String>) {
    let style = Style::plain(usize::MAX);
    match error {
        LexError::UnterminatedString => (
            "a string has no end".to_owned(),
            Some(
                "close it on the same line; strings in backticks, and raw ones, may go over lines".to_owned(),
            ),
        ),
        LexError::MalformedChar(text) => {
            let inner = text.trim_matches('\'');
            let hint = (!inner.is_empty())
                .then(|| format!("a string stands in double quotes: {}", quoted(&literal(inner, &style))));
            (format!("`'{inner}'` is not one character"), hint)
        }
        LexError::ImproperSymbol(symbol, _) if symbol == "=" => {
            ("`=` gives a variable its value".to_owned(), Some("`==` compares".to_owned()))
        }
        LexError::UnexpectedInput(_) if rest.starts_with(['/', '.', '~']) && begins_argument(before) => {
            let end = rest.find([',', ')', ';', ' ']).unwrap_or(rest.len());
            let path = literal(&rest[..end], &style);
            (
                format!("unexpected `{}`", first_char(rest)),
                Some(format!("a path is a string: {}", quoted(&path))),
            )
        }
        _ => (translate::lower_first(&error.to_string()), None),
    }
}

fn quoted(code: &str) -> String {
    format!("`{code}`")
}

fn first_char(text: &str) -> String {
    text.chars().take(1).collect()
}

/// Whether what comes next is the beginning of a value.
fn begins_argument(before: &str) -> bool {
    before.trim_end().ends_with(['(', ',', '=', '['])
}

/// The line of a position, up to it and from it on.
fn around(source: &str, position: Position) -> (&str, &str) {
    let Some(number) = position.line() else { return ("", "") };
    let line = source.lines().nth(number - 1).unwrap_or_default();
    let skip = position.position().unwrap_or(1).saturating_sub(1);
    line.split_at(line.char_indices().nth(skip).map_or(line.len(), |(at, _)| at))
}

fn last_word(before: &str) -> &str {
    let word = before.trim_end().rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next();
    // the rest of a string or a number is no word
    word.filter(|word| is_word(word)).unwrap_or_default()
}

fn callable(word: &str) -> bool {
    commands().any(|command| command.name == word)
}

/// Whether a word is a command that gives something when it is called without arguments.
pub(super) fn gives_value(word: &str) -> bool {
    let bare =
        |form: &super::command::Form| form.on == super::command::Receiver::None && form.params.is_empty();
    commands()
        .any(|command| command.name == word && !command.gives.is_empty() && command.forms.iter().any(bare))
}

/// A call as it should have been written, of what stands behind its name without parentheses.
fn call(word: &str, arguments: &str) -> Option<String> {
    let arguments = arguments.trim().trim_end_matches(';').trim_end();
    let arguments = match arguments {
        topic if word == "help" && is_word(topic) => literal(topic, &Style::plain(usize::MAX)),
        command if gives_value(command) => format!("{command}()"),
        _ => arguments.to_owned(),
    };
    (!arguments.is_empty() && !arguments.starts_with(['=', '(', '.', '!']))
        .then(|| format!("{word}({arguments})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(source: &str) -> String {
        let error = rhai::Engine::new().compile(source).unwrap_err();
        let (message, hint) = told(&error.0, error.1, source);
        format!("{message}: {}", hint.unwrap_or_default())
    }

    #[test]
    fn what_other_languages_write_gets_the_words_of_this_one_as_advice() {
        for (source, advice) in [
            ("read('/etc/motd')", "`\"/etc/motd\"`"),
            ("read(/etc/motd)", "`\"/etc/motd\"`"),
            ("let p = /etc/motd;", "`\"/etc/motd\"`"),
            ("read \"/etc/motd\";", "`read(\"/etc/motd\")`"),
            ("show layers", "`show(layers())`"),
            ("help layers", "`help(\"layers\")`"),
            ("commit?", "`print(help(\"commit\"))`"),
            ("let x = 1; read \"/a\"", "`read(\"/a\")`"),
            ("print \"hello\"", "`print(\"hello\")`"),
            ("let x = \"abc", "close it"),
            ("function f() {}", "`fn name(x)"),
            ("def f(): pass", "`fn name(x)"),
            ("var x = 1", "`let`"),
            ("let x = null;", "`()`"),
            ("let x = 1; x++", "`x += 1`"),
            ("if x = 5 { }", "`==`"),
            ("let x = 5 let y = 6", "statements end with `;`"),
            ("f(1", "expecting `)`"),
            ("let x = ", "ends too early"),
            ("let exit = \"é", "close it"),
        ] {
            assert!(hint(source).contains(advice), "{source}: {}", hint(source));
        }
    }
}
