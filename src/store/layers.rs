//! Sealed layers: finding them, reading them, bringing new ones in.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::barred::{self, Barred, Denied};
use super::error::{io, own};
use super::filled::Filled;
use super::index::{self, Index};
use super::looking::is_there;
use super::publish::{replace_bytes, replace_json, write_new, write_new_json};
use super::record::{MetadataJson, VERSION, read_bytes, read_json};
use super::seal::{Progress, SealedTree, seal_tree};
use super::walk::{ScanHow, identity};
use super::{Error, NameRecord, Store};
use crate::model::{
    ChainId, Changeset, Counts, DiffId, Digest, Entry, Identity, LayerPath, Metadata, TreeId,
};
use crate::sys::{Dir, Errno, RenameFlags};
use crate::tar::write_layer;

/// The longest index that is read, in bytes.
const INDEX_LIMIT: u64 = 1 << 30;

/// The fewest hex digits that an ID may be shortened to, as with Git: `a` or `bad` is a name that was misspelt, and must
/// not find a layer by chance.
const SHORTEST_ID: usize = 4;

/// A sealed layer's own line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    /// Its ID.
    pub id: TreeId,
    /// The digest of the tar that it came as.
    pub diff_id: DiffId,
    /// Its totals.
    pub counts: Counts,
}

/// What a mount must know of a layer beside its tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outline {
    /// Whether it implies directories, but for the root.
    pub implies: bool,
    /// Its root's metadata; `None` where it says nothing of its root.
    pub root: Option<Metadata>,
}

impl From<&Changeset> for Outline {
    fn from(layer: &Changeset) -> Self {
        let root = layer.entry(&LayerPath::root()).filter(|root| !root.implied);
        Self { implies: layer.implied().next().is_some(), root: root.map(|root| root.meta.clone()) }
    }
}

/// How long the parts of a seal took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timings {
    /// Walking, reading and hashing.
    pub hash: Duration,
    /// Writing the index and syncing the file system.
    pub sync: Duration,
    /// Renames, names and what follows them.
    pub publish: Duration,
}

/// A layer that was just sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// Its ID.
    pub id: TreeId,
    /// What its name says now; `None` without one, and where somebody else has the name.
    pub named: Option<NameRecord>,
    /// Its totals.
    pub counts: Counts,
    /// Sockets, which no layer can hold.
    pub sockets: Vec<LayerPath>,
    /// Whether the store had this layer already.
    pub reused: bool,
    /// How long it took.
    pub timings: Timings,
}

#[derive(Serialize, Deserialize)]
struct MetaJson {
    version: u32,
    tree_id: String,
    diff_id: String,
    dirs: u64,
    files: u64,
    whiteouts: u64,
    opaques: u64,
    bytes: u64,
    /// Earlier versions did not write it.
    #[serde(default)]
    outline: Option<OutlineJson>,
}

impl MetaJson {
    /// What follows from a layer's changes.
    fn of(id: TreeId, diff_id: DiffId, changes: &Changeset) -> Self {
        let Counts { dirs, files, whiteouts, opaques, bytes } = changes.counts();
        let (tree_id, diff_id) = (id.to_string(), diff_id.to_string());
        let Outline { implies, root } = Outline::from(changes);
        let outline = Some(OutlineJson { implies, root: root.as_ref().map(MetadataJson::from) });
        Self { version: VERSION, tree_id, diff_id, dirs, files, whiteouts, opaques, bytes, outline }
    }
}

#[derive(Serialize, Deserialize)]
struct OutlineJson {
    implies: bool,
    root: Option<MetadataJson>,
}

impl OutlineJson {
    fn read(self) -> Result<Outline, String> {
        let root = self.root.map(|root| root.read()).transpose()?;
        Ok(Outline { implies: self.implies, root })
    }
}

impl Store {
    /// Whether the store holds a layer.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be looked at.
    pub fn has_layer(&self, id: TreeId) -> Result<bool, Error> {
        is_there(self.layers.stat(id.hex().as_bytes())).map_err(io("look at", self.layer_path(id)))
    }

    /// All layers, in the order of their IDs.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be listed.
    pub fn layers(&self) -> Result<Vec<TreeId>, Error> {
        let items = self.layers.items().map_err(io("list", self.path.join("layers/sha256")))?;
        let named = |item: &crate::sys::RawItem| {
            let text = std::str::from_utf8(&item.name).ok().filter(|text| text.len() == 64)?;
            Digest::parse(text).ok().map(TreeId)
        };
        let mut found: Vec<TreeId> = items.iter().filter_map(named).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// The one layer whose ID begins with these hex digits, four at least.
    ///
    /// # Errors
    /// [`Error::NoLayer`], [`Error::Ambiguous`].
    pub fn find_id(&self, prefix: &str) -> Result<TreeId, Error> {
        let hex = prefix.strip_prefix("sha256:").unwrap_or(prefix);
        if let Ok(digest) = Digest::parse(hex)
            && self.has_layer(TreeId(digest))?
        {
            return Ok(TreeId(digest));
        }
        let mut found = self.layers()?;
        found.retain(|id| hex.len() >= SHORTEST_ID && id.hex().starts_with(hex));
        match found[..] {
            [id] => Ok(id),
            [] => Err(Error::NoLayer { prefix: prefix.to_owned() }),
            _ => Err(Error::Ambiguous { prefix: prefix.to_owned(), found }),
        }
    }

    /// A layer's totals and digests, without reading its index.
    ///
    /// # Errors
    /// [`Error::NoLayer`], [`Error::Damaged`].
    pub fn summary(&self, id: TreeId) -> Result<Summary, Error> {
        let meta = self.meta(id)?;
        let damaged = |why: String| Error::Damaged { path: self.layer_path(id).join("meta.json"), why };
        let diff_id = Digest::parse(&meta.diff_id).map_err(|error| damaged(error.to_string()))?;
        let MetaJson { dirs, files, whiteouts, opaques, bytes, .. } = meta;
        Ok(Summary {
            id,
            diff_id: DiffId(diff_id),
            counts: Counts { dirs, files, whiteouts, opaques, bytes },
        })
    }

    /// What a mount must know of a layer, without reading its index where that can be.
    ///
    /// # Errors
    /// As [`Store::summary`] and [`Store::changeset`].
    pub fn outline(&self, id: TreeId) -> Result<Rc<Outline>, Error> {
        if let Some(known) = self.outlines.borrow().get(&id) {
            return Ok(Rc::clone(known));
        }
        let outline = match self.meta(id)?.outline {
            Some(outline) => {
                let damaged = |why| Error::Damaged { path: self.layer_path(id).join("meta.json"), why };
                outline.read().map_err(damaged)?
            }
            None => Outline::from(&*self.changeset(id)?),
        };
        let outline = Rc::new(outline);
        self.outlines.borrow_mut().insert(id, Rc::clone(&outline));
        Ok(outline)
    }

    fn meta(&self, id: TreeId) -> Result<MetaJson, Error> {
        let (dir, at) = self.layer_dir(id)?;
        let damaged = |why: String| Error::Damaged { path: at.join("meta.json"), why };
        let meta: MetaJson =
            read_json(&dir, "meta.json", &at)?.ok_or_else(|| damaged("it is missing".to_owned()))?;
        if Digest::parse(&meta.tree_id).map_err(|error| damaged(error.to_string()))? != id.0 {
            return Err(damaged("it belongs to another layer".to_owned()));
        }
        Ok(meta)
    }

    /// Compares a layer's `meta.json` with its index, from which all of it follows.
    pub(super) fn check_summary(&self, id: TreeId, index: &Index) -> Result<(), Error> {
        let damaged = |why: &str| Error::Damaged {
            path: self.layer_path(id).join("meta.json"),
            why: format!("{why} not what the index says"),
        };
        let summary = self.summary(id)?;
        if summary.diff_id != index.diff_id {
            return Err(damaged("its diff ID is"));
        }
        if summary.counts != index.changes.counts() {
            return Err(damaged("its counts are"));
        }
        let outline = self.meta(id)?.outline.map(OutlineJson::read).transpose();
        let outline = outline.map_err(|_| damaged("its outline is"))?;
        if outline.is_some_and(|outline| outline != Outline::from(&index.changes)) {
            return Err(damaged("its outline is"));
        }
        Ok(())
    }

    /// Writes a layer's `meta.json` anew.
    pub(super) fn write_summary(&self, id: TreeId, index: &Index) -> Result<(), Error> {
        let (dir, at) = self.layer_dir(id)?;
        let meta = MetaJson::of(id, index.diff_id, &index.changes);
        self.outlines.borrow_mut().remove(&id);
        replace_json(&self.temporary, &dir, "meta.json", &meta, &at, self.synced)
    }

    /// Writes a layer's index anew.
    pub(super) fn replace_index(
        &self,
        id: TreeId,
        diff_id: DiffId,
        changes: &Changeset,
    ) -> Result<(), Error> {
        let (dir, at) = self.layer_dir(id)?;
        let record = index::encode(id, diff_id, changes);
        replace_bytes(&self.temporary, &dir, "index", &record, &at, self.synced)?;
        self.cache.borrow_mut().forget(id);
        Ok(())
    }

    /// The digest of the tar that a layer came as.
    ///
    /// # Errors
    /// As [`Store::summary`].
    pub fn diff_id(&self, id: TreeId) -> Result<DiffId, Error> {
        Ok(self.summary(id)?.diff_id)
    }

    /// The chain ID of layers, bottom → top; `None` for none.
    ///
    /// # Errors
    /// As [`Store::summary`].
    pub fn chain_id(&self, stack: &[TreeId]) -> Result<Option<ChainId>, Error> {
        let diffs: Vec<DiffId> = stack.iter().map(|&id| self.diff_id(id)).collect::<Result<_, _>>()?;
        Ok(ChainId::of(&diffs))
    }

    /// A layer's changes, from its index; kept for the next question, up to a bound.
    ///
    /// # Errors
    /// [`Error::NoLayer`], [`Error::Damaged`].
    pub fn changeset(&self, id: TreeId) -> Result<Rc<Changeset>, Error> {
        if let Some(changes) = self.cache.borrow_mut().get(id) {
            return Ok(changes);
        }
        let changes = Rc::new(self.index(id)?.changes);
        self.cache.borrow_mut().keep(id, Rc::clone(&changes));
        Ok(changes)
    }

    /// The directory of a layer's files, as lowers are mounted.
    ///
    /// # Errors
    /// [`Error::NoLayer`], [`Error::Io`].
    pub fn tree_dir(&self, id: TreeId) -> Result<Dir, Error> {
        let (dir, at) = self.layer_dir(id)?;
        // a store that is only read leaves it to whoever writes
        if self.check_writable().is_ok() {
            barred::settle(&dir, &at)?;
        }
        dir.dir(b"tree").map_err(own("open", at.join("tree")))
    }

    /// As [`Store::tree_dir`], and changes nothing.
    pub(super) fn tree_dir_as_it_is(&self, id: TreeId) -> Result<Dir, Error> {
        let (dir, at) = self.layer_dir(id)?;
        dir.dir(b"tree").map_err(own("open", at.join("tree")))
    }

    /// Where a layer's files lie on the host.
    pub fn tree_path(&self, id: TreeId) -> PathBuf {
        self.layer_path(id).join("tree")
    }

    /// Writes a layer's canonical tar, whose SHA-256 is its ID.
    ///
    /// # Errors
    /// [`Error::Tar`], [`Error::NoLayer`], [`Error::Damaged`].
    pub fn export_tar(
        &self,
        id: TreeId,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<(), Error> {
        let index = self.index(id)?;
        let mut files = Files { tree: self.tree_dir(id)?, denied: self.denied() };
        write_watched(&index, &mut files, io::BufWriter::with_capacity(256 * 1024, out), progress)?;
        Ok(())
    }

    /// What is done in this store about files that deny their owner; root, in a namespace or not, is denied nothing.
    pub fn denied(&self) -> Denied {
        if identity() == Identity::AsIs || self.check_writable().is_err() {
            Denied::Stays
        } else {
            Denied::OpensUp { sync: self.synced }
        }
    }

    pub(super) fn layer_path(&self, id: TreeId) -> PathBuf {
        self.path.join("layers/sha256").join(id.hex())
    }

    pub(super) fn layer_dir(&self, id: TreeId) -> Result<(Dir, PathBuf), Error> {
        let at = self.layer_path(id);
        match self.layers.dir(id.hex().as_bytes()) {
            Ok(dir) => Ok((dir, at)),
            Err(Errno::NOENT) => Err(Error::NoLayer { prefix: id.hex() }),
            Err(errno) => Err(own("open", at)(errno)),
        }
    }

    pub(super) fn index(&self, id: TreeId) -> Result<Index, Error> {
        let (dir, at) = self.layer_dir(id)?;
        let damaged = |why: &str| Error::Damaged { path: at.join("index"), why: why.to_owned() };
        let bytes = read_bytes(&dir, "index", &at, INDEX_LIMIT)?.ok_or_else(|| damaged("it is missing"))?;
        if let Some(version) = index::later(&bytes) {
            return Err(Error::Later { path: at.join("index"), version });
        }
        let index = index::decode(&bytes).map_err(damaged)?;
        if index.id == id { Ok(index) } else { Err(damaged("it belongs to another layer")) }
    }

    /// Makes `container/tree` a layer in place, with its index beside it, all of it on disk.
    pub(super) fn prepare(
        &self,
        container: &Dir,
        at: &Path,
        how: &ScanHow,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<(SealedTree, Timings), Error> {
        let start = Instant::now();
        let tree = container.dir(b"tree").map_err(io("open", at.join("tree")))?;
        let sealed = seal_tree(&tree, how, progress)?;
        self.steps.pass("hashed");
        let hash = start.elapsed();
        let written = self.write_index(container, at, &sealed);
        if let Err(error) = written {
            for name in ["index", "meta.json"] {
                if let Err(errno) = container.unlink(name.as_bytes()) {
                    log::debug!("{} stays: {errno}", at.join(name).display());
                }
            }
            return Err(error);
        }
        self.steps.pass("indexed");
        let timings = Timings { hash, sync: start.elapsed().saturating_sub(hash), ..Timings::default() };
        Ok((sealed, timings))
    }

    fn write_index(&self, container: &Dir, at: &Path, sealed: &SealedTree) -> Result<(), Error> {
        let (id, diff_id) = (sealed.id, DiffId(sealed.id.0));
        let record = index::encode(id, diff_id, &sealed.changes);
        write_new(container, "index", &record, at, false)?;
        let meta = MetaJson::of(id, diff_id, &sealed.changes);
        write_new_json(container, "meta.json", &meta, at, false)?;
        if self.synced { crate::sys::sync_fs(container).map_err(io("sync", at)) } else { Ok(()) }
    }

    /// Moves a prepared container among the layers. If the layer is there already, this one goes to `tmp/`;
    /// gives its name there.
    pub(super) fn publish(
        &self,
        from: &Dir,
        name: &str,
        at: &Path,
        id: TreeId,
    ) -> Result<Option<String>, Error> {
        let hex = id.hex();
        // if it is there already, nobody may collect it before it is named
        self.hold_layer(id)?;
        let aside = match from.rename(name.as_bytes(), &self.layers, hex.as_bytes(), RenameFlags::NOREPLACE) {
            Ok(()) => None,
            Err(Errno::EXIST | Errno::NOTEMPTY) => Some(self.temporary.set_aside(from, name, at)?),
            Err(errno) => return Err(io("move into the store", at.join(name))(errno)),
        };
        self.sync_dir(&self.layers, &self.path)?;
        self.sync_dir(from, at)?;
        Ok(aside)
    }

    /// Remembers the changes of a layer that was just sealed.
    pub(super) fn remember(&self, id: TreeId, changes: Changeset) {
        self.cache.borrow_mut().keep(id, Rc::new(changes));
    }
}

/// Writes a layer's canonical tar, and tells how far it is; gives `out` back.
pub(super) fn write_watched<W: Write>(
    index: &Index,
    files: &mut Files,
    out: W,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<W, Error> {
    let stopped = Cell::new(false);
    let mut done = Progress::default();
    let out = Watched { out, done: &mut done, stopped: &stopped, progress };
    let mut open =
        |path: &LayerPath, _: &Entry| files.open(path).and_then(Filled::new).map_err(io::Error::from);
    let written = write_layer(&index.changes, &mut open, out);
    match written {
        Ok((Watched { out, .. }, _)) => Ok(out),
        Err(_) if stopped.get() => Err(Error::Interrupted),
        Err(error) => Err(error.into()),
    }
}

/// What a tar is written to, telling how far it is.
struct Watched<'a, W> {
    out: W,
    done: &'a mut Progress,
    stopped: &'a Cell<bool>,
    progress: &'a mut dyn FnMut(Progress) -> bool,
}

impl<W: Write> Write for Watched<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.done.bytes += written as u64;
        if !(self.progress)(*self.done) {
            self.stopped.set(true);
            return Err(io::Error::other("interrupted"));
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The files of a tree, also those that deny their owner.
pub(super) struct Files {
    pub(super) tree: Dir,
    pub(super) denied: Denied,
}

impl Files {
    pub(super) fn open(&mut self, path: &LayerPath) -> Result<File, Errno> {
        match (self.tree.file_beneath(path), self.denied) {
            (Err(Errno::ACCESS), Denied::OpensUp { sync }) => Barred::new(&self.tree, sync)
                .and_then(|mut barred| barred.file(&self.tree, path))
                .map_err(|error| {
                    log::debug!("{path:?} is not opened up: {error}");
                    error.errno().unwrap_or(Errno::IO)
                }),
            (opened, _) => opened,
        }
    }
}
