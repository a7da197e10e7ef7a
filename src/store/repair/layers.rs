//! Layers: what follows from the index or from the files is written anew; a layer that is not what its ID says goes aside.

use std::collections::BTreeMap;

use super::Mended;
use crate::model::{
    Change, Changeset, DiffId, Entry, Kind, LayerPath, Metadata, Node, TreeId, may_be_sealed, names,
};
use crate::store::barred::Denied;
use crate::store::check::reads_like;
use crate::store::error::{io, own as own_error, tree as failed};
use crate::store::hashing::HashStream;
use crate::store::index::Index;
use crate::store::layers::{Files, write_watched};
use crate::store::scan::scan_watched;
use crate::store::seal::Progress;
use crate::store::uses::Taken;
use crate::store::walk::ScanHow;
use crate::store::{Error, MountUser, StackPart, Store, place};
use crate::sys::{Dir, Errno, xattr};

impl Store {
    /// Writes `meta.json` anew from the index.
    pub(super) fn mend_summary(&self, id: TreeId) -> Result<Mended, Error> {
        let index = self.index(id)?;
        if self.check_summary(id, &index).is_ok() {
            return Ok(Mended::Done("it is right again".to_owned()));
        }
        self.write_summary(id, &index)?;
        Ok(Mended::Done("written anew from the index".to_owned()))
    }

    /// Writes the index anew from the files where they give the ID.
    pub(super) fn mend_index(
        &self,
        id: TreeId,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Mended, Error> {
        if self.index(id).is_ok() {
            return Ok(Mended::Done("it is right again".to_owned()));
        }
        let _alone = self.take_alone(id)?;
        // the tar that it came as is that of its files, unless `meta.json` says so
        let diff_id = self.summary(id).map_or(DiffId(id.0), |summary| summary.diff_id);
        match self.changes_by_id(id, progress) {
            Ok(Some(changes)) => {
                self.replace_index(id, diff_id, &changes)?;
                self.write_summary(id, &Index { id, diff_id, changes })?;
                Ok(Mended::Done("written anew: its files give the ID".to_owned()))
            }
            Ok(None) => self.drop_layer(id),
            Err(error) if is_wrong(&error) => self.drop_layer(id),
            Err(error) => Err(error),
        }
    }

    /// Takes a layer of which files are changed or which is moved aside: nobody may have it open, or in a mount that is used.
    fn take_alone(&self, id: TreeId) -> Result<Taken, Error> {
        let busy = |pid| Error::Busy { what: format!("the layer {}", id.short()), pid };
        let own = || Some(std::process::id());
        if self.uses.holds(id) {
            return Err(busy(own()));
        }
        let taken = self.uses.take(id).map_err(io("lock a layer in", self.path.join("lock")))?;
        let Some(taken) = taken else { return Err(busy(self.uses.users(id).first().map(|user| user.pid))) };
        // From here on nobody begins to use it. A mount goes on without holding what its record names.
        for name in self.mount_list()? {
            let at = self.mounts_path().join(name.file_name());
            let stack = match self.mount(&name) {
                Ok(record) => record.map_or_else(Vec::new, |record| record.stack),
                // nobody can tell what it stands on
                Err(error) if error.is_damage() => vec![StackPart::Sealed(id)],
                Err(error) => return Err(error),
            };
            if !stack.contains(&StackPart::Sealed(id)) {
                continue;
            }
            let key = format!("mount {name}");
            let dir = match self.mounts.dir(name.file_name().as_bytes()) {
                Ok(dir) => dir,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(own_error("open", &at)(errno)),
            };
            if self.is_held_here(&key) {
                return Err(busy(own()));
            }
            if self.is_held_elsewhere(&key, &dir).map_err(io("look at the lock of", &at))? {
                return Err(busy(match self.mount_user(&name) {
                    Some(MountUser::Process(pid)) => Some(pid),
                    _ => None,
                }));
            }
        }
        Ok(taken)
    }

    /// The changes that a layer's files say and that give its ID. The files do not say which directories are implied, so
    /// each way that a layer can have come is tried.
    fn changes_by_id(
        &self,
        id: TreeId,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Option<Changeset>, Error> {
        let found = scan_watched(&self.tree_dir(id)?, &self.as_sealed(), progress)?.changes;
        for plain_dirs in [false, true] {
            for root in [true, false] {
                let imply = |path: &LayerPath, entry: &Entry| {
                    let plain = Metadata::of_plain_dir();
                    let is_plain = Metadata { mtime: plain.mtime, ..entry.meta.clone() } == plain;
                    if path.is_root() {
                        root
                    } else {
                        plain_dirs && is_plain && entry.meta.mtime == plain.mtime
                    }
                };
                let changes = implying(&found, &imply);
                if self.hash_of(id, &changes, progress)? == id {
                    return Ok(Some(changes));
                }
            }
        }
        Ok(None)
    }

    fn hash_of(
        &self,
        id: TreeId,
        changes: &Changeset,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<TreeId, Error> {
        let index = Index { id, diff_id: DiffId(id.0), changes: changes.clone() };
        let mut files = Files { tree: self.tree_dir(id)?, denied: Denied::Stays };
        let stream = write_watched(&index, &mut files, HashStream::new(), progress)?;
        Ok(TreeId(stream.finish().map_err(|source| crate::tar::TarError::Write { source })?))
    }

    /// Makes a layer's files what its index says, as far as that goes without their content; moves the layer aside where
    /// they do not give its ID then.
    pub(super) fn mend_layer(
        &self,
        id: TreeId,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Mended, Error> {
        let _alone = self.take_alone(id)?;
        let index = self.index(id)?;
        let moved = match self.set_right(id, &index.changes) {
            Ok(moved) => moved,
            Err(Error::Io { errno: Errno::NOENT, .. }) => return self.drop_layer(id),
            Err(error) => return Err(error),
        };
        match self.check_tree(id, &index, progress) {
            Ok(_) if moved > 0 => {
                Ok(Mended::Done(format!("set right; what was in the way is in `{}`", super::ASIDE)))
            }
            Ok(_) => Ok(Mended::Done("set right: its files give the ID".to_owned())),
            Err(error) if is_wrong(&error) => self.drop_layer(id),
            Err(error) => Err(error),
        }
    }

    /// Moves a layer aside, which is not what its ID says.
    fn drop_layer(&self, id: TreeId) -> Result<Mended, Error> {
        let path = self.layer_path(id);
        let mut needed: Vec<String> = Vec::new();
        let part = StackPart::Sealed(id);
        for record in self.names()? {
            if record.stack.contains(&part) {
                needed.push(format!("`{}`", record.name));
            }
        }
        for record in self.mounts()? {
            if record.stack.contains(&part) {
                needed.push(format!("the mount `{}`", record.name));
            }
        }
        let moved = self.move_aside(&self.layers, id.hex().as_bytes(), "layer", &path)?;
        self.sync_dir(&self.layers, &path)?;
        self.cache.borrow_mut().forget(id);
        self.outlines.borrow_mut().remove(&id);
        let moved =
            moved.map_or_else(|| "it is gone already".to_owned(), |at| format!("the layer is now `{at}`"));
        Ok(Mended::Done(match needed.len() {
            0 => format!("{moved}; nothing needs it"),
            1 => format!("{moved}; {} needs it", needed[0]),
            _ => format!("{moved}; {} need it", needed.join(", ")),
        }))
    }

    /// Gives the files of a layer what the index says of them beside their content; gives how many were in the way.
    fn set_right(&self, id: TreeId, index: &Changeset) -> Result<usize, Error> {
        let tree = self.tree_dir(id)?;
        let how = ScanHow { trust: self.trust(), ..ScanHow::default() };
        let (mut moved, mut rounds) = (0, 0);
        // what is moved away shows what was beneath
        loop {
            let found = scan_watched(&tree, &how, &mut |_| true)?.changes;
            let before = moved;
            self.clear_way(id, &tree, index, &found, &mut moved)?;
            rounds += 1;
            if moved == before || rounds > 2 {
                break;
            }
        }
        let found: BTreeMap<LayerPath, Change> = scan_watched(&tree, &how, &mut |_| true)?
            .changes
            .iter()
            .map(|(p, c)| (p.clone(), c.clone()))
            .collect();
        for (path, change) in index.iter() {
            if !found.contains_key(path) {
                self.make_again(&tree, path, change)?;
            }
        }
        // what lies deeper first, as a change in a directory changes its time
        for (path, change) in index.iter().rev() {
            let Change::Put(entry) = change else { continue };
            set_metadata(&tree, path, entry, found.get(path))?;
        }
        Ok(moved)
    }

    /// Moves what the index does not know, and what is something else there, out of the tree.
    fn clear_way(
        &self,
        id: TreeId,
        tree: &Dir,
        index: &Changeset,
        found: &Changeset,
        moved: &mut usize,
    ) -> Result<(), Error> {
        let mut gone: Option<LayerPath> = None;
        for (path, change) in found.iter() {
            let Some((parent, name)) = path.parent().zip(path.file_name()) else { continue };
            if gone.as_ref().is_some_and(|gone| path.is_within(gone)) {
                continue;
            }
            let fits = match (index.get(path), change) {
                (None, _) => false,
                (Some(Change::Put(a)), Change::Put(b)) => {
                    matches!((&a.node, &b.node), (Node::Dir { .. }, Node::Dir { .. }))
                        // what content it has cannot be made again
                        || matches!((&a.node, &b.node), (Node::File { size }, Node::File { .. }) if *size > 0)
                        || a.node == b.node
                }
                (Some(a), b) => a == b,
            };
            if fits {
                continue;
            }
            let at = self.tree_path(id);
            let dir = tree.beneath(&parent).map_err(failed("open", &parent))?;
            if self.move_aside(&dir, name, "layer-file", &at)?.is_some() {
                *moved += 1;
                gone = Some(path.clone());
            }
        }
        Ok(())
    }

    /// Makes what is gone and has no content.
    fn make_again(&self, tree: &Dir, path: &LayerPath, change: &Change) -> Result<(), Error> {
        let Some((parent, name)) = path.parent().zip(path.file_name()) else { return Ok(()) };
        match change {
            Change::Whiteout => self.put_whiteout(tree, path),
            Change::Put(entry)
                if entry.link.is_some() || matches!(entry.node, Node::File { size } if size > 0) =>
            {
                Ok(())
            }
            Change::Put(entry) => {
                let Ok(dir) = tree.beneath(&parent) else { return Ok(()) };
                place::make(&dir, name, &entry.node).map_err(failed("make", path))?;
                if entry.is_opaque() { self.put_opaque(tree, path) } else { Ok(()) }
            }
        }
    }
}

/// The same changes with these directories implied.
fn implying(found: &Changeset, imply: &dyn Fn(&LayerPath, &Entry) -> bool) -> Changeset {
    let imply = |(path, change): (&LayerPath, &Change)| match change {
        Change::Put(entry) if entry.is_dir() && imply(path, entry) => {
            (path.clone(), Change::Put(Entry::implied_dir(entry.is_opaque())))
        }
        other => (path.clone(), other.clone()),
    };
    found.iter().map(imply).collect()
}

/// Gives one file of a tree the metadata that the index says, where it has others.
fn set_metadata(root: &Dir, path: &LayerPath, entry: &Entry, found: Option<&Change>) -> Result<(), Error> {
    let (dir, name) = match path.parent().zip(path.file_name()) {
        Some((parent, name)) => match root.beneath(&parent) {
            Ok(dir) => (dir, name),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            Err(errno) => return Err(failed("open", &parent)(errno)),
        },
        None => (root.duplicate().map_err(failed("open", path))?, &b"."[..]),
    };
    let kind = match dir.stat(name) {
        Ok(stat) => stat.kind,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(failed("look at", path)(errno)),
    };
    let foreign = xattr::all_at(&dir, name).map_err(failed("read the attributes of", path))?;
    let foreign: Vec<_> = foreign.into_iter().filter(|(name, value)| !may_be_sealed(name, value)).collect();
    let shown_opaque = matches!(found, Some(Change::Put(found)) if found.is_opaque());
    if entry.is_opaque() && !shown_opaque {
        let marked = xattr::set_at(&dir, name, names::OPAQUE, b"y");
        marked.map_err(failed("mark", path))?;
    } else if shown_opaque && !entry.is_opaque() {
        xattr::remove_at(&dir, name, names::OPAQUE).map_err(failed("clean the attributes of", path))?;
    }
    let is_right = found.is_some_and(|found| reads_like(&Change::Put(entry.clone()), found));
    let is_time_right = || dir.stat(name).is_ok_and(|stat| stat.mtime == entry.meta.mtime);
    if entry.implied || is_right && foreign.is_empty() && (kind != Kind::Dir || is_time_right()) {
        return Ok(());
    }
    for (attribute, _) in &foreign {
        xattr::remove_at(&dir, name, attribute).map_err(failed("clean the attributes of", path))?;
    }
    place::replace_metadata(&dir, name, kind, &entry.meta)
        .map(drop)
        .map_err(failed("set the owner, mode or attributes of", path))
}

/// Whether an error says that a layer is not what it should be, rather than that it could not be read.
fn is_wrong(error: &Error) -> bool {
    let gone = |errno| matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR);
    error.is_damage()
        || matches!(error, Error::Content { .. } | Error::Tar(crate::tar::TarError::SizeChanged { .. }))
        || error.errno().is_some_and(gone)
}
