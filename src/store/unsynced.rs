//! The mark of an upper, or of a whole store, that is written without syncs.
//!
//! What the disk holds of such an upper is left to chance until its file system is synced: after a power cut it may be
//! any part of it. So as long as that may be, `unsynced` lies beside the upper, synced itself, and names the boot in
//! which the upper was written. In that boot the upper is what was written, whoever crashed; in a later one nobody can
//! tell, and it is not used again. The kernel keeps such a mark too (`work/incompat/volatile`), which it never takes
//! back; ours is about the upper, and outlives the scratch directory.
//!
//! The same mark in the store's own directory says so of all that is in it. Whoever next opens the store to write it with
//! syncs, in the same boot and while nobody else has it open, syncs it and takes the mark away.

use std::path::Path;

use super::error::{io, own};
use super::looking::is_there;
use super::publish::{replace_json, replace_json_beside};
use super::record::read_json;
use super::{Error, MountDir, Stale, Store, Syncs};
use crate::sys::process::Identity;
use crate::sys::{Dir, Errno, lock, sync_fs};

/// The mark's name in a mount's directory, and in a store's.
pub(super) const MARK: &str = "unsynced";

/// Whether an upper, or a store, was written without syncs in an earlier boot.
fn is_doubtful(dir: &Dir, path: &Path) -> Result<bool, Error> {
    let mark = read_json::<Identity>(dir, MARK, path)?;
    Ok(mark.is_some_and(|by| !by.is_of_this_boot()))
}

/// Whether the disk may hold only parts of a store; a mark that does not read back says so, too.
fn is_store_doubtful(root: &Dir, path: &Path) -> Result<bool, Error> {
    match is_doubtful(root, path) {
        Err(Error::Damaged { .. }) => Ok(true),
        other => other,
    }
}

/// Refuses a store of which the disk may hold only parts.
pub(super) fn refuse_doubtful(root: &Dir, path: &Path) -> Result<(), Error> {
    if is_store_doubtful(root, path)? {
        return Err(Error::UnsyncedStore { path: path.to_owned(), mark: path.join(MARK) });
    }
    Ok(())
}

/// Before a store is used: refuses a doubtful one where syncs are wanted, and ends the doubts of this boot about one that
/// nobody has open.
pub(super) fn settle(root: &Dir, path: &Path, syncs: Syncs, lock_path: &Path) -> Result<(), Error> {
    let marked = is_there(root.stat(MARK.as_bytes())).map_err(io("look at", path.join(MARK)))?;
    if !marked || syncs == Syncs::Off {
        return Ok(());
    }
    refuse_doubtful(root, path)?;
    let Some(_alone) = lock::try_exclusive(lock_path).map_err(own("lock", lock_path))? else { return Ok(()) };
    sync_fs(root).map_err(io("sync", path))?;
    match root.unlink(MARK.as_bytes()) {
        // another process was quicker
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(io("remove", path.join(MARK))(errno)),
    }
}

impl Stale {
    /// Whether the machine may have stopped before its upper was on the disk.
    pub fn is_doubtful(&self) -> bool {
        is_doubtful(&self.dir, Path::new("")).unwrap_or(true)
    }
}

impl MountDir {
    /// Refuses an upper of which the disk may hold only parts.
    ///
    /// # Errors
    /// [`Error::Unsynced`]; [`Error::Damaged`], [`Error::Io`] where its mark cannot be read.
    pub(super) fn refuse_doubtful_upper(&self) -> Result<(), Error> {
        if !is_doubtful(self.dir(), self.path())? {
            return Ok(());
        }
        let mark = self.path().join(MARK);
        Err(Error::Unsynced { name: self.name().clone(), upper: self.upper_path(), mark })
    }

    /// Waits until the disk holds an upper that is written no more, and takes the mark from it. The kernel's overlay does
    /// so when it is unmounted; the others leave it to this.
    pub(super) fn sync_upper(&self) -> Result<(), Error> {
        let (dir, path) = (self.dir(), self.path());
        sync_fs(dir).map_err(io("sync", path))?;
        match read_json::<Identity>(dir, MARK, path)? {
            Some(by) if by.is_of_this_boot() => {
                dir.unlink(MARK.as_bytes()).map_err(io("remove", path.join(MARK)))
            }
            _ => Ok(()),
        }
    }
}

impl Store {
    /// Marks a store that is about to be written without syncs, unless it is marked; whether it is doubtful already. Only
    /// with the store's lock, which keeps [`settle`] away as long as this process has it.
    pub(super) fn mark_store(&self, root: &Dir) -> Result<bool, Error> {
        let path = self.path();
        if is_there(root.stat(MARK.as_bytes())).map_err(io("look at", path.join(MARK)))? {
            return is_store_doubtful(root, path);
        }
        replace_json(&self.temporary, root, MARK, &Identity::own(), path, true)?;
        Ok(false)
    }

    /// Waits until the disk holds what was written to a mount that is unmounted; one without syncs waits for its end.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync_mount(&self, mount: &MountDir) -> Result<(), Error> {
        let record = mount.record();
        let wanted = self.synced && !record.read_only && !record.volatile;
        if wanted { mount.sync_upper() } else { Ok(()) }
    }

    /// Marks the upper of a mount without syncs, before it is written.
    pub(super) fn mark_unsynced(&self, dir: &Dir, path: &Path) -> Result<(), Error> {
        if self.synced { replace_json_beside(dir, MARK, &Identity::own(), path, true) } else { Ok(()) }
    }

    /// Renews the mark, if there is one, for a fresh upper: what was doubtful of another one is not of this.
    pub(super) fn mark_anew(&self, dir: &Dir, path: &Path) -> Result<(), Error> {
        if is_doubtful(dir, path)? { self.mark_unsynced(dir, path) } else { Ok(()) }
    }
}
