//! Removing whole trees, whatever they are like.

use rustix::fs::RenameFlags;

use super::Errno;
use super::dir::{Dir, chmod_fd};
use crate::model::Mode;

/// How many directories are open at a time.
const DEPTH: u32 = 32;

impl Dir {
    /// Removes a name and everything beneath it; a missing name is no error. Never follows symlinks or mounts.
    ///
    /// Directories that deny their owner are opened up first, so that a layer's tree can always be dropped. However deep
    /// they lie, a bounded number of them is open at a time.
    pub fn remove_tree(&self, name: &[u8]) -> Result<(), Errno> {
        if self.remove_leaf(name)? {
            return Ok(());
        }
        let top = self.open_to_empty(name)?;
        let mut moved = 0;
        loop {
            let before = moved;
            for item in top.items()? {
                top.remove_within(&item.name, &top, DEPTH, &mut moved)?;
            }
            if moved == before {
                return self.rmdir(name);
            }
        }
    }

    /// As [`Dir::remove_tree`], but what lies deeper than `depth` is moved right into `top`.
    fn remove_within(&self, name: &[u8], top: &Self, depth: u32, moved: &mut u64) -> Result<(), Errno> {
        if self.remove_leaf(name)? {
            return Ok(());
        }
        let inner = self.open_to_empty(name)?;
        if depth == 0 {
            loop {
                *moved += 1;
                let free = format!("ufs-moved-{moved}");
                match self.rename(name, top, free.as_bytes(), RenameFlags::NOREPLACE) {
                    Err(Errno::EXIST) => {}
                    other => return other,
                }
            }
        }
        for item in inner.items()? {
            inner.remove_within(&item.name, top, depth - 1, moved)?;
        }
        self.rmdir(name)
    }

    /// Removes what is no directory, or an empty one; `false` if there is more beneath.
    fn remove_leaf(&self, name: &[u8]) -> Result<bool, Errno> {
        match self.unlink(name) {
            Ok(()) | Err(Errno::NOENT) => return Ok(true),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error),
        }
        match self.rmdir(name) {
            Ok(()) | Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens a directory whose names are to be removed, whatever its mode.
    fn open_to_empty(&self, name: &[u8]) -> Result<Self, Errno> {
        let inner = match self.dir(name) {
            Ok(dir) => dir,
            Err(Errno::ACCESS) => {
                self.chmod(name, Mode::new(0o700))?;
                self.dir(name)?
            }
            Err(error) => return Err(error),
        };
        let stat = inner.stat_self()?;
        if stat.mode.bits() & 0o700 != 0o700 {
            chmod_fd(&inner, Mode::new(0o700))?;
        }
        Ok(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remove_tree_takes_directories_that_deny_their_owner() {
        let host = tempfile::tempdir().unwrap();
        let dir = Dir::open(host.path()).unwrap();
        dir.mkdir(b"d", Mode::new(0o755)).unwrap();
        let inner = dir.dir(b"d").unwrap();
        inner.create(b"f", Mode::new(0o600)).unwrap();
        dir.chmod(b"d", Mode::new(0)).unwrap();
        dir.remove_tree(b"d").unwrap();
        assert_eq!(dir.stat(b"d").unwrap_err(), Errno::NOENT);
        dir.remove_tree(b"d").unwrap();
    }

    #[test]
    fn remove_tree_needs_no_more_stack_for_a_deeper_tree() {
        let host = tempfile::tempdir().unwrap();
        let dir = Dir::open(host.path()).unwrap();
        let mut inner = dir.duplicate().unwrap();
        for _ in 0..500 {
            inner.mkdir(b"d", Mode::new(0o755)).unwrap();
            inner = inner.dir(b"d").unwrap();
        }
        // one that the moved ones must not hit
        dir.dir(b"d").unwrap().create(b"ufs-moved-1", Mode::new(0)).unwrap();
        inner.create(b"f", Mode::new(0)).unwrap();
        let small = std::thread::Builder::new().stack_size(128 << 10);
        small
            .spawn(move || {
                dir.remove_tree(b"d").unwrap();
                assert!(dir.is_vacant().unwrap());
            })
            .unwrap()
            .join()
            .unwrap();
    }
}
