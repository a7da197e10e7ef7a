//! File operations beneath one root, with POSIX meaning and POSIX errors.
//!
//! One trait for a real directory (a merged mount, a draft's tree, a host directory) and for the union in
//! the process. Paths are resolved **in** the root: a symlink's absolute target starts at the root, `..`
//! stops there. Nothing here knows layers.

use std::fs::File;
use std::io::Read;

use crate::model::{Kind, LayerPath, Mode, Node, Timestamp};
use crate::sys::{Dir, Errno, copy};

/// Whether a symlink at the end of a path is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follow {
    /// The symlink itself is meant.
    No,
    /// What it points to, inside the root.
    Yes,
}

/// A file's attributes as the union shows them; owners are the layer's, not the host's
/// (`user.ufs.owner` is honoured).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stat {
    /// Type and what belongs to it (`opaque` is always `false` here).
    pub node: Node,
    /// Permission bits.
    pub mode: Mode,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Link count.
    pub nlink: u64,
    /// Size in bytes as stat(2) gives it.
    pub size: u64,
    /// Allocated 512-byte blocks.
    pub blocks: u64,
    /// Device of the file system, as stat(2) gives it.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last read.
    pub atime: Timestamp,
    /// Last change of the inode.
    pub ctime: Timestamp,
}

impl Stat {
    /// The type alone.
    pub fn kind(&self) -> Kind {
        self.node.kind()
    }
}

/// One name in a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DirItem {
    /// The raw name.
    pub name: Box<[u8]>,
    /// Its type.
    pub kind: Kind,
}

/// How a file is opened, as flags of open(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of open(2)")]
pub struct OpenHow {
    /// Reading.
    pub read: bool,
    /// Writing.
    pub write: bool,
    /// Each write goes to the end.
    pub append: bool,
    /// Make the file if it is not there.
    pub create: bool,
    /// With `create`: fail with `EEXIST` if it is there.
    pub exclusive: bool,
    /// Cut to zero bytes.
    pub truncate: bool,
    /// Permission bits of a file made here (the umask is not applied).
    pub mode: Mode,
}

impl OpenHow {
    /// For reading.
    pub const READ: Self = Self {
        read: true,
        write: false,
        append: false,
        create: false,
        exclusive: false,
        truncate: false,
        mode: Mode::new(0),
    };

    /// For writing from the start: made with `mode` if missing, else cut to zero bytes.
    pub const fn rewrite(mode: Mode) -> Self {
        Self { read: false, write: true, create: true, truncate: true, mode, ..Self::READ }
    }

    /// For writing at the end: made with `mode` if missing.
    pub const fn append(mode: Mode) -> Self {
        Self { read: false, write: true, append: true, create: true, mode, ..Self::READ }
    }
}

/// What a rename does when the target is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenameHow {
    /// Replaces it, as rename(2).
    Replace,
    /// Fails with `EEXIST` (`RENAME_NOREPLACE`).
    NoReplace,
    /// Swaps both (`RENAME_EXCHANGE`).
    Exchange,
}

/// The content of a regular file, to be read once from its beginning.
pub trait Content: Read {
    /// Writes all `size` bytes into an empty file, holes as holes where they are known; tells how many went over.
    fn copy_to(&mut self, to: &File, size: u64, told: &mut dyn FnMut(u64)) -> Result<(), Errno>;
}

impl Content for File {
    fn copy_to(&mut self, to: &File, size: u64, told: &mut dyn FnMut(u64)) -> Result<(), Errno> {
        copy::contents(self, to, size, told)
    }
}

/// File operations beneath one root. Each gives the errno that the kernel's overlay gives.
pub trait Files {
    /// The same beneath one directory, which is its root from then on: where much is done in a directory, none of it
    /// walks down from the top again. A symlink at the end of `dir` is followed.
    fn beneath(&self, dir: &LayerPath) -> Result<Box<dyn Files>, Errno>;
    /// stat(2) or lstat(2).
    fn stat(&self, path: &LayerPath, follow: Follow) -> Result<Stat, Errno>;
    /// Every name in a directory but `.` and `..`, in no order. Whiteouts of a union are not listed.
    /// A device that the host could not make is listed as the file that stands for it.
    fn read_dir(&self, path: &LayerPath) -> Result<Vec<DirItem>, Errno> {
        self.read_dir_from(path, b"")
    }
    /// As [`Files::read_dir`], but only the names that begin so: of a large directory that is much less work.
    fn read_dir_from(&self, path: &LayerPath, begin: &[u8]) -> Result<Vec<DirItem>, Errno>;
    /// A directory to count what lies beneath it, which may lie in other layers too; `EOPNOTSUPP` where there is none that
    /// shows all of it.
    fn tree(&self, path: &LayerPath) -> Result<Dir, Errno>;
    /// readlink(2).
    fn read_link(&self, path: &LayerPath) -> Result<Vec<u8>, Errno>;
    /// open(2); a symlink at the end is followed. In a union, opening for writing copies up first.
    fn open(&self, path: &LayerPath, how: OpenHow) -> Result<File, Errno>;
    /// A regular file's content; a symlink at the end is followed.
    fn content(&self, path: &LayerPath) -> Result<Box<dyn Content + '_>, Errno> {
        Ok(Box::new(self.open(path, OpenHow::READ)?))
    }
    /// mkdir(2) with exactly this mode.
    fn mkdir(&self, path: &LayerPath, mode: Mode) -> Result<(), Errno>;
    /// As [`Files::mkdir`], for a directory that is there only for what is to lie in it: in a draft it is implied.
    fn mkdir_above(&self, path: &LayerPath, mode: Mode) -> Result<(), Errno> {
        self.mkdir(path, mode)
    }
    /// mknod(2): an empty file, a fifo, a socket or a device.
    fn mknod(&self, path: &LayerPath, node: &Node, mode: Mode) -> Result<(), Errno>;
    /// symlink(2).
    fn symlink(&self, target: &[u8], path: &LayerPath) -> Result<(), Errno>;
    /// link(2); a symlink at `old` is linked itself.
    fn link(&self, old: &LayerPath, new: &LayerPath) -> Result<(), Errno>;
    /// unlink(2).
    fn unlink(&self, path: &LayerPath) -> Result<(), Errno>;
    /// rmdir(2).
    fn rmdir(&self, path: &LayerPath) -> Result<(), Errno>;
    /// renameat2(2).
    fn rename(&self, from: &LayerPath, to: &LayerPath, how: RenameHow) -> Result<(), Errno>;
    /// chmod(2); follows symlinks.
    fn chmod(&self, path: &LayerPath, mode: Mode) -> Result<(), Errno>;
    /// lchown(2) to the layer's owner; where the host refuses to give it, it is kept in `user.ufs.owner`.
    fn chown(&self, path: &LayerPath, uid: u32, gid: u32) -> Result<(), Errno>;
    /// utimensat(2) on the file itself, not what a symlink points to; `None` leaves a time as it is.
    fn set_times(
        &self,
        path: &LayerPath,
        atime: Option<Timestamp>,
        mtime: Option<Timestamp>,
    ) -> Result<(), Errno>;
    /// truncate(2); follows symlinks.
    fn truncate(&self, path: &LayerPath, size: u64) -> Result<(), Errno>;
    /// lgetxattr(2), of the user's own view (bookkeeping answers `ENODATA`).
    fn xattr(&self, path: &LayerPath, name: &[u8]) -> Result<Vec<u8>, Errno>;
    /// llistxattr(2), of the user's own view.
    fn xattrs(&self, path: &LayerPath) -> Result<Vec<Vec<u8>>, Errno>;
    /// lsetxattr(2).
    fn set_xattr(&self, path: &LayerPath, name: &[u8], value: &[u8]) -> Result<(), Errno>;
    /// lremovexattr(2).
    fn remove_xattr(&self, path: &LayerPath, name: &[u8]) -> Result<(), Errno>;
}
