//! Looking at mounts that need not be ours.

use std::path::PathBuf;

use super::error::own;
use super::mount_dir::is_dirty;
use super::{Error, Store};
use crate::model::LayerName;
use crate::sys::Errno;

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

impl Store {
    /// Whether there is a mount of that name, used or not.
    pub fn has_mount(&self, name: &LayerName) -> bool {
        self.mounts.stat(name.file_name().as_bytes()).is_ok()
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
