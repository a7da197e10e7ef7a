//! Looks whether a store is whole: records, indexes, and on request every byte of every layer.

use std::fmt;
use std::path::PathBuf;

use super::hashing::HashStream;
use super::layers::Files;
use super::scan::scan;
use super::walk::{ScanHow, identity};
use super::{Error, StackPart, Store};
use crate::model::{Change, Changeset, Kind, LayerPath, TreeId};
use crate::tar::write_layer;

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Where.
    pub path: PathBuf,
    /// What, in words.
    pub what: String,
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
    /// layer's files and compares them with its ID.
    ///
    /// # Errors
    /// [`Error::Io`] if the store's directories cannot be listed.
    pub fn check(&self, deep: bool) -> Result<Vec<Problem>, Error> {
        let mut problems = Vec::new();
        let mut add = |path: PathBuf, error: &Error| {
            problems.push(Problem { path, what: error.to_string() });
        };
        for id in self.layers()? {
            let path = self.layer_path(id);
            if let Err(error) = self.summary(id) {
                add(path.clone(), &error);
            }
            let checked = if deep { self.check_tree(id) } else { self.index(id).map(drop) };
            if let Err(error) = checked {
                add(path, &error);
            }
        }
        let mut stacks: Vec<(PathBuf, Vec<StackPart>)> = Vec::new();
        for name in self.name_list()? {
            let path = self.path.join("names").join(name.file_name());
            match self.name(&name) {
                Ok(record) => stacks.extend(record.map(|record| (path, record.stack))),
                Err(error) => add(path, &error),
            }
        }
        for name in self.mount_list()? {
            let path = self.mounts_path().join(name.file_name());
            match self.mount(&name) {
                Ok(Some(record)) => {
                    if !path.join("up/tree").is_dir() {
                        add(path.clone(), &Error::NoUpper { name });
                    }
                    stacks.push((path, record.stack));
                }
                Ok(None) => add(path.clone(), &Error::Damaged { path, why: "it has no record".to_owned() }),
                Err(error) => add(path, &error),
            }
        }
        for (path, stack) in stacks {
            for part in stack {
                if let StackPart::Sealed(id) = part
                    && !self.has_layer(id)
                {
                    add(path.clone(), &Error::NoLayer { prefix: id.short() });
                }
            }
        }
        Ok(problems)
    }

    /// Reads all of a layer: its files must be what its index says, and both together what its ID says.
    fn check_tree(&self, id: TreeId) -> Result<(), Error> {
        let index = self.index(id)?;
        let tree = self.tree_dir(id)?;
        let found = scan(&tree, &ScanHow { trust: self.trust(), ..ScanHow::default() })?.changes;
        if let Some(path) = first_difference(&index.changes, &found) {
            let why = format!("{path:?} is not as the index says");
            return Err(Error::Damaged { path: self.tree_path(id), why });
        }
        let mut files = Files { tree, identity: identity() };
        let mut open =
            |path: &LayerPath, _: &crate::model::Entry| files.open(path).map_err(std::io::Error::from);
        let (stream, _) = write_layer(&index.changes, index.root, &mut open, HashStream::new())?;
        let digest = stream.finish().map_err(|source| crate::tar::TarError::Write { source })?;
        if digest == id.0 { Ok(()) } else { Err(Error::Content { id, found: digest }) }
    }
}

/// The first path on which an index and its tree differ, but for owners that symlinks and special files cannot keep.
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
                if !matches!(a.node.kind(), Kind::File | Kind::Dir) {
                    (b.meta.uid, b.meta.gid) = (a.meta.uid, a.meta.gid);
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
