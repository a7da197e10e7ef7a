//! The lexer against Rhai's own, and on texts that are none.

use proptest::prelude::*;
use rhai::{Engine, Position, Token as Theirs};

use super::lexer::{CommentKind, Kind, Quote, lex};

/// The tokens that carry a text, as (kind, byte at which it begins).
fn ours(source: &str) -> Vec<(Kind, usize)> {
    let lexed = lex(source);
    let mut found = Vec::new();
    for token in &lexed.tokens {
        let text = &source[token.start..token.end];
        match token.kind {
            // Rhai gives the first piece of a backtick string a place, the rest none that could be compared
            Kind::Text if text.starts_with(['"', '\'', '`', '#']) => {
                found.push((Kind::Text, token.start));
            }
            Kind::Text | Kind::Mark => {}
            Kind::Open if source[token.start..].starts_with("()") => {}
            Kind::Close if source[..token.end].ends_with("()") => {}
            Kind::Open if text == "${" => found.push((Kind::Open, token.start + 1)),
            kind => found.push((kind, token.start)),
        }
    }
    found
}

fn theirs(engine: &Engine, source: &str) -> Vec<(Kind, usize)> {
    let offset = |position: Position| {
        let line = position.line().unwrap() - 1;
        let start = source.split('\n').take(line).map(|line| line.len() + 1).sum::<usize>();
        let column = position.position().unwrap_or(1) - 1;
        start + source[start..].chars().take(column).map(char::len_utf8).sum::<usize>()
    };
    let texts = [source];
    let (mut tokens, control) = engine.lex(&texts);
    tokens.state.include_comments = true;
    let mut found = Vec::new();
    // as the parser does it: a brace that ends a `${` leads back into its string
    let (mut depth, mut strings, mut goes_on) = (0, Vec::new(), false);
    for (token, position) in tokens {
        let rest = std::mem::take(&mut goes_on);
        match &token {
            Theirs::LeftBrace | Theirs::MapStart => depth += 1,
            Theirs::RightBrace => {
                depth -= 1;
                goes_on = strings.last() == Some(&depth);
                control.borrow_mut().is_within_text = goes_on;
            }
            Theirs::InterpolatedString(_) if !rest => strings.push(depth),
            Theirs::StringConstant(_) if rest => drop(strings.pop()),
            _ => {}
        }
        if rest {
            continue;
        }
        let start = if token == Theirs::EOF { source.len() } else { offset(position) };
        let kind = match &token {
            Theirs::EOF => break,
            Theirs::Comment(_) => Kind::Comment,
            Theirs::IntegerConstant(_) | Theirs::FloatConstant(_) => Kind::Number,
            Theirs::StringConstant(_) | Theirs::CharConstant(_) | Theirs::InterpolatedString(_) => Kind::Text,
            Theirs::LeftBrace | Theirs::LeftBracket | Theirs::LeftParen | Theirs::MapStart => Kind::Open,
            Theirs::RightBrace | Theirs::RightBracket | Theirs::RightParen => Kind::Close,
            Theirs::LexError(error) => panic!("{error} in {source:?}"),
            _ if source[start..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') => Kind::Word,
            _ => continue,
        };
        found.push((kind, start + usize::from(kind == Kind::Number && source[start..].starts_with('-'))));
    }
    found
}

/// Behind an escaped `$` Rhai counts one column too few, to the end of the line.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-zA-Z0-9_]{0,4}",
        "[0-9][0-9_]{0,3}",
        prop::sample::select(vec![
            "0xfF_1",
            "0b101",
            "0o17",
            "1.5",
            "1.",
            "2e3",
            "1.5e-3",
            "7..9",
            "1.max(2)",
            "let",
            "if",
            "true",
            "fn",
            "+",
            "-1",
            "- 1",
            "==",
            "..=",
            "=>",
            "::",
            ".",
            "?.",
            ",",
            ";",
            "!",
            "()",
            "\"a\"",
            "\"\"",
            "\"a\\\"b\"",
            "\"a\"\"b\"",
            "\"\\\\\"",
            "\"a\\\n b\"",
            "\"ü{(\"",
            "'x'",
            "'\\''",
            "'\"'",
            "#\"a\"b\"#",
            "##\"a\"#b\"##",
            "`a`",
            "`a\nb`",
            "``",
            "`a``b`",
            "`\\${a}`\n",
            "`$ {`",
            "// c {\n",
            "/* a */",
            "/* /* ` */ */",
            "/** d */",
            "\n",
            "\t",
            "é".trim_matches('é'),
        ])
        .prop_map(str::to_owned),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let row = |item| prop::collection::vec(item, 0..6).prop_map(|pieces| pieces.join(" "));
    row(piece().boxed()).prop_recursive(4, 40, 4, move |inner| {
        let around =
            prop::sample::select(vec![("(", ")"), ("[", "]"), ("{", "}"), ("#{", "}"), ("`a${", "}b`")]);
        let nested = (around, inner).prop_map(|((open, close), text)| format!("{open}{text}\n{close}"));
        row(prop_oneof![piece(), nested].boxed())
    })
}

proptest! {
    #[test]
    fn a_right_text_is_cut_as_rhai_cuts_it(source in text()) {
        let engine = Engine::new_raw();
        prop_assert_eq!(ours(&source), theirs(&engine, &source), "{:?}", source);
    }

    #[test]
    fn any_text_is_cut_without_gaps_but_space_and_without_overlap(source in "\\PC{0,40}|[\"'`#${}()a1.\\\\/*\n ]{0,30}") {
        let lexed = lex(&source);
        let mut at = 0;
        for token in &lexed.tokens {
            prop_assert!(token.start >= at && token.end > token.start, "{:?}", lexed);
            prop_assert!(source[at..token.start].trim().is_empty());
            at = token.end;
        }
        prop_assert!(source[at..].trim().is_empty());
        for index in &lexed.open {
            prop_assert_eq!(lexed.tokens[*index].kind, Kind::Open);
        }
    }
}

#[test]
fn what_is_open_at_the_end_is_told() {
    let open = |source: &str| {
        let lexed = lex(source);
        let brackets: String = lexed.open.iter().map(|index| lexed.text(source, *index)).collect();
        (brackets, lexed.unclosed.map(|open| (open.quote, open.content)), lexed.comment)
    };
    assert_eq!(open("f(#{ a: [\""), ("(#{[".to_owned(), Some((Quote::Double, 10)), None));
    assert_eq!(open("`a${x} b"), (String::new(), Some((Quote::Backtick, 6)), None));
    assert_eq!(open("`a${f(`b"), ("${(".to_owned(), Some((Quote::Backtick, 7)), None));
    assert_eq!(open("##\"a\"#"), (String::new(), Some((Quote::Raw(2), 3)), None));
    assert_eq!(open("1 /* /* */"), (String::new(), None, Some(CommentKind::Block)));
    assert_eq!(open("{ // "), ("{".to_owned(), None, Some(CommentKind::Line)));
    assert_eq!(open("{ // \n"), ("{".to_owned(), None, None));
    assert_eq!(open("\"a\n(").0, "(");
    assert_eq!(open("`${f(1}` + [").0, "[", "a forgotten bracket does not swallow the string");
    assert_eq!(open("\"\\"), (String::new(), Some((Quote::Double, 1)), None));
}
