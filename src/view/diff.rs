//! Differences between two states, one line a path.

use super::describe::{amount, differences, suffix};
use super::escape::{name, path, prose, width};
use super::line::{paragraph, rest};
use super::quantity::{count, counted, size};
use super::table::{Column, Give, Table, cell};
use super::{Paint, ROWS, Style};
use crate::model::Node;
use crate::overlay::{DiffKind, Difference};

/// Draws the differences between two states, by their titles: letter, path, what changed, how much was copied
/// up; then the sums of all.
pub fn diff(before: &str, after: &str, all: &[&Difference], style: &Style) -> String {
    let mut out = String::new();
    let (before, after) = (prose(before, style), prose(after, style));
    if all.is_empty() {
        let text = format!("no differences between {before} and {after}");
        paragraph(&mut out, style, Paint::Dim, 0, &text);
        return out;
    }
    let heading = format!("{before} {} {after}", style.signs().arrow);
    paragraph(&mut out, style, Paint::Heading, 0, &heading);

    let changes = &all[..all.len().min(ROWS)];
    let names: Vec<String> = changes.iter().map(|change| title(change, style)).collect();
    let longest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let copied = |bytes: u64| if bytes > 0 { format!("copied up {}", size(bytes)) } else { String::new() };
    let beside = changes.iter().map(|change| width(&copied(change.copied_up))).max().unwrap_or(0);
    // letter, gaps and the last column aside, paths get at most three fifths
    let free = style.width.saturating_sub(1 + 3 * 2 + beside);
    let room = free.saturating_sub(longest.min(free * 3 / 5)).max(20);

    let mut table = Table::new([
        Column::left(""),
        Column::left("").giving(Give::Middle(20)),
        Column::left("").giving(Give::End(8)),
        Column::left(""),
    ]);
    for (change, name) in changes.iter().zip(names) {
        let paint = paint(change.kind);
        let mut details = pack(details(change, style), room).into_iter();
        table.row([
            cell(paint, change.kind.letter()),
            cell(paint, name),
            cell(Paint::Plain, details.next().unwrap_or_default()),
            cell(Paint::Size, copied(change.copied_up)),
        ]);
        for more in details {
            let empty = || cell(Paint::Plain, "");
            table.row([empty(), empty(), cell(Paint::Plain, more), empty()]);
        }
    }
    table.write(style, &mut out);
    paragraph(&mut out, style, Paint::Dim, 0, &sums(all));
    let how = "the array that `diff` gives has all";
    rest(&mut out, style, all.len(), "changes", how);
    out
}

fn paint(kind: DiffKind) -> Paint {
    match kind {
        DiffKind::Added => Paint::Added,
        DiffKind::Changed => Paint::Changed,
        DiffKind::Deleted => Paint::Deleted,
    }
}

/// The path with the sign of its type, and where a new symlink leads.
fn title(change: &Difference, style: &Style) -> String {
    let entry = change.after.as_ref().or(change.before.as_ref());
    let kind = entry.map_or("", |entry| suffix(entry.node.kind()));
    let kind = if change.path.is_root() { "" } else { kind };
    let target = match (&change.after, change.kind) {
        (Some(after), DiffKind::Added) => match &after.node {
            Node::Symlink { target } => format!(" -> {}", name(target, style)),
            _ => String::new(),
        },
        _ => String::new(),
    };
    path(&change.path, style) + kind + target.as_str()
}

fn details(change: &Difference, style: &Style) -> Vec<String> {
    let mut details = match (change.kind, &change.before, &change.after) {
        (DiffKind::Changed, Some(before), Some(after)) => differences(before, after, &change.aspects, style),
        (DiffKind::Added, _, Some(entry)) | (DiffKind::Deleted, Some(entry), _) => vec![amount(entry)],
        _ => Vec::new(),
    };
    details.retain(|detail| !detail.is_empty());
    if change.beneath > 0 {
        details.push(format!("and {} beneath it", counted(change.beneath, "path")));
    }
    details
}

/// Sets texts into lines of at most `room` columns where they fit.
fn pack(texts: Vec<String>, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for text in texts {
        match lines.last_mut() {
            Some(line) if width(line) + 2 + width(&text) <= room => {
                line.push_str(", ");
                line.push_str(&text);
            }
            _ => lines.push(text),
        }
    }
    lines
}

fn sums(changes: &[&Difference]) -> String {
    let of = |kind: DiffKind| changes.iter().filter(|change| change.kind == kind).count() as u64;
    let kinds = [(DiffKind::Added, "added"), (DiffKind::Changed, "changed"), (DiffKind::Deleted, "deleted")];
    let parts = kinds.map(|(kind, word)| (of(kind), word));
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let text =
        parts.map(|(number, word)| format!("{} {word}", count(*number))).collect::<Vec<_>>().join(", ");
    match changes.iter().map(|change| change.copied_up).sum() {
        0 => text,
        bytes => format!("{text}; {} copied up", size(bytes)),
    }
}
