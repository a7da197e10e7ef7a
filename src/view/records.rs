//! Maps of the same keys, as a table.

use super::escape::prose;
use super::line::rest;
use super::table::{Align, Column, Table, cell};
use super::{Paint, ROWS, Style};

/// One value of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Field {
    /// No value.
    Nothing,
    /// A number, as it is written.
    Number(String),
    /// Anything else.
    Text(String),
}

/// Draws records under the names of their fields. A column whose fields are all numbers is flush right, and one without
/// any value takes no room.
pub fn records(names: &[String], rows: &[Vec<Field>], style: &Style) -> String {
    let columns = names.iter().enumerate().map(|(at, name)| {
        let fields = || rows.iter().filter_map(|row| row.get(at)).filter(|field| **field != Field::Nothing);
        let numbers = fields().all(|field| matches!(field, Field::Number(_)));
        Column::named(prose(name, style), if numbers { Align::Right } else { Align::Left })
    });
    let mut table = Table::new(columns.collect::<Vec<_>>());
    for row in &rows[..rows.len().min(ROWS)] {
        let cells = row.iter().map(|field| match field {
            Field::Nothing => cell(Paint::Plain, ""),
            Field::Number(text) | Field::Text(text) => cell(Paint::Plain, prose(text, style)),
        });
        table.row(cells.collect::<Vec<_>>());
    }
    let mut out = String::new();
    table.write(style, &mut out);
    out += &rest_of_items(rows.len(), style);
    out
}

/// Tells how many items of an array are not shown, if any, and how to get at them.
pub fn rest_of_items(all: usize, style: &Style) -> String {
    let mut out = String::new();
    rest(&mut out, style, all, "items", "a `for` over the array goes through all, `--json` prints them");
    out
}
