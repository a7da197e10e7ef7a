//! A mount alone, and a list of mounts.

use std::path::Path;

use super::escape::{host_path, prose};
use super::layer::pairs;
use super::line::{paragraph, rest};
use super::quantity::age;
use super::table::{Column, Give, Table, cell};
use super::{Paint, ROWS, Style};
use crate::workspace::{MountReport, Role};

/// Draws all that is known of a mount.
pub fn mount(report: &MountReport, style: &Style) -> String {
    let path = |path: &Option<std::path::PathBuf>| {
        path.as_deref().map_or(String::new(), |p: &Path| host_path(p, style))
    };
    let rows = [
        ("mount", Paint::Heading, prose(&report.name, style)),
        ("driver", Paint::Plain, report.driver.word().to_owned()),
        ("state", if report.mounted { Paint::Plain } else { Paint::Changed }, state(report)),
        ("since", Paint::Plain, since(report)),
        ("stack", Paint::Plain, stack(report, style)),
        ("merged", Paint::Path, path(&report.merged)),
        (
            "from outside",
            Paint::Path,
            if report.host_path == report.merged { String::new() } else { path(&report.host_path) },
        ),
        ("upper", Paint::Path, path(&report.upper)),
        ("work", Paint::Path, path(&report.work)),
    ];
    pairs(rows, style)
}

fn state(report: &MountReport) -> String {
    let mounted = match report.user {
        Some(user) => format!("in use by {user}"),
        None if report.mounted => "mounted".to_owned(),
        None => "not mounted".to_owned(),
    };
    let changes = match (report.read_only, report.dirty) {
        (true, _) => "read-only",
        (false, true) => "with uncommitted changes",
        (false, false) => "no uncommitted changes",
    };
    format!("{mounted}, {changes}")
}

/// How long it is as it is.
fn since(report: &MountReport) -> String {
    report.since.map_or(String::new(), |since| age(since, report.now))
}

/// The layers by name, bottom → top, as a stack is written; the upper aside.
fn stack(report: &MountReport, style: &Style) -> String {
    let lowers = report.layers.iter().filter(|label| label.role != Role::Upper);
    lowers.map(|label| prose(&label.name, style)).collect::<Vec<_>>().join(" + ")
}

/// Draws a list of mounts, in the order given.
pub fn mounts(reports: &[MountReport], style: &Style) -> String {
    let mut out = String::new();
    if reports.is_empty() {
        paragraph(&mut out, style, Paint::Dim, 0, "no mounts");
        return out;
    }
    let mut table = Table::new([
        Column::left("mount").giving(Give::Middle(10)),
        Column::left("driver"),
        Column::left("state"),
        Column::left("since"),
        Column::left("stack").giving(Give::Middle(12)),
        Column::left("merged").giving(Give::Over(12)),
    ]);
    for report in &reports[..reports.len().min(ROWS)] {
        let (paint, state) = match (report.user, report.mounted, report.dirty) {
            (Some(user), _, true) => (Paint::Plain, format!("{user}, changed")),
            (Some(user), _, false) => (Paint::Plain, user.to_string()),
            (None, true, true) => (Paint::Changed, "mounted, changed".to_owned()),
            (None, true, false) => (Paint::Added, "mounted".to_owned()),
            (None, false, true) => (Paint::Changed, "uncommitted".to_owned()),
            (None, false, false) => (Paint::Dim, "not mounted".to_owned()),
        };
        table.row([
            cell(Paint::Heading, prose(&report.name, style)),
            cell(Paint::Plain, report.driver.word()),
            cell(paint, state),
            cell(Paint::Plain, since(report)),
            cell(Paint::Plain, stack(report, style)),
            cell(Paint::Path, report.merged.as_deref().map_or(String::new(), |path| host_path(path, style))),
        ]);
    }
    table.write(style, &mut out);
    rest(&mut out, style, reports.len(), "mounts", "a `for` over `mounts()` goes through all");
    out
}
