//! What a layer holds, one change a line.

use super::describe::number;
use super::escape::{name, path};
use super::line::{paragraph, rest};
use super::quantity::{counted, size};
use super::table::{Column, Give, Table, cell};
use super::{Paint, ROWS, Style};
use crate::model::{Change, LayerPath, Node};

/// Draws changes in the order given, as `ls -l` would; `total` of them there are.
pub fn entries<'a>(
    changes: impl Iterator<Item = (&'a LayerPath, &'a Change)>,
    total: usize,
    style: &Style,
) -> String {
    let mut out = String::new();
    if total == 0 {
        paragraph(&mut out, style, Paint::Dim, 0, "no changes");
        return out;
    }
    let mut table = Table::new([
        Column::left("kind"),
        Column::left("mode"),
        Column::left("owner"),
        Column::right("size"),
        Column::left("path").giving(Give::Middle(20)),
        Column::left(""),
    ]);
    for (at, change) in changes.take(ROWS) {
        let shown = path(at, style);
        let empty = || cell(Paint::Plain, "");
        let Change::Put(entry) = change else {
            let kind = cell(Paint::Deleted, "whiteout");
            table.row([kind, empty(), empty(), empty(), cell(Paint::Deleted, shown), empty()]);
            continue;
        };
        let (kind, paint) = if entry.is_opaque() {
            ("opaque", Paint::Opaque)
        } else {
            (entry.node.kind().word(), Paint::Plain)
        };
        let amount = match &entry.node {
            Node::File { size: bytes } => size(*bytes),
            Node::CharDevice(device) | Node::BlockDevice(device) => number(*device),
            _ => String::new(),
        };
        let mut place = cell(paint, shown);
        if let Node::Symlink { target } = &entry.node {
            place.push((Paint::Dim, format!(" -> {}", name(target, style))));
        }
        let more = match entry.meta.xattrs.len() {
            _ if entry.implied => "implied".to_owned(),
            0 => String::new(),
            xattrs => counted(xattrs as u64, "xattr"),
        };
        // of what it implies a layer says nothing
        let said = |text: String| if entry.implied { empty() } else { cell(Paint::Plain, text) };
        table.row([
            cell(paint, kind),
            said(entry.meta.mode.to_string()),
            said(format!("{}:{}", entry.meta.uid, entry.meta.gid)),
            cell(Paint::Size, amount),
            place,
            cell(Paint::Dim, more),
        ]);
    }
    table.write(style, &mut out);
    rest(&mut out, style, total, "changes", "a `for` over `entries()` goes through all");
    out
}
