//! Directories that are laid over a mount's layers: `mounts/<name>/dirs/`.
//!
//! Where a layer only implies a directory, its metadata are those of the union beneath, and the kernel shows the topmost
//! directory's. A layer lies in many stacks, so what puts that right belongs to the mount: a lower of directories alone,
//! made anew for each mount. It is no layer: no stack, no ID and no view has it.

use std::collections::BTreeMap;

use super::error::{io, own, tree};
use super::{Error, MountDir, ScanHow, Store, place, scan};
use crate::model::{Change, Kind, LayerPath, Metadata, Mode};
use crate::sys::{Dir, Errno};

const NAME: &str = "dirs";

impl Store {
    /// Makes a mount's directories, the root first, and sets aside those that it had; `None` where there are none. Those
    /// that are there already stay, so that their inodes do.
    ///
    /// What was mounted before goes on with the old ones; once it is replaced, [`Store::sweep`] removes them.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Tree`].
    pub fn lay_dirs(
        &self,
        mount: &MountDir,
        dirs: &BTreeMap<LayerPath, &Metadata>,
    ) -> Result<Option<Dir>, Error> {
        let (dir, path) = (mount.dir(), mount.path());
        match dir.dir(NAME.as_bytes()) {
            Ok(there) if self.are_laid(&there, dirs) => return Ok(Some(there)),
            Ok(_) => mount.add_aside([self.temporary.set_aside(dir, NAME, path)?]),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(own("open", path.join(NAME))(errno)),
        }
        if dirs.is_empty() {
            return Ok(None);
        }
        let (aside, made) = self.temporary.make()?;
        let moved = fill(&made, dirs).and_then(|()| {
            let flags = crate::sys::RenameFlags::NOREPLACE;
            let moved = self.temporary.dir().rename(aside.as_bytes(), dir, NAME.as_bytes(), flags);
            moved.map_err(io("make", path.join(NAME)))
        });
        if let Err(error) = moved {
            self.temporary.drop_name(&aside);
            return Err(error);
        }
        dir.dir(NAME.as_bytes()).map(Some).map_err(own("open", path.join(NAME)))
    }
}

impl Store {
    /// Whether a tree is just these directories; one that cannot be read is not.
    fn are_laid(&self, tree: &Dir, dirs: &BTreeMap<LayerPath, &Metadata>) -> bool {
        let Ok(found) = scan(tree, &ScanHow { trust: self.trust(), ..ScanHow::default() }) else {
            return false;
        };
        let wanted = dirs.iter().map(|(path, meta)| (path, *meta));
        let is = |(path, change): (&LayerPath, &Change), (wanted, meta): (&LayerPath, &Metadata)| {
            path == wanted
                && matches!(change, Change::Put(entry) if entry.is_dir() && !entry.is_opaque() && entry.meta == *meta)
        };
        found.changes.len() == dirs.len()
            && found.changes.iter().zip(wanted).all(|(found, wanted)| is(found, wanted))
    }
}

/// Makes directories in an empty one, which is the root; what lies deeper gets its metadata first.
fn fill(root: &Dir, dirs: &BTreeMap<LayerPath, &Metadata>) -> Result<(), Error> {
    for path in dirs.keys().filter(|path| !path.is_root()) {
        let made = place(root, path).and_then(|(dir, name)| dir.mkdir(name, Mode::new(0o700)));
        made.map_err(tree("make", path))?;
    }
    set_metadata(root, dirs)
}

/// Gives directories their metadata, what lies deeper first.
fn set_metadata(root: &Dir, dirs: &BTreeMap<LayerPath, &Metadata>) -> Result<(), Error> {
    for (path, meta) in dirs.iter().rev() {
        let placed =
            place(root, path).and_then(|(dir, name)| place::replace_metadata(&dir, name, Kind::Dir, meta));
        placed.map_err(tree("set the owner, mode or attributes of", path))?;
    }
    Ok(())
}

/// The directory of a path and its last name.
fn place<'a>(root: &Dir, path: &'a LayerPath) -> Result<(Dir, &'a [u8]), Errno> {
    match path.parent().zip(path.file_name()) {
        Some((parent, name)) => Ok((root.beneath(&parent)?, name)),
        None => Ok((root.duplicate()?, b".")),
    }
}
