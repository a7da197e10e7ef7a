//! Frees the layers that nothing names any more.

use std::collections::BTreeSet;

use super::damage::{no_record, of_mount};
use super::error::io;
use super::{Error, StackPart, Store};
use crate::model::TreeId;
use crate::sys::lock;
use crate::sys::step::step;

/// What a collection freed.
#[derive(Debug, Default)]
pub struct Collected {
    /// Layers.
    pub layers: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// The records that do not read back: where there is one it may hold any layer, so all stay.
    pub doubts: Vec<Error>,
}

impl Store {
    /// Removes every layer that no name, no mount and nothing in `pinned` holds.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process uses the store; [`Error::Io`].
    pub fn collect(&self, pinned: &BTreeSet<TreeId>) -> Result<Collected, Error> {
        self.check_writable()?;
        let _step = step("collect in the store", || self.path.display().to_string());
        let lock_path = self.path.join("lock");
        // a lock cannot be strengthened while it is held
        self.lock.take();
        let alone = lock::try_exclusive(&lock_path);
        let collected = match &alone {
            Ok(Some(_)) => self.collect_alone(pinned),
            Ok(None) => Err(Error::Busy { what: "the store".to_owned(), pid: None }),
            Err(errno) => Err(io("lock", &lock_path)(*errno)),
        };
        drop(alone);
        *self.lock.borrow_mut() = Some(lock::shared(&lock_path).map_err(io("lock", &lock_path))?);
        collected
    }

    fn collect_alone(&self, pinned: &BTreeSet<TreeId>) -> Result<Collected, Error> {
        // a process may have ended in the midst of a seal since the store was opened
        self.recover_drafts()?;
        let mut collected = Collected::default();
        let held = self.held_layers(&mut collected.doubts)?;
        if !collected.doubts.is_empty() {
            return Ok(collected);
        }
        for id in self.layers()? {
            if held.contains(&id) || pinned.contains(&id) {
                continue;
            }
            let bytes = self.summary(id).map_or(0, |summary| summary.counts.bytes);
            let aside =
                self.temporary.set_aside(&self.layers, &id.hex(), &self.path.join("layers/sha256"))?;
            self.cache.borrow_mut().forget(id);
            self.temporary.remove(&aside)?;
            collected.layers += 1;
            collected.bytes += bytes;
        }
        Ok(collected)
    }

    fn held_layers(&self, doubts: &mut Vec<Error>) -> Result<BTreeSet<TreeId>, Error> {
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
        for name in self.name_list()? {
            hold(self.name(&name).map(|record| record.map_or_else(Vec::new, |record| record.stack)))?;
        }
        for name in self.mount_list()? {
            let path = self.mounts_path().join(name.file_name());
            let record = self
                .mount(&name)
                .and_then(|record| record.ok_or_else(|| of_mount(&name, &path)(no_record(&path))));
            hold(record.map(|record| record.stack))?;
            hold(self.intended(&name).map_err(of_mount(&name, &path)))?;
        }
        hold(self.intended_by_seals())?;
        Ok(held)
    }
}
