//! Our own attributes, raw: for whoever shows a union's files and reads the marks by itself.

use super::Union;
use super::raise::Content;
use crate::model::{LayerPath, names};
use crate::overlay::Aspect;
use crate::sys::{Errno, xattr};

/// Whether an attribute is one of ours, which users cannot reach.
pub fn is_own_mark(name: &[u8]) -> bool {
    name.starts_with(names::UFS)
}

impl Union {
    /// The value of one of our marks.
    pub fn own_mark(&self, path: &LayerPath, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let found = self.find(path)?;
        xattr::get_at(&found.place.dir, &found.place.name, name)
    }

    /// Sets one of our marks; the file is copied up first.
    pub fn set_own_mark(&self, path: &LayerPath, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        let _changing = self.change();
        let found = self.find(path)?;
        self.change_file(path, &found, (Aspect::Xattr, Content::Copied), |place| {
            xattr::set_at(&place.dir, &place.name, name, value)
        })
    }

    /// Takes one of our marks away; nothing is copied up for one that is not there.
    pub fn remove_own_mark(&self, path: &LayerPath, name: &[u8]) -> Result<(), Errno> {
        self.own_mark(path, name)?;
        let _changing = self.change();
        let found = self.find(path)?;
        self.change_file(path, &found, (Aspect::Xattr, Content::Copied), |place| {
            xattr::remove_at(&place.dir, &place.name, name)
        })
    }
}
