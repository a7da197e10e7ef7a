//! The picture that `show()` draws of a mount or a stack.

use super::call;
use super::describe::{id, message};
use super::escape::{fit, host_path, prose, width};
use super::line::{Line, advice, paragraph};
use super::matrix::{Form, Layout};
use super::quantity::{count, counted, size};
use super::table::{Cell, Column, Give, Table, cell};
use super::{Paint, Style};
use crate::driver::DriverKind;
use crate::overlay::{Cell as Sign, LayerEffect};
use crate::workspace::{Role, StackReport};

/// The most layers that have a line each where they have no columns.
const LAYER_LINES: usize = 16;

/// Draws a stack: its layers, topmost first, and what each does to every path.
pub fn stack(report: &StackReport, style: &Style) -> String {
    let layout = Layout::new(report, style);
    let mut lines = String::new();
    layer_lines(report, &layout.form, style, &mut lines);
    let plain = Style { color: false, ..*style };
    let mut measured = String::new();
    layer_lines(report, &layout.form, &plain, &mut measured);
    let frame = measured.lines().map(width).max().unwrap_or(0);

    let mut out = String::new();
    header(report, frame, style, &mut out);
    out.push_str(&lines);
    if report.layers.is_empty() {
        return out;
    }
    out.push('\n');
    if report.matrix.rows.is_empty() {
        paragraph(&mut out, style, Paint::Dim, 0, &nothing(report));
    } else {
        layout.head(&mut out);
        layout.rows(&mut out);
        legend(&layout, style, &mut out);
    }
    left_out(report, style, &mut out);
    out
}

fn nothing(report: &StackReport) -> String {
    match report.matrix.left_out {
        0 => "the union is empty: no layer holds anything".to_owned(),
        _ => "no path is shown".to_owned(),
    }
}

/// Title, driver, merged directory; how many layers, flush with the lines below. Where the merged directory is
/// seen elsewhere under another path, a line with that.
fn header(report: &StackReport, frame: usize, style: &Style, out: &mut String) {
    let layers = counted(report.layers.len() as u64, "layer");
    let title = fit(&prose(&report.title, style), style.width / 3, style);
    let state = if report.mounted { "" } else { "not mounted" };
    let driver = report.driver.map_or("stack", DriverKind::word);
    let place = match &report.merged {
        Some(path) => host_path(path, style),
        None if report.driver.is_some() => "in this process".to_owned(),
        None => String::new(),
    };
    let taken = [title.as_str(), driver, state].into_iter().filter(|text| !text.is_empty());
    let taken: usize = taken.map(|text| width(text) + 2).sum::<usize>() + 2 + layers.len();
    let most = style.width.min(frame.max(80));
    let whole = place;
    let place = fit_path(&whole, most.saturating_sub(taken), style);
    let mut line = Line::new(style);
    let pieces = [
        (Paint::Heading, title.as_str()),
        (Paint::Plain, driver),
        (Paint::Changed, state),
        (Paint::Path, place.as_str()),
    ];
    for (paint, text) in pieces.into_iter().filter(|(_, text)| !text.is_empty()) {
        line.put(paint, text);
        line.skip(2);
    }
    line.pad_to(frame.min(style.width).saturating_sub(layers.len()));
    line.put(Paint::Plain, &layers);
    line.end(out);
    if let Some(path) = report.host_path.as_ref().filter(|path| report.merged.as_ref() != Some(path)) {
        // it is there to be copied: whole, over two rows where one is too short
        out.push_str(&style.paint(Paint::Dim, "from another terminal: "));
        out.push_str(&style.paint(Paint::Path, &host_path(path, style)));
        out.push('\n');
    } else if place != whole {
        out.push_str(&style.paint(Paint::Dim, "merged: "));
        out.push_str(&style.paint(Paint::Path, &whole));
        out.push('\n');
    }
}

/// A path cut in the middle at a `/`: its end tells where it is.
fn fit_path(path: &str, room: usize, style: &Style) -> String {
    if width(path) <= room {
        return path.to_owned();
    }
    let start = format!("/{}", style.signs().ellipsis);
    let ends = path.match_indices('/').map(|(at, _)| &path[at..]);
    match ends.into_iter().find(|end| width(end) + width(&start) <= room) {
        Some(end) => start + end,
        None => fit(path, room, style),
    }
}

/// One line a layer, topmost first.
fn layer_lines(report: &StackReport, form: &Form, style: &Style, out: &mut String) {
    let count = report.layers.len();
    let bounded = matches!(form, Form::Words { .. }) && count > LAYER_LINES + 1;
    if !bounded {
        layer_table(report, (0..count).rev(), form, style).write(style, out);
        return;
    }
    let (upper, lower) = (LAYER_LINES * 3 / 4, LAYER_LINES / 4);
    let shown = (count - upper..count).rev().chain((0..lower).rev());
    let mut text = String::new();
    layer_table(report, shown, form, style).write(style, &mut text);
    for (at, row) in text.split_inclusive('\n').enumerate() {
        if at == upper {
            let mut line = Line::new(style);
            line.put(Paint::Dim, style.signs().between);
            let rest = counted((count - upper - lower) as u64, "more layer");
            line.put(Paint::Dim, &format!(" {} {rest}: history() lists them", style.signs().ellipsis));
            line.end(out);
        }
        out.push_str(row);
    }
}

fn layer_table(
    report: &StackReport,
    shown: impl Iterator<Item = usize>,
    form: &Form,
    style: &Style,
) -> Table {
    let mut table = Table::new([
        Column::left("").giving(Give::Middle(8)).at_most(style.width / 2),
        Column::left(""),
        Column::left(""),
        Column::left("").giving(Give::End(8)),
        Column::left(""),
        Column::right(""),
    ]);
    let digits = report.layers.len().to_string().len();
    for at in shown {
        let label = &report.layers[at];
        let paint = Paint::of_layer(&report.layers, at);
        let number = match form {
            Form::Named { .. } => String::new(),
            _ => format!("{:>digits$} ", at + 1),
        };
        let effect = report.matrix.layers.get(at).copied().unwrap_or_default();
        let sign = if at + 1 == report.layers.len() && (at > 0 || label.role == Role::Upper) {
            style.signs().top
        } else if at == 0 {
            style.signs().base
        } else {
            style.signs().between
        };
        table.row([
            cell(paint, format!("{sign} {number}{}", prose(&label.name, style))),
            cell(Paint::Plain, if label.writable { "rw" } else { "ro" }),
            cell(Paint::Id, id(label)),
            cell(Paint::Plain, message(label, style)),
            effects(&effect),
            cell(Paint::Size, size(effect.counts.bytes)),
        ]);
    }
    table
}

/// `+added ~changed -deleted`, without zeros.
fn effects(effect: &LayerEffect) -> Cell {
    let parts = [
        (Paint::Added, '+', effect.added),
        (Paint::Changed, '~', effect.changed),
        (Paint::Deleted, '-', effect.deleted),
    ];
    let mut pieces = Cell::new();
    for (paint, sign, number) in parts.into_iter().filter(|(_, _, number)| *number > 0) {
        if !pieces.is_empty() {
            pieces.push((Paint::Plain, " ".to_owned()));
        }
        pieces.push((paint, format!("{sign}{}", count(number))));
    }
    if pieces.is_empty() { cell(Paint::Dim, "no changes") } else { pieces }
}

/// What the signs in use mean.
fn legend(layout: &Layout<'_>, style: &Style, out: &mut String) {
    let mut line = Line::new(style);
    for (sign, word) in layout.signs_in_use() {
        if line.taken() + 2 + width(word) > style.width {
            std::mem::replace(&mut line, Line::new(style)).end(out);
        }
        let paint = match sign {
            Sign::Whiteout => Paint::Deleted,
            Sign::Opaque => Paint::Opaque,
            _ => Paint::Dim,
        };
        line.put(paint, style.signs().cell(sign));
        line.skip(1);
        line.put(Paint::Dim, word);
        line.skip(3);
    }
    line.end(out);
}

/// How many paths have no row, and how to see them.
fn left_out(report: &StackReport, style: &Style, out: &mut String) {
    let matrix = &report.matrix;
    if matrix.left_out == 0 {
        return;
    }
    let foldable = matrix.rows.iter().filter(|row| row.folded.is_some() && call::can_be_typed(&row.path));
    let text = format!("{} of {} paths are not shown", count(matrix.left_out), count(matrix.total));
    match foldable.max_by_key(|row| row.folded) {
        Some(row) => {
            let calls = call::beneath(report.handle, &report.title, &report.layers, &row.path, style);
            advice(out, style, &format!("{text}: see them with"), &calls);
        }
        None => paragraph(out, style, Paint::Hint, 0, &text),
    }
}
