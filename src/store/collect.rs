//! Frees what nothing needs any more: layers that nothing names or uses, and what dead processes left in `tmp/`.
//!
//! Other processes may go on meanwhile; how none of them loses what it uses is said in `uses`.

use std::collections::BTreeSet;

use super::damage::{no_record, of_mount};
use super::error::io;
use super::usage::Usage;
use super::{Error, StackPart, Store};
use crate::model::{LayerName, TreeId};
use crate::sys::process::User;
use crate::sys::step::step;

/// What nothing needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Waste {
    /// A layer.
    Layer(TreeId),
    /// Something in `tmp/` that a process left which is gone, by its name there.
    LeftOver(String),
}

/// What a collection frees, or would.
#[derive(Debug, Default)]
pub struct Collected {
    /// What, and the bytes on disk that it took.
    pub items: Vec<(Waste, u64)>,
    /// The processes that use what would go too, as far as they can be seen, and how many layers that is.
    pub in_use: (Vec<User>, usize),
    /// The records that do not read back: where there is one it may hold any layer, so all stay.
    pub doubts: Vec<Error>,
}

/// How a collection is made.
#[derive(Clone, Copy, Debug)]
pub struct Collecting<'a> {
    /// Layers that this process uses.
    pub reached: &'a BTreeSet<TreeId>,
    /// Names that count as gone.
    pub without: &'a BTreeSet<LayerName>,
    /// Whether anything goes, or is only looked for.
    pub really: bool,
}

impl Store {
    /// Removes every layer that no name, no mount, and no process holds, and what dead processes left.
    ///
    /// `go_on` is asked now and then while it is found out how much that is.
    ///
    /// # Errors
    /// [`Error::Interrupted`], [`Error::Io`].
    pub fn collect(&self, how: Collecting<'_>, go_on: &mut dyn FnMut() -> bool) -> Result<Collected, Error> {
        let _step = step("collect in the store", || self.path.display().to_string());
        if how.really {
            self.check_writable()?;
            // a process may have ended in the midst of a seal since the store was opened
            self.recover_drafts()?;
            self.use_only(how.reached)?;
        }
        let mut collected = Collected::default();
        self.collect_layers(how, &mut collected, go_on)?;
        for name in self.temporary.left_over()? {
            let bytes = Usage::of(self.temporary.dir(), name.as_bytes(), go_on);
            let bytes =
                bytes.map_err(|errno| io("look through", self.temporary.path().join(&name))(errno))?;
            if how.really {
                self.temporary.drop_name(&name);
            }
            collected.items.push((Waste::LeftOver(name), bytes.ok_or(Error::Interrupted)?.bytes));
        }
        Ok(collected)
    }

    fn collect_layers(
        &self,
        how: Collecting<'_>,
        collected: &mut Collected,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), Error> {
        let locked = || io("lock a layer in", self.path.join("lock"));
        let held = self.held_layers(how.without, &mut collected.doubts)?;
        if !collected.doubts.is_empty() {
            return Ok(());
        }
        let mut taken = Vec::new();
        // Who only looks goes on holding all that it holds: a layer let go now could be gone before it is read again.
        let ours = |id| if how.really { self.uses.holds(id) } else { how.reached.contains(&id) };
        for id in self.layers()? {
            if held.contains(&id) || ours(id) {
                continue;
            }
            if self.uses.is_used_elsewhere(id).map_err(locked())? {
                self.count_users(id, collected);
                continue;
            }
            let bytes = self.layer_usage(id, go_on)?.bytes;
            if !how.really {
                collected.items.push((Waste::Layer(id), bytes));
                continue;
            }
            match self.uses.take(id).map_err(locked())? {
                Some(layer) => taken.push((layer, bytes)),
                None => self.count_users(id, collected),
            }
        }
        if taken.is_empty() {
            return Ok(());
        }
        // since then any of them may have come into a record
        let held = self.held_layers(how.without, &mut collected.doubts)?;
        if !collected.doubts.is_empty() {
            return Ok(());
        }
        taken.retain(|(layer, _)| !held.contains(&layer.id));
        let mut aside = Vec::with_capacity(taken.len());
        for (layer, bytes) in taken {
            let id = layer.id;
            match self.temporary.take(&self.layers, id.hex().as_bytes()) {
                Ok(name) => aside.push(name),
                // another collection was faster
                Err(crate::sys::Errno::NOENT) => continue,
                Err(errno) => return Err(io("move away", self.layer_path(id))(errno)),
            }
            self.cache.borrow_mut().forget(id);
            collected.items.push((Waste::Layer(id), bytes));
        }
        for name in aside {
            self.temporary.drop_name(&name);
        }
        Ok(())
    }

    fn count_users(&self, id: TreeId, collected: &mut Collected) {
        let (users, layers) = &mut collected.in_use;
        *layers += 1;
        // who uses one uses most of them, and to find out takes a look at all that every process has open
        if users.is_empty() {
            *users = self.uses.users(id);
            users.retain(|user| user.pid != std::process::id());
        }
    }

    /// Every layer that a record holds, but for those of names that count as gone.
    fn held_layers(
        &self,
        without: &BTreeSet<LayerName>,
        doubts: &mut Vec<Error>,
    ) -> Result<BTreeSet<TreeId>, Error> {
        let mut held = BTreeSet::new();
        let mut hold = |stack: Result<Vec<StackPart>, Error>| match stack {
            Ok(stack) => {
                held.extend(stack.into_iter().filter_map(|part| match part {
                    StackPart::Sealed(id) => Some(id),
                    StackPart::Host(_) => None,
                }));
                Ok(())
            }
            Err(damage) if damage.is_damage() => {
                doubts.push(damage);
                Ok(())
            }
            Err(error) => Err(error),
        };
        for name in self.name_list()?.into_iter().filter(|name| !without.contains(name)) {
            hold(self.name(&name).map(|record| record.map_or_else(Vec::new, |record| record.stack)))?;
        }
        for name in self.mount_list()? {
            let path = self.mounts_path().join(name.file_name());
            let stack = match self.mount(&name) {
                Ok(Some(record)) => Ok(record.stack),
                // dropped meanwhile
                Ok(None) if !self.has_mount(&name)? => Ok(Vec::new()),
                Ok(None) => Err(of_mount(&name, &path)(no_record(&path))),
                Err(error) => Err(error),
            };
            hold(stack)?;
            hold(self.intended(&name).map_err(of_mount(&name, &path)))?;
        }
        hold(self.intended_by_seals())?;
        Ok(held)
    }
}
