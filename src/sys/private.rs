//! Directories by mounts of this process's own, which are attached nowhere; the kernel's overlay takes its layers so, too.
//!
//! What somebody else unmounts then does not wait for whoever holds such a directory, what is mounted inside is not
//! part of it, and how its files are read and written is up to who holds it. Its file system stays until it is let go of.
//!
//! # Source
//! `open_tree(2)`, `mount_setattr(2)`; Linux `fs/overlayfs/super.c` (`ovl_get_upper`, `ovl_get_layers`).

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use super::dir::path_of;
use super::mount::{id, set_attributes};
use super::{Dir, Errno, OFlags};
use crate::model::{LayerPath, Mode};

/// The same directory in a mount of its own.
fn alone(dir: impl AsFd) -> Result<OwnedFd, Errno> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(dir, c"", flags)
}

/// The directory at `path` in a mount, opened to be read where that is allowed.
fn inside(mount: &Dir, path: &Path) -> Result<Dir, Errno> {
    use std::os::unix::ffi::OsStrExt as _;
    let path = LayerPath::parse(path.as_os_str().as_bytes()).map_err(|_| Errno::NAMETOOLONG)?;
    let open = |flags| mount.open_beneath(&path, flags | OFlags::DIRECTORY).map(Dir::from_fd);
    match open(OFlags::RDONLY) {
        Err(Errno::ACCESS) => open(OFlags::PATH),
        other => other,
    }
}

fn is_same(a: &Dir, b: &Dir) -> Result<bool, Errno> {
    let (a, b) = (a.stat_self()?, b.stat_self()?);
    Ok((a.dev, a.ino) == (b.dev, b.ino))
}

/// A directory that is only read, and does not remember that it was.
///
/// # Errors
/// `EPERM` for whoever may not mount; `EINVAL` where what is mounted inside may not be uncovered.
pub fn read_only(dir: &Dir) -> Result<Dir, Errno> {
    let mount = alone(dir)?;
    let both = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOATIME;
    // how times are kept may have been laid down for a namespace from outside
    let set = set_attributes(&mount, both, MountAttrFlags::MOUNT_ATTR__ATIME)
        .or_else(|_| set_attributes(&mount, MountAttrFlags::MOUNT_ATTR_RDONLY, MountAttrFlags::empty()));
    if let Err(errno) = set {
        log::debug!("a layer stays writable to its server: {errno}");
    }
    inside(&Dir::from_fd(mount), Path::new(""))
}

/// Two directories of one mount, so that names can be moved from one to the other; times of reading are kept as the mount
/// attributes `times` say.
///
/// # Errors
/// As [`read_only`]; `EXDEV` where no directory of their mount holds both.
pub fn writable(dirs: [&Dir; 2], times: MountAttrFlags) -> Result<[Dir; 2], Errno> {
    let (around, paths) = above(dirs)?;
    let mount = alone(&around)?;
    let kinds = MountAttrFlags::MOUNT_ATTR__ATIME | MountAttrFlags::MOUNT_ATTR_NODIRATIME;
    if let Err(errno) = set_attributes(&mount, times & kinds, kinds) {
        log::debug!("the upper's file system says how times of reading are kept: {errno}");
    }
    let mount = Dir::from_fd(mount);
    let found = [inside(&mount, &paths[0])?, inside(&mount, &paths[1])?];
    for (found, dir) in found.iter().zip(dirs) {
        // a name may have been moved meanwhile
        if !is_same(found, dir)? {
            return Err(Errno::STALE);
        }
    }
    Ok(found)
}

/// The lowest directory of their mount that holds both, and the paths from there.
fn above(dirs: [&Dir; 2]) -> Result<(Dir, [PathBuf; 2]), Errno> {
    let mount = id(dirs[0])?;
    if id(dirs[1])? != mount {
        return Err(Errno::XDEV);
    }
    let places = [path_of(dirs[0])?, path_of(dirs[1])?];
    let mut around = dirs[0].open_raw(b".", OFlags::PATH | OFlags::DIRECTORY, Mode::default())?;
    let mut name: &Path = &places[0];
    while !places[1].starts_with(name) {
        name = name.parent().ok_or(Errno::XDEV)?;
        around = Dir::from_fd(around).open_raw(b"..", OFlags::PATH | OFlags::DIRECTORY, Mode::default())?;
        if id(&around)? != mount {
            return Err(Errno::XDEV);
        }
    }
    let below = |place: &Path| place.strip_prefix(name).map(Path::to_owned).map_err(|_| Errno::XDEV);
    Ok((Dir::from_fd(around), [below(&places[0])?, below(&places[1])?]))
}
