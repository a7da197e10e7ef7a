//! Who holds a directory's lock, and where the mount that he serves is to be found, also in other mount namespaces.
//!
//! All of it as far as `/proc` shows this user: what is not found may be there all the same.
//!
//! # Source
//! `proc_locks(5)`, `proc_pid_fdinfo(5)`; Linux `fs/fuse/dev.c` (`fuse_dev_show_fdinfo`).

use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::mountinfo::{self, Mounted};
use super::process::{User, all, user};
use super::{Dir, Errno};

/// A place where a mount is attached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The mount point, as the process there names it.
    pub point: PathBuf,
    /// A process of that mount namespace; `None` for this process's own.
    pub there: Option<User>,
}

/// The process that has locked a directory by flock(2), which the directory's other users cannot lock now.
pub fn of_lock(dir: &Dir) -> Option<User> {
    let stat = dir.stat_self().ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let suspects: Vec<Lock> = locks.lines().filter_map(Lock::parse).filter(|l| l.ino == stat.ino).collect();
    // a file system such as btrfs has another number in stat(2)
    let by_number = |lock: &&Lock| lock.dev == stat.dev || holds(lock.pid, (stat.dev, stat.ino));
    suspects.iter().find(by_number).map(|lock| user(lock.pid))
}

/// A lock of a whole file, as `/proc/locks` has it.
struct Lock {
    pid: u32,
    dev: u64,
    ino: u64,
}

impl Lock {
    /// `1: FLOCK  ADVISORY  WRITE 4242 fe:00:1234 0 EOF`; who only waits has an arrow before the kind.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace().skip(1);
        if fields.next()? != "FLOCK" {
            return None;
        }
        let pid = fields.nth(2)?.parse().ok().filter(|pid| *pid != 0)?;
        let mut place = fields.next()?.split(':');
        let mut hex = || u32::from_str_radix(place.next()?, 16).ok();
        let dev = makedev(hex()?, hex()?);
        Some(Self { pid, dev, ino: place.next()?.parse().ok()? })
    }
}

/// What `/proc` tells of each open file of a process, and the link to it.
fn files(pid: u32) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let link = Path::new("/proc").join(pid.to_string()).join("fd").join(entry.file_name());
        Some((fs::read_to_string(entry.path()).ok()?, link))
    })
}

/// Whether a process has a lock on this file.
fn holds(pid: u32, (dev, ino): (u64, u64)) -> bool {
    files(pid).any(|(info, link)| {
        let locked = info.lines().any(|line| line.starts_with("lock:") && line.contains("FLOCK"));
        locked && super::dir::stat_at(&link).is_ok_and(|stat| (stat.dev, stat.ino) == (dev, ino))
    })
}

/// The device numbers of the FUSE file systems that a process serves; none where the kernel does not tell.
pub fn serves(pid: u32) -> Vec<u64> {
    let number = |info: String| {
        let number = info.lines().find_map(|line| line.strip_prefix("fuse_connection:"))?;
        Some(makedev(0, number.trim().parse().ok()?))
    };
    files(pid).filter_map(|(info, _)| number(info)).collect()
}

/// The processes that serve a file system, to wait for.
#[derive(Debug)]
pub struct Servers(Vec<OwnedFd>);

/// Who serves the FUSE file system with a device number.
pub fn servers(dev: u64) -> Servers {
    let handle = |pid: u32| {
        let pid = Pid::from_raw(pid.try_into().ok()?)?;
        pidfd_open(pid, PidfdFlags::empty()).ok()
    };
    // the handle first: it stands for whoever had the number then
    Servers(
        all()
            .filter_map(|pid| Some((pid, handle(pid)?)))
            .filter(|(pid, _)| serves(*pid).contains(&dev))
            .map(|(_, handle)| handle)
            .collect(),
    )
}

impl Servers {
    /// Waits until all of them have ended.
    ///
    /// # Errors
    /// What poll(2) gives.
    pub fn wait(&self) -> Result<(), Errno> {
        for server in &self.0 {
            let mut ended = [PollFd::new(server, PollFlags::IN)];
            while poll(&mut ended, None)? == 0 {}
        }
        Ok(())
    }
}

/// Where a file system is mounted: here, else in another mount namespace.
pub fn mounted(dev: u64) -> Option<Place> {
    find(|mount, _| mount.dev == dev)
}

/// Where an overlay of the kernel is mounted that has a directory as its upper.
pub fn overlay_on(upper: &Dir) -> Option<Place> {
    let upper = upper.stat_self().ok()?;
    find(|mount, root| {
        let path = mount.upper.as_ref().and_then(|path| path.strip_prefix("/").ok());
        let found = path.and_then(|path| super::dir::stat_at(&root.join(path)).ok());
        found.is_some_and(|found| (found.dev, found.ino) == (upper.dev, upper.ino))
    })
}

/// The first mount of which this holds, by its entry and the root that its paths begin at.
fn find(holds: impl Fn(&Mounted, &Path) -> bool) -> Option<Place> {
    let point = |mounts: Vec<Mounted>, root: &Path| {
        let mount = mounts.into_iter().find(|mount| holds(mount, root))?;
        Some(mount.point)
    };
    if let Some(point) = mountinfo::all().ok().and_then(|mounts| point(mounts, Path::new("/"))) {
        return Some(Place { point, there: None });
    }
    let mut seen: Vec<OsString> = Vec::new();
    all().find_map(|pid| {
        let namespace = fs::read_link(format!("/proc/{pid}/ns/mnt")).ok()?.into_os_string();
        if seen.contains(&namespace) {
            return None;
        }
        seen.push(namespace);
        let mounts = mountinfo::of_process(pid).ok()?;
        let point = point(mounts, &PathBuf::from(format!("/proc/{pid}/root")))?;
        Some(Place { point, there: Some(user(pid)) })
    })
}

/// The processes that have a file of a file system open or stand in it, mounted or not.
pub fn users_of(dev: u64) -> Vec<User> {
    // asks for nothing that its server would have to answer
    let is_there = |link: PathBuf| {
        let asked = statx(CWD, link, AtFlags::STATX_DONT_SYNC, StatxFlags::empty());
        asked.is_ok_and(|found| makedev(found.stx_dev_major, found.stx_dev_minor) == dev)
    };
    let uses = |&pid: &u32| {
        let of = |name: &str| PathBuf::from(format!("/proc/{pid}/{name}"));
        is_there(of("cwd")) || is_there(of("root")) || files(pid).any(|(_, link)| is_there(link))
    };
    all().filter(uses).map(user).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::lock;

    #[test]
    fn a_line_of_locks_tells_who_holds_which_file() {
        let lock = Lock::parse("3: FLOCK  ADVISORY  WRITE 24342 fe:01:11611073 0 EOF").unwrap();
        assert_eq!((lock.pid, lock.dev, lock.ino), (24342, makedev(0xfe, 1), 11_611_073));
        for other in [
            "3: -> FLOCK  ADVISORY  WRITE 24342 fe:00:11611073 0 EOF",
            "1: POSIX  ADVISORY  READ 1 00:1b:17 0 EOF",
            "1: FLOCK  ADVISORY  WRITE 0 00:1b:17 0 EOF",
            "",
        ] {
            assert!(Lock::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn who_holds_a_lock_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Dir::open(dir.path()).unwrap();
        assert_eq!(of_lock(&dir), None);
        let held = lock::try_dir(&dir, true).unwrap().unwrap();
        let stat = dir.stat_self().unwrap();
        assert!(holds(std::process::id(), (stat.dev, stat.ino)));
        assert_eq!(of_lock(&dir).unwrap().pid, std::process::id());
        drop(held);
        assert_eq!(of_lock(&dir), None);
        assert!(!holds(std::process::id(), (stat.dev, stat.ino)));
    }

    #[test]
    fn where_a_file_system_is_mounted_and_who_uses_it_is_found() {
        let root = Dir::open(Path::new("/proc")).unwrap().stat_self().unwrap();
        assert_eq!(mounted(root.dev).unwrap().there, None);
        assert_eq!(mounted(makedev(4095, 1)), None);
        let open = fs::File::open("/proc/self/status").unwrap();
        assert!(users_of(root.dev).iter().any(|user| user.pid == std::process::id()));
        drop(open);
    }
}
