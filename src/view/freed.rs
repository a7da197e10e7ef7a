//! What a collection freed, or would.

use super::escape::prose;
use super::line::{paragraph, rest};
use super::quantity::{counted, size};
use super::table::{Column, Give, Table, cell};
use super::waiting::processes;
use super::{Paint, ROWS, Style};
use crate::workspace::{FreedReport, Part};

/// Draws what went or would go and why, and how to do it.
pub fn freed(report: &FreedReport, style: &Style) -> String {
    let mut out = String::new();
    if report.items.is_empty() {
        paragraph(&mut out, style, Paint::Dim, 0, "nothing to free");
    } else {
        let mut table = Table::new([
            Column::left("what"),
            Column::left("name").giving(Give::Middle(10)),
            Column::right("on disk"),
            Column::left("why").giving(Give::End(8)),
        ]);
        for item in &report.items[..report.items.len().min(ROWS)] {
            let paint = if item.part == Part::Layer { Paint::Id } else { Paint::Plain };
            // a name takes nothing itself
            let bytes = if item.part == Part::Name { String::new() } else { size(item.bytes) };
            table.row([
                cell(Paint::Plain, item.part.word()),
                cell(paint, prose(&item.name, style)),
                cell(Paint::Size, bytes),
                cell(Paint::Plain, prose(&item.why, style)),
            ]);
        }
        table.write(style, &mut out);
        rest(&mut out, style, report.items.len(), "things", "a `for` over `.items` goes through all");
        let (text, paint) = if report.done {
            (format!("freed {}", sum(report)), Paint::Heading)
        } else {
            (format!("would free {}: `{}` does it", sum(report), prose(&report.how, style)), Paint::Hint)
        };
        paragraph(&mut out, style, paint, 0, &text);
    }
    let (layers, users) = &report.in_use;
    if *layers > 0 {
        let users: Vec<(u32, &str)> = users.iter().map(|user| (user.pid, user.name.as_str())).collect();
        let verb = if *layers == 1 { "stays" } else { "stay" };
        let layers = counted(*layers as u64, "layer");
        let text = format!("{layers} that nothing else needs {verb}, in use by {}", processes(&users, style));
        paragraph(&mut out, style, Paint::Dim, 0, &text);
    }
    out
}

/// How much that is in words.
pub fn sum(report: &FreedReport) -> String {
    let parts = [(Part::Name, "name"), (Part::Layer, "layer"), (Part::LeftOver, "thing left over")];
    let counts = parts.map(|(part, word)| (report.count(part), word));
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| match word {
            "thing left over" if count > 1 => format!("{count} things left over"),
            word => counted(count, word),
        })
        .collect();
    format!("{}, {}", counts.join(" and "), size(report.bytes()))
}
