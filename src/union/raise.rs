//! Copy-up: a lower file's whole copy appears in the upper by one rename.
//!
//! Keeps mode, owner, times, attributes and holes; the directory it appears in keeps its times. Directories
//! above are copied up first. Hard links are broken: the copy is of one name. The disk holds a copy before its
//! name does ([`Syncs`]): else a power cut would leave the name with nothing in it, and the lower file hidden.

use std::fs::File;
use std::sync::Arc;

use super::lookup::{Found, Place, split};
use super::merged::Merged;
use super::xattrs::LISTS;
use super::{Syncs, Union};
use crate::model::{Device, Kind, Mode, Node, encode_node, encode_owner, gives_rights, names};
use crate::sys::step::step;
use crate::sys::{self, Dir, Errno, OFlags, RawStat, RenameFlags, copy, xattr};

/// Whether a copy-up brings the content along.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// All of it.
    Copied,
    /// None: the file is about to be cut to zero bytes.
    Dropped,
}

impl Union {
    /// The upper's part of a directory, copied up if it is not there yet.
    pub(super) fn raise_dir(&self, dir: &Arc<Merged>) -> Result<Arc<Dir>, Errno> {
        // the cache may have dropped this record and hold a newer one
        let dir = &self.dir(&dir.path)?;
        if let Some(up) = dir.upper() {
            return Ok(Arc::clone(up));
        }
        self.writable()?;
        let way = self.way(&dir.path)?;
        let raised = way.iter().rposition(|dir| dir.upper().is_some()).ok_or(Errno::NOENT)?;
        let mut up = Arc::clone(way[raised].upper().ok_or(Errno::NOENT)?);
        for pair in way[raised..].windows(2) {
            up = self.raise_in(&pair[0], &up, &pair[1])?;
        }
        Ok(up)
    }

    /// Copies a directory up into the upper's part of the one above it.
    fn raise_in(&self, above: &Merged, up: &Arc<Dir>, dir: &Arc<Merged>) -> Result<Arc<Dir>, Errno> {
        let upper = self.writable()?;
        let (_, name) = split(&dir.path);
        self.mark_impure(above, up)?;
        let part = dir.lowers.first().ok_or(Errno::NOENT)?;
        let (base, path) = dir.place_of(part);
        let from = Place { dir: Arc::clone(base), name: path.to_vec(), layer: Some(part.layer) };
        let stat = from.dir.stat(&from.name)?;
        upper.building(|work, temporary| {
            work.mkdir(temporary, Mode::new(0o700))?;
            // its owner may not be able to open it once it has its mode
            let copy = if self.options.syncs == Syncs::All { Some(work.dir(temporary)?) } else { None };
            // before its mode, which may forbid its owner to mark it
            self.mark_origin(&from, &stat, work, temporary)?;
            self.copy_attributes(&from, &stat, work, temporary)?;
            copy.map_or(Ok(()), sys::sync)?;
            self.keep_times((above, up), || match work.rename(temporary, up, name, RenameFlags::empty()) {
                // its owner may not write into the copy, so it could not change parents
                Err(Errno::ACCESS) => {
                    work.chmod(temporary, Mode::new(stat.mode.bits() | 0o700))?;
                    work.rename(temporary, up, name, RenameFlags::empty())?;
                    up.chmod(name, stat.mode)
                }
                other => other,
            })
        })?;
        let raised = Arc::clone(dir.raised(up.reach(name)?));
        self.dirs.replace(dir);
        self.note_touched(&dir.path);
        self.tell_raised_dir(&dir.path, &from);
        Ok(raised)
    }

    /// The upper's own file for what was found under a name, copied up if it is not there yet.
    pub(super) fn raise(
        &self,
        dir: &Arc<Merged>,
        name: &[u8],
        found: &Found,
        content: Content,
    ) -> Result<Place, Errno> {
        if found.in_upper {
            return Ok(found.place.clone());
        }
        if found.is_dir() {
            let here = self.dir(&dir.path_of(name))?;
            self.raise_dir(&here)?;
        } else {
            let upper = self.writable()?;
            let _step = step("copy up", || format!("/{}", dir.path_of(name).escape_ascii()));
            let ahead = self.copied_ahead(dir.path_of(name), found, content)?;
            let name_ahead = ahead.as_ref().map(|copy| copy.name.clone());
            let is_ahead = ahead.is_some();
            let up = upper.building_on(name_ahead, |work, temporary| {
                let up = self.raise_dir(dir)?;
                self.mark_impure(dir, &up)?;
                let copy = match ahead {
                    Some(copy) => Some(copy.file),
                    None => copy_node(found, work, temporary, content)?,
                };
                self.mark_origin(&found.place, &found.stat, work, temporary)?;
                self.copy_attributes(&found.place, &found.stat, work, temporary)?;
                // content that was copied ahead is on the disk already
                let has_content = !is_ahead && content == Content::Copied && found.stat.size > 0;
                copy.map_or(Ok(()), |copy| self.sync_copy(&copy, has_content))?;
                self.keep_times((dir, &up), || work.rename(temporary, &up, name, RenameFlags::empty()))?;
                Ok(up)
            })?;
            let copy = up.stat(name)?.ino;
            if found.stat.nlink == 1 {
                self.numbers.keep(copy, self.numbers.of(found.stat.dev, found.stat.ino));
            } else {
                self.numbers.forget(copy);
            }
            self.tell_raised(&dir.path_of(name), found, content);
        }
        Ok(Place { dir: self.raise_dir(dir)?, name: name.to_vec(), layer: None })
    }

    /// Makes sure that the disk has a copy of a regular file, where copies are synced.
    pub(super) fn sync_copy(&self, copy: &File, has_content: bool) -> Result<(), Errno> {
        if self.options.syncs.concern(has_content) { sys::sync(copy) } else { Ok(()) }
    }

    /// Gives a copy everything of the original but its content: owner, attributes, mode, times.
    pub(super) fn copy_attributes(
        &self,
        from: &Place,
        stat: &RawStat,
        to: &Dir,
        name: &[u8],
    ) -> Result<(), Errno> {
        let made = to.stat(name)?;
        if (made.uid, made.gid) != (stat.uid, stat.gid) {
            match to.chown(name, stat.uid, stat.gid) {
                Err(Errno::PERM | Errno::INVAL) if matches!(made.kind, Kind::File | Kind::Dir) => {
                    let (uid, gid) = self.options.identity.to_layer(stat.uid, stat.gid);
                    xattr::set_at(to, name, names::OWNER, &encode_owner(uid, gid))?;
                }
                Err(Errno::PERM | Errno::INVAL) => {}
                other => other?,
            }
        }
        let mut attributes = xattr::all_at(&from.dir, &from.name)?;
        // access control lists, like the mode, may forbid the others to the copy's owner
        attributes.sort_by_key(|(attribute, _)| attribute.starts_with(b"system."));
        for (attribute, value) in attributes {
            let marks = self.options.marks;
            let own = attribute.starts_with(marks.prefix()) && !attribute.starts_with(marks.escaped());
            // the copy is ours, so a mark that did not count would from now on
            let forged = gives_rights(&attribute) && !self.options.trust.counts(stat.uid);
            if own || forged {
                continue;
            }
            match xattr::set_at(to, name, &attribute, &value) {
                // who may do what is never lost; the kernel's overlay fails, too
                Err(Errno::OPNOTSUPP) if LISTS.contains(&&attribute[..]) => return Err(Errno::OPNOTSUPP),
                // what the upper's file system cannot keep is done without, as by the kernel
                Err(Errno::OPNOTSUPP) => {}
                // labels and the like that the host keeps to itself
                Err(Errno::PERM) if !attribute.starts_with(b"user.") => {}
                other => other?,
            }
        }
        if stat.kind != Kind::Symlink {
            to.chmod(name, stat.mode)?;
        }
        to.set_times(name, Some(stat.atime), Some(stat.mtime))
    }

    /// Runs a change in a directory and its upper part that leaves the directory's times as they were.
    fn keep_times(
        &self,
        (dir, up): (&Merged, &Dir),
        change: impl FnOnce() -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let before = up.stat_self()?;
        change()?;
        self.note_touched(&dir.path);
        up.set_times(b".", Some(before.atime), Some(before.mtime))
    }

    /// The type that users see.
    pub(super) fn kind(&self, found: &Found) -> Result<Kind, Errno> {
        Ok(self.stand_in(&found.place, &found.stat)?.map_or(found.stat.kind, |(kind, _)| kind))
    }

    /// The device that an empty file stands for.
    pub(super) fn stand_in(&self, place: &Place, stat: &RawStat) -> Result<Option<(Kind, Device)>, Errno> {
        if stat.kind != Kind::File || stat.size != 0 || !self.options.trust.counts(stat.uid) {
            return Ok(None);
        }
        let value = xattr::if_there(xattr::get_at(&place.dir, &place.name, names::NODE))?;
        let decoded = value.and_then(|value| crate::model::decode_xattrs([(names::NODE, &value[..])]).node);
        Ok(match decoded {
            Some(Node::CharDevice(device)) => Some((Kind::CharDevice, device)),
            Some(Node::BlockDevice(device)) => Some((Kind::BlockDevice, device)),
            _ => None,
        })
    }
}

/// Makes a file like the one found, without its attributes; a regular one is given back, open.
fn copy_node(found: &Found, work: &Dir, name: &[u8], content: Content) -> Result<Option<File>, Errno> {
    let Place { dir, name: from, .. } = &found.place;
    let mode = Mode::new(0o600);
    let node = match found.stat.kind {
        Kind::File => {
            let copy = work.create(name, mode)?;
            if content == Content::Copied && found.stat.size > 0 {
                copy_content(&found.place, found.stat.size, &copy)?;
            }
            return Ok(Some(copy));
        }
        Kind::Symlink => return work.symlink(&dir.read_link(from)?, name).map(|()| None),
        Kind::Fifo => Node::Fifo,
        Kind::Socket => Node::Socket,
        Kind::CharDevice => Node::CharDevice(found.stat.rdev),
        Kind::BlockDevice => Node::BlockDevice(found.stat.rdev),
        Kind::Dir => return Err(Errno::ISDIR),
    };
    make_node(work, name, &node, mode).map(|()| None)
}

/// Copies a lower file's content into an empty file.
pub(super) fn copy_content(from: &Place, size: u64, to: &File) -> Result<(), Errno> {
    copy::contents(&from.open_quietly(OFlags::RDONLY)?, to, size, &mut |_| {})
}

/// mknod(2); a device that the host refuses is kept as an empty file with `user.ufs.node`.
pub(super) fn make_node(dir: &Dir, name: &[u8], node: &Node, mode: Mode) -> Result<(), Errno> {
    match (dir.mknod(name, node, mode), encode_node(node)) {
        (Err(Errno::PERM), Some(text)) => {
            dir.mknod(name, &Node::File { size: 0 }, mode)?;
            xattr::set_at(dir, name, names::NODE, &text)
        }
        (result, _) => result,
    }
}
