//! A stack as a table, oldest first.

use super::describe::{id, message};
use super::escape::{prose, width};
use super::line::{Line, paragraph};
use super::quantity::{age, count, counted, size};
use super::table::{Column, Give, Table, cell};
use super::{Paint, Style};
use crate::workspace::HistoryReport;

/// Draws a history: number, name, ID, age, files, size, message.
pub fn history(report: &HistoryReport, style: &Style) -> String {
    let mut out = String::new();
    let title = prose(&report.title, style);
    let layers = counted(report.items.len() as u64, "layer");
    if report.items.is_empty() {
        paragraph(&mut out, style, Paint::Dim, 0, &format!("{title}: {layers}"));
        return out;
    }
    let heading = format!("{title}: {layers}, oldest first");
    let mut line = Line::new(style);
    line.put(Paint::Heading, &heading);
    let chain = report.items.iter().rev().find_map(|item| item.chain_id);
    if let Some(chain) = chain
        && width(&heading) + 24 <= style.width
    {
        line.skip(2);
        line.put(Paint::Dim, "chain ID ");
        line.put(Paint::Id, &chain.short());
    }
    line.end(&mut out);

    let labels: Vec<_> = report.items.iter().map(|item| item.label.clone()).collect();
    let mut table = Table::new([
        Column::right("#"),
        Column::left("layer").giving(Give::Middle(8)),
        Column::left("ID"),
        Column::left("made").giving(Give::End(8)),
        Column::right("files"),
        Column::right("size"),
        Column::left("message").giving(Give::End(8)),
    ]);
    for (at, item) in report.items.iter().enumerate() {
        table.row([
            cell(Paint::Dim, (at + 1).to_string()),
            cell(Paint::of_layer(&labels, at), prose(&item.label.name, style)),
            cell(Paint::Id, id(&item.label)),
            cell(Paint::Plain, item.label.created.map_or(String::new(), |made| age(made, report.now))),
            cell(Paint::Plain, count(item.counts.files)),
            cell(Paint::Size, size(item.counts.bytes)),
            cell(Paint::Plain, message(&item.label, style)),
        ]);
    }
    table.write(style, &mut out);
    out
}
