//! The union inside this process: no mount, no privilege.
//!
//! Walks paths as the kernel would in a mount: symlinks are resolved in the root, at most 40 of them.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;

use super::{
    DirItem, DriverKind, Files, Follow, Listener, MountError, MountSpec, Mounted, OpenHow, RenameHow, Stat,
};
use crate::model::{Kind, LayerPath, Mode, Node, PATH_MAX, Timestamp};
use crate::sys::{Dir, Errno, OFlags, RenameFlags};
use crate::union::{LowerDir, Options, Syncs, Union, UpperDirs, Whereabouts};

/// A union as [`Files`].
#[derive(Debug)]
pub struct DirectFiles {
    union: Arc<Union>,
    /// What is the root here, without symlinks.
    root: LayerPath,
}

/// What a path's last name is wanted for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// A symlink there is meant itself.
    Itself,
    /// What a symlink there points to.
    Target,
    /// The same, and a file is made if nothing is there: `EISDIR` where a symlink says that it is a directory.
    Made,
}

impl From<Follow> for End {
    fn from(follow: Follow) -> Self {
        match follow {
            Follow::Yes => Self::Target,
            Follow::No => Self::Itself,
        }
    }
}

/// The most symlinks in one path (Linux `MAXSYMLINKS`).
const SYMLINKS_MAX: u32 = 40;

impl DirectFiles {
    /// Serves a union.
    pub fn new(union: impl Into<Arc<Union>>) -> Self {
        Self { union: union.into(), root: LayerPath::root() }
    }

    /// The same with a directory for the root.
    pub(super) fn rooted(&self, dir: &LayerPath) -> Result<Self, Errno> {
        let root = self.walk(dir, End::Target)?;
        if self.union.stat(&root)?.kind != Kind::Dir {
            return Err(Errno::NOTDIR);
        }
        Ok(Self { union: Arc::clone(&self.union), root })
    }

    /// The exact path: symlinks in the directories resolved, at the end as `end` says.
    fn walk(&self, path: &LayerPath, end: End) -> Result<LayerPath, Errno> {
        let whole = self.root.join(path.as_bytes()).map_err(|_| Errno::NAMETOOLONG)?;
        // no symlink leads down to a directory that the union remembers
        let mut at = self.union.remembered(&whole);
        if !at.is_within(&self.root) {
            at = self.root.clone();
        }
        let rest = whole.below(&at).unwrap_or_default();
        let mut todo: VecDeque<Box<[u8]>> = rest.components().map(Box::from).collect();
        let mut links = 0;
        let mut must_be_dir = false;
        let mut slash = false;
        while let Some(name) = todo.pop_front() {
            if *name == *b".." {
                if at != self.root {
                    at = at.parent().unwrap_or_default();
                }
                continue;
            }
            let next = at.join(&name).map_err(|_| Errno::NAMETOOLONG)?;
            let last = todo.is_empty();
            if last && slash && end == End::Made {
                return Err(Errno::ISDIR);
            }
            let kind = match self.union.stat(&next) {
                Ok(stat) => stat.kind,
                Err(Errno::NOENT) if last && !must_be_dir => return Ok(next),
                Err(error) => return Err(error),
            };
            match kind {
                Kind::Symlink if !last || end != End::Itself || must_be_dir => {
                    links += 1;
                    if links > SYMLINKS_MAX {
                        return Err(Errno::LOOP);
                    }
                    let target = self.union.read_link(&next)?;
                    if target.first() == Some(&b'/') {
                        at = self.root.clone();
                    }
                    if last {
                        slash = target.ends_with(b"/");
                        must_be_dir |= slash || target.ends_with(b"/.");
                    }
                    let names = target.split(|&b| b == b'/').filter(|name| !matches!(*name, b"" | b"."));
                    for name in names.rev() {
                        todo.push_front(name.into());
                    }
                    if todo.iter().map(|name| name.len() + 1).sum::<usize>() > 2 * PATH_MAX {
                        return Err(Errno::NAMETOOLONG);
                    }
                }
                Kind::Dir => at = next,
                _ if last && !must_be_dir => at = next,
                _ => return Err(Errno::NOTDIR),
            }
        }
        Ok(at)
    }

    fn convert(&self, path: &LayerPath) -> Result<Stat, Errno> {
        let raw = self.union.stat(path)?;
        let node = match raw.kind {
            Kind::Dir => Node::Dir { opaque: false },
            Kind::File => Node::File { size: raw.size },
            Kind::Symlink => Node::Symlink { target: self.union.read_link(path)?.into() },
            Kind::Fifo => Node::Fifo,
            Kind::Socket => Node::Socket,
            Kind::CharDevice => Node::CharDevice(raw.rdev),
            Kind::BlockDevice => Node::BlockDevice(raw.rdev),
        };
        Ok(Stat {
            node,
            mode: raw.mode,
            uid: raw.uid,
            gid: raw.gid,
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
}

impl Files for DirectFiles {
    fn beneath(&self, dir: &LayerPath) -> Result<Box<dyn Files>, Errno> {
        Ok(Box::new(self.rooted(dir)?))
    }

    fn stat(&self, path: &LayerPath, follow: Follow) -> Result<Stat, Errno> {
        self.convert(&self.walk(path, follow.into())?)
    }

    fn tree(&self, _: &LayerPath) -> Result<Dir, Errno> {
        Err(Errno::OPNOTSUPP)
    }

    fn read_dir_from(&self, path: &LayerPath, begin: &[u8]) -> Result<Vec<DirItem>, Errno> {
        let items = self.union.read_dir_from(&self.walk(path, End::Target)?, begin)?;
        let named = items.into_iter().filter_map(|item| {
            let kind = item.kind?;
            Some(DirItem { name: item.name, kind })
        });
        Ok(named.collect())
    }

    fn read_link(&self, path: &LayerPath) -> Result<Vec<u8>, Errno> {
        self.union.read_link(&self.walk(path, End::Itself)?)
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
        let end = match (how.create, how.exclusive) {
            (true, true) => End::Itself,
            (true, false) => End::Made,
            (false, _) => End::Target,
        };
        self.union.open(&self.walk(path, end)?, flags | OFlags::NOCTTY, how.mode)
    }

    fn mkdir(&self, path: &LayerPath, mode: Mode) -> Result<(), Errno> {
        self.union.mkdir(&self.walk(path, End::Itself)?, mode)
    }

    fn mknod(&self, path: &LayerPath, node: &Node, mode: Mode) -> Result<(), Errno> {
        self.union.mknod(&self.walk(path, End::Itself)?, node, mode)
    }

    fn symlink(&self, target: &[u8], path: &LayerPath) -> Result<(), Errno> {
        self.union.symlink(target, &self.walk(path, End::Itself)?)
    }

    fn link(&self, old: &LayerPath, new: &LayerPath) -> Result<(), Errno> {
        let old = self.walk(old, End::Itself)?;
        // link(2) looks the old name up before it walks to the new one
        self.union.stat(&old)?;
        self.union.link(&old, &self.walk(new, End::Itself)?)
    }

    fn unlink(&self, path: &LayerPath) -> Result<(), Errno> {
        self.union.unlink(&self.walk(path, End::Itself)?)
    }

    fn rmdir(&self, path: &LayerPath) -> Result<(), Errno> {
        self.union.rmdir(&self.walk(path, End::Itself)?)
    }

    fn rename(&self, from: &LayerPath, to: &LayerPath, how: RenameHow) -> Result<(), Errno> {
        let flags = match how {
            RenameHow::Replace => RenameFlags::empty(),
            RenameHow::NoReplace => RenameFlags::NOREPLACE,
            RenameHow::Exchange => RenameFlags::EXCHANGE,
        };
        self.union.rename(&self.walk(from, End::Itself)?, &self.walk(to, End::Itself)?, flags)
    }

    fn chmod(&self, path: &LayerPath, mode: Mode) -> Result<(), Errno> {
        self.union.chmod(&self.walk(path, End::Target)?, mode)
    }

    fn chown(&self, path: &LayerPath, uid: u32, gid: u32) -> Result<(), Errno> {
        self.union.chown(&self.walk(path, End::Itself)?, Some(uid), Some(gid))
    }

    fn set_times(
        &self,
        path: &LayerPath,
        atime: Option<Timestamp>,
        mtime: Option<Timestamp>,
    ) -> Result<(), Errno> {
        self.union.set_times(&self.walk(path, End::Itself)?, atime, mtime)
    }

    fn truncate(&self, path: &LayerPath, size: u64) -> Result<(), Errno> {
        self.union.truncate(&self.walk(path, End::Target)?, size)
    }

    fn xattr(&self, path: &LayerPath, name: &[u8]) -> Result<Vec<u8>, Errno> {
        self.union.xattr(&self.walk(path, End::Itself)?, name)
    }

    fn xattrs(&self, path: &LayerPath) -> Result<Vec<Vec<u8>>, Errno> {
        self.union.xattrs(&self.walk(path, End::Itself)?)
    }

    fn set_xattr(&self, path: &LayerPath, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        self.union.set_xattr(&self.walk(path, End::Itself)?, name, value)
    }

    fn remove_xattr(&self, path: &LayerPath, name: &[u8]) -> Result<(), Errno> {
        self.union.remove_xattr(&self.walk(path, End::Itself)?, name)
    }
}

/// A union served in this process.
#[derive(Debug)]
struct DirectMount {
    files: DirectFiles,
    /// Asked to be read-only, whatever is thawed.
    read_only: bool,
}

/// Opens a stack's union.
pub(super) fn mount(spec: &MountSpec<'_>) -> Result<Box<dyn Mounted>, MountError> {
    let files = open(spec).map_err(|errno| MountError::Layers { errno })?;
    Ok(Box::new(DirectMount { files, read_only: spec.read_only }))
}

pub(super) fn open(spec: &MountSpec<'_>) -> Result<DirectFiles, Errno> {
    let itself = |dir| LowerDir { dir, whereabouts: Whereabouts::Itself };
    open_union(spec, itself).map(DirectFiles::new)
}

/// A stack's union, of lower layers as `lower` makes them of their directories.
pub(super) fn open_union(spec: &MountSpec<'_>, lower: impl Fn(Dir) -> LowerDir) -> Result<Union, Errno> {
    let own = |fd: std::os::fd::BorrowedFd<'_>| Dir::from_borrowed(fd);
    let lowers = spec.lowers.iter().map(|fd| own(fd.as_fd()).map(&lower)).collect::<Result<_, _>>()?;
    let upper = match spec.upper {
        Some((upper, work)) => {
            Some(UpperDirs { upper: own(upper)?, work: own(work)?, whereabouts: Whereabouts::Itself })
        }
        None => None,
    };
    let options = Options {
        whiteouts: spec.whiteouts,
        identity: spec.identity,
        trust: spec.trust,
        syncs: if spec.volatile { Syncs::Never } else { Syncs::Content },
        ..Options::default()
    };
    let union = Union::new(lowers, upper, options)?;
    if spec.read_only {
        union.freeze();
    }
    Ok(union)
}

impl Mounted for DirectMount {
    fn kind(&self) -> DriverKind {
        DriverKind::Direct
    }

    fn files(&self) -> &dyn Files {
        &self.files
    }

    fn merged(&self) -> Option<&Path> {
        None
    }

    fn freeze(&mut self) -> Result<(), MountError> {
        self.files.union.freeze();
        Ok(())
    }

    fn thaw(&mut self) -> Result<(), MountError> {
        if !self.read_only {
            self.files.union.thaw();
        }
        Ok(())
    }

    fn replace(&mut self, spec: &MountSpec<'_>) -> Result<(), MountError> {
        let files = open(spec).map_err(|errno| MountError::Layers { errno })?;
        files.union.listen(self.files.union.listener());
        self.files = files;
        self.read_only = spec.read_only;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), MountError> {
        self.files.union.freeze();
        Ok(())
    }

    fn listen(&self, listener: Option<Arc<dyn Listener>>) -> bool {
        self.files.union.listen(listener);
        true
    }

    fn abandon(&mut self) {}
}
