//! A directory tree as a [`Changeset`].

use super::Error;
use super::seal::{Progress, Ticker};
use super::walk::{Visit, root_metadata, walk};
use crate::model::{Change, Changeset, Entry, LayerPath, LinkGroup, Metadata, Node};
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
    scan_watched(tree, how, &mut |_| true)
}

/// As [`scan`], and tells now and then how far it is; `false` stops it.
///
/// # Errors
/// As [`scan`], and [`Error::Interrupted`].
pub fn scan_watched(
    tree: &Dir,
    how: &ScanHow,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Scan, Error> {
    let ticker = Ticker { progress, done: Progress::default(), told: 0 };
    let mut scanner = Scanner { collector: Collector::default(), sockets: Vec::new(), ticker };
    walk(tree, how, &mut scanner)?;
    Ok(Scan { changes: scanner.collector.finish().0, sockets: scanner.sockets })
}

/// Reads the metadata of a tree's root alone.
///
/// # Errors
/// [`Error::Io`] if it cannot be read.
pub fn scan_root(tree: &Dir) -> Result<Metadata, Error> {
    root_metadata(tree)
}

struct Scanner<'a> {
    collector: Collector,
    sockets: Vec<LayerPath>,
    ticker: Ticker<'a>,
}

impl Visit for Scanner<'_> {
    const SEALS: bool = false;

    fn dir(&mut self, path: LayerPath, entry: Entry, whiteouts: Vec<LayerPath>) -> Result<(), Error> {
        self.ticker.entry()?;
        self.collector.dir(path, entry, whiteouts);
        Ok(())
    }

    fn file(
        &mut self,
        path: LayerPath,
        entry: Entry,
        _: Option<(&mut std::fs::File, RawStat)>,
    ) -> Result<(), Error> {
        self.ticker.entry()?;
        if let Node::File { size } = entry.node {
            // work that only looks is as far as if it had read it
            self.ticker.done.bytes += size;
        }
        if entry.node == Node::Socket {
            self.sockets.push(path.clone());
        }
        self.collector.put(path, entry);
        Ok(())
    }

    fn link(&mut self, path: LayerPath, entry: Entry, _: &LayerPath) -> Result<(), Error> {
        self.ticker.entry()?;
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

    /// The layer; groups that have one name here are none, the others are numbered in path order. And what it leaves out,
    /// deepest first: implied directories that nothing needs any more.
    pub(super) fn finish(mut self) -> (Changeset, Vec<LayerPath>) {
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
        let mut layer: Changeset = self.changes.into_iter().collect();
        let (mut idle, mut next) = (Vec::new(), None);
        for (path, change) in layer.iter().rev() {
            let goes = matches!(change, Change::Put(entry) if entry.implied && !entry.is_opaque());
            if goes && !path.is_root() && next.is_none_or(|next: &LayerPath| !next.is_within(path)) {
                idle.push(path.clone());
            } else {
                next = Some(path);
            }
        }
        for path in &idle {
            layer.remove(path);
        }
        (layer, idle)
    }
}
