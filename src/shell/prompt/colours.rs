//! The colours of a line while it is typed.
//!
//! Written anew at each key, so it is one walk over the tokens; nothing is looked up but names. What is written must
//! be as wide as what was typed.

use rhai::{Module, Scope};

use super::lexer::{Kind, Lexed, Token, lex};
use crate::shell::command::Receiver;
use crate::shell::commands;
use crate::view::{Paint, Style};

/// The words of the language.
pub(super) const KEYWORDS: &[&str] = &[
    "as", "break", "catch", "const", "continue", "do", "else", "export", "false", "fn", "for", "global",
    "if", "import", "in", "let", "loop", "private", "return", "switch", "this", "throw", "true", "try",
    "until", "while",
];

/// What is coloured by what it stands for.
pub(super) struct Names<'a> {
    /// The variables that have a value.
    pub(super) scope: &'a Scope<'static>,
    /// The functions of earlier lines.
    pub(super) functions: &'a Module,
}

impl Names<'_> {
    fn is_function(&self, name: &str) -> bool {
        commands()
            .any(|command| command.name == name && command.forms.iter().any(|form| form.on == Receiver::None))
            || self.functions.iter_script_fn_info().any(|(_, _, known, ..)| known == name)
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Moment {
    /// While it is edited, with the cursor at this byte: brackets in pairs, guides along the indentation.
    Edited(usize),
    /// As it stays on the screen.
    Done,
}

/// A text in its colours.
pub(super) fn colour(source: &str, moment: Moment, names: &Names<'_>, style: &Style) -> String {
    let mut out = String::with_capacity(source.len() * 2);
    if source.trim_start().starts_with('!') {
        let (before, command) = source.split_at(source.len() - source.trim_start().len() + 1);
        out.push_str(&style.paint(Paint::Keyword, before));
        out.push_str(command);
        return out;
    }
    let lexed = lex(source);
    let pair = match moment {
        Moment::Edited(cursor) => pair_at(&lexed, cursor),
        Moment::Done => None,
    };
    let mut at = 0;
    for (index, token) in lexed.tokens.iter().enumerate() {
        gap(&source[at..token.start], moment, style, &mut out);
        let text = &source[token.start..token.end];
        let is_pair = pair.is_some_and(|(a, b)| a == index || b == index);
        let paint = if is_pair { Paint::Pair } else { paint(source, &lexed, index, names) };
        if paint == Paint::Plain {
            out.push_str(text);
        } else {
            // a colour does not go over the end of a line: what clears or scrolls it there would be coloured too
            for (count, line) in text.split('\n').enumerate() {
                if count > 0 {
                    out.push('\n');
                }
                out.push_str(&style.paint(paint, line));
            }
        }
        at = token.end;
    }
    gap(&source[at..], moment, style, &mut out);
    out
}

/// A text that is shown and not typed, in the colours of one that is.
pub(in crate::shell) fn coloured(source: &str, style: &Style) -> String {
    let names = Names { scope: &Scope::new(), functions: &Module::new() };
    colour(source, Moment::Done, &names, style)
}

/// The space between tokens; guides along what a line begins with.
fn gap(space: &str, moment: Moment, style: &Style, out: &mut String) {
    let Some(newline) = space.rfind('\n').filter(|_| moment != Moment::Done) else {
        return out.push_str(space);
    };
    let (before, indent) = space.split_at(newline + 1);
    out.push_str(before);
    let guide = style.paint(Paint::Dim, if style.unicode { "│" } else { "|" });
    let mut rest = indent;
    while let Some(after) = rest.strip_prefix("    ") {
        out.push_str(&guide);
        out.push_str("   ");
        rest = after;
    }
    out.push_str(rest);
}

/// The pair of the bracket under the cursor, else of the one before it.
fn pair_at(lexed: &Lexed, cursor: usize) -> Option<(usize, usize)> {
    let at = |index: usize| lexed.tokens.get(index);
    let touches = |token: Option<&Token>, cursor: usize| {
        token.is_some_and(|token| token.start <= cursor && cursor < token.end)
    };
    let find = |cursor: usize| {
        lexed.pairs.iter().find(|(a, b)| touches(at(*a), cursor) || touches(at(*b), cursor)).copied()
    };
    find(cursor).or_else(|| find(cursor.checked_sub(1)?))
}

fn paint(source: &str, lexed: &Lexed, index: usize, names: &Names<'_>) -> Paint {
    let token = lexed.tokens[index];
    match token.kind {
        Kind::Number => Paint::Number,
        Kind::Text => Paint::Text,
        Kind::Broken | Kind::Stray => Paint::Mistake,
        Kind::Comment => Paint::Dim,
        Kind::Open if source[token.start..].starts_with('$') => Paint::Keyword,
        Kind::Close if closes_interpolation(source, lexed, index) => Paint::Keyword,
        Kind::Open | Kind::Close | Kind::Mark => Paint::Plain,
        Kind::Word => word(source, lexed, index, names),
    }
}

fn closes_interpolation(source: &str, lexed: &Lexed, index: usize) -> bool {
    // pairs are in the order of their closing brackets
    let found = lexed.pairs.binary_search_by_key(&index, |(_, close)| *close);
    found.is_ok_and(|pair| source[lexed.tokens[lexed.pairs[pair].0].start..].starts_with('$'))
}

fn word(source: &str, lexed: &Lexed, index: usize, names: &Names<'_>) -> Paint {
    let word = lexed.text(source, index);
    let before = index.checked_sub(1).map_or("", |before| lexed.text(source, before));
    // `1..x` is a range, `x.y` is not
    let member = before == "." && index.checked_sub(2).is_none_or(|two| lexed.text(source, two) != ".");
    let called = lexed.text(source, index + 1) == "(";
    if KEYWORDS.contains(&word) && !member {
        return Paint::Keyword;
    }
    if before == "fn" || (called && names.is_function(word)) {
        return Paint::Call;
    }
    if member || called {
        return Paint::Plain;
    }
    if names.scope.contains(word) {
        return Paint::Variable;
    }
    // a bare word calls the function of that name
    let alone = lexed.tokens.len() == 1;
    if alone && names.is_function(word) { Paint::Call } else { Paint::Plain }
}
