//! New names: files, directories, nodes, symlinks, hard links; and opening for writing.

use std::fs::File;
use std::sync::Arc;

use super::lookup::{Look, Slot, split};
use super::marks::swap_out;
use super::merged::Merged;
use super::raise::{Content, make_node};
use super::{Union, Upper};
use crate::model::{Device, Kind, LayerPath, Mode, Node};
use crate::overlay::Aspect;
use crate::sys::dir::chmod_fd;
use crate::sys::{Dir, Errno, OFlags, RenameFlags, dir};

/// A name that is free to be made.
pub(super) struct Vacancy<'a> {
    /// What may be written to.
    pub(super) upper: &'a Upper,
    /// The directory it is in.
    pub(super) dir: Arc<Merged>,
    /// That directory in the upper.
    pub(super) up: Arc<Dir>,
    /// The name itself.
    pub(super) name: &'a [u8],
    /// What the upper holds there: nothing or a whiteout.
    pub(super) slot: Slot,
}

impl Union {
    /// A free name, its directory copied up; `EEXIST` for one that the union shows.
    pub(super) fn vacancy<'a>(&'a self, path: &'a LayerPath) -> Result<Vacancy<'a>, Errno> {
        let (dir, name, look) = self.spot(path)?;
        if look.found.is_some() {
            return Err(Errno::EXIST);
        }
        let upper = self.writable()?;
        let up = self.raise_dir(&dir)?;
        Ok(Vacancy { upper, dir, up, name, slot: look.slot })
    }

    /// The directory of a path and what is under its last name; `EEXIST` for the root.
    pub(super) fn spot<'a>(&self, path: &'a LayerPath) -> Result<(Arc<Merged>, &'a [u8], Look), Errno> {
        if path.is_root() {
            return Err(Errno::EXIST);
        }
        let (parent, name) = split(path.as_bytes());
        let dir = self.dir(parent)?;
        let look = self.look(&dir, name)?;
        if self.is_kept(name) { Err(Errno::PERM) } else { Ok((dir, name, look)) }
    }

    /// Makes a new name that is no directory: at once, or over a whiteout by a rename.
    fn place_new<T>(
        &self,
        path: &LayerPath,
        make: impl FnOnce(&Dir, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let Vacancy { upper, dir, up, name, slot } = self.vacancy(path)?;
        let made = if slot == Slot::Empty {
            make(&up, name)?
        } else {
            upper.building_in(&up, |work, temporary| {
                let made = make(work, temporary)?;
                inherit_group(&up, work, temporary)?;
                work.rename(temporary, &up, name, RenameFlags::empty())?;
                Ok(made)
            })?
        };
        self.tell_made((&dir, &up), path, slot);
        Ok(made)
    }

    /// mkdir(2). Over a whiteout the directory is opaque, so that what was deleted stays so.
    pub fn mkdir(&self, path: &LayerPath, mode: Mode) -> Result<(), Errno> {
        let _changing = self.change();
        let Vacancy { upper, dir, up, name, slot } = self.vacancy(path)?;
        if slot == Slot::Empty {
            up.mkdir(name, mode)?;
        } else {
            upper.building_in(&up, |work, temporary| {
                // its owner must be able to move it; the mode follows
                work.mkdir(temporary, Mode::new(mode.bits() | 0o700))?;
                self.make_opaque(work, temporary)?;
                inherit_group(&up, work, temporary)?;
                swap_out(&up, name, work, temporary)?;
                if up.stat(name)?.mode == mode { Ok(()) } else { up.chmod(name, mode) }
            })?;
        }
        self.tell_made((&dir, &up), path, slot);
        Ok(())
    }

    /// mknod(2): an empty file, a fifo, a socket or a device; `EPERM` for the device that is a whiteout.
    pub fn mknod(&self, path: &LayerPath, node: &Node, mode: Mode) -> Result<(), Errno> {
        let _changing = self.change();
        if *node == Node::CharDevice(Device { major: 0, minor: 0 }) {
            self.spot(path)?.2.found.map_or(Ok(()), |_| Err(Errno::EXIST))?;
            self.writable()?;
            return Err(Errno::PERM);
        }
        self.place_new(path, |dir, name| make_node(dir, name, node, mode))
    }

    /// symlink(2).
    pub fn symlink(&self, target: &[u8], path: &LayerPath) -> Result<(), Errno> {
        let _changing = self.change();
        self.place_new(path, |dir, name| dir.symlink(target, name))
    }

    /// link(2) of the file itself, copied up first; `EPERM` for a directory.
    pub fn link(&self, old: &LayerPath, new: &LayerPath) -> Result<(), Errno> {
        let _changing = self.change();
        let found = self.find(old)?;
        if self.spot(new)?.2.found.is_some() {
            return Err(Errno::EXIST);
        }
        self.writable()?;
        if found.is_dir() {
            return Err(Errno::PERM);
        }
        let (parent, name) = split(old.as_bytes());
        let place = self.raise(&self.dir(parent)?, name, &found, Content::Copied)?;
        let into = self.dir(split(new.as_bytes()).0)?;
        let up = self.raise_dir(&into)?;
        self.mark_impure_for(&place, found.stat.kind, &into, &up)?;
        self.place_new(new, |dir, name| place.dir.link(&place.name, dir, name))
    }

    /// open(2) of the file itself: a real descriptor. Opened for writing it is copied up first.
    ///
    /// Of `flags` the access mode, `APPEND`, `CREATE`, `EXCL`, `TRUNC` and `NONBLOCK` count; a symlink gives
    /// `ELOOP`. A file opened for reading before its copy-up goes on reading the lower file.
    pub fn open(&self, path: &LayerPath, flags: OFlags, mode: Mode) -> Result<File, Errno> {
        let changes = OFlags::WRONLY | OFlags::RDWR | OFlags::TRUNC | OFlags::CREATE;
        if !flags.intersects(changes) {
            return self.open_for_reading(path, flags);
        }
        let _changing = self.change();
        if path.is_root() {
            return Err(if flags.contains(OFlags::EXCL) { Errno::EXIST } else { Errno::ISDIR });
        }
        let (dir, name, look) = self.spot(path)?;
        let exclusive = flags.contains(OFlags::CREATE | OFlags::EXCL);
        let Some(found) = look.found else {
            if !flags.contains(OFlags::CREATE) {
                return Err(Errno::NOENT);
            }
            let flags = flags.difference(OFlags::TRUNC) | OFlags::EXCL;
            return self.place_new(path, |dir, name| {
                let file = File::from(dir.open_raw(name, flags, mode)?);
                if dir::stat_fd(&file)?.mode != mode {
                    chmod_fd(&file, mode)?;
                }
                Ok(file)
            });
        };
        match found.stat.kind {
            _ if exclusive => return Err(Errno::EXIST),
            Kind::Dir => return Err(Errno::ISDIR),
            Kind::Symlink => return Err(Errno::LOOP),
            Kind::File if self.stand_in(&found.place, &found.stat)?.is_some() => return Err(Errno::NXIO),
            // a node stands for something outside of the file system: opening it changes nothing here
            Kind::File if flags.intersects(OFlags::WRONLY | OFlags::RDWR | OFlags::TRUNC) => {}
            _ => return self.open_for_reading(path, flags.difference(OFlags::CREATE)),
        }
        self.writable()?;
        let content = if flags.contains(OFlags::TRUNC) { Content::Dropped } else { Content::Copied };
        let place = self.raise(&dir, name, &found, content)?;
        let flags = flags.difference(OFlags::CREATE | OFlags::EXCL);
        let file = File::from(place.dir.open_raw(&place.name, flags, Mode::default())?);
        self.tell_changed(path, &found, Aspect::Content);
        Ok(file)
    }

    fn open_for_reading(&self, path: &LayerPath, flags: OFlags) -> Result<File, Errno> {
        let found = self.find(path)?;
        if self.stand_in(&found.place, &found.stat)?.is_some() {
            return Err(Errno::NXIO);
        }
        if found.in_upper { found.place.open(flags) } else { found.place.open_quietly(flags) }
    }
}

/// Gives what was made in the work directory the group that it would have got in its place.
fn inherit_group(up: &Dir, work: &Dir, name: &[u8]) -> Result<(), Errno> {
    let parent = up.stat_self()?;
    if parent.mode.bits() & 0o2000 == 0 {
        return Ok(());
    }
    let made = work.stat(name)?;
    if made.gid == parent.gid { Ok(()) } else { work.chown(name, made.uid, parent.gid) }
}
