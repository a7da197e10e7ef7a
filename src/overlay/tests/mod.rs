//! The rules one by one, on stacks written down as text; `random` compares with a naive oracle.
//! Tests of views write their stacks down in the same way.

mod random;
mod rules;
mod views;

use crate::model::{Change, Changeset, Entry, LayerPath, Metadata, Mode, Node};

pub(crate) fn path(text: &str) -> LayerPath {
    LayerPath::parse(text.as_bytes()).unwrap()
}

pub(crate) fn entry(node: Node) -> Change {
    let mode = Mode::new(if matches!(node, Node::Dir { .. }) { 0o755 } else { 0o644 });
    Change::Put(Entry::new(node, Metadata { mode, ..Metadata::default() }))
}

/// A layer of words: `dir/`, `dir@MODE/`, `opaque!/`, `implied?/`, `implied-and-opaque?!/`, `file=SIZE`, `link>TARGET`, `-whiteout`; parents come by themselves.
pub(crate) fn layer(text: &str) -> Changeset {
    let mut layer = Changeset::new();
    layer.insert(LayerPath::root(), entry(Node::Dir { opaque: false }));
    for word in text.split_whitespace() {
        let (name, change) = if let Some(name) = word.strip_prefix('-') {
            (name, Change::Whiteout)
        } else if let Some(name) = word.strip_suffix("?/") {
            (name, Change::Put(Entry::implied_dir(false)))
        } else if let Some(name) = word.strip_suffix("?!/") {
            (name, Change::Put(Entry::implied_dir(true)))
        } else if let Some((name, mode)) = word.strip_suffix('/').and_then(|name| name.split_once('@')) {
            let mode = Mode::new(u32::from_str_radix(mode, 8).unwrap());
            let meta = Metadata { mode, ..Metadata::default() };
            (name, Change::Put(Entry::new(Node::Dir { opaque: false }, meta)))
        } else if let Some(name) = word.strip_suffix("!/") {
            (name, entry(Node::Dir { opaque: true }))
        } else if let Some(name) = word.strip_suffix('/') {
            (name, entry(Node::Dir { opaque: false }))
        } else if let Some((name, target)) = word.split_once('>') {
            (name, entry(Node::Symlink { target: target.as_bytes().into() }))
        } else {
            let (name, size) = word.split_once('=').unwrap();
            (name, entry(Node::File { size: size.parse().unwrap() }))
        };
        for parent in path(name).ancestors() {
            if layer.get(&parent).is_none() {
                layer.insert(parent, entry(Node::Dir { opaque: false }));
            }
        }
        layer.insert(path(name), change);
    }
    layer
}

/// Layers, bottom → top.
pub(crate) fn layers(texts: &[&str]) -> Vec<Changeset> {
    texts.iter().map(|text| layer(text)).collect()
}

pub(crate) fn stack(layers: &[Changeset]) -> Vec<&Changeset> {
    layers.iter().collect()
}

pub(super) fn name(path: &LayerPath) -> String {
    String::from_utf8(path.as_bytes().to_vec()).unwrap()
}
