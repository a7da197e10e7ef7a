//! A stack as a table, oldest first.

use super::describe::{id, message};
use super::escape::{prose, width};
use super::line::{Line, paragraph};
use super::quantity::{age, count, counted, size};
use super::table::{Column, Give, Table, cell};
use super::{Paint, Style};
use crate::workspace::{HistoryReport, Made};

/// Draws a history: number, name, ID, age, files, size, message.
pub fn history(report: &HistoryReport, style: &Style) -> String {
    let mut out = String::new();
    let title = prose(&report.title, style);
    let made = report.items.iter().filter(|item| item.made != Some(Made::Nothing)).count();
    let layers = counted(made as u64, "layer");
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

    if report.items.iter().any(|item| item.made.is_some()) {
        steps(report, style, &mut out);
        return out;
    }
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

/// The steps of an image's making: number, the layer's ID, age, files, size, size of the blob, command.
fn steps(report: &HistoryReport, style: &Style, out: &mut String) {
    let labels: Vec<_> = report.items.iter().map(|item| item.label.clone()).collect();
    let mut table = Table::new([
        Column::right("#"),
        Column::left("layer"),
        Column::left("made").giving(Give::End(8)),
        Column::right("files"),
        Column::right("size"),
        Column::right("blob"),
        Column::left("command").giving(Give::End(8)),
    ]);
    let mut layers = 0;
    for (at, item) in report.items.iter().enumerate() {
        let made = item.label.created.map_or(String::new(), |made| age(made, report.now));
        let command =
            item.label.message.as_deref().map_or(String::new(), |text| prose(&command(text), style));
        let (number, blob) = match item.made {
            Some(Made::Layer { blob }) => {
                layers += 1;
                (layers.to_string(), size(blob))
            }
            _ => (String::new(), String::new()),
        };
        let here = |text: String| if number.is_empty() { String::new() } else { text };
        table.row([
            cell(Paint::Dim, number.clone()),
            cell(Paint::of_layer(&labels, at), id(&item.label)),
            cell(Paint::Plain, made),
            cell(Paint::Plain, here(count(item.counts.files))),
            cell(Paint::Size, here(size(item.counts.bytes))),
            cell(Paint::Size, blob),
            cell(if number.is_empty() { Paint::Dim } else { Paint::Plain }, command),
        ]);
    }
    table.write(style, out);
}

/// A command as a Dockerfile has it, in one line.
fn command(text: &str) -> String {
    let text = text.trim();
    let text = match text.strip_prefix("/bin/sh -c") {
        Some(rest) => match rest.trim_start().strip_prefix("#(nop)") {
            Some(set) => set.trim().to_owned(),
            None => format!("RUN {}", rest.trim()),
        },
        None => text.trim_end_matches("# buildkit").trim_end().replacen("RUN /bin/sh -c ", "RUN ", 1),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
