//! Where the cursor stands in what is typed: behind a dot, in an argument, in a string of one.

use crate::shell::prompt::lexer::{Kind, Lexed, Unclosed, lex};

/// What is typed up to the cursor, in tokens.
pub(super) struct Typed<'a> {
    pub(super) source: &'a str,
    pub(super) lexed: Lexed,
    /// For each token the bracket that belongs to it, if it is one of a pair.
    partner: Vec<Option<usize>>,
}

/// The argument that the cursor is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Argument<'a> {
    /// The token of the function's name.
    pub(super) callee: usize,
    /// Which argument it is.
    pub(super) index: usize,
    /// Whether the cursor is in an array in it.
    pub(super) in_array: bool,
    /// Where in a map in it the cursor is.
    pub(super) key: Key<'a>,
}

/// Where in a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key<'a> {
    /// In none.
    None,
    /// Where a key is to be typed; the map is opened by this token.
    Wanted(usize),
    /// In the value of this key.
    Value(&'a str),
}

/// What is to be completed.
pub(super) enum Place<'a> {
    /// Nothing can be.
    Nothing,
    /// A name behind a dot; the expression before it ends with this token.
    Member { start: usize, before: usize },
    /// A name of its own.
    Name { start: usize, argument: Option<Argument<'a>> },
    /// A string.
    Text { open: Unclosed, argument: Option<Argument<'a>> },
    /// A string in the brackets behind an expression, which ends with this token.
    Index { open: Unclosed, before: usize },
}

impl<'a> Typed<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        let lexed = lex(source);
        let mut partner = vec![None; lexed.tokens.len()];
        for (open, close) in &lexed.pairs {
            partner[*open] = Some(*close);
            partner[*close] = Some(*open);
        }
        Self { source, lexed, partner }
    }

    pub(super) fn text(&self, index: usize) -> &'a str {
        self.lexed.text(self.source, index)
    }

    pub(super) fn kind(&self, index: usize) -> Option<Kind> {
        self.lexed.tokens.get(index).map(|token| token.kind)
    }

    pub(super) fn partner(&self, index: usize) -> Option<usize> {
        self.partner.get(index).copied().flatten()
    }

    /// Where the cursor stands.
    pub(super) fn place(&self) -> Place<'a> {
        let count = self.lexed.tokens.len();
        if self.lexed.comment.is_some() {
            return Place::Nothing;
        }
        if let Some(open) = self.lexed.unclosed {
            // behind a `${…}` the string is not all there is
            if open.content > open.start + 1 && self.source.as_bytes()[open.start] == b'`' {
                return Place::Nothing;
            }
            return match self.indexed() {
                Some(before) => Place::Index { open, before },
                None => Place::Text { open, argument: self.argument() },
            };
        }
        let last = self.lexed.tokens.last().filter(|token| token.end == self.source.len());
        let (start, before) = match last.map(|token| (token.kind, token.start)) {
            Some((Kind::Word, start)) => (start, count - 1),
            Some((Kind::Number | Kind::Text | Kind::Broken, _)) => return Place::Nothing,
            _ => (self.source.len(), count),
        };
        let previous = |back: usize| before.checked_sub(back).map_or("", |index| self.text(index));
        match previous(1) {
            "." if previous(2) == "." => {}
            "." => {
                let end = if previous(2) == "?" { 3 } else { 2 };
                return match before.checked_sub(end) {
                    Some(before) => Place::Member { start, before },
                    None => Place::Nothing,
                };
            }
            // what comes is a new name
            "let" | "const" | "fn" | "for" | "|" => return Place::Nothing,
            _ => {}
        }
        Place::Name { start, argument: self.argument() }
    }

    /// The end of the expression that the innermost bracket is an index of.
    fn indexed(&self) -> Option<usize> {
        let open = *self.lexed.open.last()?;
        let before = open.checked_sub(1)?;
        let adjacent = self.lexed.tokens[before].end == self.lexed.tokens[open].start;
        let indexable = matches!(self.kind(before), Some(Kind::Word | Kind::Close));
        (self.text(open) == "[" && adjacent && indexable).then_some(before)
    }

    /// The argument that the cursor is in.
    fn argument(&self) -> Option<Argument<'a>> {
        let (mut in_array, mut key) = (false, Key::None);
        for (depth, &open) in self.lexed.open.iter().enumerate().rev() {
            let inner = self.lexed.open.get(depth + 1).copied();
            match self.text(open) {
                "[" if depth + 1 < self.lexed.open.len() || self.indexed().is_none() => in_array = true,
                "#{" if key == Key::None => key = self.key(open, inner),
                "(" => {
                    let callee = open.checked_sub(1)?;
                    let named = self.kind(callee) == Some(Kind::Word)
                        && self.lexed.tokens[callee].end == self.lexed.tokens[open].start;
                    let index = self.level(open, inner).filter(|&index| self.text(index) == ",").count();
                    return named.then_some(Argument { callee, index, in_array, key });
                }
                _ => return None,
            }
        }
        None
    }

    /// Whether a key or its value is next in the map that this token opens.
    fn key(&self, open: usize, inner: Option<usize>) -> Key<'a> {
        let marks: Vec<usize> =
            self.level(open, inner).filter(|&index| matches!(self.text(index), "," | ":")).collect();
        match marks.last() {
            Some(&colon) if self.text(colon) == ":" => Key::Value(self.text(colon - 1).trim_matches('"')),
            _ => Key::Wanted(open),
        }
    }

    /// The tokens right in an open bracket, up to the bracket in it that is open, too.
    pub(super) fn level(&self, open: usize, inner: Option<usize>) -> impl Iterator<Item = usize> {
        let end = inner.unwrap_or(self.lexed.tokens.len());
        let mut at = open + 1;
        std::iter::from_fn(move || {
            let index = at;
            // over what is in brackets of its own
            at = match self.partner(index) {
                Some(close) if close > index => close + 1,
                _ => index + 1,
            };
            (index < end).then_some(index)
        })
    }
}
