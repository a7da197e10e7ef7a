//! An image in a few lines, and several as a table.

use super::escape::prose;
use super::line::Line;
use super::quantity::{age, counted, size};
use super::table::{Column, Give, Table, cell};
use super::{Paint, Style};
use crate::workspace::ImageReport;

/// Draws one image: name, ID, platform, how many layers, sizes, age.
pub fn image(report: &ImageReport, style: &Style) -> String {
    let mut out = String::new();
    let mut line = Line::new(style);
    line.put(Paint::Heading, &prose(&report.title, style));
    line.skip(2);
    line.put(Paint::Plain, "image");
    line.skip(2);
    line.put(Paint::Id, &report.id.short());
    line.skip(2);
    line.put(Paint::Plain, &prose(&report.platform, style));
    line.end(&mut out);
    let mut parts = vec![counted(report.layers, "layer"), size(report.size)];
    if report.download_size != report.size {
        parts.push(format!("{} as it lies there", size(report.download_size)));
    }
    parts.extend(report.created.map(|made| format!("made {}", age(made, report.now))));
    let mut line = Line::new(style);
    line.put(Paint::Plain, &parts.join(", "));
    line.end(&mut out);
    out
}

/// Draws several images, one line each.
pub fn images(reports: &[ImageReport], style: &Style) -> String {
    let mut table = Table::new([
        Column::left("image").giving(Give::Middle(8)),
        Column::left("ID"),
        Column::left("platform").giving(Give::End(8)),
        Column::right("layers"),
        Column::right("size"),
        Column::left("made").giving(Give::End(8)),
    ]);
    for report in reports {
        table.row([
            cell(Paint::Heading, prose(&report.title, style)),
            cell(Paint::Id, report.id.short()),
            cell(Paint::Plain, prose(&report.platform, style)),
            cell(Paint::Plain, report.layers.to_string()),
            cell(Paint::Size, size(report.size)),
            cell(Paint::Plain, report.created.map_or(String::new(), |made| age(made, report.now))),
        ]);
    }
    let mut out = String::new();
    table.write(style, &mut out);
    out
}
