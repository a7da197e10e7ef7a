//! FUSE mounts by the new mount API: the device, the mount, its abortion.
//!
//! # Source
//! Kernel `Documentation/filesystems/fuse.rst`; fuse(4).

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
pub use rustix::mount::MountAttrFlags;
use rustix::mount::{FsMountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount};

use super::Errno;
use super::dir::own_ids;
use super::mount::{Detached, Refused, SOURCE, begin, refused};

/// The most that the kernel asks for in one request to read, in bytes: what an answer by a pipe can hold.
pub const MOST_READ: u32 = super::splice::MOST;

/// A setting of a file system, with its value if it has one.
pub type Setting = (Vec<u8>, Option<Vec<u8>>);

/// What is told to the kernel about a FUSE mount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fuse<'a> {
    /// What mountinfo shows as its source.
    pub source: &'a [u8],
    /// Whether the mount takes no changes.
    pub read_only: bool,
    /// What any file system can be told: `sync`, `lazytime`, a label of the security module.
    pub settings: &'a [Setting],
    /// What counts for the mount alone: `nodev`, `nosuid`, `noatime`, …
    pub attributes: MountAttrFlags,
}

impl Fuse<'_> {
    /// A mount of a stack in the store.
    pub fn of_store(read_only: bool) -> Self {
        Self { source: SOURCE.as_bytes(), read_only, settings: &[], attributes: MountAttrFlags::empty() }
    }
}

/// Opens the FUSE device.
pub fn device() -> Result<OwnedFd, Errno> {
    rustix::fs::open(c"/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, rustix::fs::Mode::empty())
}

/// Whether reading from the device would give something, a request or an error, at once.
pub fn has_request(device: impl AsFd) -> bool {
    let mut asked = [PollFd::new(&device, PollFlags::IN)];
    poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// Makes a FUSE mount, not attached yet. The kernel's first request waits on the device afterwards.
///
/// Everybody in this user namespace may use it; the kernel checks permissions by what the server says of each file.
///
/// # Errors
/// [`Refused`] with the step and the kernel's words.
pub fn mount(device: BorrowedFd<'_>, what: Fuse<'_>) -> Result<Detached, Refused> {
    let context = begin("fuse")?;
    let tell =
        |step, result: Result<(), Errno>| result.map_err(|errno| refused("fuse", &context, step, errno));
    let number = device.as_raw_fd().to_string();
    let (uid, gid) = own_ids();
    let (uid, gid) = (uid.to_string(), gid.to_string());
    tell("source", fsconfig_set_string(&context, "source", what.source))?;
    let settings =
        [("subtype", SOURCE), ("fd", &number), ("rootmode", "40000"), ("user_id", &uid), ("group_id", &gid)];
    for (key, value) in settings {
        tell(key, fsconfig_set_string(&context, key, value))?;
    }
    tell("max_read", fsconfig_set_string(&context, "max_read", MOST_READ.to_string()))?;
    for flag in ["default_permissions", "allow_other"] {
        tell(flag, fsconfig_set_flag(&context, flag))?;
    }
    if what.read_only {
        tell("ro", fsconfig_set_flag(&context, "ro"))?;
    }
    for (key, value) in what.settings {
        let told = match value {
            Some(value) => fsconfig_set_string(&context, &key[..], &value[..]),
            None => fsconfig_set_flag(&context, &key[..]),
        };
        tell("set", told)?;
    }
    tell("create", fsconfig_create(&context))?;
    let mut attributes = what.attributes;
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, what.read_only);
    let mounted = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes);
    mounted.map(Detached).map_err(|errno| refused("fuse", &context, "fsmount", errno))
}

/// Cuts a FUSE file system off from its server: whatever waits for an answer gets `ENOTCONN`.
///
/// `device` is the file system's device number as stat(2) gives it. Needs the control file system, which is usually
/// mounted at `/sys/fs/fuse/connections`; root of the machine can do without.
pub fn abort(device: u64) -> Result<(), Errno> {
    let path = format!("{}/abort", rustix::fs::minor(device));
    let tell = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    match std::fs::write(format!("/sys/fs/fuse/connections/{path}"), "1").map_err(tell) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let context = begin("fusectl").map_err(|refused| refused.errno)?;
    fsconfig_create(&context)?;
    let control = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    let abort =
        rustix::fs::openat(control, path, OFlags::WRONLY | OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
    rustix::io::write(abort, b"1").map(|_| ())
}

/// Has the kernel read so many KiB ahead where a file of the file system is read on.
///
/// `device` is as for [`abort`]. For root of the machine, with sysfs at its place; a mount begins with what its server
/// agreed to, at most 128 KiB.
///
/// # Source
/// Linux `Documentation/ABI/testing/sysfs-class-bdi`.
pub fn read_ahead(device: u64, kib: u32) -> Result<(), Errno> {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let path = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
    let tell = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let file = std::fs::OpenOptions::new().write(true).open(path).map_err(tell)?;
    std::io::Write::write_all(&mut &file, kib.to_string().as_bytes()).map_err(tell)
}

/// Whether the server of the mount whose root is open is gone.
pub fn is_dead(root: impl AsFd) -> bool {
    rustix::fs::fstatfs(root).is_err_and(|errno| errno == Errno::NOTCONN)
}
