//! One layer as a value: what it puts, and what it deletes.

use std::collections::btree_map::Range;
use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, LayerPath, Node};

/// What a layer says about one path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The layer holds this file (an opaque directory too: see [`Node::Dir`]).
    Put(Entry),
    /// The name is deleted here: whatever lower layers hold is hidden.
    Whiteout,
}

/// A layer: path → change, in the order of a sorted walk ([`LayerPath`]'s order).
///
/// The root is always there as a directory. Every put path's parents are put too, as directories.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changeset {
    changes: BTreeMap<LayerPath, Change>,
}

/// Totals of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Directories, the root not counted.
    pub dirs: u64,
    /// Everything put that is no directory; hard links count once a name.
    pub files: u64,
    /// Whiteouts.
    pub whiteouts: u64,
    /// Opaque directories.
    pub opaques: u64,
    /// Bytes of regular files, each inode once.
    pub bytes: u64,
}

impl Changeset {
    /// An empty layer (without even its root entry).
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a change; the last one for a path wins. Gives the earlier one.
    pub fn insert(&mut self, path: LayerPath, change: Change) -> Option<Change> {
        self.changes.insert(path, change)
    }

    /// Takes a path's change out.
    pub fn remove(&mut self, path: &LayerPath) -> Option<Change> {
        self.changes.remove(path)
    }

    /// The change at a path.
    pub fn get(&self, path: &LayerPath) -> Option<&Change> {
        self.changes.get(path)
    }

    /// The file this layer puts at a path.
    pub fn entry(&self, path: &LayerPath) -> Option<&Entry> {
        match self.get(path) {
            Some(Change::Put(entry)) => Some(entry),
            _ => None,
        }
    }

    /// All changes in order, the root first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&LayerPath, &Change)> {
        self.changes.iter()
    }

    /// The changes at `dir` and beneath it, in order.
    pub fn within<'a>(&'a self, dir: &'a LayerPath) -> impl Iterator<Item = (&'a LayerPath, &'a Change)> {
        self.changes.range(dir..).take_while(move |(path, _)| path.is_within(dir))
    }

    /// The changes from `path` on, in order.
    pub fn from_path(&self, path: &LayerPath) -> Range<'_, LayerPath, Change> {
        self.changes.range::<LayerPath, _>(path..)
    }

    /// The changes that come after `dir` and everything beneath it, in order.
    pub fn beyond(&self, dir: &LayerPath) -> Range<'_, LayerPath, Change> {
        if dir.is_root() {
            return Range::default();
        }
        self.changes.range(dir.subtree_end()..)
    }

    /// The directories that it only implies, but for the root.
    pub fn implied(&self) -> impl Iterator<Item = &LayerPath> {
        let implied = |change: &Change| matches!(change, Change::Put(entry) if entry.implied);
        self.iter().filter(move |(path, change)| !path.is_root() && implied(change)).map(|(path, _)| path)
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there is no change at all, not even the root's entry.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Totals over all changes.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let mut seen = BTreeSet::new();
        for (path, change) in &self.changes {
            match change {
                Change::Whiteout => counts.whiteouts += 1,
                Change::Put(entry) => {
                    match &entry.node {
                        Node::Dir { opaque } => {
                            counts.dirs += u64::from(!path.is_root());
                            counts.opaques += u64::from(*opaque);
                        }
                        _ => counts.files += 1,
                    }
                    if let Node::File { size } = entry.node
                        && entry.link.is_none_or(|group| seen.insert(group))
                    {
                        counts.bytes += size;
                    }
                }
            }
        }
        counts
    }
}

impl FromIterator<(LayerPath, Change)> for Changeset {
    fn from_iter<I: IntoIterator<Item = (LayerPath, Change)>>(changes: I) -> Self {
        Self { changes: changes.into_iter().collect() }
    }
}

impl IntoIterator for Changeset {
    type Item = (LayerPath, Change);
    type IntoIter = std::collections::btree_map::IntoIter<LayerPath, Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.changes.into_iter()
    }
}
