//! Removing whole trees, whatever they are like.

use rustix::fs::RenameFlags;

use super::Errno;
use super::dir::{Dir, chmod_fd};
use crate::model::Mode;

/// How many directories are open at a time.
const DEPTH: u32 = 32;

/// A removal that is under way.
struct Removal<'a> {
    top: &'a Dir,
    /// How many directories were moved into the top.
    moved: u64,
    go_on: &'a mut dyn FnMut() -> bool,
}

impl Dir {
    /// Removes a name and everything beneath it; a missing name is no error. Never follows symlinks or mounts.
    ///
    /// Directories that deny their owner are opened up first, so that a layer's tree can always be dropped. However deep
    /// they lie, a bounded number of them is open at a time.
    pub fn remove_tree(&self, name: &[u8]) -> Result<(), Errno> {
        self.remove_tree_while(name, &mut || true)
    }

    /// As [`Dir::remove_tree`], but asks before each name whether to go on; what is left then can be removed later.
    ///
    /// # Errors
    /// `EINTR` if it was not to go on.
    pub fn remove_tree_while(&self, name: &[u8], go_on: &mut dyn FnMut() -> bool) -> Result<(), Errno> {
        if self.remove_leaf(name)? {
            return Ok(());
        }
        let top = self.open_to_empty(name)?;
        let mut removal = Removal { top: &top, moved: 0, go_on };
        loop {
            let before = removal.moved;
            for item in top.items()? {
                top.remove_within(&item.name, DEPTH, &mut removal)?;
            }
            if removal.moved == before {
                return self.rmdir(name);
            }
        }
    }

    /// As [`Dir::remove_tree`], but what lies deeper than `depth` is moved right into the top.
    fn remove_within(&self, name: &[u8], depth: u32, removal: &mut Removal<'_>) -> Result<(), Errno> {
        if !(removal.go_on)() {
            return Err(Errno::INTR);
        }
        if self.remove_leaf(name)? {
            return Ok(());
        }
        let inner = self.open_to_empty(name)?;
        if depth == 0 {
            loop {
                removal.moved += 1;
                let free = format!("ufs-moved-{}", removal.moved);
                match self.rename(name, removal.top, free.as_bytes(), RenameFlags::NOREPLACE) {
                    Err(Errno::EXIST) => {}
                    other => return other,
                }
            }
        }
        for item in inner.items()? {
            inner.remove_within(&item.name, depth - 1, removal)?;
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
    fn a_removal_that_is_stopped_can_be_ended_later() {
        let host = tempfile::tempdir().unwrap();
        let dir = Dir::open(host.path()).unwrap();
        for name in ["d/e", "d/f", "d/g"] {
            std::fs::create_dir_all(host.path().join(name).join("inner")).unwrap();
        }
        let mut asked = 0;
        let stopped = dir.remove_tree_while(b"d", &mut || {
            asked += 1;
            asked < 4
        });
        assert_eq!(stopped, Err(Errno::INTR));
        assert!((1..3).contains(&std::fs::read_dir(host.path().join("d")).unwrap().count()));
        dir.remove_tree(b"d").unwrap();
        assert!(dir.is_vacant().unwrap());
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
