//! Archives out and in: fixed bytes, round trips, other programs, hostile input.

mod canonical;
mod foreign;
mod hostile;
mod programs;

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use super::{Assembler, Note, Reader, TarError, What, write_layer};
use crate::model::{Change, Changeset, Entry, LayerPath, Metadata, Mode, Node};

pub(super) fn path(text: &str) -> LayerPath {
    LayerPath::parse(text.as_bytes()).unwrap()
}

pub(super) fn file(size: u64) -> Entry {
    node(Node::File { size }, 0o644)
}

pub(super) fn dir() -> Entry {
    node(Node::Dir { opaque: false }, 0o755)
}

pub(super) fn node(node: Node, mode: u32) -> Entry {
    Entry::new(node, Metadata { mode: Mode::new(mode), ..Metadata::default() })
}

/// A layer; missing parents are made.
pub(super) fn layer(entries: impl IntoIterator<Item = (LayerPath, Change)>) -> Changeset {
    let mut layer = Changeset::new();
    layer.insert(LayerPath::root(), Change::Put(dir()));
    for (path, change) in entries {
        for parent in path.ancestors() {
            if layer.entry(&parent).is_none_or(|entry| !entry.is_dir()) {
                layer.insert(parent, Change::Put(dir()));
            }
        }
        layer.insert(path, change);
    }
    layer
}

/// What the file at a path holds in these tests: bytes that follow from its name.
pub(super) fn bytes_of(path: &LayerPath, size: u64) -> Vec<u8> {
    let seed = path.as_bytes().iter().fold(7_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte));
    (0..size).map(|place| seed.wrapping_add(place.to_le_bytes()[0])).collect()
}

pub(super) fn write(layer: &Changeset, root: bool) -> Result<Vec<u8>, TarError> {
    let mut open = |path: &LayerPath, entry: &Entry| Ok(Cursor::new(bytes_of(path, entry.size())));
    let mut layer = layer.clone();
    if !root {
        layer.insert(LayerPath::root(), Change::Put(Entry::implied_dir(false)));
    }
    write_layer(&layer, &mut open, Vec::new()).map(|(bytes, _)| bytes)
}

/// An archive read whole.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) assembled: Changeset,
    pub(super) contents: BTreeMap<LayerPath, Vec<u8>>,
    pub(super) notes: Vec<Note>,
}

pub(super) fn read(bytes: &[u8]) -> Result<Archive, TarError> {
    let mut reader = Reader::new(bytes);
    let mut assembler = Assembler::new();
    let mut contents = BTreeMap::new();
    while let Some(item) = reader.next()? {
        if let What::Put(Entry { node: Node::File { .. }, .. }) = item.what {
            let mut content = Vec::new();
            let offset = 0;
            reader.content().read_to_end(&mut content).map_err(|source| TarError::Read { offset, source })?;
            contents.insert(item.path.clone(), content);
        }
        assembler.add(item)?;
    }
    let notes = reader.notes().to_vec();
    assert!(reader.drain().unwrap().is_empty());
    Ok(Archive { assembled: assembler.finish(), contents, notes })
}
