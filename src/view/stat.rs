//! A file's attributes as a list.

use super::describe::{number, what};
use super::layer::pairs;
use super::quantity::{count, exact_time, size};
use super::{Paint, Style};
use crate::driver::Stat;
use crate::model::Node;

/// Draws attributes, one a line.
pub fn stat(stat: &Stat, style: &Style) -> String {
    let (bytes, held) = match &stat.node {
        Node::File { .. } => (
            match stat.size {
                0..1024 => size(stat.size),
                bytes => format!("{} ({} bytes)", size(bytes), count(bytes)),
            },
            size(stat.blocks.saturating_mul(512)),
        ),
        _ => (String::new(), String::new()),
    };
    let device = match &stat.node {
        Node::CharDevice(device) | Node::BlockDevice(device) => number(*device),
        _ => String::new(),
    };
    let kind = match &stat.node {
        Node::Symlink { .. } => what(&stat.node, style),
        node => node.kind().word().to_owned(),
    };
    let rows = [
        ("type", Paint::Plain, kind),
        ("size", Paint::Size, bytes),
        ("on disk", Paint::Size, held),
        ("device", Paint::Plain, device),
        ("mode", Paint::Plain, stat.mode.to_string()),
        ("owner", Paint::Plain, format!("{}:{}", stat.uid, stat.gid)),
        ("links", Paint::Plain, stat.nlink.to_string()),
        ("inode", Paint::Plain, format!("{} on device {}", stat.ino, stat.dev)),
        ("modified", Paint::Plain, exact_time(stat.mtime)),
        ("changed", Paint::Plain, exact_time(stat.ctime)),
        ("read", Paint::Plain, exact_time(stat.atime)),
    ];
    pairs(rows, style)
}
