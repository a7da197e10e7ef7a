//! One pass over a whole stack: a light record a path, and what each layer does to the ones beneath it.

use std::ops::Range;
use std::rc::Rc;

use super::compare::metadata_aspects;
use super::walk::{Cuts, Trail, Walk, Word, shown};
use super::{Cell, LayerEffect, Resolved, RowNote};
use crate::model::{Change, Changeset, LayerPath};

/// What is known of one path.
pub(super) struct Record<'a> {
    /// The path.
    pub(super) path: &'a LayerPath,
    /// Where its words are.
    words: Range<usize>,
    /// What cuts in the directories above.
    cuts: Cuts,
    /// The record of the directory above; `None` beneath the root.
    pub(super) parent: Option<usize>,
    /// How many names the path has.
    pub(super) depth: usize,
}

/// Every path of a stack but the root, in path order.
pub(super) struct Survey<'a> {
    /// The paths.
    pub(super) records: Vec<Record<'a>>,
    words: Vec<Word<'a>>,
    /// What each layer does.
    pub(super) effects: Vec<LayerEffect>,
}

/// What holds in a directory.
#[derive(Clone, Default)]
struct Held {
    cuts: Cuts,
    /// The layers that hold the directory, cut off from the ones beneath.
    apart: Option<Rc<[usize]>>,
    record: Option<usize>,
    depth: usize,
}

/// What each layer does to the stack beneath it, bottom → top.
pub fn effects(stack: &[&Changeset]) -> Vec<LayerEffect> {
    Survey::of(stack).effects
}

impl<'a> Survey<'a> {
    /// Walks the stack.
    pub(super) fn of(stack: &[&'a Changeset]) -> Self {
        let counted = |layer: &&Changeset| LayerEffect { counts: layer.counts(), ..LayerEffect::default() };
        let mut survey =
            Self { records: Vec::new(), words: Vec::new(), effects: stack.iter().map(counted).collect() };
        let mut walk = Walk::whole(stack.iter().copied().enumerate());
        let mut trail = Trail::new(Held::default());
        let mut words = Vec::new();
        while let Some(path) = walk.next(&mut words) {
            let held = trail.above(path).clone();
            survey.count(path, &words, &held);
            let mut inside = Held {
                cuts: Cuts::default(),
                apart: None,
                record: None,
                depth: held.depth + usize::from(!path.is_root()),
            };
            let is_dir = words.iter().any(Word::is_dir);
            if is_dir {
                inside.cuts = held.cuts.with(&words);
                let apart = |word: &&Word<'_>| word.is_dir() && inside.cuts.contains(word.layer);
                if words.iter().any(|word| apart(&word)) {
                    inside.apart = Some(words.iter().filter(apart).map(|word| word.layer).collect());
                }
            }
            if !path.is_root() {
                inside.record = Some(survey.records.len());
                let start = survey.words.len();
                survey.words.extend_from_slice(&words);
                survey.records.push(Record {
                    path,
                    words: start..survey.words.len(),
                    cuts: held.cuts,
                    parent: held.record,
                    depth: inside.depth,
                });
            }
            if is_dir {
                trail.enter(path, inside);
            }
        }
        survey
    }

    /// The words about a record's path.
    pub(super) fn words(&self, record: &Record<'a>) -> &[Word<'a>] {
        &self.words[record.words.clone()]
    }

    /// Counts what the layers do at one path.
    fn count(&mut self, path: &LayerPath, words: &[Word<'a>], held: &Held) {
        for (place, word) in words.iter().enumerate() {
            let before = shown(&words[..place], &held.cuts, word.layer);
            let effect = &mut self.effects[word.layer];
            match (word.change, before) {
                (Change::Whiteout, Some(_)) => effect.deleted += 1,
                (Change::Whiteout, None) => {}
                (Change::Put(_), None) => effect.added += u64::from(!path.is_root()),
                (Change::Put(entry), Some(Resolved { entry: old, .. })) => {
                    let after = shown(&words[..=place], &held.cuts, word.layer + 1);
                    let after = after.map_or(entry, |after| after.entry);
                    let merely_merged =
                        entry.is_dir() && old.is_dir() && metadata_aspects(&old.meta, &after.meta).is_empty();
                    effect.changed += u64::from(!merely_merged);
                }
            }
        }
        for &layer in held.apart.as_deref().unwrap_or_default() {
            let speaks = words.iter().any(|word| word.layer == layer);
            if !speaks && shown(words, &held.cuts, layer).is_some() {
                self.effects[layer].deleted += 1;
            }
        }
    }

    /// What the union shows at a record's path.
    pub(super) fn shown(&self, record: &Record<'a>) -> Option<Resolved<'a>> {
        shown(self.words(record), &record.cuts, self.effects.len())
    }

    /// What each layer does to a record's path.
    pub(super) fn cells(&self, record: &Record<'a>) -> Vec<Cell> {
        let mut cells = vec![Cell::Absent; self.effects.len()];
        for (layer, cell) in self.judge(record) {
            cells[layer] = cell;
        }
        cells
    }

    /// The cells of the layers that speak about a path, topmost first.
    fn judge<'s>(&'s self, record: &'s Record<'a>) -> impl Iterator<Item = (usize, Cell)> + 's {
        let floor = record.cuts.floor(self.effects.len());
        let supplier = self.shown(record).map(|shown| shown.layer);
        let mut open = true;
        self.words(record).iter().rev().map(move |word| {
            let part = open && word.layer >= floor;
            let cell = match word.change {
                Change::Whiteout => Cell::Whiteout,
                Change::Put(_) if !part => Cell::Hidden,
                Change::Put(entry) if entry.is_opaque() => Cell::Opaque,
                Change::Put(_) if supplier == Some(word.layer) => Cell::Supplies,
                Change::Put(entry) if entry.is_dir() => Cell::Merges,
                Change::Put(_) => Cell::Hidden,
            };
            open &= !part || !word.cuts();
            (word.layer, cell)
        })
    }

    /// Why a record's row looks as it does.
    pub(super) fn note(&self, record: &Record<'a>) -> RowNote {
        let words = self.words(record);
        let floor = record.cuts.floor(self.effects.len());
        let Some(top) = words.last().filter(|word| word.layer >= floor) else {
            let layer = words.last().and_then(|word| record.cuts.over(word.layer)).unwrap_or_default();
            return RowNote::HiddenBeneath { layer };
        };
        let layer = top.layer;
        if matches!(top.change, Change::Whiteout) {
            let below = words.iter().rev().find(|word| matches!(word.change, Change::Put(_)));
            return RowNote::Deletes {
                layer,
                below: below.map(|word| word.layer).filter(|&below| below >= floor),
            };
        }
        let (mut merged, mut hidden, mut opaque) = (0, None, None);
        for (layer, cell) in self.judge(record) {
            match cell {
                Cell::Supplies | Cell::Merges => merged += 1,
                Cell::Opaque => opaque = Some(layer),
                Cell::Hidden if layer >= floor && hidden.is_none() => hidden = Some(layer),
                _ => {}
            }
        }
        match (opaque, hidden) {
            (Some(layer), Some(below)) => RowNote::CutsOff { layer, below },
            _ if merged + usize::from(opaque.is_some()) > 1 => RowNote::Merged,
            (None, Some(below)) => RowNote::Hides { layer, below },
            _ => RowNote::Only { layer },
        }
    }
}
