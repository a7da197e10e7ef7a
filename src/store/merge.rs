//! One layer's files into a draft, out of the layers that it is made of.
//!
//! What the files are like stands in the indexes, so the trees are only read for content. The copies are files of their
//! own, shared block by block where the file system can: a hard link would be one inode in two sealed layers, whose link
//! count is seen in mounts and tars of both, and whose damage would be.

use std::collections::HashMap;
use std::rc::Rc;

use super::barred::Denied;
use super::changes::{imply, mark_opaque, put_whiteout};
use super::error::tree as failed;
use super::layers::Files;
use super::seal::Progress;
use super::unpack::{Adding, Note, link};
use super::{Draft, Error, Store, place};
use crate::model::{Change, Changeset, Entry, Kind, LayerPath, LinkGroup, Metadata, Mode, Node};
use crate::sys::{Dir, Errno, copy};

/// A layer to take files from.
#[derive(Debug)]
pub struct Source {
    /// What it says.
    pub changes: Rc<Changeset>,
    /// Its files.
    pub tree: Dir,
    /// Whether it is the store's own, whose files may deny their owner to read.
    pub sealed: bool,
}

impl Store {
    /// Makes an empty draft hold what `one` says; `layers`, bottom → top, are those that it was made of.
    ///
    /// # Errors
    /// [`Error::Tree`], [`Error::Interrupted`]. What was made before stays in the draft.
    pub fn fill_draft(
        &self,
        draft: &Draft,
        one: &Changeset,
        layers: Vec<Source>,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Vec<Note>, Error> {
        let denied = |sealed| if sealed { self.denied() } else { Denied::Stays };
        let layers = layers.into_iter();
        let mut filler = Filler {
            adding: Adding::start(self, draft, None, progress)?,
            layers: layers
                .map(|Source { changes, tree, sealed }| (changes, Files { tree, denied: denied(sealed) }))
                .collect(),
            links: HashMap::new(),
            levels: Vec::new(),
        };
        let filled = filler.all(one);
        let finished = filler.adding.finish(draft);
        filled.and(finished)
    }
}

struct Filler<'a, 'b> {
    adding: Adding<'a>,
    layers: Vec<(Rc<Changeset>, Files)>,
    /// Hard links of a layer → the first path in the draft.
    links: HashMap<(usize, LinkGroup), LayerPath>,
    /// The directories on the way to where it is, the root first.
    levels: Vec<Level<'b>>,
}

/// A directory that is being filled.
struct Level<'b> {
    path: &'b LayerPath,
    dir: Rc<Dir>,
    /// What it gets once all is in it; `None` for one that is only implied.
    meta: Option<&'b Metadata>,
}

impl<'b> Filler<'_, 'b> {
    fn all(&mut self, one: &'b Changeset) -> Result<(), Error> {
        for (path, change) in one.iter() {
            while self.levels.last().is_some_and(|level| !path.is_within(level.path)) {
                self.leave()?;
            }
            match change {
                Change::Whiteout => put_whiteout(&self.adding.tree, path, self.adding.form)?,
                Change::Put(entry) if entry.is_dir() => self.enter(path, entry)?,
                Change::Put(entry) => self.file(path, entry)?,
            }
            self.adding.tick(1, 0)?;
        }
        while !self.levels.is_empty() {
            self.leave()?;
        }
        Ok(())
    }

    /// The directory that holds a path, and the path's name in it.
    fn holder<'p>(&self, path: &'p LayerPath) -> Result<(Rc<Dir>, &'p [u8]), Error> {
        match (self.levels.last(), path.file_name()) {
            (Some(level), Some(name)) => Ok((Rc::clone(&level.dir), name)),
            // the root itself
            _ => Ok((Rc::new(self.adding.tree.duplicate().map_err(failed("open", path))?), b".")),
        }
    }

    /// Makes a directory, open for us until all is in it.
    fn enter(&mut self, path: &'b LayerPath, entry: &'b Entry) -> Result<(), Error> {
        let (holder, name) = self.holder(path)?;
        if !path.is_root() {
            let mode = Mode::new(if entry.implied { 0o755 } else { 0o700 });
            holder.mkdir(name, mode).map_err(failed("make", path))?;
        }
        let dir = holder.dir(name).map_err(failed("open", path))?;
        if entry.implied && !path.is_root() {
            imply(&dir).map_err(failed("mark", path))?;
        }
        if entry.is_opaque() {
            mark_opaque(&dir, path)?;
        }
        let meta = (!entry.implied).then_some(&entry.meta);
        self.levels.push(Level { path, dir: Rc::new(dir), meta });
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Error> {
        let Some(Level { path, meta, .. }) = self.levels.pop() else { return Ok(()) };
        let Some(meta) = meta else { return Ok(()) };
        let (holder, name) = self.holder(path)?;
        self.adding.kept.root |= path.is_root();
        self.adding.metadata(&holder, name, path, Kind::Dir, meta)
    }

    fn file(&mut self, path: &LayerPath, entry: &Entry) -> Result<(), Error> {
        let (holder, name) = self.holder(path)?;
        if entry.node == Node::Socket {
            self.adding.notes.push(Note::Socket(path.clone()));
            return Ok(());
        }
        // what is shown and is no directory comes from the topmost layer that says anything here
        let supplier = self.layers.iter().rposition(|(changes, _)| changes.get(path).is_some());
        let supplier = supplier.ok_or_else(|| failed("find", path)(Errno::NOENT))?;
        let group = self.layers[supplier].0.entry(path).and_then(|entry| entry.link);
        let key = group.map(|group| (supplier, group));
        if let Some(first) = key.and_then(|key| self.links.get(&key)) {
            link(&self.adding.tree, first, &holder, name).map_err(failed("link", path))?;
            let first = first.clone();
            self.adding.kept.copy(&first, path);
            return Ok(());
        }
        if let Node::File { size } = entry.node {
            let from = self.layers[supplier].1.open(path).map_err(failed("open", path))?;
            let to = holder.create(name, Mode::new(0o600)).map_err(failed("make", path))?;
            // whether to stop, the copy looks for itself
            let mut told = |bytes| self.adding.tick(0, bytes).unwrap_or_default();
            copy::contents(&from, &to, size, &mut told).map_err(|errno| match errno {
                Errno::INTR => Error::Interrupted,
                errno => failed("write", path)(errno),
            })?;
            self.adding.file_metadata(&holder, name, path, &to, &entry.meta)?;
        } else {
            place::make(&holder, name, &entry.node).map_err(failed("make", path))?;
            // a stand-in for a device is a file
            let kind = holder.stat(name).map_err(failed("look at", path))?.kind;
            self.adding.metadata(&holder, name, path, kind, &entry.meta)?;
        }
        if let Some(key) = key {
            self.links.insert(key, path.clone());
        }
        Ok(())
    }
}
