//! Looks whether a store is whole: records, indexes, strays, and on request every byte of every layer. Changes nothing.
//!
//! Other processes may commit, seal, collect and drop meanwhile. So what looks wrong is looked at twice: it counts only if
//! it is still there, still the same, and nobody is at work on it.

mod finding;
mod layers;
mod records;
mod strays;

use super::format;
use super::seal::Progress;
use super::{Error, Store};
use crate::sys::Dir;
use crate::sys::step::step;

pub use finding::{Cure, Finding, Subject, Trouble};
pub(super) use layers::reads_like;
pub(super) use strays::closed;

use super::error::io;

impl Store {
    /// Checks every record, every index against its `meta.json`, that no stack misses a layer, and that nothing lies in the
    /// store that it has not made; `deep`: also reads every layer's files and compares them with its index and ID. Tells how
    /// far it is: names and bytes of files.
    ///
    /// # Errors
    /// [`Error::Io`] if the store's directories cannot be listed; [`Error::Interrupted`].
    pub fn check(
        &self,
        deep: bool,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Vec<Finding>, Error> {
        if self.aside.is_some() {
            return self.with_its_mounts()?.check(deep, progress);
        }
        let _step = step("check the store", || self.path.display().to_string());
        let root = Dir::open(&self.path).map_err(io("open", &self.path))?;
        let mut found = self.check_layers(deep, progress)?;
        if let Err(error) = super::unsynced::refuse_doubtful(&root, &self.path) {
            if !matches!(error, Error::UnsyncedStore { .. }) {
                return Err(error);
            }
            let at = self.path.join(super::unsynced::MARK);
            found.push(Finding::of(&error, Trouble::Unverified, Subject::Store, at, Cure::AskOwnerToTrust));
        }
        self.check_names(&mut found)?;
        self.check_mounts(&mut found)?;
        self.check_drafts(&mut found)?;
        self.check_strays(&root, &mut found)?;
        Ok(found)
    }

    /// The same store, to look at, with the mounts that lie in it: one that is only read has its own elsewhere.
    fn with_its_mounts(&self) -> Result<Self, Error> {
        let root = Dir::open(&self.path).map_err(io("open", &self.path))?;
        let sub = |name| format::open_sub(&root, name, &self.path);
        let tmp = super::temporary::Temporary::new(sub("tmp")?, self.path.join("tmp"));
        let mut store = Self::of_parts(&root, self.path.clone(), self.form, (sub("mounts")?, tmp), None)?;
        (store.ephemeral, store.synced) = (true, false);
        Ok(store)
    }
}
