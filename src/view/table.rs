//! Rows of cells, aligned, kept within the width.

use std::borrow::Cow;

use super::escape::{fit, fit_end, width};
use super::line::Line;
use super::{Paint, Style};

/// Free columns between two cells.
const GAP: usize = 2;

/// Where a narrower cell stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// How a column gets narrower where there is no room.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Give {
    /// It does not.
    Never,
    /// Texts are cut in the middle, down to so many columns.
    Middle(usize),
    /// Texts stay whole, as they are there to be copied: what is wider goes over the edge, and on in the next row of the
    /// terminal; no other column gets wider for it than so many columns.
    Over(usize),
    /// Texts are cut at the end, down to so many columns; the column goes where that is not enough.
    End(usize),
}

/// A column.
pub(super) struct Column {
    heading: Cow<'static, str>,
    align: Align,
    give: Give,
    most: usize,
}

impl Column {
    /// Flush left, as wide as it needs.
    pub(super) const fn left(heading: &'static str) -> Self {
        Self { heading: Cow::Borrowed(heading), align: Align::Left, give: Give::Never, most: usize::MAX }
    }

    /// A column with a heading that is not ours, escaped.
    pub(super) const fn named(heading: String, align: Align) -> Self {
        Self { heading: Cow::Owned(heading), align, give: Give::End(6), most: 60 }
    }

    /// Flush right, as wide as it needs.
    pub(super) const fn right(heading: &'static str) -> Self {
        Self { heading: Cow::Borrowed(heading), align: Align::Right, give: Give::Never, most: usize::MAX }
    }

    /// Takes at most so many columns, even where there is room.
    pub(super) const fn at_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// May get narrower. The rightmost such column does first.
    pub(super) const fn giving(mut self, give: Give) -> Self {
        self.give = give;
        self
    }
}

/// A cell: pieces of escaped text.
pub(super) type Cell = Vec<(Paint, String)>;

/// A cell of one piece.
pub(super) fn cell(paint: Paint, text: impl Into<String>) -> Cell {
    vec![(paint, text.into())]
}

/// A table; a column without any text takes no room.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table.
    pub(super) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row: one cell a column.
    pub(super) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Writes it all, the headings first where there are any.
    pub(super) fn write(&self, style: &Style, out: &mut String) {
        let widths = self.widths(style.width);
        if self.columns.iter().any(|column| !column.heading.is_empty()) {
            let headings = self.columns.iter().map(|column| cell(Paint::Heading, column.heading.as_ref()));
            self.line(&headings.collect::<Vec<_>>(), &widths, style, out);
        }
        for row in &self.rows {
            self.line(row, &widths, style, out);
        }
    }

    /// The columns that each column gets.
    fn widths(&self, room: usize) -> Vec<usize> {
        let mut widths = vec![0; self.columns.len()];
        for row in &self.rows {
            for (most, cell) in widths.iter_mut().zip(row) {
                *most = (*most).max(measure(cell));
            }
        }
        for (most, column) in widths.iter_mut().zip(&self.columns) {
            if *most > 0 {
                *most = (*most).min(column.most).max(width(&column.heading));
            }
        }
        for (at, column) in self.columns.iter().enumerate().rev() {
            let over = total(&widths).saturating_sub(room);
            let least = match column.give {
                Give::Never => continue,
                Give::Middle(least) | Give::Over(least) | Give::End(least) => least,
            };
            if over == 0 || widths[at] <= least {
                continue;
            }
            let enough = widths[at] >= least + over;
            widths[at] = match column.give {
                _ if enough => widths[at] - over,
                Give::End(_) => 0,
                _ => least,
            };
        }
        widths
    }

    fn line(&self, cells: &[Cell], widths: &[usize], style: &Style, out: &mut String) {
        let wide = Style { width: usize::MAX, ..*style };
        let goes_over = |((cell, column), &room): ((&Cell, &Column), &usize)| {
            matches!(column.give, Give::Over(_)) && measure(cell) > room
        };
        let mut line =
            Line::new(if cells.iter().zip(&self.columns).zip(widths).any(goes_over) { &wide } else { style });
        let mut start = 0;
        for ((cell, column), &room) in cells.iter().zip(&self.columns).zip(widths) {
            if room == 0 {
                continue;
            }
            line.pad_to(start);
            let taken = measure(cell);
            if column.align == Align::Right {
                line.skip(room.saturating_sub(taken));
            }
            match &cell[..] {
                pieces if matches!(column.give, Give::Over(_)) => {
                    for (paint, text) in pieces {
                        line.put(*paint, text);
                    }
                    start = start.max(line.taken() - room.min(taken));
                }
                [(paint, text)] if taken > room => {
                    let cut = if matches!(column.give, Give::Middle(_)) { fit } else { fit_end };
                    line.put(*paint, &cut(text, room, style));
                }
                pieces => {
                    let mut left = room;
                    for (paint, text) in pieces {
                        let text = fit_end(text, left, style);
                        left -= width(&text);
                        line.put(*paint, &text);
                    }
                }
            }
            start += room + GAP;
        }
        line.end(out);
    }
}

/// The columns that a cell would take.
fn measure(cell: &Cell) -> usize {
    cell.iter().map(|(_, text)| width(text)).sum()
}

/// The columns that a row takes.
fn total(widths: &[usize]) -> usize {
    let used = widths.iter().filter(|&&width| width > 0);
    used.clone().sum::<usize>() + GAP * used.count().saturating_sub(1)
}
