//! The mark of an upper that is written without syncs.
//!
//! What the disk holds of such an upper is left to chance until its file system is synced: after a power cut it may be
//! any part of it. So as long as that may be, `unsynced` lies beside the upper, synced itself, and names the boot in
//! which the upper was written. In that boot the upper is what was written, whoever crashed; in a later one nobody can
//! tell, and it is not used again. The kernel keeps such a mark too (`work/incompat/volatile`), which it never takes
//! back; ours is about the upper, and outlives the scratch directory.

use std::path::Path;

use super::error::io;
use super::publish::replace_json_beside;
use super::record::read_json;
use super::{Error, MountDir, Stale, Store};
use crate::sys::process::Identity;
use crate::sys::{Dir, sync_fs};

/// The mark's name in a mount's directory.
const MARK: &str = "unsynced";

/// Whether an upper was written without syncs in an earlier boot.
fn is_doubtful(dir: &Dir, path: &Path) -> Result<bool, Error> {
    let mark = read_json::<Identity>(dir, MARK, path)?;
    Ok(mark.is_some_and(|by| !by.is_of_this_boot()))
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
    /// Marks the upper of a mount without syncs, before it is written.
    pub(super) fn mark_unsynced(&self, dir: &Dir, path: &Path) -> Result<(), Error> {
        if self.ephemeral { Ok(()) } else { replace_json_beside(dir, MARK, &Identity::own(), path, true) }
    }

    /// Renews the mark, if there is one, for a fresh upper: what was doubtful of another one is not of this.
    pub(super) fn mark_anew(&self, dir: &Dir, path: &Path) -> Result<(), Error> {
        if is_doubtful(dir, path)? { self.mark_unsynced(dir, path) } else { Ok(()) }
    }
}
