//! What the host can do, by trying it; each "no" with its reason and a cure.

use std::os::fd::AsFd as _;
use std::path::Path;

use super::mount::{self, Overlay};
use super::{Dir, Errno, xattr};
use crate::model::Mode;

/// A "no".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct No {
    /// Why not.
    pub reason: String,
    /// The package, command or setting that helps.
    pub cure: Option<String>,
}

/// What was found, or why not.
pub type Answer = Result<String, No>;

fn no(reason: impl Into<String>, cure: &str) -> Answer {
    Err(No { reason: reason.into(), cure: Some(cure.to_owned()) })
}

/// A cure for a store whose file system does not do.
const ELSEWHERE: &str = "put the store on ext4, xfs, btrfs or tmpfs: `--store DIR`";

/// The kernel's release.
pub fn kernel() -> Answer {
    Ok(rustix::system::uname().release().to_string_lossy().into_owned())
}

/// Whether the kernel knows OverlayFS.
pub fn overlay_in_kernel() -> Answer {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if known.lines().any(|line| line.trim_end().ends_with("\toverlay")) {
        return Ok("yes".to_owned());
    }
    no("`overlay` is not in /proc/filesystems", "as root: `modprobe overlay`")
}

/// Whether the FUSE device can be opened.
pub fn fuse_device() -> Answer {
    use rustix::fs::{Mode, OFlags, open};
    match open(c"/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        Ok(_) => Ok("/dev/fuse opens".to_owned()),
        Err(Errno::ACCESS | Errno::PERM) => {
            no("/dev/fuse is closed to this user", "as root: `chmod 666 /dev/fuse`")
        }
        Err(errno) => no(format!("/dev/fuse: {errno}"), "as root: `modprobe fuse`"),
    }
}

/// The type of the file system that holds a path, by its magic number.
///
/// # Source
/// Linux `uapi/linux/magic.h`.
pub fn file_system(path: &Path) -> Answer {
    let found = rustix::fs::statfs(path).map_err(|errno| No { reason: errno.to_string(), cure: None })?;
    #[expect(clippy::cast_sign_loss, reason = "a magic number")]
    let name = match found.f_type as u64 & 0xffff_ffff {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0x6969 => "nfs",
        0x6573_5546 => "fuse",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        other => return Ok(format!("type {other:#x}")),
    };
    #[expect(clippy::cast_sign_loss, reason = "a block size")]
    let free = found.f_bavail * found.f_bsize as u64;
    Ok(format!("{name}, {} MiB free", free >> 20))
}

/// Whether the file system of a directory can hold an upper.
pub fn upper(dir: &Path) -> Answer {
    in_scratch(dir, |scratch| {
        scratch
            .mkdir(b"d", Mode::new(0o755))
            .map_err(|errno| No { reason: errno.to_string(), cure: None })?;
        let inner = scratch.handle(b"d").map_err(|errno| No { reason: errno.to_string(), cure: None })?;
        if let Err(errno) = xattr::set(&inner, b"user.overlay.probe", b"y") {
            return no(format!("it takes no `user.*` attributes ({errno})"), ELSEWHERE);
        }
        match scratch.whiteout(b"w") {
            Ok(()) => Ok("attributes and whiteouts work".to_owned()),
            Err(errno) => no(
                format!("it takes no whiteout devices ({errno}), as where it is an overlay itself"),
                ELSEWHERE,
            ),
        }
    })
}

/// Whether an overlay can really be mounted in a directory.
pub fn overlay_mount(dir: &Path) -> Answer {
    in_scratch(dir, |scratch| {
        let make = |name: &[u8]| {
            scratch
                .mkdir(name, Mode::new(0o755))
                .and_then(|()| scratch.dir(name))
                .map_err(|errno| No { reason: errno.to_string(), cure: None })
        };
        let (lower, upper, work) = (make(b"l")?, make(b"u")?, make(b"w")?);
        let what = Overlay {
            lowers: &[lower.as_fd()],
            upper: Some((upper.as_fd(), work.as_fd())),
            read_only: false,
            volatile: true,
        };
        match mount::overlay(&what) {
            Ok(mounted) => {
                let root = mounted.root().map(Dir::from_fd);
                // a mount that took no whiteouts would come out read-only or fail here
                match root.and_then(|root| root.mkdir(b"x", Mode::new(0o755))) {
                    Ok(()) => Ok("mounts and takes changes".to_owned()),
                    Err(errno) => no(format!("it mounts, but takes no changes ({errno})"), ELSEWHERE),
                }
            }
            Err(refused) => Err(No { reason: refused.to_string(), cure: cure(refused.errno) }),
        }
    })
}

/// What helps against a refused overlay mount.
pub fn cure(errno: Errno) -> Option<String> {
    Some(match errno {
        Errno::PERM | Errno::ACCESS => {
            "run as root, or allow user namespaces (see `doctor()`), or use `--driver direct`".to_owned()
        }
        Errno::NODEV => "as root: `modprobe overlay`".to_owned(),
        Errno::INVAL | Errno::OPNOTSUPP => format!("{ELSEWHERE}; or use `--driver direct`"),
        _ => return None,
    })
}

/// Works in a scratch directory that is gone afterwards.
fn in_scratch(dir: &Path, work: impl FnOnce(&Dir) -> Answer) -> Answer {
    let name = format!("tmp-probe-{}", std::process::id());
    let lost = |errno: Errno| No {
        reason: format!("cannot write in `{}`: {errno}", dir.display()),
        cure: Some("use a store elsewhere: `--store DIR`".to_owned()),
    };
    let parent = Dir::open(dir).map_err(lost)?;
    parent.mkdir(name.as_bytes(), Mode::new(0o700)).map_err(lost)?;
    let answer = parent.dir(name.as_bytes()).map_err(lost).and_then(|scratch| work(&scratch));
    parent.remove_tree(name.as_bytes()).map_err(lost)?;
    answer
}
