//! What a store takes on disk.

use super::escape::{host_path, prose};
use super::line::{paragraph, rest};
use super::quantity::size;
use super::table::{Column, Give, Table, cell};
use super::{Paint, ROWS, Style};
use crate::workspace::{Part, UsageReport};

/// How many users of a part are named.
const USERS: usize = 3;

/// Draws what each part takes, what of it others have too, and what could be freed.
pub fn usage(report: &UsageReport, style: &Style) -> String {
    let mut out = String::new();
    let mut table = Table::new([
        Column::left("what"),
        Column::left("name").giving(Give::Middle(10)),
        Column::right("on disk"),
        Column::right("shared"),
        Column::right("own"),
        Column::left("used by").giving(Give::End(8)),
    ]);
    for item in &report.items[..report.items.len().min(ROWS)] {
        let mut used_by = item.used_by.iter().take(USERS).cloned().collect::<Vec<_>>().join(", ");
        if item.used_by.len() > USERS {
            used_by += &format!(" and {} more", item.used_by.len() - USERS);
        }
        let (paint, users) = match (item.part, item.used_by.is_empty()) {
            (Part::Layer, true) => (Paint::Changed, "nothing".to_owned()),
            _ => (Paint::Plain, used_by),
        };
        table.row([
            cell(Paint::Plain, item.part.word()),
            cell(if item.part == Part::Layer { Paint::Id } else { Paint::Plain }, prose(&item.name, style)),
            cell(Paint::Size, size(item.bytes)),
            cell(Paint::Size, if item.shared > 0 { size(item.shared) } else { String::new() }),
            cell(Paint::Size, if item.own() > 0 { size(item.own()) } else { String::new() }),
            cell(paint, prose(&users, style)),
        ]);
    }
    table.write(style, &mut out);
    rest(&mut out, style, report.items.len(), "parts", "a `for` over `.items` goes through all");
    let text = format!("{} in {}", size(report.bytes), host_path(&report.store, style));
    paragraph(&mut out, style, Paint::Heading, 0, &text);
    let free = match (report.gc, report.prune) {
        (_, 0) => "nothing to free".to_owned(),
        (gc, prune) => format!(
            "gc() would free {}, prune(\"0s\") {}: also all that stands under no mount",
            size(gc),
            size(prune)
        ),
    };
    paragraph(&mut out, style, Paint::Dim, 0, &free);
    out
}
