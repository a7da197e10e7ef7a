//! What the expression before a dot is: a variable's value, or what a call says it gives. Nothing is run.

use rhai::{Dynamic, Scope};

use super::place::Typed;
use super::shape::{Of, Shape};
use super::standard::Standard;
use crate::shell::command::Receiver;
use crate::shell::commands;
use crate::shell::prompt::lexer::Kind;
use crate::workspace::Workspace;

/// How far a name is followed to what it was set to.
const DEPTH: usize = 8;

/// What there is to know of names.
#[derive(Clone, Copy)]
pub(super) struct Knowledge<'a> {
    pub(super) scope: &'a Scope<'static>,
    pub(super) workspace: &'a Workspace,
    pub(super) standard: &'a Standard,
}

impl Knowledge<'_> {
    /// What the expression is that ends with a token.
    pub(super) fn of(&self, typed: &Typed<'_>, end: usize) -> Of {
        self.chain(typed, end, DEPTH)
    }

    fn chain(&self, typed: &Typed<'_>, end: usize, depth: usize) -> Of {
        if depth == 0 {
            return Of::UNKNOWN;
        }
        let before = |index: usize| index.checked_sub(1).map_or("", |index| typed.text(index));
        // the expression before the dot before a token
        let owner = |index: usize| {
            let back = if index.checked_sub(2).is_some_and(|two| typed.text(two) == "?") { 3 } else { 2 };
            index.checked_sub(back).map_or(Of::UNKNOWN, |end| self.chain(typed, end, depth - 1))
        };
        match (typed.kind(end), typed.text(end)) {
            (Some(Kind::Number), _) => Of::Shape(Shape::Number),
            (Some(Kind::Text), text) => {
                Of::Shape(if text.starts_with('\'') { Shape::Char } else { Shape::Text })
            }
            (Some(Kind::Word), "true" | "false") => Of::Shape(Shape::Bool),
            (Some(Kind::Word), name) if before(end) == "." => owner(end).property(name),
            (Some(Kind::Word), name) => self.variable(typed, end, name, depth),
            (Some(Kind::Close), close) => {
                let Some(open) = typed.partner(end) else { return Of::UNKNOWN };
                let behind = open.checked_sub(1).filter(|&index| {
                    matches!(typed.kind(index), Some(Kind::Word | Kind::Close))
                        && typed.lexed.tokens[index].end == typed.lexed.tokens[open].start
                });
                match (close, behind) {
                    (")", Some(name)) if before(name) == "." => {
                        owner(name).method(typed.text(name), |shape, name| self.standard.gives(shape, name))
                    }
                    (")", Some(name)) => self.call(typed, name, open, end),
                    (")", None) if end > open + 1 => self.chain(typed, end - 1, depth - 1),
                    ("]", Some(before)) => self.chain(typed, before, depth - 1).item(),
                    ("]", None) => {
                        let first = expression_end(typed, open + 1, end);
                        let item =
                            first.map_or(Shape::Unknown, |first| self.chain(typed, first, depth - 1).shape());
                        Of::Shape(Shape::Array(Box::new(item)))
                    }
                    ("}", _) if typed.text(open) == "#{" => {
                        Of::Shape(Shape::Keys(literal_keys(typed, open, end)))
                    }
                    _ => Of::UNKNOWN,
                }
            }
            _ => Of::UNKNOWN,
        }
    }

    /// What a function gives, called on nothing.
    fn call(&self, typed: &Typed<'_>, name: usize, open: usize, close: usize) -> Of {
        let only =
            (close == open + 2 && typed.kind(open + 1) == Some(Kind::Text)).then(|| typed.text(open + 1));
        // a layer or a mount that is there already
        if let Some(text) = only.and_then(|text| text.strip_prefix('"')?.strip_suffix('"')) {
            match typed.text(name) {
                "layer" => {
                    if let Some(layer) = self.workspace.known_layer(text) {
                        return Of::Value(Dynamic::from(layer));
                    }
                }
                "use_mount" => {
                    if let Some(mount) = self.workspace.known_mount(text) {
                        return Of::Value(Dynamic::from(mount));
                    }
                }
                _ => {}
            }
        }
        let name = typed.text(name);
        let ours = commands().find(|command| {
            command.name == name && command.forms.iter().any(|form| form.on == Receiver::None)
        });
        Of::Shape(ours.map_or(Shape::Unknown, |command| Shape::of_words(command.gives)))
    }

    /// A variable: as this text sets it, else as it is.
    fn variable(&self, typed: &Typed<'_>, at: usize, name: &str, depth: usize) -> Of {
        for index in (1..at).rev() {
            if typed.text(index) != name || typed.kind(index) != Some(Kind::Word) {
                continue;
            }
            match (typed.text(index - 1), typed.text(index + 1)) {
                ("let" | "const", "=") => {
                    return match expression_end(typed, index + 2, at) {
                        Some(end) => self.chain(typed, end, depth - 1),
                        None => Of::UNKNOWN,
                    };
                }
                ("for", "in") => {
                    return match expression_end(typed, index + 2, at) {
                        Some(end) => self.chain(typed, end, depth - 1).item(),
                        None => Of::UNKNOWN,
                    };
                }
                _ => {}
            }
        }
        self.scope.get(name).map_or(Of::UNKNOWN, |value| Of::Value(value.flatten_clone()))
    }
}

/// The last token of the expression that begins with a token, if it is one chain of names, calls and indices.
fn expression_end(typed: &Typed<'_>, start: usize, limit: usize) -> Option<usize> {
    let mut at = start;
    let mut end = None;
    while at < limit {
        let fits = match typed.kind(at)? {
            Kind::Word | Kind::Number | Kind::Text => {
                end.is_none_or(|end: usize| matches!(typed.text(end), "." | "?"))
            }
            Kind::Open if typed.text(at) == "{" && end.is_some() => false,
            Kind::Open => {
                at = typed.partner(at)?;
                true
            }
            Kind::Mark => matches!(typed.text(at), "." | "?"),
            _ => false,
        };
        if !fits {
            let ends = matches!(typed.text(at), ";" | "{" | ",") || typed.kind(at) == Some(Kind::Word);
            return end.filter(|_| ends);
        }
        end = Some(at);
        at += 1;
    }
    end
}

/// The keys of a map as it is written.
fn literal_keys(typed: &Typed<'_>, open: usize, close: usize) -> Vec<String> {
    let tokens: Vec<usize> = typed.level(open, Some(close)).collect();
    let keys = tokens.windows(2).filter(|pair| typed.text(pair[1]) == ":");
    keys.map(|pair| typed.text(pair[0]).trim_matches('"').to_owned()).collect()
}
