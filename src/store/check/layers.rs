//! Layers: the index, `meta.json` beside it, and on request every file.

use super::finding::{Cure, Finding, Subject, Trouble};
use super::records::opened_up;
use crate::model::{Change, Changeset, KeptTime, Kind, LayerPath, TreeId};
use crate::store::barred::{self, Denied};
use crate::store::error::io;
use crate::store::hashing::HashStream;
use crate::store::index::Index;
use crate::store::layers::{Files, write_watched};
use crate::store::scan::scan_watched;
use crate::store::seal::Progress;
use crate::store::walk::ScanHow;
use crate::store::{Error, Store};
use crate::sys::{Errno, lock};

impl Store {
    pub(super) fn check_layers(
        &self,
        deep: bool,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Vec<Finding>, Error> {
        let mut found = Vec::new();
        let mut done = Progress::default();
        for id in self.layers()? {
            // nobody collects it while it is looked at
            let new = self.start_using(id)?;
            if !self.has_layer(id)? {
                if new {
                    self.stop_using(id)?;
                }
                continue;
            }
            let mut within = |now: Progress| {
                progress(Progress { entries: done.entries + now.entries, bytes: done.bytes + now.bytes })
            };
            let before = found.len();
            let now = self.check_layer(id, deep, &mut found, &mut within)?;
            done.entries += now.entries;
            done.bytes += now.bytes;
            // a repair of another process moved it aside
            if found.len() > before && !self.has_layer(id).unwrap_or(true) {
                found.truncate(before);
            }
            if new {
                self.stop_using(id)?;
            }
        }
        Ok(found)
    }

    fn check_layer(
        &self,
        id: TreeId,
        deep: bool,
        found: &mut Vec<Finding>,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Progress, Error> {
        let path = self.layer_path(id);
        let mut add = |error: &Error, kind, file: &str, cure| {
            found.push(Finding::of(error, kind, Subject::Layer(id), path.join(file), cure));
        };
        if !progress(Progress::default()) {
            return Err(Error::Interrupted);
        }
        let index = match self.index(id) {
            Ok(index) => index,
            Err(error) => {
                add(&error, Trouble::Index, "index", Cure::WriteIndex);
                return Ok(Progress::default());
            }
        };
        if let Err(error) = self.check_summary(id, &index) {
            add(&error, Trouble::Summary, "meta.json", Cure::WriteSummary);
        }
        let mut checked = if deep {
            self.check_tree(id, &index, progress)
        } else {
            self.tree_dir_as_it_is(id).map(|_| Progress::default())
        };
        // another process may have had a file of it opened up for a moment
        if deep
            && matches!(&checked, Err(error) if !matches!(error, Error::Interrupted))
            && let Ok(tree) = self.tree_dir_as_it_is(id)
        {
            let at = self.tree_path(id);
            let _still = lock::shared_dir(&tree).map_err(|errno| match errno {
                Errno::INTR => Error::Interrupted,
                errno => io("lock", at)(errno),
            })?;
            checked = self.check_tree(id, &index, progress);
        }
        match self.barred(id) {
            Ok(false) => {}
            Ok(true) => {
                add(&opened_up(&path), Trouble::Unfinished, barred::NOTE, Cure::Settle);
                // what it had opened up is not what the index says
                return Ok(Progress::default());
            }
            Err(error) => add(&error, Trouble::Record, barred::NOTE, Cure::MoveAside),
        }
        match checked {
            Ok(now) => Ok(now),
            Err(Error::Interrupted) => Err(Error::Interrupted),
            Err(error) => {
                add(&error, Trouble::Content, "tree", Cure::MendLayer);
                Ok(Progress::default())
            }
        }
    }

    /// Whether files of a layer were left opened up.
    fn barred(&self, id: TreeId) -> Result<bool, Error> {
        let (dir, at) = self.layer_dir(id)?;
        barred::is_left(&dir, &at)
    }

    /// Reads all of a layer: its files must be what its index says, and both together what its ID says.
    pub(in crate::store) fn check_tree(
        &self,
        id: TreeId,
        index: &Index,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Progress, Error> {
        let tree = self.tree_dir_as_it_is(id)?;
        let mut done = Progress::default();
        let mut walked = |now: Progress| {
            // its bytes are read later
            done.entries = now.entries;
            progress(done)
        };
        let found = scan_watched(&tree, &self.as_sealed(), &mut walked)?.changes;
        let entries = done.entries;
        if let Some(path) = first_difference(&index.changes, &found) {
            let why = format!("{path:?} is not as the index says");
            return Err(Error::Damaged { path: self.tree_path(id), why });
        }
        // opens nothing up
        let mut files = Files { tree, denied: Denied::Stays };
        let mut hashed = |now: Progress| {
            done = Progress { entries, ..now };
            progress(done)
        };
        let stream = write_watched(index, &mut files, HashStream::new(), &mut hashed)?;
        let digest = stream.finish().map_err(|source| crate::tar::TarError::Write { source })?;
        if digest == id.0 { Ok(done) } else { Err(Error::Content { id, found: digest }) }
    }

    /// How a sealed layer's tree is read.
    pub(in crate::store) fn as_sealed(&self) -> ScanHow {
        ScanHow { trust: self.trust(), sealed: true, ..ScanHow::default() }
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
        if !reads_like(change, other) {
            return Some(path.clone());
        }
    }
    found.next().map(|(path, _)| path.clone())
}

/// Whether what a tree shows is what an index says of the same path.
pub(in crate::store) fn reads_like(index: &Change, tree: &Change) -> bool {
    match (index, tree) {
        (Change::Put(a), Change::Put(b)) => {
            let mut b = b.clone();
            if a.implied && b.is_dir() {
                // of which the layer says nothing
                (b.meta, b.implied) = (a.meta.clone(), true);
            }
            if !matches!(a.node.kind(), Kind::File | Kind::Dir) {
                (b.meta.uid, b.meta.gid) = (a.meta.uid, a.meta.gid);
                if !KeptTime::needs_none(a.meta.mtime) {
                    b.meta.mtime = a.meta.mtime;
                }
            }
            *a == b
        }
        (a, b) => a == b,
    }
}
