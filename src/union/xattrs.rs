//! Extended attributes as users see them: marks hidden, a user's own `user.overlay.*` escaped on disk.

use std::fs::File;

use super::Union;
use super::lookup::Place;
use super::raise::Content;
use crate::model::{Kind, LayerPath, Marks, names};
use crate::overlay::Aspect;
use crate::sys::Errno;
use crate::sys::xattr::{self, Setting};

/// The access control lists.
pub(super) const LISTS: [&[u8]; 2] = [names::ACCESS_LIST, names::DEFAULT_LIST];

/// The longest attribute name and value (Linux `limits.h`: `XATTR_NAME_MAX`, `XATTR_SIZE_MAX`), in bytes.
const NAME_LIMIT: usize = 255;
const VALUE_LIMIT: usize = 65536;

/// The name on disk; `otherwise` for ours, which users cannot reach; `EOPNOTSUPP` where its escaped form is too long.
pub(super) fn stored(marks: Marks, name: &[u8], otherwise: Errno) -> Result<Vec<u8>, Errno> {
    if name.starts_with(names::UFS) {
        return Err(otherwise);
    }
    let Some(rest) = name.strip_prefix(marks.prefix()) else { return Ok(name.to_vec()) };
    let escaped = [marks.escaped(), rest].concat();
    if escaped.len() > NAME_LIMIT { Err(Errno::OPNOTSUPP) } else { Ok(escaped) }
}

/// The name that users see; `None` for marks and bookkeeping.
pub(super) fn seen(marks: Marks, stored: Vec<u8>) -> Option<Vec<u8>> {
    if stored.starts_with(names::UFS) {
        return None;
    }
    if stored.starts_with(marks.prefix()) {
        return stored.strip_prefix(marks.escaped()).map(|rest| [marks.prefix(), rest].concat());
    }
    Some(stored)
}

/// A file system without access control lists has none, and that is no failure to look: else nobody but the owner could
/// open a file of it.
pub(super) fn without_lists(name: &[u8], value: Result<Vec<u8>, Errno>) -> Result<Vec<u8>, Errno> {
    match value {
        Err(Errno::OPNOTSUPP) if LISTS.contains(&name) => Err(Errno::NODATA),
        other => other,
    }
}

fn check_name(name: &[u8]) -> Result<(), Errno> {
    if name.is_empty() || name.len() > NAME_LIMIT { Err(Errno::RANGE) } else { Ok(()) }
}

/// `user.*` belongs to files and directories only.
fn is_misplaced(kind: Kind, name: &[u8]) -> bool {
    name.starts_with(b"user.") && !matches!(kind, Kind::File | Kind::Dir)
}

impl Union {
    /// lgetxattr(2).
    pub fn xattr(&self, path: &LayerPath, name: &[u8]) -> Result<Vec<u8>, Errno> {
        check_name(name)?;
        let found = self.find(path)?;
        let on_disk = stored(self.options.marks, name, Errno::NODATA)?;
        without_lists(name, xattr::get_at(&found.place.dir, &found.place.name, &on_disk))
    }

    /// lgetxattr(2), and whether the file is known to have no attribute that users see.
    pub fn xattr_or_bare(&self, path: &LayerPath, name: &[u8]) -> (Result<Vec<u8>, Errno>, bool) {
        let ask = || {
            check_name(name)?;
            let found = self.find(path)?;
            let marks = self.options.marks;
            let on_disk = stored(marks, name, Errno::NODATA)?;
            let Place { dir, name: at, .. } = &found.place;
            let value = xattr::get_at(dir, at, &on_disk);
            let bare = value == Err(Errno::NODATA)
                && xattr::list_at(dir, at)?.into_iter().all(|name| seen(marks, name).is_none());
            Ok((without_lists(name, value), bare))
        };
        ask().unwrap_or_else(|errno| (Err(errno), false))
    }

    /// Whether a file that is open for reading or writing has no attribute that users see.
    pub fn is_bare(&self, file: &File) -> bool {
        let marks = self.options.marks;
        xattr::list(file).is_ok_and(|names| names.into_iter().all(|name| seen(marks, name).is_none()))
    }

    /// llistxattr(2).
    pub fn xattrs(&self, path: &LayerPath) -> Result<Vec<Vec<u8>>, Errno> {
        let found = self.find(path)?;
        let raw = xattr::list_at(&found.place.dir, &found.place.name)?;
        Ok(raw.into_iter().filter_map(|name| seen(self.options.marks, name)).collect())
    }

    /// lsetxattr(2); `EOPNOTSUPP` for `user.ufs.*`.
    pub fn set_xattr(&self, path: &LayerPath, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        self.set_xattr_if(path, name, value, Setting::Any)
    }

    /// lsetxattr(2) that may ask that the attribute is new or there.
    pub fn set_xattr_if(
        &self,
        path: &LayerPath,
        name: &[u8],
        value: &[u8],
        setting: Setting,
    ) -> Result<(), Errno> {
        check_name(name)?;
        if value.len() > VALUE_LIMIT {
            return Err(Errno::TOOBIG);
        }
        let _changing = self.change();
        let found = self.find(path)?;
        self.writable()?;
        let on_disk = stored(self.options.marks, name, Errno::OPNOTSUPP)?;
        if is_misplaced(self.kind(&found)?, name) {
            return Err(Errno::PERM);
        }
        self.change_file(path, &found, (Aspect::Xattr, Content::Copied), |place| {
            if name == names::DEFAULT_LIST && found.is_dir() {
                self.dir(path.as_bytes())?.note_without_acl(false);
            }
            xattr::set_at_if(&place.dir, &place.name, &on_disk, value, setting)
        })
    }

    /// lremovexattr(2); nothing is copied up for an attribute that is not there.
    pub fn remove_xattr(&self, path: &LayerPath, name: &[u8]) -> Result<(), Errno> {
        check_name(name)?;
        let _changing = self.change();
        let found = self.find(path)?;
        self.writable()?;
        let on_disk = stored(self.options.marks, name, Errno::NODATA)?;
        if is_misplaced(self.kind(&found)?, name) {
            return Err(Errno::PERM);
        }
        match xattr::get_at(&found.place.dir, &found.place.name, &on_disk) {
            // to remove a list that is not there is no error, and a change
            Err(Errno::NODATA) if LISTS.contains(&name) => {
                return self.change_file(path, &found, (Aspect::Xattr, Content::Copied), |_| Ok(()));
            }
            other => drop(other?),
        }
        self.change_file(path, &found, (Aspect::Xattr, Content::Copied), |place| {
            xattr::remove_at(&place.dir, &place.name, &on_disk)
        })
    }
}
