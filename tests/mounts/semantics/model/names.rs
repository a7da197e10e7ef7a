//! What changes names: removing, linking, renaming.

use ufs::driver::{Follow, RenameHow};
use ufs::model::LayerPath;
use ufs::sys::Errno;

use super::{Body, Model, ROOT};

impl Model {
    pub(super) fn takes_attributes(&self, number: usize, otherwise: Errno) -> Result<(), Errno> {
        match self.inodes[number].body {
            Body::Dir { .. } | Body::File(_) => Ok(()),
            _ => Err(otherwise),
        }
    }

    pub(super) fn rmdir(&mut self, at: &str) -> Result<(), Errno> {
        let (dir, name, found) = self.walk(at.as_bytes(), Follow::No)?;
        let number = found.ok_or(Errno::NOENT)?;
        if !self.list(number)?.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.take(dir, &name);
        Ok(())
    }

    pub(super) fn unlink(&mut self, at: &str) -> Result<(), Errno> {
        let (dir, name, found) = self.walk(at.as_bytes(), Follow::No)?;
        let number = found.ok_or(Errno::NOENT)?;
        if self.is_dir(number) {
            return Err(Errno::ISDIR);
        }
        self.inodes[number].links -= 1;
        self.take(dir, &name);
        Ok(())
    }

    pub(super) fn link(&mut self, old: &str, new: &str) -> Result<(), Errno> {
        let number = self.find(old, Follow::No)?;
        let (dir, name) = self.vacant(new)?;
        if self.is_dir(number) {
            return Err(Errno::PERM);
        }
        self.change(number).links += 1;
        self.insert(dir, name, number);
        Ok(())
    }

    pub(super) fn is_above(&self, above: usize, mut dir: usize) -> bool {
        loop {
            if dir == above {
                return true;
            }
            match self.inodes[dir].body {
                Body::Dir { parent, .. } if dir != ROOT => dir = parent,
                _ => return false,
            }
        }
    }

    pub(super) fn rename(&mut self, from: &LayerPath, to: &LayerPath, how: RenameHow) -> Result<(), Errno> {
        let (old_dir, old_name, old) = self.walk(from.as_bytes(), Follow::No)?;
        let (new_dir, new_name, new) = self.walk(to.as_bytes(), Follow::No)?;
        let old = old.ok_or(Errno::NOENT)?;
        match (how, new) {
            (RenameHow::NoReplace, Some(_)) => return Err(Errno::EXIST),
            (RenameHow::Exchange, None) => return Err(Errno::NOENT),
            _ => {}
        }
        if new != Some(old) && self.is_above(old, new_dir) {
            return Err(Errno::INVAL);
        }
        let exchange = how == RenameHow::Exchange;
        if let Some(new) = new {
            if new != old && self.is_above(new, old_dir) {
                return Err(if exchange { Errno::INVAL } else { Errno::NOTEMPTY });
            }
            if new == old {
                return Ok(());
            }
            if !exchange {
                match (self.is_dir(old), self.is_dir(new)) {
                    (true, false) => return Err(Errno::NOTDIR),
                    (false, true) => return Err(Errno::ISDIR),
                    _ => {}
                }
            }
        }
        if self.is_bound(old) || exchange && new.is_some_and(|new| self.is_bound(new)) {
            return Err(Errno::XDEV);
        }
        if let Some(new) = new.filter(|&new| !exchange && self.is_dir(new))
            && !self.list(new)?.is_empty()
        {
            return Err(Errno::NOTEMPTY);
        }
        self.change(old);
        if let Some(new) = new.filter(|_| exchange) {
            self.change(new);
            self.insert(old_dir, old_name, new);
        } else {
            if let Some(new) = new {
                self.inodes[new].links -= 1;
            }
            self.take(old_dir, &old_name);
        }
        self.insert(new_dir, new_name, old);
        Ok(())
    }
}
