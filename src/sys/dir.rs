//! A directory held by descriptor, and operations on the names right inside it.
//!
//! Names are single components and symlinks are never followed, so nothing here can leave the directory.
//! [`Dir::beneath`] goes down several components with `openat2` and refuses symlinks on the way;
//! [`Dir::in_root`] resolves a path as `chroot` would.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, OFlags, RawDir, RenameFlags, ResolveFlags, Timespec, Timestamps};

use super::{Errno, recent, xattr};
use crate::model::{Device, Kind, LayerPath, Mode, Node, PATH_MAX, Timestamp};

/// An open directory (`O_RDONLY | O_DIRECTORY`).
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
}

/// What lstat(2) says of a file, in our types; owners and marks are raw, as the host has them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RawStat {
    /// Type.
    pub kind: Kind,
    /// Permission bits.
    pub mode: Mode,
    /// The host's owner.
    pub uid: u32,
    /// The host's group.
    pub gid: u32,
    /// Link count.
    pub nlink: u64,
    /// Size in bytes.
    pub size: u64,
    /// Allocated 512-byte blocks.
    pub blocks: u64,
    /// File system's device number, raw.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// The device that a device node names.
    pub rdev: Device,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last read.
    pub atime: Timestamp,
    /// Last change of the inode.
    pub ctime: Timestamp,
}

impl RawStat {
    /// Whether this is the kernel's whiteout: a character device 0:0.
    pub fn is_whiteout(&self) -> bool {
        self.kind == Kind::CharDevice && self.rdev == Device { major: 0, minor: 0 }
    }
}

/// One name as a directory lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawItem {
    /// The raw name.
    pub name: Box<[u8]>,
    /// The inode number as listed.
    pub ino: u64,
    /// The type, where the file system lists it.
    pub kind: Option<Kind>,
}

fn kind_of(file_type: FileType) -> Option<Kind> {
    Some(match file_type {
        FileType::Directory => Kind::Dir,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Unknown => return None,
    })
}

#[expect(
    clippy::unnecessary_cast,
    clippy::cast_sign_loss,
    reason = "field widths differ between architectures"
)]
#[expect(clippy::cast_possible_truncation, reason = "nanoseconds fit 32 bits")]
fn convert(stat: &rustix::fs::Stat) -> Result<RawStat, Errno> {
    let time = |secs, nanos| Timestamp { secs: secs as i64, nanos: nanos as u32 };
    Ok(RawStat {
        kind: kind_of(FileType::from_raw_mode(stat.st_mode)).ok_or(Errno::INVAL)?,
        mode: Mode::new(stat.st_mode),
        uid: stat.st_uid,
        gid: stat.st_gid,
        nlink: stat.st_nlink as u64,
        size: stat.st_size as u64,
        blocks: stat.st_blocks as u64,
        dev: stat.st_dev,
        ino: stat.st_ino,
        rdev: Device { major: rustix::fs::major(stat.st_rdev), minor: rustix::fs::minor(stat.st_rdev) },
        mtime: time(stat.st_mtime, stat.st_mtime_nsec as i64),
        atime: time(stat.st_atime, stat.st_atime_nsec as i64),
        ctime: time(stat.st_ctime, stat.st_ctime_nsec as i64),
    })
}

/// fstat(2) of any descriptor.
pub fn stat_fd(fd: impl AsFd) -> Result<RawStat, Errno> {
    convert(&rustix::fs::fstat(fd)?)
}

/// stat(2) of a path; symlinks are followed.
pub(super) fn stat_at(path: &Path) -> Result<RawStat, Errno> {
    convert(&rustix::fs::stat(path)?)
}

/// A descriptor's path on the host, by `/proc/self/fd` (for messages and for programs that need a path).
pub fn path_of(fd: impl AsFd) -> Result<PathBuf, Errno> {
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStringExt;
    let link = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    let target = rustix::fs::readlink(link, Vec::new())?;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())))
}

fn timestamps(atime: Option<Timestamp>, mtime: Option<Timestamp>) -> Timestamps {
    let convert = |time: Option<Timestamp>| match time {
        Some(time) => Timespec { tv_sec: time.secs, tv_nsec: i64::from(time.nanos) },
        None => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
    };
    Timestamps { last_access: convert(atime), last_modification: convert(mtime) }
}

/// A resolution that follows no symlink.
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

fn raw_mode(mode: Mode) -> rustix::fs::Mode {
    rustix::fs::Mode::from_raw_mode(mode.bits())
}

impl Dir {
    /// Opens a host directory; symlinks on the way are followed.
    pub fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { fd: rustix::fs::open(path, flags, rustix::fs::Mode::empty())? })
    }

    /// Takes an open directory descriptor.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// A handle of its own on a directory that somebody else holds open.
    pub fn from_borrowed(fd: BorrowedFd<'_>) -> Result<Self, Errno> {
        Ok(Self { fd: rustix::io::fcntl_dupfd_cloexec(fd, 0)? })
    }

    /// A second handle on the same directory.
    pub fn duplicate(&self) -> Result<Self, Errno> {
        Ok(Self { fd: rustix::io::fcntl_dupfd_cloexec(&self.fd, 0)? })
    }

    /// Opens a directory right inside this one.
    pub fn dir(&self, name: &[u8]) -> Result<Self, Errno> {
        Ok(Self { fd: self.open_raw(name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::default())? })
    }

    /// Reaches a directory right inside this one without the right to list it (`O_PATH`).
    pub fn reach(&self, name: &[u8]) -> Result<Self, Errno> {
        Ok(Self { fd: self.open_raw(name, OFlags::PATH | OFlags::DIRECTORY, Mode::default())? })
    }

    /// Opens the directory `path` beneath this one; a symlink on the way is refused (`ELOOP`).
    pub fn beneath(&self, path: &LayerPath) -> Result<Self, Errno> {
        if path.is_root() {
            return self.duplicate();
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { fd: self.openat2(path.as_bytes(), flags, Mode::default(), BENEATH)? })
    }

    /// Opens a file beneath this directory for reading, without following any symlink.
    pub fn file_beneath(&self, path: &LayerPath) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(File::from(self.openat2(path.as_bytes(), flags, Mode::default(), BENEATH)?))
    }

    /// Opens a file beneath this directory with raw flags; a symlink, at the end too, gives `ELOOP`.
    pub fn open_beneath(&self, path: &LayerPath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_root() { b"." } else { path.as_bytes() };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.openat2(path, flags, Mode::default(), BENEATH)
    }

    /// Opens `path` as `chroot` to this directory would: symlinks followed, but never out of it.
    ///
    /// A path that is longer than the system takes meets symlinks in its first 4,095 bytes only; `ELOOP` further on.
    pub fn in_root(&self, path: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        self.openat2(path, flags | OFlags::CLOEXEC, mode, resolve)
    }

    /// The directory that holds `path`, resolved as [`Dir::in_root`], and the last name; `None` for the root.
    pub fn parent_in_root<'a>(&self, path: &'a LayerPath) -> Result<Option<(Self, &'a [u8])>, Errno> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(None);
        };
        let dir = self.in_root(parent.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::default())?;
        Ok(Some((Self { fd: dir }, name)))
    }

    /// Opens a path, in pieces that the system takes; from the second on, no symlink is followed.
    fn openat2(
        &self,
        path: &[u8],
        flags: OFlags,
        mode: Mode,
        resolve: ResolveFlags,
    ) -> Result<OwnedFd, Errno> {
        let (mut at, mut rest, mut resolve): (Option<Self>, _, _) = (None, path, resolve);
        while rest.len() > PATH_MAX {
            let end = rest[..=PATH_MAX].iter().rposition(|&b| b == b'/').filter(|&end| end > 0);
            let end = end.ok_or(Errno::NAMETOOLONG)?;
            let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let fd =
                at.as_ref().unwrap_or(self).openat2_piece(&rest[..end], step, Mode::default(), resolve)?;
            (at, rest, resolve) = (Some(Self { fd }), &rest[end + 1..], BENEATH);
        }
        at.as_ref().unwrap_or(self).openat2_piece(rest, flags, mode, resolve)
    }

    fn openat2_piece(
        &self,
        path: &[u8],
        flags: OFlags,
        mode: Mode,
        resolve: ResolveFlags,
    ) -> Result<OwnedFd, Errno> {
        let create = flags.intersects(OFlags::CREATE | OFlags::TMPFILE);
        let mode = if create { raw_mode(mode) } else { rustix::fs::Mode::empty() };
        for _ in 0..64 {
            match rustix::fs::openat2(&self.fd, path, flags, mode, resolve) {
                // a rename elsewhere raced with the resolution: openat2(2) says to try again
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Opens a name right inside with raw flags; a symlink gives `ELOOP`.
    pub fn open_raw(&self, name: &[u8], flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.fd, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, raw_mode(mode))
    }

    /// Opens a regular file right inside for reading.
    pub fn file(&self, name: &[u8]) -> Result<File, Errno> {
        Ok(File::from(self.open_raw(name, OFlags::RDONLY | OFlags::NONBLOCK, Mode::default())?))
    }

    /// Makes and opens a new regular file for reading and writing; `EEXIST` if the name is taken.
    pub fn create(&self, name: &[u8], mode: Mode) -> Result<File, Errno> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        Ok(File::from(self.open_raw(name, flags, mode)?))
    }

    /// An `O_PATH` handle on whatever the name is, a symlink too.
    pub fn handle(&self, name: &[u8]) -> Result<OwnedFd, Errno> {
        self.open_raw(name, OFlags::PATH, Mode::default())
    }

    /// lstat(2) of a name right inside.
    pub fn stat(&self, name: &[u8]) -> Result<RawStat, Errno> {
        convert(&rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// fstat(2) of this directory itself.
    pub fn stat_self(&self) -> Result<RawStat, Errno> {
        stat_fd(&self.fd)
    }

    /// Every name but `.` and `..`, in the file system's order.
    ///
    /// Reads through a fresh open, so that several walks of one [`Dir`] never share an offset.
    pub fn items(&self) -> Result<Vec<RawItem>, Errno> {
        self.items_where(|_| true)
    }

    /// As [`Dir::items`], but only the names that are wanted.
    pub fn items_where(&self, wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<RawItem>, Errno> {
        let (mut found, mut buffer) = (Vec::new(), vec![MaybeUninit::uninit(); 32 * 1024]);
        self.read_until(&mut buffer, |name, ino, kind| {
            found.extend(wanted(name).then(|| RawItem { name: name.into(), ino, kind }));
            Ok(false)
        })?;
        Ok(found)
    }

    /// Whether there is no name in it but `.` and `..`.
    pub fn is_vacant(&self) -> Result<bool, Errno> {
        Ok(!self.has(|_| Ok(true))?)
    }

    /// Whether it has a name of which this holds; it is read up to the first.
    pub fn has(&self, mut holds: impl FnMut(RawItem) -> Result<bool, Errno>) -> Result<bool, Errno> {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 1024];
        self.read_until(&mut buffer, |name, ino, kind| holds(RawItem { name: name.into(), ino, kind }))
    }

    /// Reads names until `stop` says so; whether it did.
    fn read_until(
        &self,
        buffer: &mut [MaybeUninit<u8>],
        mut stop: impl FnMut(&[u8], u64, Option<Kind>) -> Result<bool, Errno>,
    ) -> Result<bool, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |flags| rustix::fs::openat(&self.fd, c".", flags, rustix::fs::Mode::empty());
        // whoever may ask for it leaves no trace of having looked
        let fd = match open(flags | OFlags::NOATIME) {
            Err(Errno::PERM) => open(flags)?,
            other => other?,
        };
        let mut listing = RawDir::new(fd, buffer);
        while let Some(item) = listing.next() {
            let item = item?;
            let name = item.file_name().to_bytes();
            if name != b"." && name != b".." && stop(name, item.ino(), kind_of(item.file_type()))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The target of a symlink right inside.
    pub fn read_link(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        Ok(rustix::fs::readlinkat(&self.fd, name, Vec::new())?.into_bytes())
    }

    /// The target of a symlink that is open as an `O_PATH` handle.
    pub fn link_target(handle: impl AsFd) -> Result<Vec<u8>, Errno> {
        Ok(rustix::fs::readlinkat(handle, c"", Vec::new())?.into_bytes())
    }

    /// mkdir(2) as it is: the umask, the directory's setgid mark and default ACL have their say.
    pub fn mkdir_masked(&self, name: &[u8], mode: Mode) -> Result<(), Errno> {
        rustix::fs::mkdirat(&self.fd, name, raw_mode(mode))
    }

    /// mkdir(2) with exactly this mode, whatever the umask.
    pub fn mkdir(&self, name: &[u8], mode: Mode) -> Result<(), Errno> {
        rustix::fs::mkdirat(&self.fd, name, raw_mode(mode))?;
        // the umask takes bits away, and a setgid parent adds one
        if self.stat(name)?.mode == mode { Ok(()) } else { self.chmod(name, mode) }
    }

    /// mknod(2) with exactly this mode: a fifo, a socket, a device or an empty file.
    pub fn mknod(&self, name: &[u8], node: &Node, mode: Mode) -> Result<(), Errno> {
        self.mknod_masked(name, node, mode)?;
        if self.stat(name)?.mode == mode { Ok(()) } else { self.chmod(name, mode) }
    }

    /// mknod(2) as it is: the umask and the directory's default ACL have their say.
    pub fn mknod_masked(&self, name: &[u8], node: &Node, mode: Mode) -> Result<(), Errno> {
        let (file_type, device) = match node {
            Node::File { .. } => (FileType::RegularFile, 0),
            Node::Fifo => (FileType::Fifo, 0),
            Node::Socket => (FileType::Socket, 0),
            Node::CharDevice(device) => {
                (FileType::CharacterDevice, rustix::fs::makedev(device.major, device.minor))
            }
            Node::BlockDevice(device) => {
                (FileType::BlockDevice, rustix::fs::makedev(device.major, device.minor))
            }
            Node::Dir { .. } | Node::Symlink { .. } => return Err(Errno::INVAL),
        };
        rustix::fs::mknodat(&self.fd, name, file_type, raw_mode(mode), device)
    }

    /// Makes the kernel's whiteout, a character device 0:0; `EPERM` where the file system is itself an overlay.
    pub fn whiteout(&self, name: &[u8]) -> Result<(), Errno> {
        rustix::fs::mknodat(&self.fd, name, FileType::CharacterDevice, rustix::fs::Mode::empty(), 0)
    }

    /// symlink(2).
    pub fn symlink(&self, target: &[u8], name: &[u8]) -> Result<(), Errno> {
        rustix::fs::symlinkat(target, &self.fd, name)
    }

    /// link(2) of the file itself into another directory.
    pub fn link(&self, name: &[u8], to: &Self, new: &[u8]) -> Result<(), Errno> {
        rustix::fs::linkat(&self.fd, name, &to.fd, new, AtFlags::empty())
    }

    /// unlink(2).
    pub fn unlink(&self, name: &[u8]) -> Result<(), Errno> {
        rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())
    }

    /// rmdir(2).
    pub fn rmdir(&self, name: &[u8]) -> Result<(), Errno> {
        rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)
    }

    /// renameat2(2) into another directory.
    pub fn rename(&self, name: &[u8], to: &Self, new: &[u8], flags: RenameFlags) -> Result<(), Errno> {
        rustix::fs::renameat_with(&self.fd, name, &to.fd, new, flags)
    }

    /// chmod(2) of the file itself; a symlink gives `EOPNOTSUPP`.
    pub fn chmod(&self, name: &[u8], mode: Mode) -> Result<(), Errno> {
        match recent::chmod_at(self.fd.as_fd(), name, mode.bits()) {
            Some(answer) => answer,
            None => chmod_fd(self.handle(name)?, mode),
        }
    }

    /// lchown(2).
    pub fn chown(&self, name: &[u8], uid: u32, gid: u32) -> Result<(), Errno> {
        let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        rustix::fs::chownat(&self.fd, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// utimensat(2) of the file itself; `None` leaves a time as it is.
    pub fn set_times(
        &self,
        name: &[u8],
        atime: Option<Timestamp>,
        mtime: Option<Timestamp>,
    ) -> Result<(), Errno> {
        rustix::fs::utimensat(&self.fd, name, &timestamps(atime, mtime), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// utimensat(2) of this directory itself.
    pub fn set_times_self(&self, atime: Option<Timestamp>, mtime: Option<Timestamp>) -> Result<(), Errno> {
        set_times_fd(&self.fd, atime, mtime)
    }

    /// All raw attributes of this directory itself.
    pub fn xattrs_self(&self) -> Result<xattr::RawXattrs, Errno> {
        xattr::all_open(&self.fd)
    }

    /// This directory's path on the host.
    pub fn host_path(&self) -> Result<PathBuf, Errno> {
        path_of(&self.fd)
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// futimens(2) of an open file; `None` leaves a time as it is.
pub fn set_times_fd(fd: impl AsFd, atime: Option<Timestamp>, mtime: Option<Timestamp>) -> Result<(), Errno> {
    rustix::fs::futimens(fd, &timestamps(atime, mtime))
}

/// Effective user and group of this process.
pub fn own_ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// chmod(2) of an open file, by any descriptor (`O_PATH` too).
pub fn chmod_fd(fd: impl AsFd, mode: Mode) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    match rustix::fs::fchmod(&fd, raw_mode(mode)) {
        // an `O_PATH` one
        Err(Errno::BADF) => {
            rustix::fs::chmod(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()), raw_mode(mode))
        }
        other => other,
    }
}

#[cfg(test)]
#[path = "dir_tests.rs"]
mod tests;
