//! From the entries of an archive, in any order, to a layer.

use std::collections::BTreeMap;

use super::{Item, TarError, What};
use crate::model::{Change, Changeset, Entry, LayerPath, LinkGroup, Metadata, Node};

/// Collects the entries of an archive into a [`Changeset`] that keeps its promises.
///
/// - Directories that have no entry of their own are implied.
/// - A later entry for a path replaces an earlier one; a directory over a directory keeps what lies beneath.
/// - A whiteout says nothing of the same archive's own file at that name, wherever it stands; with a
///   directory there, that directory is opaque, and implied no longer: the one beneath is deleted.
/// - An opaque marker counts wherever it stands.
/// - A whiteout or marker beneath a name that is no directory says nothing, nor does it make a directory the archive's own.
#[derive(Debug, Default)]
pub struct Assembler {
    changes: Changeset,
    next_group: u32,
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
        if matches!(what, What::Whiteout | What::Opaque) && self.is_covered(&path, what == What::Opaque) {
            return Ok(());
        }
        self.make_parents(&path)?;
        match what {
            What::Put(entry) => self.put(path, entry),
            What::Link { to } => self.link(path, &to)?,
            What::Whiteout if path.is_root() => {}
            What::Whiteout if self.is_own(&path) => self.mark_opaque(&path, true),
            What::Whiteout => {
                self.remove_within(&path);
                self.changes.insert(path, Change::Whiteout);
            }
            What::Opaque => {
                let inside = path.clone();
                self.make_dir(inside, &path)?;
                self.mark_opaque(&path, false);
            }
        }
        Ok(())
    }

    /// Ends the archive; link groups are numbered in path order.
    pub fn finish(mut self) -> Changeset {
        if self.changes.get(&LayerPath::root()).is_none() {
            self.changes.insert(LayerPath::root(), Change::Put(Entry::implied_dir(false)));
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
        renumbered.collect()
    }

    /// Whether something that is no directory lies above a path, or, if it counts, at it.
    fn is_covered(&self, path: &LayerPath, itself: bool) -> bool {
        let covers = |at: &LayerPath| match self.changes.get(at) {
            Some(Change::Put(entry)) => !entry.is_dir(),
            Some(Change::Whiteout) => true,
            None => false,
        };
        path.ancestors().any(|above| covers(&above)) || itself && covers(path)
    }

    /// Whether the archive says more of a name than what is deleted beneath it.
    fn is_own(&self, path: &LayerPath) -> bool {
        self.changes.within(path).any(|(_, change)| matches!(change, Change::Put(entry) if !entry.implied))
    }

    fn remove_within(&mut self, path: &LayerPath) {
        let beneath: Vec<LayerPath> = self.changes.within(path).map(|(path, _)| path.clone()).collect();
        for path in beneath {
            self.changes.remove(&path);
        }
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
            Some(Change::Whiteout) => {
                // the one beneath is deleted, so there is none that it could be as
                let entry = Entry::new(Node::Dir { opaque: true }, Metadata::of_plain_dir());
                self.changes.insert(dir, Change::Put(entry));
            }
            None => drop(self.changes.insert(dir, Change::Put(Entry::implied_dir(false)))),
        }
        Ok(())
    }

    fn put(&mut self, path: LayerPath, mut entry: Entry) {
        if path.is_root() && !entry.is_dir() {
            return;
        }
        let earlier = self.changes.get(&path);
        let was_dir = matches!(earlier, Some(Change::Put(earlier)) if earlier.is_dir());
        if let Node::Dir { opaque } = &mut entry.node {
            *opaque |= match earlier {
                Some(Change::Whiteout) => true,
                Some(Change::Put(earlier)) => earlier.is_opaque(),
                None => false,
            };
        } else if was_dir {
            self.remove_within(&path);
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

    /// Marks a directory; `deleted`: the one beneath is no more.
    fn mark_opaque(&mut self, dir: &LayerPath, deleted: bool) {
        if let Some(Change::Put(mut entry)) = self.changes.get(dir).cloned()
            && let Node::Dir { opaque } = &mut entry.node
        {
            *opaque = true;
            entry.implied &= !deleted;
            self.changes.insert(dir.clone(), Change::Put(entry));
        }
    }
}
