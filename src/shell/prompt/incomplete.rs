//! Whether what was typed so far is a whole line, or goes on.

use rhai::{Engine, LexError, OptimizationLevel, ParseErrorType, Position};

use super::last;
use super::lexer::{CommentKind, Quote, lex};
use super::typed;

/// Whether Enter ends the entry. Two empty lines end any, so that nobody is ever stuck in one; one alone does not, as
/// functions have them in their middle.
pub(super) fn is_whole(text: &str) -> bool {
    let mut lines = text.rsplit('\n').map(|line| line.trim().is_empty());
    let ended = lines.next() == Some(true) && lines.next() == Some(true) && lines.next().is_some();
    ended || typed::is_whole(text) || !is_incomplete(text)
}

/// Tells whether a text ends in the middle of something: an open bracket, string or comment.
///
/// Which functions there are makes no difference to that, so a bare engine is asked.
fn is_incomplete(text: &str) -> bool {
    let lexed = lex(text);
    if lexed.comment == Some(CommentKind::Block) {
        return true;
    }
    let mut engine = Engine::new_raw();
    engine.set_max_expr_depths(0, 0);
    engine.set_optimization_level(OptimizationLevel::None);
    last::allow(&mut engine);
    let Err(error) = engine.compile(text) else { return false };
    match &*error.0 {
        ParseErrorType::UnexpectedEOF | ParseErrorType::WrongDocComment => true,
        // only a raw or a backtick string may go over lines
        ParseErrorType::BadInput(LexError::UnterminatedString) => {
            matches!(lexed.unclosed, Some(open) if matches!(open.quote, Quote::Backtick | Quote::Raw(_)))
        }
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
fn at_end(text: &str, position: Position) -> bool {
    let (Some(line), column) = (position.line(), position.position().unwrap_or(1)) else { return true };
    let rest: String = text.lines().skip(line - 1).collect::<Vec<_>>().join("\n");
    rest.chars().skip(column.saturating_sub(1)).all(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_empty_lines_end_any_entry_and_one_does_not() {
        for open in ["fn f() {", "fn f() {\n", "fn f() {\n    ", "fn f() {\n\n    1", "`a\n"] {
            assert!(!is_whole(open), "{open:?}");
        }
        for ended in ["fn f() {\n\n", "fn f() {\n    \n    ", "`a\n\n"] {
            assert!(is_whole(ended), "{ended:?}");
        }
    }

    #[test]
    fn open_things_go_on_and_mistakes_do_not() {
        for open in [
            "if true {",
            "let x = [1,",
            "f(",
            "`a",
            "/* a",
            "fn f()",
            "let x = ",
            "#{ a: 1",
            "1 +",
            "#\"a",
            "##\"a\"#",
            "`a${",
            "`a${1}",
            "f(`a ` + \"`\", ",
        ] {
            assert!(is_incomplete(open), "{open}");
        }
        for whole in [
            "1",
            "let x = 1;",
            "}",
            "\"a",
            "let x = 1 2",
            "`a`",
            "/* a */ 1",
            "// `",
            "1 )",
            "\"#\\\"\" + 1",
            "`a${1}`",
        ] {
            assert!(!is_incomplete(whole), "{whole}");
        }
    }
}
