//! One line of output: painted pieces, and the columns they take.

use super::escape::{fit_end, width};
use super::{Paint, Style};

/// A line that knows how wide it is. It never grows over the style's width, and never ends in a space.
pub(super) struct Line<'s> {
    style: &'s Style,
    text: String,
    column: usize,
    /// Columns up to which spaces are owed, written before the next piece.
    owed: usize,
}

impl<'s> Line<'s> {
    /// Starts an empty line.
    pub(super) fn new(style: &'s Style) -> Self {
        Self { style, text: String::new(), column: 0, owed: 0 }
    }

    /// Adds escaped text.
    pub(super) fn put(&mut self, paint: Paint, text: &str) {
        debug_assert!(!text.contains(char::is_control), "escaped: {text:?}");
        let room = self.style.width.max(20).saturating_sub(self.owed);
        let columns = width(text);
        if columns > room {
            let cut = fit_end(text, room, self.style);
            self.write(paint, &cut, width(&cut));
        } else {
            self.write(paint, text, columns);
        }
    }

    fn write(&mut self, paint: Paint, text: &str, columns: usize) {
        if text.is_empty() {
            return;
        }
        self.text.extend(std::iter::repeat_n(' ', self.owed - self.column));
        self.text.push_str(&self.style.paint(paint, text));
        self.column = self.owed + columns;
        self.owed = self.column;
    }

    /// Goes on at this column, if it is not passed yet.
    pub(super) fn pad_to(&mut self, column: usize) {
        self.owed = self.owed.max(column);
    }

    /// Leaves columns free.
    pub(super) fn skip(&mut self, columns: usize) {
        self.owed += columns;
    }

    /// The columns taken so far.
    pub(super) fn taken(&self) -> usize {
        self.owed
    }

    /// Ends the line.
    pub(super) fn end(self, out: &mut String) {
        out.push_str(&self.text);
        out.push('\n');
    }
}

/// Tells how much of a list has no row, if any, and how to get at it.
pub(super) fn rest(out: &mut String, style: &Style, total: usize, what: &str, how: &str) {
    if total > super::ROWS {
        let count = super::quantity::count;
        let (more, total) = (count((total - super::ROWS) as u64), count(total as u64));
        paragraph(out, style, Paint::Hint, 0, &format!("{more} of {total} {what} are not shown: {how}"));
    }
}

/// Adds advice that ends in calls to type: they are never broken at their spaces, and get a line of their own
/// where there is no room.
pub(super) fn advice(out: &mut String, style: &Style, text: &str, calls: &[String]) {
    let mut line = Line::new(style);
    for (at, call) in calls.iter().enumerate() {
        let before = if at == 0 { text } else { " or" };
        line.put(Paint::Hint, before);
        if line.taken() + 1 + width(call) > style.width {
            std::mem::replace(&mut line, Line::new(style)).end(out);
            line.skip(1);
        }
        line.skip(1);
        line.put(Paint::Hint, call);
    }
    line.end(out);
}

/// Adds a line of one piece, set into several where it is too long, each from column `indent` on.
pub(super) fn paragraph(out: &mut String, style: &Style, paint: Paint, indent: usize, text: &str) {
    let room = style.width.saturating_sub(indent).max(20);
    for part in super::escape::wrap(text, room, style) {
        let mut line = Line::new(style);
        line.skip(indent);
        line.put(paint, &part);
        line.end(out);
    }
}
