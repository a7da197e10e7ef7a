//! Which rows of a picture that is too big are shown.

use super::RowNote;
use super::survey::{Record, Survey};

/// How much a row tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Layers interact here.
    Interacts,
    /// A layer above the lowest speaks here.
    Upper,
    /// Only the lowest layer speaks.
    Plain,
}

/// Picks at most `limit` records, whole chains of directories only: for each record, whether it has a row.
///
/// 1. The names in the root (if they are too many, half of the room, those first that tell something).
/// 2. Paths where layers interact, nearest to the root first.
/// 3. Paths of upper layers, nearest to the root first; what lies in a directory that one layer alone
///    supplies is shown only if all its names fit.
/// 4. If nothing told anything, the lowest layer's directories in the same way.
pub(super) fn choose(survey: &Survey<'_>, limit: usize) -> Vec<bool> {
    let records = &survey.records;
    let weights: Vec<Weight> = records.iter().map(|record| weigh(survey, record)).collect();
    let sole = sole_layers(survey);
    let mut choice = Choice { records, picked: vec![false; records.len()], room: limit };

    let mut by_depth: Vec<usize> = (0..records.len()).collect();
    by_depth.sort_by_key(|&record| records[record].depth);
    let names = by_depth.iter().take_while(|&&record| records[record].depth == 1).count();
    let (top, deeper) = by_depth.split_at(names);
    let most = if top.len() <= limit { top.len() } else { limit / 2 };
    let mut first = top.to_vec();
    first.sort_by_key(|&record| weights[record]);
    for &record in &first[..most] {
        choice.take(record);
    }
    let of = |weight: Weight| -> Vec<usize> {
        by_depth.iter().copied().filter(|&record| weights[record] == weight).collect()
    };
    let interacting = of(Weight::Interacts);
    for &record in &interacting {
        choice.take(record);
    }
    let uppers = of(Weight::Upper);
    let told = !uppers.is_empty() || !interacting.is_empty();
    for group in siblings(records, if told { &uppers } else { deeper }) {
        match records[group[0]].parent {
            Some(dir) if sole[dir].is_some() => {
                if choice.picked[dir] {
                    choice.take_all(group);
                }
            }
            _ => {
                for &record in group {
                    choice.take(record);
                }
            }
        }
    }
    choice.picked
}

/// Runs of records with one parent.
fn siblings<'r>(records: &'r [Record<'_>], order: &'r [usize]) -> impl Iterator<Item = &'r [usize]> {
    order.chunk_by(|&a, &b| records[a].depth == records[b].depth && records[a].parent == records[b].parent)
}

struct Choice<'r, 'a> {
    records: &'r [Record<'a>],
    picked: Vec<bool>,
    room: usize,
}

impl Choice<'_, '_> {
    /// Picks a record and the directories above it, if there is room for all of them.
    fn take(&mut self, record: usize) {
        let above = |&record: &usize| self.records[record].parent;
        let missing: Vec<usize> =
            std::iter::successors(Some(record), above).take_while(|&record| !self.picked[record]).collect();
        if missing.len() <= self.room {
            self.room -= missing.len();
            for record in missing {
                self.picked[record] = true;
            }
        }
    }

    /// Picks all names of a picked directory, or none.
    fn take_all(&mut self, names: &[usize]) {
        let missing = names.iter().filter(|&&record| !self.picked[record]).count();
        if missing <= self.room {
            for &record in names {
                self.take(record);
            }
        }
    }
}

fn weigh(survey: &Survey<'_>, record: &Record<'_>) -> Weight {
    let words = survey.words(record);
    if words.len() > 1 && survey.note(record) != RowNote::Merged {
        Weight::Interacts
    } else if words.iter().any(|word| word.layer > 0) {
        Weight::Upper
    } else {
        Weight::Plain
    }
}

/// For each record, the one layer that speaks about it and about everything beneath it.
fn sole_layers(survey: &Survey<'_>) -> Vec<Option<usize>> {
    let mut sole: Vec<Option<usize>> = Vec::with_capacity(survey.records.len());
    for record in &survey.records {
        let words = survey.words(record);
        sole.push((words.len() == 1).then(|| words[0].layer));
    }
    for (place, record) in survey.records.iter().enumerate().rev() {
        if let Some(parent) = record.parent
            && sole[parent] != sole[place]
        {
            sole[parent] = None;
        }
    }
    sole
}
