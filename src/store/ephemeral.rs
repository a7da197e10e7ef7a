//! Stores that are gone once they are closed, and those that processes left which could not close them.
//!
//! Such a store is a directory `ufs-…` that only its owner can enter, with an empty file [`MARK`] in it, which its process
//! keeps locked. Only a directory of the same user with that file, not locked, is taken for one that was left: what other
//! users plant, symlinks, and stores that are meant to stay are none.

use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::error::{errno_of, io};
use super::format::PRIVATE;
use super::{Error, Opening, Store, Syncs};
use crate::sys::lock::{self, Lock};
use crate::sys::{Dir, Errno};

/// What the names of their directories begin with.
const PREFIX: &str = "ufs-";

/// The file that tells such a store from one that stays.
pub(super) const MARK: &str = "ephemeral";

/// How often a directory is made anew because somebody took the last one for one that was left.
const TRIES: usize = 8;

/// What removes a store at its end; the lock goes last.
#[derive(Debug)]
pub(super) struct Ending {
    parent: Dir,
    name: Vec<u8>,
    _mark: Lock,
}

impl Ending {
    /// Removes the store's directory.
    pub(super) fn remove(&self) -> Result<(), Errno> {
        self.parent.remove_tree(&self.name)
    }
}

impl Store {
    /// Makes a store of its own beneath `parent`, which is gone once it is closed or dropped.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn temporary(parent: &Path) -> Result<Self, Error> {
        let failed = |errno| io("make a directory in", parent)(errno);
        Dir::open(parent).map_err(io("use the directory for temporary files (`TMPDIR`)", parent))?;
        for _ in 0..TRIES {
            let mode = Permissions::from_mode(PRIVATE.bits());
            let made = tempfile::Builder::new().prefix(PREFIX).permissions(mode).tempdir_in(parent);
            let path = made.map_err(|error| failed(errno_of(&error)))?.keep();
            let (Some(name), Ok(dir)) = (path.file_name(), Dir::open(&path)) else { continue };
            // another process that starts now may take what has no lock yet for something that was left
            let Ok(Some(mark)) = lock::try_file(&dir, MARK.as_bytes(), true) else { continue };
            let parent = Dir::open(parent).map_err(failed)?;
            let ending = Ending { parent, name: name.as_bytes().to_vec(), _mark: mark };
            match Self::open(&path, Opening { create: true, syncs: Syncs::Ephemeral }) {
                Ok(mut store) => {
                    store.ending = Some(ending);
                    return Ok(store);
                }
                Err(error) => {
                    if let Err(errno) = ending.remove() {
                        log::debug!("{} stays: {errno}", path.display());
                    }
                    return Err(error);
                }
            }
        }
        Err(failed(Errno::AGAIN))
    }

    /// The stores beneath `parent` that processes of this user made by [`Store::temporary`] and did not live to remove:
    /// opened, for what is mounted in them to be unmounted; each is gone once it is closed or dropped.
    pub fn left_behind(parent: &Path) -> Vec<Self> {
        let Ok(dir) = Dir::open(parent) else { return Vec::new() };
        let names = dir.items_where(|name| name.starts_with(PREFIX.as_bytes())).unwrap_or_default();
        let mut found = Vec::new();
        for item in names {
            match take(&dir, parent, &item.name) {
                Ok(store) => found.extend(store),
                Err(error) => log::debug!("`{}` stays: {error}", item.name.escape_ascii()),
            }
        }
        found
    }

    /// Lets a store that would be gone at its end stay, for a later start to look at again.
    pub fn leave(mut self) {
        self.ending = None;
    }
}

/// Opens a store that was left; `None` if it is none, if its process lives, or if there was nothing but its directory.
fn take(parent: &Dir, at: &Path, name: &[u8]) -> Result<Option<Store>, Error> {
    let path: PathBuf = at.join(std::ffi::OsStr::from_bytes(name));
    let failed = |what| {
        let path = path.clone();
        move |errno| io(what, path)(errno)
    };
    let Ok(dir) = parent.dir(name) else { return Ok(None) };
    let stat = dir.stat_self().map_err(failed("look at"))?;
    if stat.uid != crate::sys::dir::own_ids().0 || stat.mode != PRIVATE {
        return Ok(None);
    }
    let mark = match lock::try_file(&dir, MARK.as_bytes(), false) {
        Ok(Some(mark)) => mark,
        Ok(None) | Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(failed("lock")(errno)),
    };
    let ending =
        Ending { parent: parent.duplicate().map_err(failed("open"))?, name: name.to_vec(), _mark: mark };
    match Store::open(&path, Opening { create: false, syncs: Syncs::Ephemeral }) {
        Ok(mut store) if store.lies_in(&dir)? => {
            store.ending = Some(ending);
            Ok(Some(store))
        }
        // the names here are changed by others
        Ok(_) => Ok(None),
        // it was left before it was one
        Err(Error::Missing { .. }) => ending.remove().map(|()| None).map_err(failed("remove")),
        Err(error) => Err(error),
    }
}
