//! Advisory locks between processes, by flock(2), and on single bytes of a file by `fcntl(2)`: gone with the process,
//! however it ends.
//!
//! Who waits for one looks again and again, so that Ctrl-C ends it whichever thread the signal comes to, and tells for
//! whom it waits once that has taken a while.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};

use super::process::{self, User};
use super::{Dir, Errno, signals};

/// How long somebody waits before it is told for whom.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often one who waits looks: at first, and when it takes longer.
const LOOK: (Duration, Duration) = (Duration::from_micros(200), Duration::from_millis(10));

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Hears that this thread waits for the lock of a file, and which processes hold it, as far as they can be seen.
pub type Tell = Box<dyn Fn(&Path, &[User])>;

thread_local! {
    static TELL: RefCell<Option<Tell>> = const { RefCell::new(None) };
}

/// From now on `tell` hears for whom this thread waits.
pub fn tell_waiting(tell: Tell) {
    TELL.set(Some(tell));
}

/// A held lock; released when dropped.
#[derive(Debug)]
pub struct Lock(File);

fn open(path: &Path) -> Result<File, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?))
}

/// Takes the lock if nobody else has it; `None` if somebody has.
pub fn try_exclusive(path: &Path) -> Result<Option<Lock>, Errno> {
    let file = open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Lock(file))),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Waits for the lock until it is not needed any more, which is asked after each try; `None` then. Ctrl-C ends the wait with
/// `EINTR`.
pub fn exclusive_unless(path: &Path, mut needless: impl FnMut() -> bool) -> Result<Option<Lock>, Errno> {
    let file = open(path)?;
    let mut taken = false;
    until_free(&file, None, || match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) if needless() => Ok(()),
        other => other.inspect(|()| taken = true),
    })?;
    Ok(taken.then_some(Lock(file)))
}

/// Waits for a lock that others may share.
pub fn shared(path: &Path) -> Result<Lock, Errno> {
    wait(open(path)?, FlockOperation::LockShared)
}

/// Takes a lock on an open directory itself, shared or exclusive, if nobody is in the way.
pub fn try_dir(dir: &Dir, exclusive: bool) -> Result<Option<Lock>, Errno> {
    let file =
        File::from(dir.open_raw(b".", OFlags::RDONLY | OFlags::DIRECTORY, crate::model::Mode::default())?);
    let operation = if exclusive {
        FlockOperation::NonBlockingLockExclusive
    } else {
        FlockOperation::NonBlockingLockShared
    };
    match flock(&file, operation) {
        Ok(()) => Ok(Some(Lock(file))),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Waits for the lock on an open directory itself; Ctrl-C ends the wait with `EINTR`.
pub fn exclusive_dir(dir: &Dir) -> Result<Lock, Errno> {
    wait_for_dir(dir, FlockOperation::LockExclusive)
}

/// As [`exclusive_dir`], of a lock that others may share.
pub fn shared_dir(dir: &Dir) -> Result<Lock, Errno> {
    wait_for_dir(dir, FlockOperation::LockShared)
}

fn wait_for_dir(dir: &Dir, operation: FlockOperation) -> Result<Lock, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    wait(File::from(dir.open_raw(b".", flags, crate::model::Mode::default())?), operation)
}

/// Waits for a lock that others may share, of a file where nothing can be written; `None` where there is no such file.
pub fn shared_to_read(dir: &Dir, name: &[u8]) -> Result<Option<Lock>, Errno> {
    match dir.file(name) {
        Ok(file) => wait(file, FlockOperation::LockShared).map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Takes the lock of a regular file right inside a directory if nobody else has it, and it is still there then; `create`
/// makes one that is missing.
pub fn try_file(dir: &Dir, name: &[u8], create: bool) -> Result<Option<Lock>, Errno> {
    let make = if create { OFlags::CREATE } else { OFlags::empty() };
    let mode = crate::model::Mode::new(0o600);
    let file = File::from(dir.open_raw(name, OFlags::RDWR | OFlags::NONBLOCK | make, mode)?);
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(errno) => return Err(errno),
    }
    let (ours, there) = (super::dir::stat_fd(&file)?, dir.stat(name)?);
    Ok(((ours.dev, ours.ino) == (there.dev, there.ino)).then_some(Lock(file)))
}

fn wait(file: File, operation: FlockOperation) -> Result<Lock, Errno> {
    let step = match operation {
        FlockOperation::LockShared => FlockOperation::NonBlockingLockShared,
        _ => FlockOperation::NonBlockingLockExclusive,
    };
    until_free(&file, None, || flock(&file, step))?;
    Ok(Lock(file))
}

/// Tries again as long as another process is in the way.
fn until_free(
    file: &File,
    byte: Option<u64>,
    mut attempt: impl FnMut() -> Result<(), Errno>,
) -> Result<(), Errno> {
    let start = Instant::now();
    let mut told = false;
    loop {
        match attempt() {
            Err(Errno::WOULDBLOCK | Errno::ACCESS) => {}
            Err(Errno::INTR) if !signals::interrupted() => continue,
            other => return other,
        }
        if signals::interrupted() {
            return Err(Errno::INTR);
        }
        let waited = start.elapsed();
        if waited >= PATIENCE && !told {
            told = true;
            tell(file, byte);
        }
        std::thread::sleep(if waited < LOOK.1 { LOOK.0 } else { LOOK.1 });
    }
}

fn tell(file: &File, byte: Option<u64>) {
    TELL.with_borrow(|tell| {
        if let Some(tell) = tell {
            tell(&path_of(file), &process::lockers(&path_of(file), byte));
        }
    });
}

/// Where an open file lies.
fn path_of(file: &File) -> PathBuf {
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default()
}

/// Locks on single bytes of the file that a [`Lock`] holds open; the file need not have those bytes, and the lock on the
/// file as a whole has nothing to do with them. What this process holds is never in its own way.
///
/// # Source
/// `fcntl_locking(2)`, "Open file description locks".
impl Lock {
    /// Holds a byte together with others; waits for who has it alone, and Ctrl-C ends the wait with `EINTR`.
    pub fn share_byte(&self, byte: u64) -> Result<(), Errno> {
        until_free(&self.0, Some(byte), || self.set(libc::F_RDLCK, byte))
    }

    /// Takes a byte alone; whether nobody else has it.
    pub fn try_byte(&self, byte: u64) -> Result<bool, Errno> {
        match self.set(libc::F_WRLCK, byte) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK | Errno::ACCESS) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Lets a byte go.
    pub fn free_byte(&self, byte: u64) -> Result<(), Errno> {
        self.set(libc::F_UNLCK, byte)
    }

    /// Whether another process has a byte.
    pub fn is_byte_used(&self, byte: u64) -> Result<bool, Errno> {
        let mut lock = region(libc::F_WRLCK, byte)?;
        fcntl(&self.0, FcntlArg::F_OFD_GETLK(&mut lock)).map_err(super::from_nix)?;
        Ok(i32::from(lock.l_type) != libc::F_UNLCK)
    }

    /// The processes that have a byte, as far as they can be seen.
    pub fn users_of_byte(&self, byte: u64) -> Vec<User> {
        process::lockers(&path_of(&self.0), Some(byte))
    }

    fn set(&self, how: i32, byte: u64) -> Result<(), Errno> {
        fcntl(&self.0, FcntlArg::F_OFD_SETLK(&region(how, byte)?)).map(|_| ()).map_err(super::from_nix)
    }
}

/// One byte, as fcntl(2) is told of it.
fn region(how: i32, byte: u64) -> Result<libc::flock, Errno> {
    let start = libc::off_t::try_from(byte).map_err(|_| Errno::OVERFLOW)?;
    let how = libc::c_short::try_from(how).map_err(|_| Errno::INVAL)?;
    Ok(libc::flock { l_type: how, l_whence: 0, l_start: start, l_len: 1, l_pid: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn a_byte_is_shared_or_one_process_has_it_alone() {
        let host = tempfile::tempdir().unwrap();
        let path = host.path().join("lock");
        let (one, two) = (shared(&path).unwrap(), shared(&path).unwrap());
        one.share_byte(7).unwrap();
        assert!(!one.is_byte_used(7).unwrap() && two.is_byte_used(7).unwrap());
        two.share_byte(7).unwrap();
        assert!(!two.try_byte(7).unwrap() && two.try_byte(1 << 62).unwrap());
        one.free_byte(7).unwrap();
        assert!(two.try_byte(7).unwrap());
        let own = one.users_of_byte(7);
        assert!(own.iter().any(|user| user.pid == std::process::id()), "{own:?}");
        drop(two);
        assert!(!one.is_byte_used(7).unwrap() && one.users_of_byte(7).is_empty());
    }

    #[test]
    fn a_lock_that_is_not_needed_any_more_is_not_waited_for() {
        let host = tempfile::tempdir().unwrap();
        let path = host.path().join("lock");
        let held = exclusive_unless(&path, || panic!("it is free")).unwrap();
        assert!(held.is_some());
        let mut tries = 0;
        let mut at_third = || {
            tries += 1;
            tries == 3
        };
        assert!(exclusive_unless(&path, &mut at_third).unwrap().is_none());
        drop(held);
        assert!(exclusive_unless(&path, || false).unwrap().is_some());
    }

    #[test]
    fn who_waits_long_tells_for_whom_and_goes_on_once_the_lock_is_free() {
        let host = tempfile::tempdir().unwrap();
        let path = host.path().join("lock");
        let held = try_exclusive(&path).unwrap().unwrap();
        let heard = Rc::new(RefCell::new(Vec::new()));
        let (hears, frees) = (heard.clone(), RefCell::new(Some(held)));
        tell_waiting(Box::new(move |path, users| {
            hears.borrow_mut().push((path.to_owned(), users.to_vec()));
            frees.take();
        }));
        drop(shared(&path).unwrap());
        let heard = heard.borrow();
        let [(at, users)] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!(*at, path.canonicalize().unwrap());
        assert!(users.iter().any(|user| user.pid == std::process::id()), "{users:?}");
    }
}
