//! What Tab offers: names, members, keys, and what fits in a string.
//!
//! Everything comes from the table of commands, the values of variables, and what is there by name. Nothing is run,
//! opened, made or changed, and what cannot be looked at is not offered.

mod expression;
mod names;
mod place;
mod quoted;
mod shape;
mod standard;
#[cfg(test)]
mod tests;
mod texts;

use std::cell::OnceCell;

use rhai::{Module, Scope};
use rustyline::completion::Pair;

use self::expression::Knowledge;
use self::names::Names;
use self::place::{Key, Place, Typed};
use self::shape::Of;
use self::standard::Standard;
use self::texts::Texts;
use super::keys::INDENT;
use crate::shell::state::Shell;
use crate::view::{self, Candidate, Style};

/// One thing to offer: what is typed for it, and how it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Item {
    insert: String,
    shown: Candidate,
}

impl Item {
    fn new(insert: impl Into<String>, name: &str, call: impl Into<String>, about: impl Into<String>) -> Self {
        let shown = Candidate { name: name.as_bytes().to_vec(), call: call.into(), about: about.into() };
        Self { insert: insert.into(), shown }
    }
}

/// What completes lines.
#[derive(Default)]
pub(super) struct Completer {
    /// Rhai's own methods, asked for once.
    standard: OnceCell<Standard>,
}

/// What a line is completed from.
#[derive(Clone, Copy)]
pub(super) struct World<'a> {
    pub(super) shell: &'a Shell,
    pub(super) scope: &'a Scope<'static>,
    pub(super) functions: &'a Module,
}

impl Completer {
    /// What may stand at the cursor: from which byte on, and the texts, as many as the screen holds.
    pub(super) fn complete(
        &self,
        line: &str,
        pos: usize,
        world: &World<'_>,
        style: &Style,
    ) -> (usize, Vec<Pair>) {
        let (start, items) = self.offered(line, pos, world);
        (start, fitted(items, &line[start..pos], style))
    }

    fn offered(&self, line: &str, pos: usize, world: &World<'_>) -> (usize, Vec<Item>) {
        let (before, after) = line.split_at(pos);
        // Tab at the beginning of a further line indents it
        if before.rsplit_once('\n').is_some_and(|(_, last)| last.trim().is_empty()) {
            return (pos, vec![Item::new(INDENT, "", "", "")]);
        }
        let texts = Texts { world, after };
        if let Some(topic) = before.trim_start().strip_prefix('?') {
            let (start, items) = texts::asked(topic.trim_start());
            return (pos - topic.trim_start().len() + start, items);
        }
        if let Some(command) = before.trim_start().strip_prefix('!') {
            return texts.host_command(command, pos);
        }
        let typed = Typed::new(before);
        let standard = self.standard.get_or_init(Standard::new);
        let knowledge = Knowledge { scope: world.scope, workspace: world.shell.workspace(), standard };
        let names = Names { world, knowledge: &knowledge, typed: &typed, after };
        match typed.place() {
            Place::Nothing => (pos, Vec::new()),
            Place::Member { start, before: end } => {
                let of = knowledge.of(&typed, end);
                (start, names.members(&of, &before[start..]))
            }
            Place::Name { start, argument } => {
                let prefix = &before[start..];
                let called = argument.and_then(|argument| names.called(argument));
                if let (Some(called), Some(argument)) = (&called, argument) {
                    if let Key::Wanted(open) = argument.key {
                        return (start, names.keys(called, open, prefix));
                    }
                    let before = typed.lexed.tokens.iter().rposition(|token| token.start < start);
                    let fresh =
                        before.is_some_and(|index| matches!(typed.text(index), "(" | "," | "[" | ":"));
                    let offered = if fresh { texts.unquoted(called, argument, prefix) } else { Vec::new() };
                    if !offered.is_empty() {
                        let mut items = names.variables_for(texts::takes(called, argument), prefix);
                        items.extend(offered);
                        return (start, items);
                    }
                }
                (start, names.free(prefix))
            }
            Place::Text { open, argument } => {
                match argument.and_then(|argument| Some((names.called(argument)?, argument))) {
                    Some((called, argument)) => texts.quoted(&called, argument, open, before),
                    None => (pos, Vec::new()),
                }
            }
            Place::Index { open, before: end } => {
                let of: Of = knowledge.of(&typed, end);
                texts.map_keys(&of.shape(), open, before)
            }
        }
    }
}

/// As many as the screen holds; what is offered beside them is counted in one that types nothing.
fn fitted(items: Vec<Item>, typed: &str, style: &Style) -> Vec<Pair> {
    let common = common_prefix(&items).to_owned();
    let (mut inserts, mut shown) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
    for item in items {
        inserts.push(item.insert);
        shown.push(item.shown);
    }
    let (rows, left) = view::candidates(&shown, style);
    let pairs = rows.into_iter().zip(inserts).map(|(display, replacement)| Pair { display, replacement });
    let rest = left.map(|display| {
        // what all have in common, so that it keeps nothing from being typed
        let replacement = if common.len() < typed.len() { typed.to_owned() } else { common };
        Pair { display, replacement }
    });
    pairs.chain(rest).collect()
}

/// What the texts of all items begin with.
fn common_prefix(items: &[Item]) -> &str {
    let Some(first) = items.first().map(|item| item.insert.as_str()) else { return "" };
    let same = |item: &Item| first.bytes().zip(item.insert.bytes()).take_while(|(a, b)| a == b).count();
    let mut length = items.iter().map(same).min().unwrap_or(0);
    while !first.is_char_boundary(length) {
        length -= 1;
    }
    &first[..length]
}
