//! The picture of a stack: one row a path, one cell a layer.

use super::choose::choose;
use super::survey::{Record, Survey};
use super::{Matrix, Row};
use crate::model::{Change, Changeset, Kind};

/// Draws a stack up as rows, at most `limit` of them; the root has none.
///
/// Where there are more paths, rows that tell something come first: paths where layers interact, then those
/// that layers above the lowest speak about, each with the directories above it; a directory of which not
/// everything is shown says how much is left out (`folded`).
pub fn matrix(stack: &[&Changeset], limit: usize) -> Matrix {
    let survey = Survey::of(stack);
    let total = survey.records.len();
    let picked = if total <= limit { vec![true; total] } else { choose(&survey, limit) };
    let mut rows: Vec<Row> = Vec::with_capacity(total.min(limit));
    // for each record, the row that stands for it: its own, or that of the nearest directory above
    let mut owner: Vec<Option<usize>> = Vec::with_capacity(total);
    for (record, picked) in survey.records.iter().zip(picked) {
        if picked {
            owner.push(Some(rows.len()));
            rows.push(row(&survey, record));
        } else {
            let above = record.parent.and_then(|parent| owner[parent]);
            if let Some(above) = above {
                *rows[above].folded.get_or_insert(0) += 1;
            }
            owner.push(above);
        }
    }
    Matrix { left_out: (total - rows.len()) as u64, total: total as u64, rows, layers: survey.effects }
}

fn row(survey: &Survey<'_>, record: &Record<'_>) -> Row {
    let shown = survey.shown(record).map(|shown| shown.entry);
    let held = survey.words(record).iter().rev().find_map(|word| match word.change {
        Change::Put(entry) => Some(entry),
        Change::Whiteout => None,
    });
    Row {
        path: record.path.clone(),
        entry: shown.cloned(),
        kind: shown.or(held).map_or(Kind::File, |entry| entry.node.kind()),
        cells: survey.cells(record),
        note: survey.note(record),
        folded: None,
    }
}
