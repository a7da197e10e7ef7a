//! The directories of the mount that was dropped last, for a new mount of the same stack.
//!
//! Dropping a mount and making one takes some twenty changes to directories, which wait for the disk where it is
//! busy. A mount that is dropped while nothing is in its upper cannot be told from one that is made anew with the
//! same record, so its directories are kept in `tmp/`, one set at a time, and used again: as if it had only been
//! unmounted and mounted. Like all in `tmp/` they belong to nobody once this process is gone.

use super::mount_dir::{MountJson, is_dirty};
use super::record::{read_bytes, to_json};
use super::{MountDir, NewMount, Store};
use crate::model::LayerName;
use crate::sys::{Dir, lock};

/// What a mount's directory holds when nothing else is under way in it, sorted.
const PARTS: [&[u8]; 5] = [b"merged", b"mount.json", b"owner", b"up", b"work"];

/// The longest record of a mount that is kept, in bytes.
const LIMIT: u64 = 1 << 20;

/// Directories that wait in `tmp/`.
#[derive(Debug)]
pub(super) struct Spare {
    name: String,
    /// The record that lies in them.
    json: Vec<u8>,
}

impl Store {
    /// Keeps the directories of a mount that was moved to `tmp/`; whether they can be used again.
    pub(super) fn keep_spare(&self, mount: &MountDir, name: &str) -> bool {
        let Some(json) = self.fresh(mount) else { return false };
        self.drop_spare();
        self.spare.replace(Some(Spare { name: name.to_owned(), json }));
        true
    }

    /// The record of a mount that looks as if it were just made.
    fn fresh(&self, mount: &MountDir) -> Option<Vec<u8>> {
        let (dir, path, record) = (mount.dir(), mount.path(), mount.record());
        // without syncs the kernel marks the scratch directory as one to be thrown away
        if !self.synced || record.volatile {
            return None;
        }
        let up = dir.dir(b"up").ok()?;
        let tree = up.dir(b"tree").ok()?;
        let mut parts = names(dir)?;
        // of a mount of the same stack they are the same
        parts.retain(|name| name != b"dirs");
        let whole = parts == PARTS && names(&up)? == [b"tree"];
        let same = tree.stat_self().ok()?.mtime == record.root.mtime
            && is_dirty(&tree, &record.root, path).ok() == Some(false)
            && dir.dir(b"merged").and_then(|merged| merged.is_vacant()).ok()?;
        let json = read_bytes(dir, "mount.json", path, LIMIT).ok()??;
        (whole && same).then_some(json)
    }

    /// Directories in `tmp/` that are those of a new mount already, with their name there.
    pub(super) fn take_spare(&self, name: &LayerName, new: &NewMount<'_>) -> Option<(String, Dir)> {
        let wanted = to_json(&MountJson::from(&new.record(name)), self.temporary.path()).ok()?;
        let spare = self.spare.borrow_mut().take_if(|spare| spare.json == wanted)?;
        if let Ok(dir) = self.temporary.dir().dir(spare.name.as_bytes())
            // somebody may still hold a handle on the mount that it was
            && matches!(lock::try_dir(&dir, true), Ok(Some(_)))
        {
            return Some((spare.name, dir));
        }
        self.temporary.drop_name(&spare.name);
        None
    }

    /// Removes what is kept.
    pub(super) fn drop_spare(&self) {
        if let Some(spare) = self.spare.take() {
            self.temporary.drop_name(&spare.name);
        }
    }
}

fn names(dir: &Dir) -> Option<Vec<Vec<u8>>> {
    let mut names: Vec<Vec<u8>> = dir.items().ok()?.into_iter().map(|item| item.name.into()).collect();
    names.sort_unstable();
    Some(names)
}
