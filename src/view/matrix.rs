//! The rows of the picture of a stack: names, sizes, one column a layer, notes.
//!
//! Where there is no room for a column with a name for each layer, columns are one sign wide and numbered;
//! where there is none for these either, each row names the layer that decides.

use std::collections::HashSet;

use super::branches::{Branch, branches};
use super::describe::{amount, suffix};
use super::escape::{fit, fit_end, name, width};
use super::line::Line;
use super::names::{fit_name, short_names};
use super::note::note;
use super::quantity::count;
use super::{Paint, Style};
use crate::model::{LayerPath, Node};
use crate::overlay::{Cell, Row};
use crate::workspace::{LayerLabel, StackReport};

/// How layers are shown in a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// A column with its name for each.
    Named {
        /// Columns each takes, bottom → top.
        widths: Vec<usize>,
        /// Free columns in front of each.
        gap: usize,
    },
    /// A column of one sign for each, under its number.
    Numbered {
        /// Free columns in front of each.
        gap: usize,
    },
    /// The deciding layer's sign and name.
    Words {
        /// The columns for it.
        width: usize,
    },
}

/// Where everything stands.
pub(super) struct Layout<'a> {
    report: &'a StackReport,
    style: &'a Style,
    pub(super) form: Form,
    names: Vec<String>,
    branches: Vec<Branch>,
    notes: Vec<String>,
    name: usize,
    size: usize,
    note: usize,
}

const GAP: usize = 2;
/// Between the last column and the notes.
const NOTE_GAP: usize = 4;
/// The narrowest note worth its room.
const NOTE_LEAST: usize = 8;
/// The columns that a symlink's target may add to the names: a long one is no reason to push all else aside.
const TARGET: usize = 24;

impl<'a> Layout<'a> {
    /// Finds the best form for the room there is.
    pub(super) fn new(report: &'a StackReport, style: &'a Style) -> Self {
        let rows = &report.matrix.rows;
        let names = short_names(&report.layers, style);
        let mut layout = Self {
            report,
            style,
            form: Form::Words { width: 0 },
            branches: branches(&LayerPath::root(), rows.iter().map(|row| &row.path)),
            notes: rows.iter().map(|row| note(row, &names, false)).collect(),
            names,
            name: 0,
            size: rows
                .iter()
                .filter_map(|row| row.entry.as_ref())
                .map(|e| width(&amount(e)))
                .max()
                .unwrap_or(0),
            note: 0,
        };
        let natural = rows.iter().zip(&layout.branches).map(|(row, branch)| {
            let [name, target, rest] = texts(row, branch, style);
            branch.width() + width(&name) + width(&target).min(TARGET) + width(&rest)
        });
        let natural = natural.max().unwrap_or(0).max("merged".len());
        layout.choose(natural);
        if let Form::Words { .. } = layout.form {
            layout.notes = rows.iter().map(|row| note(row, &layout.names, true)).collect();
        }
        layout.share(natural);
        layout
    }

    fn choose(&mut self, natural: usize) {
        let names: Vec<usize> = self.names.iter().map(|name| width(name)).collect();
        let named = |(most, gap)| Form::Named {
            widths: names.iter().map(|&name| name.clamp(3, most)).collect(),
            gap,
        };
        // best is what cuts nothing
        for form in [(24, 3), (24, 2)].map(named) {
            self.form = form;
            if self.heads_differ() && self.free() >= natural + self.longest_note() {
                return;
            }
        }
        let wanted = natural.min(self.style.width / 3) + self.longest_note().min(self.style.width / 4);
        let forms = [(24, 2), (16, 2), (12, 2), (8, 2), (6, 2)].map(named);
        let numbered = [1, 0].map(|gap| Form::Numbered { gap });
        for form in forms.into_iter().chain(numbered) {
            self.form = form;
            if !self.heads_differ() {
                continue;
            }
            let needed = match self.form {
                Form::Named { .. } => wanted,
                // a picture is worth more than long names
                _ => wanted.min(self.style.width * 2 / 5),
            };
            if self.free() >= needed {
                return;
            }
        }
        self.form = Form::Words { width: 2 + names.into_iter().max().unwrap_or(0).min(self.style.width / 5) };
    }

    /// Whether no two columns have the same heading.
    fn heads_differ(&self) -> bool {
        let Form::Named { widths, .. } = &self.form else { return true };
        let heads = self.names.iter().zip(widths).map(|(name, &room)| fit_name(name, room, self.style));
        let mut seen = HashSet::new();
        heads.into_iter().all(|head| seen.insert(head))
    }

    fn longest_note(&self) -> usize {
        self.notes.iter().map(|note| width(note)).max().unwrap_or(0)
    }

    /// Columns that the layers take.
    fn columns(&self) -> usize {
        match &self.form {
            Form::Named { widths, gap } => widths.iter().map(|width| width + gap).sum(),
            Form::Numbered { gap } => GAP + self.report.layers.len() * (1 + gap),
            Form::Words { width } => GAP + width,
        }
    }

    /// Columns left for names and notes.
    fn free(&self) -> usize {
        let size = if self.size == 0 { 0 } else { GAP + self.size };
        self.style.width.saturating_sub(size + self.columns() + NOTE_GAP)
    }

    /// Shares what is left among names and notes.
    fn share(&mut self, natural: usize) {
        let (free, note) = (self.free(), self.longest_note());
        self.name = natural.min(free.saturating_sub(note).max(free * 3 / 5));
        self.note = note.min(free - self.name.min(free));
        if self.note < NOTE_LEAST.min(note) {
            self.name = natural.min(free);
            self.note = 0;
        }
    }

    /// The heading: one line, or as many as the numbers have digits.
    pub(super) fn head(&self, out: &mut String) {
        let (layers, style) = (&self.report.layers, self.style);
        let digits = layers.len().to_string().len();
        let lines = if matches!(self.form, Form::Numbered { .. }) { digits } else { 1 };
        for at in 0..lines {
            let mut line = Line::new(style);
            if at + 1 == lines {
                line.put(Paint::Heading, "merged");
            }
            self.to_columns(&mut line);
            match &self.form {
                Form::Named { widths, gap } => {
                    for (layer, room) in widths.iter().enumerate().rev() {
                        line.skip(*gap);
                        let end = line.taken() + room;
                        let text = fit_name(&self.names[layer], *room, style);
                        line.skip((room - width(&text)) / 2);
                        line.put(Paint::of_layer(layers, layer), &text);
                        line.pad_to(end);
                    }
                }
                Form::Numbered { gap } => {
                    line.skip(GAP);
                    for layer in (0..layers.len()).rev() {
                        let number = format!("{:>digits$}", layer + 1);
                        let digit = &number[at..=at];
                        line.skip(*gap);
                        let end = line.taken() + 1;
                        line.put(Paint::of_layer(layers, layer), digit.trim());
                        line.pad_to(end);
                    }
                }
                Form::Words { .. } => {
                    line.skip(GAP);
                    line.put(Paint::Heading, "from");
                }
            }
            line.end(out);
        }
    }

    fn to_columns(&self, line: &mut Line<'_>) {
        line.pad_to(self.name + if self.size == 0 { 0 } else { GAP + self.size });
    }

    /// The rows.
    pub(super) fn rows(&self, out: &mut String) {
        for at in 0..self.report.matrix.rows.len() {
            self.row(at, out);
        }
    }

    fn row(&self, at: usize, out: &mut String) {
        let (row, style) = (&self.report.matrix.rows[at], self.style);
        let mut line = Line::new(style);
        self.name(row, &self.branches[at], &mut line);
        let text = row.entry.as_ref().map_or_else(String::new, amount);
        if !text.is_empty() {
            line.pad_to(self.name + GAP + self.size - width(&text).min(self.size));
            line.put(Paint::Size, &text);
        }
        self.to_columns(&mut line);
        self.cells(row, &mut line);
        line.skip(NOTE_GAP);
        let paint = if row.entry.is_some() { Paint::Dim } else { Paint::Deleted };
        line.put(paint, &fit_end(&self.notes[at], self.note, style));
        line.end(out);
    }

    /// The branch, the name, where a symlink leads, how much is folded.
    fn name(&self, row: &Row, branch: &Branch, line: &mut Line<'_>) {
        let (layers, style) = (&self.report.layers, self.style);
        let [name, target, rest] = texts(row, branch, style);
        let lines = branch.draw(self.name.saturating_sub(width(&name).min(16)).max(6), style.signs());
        let room = self.name.saturating_sub(width(&lines) + width(&rest));
        let paint = match row.cells.iter().rposition(|cell| matches!(cell, Cell::Supplies | Cell::Opaque)) {
            Some(layer) if row.entry.is_some() => Paint::of_layer(layers, layer),
            _ => Paint::Deleted,
        };
        line.put(Paint::Dim, &lines);
        let shown = fit(&name, room, style);
        line.put(paint, &shown);
        let room = room - width(&shown);
        // ` -> ` and at least three more
        if room > 6 {
            line.put(Paint::Dim, &fit(&target, room, style));
        }
        line.put(Paint::Dim, &rest);
    }

    fn cells(&self, row: &Row, line: &mut Line<'_>) {
        let (layers, signs) = (&self.report.layers, self.style.signs());
        let cell_of = |layer: usize| row.cells.get(layer).copied().unwrap_or(Cell::Absent);
        match &self.form {
            Form::Named { widths, gap } => {
                for (layer, room) in widths.iter().enumerate().rev() {
                    line.skip(gap + (room - 1) / 2);
                    let cell = cell_of(layer);
                    line.put(sign_paint(layers, layer, cell), signs.cell(cell));
                    line.skip(room - 1 - (room - 1) / 2);
                }
            }
            Form::Numbered { gap } => {
                line.skip(GAP);
                for layer in (0..layers.len()).rev() {
                    line.skip(*gap);
                    let cell = cell_of(layer);
                    line.put(sign_paint(layers, layer, cell), signs.cell(cell));
                }
            }
            Form::Words { width: room } => {
                line.skip(GAP);
                let end = line.taken() + room;
                if let Some((layer, cell)) = decider(row) {
                    line.put(sign_paint(layers, layer, cell), signs.cell(cell));
                    line.skip(1);
                    let name = fit_name(&self.names[layer], room - 2, self.style);
                    line.put(Paint::of_layer(layers, layer), &name);
                }
                line.pad_to(end);
            }
        }
    }

    /// The signs in use, in the order of [`LEGEND`].
    pub(super) fn signs_in_use(&self) -> Vec<(Cell, &'static str)> {
        let mut used = [false; LEGEND.len()];
        for row in &self.report.matrix.rows {
            let mut mark = |cell: Cell| {
                for (used, (legend, _)) in used.iter_mut().zip(LEGEND) {
                    *used |= cell == legend;
                }
            };
            match self.form {
                Form::Words { .. } => decider(row).into_iter().for_each(|(_, cell)| mark(cell)),
                _ => row.cells.iter().copied().for_each(mark),
            }
        }
        LEGEND.into_iter().zip(used).filter(|(_, used)| *used).map(|(legend, _)| legend).collect()
    }
}

/// What the signs mean.
const LEGEND: [(Cell, &str); 6] = [
    (Cell::Supplies, "supplies"),
    (Cell::Merges, "merged in"),
    (Cell::Hidden, "hidden"),
    (Cell::Whiteout, "whiteout"),
    (Cell::Opaque, "opaque"),
    (Cell::Absent, "not here"),
];

/// The topmost layer that speaks about a row.
fn decider(row: &Row) -> Option<(usize, Cell)> {
    let layer = row.cells.iter().rposition(|&cell| cell != Cell::Absent)?;
    Some((layer, row.cells[layer]))
}

fn sign_paint(layers: &[LayerLabel], layer: usize, cell: Cell) -> Paint {
    match cell {
        Cell::Absent => Paint::Dim,
        Cell::Whiteout => Paint::Deleted,
        Cell::Opaque => Paint::Opaque,
        _ => Paint::of_layer(layers, layer),
    }
}

/// A row's name, its target and the count of what is folded, in full.
fn texts(row: &Row, branch: &Branch, style: &Style) -> [String; 3] {
    let target = match row.entry.as_ref().map(|entry| &entry.node) {
        Some(Node::Symlink { target }) => format!(" -> {}", name(target, style)),
        _ => String::new(),
    };
    let rest = match row.folded {
        Some(more) if more > 0 => format!(" {} {} more", style.signs().ellipsis, count(more)),
        _ => String::new(),
    };
    [name(branch.rest.as_bytes(), style) + suffix(row.kind), target, rest]
}
