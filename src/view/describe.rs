//! Files and their differences in words.

use std::collections::BTreeSet;

use super::Style;
use super::escape::{name, prose};
use super::quantity::{apart, counted, size};
use crate::model::{Counts, Device, Entry, Kind, Metadata, Node};
use crate::overlay::Aspect;
use crate::workspace::{LayerLabel, Role};

/// The sign behind a name that tells its type, as `ls -F` has it.
pub(super) fn suffix(kind: Kind) -> &'static str {
    match kind {
        Kind::Dir => "/",
        Kind::Fifo => "|",
        Kind::Socket => "=",
        Kind::File | Kind::Symlink | Kind::CharDevice | Kind::BlockDevice => "",
    }
}

/// What stands in the size column: bytes of a file, number of a device.
pub(super) fn amount(entry: &Entry) -> String {
    match &entry.node {
        Node::File { size: bytes } => size(*bytes),
        Node::CharDevice(device) => format!("char {}", number(*device)),
        Node::BlockDevice(device) => format!("block {}", number(*device)),
        _ => String::new(),
    }
}

/// `major:minor`.
pub(super) fn number(device: Device) -> String {
    format!("{}:{}", device.major, device.minor)
}

/// `a file of 11 B`, `a symlink to x`, `a directory`.
pub(super) fn what(node: &Node, style: &Style) -> String {
    match node {
        Node::Dir { .. } => "a directory".to_owned(),
        Node::File { size: bytes } => format!("a file of {}", size(*bytes)),
        Node::Symlink { target } => format!("a symlink to {}", name(target, style)),
        Node::Fifo => "a fifo".to_owned(),
        Node::Socket => "a socket".to_owned(),
        Node::CharDevice(device) => format!("a character device {}", number(*device)),
        Node::BlockDevice(device) => format!("a block device {}", number(*device)),
    }
}

/// `mode 0644, owner 0:0` and how many extended attributes there are.
pub(super) fn metadata(meta: &Metadata) -> String {
    let mut text = format!("mode {}, owner {}:{}", meta.mode, meta.uid, meta.gid);
    if !meta.xattrs.is_empty() {
        text = format!("{text}, {}", counted(meta.xattrs.len() as u64, "xattr"));
    }
    text
}

/// How two files differ, one text an aspect: `mode 0644 → 0755`, `content 12 B → 40 B`.
pub(super) fn differences(before: &Entry, after: &Entry, aspects: &[Aspect], style: &Style) -> Vec<String> {
    let arrow = style.signs().arrow;
    let turned = |word: &str, old: String, new: String| format!("{word} {old} {arrow} {new}");
    let (old, new) = (&before.meta, &after.meta);
    let difference = |aspect: &Aspect| match aspect {
        Aspect::Type => {
            turned("type", before.node.kind().word().to_owned(), after.node.kind().word().to_owned())
        }
        Aspect::Mode => turned("mode", old.mode.to_string(), new.mode.to_string()),
        Aspect::Owner => {
            turned("owner", format!("{}:{}", old.uid, old.gid), format!("{}:{}", new.uid, new.gid))
        }
        Aspect::Content => match (&before.node, &after.node) {
            (Node::File { size: old }, Node::File { size: new }) if old == new => {
                format!("content (size still {})", size(*new))
            }
            (Node::File { size: old }, Node::File { size: new }) => turned("content", size(*old), size(*new)),
            (Node::Symlink { target: old }, Node::Symlink { target: new }) => {
                turned("target", name(old, style), name(new, style))
            }
            (
                Node::CharDevice(old) | Node::BlockDevice(old),
                Node::CharDevice(new) | Node::BlockDevice(new),
            ) => turned("device", number(*old), number(*new)),
            _ => "content".to_owned(),
        },
        Aspect::Xattr => {
            let names: BTreeSet<_> = old.xattrs.keys().chain(new.xattrs.keys()).map(|key| &**key).collect();
            let differ = |key: &&&[u8]| old.xattrs.get(**key) != new.xattrs.get(**key);
            let differing: Vec<_> = names.iter().filter(differ).map(|key| name(key, style)).collect();
            format!("xattr {}", differing.join(" "))
        }
        Aspect::Time => {
            let [before, after] = apart(old.mtime, new.mtime);
            turned("time", before, after)
        }
    };
    aspects.iter().map(difference).collect()
}

/// `2 files, 1 directory, 52 B`: what a layer holds.
pub(super) fn holdings(counts: &Counts) -> String {
    let parts = [
        (counts.files, "file"),
        (counts.dirs, "directory"),
        (counts.whiteouts, "whiteout"),
        (counts.opaques, "opaque directory"),
    ];
    let mut texts: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|&(number, word)| match (number, word) {
            (2.., "opaque directory") => format!("{} opaque directories", super::quantity::count(number)),
            _ => counted(number, word),
        })
        .collect();
    if texts.is_empty() {
        return "nothing".to_owned();
    }
    if counts.files > 0 {
        texts.push(size(counts.bytes));
    }
    texts.join(", ")
}

/// What stands in the ID column.
pub(super) fn id(label: &LayerLabel) -> String {
    match (&label.id, label.role) {
        (Some(id), _) => id.short(),
        (None, Role::Upper) => "uncommitted".to_owned(),
        (None, Role::Draft) => "draft".to_owned(),
        (None, Role::Host) => "in place".to_owned(),
        (None, Role::Layer | Role::Image) => label.diff_id.map_or(String::new(), |id| id.short()),
    }
}

/// The first line of a layer's message in quotes; a host directory's path where there is none.
pub(super) fn message(label: &LayerLabel, style: &Style) -> String {
    match (&label.message, label.role, &label.path) {
        (Some(message), _, _) => {
            let mut lines = message.trim_end().lines();
            let first = prose(lines.next().unwrap_or_default(), style);
            let more = if lines.next().is_some() { style.signs().ellipsis } else { "" };
            format!("\"{first}{more}\"")
        }
        (None, Role::Host, Some(path)) => super::escape::host_path(path, style),
        _ => String::new(),
    }
}
