//! The names, calls and functions in the text of an entry, read from its tokens.

use super::lexer::{Kind, Lexed};

/// A function in an entry.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) arity: usize,
    pub(super) entry: usize,
    /// Its bytes.
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Function {
    /// Whether a call of the one could mean the other: they have the same name and number of parameters.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.arity == other.arity
    }

    /// Whether a byte of an entry is part of it.
    pub(super) fn holds(&self, entry: usize, at: usize) -> bool {
        self.entry == entry && (self.start..self.end).contains(&at)
    }
}

/// The names in a text, with their tokens' indices.
pub(super) fn names<'a>(source: &'a str, text: &'a Lexed) -> impl Iterator<Item = (usize, &'a str)> {
    let words = text.tokens.iter().enumerate();
    words.filter(|(_, token)| token.kind != Kind::Text && token.kind != Kind::Comment).filter_map(
        |(index, token)| {
            let word = &source[token.start..token.end];
            word.starts_with(|c: char| c.is_alphabetic() || c == '_').then_some((index, word))
        },
    )
}

/// The calls in a text, definitions among them: the name's token, the name, and how many arguments there are.
pub(super) fn calls<'a>(source: &'a str, text: &'a Lexed) -> impl Iterator<Item = (usize, &'a str, usize)> {
    names(source, text).filter_map(|(token, name)| {
        let (open, close) = text.pairs.iter().find(|(open, _)| *open == token + 1)?;
        (text.text(source, *open) == "(").then(|| (token, name, arguments(source, text, *open, *close)))
    })
}

/// How many arguments or parameters stand in brackets.
fn arguments(source: &str, text: &Lexed, open: usize, close: usize) -> usize {
    let mut count = 0;
    let mut index = open + 1;
    let mut is_open = false;
    while index < close {
        let token = text.tokens[index];
        if token.kind == Kind::Comment {
        } else if text.text(source, index) == "," {
            is_open = false;
        } else if !is_open {
            is_open = true;
            count += 1;
        }
        // what stands in brackets of its own is one
        let inside = text.pairs.iter().find(|(open, _)| *open == index);
        index = inside.map_or(index, |(_, close)| *close) + 1;
    }
    count
}

/// The functions that an entry defines.
pub(super) fn functions(entry: usize, source: &str, text: &Lexed) -> Vec<Function> {
    let is_defined = |token: usize| token > 0 && text.text(source, token - 1) == "fn";
    calls(source, text)
        .filter(|(token, ..)| is_defined(*token))
        .filter_map(|(token, name, arity)| {
            let (_, close) = text.pairs.iter().find(|(open, _)| *open == token + 1)?;
            let bodies =
                text.pairs.iter().filter(|(open, _)| open > close && text.text(source, *open) == "{");
            let (_, end) = bodies.min()?;
            let start = text.tokens[token - 1].start;
            Some(Function { name: name.to_owned(), arity, entry, start, end: text.tokens[*end].end })
        })
        .collect()
}
