//! From the entries of an archive, in any order, to a layer.

use std::collections::{BTreeMap, BTreeSet};

use super::{Item, TarError, What};
use crate::model::{Change, Changeset, Entry, LayerPath, LinkGroup, Metadata, Mode, Node};

/// Collects the entries of an archive into a [`Changeset`] that keeps its promises.
///
/// - Directories that have no entry of their own are made: mode 0755, owner 0, time 0.
/// - A later entry for a path replaces an earlier one; a directory over a directory keeps what lies beneath.
/// - A whiteout says nothing of the same archive's own file at that name, wherever it stands; with a
///   directory there, that directory is opaque.
/// - An opaque marker counts wherever it stands.
#[derive(Debug, Default)]
pub struct Assembler {
    changes: Changeset,
    implied: BTreeSet<LayerPath>,
    next_group: u32,
}

/// What an archive comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assembled {
    /// The layer; link groups are numbered in path order.
    pub changes: Changeset,
    /// The directories that had no entry of their own; the root is among them if it had none.
    pub implied: BTreeSet<LayerPath>,
}

impl Assembler {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next entry.
    ///
    /// # Errors
    /// [`TarError::Link`] for a hard link to nothing, [`TarError::Parent`] for a path beneath a file.
    pub fn add(&mut self, item: Item) -> Result<(), TarError> {
        let Item { path, what } = item;
        self.make_parents(&path)?;
        match what {
            What::Put(entry) => self.put(path, entry),
            What::Link { to } => self.link(path, &to)?,
            What::Whiteout => match self.changes.get(&path) {
                Some(Change::Put(_)) => self.mark_opaque(&path),
                _ if path.is_root() => {}
                _ => drop(self.changes.insert(path, Change::Whiteout)),
            },
            What::Opaque => {
                let inside = path.clone();
                self.make_dir(inside, &path)?;
                self.mark_opaque(&path);
            }
        }
        Ok(())
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Assembled {
        if self.changes.get(&LayerPath::root()).is_none() {
            self.imply(LayerPath::root(), false);
        }
        let mut names: BTreeMap<LinkGroup, u32> = BTreeMap::new();
        for (_, change) in self.changes.iter() {
            if let Change::Put(Entry { link: Some(group), .. }) = change {
                *names.entry(*group).or_default() += 1;
            }
        }
        let mut numbers = BTreeMap::new();
        let renumbered = self.changes.into_iter().map(|(path, mut change)| {
            if let Change::Put(entry) = &mut change {
                entry.link = entry.link.filter(|group| names[group] > 1).map(|group| {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "there are no more groups than numbers given"
                    )]
                    let next = LinkGroup(numbers.len() as u32);
                    *numbers.entry(group).or_insert(next)
                });
            }
            (path, change)
        });
        Assembled { changes: renumbered.collect(), implied: self.implied }
    }

    fn make_parents(&mut self, path: &LayerPath) -> Result<(), TarError> {
        let mut dir = path.parent();
        let mut missing = Vec::new();
        while let Some(at) = dir {
            if matches!(self.changes.get(&at), Some(Change::Put(entry)) if entry.is_dir()) {
                break;
            }
            dir = at.parent();
            missing.push(at);
        }
        for at in missing.into_iter().rev() {
            self.make_dir(at, path)?;
        }
        Ok(())
    }

    /// Makes sure that there is a directory, for the sake of `path`.
    fn make_dir(&mut self, dir: LayerPath, path: &LayerPath) -> Result<(), TarError> {
        match self.changes.get(&dir) {
            Some(Change::Put(entry)) if entry.is_dir() => {}
            Some(Change::Put(_)) => return Err(TarError::Parent { path: path.clone(), parent: dir }),
            Some(Change::Whiteout) => self.imply(dir, true),
            None => self.imply(dir, false),
        }
        Ok(())
    }

    fn imply(&mut self, dir: LayerPath, opaque: bool) {
        let meta = Metadata { mode: Mode::new(0o755), ..Metadata::default() };
        self.changes.insert(dir.clone(), Change::Put(Entry { node: Node::Dir { opaque }, meta, link: None }));
        self.implied.insert(dir);
    }

    fn put(&mut self, path: LayerPath, mut entry: Entry) {
        if path.is_root() && !entry.is_dir() {
            return;
        }
        self.implied.remove(&path);
        let earlier = self.changes.get(&path);
        let was_dir = matches!(earlier, Some(Change::Put(earlier)) if earlier.is_dir());
        if let Node::Dir { opaque } = &mut entry.node {
            *opaque |= match earlier {
                Some(Change::Whiteout) => true,
                Some(Change::Put(earlier)) => earlier.is_opaque(),
                None => false,
            };
        } else if was_dir {
            let beneath: Vec<LayerPath> = self.changes.within(&path).map(|(path, _)| path.clone()).collect();
            for path in beneath {
                self.changes.remove(&path);
                self.implied.remove(&path);
            }
        }
        self.changes.insert(path, Change::Put(entry));
    }

    fn link(&mut self, path: LayerPath, to: &LayerPath) -> Result<(), TarError> {
        if path == *to && self.changes.entry(to).is_some() {
            return Ok(());
        }
        let mut entry = match self.changes.entry(to) {
            Some(entry) if !entry.is_dir() && !path.is_root() => entry.clone(),
            _ => return Err(TarError::Link { path, to: to.clone() }),
        };
        if entry.link.is_none() {
            entry.link = Some(LinkGroup(self.next_group));
            self.next_group += 1;
            self.changes.insert(to.clone(), Change::Put(entry.clone()));
        }
        self.put(path, entry);
        Ok(())
    }

    fn mark_opaque(&mut self, dir: &LayerPath) {
        if let Some(Change::Put(mut entry)) = self.changes.get(dir).cloned()
            && let Node::Dir { opaque } = &mut entry.node
        {
            *opaque = true;
            self.changes.insert(dir.clone(), Change::Put(entry));
        }
    }
}
