//! Looks whether a store is whole: records, indexes, and on request every byte of every layer.

use std::fmt;
use std::path::PathBuf;

use super::damage::no_record;
use super::hashing::HashStream;
use super::layers::{Files, write_watched};
use super::scan::scan_watched;
use super::seal::Progress;
use super::walk::{ScanHow, identity};
use super::{Error, StackPart, Store, place};
use crate::model::{Change, Changeset, Kind, LayerName, LayerPath, TreeId};
use crate::sys::step::step;

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where.
    pub path: PathBuf,
    /// What, in words.
    pub what: String,
}

/// What holds a stack.
enum Holder {
    Name(LayerName),
    Mount(LayerName),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        // what is wrong with a file names the file
        if self.what.contains(&path) { f.write_str(&self.what) } else { write!(f, "{path}: {}", self.what) }
    }
}

impl Store {
    /// Checks every record, the checksum of every index, and that no stack misses a layer; `deep`: also reads every
    /// layer's files and compares them with its ID, and tells how far it is: names and bytes of files.
    ///
    /// # Errors
    /// [`Error::Io`] if the store's directories cannot be listed; [`Error::Interrupted`].
    pub fn check(
        &self,
        deep: bool,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Vec<Problem>, Error> {
        let _step = step("check the store", || self.path.display().to_string());
        let mut problems = Vec::new();
        let mut add = |path: PathBuf, error: &Error| {
            problems.push(Problem { path, what: error.to_string() });
        };
        let mut done = Progress::default();
        for id in self.layers()? {
            // nobody collects it while it is looked at
            let new = self.start_using(id)?;
            if !self.has_layer(id)? {
                continue;
            }
            let path = self.layer_path(id);
            let mut within = |now: Progress| {
                let all = Progress { entries: done.entries + now.entries, bytes: done.bytes + now.bytes };
                progress(all)
            };
            if let Err(error) = self.summary(id) {
                add(path.clone(), &error);
            }
            let checked = if deep {
                self.check_tree(id, &mut within)
            } else {
                self.index(id).map(|_| Progress::default())
            };
            match checked {
                Ok(now) => {
                    done.entries += now.entries;
                    done.bytes += now.bytes;
                }
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                Err(error) => add(path, &error),
            }
            if new {
                self.stop_using(id)?;
            }
        }
        let mut stacks: Vec<(PathBuf, Vec<StackPart>, Holder)> = Vec::new();
        for name in self.name_list()? {
            let path = self.path.join("names").join(name.file_name());
            match self.name(&name) {
                Ok(record) => stacks.extend(record.map(|record| (path, record.stack, Holder::Name(name)))),
                Err(error) => add(path, &error),
            }
        }
        for name in self.mount_list()? {
            let path = self.mounts_path().join(name.file_name());
            match self.mount(&name) {
                Ok(Some(record)) => {
                    let missing = || !path.join("up/tree").is_dir();
                    if missing() && self.is_settled(&name) && missing() {
                        add(path.clone(), &Error::NoUpper { name: name.clone() });
                    }
                    if let Err(error @ Error::Damaged { .. }) = self.intended(&name) {
                        add(path.clone(), &error);
                    }
                    stacks.push((path, record.stack, Holder::Mount(name)));
                }
                Ok(None) if self.is_settled(&name) => add(path.clone(), &no_record(&path)),
                Ok(None) => {}
                Err(error) => add(path, &error),
            }
        }
        if let Err(error) = self.intended_by_seals() {
            add(self.drafts_path(), &error);
        }
        for name in self.drafts()? {
            if let Some(error) = self.draft_damage(&name) {
                add(self.drafts_path().join(name.file_name()), &error);
            }
        }
        for (path, stack, holder) in stacks {
            for part in &stack {
                if let StackPart::Sealed(id) = part {
                    match self.has_layer(*id) {
                        Ok(true) => {}
                        // it may have been dropped and collected meanwhile
                        Ok(false) if !self.holds_still(&holder, &stack) => {}
                        Ok(false) => add(path.clone(), &Error::NoLayer { prefix: id.short() }),
                        Err(error) => add(path.clone(), &error),
                    }
                }
            }
        }
        Ok(problems)
    }

    /// Whether a record still holds a stack.
    fn holds_still(&self, holder: &Holder, stack: &[StackPart]) -> bool {
        match holder {
            Holder::Name(name) => matches!(self.name(name), Ok(Some(record)) if record.stack == stack),
            Holder::Mount(name) => matches!(self.mount(name), Ok(Some(record)) if record.stack == stack),
        }
    }

    /// Whether a mount is there, no other process uses it, and no commit in it waits to be ended: one that is committed in,
    /// or dropped, is not whole for a moment.
    pub(super) fn is_settled(&self, name: &LayerName) -> bool {
        self.mount_user(name).is_none()
            && self.has_mount(name).unwrap_or(true)
            && !self.is_half_committed(name)
    }

    /// Reads all of a layer: its files must be what its index says, and both together what its ID says.
    fn check_tree(&self, id: TreeId, progress: &mut dyn FnMut(Progress) -> bool) -> Result<Progress, Error> {
        let index = self.index(id)?;
        let tree = self.tree_dir(id)?;
        let mut done = Progress::default();
        let mut walked = |now: Progress| {
            // its bytes are read later
            done.entries = now.entries;
            progress(done)
        };
        let found =
            scan_watched(&tree, &ScanHow { trust: self.trust(), ..ScanHow::default() }, &mut walked)?.changes;
        let entries = done.entries;
        if let Some(path) = first_difference(&index.changes, &found) {
            let why = format!("{path:?} is not as the index says");
            return Err(Error::Damaged { path: self.tree_path(id), why });
        }
        let mut files = Files { tree, identity: identity() };
        let mut hashed = |now: Progress| {
            done = Progress { entries, ..now };
            progress(done)
        };
        let stream = write_watched(&index, &mut files, HashStream::new(), &mut hashed)?;
        let digest = stream.finish().map_err(|source| crate::tar::TarError::Write { source })?;
        if digest == id.0 { Ok(done) } else { Err(Error::Content { id, found: digest }) }
    }
}

/// The first path on which an index and its tree differ, but for owners and times that symlinks and special files cannot
/// keep.
fn first_difference(index: &Changeset, tree: &Changeset) -> Option<LayerPath> {
    let mut found = tree.iter();
    for (path, change) in index.iter() {
        let Some((at, other)) = found.next() else { return Some(path.clone()) };
        if at != path {
            return Some(path.min(at).clone());
        }
        let same = match (change, other) {
            (Change::Put(a), Change::Put(b)) => {
                let mut b = b.clone();
                if a.implied && b.is_dir() {
                    // of which the layer says nothing
                    (b.meta, b.implied) = (a.meta.clone(), true);
                }
                if !matches!(a.node.kind(), Kind::File | Kind::Dir) {
                    (b.meta.uid, b.meta.gid) = (a.meta.uid, a.meta.gid);
                    if !place::holds(a.meta.mtime) {
                        b.meta.mtime = a.meta.mtime;
                    }
                }
                *a == b
            }
            (a, b) => a == b,
        };
        if !same {
            return Some(path.clone());
        }
    }
    found.next().map(|(path, _)| path.clone())
}
