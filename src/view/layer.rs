//! A layer alone, and a list of layers.

use super::describe::{holdings, id, message};
use super::escape::{fit, host_path, prose};
use super::line::{paragraph, rest};
use super::quantity::{count, counted, date, size, time};
use super::table::{Column, Give, Table, cell};
use super::{Paint, ROWS, Style};
use crate::workspace::{LayerReport, Role};

/// The columns that the words before values take.
const NAMED: usize = 10;

/// Draws all that is known of a layer.
pub fn layer(report: &LayerReport, style: &Style) -> String {
    let label = &report.label;
    let state = match label.role {
        Role::Upper => "upper, uncommitted",
        Role::Layer => "sealed",
        Role::Draft => "draft",
        Role::Host => "host directory, read-only",
        Role::Image => "in an image, read-only",
    };
    let depth = if report.depth > 1 { counted(report.depth as u64, "layer") } else { String::new() };
    let rows = [
        ("layer", Paint::Heading, prose(&label.name, style)),
        ("state", Paint::Plain, state.to_owned()),
        ("ID", Paint::Id, label.id.map_or(String::new(), |id| id.hex())),
        ("diff ID", Paint::Id, report.diff_id.map_or(String::new(), |id| id.hex())),
        ("chain ID", Paint::Id, report.chain_id.map_or(String::new(), |id| id.hex())),
        ("stack", Paint::Plain, depth),
        ("holds", Paint::Plain, holdings(&report.counts)),
        ("made", Paint::Plain, label.created.map_or(String::new(), time)),
        ("path", Paint::Path, label.path.as_deref().map_or(String::new(), |path| host_path(path, style))),
    ];
    let message = label.message.as_deref().unwrap_or_default().trim_end().split('\n').enumerate();
    let message =
        message.map(|(at, text)| (if at == 0 { "message" } else { "" }, Paint::Plain, prose(text, style)));
    pairs(rows.into_iter().chain(message), style)
}

/// Words and what they stand for, one pair a line; a pair without text is left out.
pub(super) fn pairs(rows: impl IntoIterator<Item = (&'static str, Paint, String)>, style: &Style) -> String {
    let mut table = Table::new([Column::left(""), Column::left("")]);
    // a path is there to be copied: one that is too long is left to the terminal
    let wide = Style { width: usize::MAX, ..*style };
    for (word, paint, text) in rows {
        if !text.is_empty() {
            let room = if paint == Paint::Path { usize::MAX } else { style.width.saturating_sub(NAMED) };
            table.row([cell(Paint::Dim, word), cell(paint, fit(&text, room, style))]);
        }
    }
    let mut out = String::new();
    table.write(&wide, &mut out);
    out
}

/// Draws a list of layers, in the order given.
pub fn layers(reports: &[LayerReport], style: &Style) -> String {
    let mut out = String::new();
    if reports.is_empty() {
        paragraph(&mut out, style, Paint::Dim, 0, "no layers");
        return out;
    }
    // a day is enough where the hour would take the room of the message
    let made = |moment| if style.width < 100 { date(moment) } else { time(moment) };
    let mut table = Table::new([
        Column::left("layer").giving(Give::Middle(10)),
        Column::left("ID"),
        Column::left("made"),
        Column::right("stack"),
        Column::right("files"),
        Column::right("size"),
        Column::left("message").giving(Give::End(8)),
    ]);
    for report in &reports[..reports.len().min(ROWS)] {
        let label = &report.label;
        table.row([
            cell(Paint::Plain, prose(&label.name, style)),
            cell(Paint::Id, id(label)),
            cell(Paint::Plain, label.created.map_or(String::new(), made)),
            cell(Paint::Plain, report.depth.to_string()),
            cell(Paint::Plain, count(report.counts.files)),
            cell(Paint::Size, size(report.counts.bytes)),
            cell(Paint::Plain, message(label, style)),
        ]);
    }
    table.write(style, &mut out);
    rest(&mut out, style, reports.len(), "layers", "a `for` over `layers()` goes through all");
    out
}
