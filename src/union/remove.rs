//! Removal: what lower layers still hold gets a whiteout.

use std::os::fd::OwnedFd;

use super::Union;
use super::lookup::split;
use crate::model::LayerPath;
use crate::sys::Errno;

impl Union {
    /// unlink(2).
    pub fn unlink(&self, path: &LayerPath) -> Result<(), Errno> {
        self.unlink_holding(path, false).map(|_| ())
    }

    /// unlink(2); if `holds`, gives what leads to the file without its name, as [`Union::hold`] does.
    pub fn unlink_holding(&self, path: &LayerPath, holds: bool) -> Result<Option<(OwnedFd, bool)>, Errno> {
        let _changing = self.change();
        if path.is_root() {
            return Err(Errno::ISDIR);
        }
        let (parent, name) = split(path.as_bytes());
        let dir = self.dir(parent)?;
        self.writable()?;
        let found = self.look(&dir, name)?.found.ok_or(Errno::NOENT)?;
        if found.is_dir() {
            return Err(Errno::ISDIR);
        }
        let up = self.raise_dir(&dir)?;
        let hold = if holds { found.place.handle().ok() } else { None };
        if !found.in_upper {
            self.put_new_whiteout(&dir, &up, name)?;
        } else if self.below(&dir, name)? {
            self.put_whiteout(&dir, &up, name, None)?;
        } else {
            up.unlink(name)?;
        }
        self.tell_gone(&dir, path, found.stat.kind);
        Ok(hold.map(|fd| (fd, found.in_upper)))
    }

    /// rmdir(2): the directory must be empty in the union; whiteouts in its upper part go with it.
    pub fn rmdir(&self, path: &LayerPath) -> Result<(), Errno> {
        let _changing = self.change();
        if path.is_root() {
            return Err(Errno::BUSY);
        }
        let (parent, name) = split(path.as_bytes());
        let dir = self.dir(parent)?;
        self.writable()?;
        let found = self.look(&dir, name)?.found.ok_or(Errno::NOENT)?;
        let here = found.dir.as_ref().ok_or(Errno::NOTDIR)?;
        if !self.is_empty(here)? {
            return Err(Errno::NOTEMPTY);
        }
        let up = self.raise_dir(&dir)?;
        if self.below(&dir, name)? {
            self.put_whiteout(&dir, &up, name, found.in_upper.then_some(found.stat.kind))?;
        } else {
            match up.rmdir(name) {
                // whiteouts that hide nothing any more
                Err(Errno::NOTEMPTY | Errno::EXIST) => up.remove_tree(name)?,
                other => other?,
            }
        }
        self.dirs.forget(path.as_bytes());
        self.tell_gone(&dir, path, found.stat.kind);
        Ok(())
    }
}
