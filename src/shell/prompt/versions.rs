//! Which version of a function each call of a session meant, and what that version is called in one script.
//!
//! At the prompt a function calls what has the name when it runs; in a script all functions are there from the start.
//! So a function is written once for each set of functions that its calls led to: the last set has the names as they
//! were typed, the others have names of their own.

use std::collections::{BTreeSet, HashSet};

use super::calls::{Function, calls, functions};
use super::edits::{Edit, apply};
use super::lexer::Lexed;

/// A call, or the name in a definition.
struct Called {
    name: String,
    arity: usize,
    /// Its bytes.
    start: usize,
    end: usize,
    /// Whether a function of that name is defined here.
    defines: bool,
}

/// A function as it was once, with all that it called then.
struct Version {
    function: usize,
    /// An entry at which it was so.
    entry: usize,
    reaches: BTreeSet<usize>,
    name: String,
}

/// All functions of a session, in all their versions.
#[derive(Default)]
pub(super) struct Versions {
    functions: Vec<Function>,
    /// By entry.
    called: Vec<Vec<Called>>,
    /// Those whose names are not as they were typed.
    old: Vec<Version>,
}

impl Versions {
    /// Looks through the texts of the entries; those that are `None` are no code. `words` are taken.
    pub(super) fn new(entries: &[Option<(&str, &Lexed)>], words: &HashSet<&str>) -> Self {
        let mut versions = Self::default();
        for (index, entry) in entries.iter().enumerate() {
            let Some((source, text)) = entry else {
                versions.called.push(Vec::new());
                continue;
            };
            versions.functions.extend(functions(index, source, text));
            let found = calls(source, text).map(|(token, name, arity)| Called {
                name: name.to_owned(),
                arity,
                start: text.tokens[token].start,
                end: text.tokens[token].end,
                defines: token > 0 && text.text(source, token - 1) == "fn",
            });
            versions.called.push(found.collect());
        }
        for entry in 0..entries.len() {
            for call in 0..versions.called[entry].len() {
                let called = &versions.called[entry][call];
                if versions.around(entry, called.start).is_none()
                    && let Some(meant) = versions.meant(entry, called)
                {
                    versions.need(meant, entry, words);
                }
            }
        }
        // what nobody called is in the way of the last of its name
        for function in 0..versions.functions.len() {
            if !versions.is_last(function) && versions.old.iter().all(|old| old.function != function) {
                versions.need(function, versions.functions[function].entry, words);
            }
        }
        versions
    }

    /// What is to be written for the functions of an entry and its calls; `others` are further changes to it.
    pub(super) fn edits(&self, entry: usize, source: &str, others: &[Edit]) -> Vec<Edit> {
        let in_code = self.called[entry].iter().filter(|called| self.around(entry, called.start).is_none());
        let mut edits: Vec<Edit> = in_code.filter_map(|called| self.edit(entry, called)).collect();
        for (index, function) in self.functions.iter().enumerate().filter(|(_, known)| known.entry == entry) {
            let mut old = self.old.iter().filter(|old| old.function == index).peekable();
            if !self.is_last(index)
                && let Some(first) = old.next()
            {
                edits.extend(self.edits_in(first));
            }
            for version in old {
                let mut within = self.edits_in(version);
                within.extend(others.iter().filter(|edit| function.holds(entry, edit.start)).cloned());
                for edit in &mut within {
                    (edit.start, edit.end) = (edit.start - function.start, edit.end - function.start);
                }
                let text = format!("\n{}", apply(&source[function.start..function.end], &within));
                edits.push(Edit { start: function.end, end: function.end, text });
            }
        }
        edits
    }

    /// The names to change in a function for one of its versions.
    fn edits_in(&self, version: &Version) -> Vec<Edit> {
        let function = &self.functions[version.function];
        let within =
            self.called[function.entry].iter().filter(|call| function.holds(function.entry, call.start));
        within
            .filter_map(|called| {
                let named = || Edit { start: called.start, end: called.end, text: version.name.clone() };
                if called.defines { Some(named()) } else { self.edit(version.entry, called) }
            })
            .collect()
    }

    /// What a call is to be written as that is made at an entry, where that is not as it was typed.
    fn edit(&self, entry: usize, called: &Called) -> Option<Edit> {
        let meant = self.meant(entry, called)?;
        let reaches = self.reaches(meant, entry);
        let version = self.old.iter().find(|old| old.function == meant && old.reaches == reaches)?;
        Some(Edit { start: called.start, end: called.end, text: version.name.clone() })
    }

    /// Whether no later one has its name.
    fn is_last(&self, function: usize) -> bool {
        let (before, after) = self.functions.split_at(function + 1);
        before.last().is_none_or(|function| !after.iter().any(|later| later.is_same(function)))
    }

    /// The function whose text a byte of an entry is in.
    fn around(&self, entry: usize, at: usize) -> Option<usize> {
        self.functions.iter().position(|function| function.holds(entry, at))
    }

    /// The function that a call meant, when it was made at an entry.
    fn meant(&self, entry: usize, called: &Called) -> Option<usize> {
        self.functions.iter().rposition(|function| {
            function.entry <= entry && function.name == called.name && function.arity == called.arity
        })
    }

    /// A function and all that its calls led to at an entry.
    fn reaches(&self, function: usize, entry: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open = vec![function];
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.callees(next, entry));
            }
        }
        reached
    }

    /// What a function called at an entry.
    fn callees(&self, function: usize, entry: usize) -> Vec<usize> {
        let function = &self.functions[function];
        let within = self.called[function.entry].iter();
        within
            .filter(|called| !called.defines && function.holds(function.entry, called.start))
            .filter_map(|called| self.meant(entry, called))
            .collect()
    }

    /// A function is called at an entry: it and what it calls are written as they were then.
    fn need(&mut self, function: usize, entry: usize, words: &HashSet<&str>) {
        let mut open = vec![function];
        while let Some(next) = open.pop() {
            let reaches = self.reaches(next, entry);
            let is_known = self.old.iter().any(|old| old.function == next && old.reaches == reaches);
            if is_known || reaches.iter().all(|&reached| self.is_last(reached)) {
                continue;
            }
            let of_old = |old: &Version| &self.functions[old.function];
            let same = self.old.iter().filter(|old| of_old(old).is_same(&self.functions[next]));
            let taken: HashSet<&str> = same.map(|old| old.name.as_str()).collect();
            let mut number = 0;
            let name = loop {
                number += 1;
                let name = format!("{}_{number}", self.functions[next].name);
                if !words.contains(name.as_str()) && !taken.contains(name.as_str()) {
                    break name;
                }
            };
            self.old.push(Version { function: next, entry, reaches, name });
            open.extend(self.callees(next, entry));
        }
    }
}
