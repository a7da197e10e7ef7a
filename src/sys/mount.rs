//! Overlay mounts by the new mount API, every directory by descriptor.
//!
//! No option string: no 4 KiB limit, no escaping, no rename races; up to 500 layers. Our stacks run
//! bottom → top; the kernel's `lowerdir+` list runs top first, so the order is turned round here and only here.
//!
//! # Source
//! Kernel `Documentation/filesystems/overlayfs.rst`; fsopen(2), fsconfig(2), `move_mount(2)`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_reconfigure, fsconfig_set_fd, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, fspick,
    move_mount, unmount,
};

use super::Errno;

/// The source that our overlay mounts show in mountinfo.
pub const SOURCE: &str = "ufs";

/// What an overlay is made of.
#[derive(Debug)]
pub struct Overlay<'a> {
    /// Read-only layers, bottom → top; at least two if there is no upper.
    pub lowers: &'a [BorrowedFd<'a>],
    /// The writable directory and the scratch directory.
    pub upper: Option<(BorrowedFd<'a>, BorrowedFd<'a>)>,
    /// Whether the mount takes no changes although it has an upper.
    pub read_only: bool,
    /// Whether syncs are left out.
    pub volatile: bool,
}

/// Where a new mount goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On top of what is there.
    Top,
    /// Beneath the mount that is there (Linux 6.5).
    Beneath,
}

/// A refusal of the kernel, with what it said in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The errno.
    pub errno: Errno,
    /// What was tried: `fsopen`, `lowerdir+`, `create`, …
    pub step: &'static str,
    /// The kernel's own messages, without the `e overlay:` in front; often empty.
    pub said: Vec<String>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = if self.said.is_empty() { self.errno.to_string() } else { self.said.join("; ") };
        write!(f, "the kernel refused the overlay at `{}`: {said}", self.step)
    }
}

/// A mount that is not attached anywhere yet; gone when dropped.
#[derive(Debug)]
pub struct Detached(OwnedFd);

/// Makes an overlay, not attached yet.
///
/// # Errors
/// [`Refused`] with the step and the kernel's words.
pub fn overlay(what: &Overlay<'_>) -> Result<Detached, Refused> {
    let plain = |step| move |errno| Refused { errno, step, said: Vec::new() };
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(plain("fsopen"))?;
    let tell = |step, result: Result<(), Errno>| result.map_err(|errno| refused(&context, step, errno));
    tell("source", fsconfig_set_string(&context, "source", SOURCE))?;
    for lower in what.lowers.iter().rev() {
        tell("lowerdir+", fsconfig_set_fd(&context, "lowerdir+", *lower))?;
    }
    if let Some((upper, work)) = what.upper {
        tell("upperdir", fsconfig_set_fd(&context, "upperdir", upper))?;
        tell("workdir", fsconfig_set_fd(&context, "workdir", work))?;
        if what.volatile && fsconfig_set_string(&context, "fsync", "volatile").is_err() {
            tell("volatile", fsconfig_set_flag(&context, "volatile"))?;
        }
    }
    tell("userxattr", fsconfig_set_flag(&context, "userxattr"))?;
    if what.read_only || what.upper.is_none() {
        tell("ro", fsconfig_set_flag(&context, "ro"))?;
    }
    tell("create", fsconfig_create(&context))?;
    let attributes = if what.read_only { MountAttrFlags::MOUNT_ATTR_RDONLY } else { MountAttrFlags::empty() };
    match fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes) {
        Ok(fd) => Ok(Detached(fd)),
        Err(errno) => Err(refused(&context, "fsmount", errno)),
    }
}

impl Detached {
    /// Attaches the mount at a directory.
    pub fn attach(&self, target: &Path, place: Place) -> Result<(), Errno> {
        let mut flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        if place == Place::Beneath {
            flags |= MoveMountFlags::MOVE_MOUNT_BENEATH;
        }
        move_mount(&self.0, c"", CWD, target, flags)
    }

    /// The mount's root directory, attached or not.
    pub fn root(&self) -> Result<OwnedFd, Errno> {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, c".", flags, rustix::fs::Mode::empty())
    }
}

/// Makes the mount at `target` read-only; `EBUSY` while a file is open for writing or mapped writable.
pub fn set_read_only(target: &Path) -> Result<(), Errno> {
    reconfigure(target, "ro")
}

/// Makes the mount at `target` writable again.
pub fn set_writable(target: &Path) -> Result<(), Errno> {
    reconfigure(target, "rw")
}

fn reconfigure(target: &Path, flag: &str) -> Result<(), Errno> {
    let context = fspick(CWD, target, FsPickFlags::FSPICK_CLOEXEC)?;
    fsconfig_set_flag(&context, flag)?;
    fsconfig_reconfigure(&context)
}

/// umount(2); `EBUSY` while anything uses the mount.
pub fn detach_unused(target: &Path) -> Result<(), Errno> {
    unmount(target, UnmountFlags::NOFOLLOW)
}

/// umount(2) with `MNT_DETACH`: gone from the tree at once, from memory when the last user goes.
pub fn detach(target: &Path) -> Result<(), Errno> {
    unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
}

/// Makes every mount of this namespace private, so that nothing done here reaches another.
pub fn make_all_private() -> Result<(), Errno> {
    use rustix::mount::{MountPropagationFlags, mount_change};
    mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
}

/// Reads what the kernel wrote into a context's message queue.
fn refused(context: impl AsFd, step: &'static str, errno: Errno) -> Refused {
    let mut said = Vec::new();
    let mut buffer = [0_u8; 1024];
    while let Ok(length) = rustix::io::read(&context, &mut buffer) {
        if length == 0 || said.len() > 32 {
            break;
        }
        let text = String::from_utf8_lossy(&buffer[..length]);
        let text = text.trim_end();
        said.push(text.strip_prefix("e overlay: ").unwrap_or(text).to_owned());
    }
    Refused { errno, step, said }
}

/// The `mount` line that makes the same overlay by hand.
///
/// Layers are given bottom → top and written top first, as the kernel wants them.
pub fn command_line(
    lowers: &[std::path::PathBuf],
    upper: Option<(&Path, &Path)>,
    target: &Path,
    volatile: bool,
) -> Vec<u8> {
    let mut options = b"userxattr".to_vec();
    for (index, lower) in lowers.iter().rev().enumerate() {
        options.extend_from_slice(if index == 0 { b",lowerdir=" } else { b":" });
        options.extend(escaped(lower, true));
    }
    if let Some((upper, work)) = upper {
        options.extend_from_slice(b",upperdir=");
        options.extend(escaped(upper, false));
        options.extend_from_slice(b",workdir=");
        options.extend(escaped(work, false));
        if volatile {
            options.extend_from_slice(b",volatile");
        }
    }
    let mut line = if upper.is_some() {
        b"mount -t overlay overlay -o ".to_vec()
    } else {
        b"mount -t overlay overlay -o ro,".to_vec()
    };
    line.extend(quoted(&options));
    line.push(b' ');
    line.extend(quoted(bytes(target)));
    line
}

fn bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes()
}

/// Escapes a path for the overlay's option string: `\` and `,` always, `:` in `lowerdir`.
fn escaped(path: &Path, colon: bool) -> impl Iterator<Item = u8> + '_ {
    bytes(path).iter().flat_map(move |&b| {
        let escape = matches!(b, b'\\' | b',') || (colon && b == b':');
        escape.then_some(b'\\').into_iter().chain([b])
    })
}

/// Quotes an argument for a POSIX shell, if it needs it.
fn quoted(argument: &[u8]) -> Vec<u8> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(b);
    if !argument.is_empty() && argument.iter().all(plain) {
        return argument.to_vec();
    }
    let mut text = vec![b'\''];
    for &b in argument {
        if b == b'\'' {
            text.extend_from_slice(br"'\''");
        } else {
            text.push(b);
        }
    }
    text.push(b'\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn the_command_line_lists_the_top_layer_first_and_escapes() {
        let lowers = [PathBuf::from("/l/base"), PathBuf::from("/l/a:b")];
        let line =
            command_line(&lowers, Some((Path::new("/u"), Path::new("/w,x"))), Path::new("/m p"), false);
        let text = String::from_utf8(line).unwrap();
        assert_eq!(
            text,
            r"mount -t overlay overlay -o 'userxattr,lowerdir=/l/a\:b:/l/base,upperdir=/u,workdir=/w\,x' '/m p'"
        );
        let plain = command_line(&lowers[..1], None, Path::new("/m"), false);
        assert_eq!(plain, b"mount -t overlay overlay -o ro,userxattr,lowerdir=/l/base /m");
    }
}
