//! The call that shows more of what a picture had no room for, as one would type it.

use super::Style;
use super::escape::literal;
use crate::model::LayerPath;
use crate::workspace::{Handle, LayerLabel, Role};

/// The most layers that are written out.
const LAYERS: usize = 4;

/// Whether a path can be written as a string.
pub(super) fn can_be_typed(path: &LayerPath) -> bool {
    std::str::from_utf8(path.as_bytes()).is_ok()
}

/// The call, or two that complement each other, that shows what lies in `dir`.
pub(super) fn beneath(
    handle: Handle,
    title: &str,
    layers: &[LayerLabel],
    dir: &LayerPath,
    style: &Style,
) -> Vec<String> {
    let rooted = |more: &str| literal(&format!("/{}{more}", String::from_utf8_lossy(dir.as_bytes())), style);
    let dir = rooted("");
    let title = literal(title, style);
    match handle {
        // in a glob these would not stand for themselves
        Handle::Current if dir.contains(['*', '?', '[', '{', '\\']) => vec![format!("ls({dir})")],
        Handle::Current => vec![format!("ls({dir})"), format!("find({})", rooted("/**"))],
        Handle::Mount => vec![format!("use_mount({title}).tree({dir})")],
        Handle::Named => vec![format!("tree({title}, {dir})")],
        Handle::Image => vec![format!("tree(img, {dir}), where img is the image")],
        Handle::Layers => match written_out(layers, style) {
            Some(stack) => vec![format!("tree([{stack}], {dir})")],
            None => vec![format!("tree(x, {dir}), where x is the same stack")],
        },
    }
}

/// The layers as a script names them, bottom → top, if that is possible and short enough.
fn written_out(layers: &[LayerLabel], style: &Style) -> Option<String> {
    if layers.len() > LAYERS {
        return None;
    }
    let write = |label: &LayerLabel| match (label.role, &label.path) {
        (Role::Layer | Role::Draft, _) => Some(literal(&label.name, style)),
        (Role::Host, Some(path)) => Some(format!("layer_at({})", literal(path.to_str()?, style))),
        (Role::Host | Role::Upper | Role::Image, _) => None,
    };
    Some(layers.iter().map(write).collect::<Option<Vec<_>>>()?.join(", "))
}
