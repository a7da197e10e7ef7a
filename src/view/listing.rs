//! The names in a directory, in columns.

use super::describe::suffix;
use super::escape::{fit, name, width};
use super::line::{Line, paragraph};
use super::{Paint, Style};
use crate::driver::DirItem;
use crate::model::Kind;

/// Draws names in the order given, down the columns, as `ls -F` does.
pub fn listing(items: &[DirItem], style: &Style) -> String {
    let mut out = String::new();
    if items.is_empty() {
        paragraph(&mut out, style, Paint::Dim, 0, "empty");
        return out;
    }
    let names: Vec<String> = items
        .iter()
        .map(|item| {
            let sign = if item.kind == Kind::Symlink { "@" } else { suffix(item.kind) };
            fit(&(name(&item.name, style) + sign), style.width, style)
        })
        .collect();
    let room = names.iter().map(|name| width(name)).max().unwrap_or(0) + 2;
    let columns = ((style.width + 2) / room).clamp(1, names.len());
    let lines = names.len().div_ceil(columns);
    for at in 0..lines {
        let mut line = Line::new(style);
        for (column, place) in (at..names.len()).step_by(lines).enumerate() {
            line.pad_to(column * room);
            line.put(paint(items[place].kind), &names[place]);
        }
        line.end(&mut out);
    }
    out
}

fn paint(kind: Kind) -> Paint {
    match kind {
        Kind::Dir => Paint::Heading,
        Kind::Symlink => Paint::Hint,
        Kind::File => Paint::Plain,
        Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice => Paint::Changed,
    }
}
