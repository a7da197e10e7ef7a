//! One pass over a tree that makes it a layer: cleans it, reads it, hashes its canonical tar.
//!
//! Nothing is read twice and nothing is copied to disk: this thread reads, another one hashes. Implied directories are
//! not in the tar. The root is implied unless its mode, owner or attributes differ from the root beneath; its time is
//! left aside, so that equal changes give equal layers whenever they are made.

use std::fs::File;

use super::Error;
use super::filled::Filled;
use super::hashing::HashStream;
use super::scan::Collector;
use super::walk::{ScanHow, Visit, walk};
use crate::model::{Changeset, Entry, LayerPath, Metadata, Node, TreeId};
use crate::sys::dir::stat_fd;
use crate::sys::{Dir, Errno, RawStat};
use crate::tar::{TarError, Writer};

/// How far a seal is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Names seen.
    pub entries: u64,
    /// Bytes of the tar so far.
    pub bytes: u64,
}

/// What sealing a tree found.
pub(super) struct SealedTree {
    /// The SHA-256 of the canonical tar.
    pub(super) id: TreeId,
    /// The layer.
    pub(super) changes: Changeset,
    /// Sockets, which were removed.
    pub(super) sockets: Vec<LayerPath>,
}

/// Whether a root says something of its own over what lies beneath.
pub(super) fn root_differs(root: &Metadata, beneath: &Metadata) -> bool {
    let key = |meta: &Metadata| (meta.mode, meta.uid, meta.gid);
    key(root) != key(beneath) || root.xattrs != beneath.xattrs
}

/// Seals `tree` in place; `progress` gives `false` to stop.
///
/// # Errors
/// [`Error::Tree`], [`Error::Tar`] (names that a tar cannot say), [`Error::Changed`], [`Error::Interrupted`].
pub(super) fn seal_tree(
    tree: &Dir,
    how: &ScanHow,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<SealedTree, Error> {
    let mut sealer = Sealer {
        tar: Writer::new(HashStream::new()),
        collector: Collector::default(),
        sockets: Vec::new(),
        ticker: Ticker { progress, done: Progress::default(), told: 0 },
    };
    walk(tree, how, &mut sealer)?;
    let stream = sealer.tar.finish()?;
    let bytes = stream.bytes();
    let digest = stream.finish().map_err(|source| TarError::Write { source })?;
    sealer.ticker.done.bytes = bytes;
    sealer.ticker.tell()?;
    let Sealer { collector, sockets, .. } = sealer;
    let (changes, idle) = collector.finish();
    idle.iter().try_for_each(|dir| drop_idle(tree, dir).map_err(super::error::tree("remove", dir)))?;
    Ok(SealedTree { id: TreeId(digest), changes, sockets })
}

/// Removes an empty directory, and leaves the time of the one above as it is.
fn drop_idle(tree: &Dir, path: &LayerPath) -> Result<(), Errno> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let above = tree.beneath(&parent)?;
    let time = above.stat_self()?.mtime;
    above.rmdir(name)?;
    above.set_times_self(None, Some(time))
}

/// Tells the progress now and then.
pub(super) struct Ticker<'a> {
    pub(super) progress: &'a mut dyn FnMut(Progress) -> bool,
    pub(super) done: Progress,
    pub(super) told: u64,
}

impl Ticker<'_> {
    fn tell(&mut self) -> Result<(), Error> {
        if (self.progress)(self.done) { Ok(()) } else { Err(Error::Interrupted) }
    }

    pub(super) fn entry(&mut self) -> Result<(), Error> {
        self.done.entries += 1;
        self.told += 1;
        if self.told >= 256 { self.now() } else { Ok(()) }
    }

    fn now(&mut self) -> Result<(), Error> {
        self.told = 0;
        self.tell()
    }
}

struct Sealer<'a> {
    tar: Writer<HashStream>,
    collector: Collector,
    sockets: Vec<LayerPath>,
    ticker: Ticker<'a>,
}

/// A file that tells how far it is read, and stops when asked.
struct Watched<'a, 'b> {
    file: Filled<&'a File>,
    ticker: &'a mut Ticker<'b>,
    stopped: &'a mut bool,
}

impl std::io::Read for Watched<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.ticker.done.bytes += read as u64;
        if read == buffer.len() && self.ticker.now().is_err() {
            *self.stopped = true;
            return Err(std::io::Error::other("interrupted"));
        }
        Ok(read)
    }
}

impl Visit for Sealer<'_> {
    const SEALS: bool = true;

    fn dir(&mut self, path: LayerPath, entry: Entry, whiteouts: Vec<LayerPath>) -> Result<(), Error> {
        self.ticker.entry()?;
        if !entry.implied {
            self.tar.put(&path, &entry)?;
        }
        if entry.is_opaque() {
            self.tar.opaque(&path)?;
        }
        for whiteout in &whiteouts {
            self.tar.whiteout(whiteout)?;
        }
        self.collector.dir(path, entry, whiteouts);
        Ok(())
    }

    fn file(
        &mut self,
        path: LayerPath,
        entry: Entry,
        content: Option<(&mut File, RawStat)>,
    ) -> Result<(), Error> {
        self.ticker.entry()?;
        if entry.node == Node::Socket {
            self.sockets.push(path);
            return Ok(());
        }
        self.tar.put(&path, &entry)?;
        if let (&Node::File { size }, Some((file, before))) = (&entry.node, content)
            && size > 0
        {
            let mut stopped = false;
            let file = &*file;
            let whole = Filled::new(file).map_err(super::error::tree("look at", &path))?;
            let mut watched = Watched { file: whole, ticker: &mut self.ticker, stopped: &mut stopped };
            let copied = self.tar.content(&path, size, &mut watched);
            if stopped {
                return Err(Error::Interrupted);
            }
            copied?;
            let after = stat_fd(file).map_err(super::error::tree("look at", &path))?;
            if (after.size, after.mtime, after.ctime) != (before.size, before.mtime, before.ctime) {
                return Err(Error::Changed { path });
            }
        }
        self.collector.put(path, entry);
        Ok(())
    }

    fn link(&mut self, path: LayerPath, entry: Entry, first: &LayerPath) -> Result<(), Error> {
        self.ticker.entry()?;
        self.tar.link(&path, &entry, first)?;
        self.collector.put(path, entry);
        Ok(())
    }
}
