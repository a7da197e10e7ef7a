//! What the host can do, by trying it; each "no" with its reason and a cure.

use std::os::fd::AsFd;
use std::path::Path;

use super::mount::{self, Overlay};
use super::{Dir, Errno, xattr};
use crate::model::{Mode, WhiteoutForm};

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

/// Whether `/proc` leads from an open file back to it. Much here goes that way, and who asks for a change, with which
/// rights, is told there alone.
pub fn proc() -> Answer {
    let place = |dir: &Dir| dir.stat_self().map(|stat| (stat.dev, stat.ino));
    let leads_back = || {
        // one that a sandbox opens, too
        let dir = Dir::open(Path::new("/proc"))?;
        let again = Dir::open(Path::new(&mount::by_fd(&dir)))?;
        Ok(place(&dir)? == place(&again)?)
    };
    let reason = match leads_back() {
        Ok(true) => return Ok("mounted".to_owned()),
        Ok(false) => "`/proc` is not the kernel's".to_owned(),
        Err(Errno::NOENT | Errno::NOTDIR) => "no `/proc` is mounted that shows this process".to_owned(),
        Err(errno) => format!("`/proc` does not lead to this process's files: {errno}"),
    };
    no(reason, "as root: `mount -t proc proc /proc`")
}

/// Whether the kernel knows OverlayFS.
pub fn overlay_in_kernel() -> Answer {
    let known = match std::fs::read_to_string("/proc/filesystems") {
        Ok(known) => known,
        Err(error) => {
            return Err(No { reason: format!("cannot read /proc/filesystems: {error}"), cure: None });
        }
    };
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
        Err(errno @ (Errno::ACCESS | Errno::PERM)) => {
            Err(No { reason: "/dev/fuse is closed to this user".to_owned(), cure: fuse_cure(errno) })
        }
        Err(errno) => Err(No { reason: format!("/dev/fuse: {errno}"), cure: fuse_cure(errno) }),
    }
}

/// What helps against a FUSE device that does not open.
pub fn fuse_cure(errno: Errno) -> Option<String> {
    Some(match errno {
        Errno::ACCESS | Errno::PERM => "as root: `chmod 666 /dev/fuse`".to_owned(),
        Errno::NOENT | Errno::NODEV | Errno::NXIO => {
            "as root: `modprobe fuse`; in a container: pass `/dev/fuse` in".to_owned()
        }
        _ => return None,
    })
}

/// The type of the file system that holds an open file, by its magic number.
///
/// # Source
/// Linux `uapi/linux/magic.h`.
pub fn file_system_type(fd: impl AsFd) -> Result<String, Errno> {
    #[expect(clippy::cast_sign_loss, reason = "a magic number")]
    let magic = rustix::fs::fstatfs(fd)?.f_type as u64 & 0xffff_ffff;
    let name = match magic {
        0xef53 => "ext4",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0x6969 => "nfs",
        0x6573_5546 => "fuse",
        0x2fc1_2fc1 => "zfs",
        0xf2f5_2010 => "f2fs",
        0xca45_1a4e => "bcachefs",
        0x0102_1997 => "9p",
        0xff53_4d42 | 0xfe53_4d42 => "cifs",
        0x4d44 => "vfat",
        0x7371_7368 => "squashfs",
        0xe0f5_e1e2 => "erofs",
        other => return Ok(format!("type {other:#x}")),
    };
    Ok(name.to_owned())
}

/// Whether the file system or the mount that holds an open file is read-only.
pub fn is_read_only(fd: impl AsFd) -> bool {
    use rustix::fs::StatVfsMountFlags;
    rustix::fs::fstatvfs(fd).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Bytes that this user may still write on the file system that holds an open file.
pub fn free_space(fd: impl AsFd) -> Result<u64, Errno> {
    let found = rustix::fs::fstatvfs(fd)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The file system that holds a directory, and how much of it is free.
pub fn file_system(path: &Path) -> Answer {
    let found = Dir::open(path).and_then(|dir| Ok((file_system_type(&dir)?, free_space(&dir)?)));
    match found {
        Ok((name, free)) => match free >> 30 {
            0 => Ok(format!("{name}, {} MiB free", free >> 20)),
            gib => Ok(format!("{name}, {gib} GiB free")),
        },
        Err(errno) => Err(No { reason: format!("cannot look at `{}`: {errno}", path.display()), cure: None }),
    }
}

/// Whether this machine's settings let users without privilege make user namespaces.
///
/// # Source
/// `user_namespaces(7)`; Debian's `unprivileged_userns_clone`; Ubuntu's `AppArmor` restriction.
pub fn user_namespaces() -> Answer {
    // the setting, the value that forbids, one that allows
    const SETTINGS: [(&str, &str, &str); 3] = [
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("user.max_user_namespaces", "0", "15000"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ];
    if !Path::new("/proc/self/ns/user").exists() {
        return no("this kernel has no user namespaces", "run as root, or use `--driver direct`");
    }
    for (name, forbids, allows) in SETTINGS {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        if std::fs::read_to_string(path).is_ok_and(|value| value.trim() == forbids) {
            return no(format!("`{name}` is {forbids}"), &format!("as root: `sysctl -w {name}={allows}`"));
        }
    }
    Ok("no setting forbids them".to_owned())
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
            exclusive: false,
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
pub fn in_scratch(dir: &Path, work: impl FnOnce(&Dir) -> Answer) -> Answer {
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

/// Tries in a directory which form whiteouts take there: the kernel's is a device, which a file system that is itself an
/// overlay refuses, and what else makes no devices. Uses `name` for it, and frees it.
///
/// # Errors
/// What the file system says when it cannot be written.
pub fn whiteout_form(dir: &Dir, name: &[u8]) -> Result<WhiteoutForm, Errno> {
    match dir.unlink(name) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno),
    }
    match dir.whiteout(name) {
        Ok(()) => dir.unlink(name).map(|()| WhiteoutForm::Device),
        Err(Errno::PERM | Errno::ACCESS | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
            Ok(WhiteoutForm::Xattr)
        }
        Err(errno) => Err(errno),
    }
}
