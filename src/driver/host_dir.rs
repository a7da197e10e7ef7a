//! [`Files`] over a real directory: a merged mount, a layer's tree, or any host directory.
//!
//! Parents are resolved in the root by `openat2`; the last name is worked on through its directory. Owners that the
//! host could not give are read from and kept in `user.ufs.owner`.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::files::{DirItem, Files, Follow, OpenHow, RenameHow, Stat};
use super::marks::{is_whiteout, is_whiteout_node, make_opaque, mark, owner_of, set_mark, stand_in};
use crate::model::{
    Identity, Kind, LayerPath, Mode, Node, Timestamp, Trust, decode_xattrs, encode_node, encode_owner,
    escape_name, names,
};
use crate::sys::dir::{chmod_fd, stat_fd};
use crate::sys::{Dir, Errno, OFlags, RawStat, RenameFlags, xattr};

/// What the directory is, and so which marks in it mean something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Flavour {
    /// A merged mount: the kernel hides and escapes its own marks.
    Merged,
    /// A layer's tree: marks are there raw.
    Layer,
    /// Any host directory: nothing is a mark.
    Host,
}

/// A real directory as [`Files`].
#[derive(Clone, Debug)]
pub struct HostDir {
    /// `None` once it is closed.
    root: Option<Rc<Dir>>,
    identity: Identity,
    trust: Trust,
    flavour: Flavour,
}

impl HostDir {
    /// A merged mount.
    pub fn merged(root: Rc<Dir>, identity: Identity, trust: Trust) -> Self {
        Self { root: Some(root), identity, trust, flavour: Flavour::Merged }
    }

    /// A layer's own tree, with its marks.
    pub fn raw_layer(root: Rc<Dir>, identity: Identity, trust: Trust) -> Self {
        Self { root: Some(root), identity, trust, flavour: Flavour::Layer }
    }

    /// A host directory without marks.
    pub fn host(root: Rc<Dir>, identity: Identity) -> Self {
        Self { root: Some(root), identity, trust: Trust::Nobody, flavour: Flavour::Host }
    }

    /// What is gone: every operation answers `ESTALE`.
    pub fn closed(identity: Identity) -> Self {
        Self { root: None, identity, trust: Trust::Nobody, flavour: Flavour::Merged }
    }

    fn root(&self) -> Result<&Dir, Errno> {
        self.root.as_deref().ok_or(Errno::STALE)
    }

    /// The directory of `path` and its last name; the root is `.` in itself.
    fn place<'a>(&self, path: &'a LayerPath) -> Result<(Dir, &'a [u8]), Errno> {
        match self.root()?.parent_in_root(path)? {
            Some(place) => Ok(place),
            None => Ok((self.root()?.duplicate()?, b".")),
        }
    }

    /// The place of a name that is to be made or taken away: never the root.
    fn place_for_change<'a>(&self, path: &'a LayerPath, root: Errno) -> Result<(Dir, &'a [u8]), Errno> {
        if path.is_root() { Err(root) } else { self.place(path) }
    }

    /// An `O_PATH` handle on the file itself or on what it points to.
    fn handle(&self, path: &LayerPath, follow: Follow) -> Result<OwnedFd, Errno> {
        let flags = match follow {
            Follow::Yes => OFlags::PATH,
            Follow::No => OFlags::PATH | OFlags::NOFOLLOW,
        };
        let handle = self.root()?.in_root(path.as_bytes(), flags, Mode::default())?;
        if self.flavour == Flavour::Layer && is_whiteout(&handle, &stat_fd(&handle)?)? {
            return Err(Errno::NOENT);
        }
        Ok(handle)
    }

    fn convert(&self, handle: &OwnedFd, raw: &RawStat) -> Result<Stat, Errno> {
        let (mut uid, mut gid) = self.identity.to_layer(raw.uid, raw.gid);
        let mut node = match raw.kind {
            Kind::Dir => Node::Dir { opaque: false },
            Kind::File => Node::File { size: raw.size },
            Kind::Symlink => Node::Symlink { target: read_link(handle)?.into() },
            Kind::Fifo => Node::Fifo,
            Kind::Socket => Node::Socket,
            Kind::CharDevice => Node::CharDevice(raw.rdev),
            Kind::BlockDevice => Node::BlockDevice(raw.rdev),
        };
        if self.trust.counts(raw.uid) && matches!(raw.kind, Kind::Dir | Kind::File) {
            if let Some(owner) = mark(handle, names::OWNER)?.and_then(|value| owner_of(&value)) {
                (uid, gid) = owner;
            }
            if raw.kind == Kind::File && raw.size == 0 {
                node = stand_in(handle)?.unwrap_or(node);
            }
        }
        Ok(Stat {
            node,
            mode: raw.mode,
            uid,
            gid,
            nlink: raw.nlink,
            size: raw.size,
            blocks: raw.blocks,
            dev: raw.dev,
            ino: raw.ino,
            mtime: raw.mtime,
            atime: raw.atime,
            ctime: raw.ctime,
        })
    }

    /// The name of an attribute on disk; `None` for one that users cannot see.
    fn stored_name(&self, name: &[u8]) -> Option<Vec<u8>> {
        match self.flavour {
            Flavour::Layer => escape_name(name),
            _ if name.starts_with(names::UFS) => None,
            _ => Some(name.to_vec()),
        }
    }

    /// Whether it is an empty file that stands for a device.
    fn is_stand_in(&self, handle: &OwnedFd) -> Result<bool, Errno> {
        let raw = stat_fd(handle)?;
        let may_be = self.trust.counts(raw.uid) && raw.kind == Kind::File && raw.size == 0;
        Ok(may_be && stand_in(handle)?.is_some())
    }

    /// Refuses a `user.*` attribute to a device, as the kernel does.
    fn takes(&self, handle: &OwnedFd, name: &[u8]) -> Result<(), Errno> {
        if name.starts_with(b"user.") && self.is_stand_in(handle)? { Err(Errno::PERM) } else { Ok(()) }
    }

    /// Whether a name is a whiteout, where whiteouts mean something.
    fn is_whiteout_at(&self, dir: &Dir, name: &[u8]) -> Result<bool, Errno> {
        if self.flavour != Flavour::Layer {
            return Ok(false);
        }
        match dir.handle(name) {
            Ok(handle) => is_whiteout(&handle, &stat_fd(&handle)?),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Takes a directory of a draft for one of which something is said; tells whether it was only implied.
    fn say(&self, dir: &Dir, name: &[u8]) -> Result<bool, Errno> {
        if self.flavour != Flavour::Layer {
            return Ok(false);
        }
        match xattr::remove_at(dir, name, names::IMPLIED) {
            Ok(()) => Ok(true),
            // a file that cannot have the mark does not have it
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// The same of an open directory.
    fn say_open(&self, handle: &OwnedFd) -> Result<(), Errno> {
        if self.flavour == Flavour::Layer && mark(handle, names::IMPLIED)?.is_some() {
            xattr::remove(handle, names::IMPLIED)?;
        }
        Ok(())
    }

    /// Takes a whiteout away from a name that is to be made; tells whether there was one.
    fn drop_whiteout(&self, dir: &Dir, name: &[u8]) -> Result<bool, Errno> {
        let there = self.is_whiteout_at(dir, name)?;
        if there {
            dir.unlink(name)?;
        }
        Ok(there)
    }
}

fn read_link(handle: &OwnedFd) -> Result<Vec<u8>, Errno> {
    Dir::link_target(handle)
}

impl Files for HostDir {
    fn beneath(&self, dir: &LayerPath) -> Result<Box<dyn Files>, Errno> {
        Ok(Box::new(Self { root: Some(Rc::new(self.tree(dir)?)), ..self.clone() }))
    }

    fn stat(&self, path: &LayerPath, follow: Follow) -> Result<Stat, Errno> {
        let handle = self.handle(path, follow)?;
        let raw = stat_fd(&handle)?;
        self.convert(&handle, &raw)
    }

    fn tree(&self, path: &LayerPath) -> Result<Dir, Errno> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY;
        self.root()?.in_root(path.as_bytes(), how, Mode::default()).map(Dir::from_fd)
    }

    fn read_dir_from(&self, path: &LayerPath, begin: &[u8]) -> Result<Vec<DirItem>, Errno> {
        let dir = self.tree(path)?;
        let mut items = Vec::new();
        // files are whiteouts only in a directory that says so
        let marked = self.flavour == Flavour::Layer
            && xattr::if_there(xattr::get(&dir, names::OPAQUE))?.is_some_and(|value| value == b"x");
        for item in dir.items_where(|name| name.starts_with(begin))? {
            let kind = match item.kind {
                Some(kind) => kind,
                None => dir.stat(&item.name)?.kind,
            };
            let maybe = kind == Kind::CharDevice || (kind == Kind::File && marked);
            if self.flavour == Flavour::Layer && maybe {
                let handle = dir.handle(&item.name)?;
                if is_whiteout(&handle, &stat_fd(&handle)?)? {
                    continue;
                }
            }
            items.push(DirItem { name: item.name, kind });
        }
        Ok(items)
    }

    fn read_link(&self, path: &LayerPath) -> Result<Vec<u8>, Errno> {
        let (dir, name) = self.place_for_change(path, Errno::INVAL)?;
        dir.read_link(name)
    }

    fn open(&self, path: &LayerPath, how: OpenHow) -> Result<File, Errno> {
        let mut flags = match (how.read, how.write) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            _ => OFlags::RDONLY,
        };
        flags.set(OFlags::APPEND, how.append);
        flags.set(OFlags::CREATE, how.create);
        flags.set(OFlags::EXCL, how.create && how.exclusive);
        flags.set(OFlags::TRUNC, how.truncate);
        if how.create && !path.is_root() {
            let (dir, name) = self.place(path)?;
            self.drop_whiteout(&dir, name)?;
        } else if self.flavour == Flavour::Layer {
            // a whiteout is not there
            self.handle(path, Follow::Yes)?;
        }
        // before it is opened: that alone would copy it up, or cut it off
        if (how.write || how.truncate) && !how.exclusive {
            match self.handle(path, Follow::Yes) {
                Ok(handle) if self.is_stand_in(&handle)? => return Err(Errno::NXIO),
                _ => {}
            }
        }
        let file = self.root()?.in_root(path.as_bytes(), flags | OFlags::NOCTTY, how.mode)?;
        if self.is_stand_in(&file)? { Err(Errno::NXIO) } else { Ok(File::from(file)) }
    }

    fn mkdir(&self, path: &LayerPath, mode: Mode) -> Result<(), Errno> {
        let (dir, name) = self.place_for_change(path, Errno::EXIST)?;
        let deleted = self.drop_whiteout(&dir, name)?;
        match dir.mkdir(name, mode) {
            // what was only implied was not there
            Err(Errno::EXIST) if self.say(&dir, name)? => dir.chmod(name, mode),
            Ok(()) if deleted => make_opaque(&dir, name),
            other => other,
        }
    }

    fn mkdir_above(&self, path: &LayerPath, mode: Mode) -> Result<(), Errno> {
        let (dir, name) = self.place_for_change(path, Errno::EXIST)?;
        let deleted = self.drop_whiteout(&dir, name)?;
        dir.mkdir(name, mode)?;
        match self.flavour {
            _ if deleted => make_opaque(&dir, name),
            Flavour::Layer => set_mark(&dir, name, names::IMPLIED, b"y"),
            Flavour::Merged | Flavour::Host => Ok(()),
        }
    }

    fn mknod(&self, path: &LayerPath, node: &Node, mode: Mode) -> Result<(), Errno> {
        let (dir, name) = self.place_for_change(path, Errno::EXIST)?;
        self.drop_whiteout(&dir, name)?;
        match (dir.mknod(name, node, mode), encode_node(node)) {
            // a device that this user may not make: an empty file stands for it; a whiteout nobody may make
            (Err(Errno::PERM), Some(value)) if self.flavour != Flavour::Host && !is_whiteout_node(node) => {
                dir.create(name, mode)?;
                if set_mark(&dir, name, names::NODE, &value).is_err() {
                    dir.unlink(name)?;
                    return Err(Errno::PERM);
                }
                dir.chmod(name, mode)
            }
            (made, _) => made,
        }
    }

    fn symlink(&self, target: &[u8], path: &LayerPath) -> Result<(), Errno> {
        let (dir, name) = self.place_for_change(path, Errno::EXIST)?;
        self.drop_whiteout(&dir, name)?;
        dir.symlink(target, name)
    }

    fn link(&self, old: &LayerPath, new: &LayerPath) -> Result<(), Errno> {
        let (from, old) = self.place_for_change(old, Errno::PERM)?;
        // link(2) looks the old name up before it walks to the new one
        from.stat(old)?;
        let (to, new) = self.place_for_change(new, Errno::EXIST)?;
        if self.is_whiteout_at(&from, old)? {
            return Err(Errno::NOENT);
        }
        self.drop_whiteout(&to, new)?;
        from.link(old, &to, new)
    }

    fn unlink(&self, path: &LayerPath) -> Result<(), Errno> {
        let (dir, name) = self.place_for_change(path, Errno::ISDIR)?;
        dir.unlink(name)
    }

    fn rmdir(&self, path: &LayerPath) -> Result<(), Errno> {
        let (dir, name) = self.place_for_change(path, Errno::BUSY)?;
        match dir.rmdir(name) {
            Err(Errno::NOTEMPTY | Errno::EXIST) if self.flavour == Flavour::Layer => {}
            other => return other,
        }
        // what holds nothing but whiteouts looks empty
        let inner = dir.dir(name)?;
        let items = inner.items()?;
        for item in &items {
            if !self.is_whiteout_at(&inner, &item.name)? {
                return Err(Errno::NOTEMPTY);
            }
        }
        items.iter().try_for_each(|item| inner.unlink(&item.name))?;
        dir.rmdir(name)
    }

    fn rename(&self, from: &LayerPath, to: &LayerPath, how: RenameHow) -> Result<(), Errno> {
        let (old_dir, old) = self.place_for_change(from, Errno::BUSY)?;
        let (new_dir, new) = self.place_for_change(to, Errno::BUSY)?;
        let over = self.is_whiteout_at(&new_dir, new)?;
        if self.is_whiteout_at(&old_dir, old)? || (over && how == RenameHow::Exchange) {
            return Err(Errno::NOENT);
        }
        let is_dir = over && old_dir.stat(old)?.kind == Kind::Dir;
        if over && (is_dir || how == RenameHow::NoReplace) {
            // rename(2) puts a file in its place by itself, but no directory
            new_dir.unlink(new)?;
        }
        let flags = match how {
            RenameHow::Replace => RenameFlags::empty(),
            RenameHow::NoReplace => RenameFlags::NOREPLACE,
            RenameHow::Exchange => RenameFlags::EXCHANGE,
        };
        old_dir.rename(old, &new_dir, new, flags)?;
        self.say(&new_dir, new)?;
        if is_dir { make_opaque(&new_dir, new) } else { Ok(()) }
    }

    fn chmod(&self, path: &LayerPath, mode: Mode) -> Result<(), Errno> {
        let handle = self.handle(path, Follow::Yes)?;
        chmod_fd(&handle, mode)?;
        self.say_open(&handle)
    }

    fn chown(&self, path: &LayerPath, uid: u32, gid: u32) -> Result<(), Errno> {
        let (dir, name) = self.place(path)?;
        self.say(&dir, name)?;
        let (host_uid, host_gid) = self.identity.to_host(uid, gid);
        let given = if self.trust != Trust::Nobody && self.is_stand_in(&self.handle(path, Follow::No)?)? {
            // what it stands for counts on a file of ours only
            Err(Errno::PERM)
        } else {
            dir.chown(name, host_uid, host_gid)
        };
        match given {
            Ok(()) => match xattr::remove_at(&dir, name, names::OWNER) {
                Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => Ok(()),
                Err(errno) => Err(errno),
            },
            Err(errno @ (Errno::PERM | Errno::INVAL)) if self.flavour != Flavour::Host => {
                // symlinks and special files take no `user.*` attribute
                set_mark(&dir, name, names::OWNER, &encode_owner(uid, gid)).map_err(|_| errno)?;
                let stat = dir.stat(name)?;
                let kept = stat.mode.without_set_ids();
                if stat.kind == Kind::File && kept != stat.mode { dir.chmod(name, kept) } else { Ok(()) }
            }
            Err(errno) => Err(errno),
        }
    }

    fn set_times(
        &self,
        path: &LayerPath,
        atime: Option<Timestamp>,
        mtime: Option<Timestamp>,
    ) -> Result<(), Errno> {
        let (dir, name) = self.place(path)?;
        self.say(&dir, name)?;
        dir.set_times(name, atime, mtime)
    }

    fn truncate(&self, path: &LayerPath, size: u64) -> Result<(), Errno> {
        let file =
            self.root()?.in_root(path.as_bytes(), OFlags::WRONLY | OFlags::NONBLOCK, Mode::default())?;
        if self.is_stand_in(&file)? {
            return Err(Errno::INVAL);
        }
        File::from(file).set_len(size).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    fn xattr(&self, path: &LayerPath, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let handle = self.handle(path, Follow::No)?;
        xattr::get(handle, &self.stored_name(name).ok_or(Errno::NODATA)?)
    }

    fn xattrs(&self, path: &LayerPath) -> Result<Vec<Vec<u8>>, Errno> {
        let mut listed = xattr::list(self.handle(path, Follow::No)?)?;
        listed.retain(|name| !name.starts_with(names::UFS));
        if self.flavour == Flavour::Layer {
            let decoded = decode_xattrs(listed.iter().map(|name| (&name[..], &b""[..])));
            return Ok(decoded.xattrs.into_keys().map(Vec::from).collect());
        }
        Ok(listed)
    }

    fn set_xattr(&self, path: &LayerPath, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        let handle = self.handle(path, Follow::No)?;
        let stored = self.stored_name(name).ok_or(Errno::OPNOTSUPP)?;
        self.takes(&handle, name)?;
        xattr::set(&handle, &stored, value)?;
        self.say_open(&handle)
    }

    fn remove_xattr(&self, path: &LayerPath, name: &[u8]) -> Result<(), Errno> {
        let handle = self.handle(path, Follow::No)?;
        let stored = self.stored_name(name).ok_or(Errno::NODATA)?;
        self.takes(&handle, name)?;
        xattr::remove(&handle, &stored)?;
        self.say_open(&handle)
    }
}

#[cfg(test)]
#[path = "host_dir_tests.rs"]
mod tests;
