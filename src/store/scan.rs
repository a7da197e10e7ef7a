//! A directory tree as a [`Changeset`].

use super::Error;
use super::walk::{Visit, root_metadata, walk};
use crate::model::{Change, Changeset, Entry, LayerPath, LinkGroup, Metadata};
use crate::sys::{Dir, RawStat};

pub use super::walk::ScanHow;

/// What a tree says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scan {
    /// Its changes; sockets are among them.
    pub changes: Changeset,
    /// The sockets, which sealing would leave out.
    pub sockets: Vec<LayerPath>,
}

/// Reads a tree: an upper, a draft, a host directory. Opens directories only, and changes nothing.
///
/// A live upper may change meanwhile: a name that is gone between listing and looking is an error (`ENOENT`).
///
/// # Errors
/// [`Error::Tree`] with the path that could not be read, [`Error::Path`] for names that no layer can have.
pub fn scan(tree: &Dir, how: &ScanHow) -> Result<Scan, Error> {
    let mut scanner = Scanner::default();
    walk(tree, how, &mut scanner)?;
    Ok(Scan { changes: scanner.collector.finish(), sockets: scanner.sockets })
}

/// Reads the metadata of a tree's root alone.
///
/// # Errors
/// [`Error::Io`] if it cannot be read.
pub fn scan_root(tree: &Dir) -> Result<Metadata, Error> {
    root_metadata(tree)
}

#[derive(Default)]
struct Scanner {
    collector: Collector,
    sockets: Vec<LayerPath>,
}

impl Visit for Scanner {
    const SEALS: bool = false;

    fn dir(&mut self, path: LayerPath, entry: Entry, whiteouts: Vec<LayerPath>) -> Result<(), Error> {
        self.collector.dir(path, entry, whiteouts);
        Ok(())
    }

    fn file(
        &mut self,
        path: LayerPath,
        entry: Entry,
        _: Option<(&mut std::fs::File, RawStat)>,
    ) -> Result<(), Error> {
        if matches!(entry.node, crate::model::Node::Socket) {
            self.sockets.push(path.clone());
        }
        self.collector.put(path, entry);
        Ok(())
    }

    fn link(&mut self, path: LayerPath, entry: Entry, _: &LayerPath) -> Result<(), Error> {
        self.collector.put(path, entry);
        Ok(())
    }
}

/// Gathers a walk's finds into a [`Changeset`].
#[derive(Default)]
pub(super) struct Collector {
    changes: Vec<(LayerPath, Change)>,
    /// How many names each group has.
    names: Vec<u32>,
}

impl Collector {
    /// A directory and its whiteouts.
    pub(super) fn dir(&mut self, path: LayerPath, entry: Entry, whiteouts: Vec<LayerPath>) {
        self.changes.push((path, Change::Put(entry)));
        self.changes.extend(whiteouts.into_iter().map(|path| (path, Change::Whiteout)));
    }

    /// Any other name.
    pub(super) fn put(&mut self, path: LayerPath, entry: Entry) {
        if let Some(LinkGroup(group)) = entry.link {
            let group = group as usize;
            if self.names.len() <= group {
                self.names.resize(group + 1, 0);
            }
            self.names[group] += 1;
        }
        self.changes.push((path, Change::Put(entry)));
    }

    /// The layer; groups that have one name here are none, the others are numbered in path order.
    pub(super) fn finish(mut self) -> Changeset {
        let mut next = 0;
        let numbers: Vec<Option<LinkGroup>> = self
            .names
            .iter()
            .map(|&names| {
                (names > 1).then(|| {
                    next += 1;
                    LinkGroup(next - 1)
                })
            })
            .collect();
        for (_, change) in &mut self.changes {
            if let Change::Put(entry) = change {
                entry.link = entry.link.and_then(|LinkGroup(group)| numbers[group as usize]);
            }
        }
        self.changes.into_iter().collect()
    }
}
