//! Looking at mounts that need not be ours.

use std::fmt;
use std::path::PathBuf;

use super::error::{io, own};
use super::mount_dir::is_dirty;
use super::record::read_json;
use super::{Error, Store};
use crate::model::{LayerName, Timestamp};
use crate::sys::process::Identity;
use crate::sys::{Errno, RawStat, holder};

/// Where the parts of a mount lie on the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountPaths {
    /// The writable directory.
    pub upper: PathBuf,
    /// The kernel's scratch directory.
    pub work: PathBuf,
    /// The mount point inside the store.
    pub merged: PathBuf,
}

/// Another process that uses a mount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MountUser {
    /// One of this PID namespace.
    Process(u32),
    /// One that cannot be seen from here.
    Unseen,
}

impl MountUser {
    /// Its number; 0 for one that cannot be seen.
    pub fn number(self) -> i64 {
        match self {
            Self::Process(pid) => i64::from(pid),
            Self::Unseen => 0,
        }
    }
}

impl fmt::Display for MountUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(pid) => write!(f, "process {pid}"),
            Self::Unseen => f.write_str("another process"),
        }
    }
}

/// Whether a look at a name found something: nothing is an answer, and an error tells nothing.
pub(super) fn is_there(found: Result<RawStat, Errno>) -> Result<bool, Errno> {
    match found {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

impl Store {
    /// The process that uses a mount, if it is another one than this.
    pub fn mount_user(&self, name: &LayerName) -> Option<MountUser> {
        let dir = self.mounts.dir(name.file_name().as_bytes()).ok()?;
        // this is told to users only: whoever takes a mount locks it
        if !self.is_held_elsewhere(&format!("mount {name}"), &dir).unwrap_or(false) {
            return None;
        }
        let path = self.mounts_path().join(name.file_name());
        // what the record says is for messages only: the lock tells that somebody is there
        let owner = read_json::<Identity>(&dir, "owner", &path).ok().flatten();
        let seen = owner.filter(Identity::is_seen).map(|owner| owner.pid);
        // who uses the upper without the store, as `ufs mount` does, leaves no record
        let seen = seen.or_else(|| holder::of_lock(&dir).map(|holder| holder.pid));
        Some(seen.map_or(MountUser::Unseen, MountUser::Process))
    }

    /// Since when a mount is as it is: when it was made, or when something was committed in it last.
    pub fn mount_since(&self, name: &LayerName) -> Option<Timestamp> {
        let record = self.mounts.stat(format!("{}/mount.json", name.file_name()).as_bytes());
        record.ok().map(|stat| stat.mtime)
    }

    /// Whether there is a mount of that name, used or not.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be looked at.
    pub fn has_mount(&self, name: &LayerName) -> Result<bool, Error> {
        let file = name.file_name();
        is_there(self.mounts.stat(file.as_bytes())).map_err(io("look at", self.mounts_path().join(file)))
    }

    /// Where the parts of a mount lie, whether it is there or not.
    pub fn mount_paths(&self, name: &LayerName) -> MountPaths {
        let dir = self.mounts_path().join(name.file_name());
        MountPaths { upper: dir.join("up/tree"), work: dir.join("work"), merged: dir.join("merged") }
    }

    /// Whether a mount's upper holds anything that a commit would keep; `false` where there is no mount.
    ///
    /// # Errors
    /// [`Error::NoUpper`], [`Error::Damaged`], [`Error::Io`].
    pub fn mount_is_dirty(&self, name: &LayerName) -> Result<bool, Error> {
        let Some(record) = self.mount(name)? else { return Ok(false) };
        if record.read_only {
            return Ok(false);
        }
        let path = self.mounts_path().join(name.file_name());
        let upper = self
            .mounts
            .dir(name.file_name().as_bytes())
            .and_then(|dir| dir.dir(b"up"))
            .and_then(|up| up.dir(b"tree"));
        match upper {
            Ok(upper) => is_dirty(&upper, &record.root, &path),
            Err(Errno::NOENT) => Err(Error::NoUpper { name: name.clone() }),
            Err(errno) => Err(own("open", path.join("up/tree"))(errno)),
        }
    }
}
