//! Whether what was typed so far is a whole line, or goes on.

use rhai::{Engine, LexError, ParseErrorType};

/// Tells whether a text ends in the middle of something: an open bracket, string or comment.
pub(super) fn is_incomplete(engine: &Engine, text: &str) -> bool {
    if open_comment(text) {
        return true;
    }
    let Err(error) = engine.compile(text) else { return false };
    match &*error.0 {
        ParseErrorType::UnexpectedEOF | ParseErrorType::WrongDocComment => true,
        // only a raw or a backtick string may go over lines
        ParseErrorType::BadInput(LexError::UnterminatedString) => open_string(text),
        ParseErrorType::MissingToken(..)
        | ParseErrorType::FnMissingBody(_)
        | ParseErrorType::FnMissingParams(_)
        | ParseErrorType::FnMissingName
        | ParseErrorType::PropertyExpected
        | ParseErrorType::VariableExpected
        | ParseErrorType::ExprExpected(_) => at_end(text, error.1),
        _ => false,
    }
}

/// Whether a position lies behind the last token.
fn at_end(text: &str, position: rhai::Position) -> bool {
    let (Some(line), column) = (position.line(), position.position().unwrap_or(1)) else { return true };
    let rest: String = text.lines().skip(line - 1).collect::<Vec<_>>().join("\n");
    rest.chars().skip(column.saturating_sub(1)).all(char::is_whitespace)
}

/// Whether the unterminated string that the lexer found was opened by a backtick or as a raw string.
fn open_string(text: &str) -> bool {
    let mut chars = text.chars().peekable();
    let mut open: Option<char> = None;
    while let Some(c) = chars.next() {
        match open {
            None if c == '/' && chars.peek() == Some(&'/') => {
                for c in chars.by_ref() {
                    if c == '\n' {
                        break;
                    }
                }
            }
            None if c == '#' && matches!(chars.peek(), Some('"' | '#')) => return raw_or_more(text),
            None if matches!(c, '"' | '`' | '\'') => open = Some(c),
            Some(quote) if c == quote => open = None,
            Some('"' | '\'') if c == '\\' => {
                chars.next();
            }
            Some('"' | '\'') if c == '\n' => return false,
            _ => {}
        }
    }
    open == Some('`')
}

/// A raw string `#"…"#` whose end is missing.
fn raw_or_more(text: &str) -> bool {
    text.matches("#\"").count() > text.matches("\"#").count()
}

/// Whether a block comment is open at the end; they nest in Rhai.
fn open_comment(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut quote) = (0, 0_usize, None);
    while at < bytes.len() {
        let pair = (bytes[at], bytes.get(at + 1).copied().unwrap_or(0));
        match (quote, pair) {
            (Some(b'"' | b'\''), (b'\\', _)) => at += 1,
            (Some(open), (c, _)) if c == open => quote = None,
            (None, (b'/', b'*')) => {
                depth += 1;
                at += 1;
            }
            (None, (b'*', b'/')) if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            (None, (b'/', b'/')) if depth == 0 => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
            }
            (None, (c @ (b'"' | b'`' | b'\''), _)) if depth == 0 => quote = Some(c),
            _ => {}
        }
        at += 1;
    }
    depth > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_things_go_on_and_mistakes_do_not() {
        let engine = Engine::new();
        for open in
            ["if true {", "let x = [1,", "f(", "`a", "/* a", "fn f()", "let x = ", "#{ a: 1", "1 +", "#\"a"]
        {
            assert!(is_incomplete(&engine, open), "{open}");
        }
        for whole in ["1", "let x = 1;", "}", "\"a", "let x = 1 2", "`a`", "/* a */ 1", "// `", "1 )"] {
            assert!(!is_incomplete(&engine, whole), "{whole}");
        }
    }
}
