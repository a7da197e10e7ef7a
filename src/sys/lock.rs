//! Advisory locks between processes, by flock(2): gone with the process, however it ends.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};

use super::file::until_heeded;
use super::{Dir, Errno};

/// A held lock; released when dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

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

/// Waits for the lock; Ctrl-C ends the wait with `EINTR`.
pub fn exclusive(path: &Path) -> Result<Lock, Errno> {
    wait(open(path)?, FlockOperation::LockExclusive)
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
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    wait(File::from(dir.open_raw(b".", flags, crate::model::Mode::default())?), FlockOperation::LockExclusive)
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
    until_heeded(|| flock(&file, operation))?;
    Ok(Lock(file))
}
