//! Overlay mounts by the new mount API, every directory by descriptor.
//!
//! No option string: no 4 KiB limit, no escaping, no rename races; up to 500 layers. Our stacks run
//! bottom → top; the kernel's `lowerdir+` list runs top first, so the order is turned round here and only here.
//! A mount that is there is worked on through a descriptor of its root, so that whatever somebody mounted over it or
//! renamed above it is never hit instead.
//!
//! # Source
//! Kernel `Documentation/filesystems/overlayfs.rst`; fsopen(2), fsconfig(2), `move_mount(2)`.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, StatxFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_reconfigure, fsconfig_set_fd, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, fspick,
    move_mount, unmount,
};

use super::Errno;

/// The source that our overlay mounts show in mountinfo.
pub const SOURCE: &str = "ufs";

/// The most layers that the kernel takes (`OVL_MAX_STACK`).
pub const MAX_LAYERS: usize = 500;

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
    /// Whether an upper that another mount uses, wherever that is, is refused (`EBUSY`).
    pub exclusive: bool,
}

/// How directories are handed to the kernel; each next one is for an older kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passing {
    /// As descriptors (Linux 6.13).
    Descriptors,
    /// Layer by layer as `/proc/self/fd/N` (Linux 6.7).
    Paths,
    /// As one `lowerdir` text of at most 255 bytes: about 15 layers (Linux 5.11, for `userxattr`).
    Joined,
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
    /// The kind of file system: `overlay`, `fuse`.
    pub what: &'static str,
    /// The errno.
    pub errno: Errno,
    /// What was tried: `fsopen`, `lowerdir+`, `create`, …
    pub step: &'static str,
    /// The kernel's own messages, without the `e overlay: ` in front; often empty.
    pub said: Vec<String>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = if self.said.is_empty() { self.errno.to_string() } else { self.said.join("; ") };
        write!(f, "the kernel refused the {} at `{}`: {said}", self.what, self.step)
    }
}

/// A mount that is not attached anywhere yet; gone when dropped.
#[derive(Debug)]
pub struct Detached(pub(super) OwnedFd);

/// Makes an overlay, not attached yet, by the newest way that this kernel knows.
///
/// # Errors
/// [`Refused`] with the step and the kernel's words.
pub fn overlay(what: &Overlay<'_>) -> Result<Detached, Refused> {
    match overlay_by(what, Passing::Descriptors) {
        Err(refused) if is_unknown(&refused, "lowerdir+") => match overlay_by(what, Passing::Paths) {
            Err(refused) if is_unknown(&refused, "lowerdir+") => overlay_by(what, Passing::Joined),
            other => other,
        },
        other => other,
    }
}

/// Whether a kernel refused an option because it does not know it in this form (and not for what it was given).
fn is_unknown(refused: &Refused, step: &str) -> bool {
    let about_form = |text: &String| text.contains("Bad value") || text.contains("Unknown parameter");
    refused.step == step
        && refused.errno == Errno::INVAL
        && (refused.said.is_empty() || refused.said.iter().any(about_form))
}

/// Whether some overlay, in this mount namespace or another, attached or not, has the directory as its upper.
///
/// The kernel looks at this before all else, so the attempt is made such that it always fails: with the upper as its own
/// scratch directory. `false` where overlays cannot be made.
///
/// # Source
/// Linux `fs/overlayfs/super.c`: `ovl_get_upper`, then `ovl_get_workdir`.
pub fn is_upper_in_use(upper: BorrowedFd<'_>, any_dir: BorrowedFd<'_>) -> Result<bool, Errno> {
    let what = Overlay {
        lowers: &[any_dir],
        upper: Some((upper, upper)),
        read_only: false,
        volatile: false,
        exclusive: true,
    };
    match overlay(&what).map_err(|refused| refused.errno) {
        Err(Errno::BUSY) => Ok(true),
        // there was no attempt
        Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => Err(errno),
        // refused for another reason, as where nothing can be mounted at all
        Ok(_) | Err(_) => Ok(false),
    }
}

/// Makes an overlay in one given way.
///
/// # Errors
/// As [`overlay`].
pub fn overlay_by(what: &Overlay<'_>, passing: Passing) -> Result<Detached, Refused> {
    let context = begin("overlay")?;
    let tell =
        |step, result: Result<(), Errno>| result.map_err(|errno| refused("overlay", &context, step, errno));
    let set = |key: &'static str, dir: BorrowedFd<'_>| {
        let result = match passing {
            Passing::Descriptors => fsconfig_set_fd(&context, key, dir),
            Passing::Paths | Passing::Joined => fsconfig_set_string(&context, key, by_fd(dir)),
        };
        tell(key, result)
    };
    tell("source", fsconfig_set_string(&context, "source", SOURCE))?;
    if passing == Passing::Joined {
        let lowers: Vec<String> = what.lowers.iter().rev().map(by_fd).collect();
        tell("lowerdir", fsconfig_set_string(&context, "lowerdir", lowers.join(":")))?;
    } else {
        for lower in what.lowers.iter().rev() {
            set("lowerdir+", *lower)?;
        }
    }
    if let Some((upper, work)) = what.upper {
        set("upperdir", upper)?;
        set("workdir", work)?;
        if what.volatile && fsconfig_set_string(&context, "fsync", "volatile").is_err() {
            tell("volatile", fsconfig_set_flag(&context, "volatile"))?;
        }
    }
    if what.exclusive {
        tell("index", fsconfig_set_string(&context, "index", "on"))?;
    }
    tell("userxattr", fsconfig_set_flag(&context, "userxattr"))?;
    if what.read_only || what.upper.is_none() {
        tell("ro", fsconfig_set_flag(&context, "ro"))?;
    }
    tell("create", fsconfig_create(&context))?;
    let attributes = if what.read_only { MountAttrFlags::MOUNT_ATTR_RDONLY } else { MountAttrFlags::empty() };
    match fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes) {
        Ok(fd) => Ok(Detached(fd)),
        Err(errno) => Err(refused("overlay", &context, "fsmount", errno)),
    }
}

/// Opens a context for a new file system.
pub(super) fn begin(what: &'static str) -> Result<OwnedFd, Refused> {
    fsopen(what, FsOpenFlags::FSOPEN_CLOEXEC).map_err(|errno| Refused {
        what,
        errno,
        step: "fsopen",
        said: Vec::new(),
    })
}

/// The path by which an open file is reached; short enough for every option.
pub(super) fn by_fd(fd: impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

impl Detached {
    /// Attaches the mount: on top of a directory, or beneath the mount whose root `target` is.
    pub fn attach(&self, target: impl AsFd, place: Place) -> Result<(), Errno> {
        let mut flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        if place == Place::Beneath {
            flags |= MoveMountFlags::MOVE_MOUNT_BENEATH;
        }
        move_mount(&self.0, c"", target, c"", flags)
    }

    /// The mount's root directory, attached or not.
    pub fn root(&self) -> Result<OwnedFd, Errno> {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, c".", flags, rustix::fs::Mode::empty())
    }
}

/// The number of the mount that an open file lies in (`STATX_MNT_ID`, Linux 5.8).
pub fn id(fd: impl AsFd) -> Result<u64, Errno> {
    Ok(rustix::fs::statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id)
}

/// The number of the topmost mount at a path.
pub fn id_at(path: &Path) -> Result<u64, Errno> {
    Ok(rustix::fs::statx(rustix::fs::CWD, path, AtFlags::empty(), StatxFlags::MNT_ID)?.stx_mnt_id)
}

/// Makes the file system of a mount read-only, given its root; `EBUSY` while a file is open for writing or mapped
/// writable, or a deleted one is open at all.
pub fn set_read_only(root: impl AsFd) -> Result<(), Errno> {
    reconfigure(root, "ro")
}

/// Makes it writable again.
pub fn set_writable(root: impl AsFd) -> Result<(), Errno> {
    reconfigure(root, "rw")
}

fn reconfigure(root: impl AsFd, flag: &str) -> Result<(), Errno> {
    let context = fspick(root, c"", FsPickFlags::FSPICK_CLOEXEC | FsPickFlags::FSPICK_EMPTY_PATH)?;
    fsconfig_set_flag(&context, flag)?;
    fsconfig_reconfigure(&context)
}

/// umount(2) of the topmost mount at a path; `EBUSY` while anything uses it.
pub fn detach_unused(target: &Path) -> Result<(), Errno> {
    unmount(target, UnmountFlags::NOFOLLOW)
}

/// umount(2) with `MNT_DETACH` of the mount whose root is given: gone from the tree at once, from memory when the last
/// user goes. `EINVAL` if it is attached nowhere.
pub fn detach(root: impl AsFd) -> Result<(), Errno> {
    unmount(by_fd(root), UnmountFlags::DETACH)
}

/// Takes what is mounted at a path out of the tree (`MNT_DETACH`), also where its server is gone and it answers nothing.
pub fn detach_at(target: &Path) -> Result<(), Errno> {
    unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
}

/// The same with `MNT_FORCE`: what its server was asked and has not answered fails.
pub fn detach_by_force(target: &Path) -> Result<(), Errno> {
    unmount(target, UnmountFlags::FORCE | UnmountFlags::NOFOLLOW)
}

/// Makes every mount of this namespace private, so that nothing done here reaches another.
pub fn make_all_private() -> Result<(), Errno> {
    use rustix::mount::{MountPropagationFlags, mount_change};
    mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
}

/// Lets nothing be run, no device be opened and no file give rights, on any mount of this namespace.
pub fn use_for_data_only() -> Result<(), Errno> {
    let set = MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    change_attributes(rustix::fs::CWD, c"/", libc::AT_RECURSIVE, (set, MountAttrFlags::empty()))
}

/// Takes attributes away from the mount whose root is given, and gives it others.
pub(super) fn set_attributes(
    root: impl AsFd,
    set: MountAttrFlags,
    clear: MountAttrFlags,
) -> Result<(), Errno> {
    change_attributes(root, c"", libc::AT_EMPTY_PATH, (set, clear))
}

/// # Source
/// `mount_setattr(2)`.
#[expect(unsafe_code, reason = "a system call that no safe crate has")]
fn change_attributes(
    dir: impl AsFd,
    path: &std::ffi::CStr,
    flags: i32,
    (set, clear): (MountAttrFlags, MountAttrFlags),
) -> Result<(), Errno> {
    let attributes = libc::mount_attr {
        attr_set: set.bits().into(),
        attr_clr: clear.bits().into(),
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path ends with a zero byte, and the kernel reads as many bytes of `attributes` as it has.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_fd().as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    if done == 0 { Ok(()) } else { Err(super::last_errno()) }
}

/// Reads what the kernel wrote into a context's message queue.
pub(super) fn refused(what: &'static str, context: impl AsFd, step: &'static str, errno: Errno) -> Refused {
    let mut said = Vec::new();
    let mut buffer = [0_u8; 1024];
    while let Ok(length) = rustix::io::read(&context, &mut buffer) {
        if length == 0 || said.len() > 32 {
            break;
        }
        let text = String::from_utf8_lossy(&buffer[..length]);
        let text = text.trim_end();
        let words = text.strip_prefix("e ").unwrap_or(text);
        said.push(
            words.strip_prefix(what).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(words).to_owned(),
        );
    }
    Refused { what, errno, step, said }
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
