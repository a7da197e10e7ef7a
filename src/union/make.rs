//! New names on behalf of another process: its owner, its umask, the directory's default ACL and setgid mark.
//!
//! The host's file system does the inheriting where the name is made in its place. What must be made in the work
//! directory, to take a whiteout's place in one step, is made in a directory there that has the same to inherit.

use std::fs::File;
use std::sync::Arc;

use super::create::Vacancy;
use super::lookup::{Slot, split};
use super::merged::Merged;
use super::shown::Shown;
use super::{Union, Upper};
use crate::model::{Device, Kind, LayerPath, Mode, Node, encode_node, encode_owner, names};
use crate::sys::dir::stat_fd;
use crate::sys::{Dir, Errno, OFlags, RawStat, RenameFlags, xattr};

/// On whose behalf something is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Maker {
    /// The owner of what is made.
    pub uid: u32,
    /// Its group, unless the directory says otherwise.
    pub gid: u32,
    /// Permission bits that are taken away, unless the directory has a default ACL.
    pub umask: u32,
}

/// A new name in a directory of the upper alone, whose file system says itself whether it holds the name.
struct Alone<'a> {
    dir: Arc<Merged>,
    /// Its part in the upper.
    up: Arc<Dir>,
    name: &'a [u8],
}

impl Union {
    /// open(2) with `O_CREAT | O_EXCL`: a real descriptor.
    pub fn create(
        &self,
        path: &LayerPath,
        flags: OFlags,
        mode: Mode,
        maker: Maker,
    ) -> Result<(File, Shown), Errno> {
        let flags = flags.difference(OFlags::TRUNC) | OFlags::CREATE | OFlags::EXCL;
        if let Some(made) = self.create_at_once(path, flags, mode, maker)? {
            return Ok(made);
        }
        self.make(path, mode, maker, |dir, name, mode| Ok(File::from(dir.open_raw(name, flags, mode)?)))
    }

    /// Where a new name goes, if nothing beneath counts there.
    fn upper_alone<'a>(&self, path: &'a LayerPath) -> Result<Option<Alone<'a>>, Errno> {
        if path.is_root() || self.writable().is_err() {
            return Ok(None);
        }
        let (parent, name) = split(path.as_bytes());
        let dir = self.dir(parent)?;
        let up = dir.upper().filter(|_| dir.is_pure_upper() && !self.is_kept(name)).cloned();
        Ok(up.map(|up| Alone { dir, up, name }))
    }

    /// Creates a file without a look at its name, as the upper's file system says itself if it holds it; `None` if
    /// it does, or if what is beneath counts.
    fn create_at_once(
        &self,
        path: &LayerPath,
        flags: OFlags,
        mode: Mode,
        maker: Maker,
    ) -> Result<Option<(File, Shown)>, Errno> {
        let _changing = self.change();
        let Some(Alone { dir, up, name }) = self.upper_alone(path)? else { return Ok(None) };
        let mode = masked(&dir, &up, mode, maker.umask)?;
        let file = match up.open_raw(name, flags, mode) {
            Ok(file) => File::from(file),
            Err(Errno::EXIST) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        let made = stat_fd(&file)?;
        let (uid, gid) = self.options.identity.to_host(maker.uid, maker.gid);
        let shown = if (made.uid, made.gid) == (uid, gid) {
            self.present_as(made, self.options.identity.to_layer(uid, gid))
        } else {
            self.give_in_place(&up, name, maker)?
        };
        self.tell_made((&dir, &up), path, Slot::Empty);
        Ok(Some((file, shown)))
    }

    /// The same for whatever else is made by its name. It says nothing of what failed: the longer way does.
    fn make_at_once(
        &self,
        path: &LayerPath,
        mode: Mode,
        maker: Maker,
        make: impl FnOnce(&Dir, &[u8], Mode) -> Result<(), Errno>,
    ) -> Result<Option<Shown>, Errno> {
        let Some(Alone { dir, up, name }) = self.upper_alone(path)? else { return Ok(None) };
        if make(&up, name, masked(&dir, &up, mode, maker.umask)?).is_err() {
            return Ok(None);
        }
        let shown = self.give_in_place(&up, name, maker)?;
        self.tell_made((&dir, &up), path, Slot::Empty);
        Ok(Some(shown))
    }

    /// mknod(2): an empty file, a fifo, a socket or a device; `EPERM` for the device that is a whiteout.
    pub fn make_node_for(
        &self,
        path: &LayerPath,
        node: &Node,
        mode: Mode,
        maker: Maker,
    ) -> Result<Shown, Errno> {
        let whiteout = *node == Node::CharDevice(Device { major: 0, minor: 0 });
        self.make_name(path, mode, maker, |dir, name, mode| {
            if whiteout { Err(Errno::PERM) } else { make_node_masked(dir, name, node, mode) }
        })
    }

    /// symlink(2).
    pub fn make_symlink_for(&self, target: &[u8], path: &LayerPath, maker: Maker) -> Result<Shown, Errno> {
        self.make_name(path, Mode::new(0o777), maker, |dir, name, _| dir.symlink(target, name))
    }

    /// mkdir(2). Over a whiteout the directory is opaque, so that what was deleted stays so.
    pub fn make_dir_for(&self, path: &LayerPath, mode: Mode, maker: Maker) -> Result<Shown, Errno> {
        let _changing = self.change();
        if let Some(shown) = self.make_at_once(path, mode, maker, Dir::mkdir_masked)? {
            return Ok(shown);
        }
        let Vacancy { upper, dir, up, name, slot } = self.vacancy(path)?;
        let mode = masked(&dir, &up, mode, maker.umask)?;
        let shown = if slot == Slot::Empty {
            up.mkdir_masked(name, mode)?;
            self.give_in_place(&up, name, maker)?
        } else {
            let owner = in_nursery(upper, &dir, &up, |nursery, child| {
                nursery.mkdir_masked(child, mode)?;
                self.make_opaque(nursery, child)?;
                let owner = self.give(nursery, child, &up, maker)?.1;
                // its owner must be able to move it; the mode follows
                let mode = nursery.stat(child)?.mode;
                let open = Mode::new(mode.bits() | 0o700);
                if open != mode {
                    nursery.chmod(child, open)?;
                }
                match nursery.rename(child, &up, name, RenameFlags::EXCHANGE) {
                    Ok(()) => nursery.unlink(child)?,
                    // no exchange on this file system: not atomic, but right
                    Err(Errno::INVAL | Errno::NOSYS) => {
                        up.remove_tree(name)?;
                        nursery.rename(child, &up, name, RenameFlags::empty())?;
                    }
                    Err(errno) => return Err(errno),
                }
                if open != mode {
                    up.chmod(name, mode)?;
                }
                Ok(owner)
            })?;
            self.present_as(up.stat(name)?, owner)
        };
        self.tell_made((&dir, &up), path, slot);
        Ok(shown)
    }

    /// Makes a new name that is neither a directory nor to be opened.
    fn make_name(
        &self,
        path: &LayerPath,
        mode: Mode,
        maker: Maker,
        make: impl Fn(&Dir, &[u8], Mode) -> Result<(), Errno>,
    ) -> Result<Shown, Errno> {
        let changing = self.change();
        if let Some(shown) = self.make_at_once(path, mode, maker, &make)? {
            return Ok(shown);
        }
        drop(changing);
        self.make(path, mode, maker, make).map(|((), shown)| shown)
    }

    /// Makes a new name that is no directory: at once, or over a whiteout by a rename.
    fn make<T>(
        &self,
        path: &LayerPath,
        mode: Mode,
        maker: Maker,
        make: impl FnOnce(&Dir, &[u8], Mode) -> Result<T, Errno>,
    ) -> Result<(T, Shown), Errno> {
        let _changing = self.change();
        let Vacancy { upper, dir, up, name, slot } = self.vacancy(path)?;
        let mode = masked(&dir, &up, mode, maker.umask)?;
        let made = if slot == Slot::Empty {
            let made = make(&up, name, mode)?;
            (made, self.give_in_place(&up, name, maker)?)
        } else {
            let (made, owner) = in_nursery(upper, &dir, &up, |nursery, child| {
                let made = make(nursery, child, mode)?;
                let owner = self.give(nursery, child, &up, maker)?.1;
                nursery.rename(child, &up, name, RenameFlags::empty())?;
                Ok((made, owner))
            })?;
            (made, self.present_as(up.stat(name)?, owner))
        };
        self.tell_made((&dir, &up), path, slot);
        Ok(made)
    }

    /// What was just made: wholly in the upper.
    fn present_as(&self, mut stat: RawStat, owner: (u32, u32)) -> Shown {
        self.numbers.forget(stat.ino);
        stat.ino = self.numbers.of(stat.dev, stat.ino);
        (stat.uid, stat.gid) = owner;
        Shown { stat, in_upper: true, single: true }
    }

    /// Gives what was made where it belongs to its maker; it goes again if that fails.
    fn give_in_place(&self, up: &Dir, name: &[u8], maker: Maker) -> Result<Shown, Errno> {
        match self.give(up, name, up, maker) {
            Ok((stat, owner)) => Ok(self.present_as(stat, owner)),
            Err(errno) => up.remove_tree(name).and(Err(errno)),
        }
    }

    /// Gives what was made to its maker; tells what it is now, and its owner. `up` is the directory it is made for.
    fn give(&self, dir: &Dir, name: &[u8], up: &Dir, maker: Maker) -> Result<(RawStat, (u32, u32)), Errno> {
        let made = dir.stat(name)?;
        let (uid, mut gid) = self.options.identity.to_host(maker.uid, maker.gid);
        let own = self.options.identity.to_layer(made.uid, made.gid);
        if (uid, gid) == (made.uid, made.gid) {
            return Ok((made, own));
        }
        if up.stat_self()?.mode.bits() & 0o2000 != 0 {
            gid = made.gid;
        }
        let owner = match dir.chown(name, uid, gid) {
            Ok(()) => {
                if made.mode.bits() & 0o6000 != 0 && made.kind != Kind::Symlink {
                    // the change of owners took these away
                    dir.chmod(name, made.mode)?;
                }
                self.options.identity.to_layer(uid, gid)
            }
            Err(Errno::PERM | Errno::INVAL) if matches!(made.kind, Kind::File | Kind::Dir) => {
                xattr::set_at(dir, name, names::OWNER, &encode_owner(maker.uid, maker.gid))?;
                own
            }
            Err(Errno::PERM | Errno::INVAL) => own,
            Err(errno) => return Err(errno),
        };
        Ok((dir.stat(name)?, owner))
    }
}

/// Runs `work` with a directory in the work directory that hands down what `up` does, and a name in it.
fn in_nursery<T>(
    upper: &Upper,
    dir: &Merged,
    up: &Dir,
    work: impl FnOnce(&Dir, &[u8]) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let parent = up.stat_self()?;
    let setgid = parent.mode.bits() & 0o2000 != 0;
    let acl = default_acl(dir, up)?;
    if !setgid && acl.is_none() {
        return upper.building(work);
    }
    upper.building(|place, temporary| {
        place.mkdir(temporary, Mode::new(0o700))?;
        if setgid {
            place.chown(temporary, parent.uid, parent.gid)?;
            place.chmod(temporary, Mode::new(0o2700))?;
        }
        if let Some(acl) = acl {
            xattr::set_at(place, temporary, names::DEFAULT_LIST, &acl)?;
        }
        let done = work(&place.dir(temporary)?, b"child");
        place.remove_tree(temporary)?;
        done
    })
}

/// mknod(2) as the host does it; a device that it refuses is kept as an empty file with `user.ufs.node`.
fn make_node_masked(dir: &Dir, name: &[u8], node: &Node, mode: Mode) -> Result<(), Errno> {
    match (dir.mknod_masked(name, node, mode), encode_node(node)) {
        (Err(Errno::PERM), Some(text)) => {
            dir.mknod_masked(name, &Node::File { size: 0 }, mode)?;
            xattr::set_at(dir, name, names::NODE, &text).or_else(|errno| dir.unlink(name).and(Err(errno)))
        }
        (result, _) => result,
    }
}

/// What a directory's files inherit; remembered, as most have nothing.
fn default_acl(dir: &Merged, up: &Dir) -> Result<Option<Vec<u8>>, Errno> {
    if dir.known_without_acl() {
        return Ok(None);
    }
    let acl = xattr::if_there(xattr::get_at(up, b".", names::DEFAULT_LIST))?;
    if acl.is_none() {
        dir.note_without_acl(true);
    }
    Ok(acl)
}

/// Whether what is made in a directory gets a group or an ACL from it.
pub(super) fn hands_down(dir: &Merged, up: &Dir) -> Result<bool, Errno> {
    Ok(up.stat_self()?.mode.bits() & 0o2000 != 0 || default_acl(dir, up)?.is_some())
}

/// The mode to ask for: the umask counts only where the directory has no default ACL.
fn masked(dir: &Merged, up: &Dir, mode: Mode, umask: u32) -> Result<Mode, Errno> {
    if umask == 0 || default_acl(dir, up)?.is_some() {
        return Ok(mode);
    }
    Ok(Mode::new(mode.bits() & !umask))
}
