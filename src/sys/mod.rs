//! The only door to the system: every system call and the only `unsafe` live here.

pub mod apart;
pub mod awake;
mod child;
pub mod copy;
pub mod daemon;
pub mod dir;
pub mod fault;
pub mod file;
pub mod fuse;
pub mod fusermount;
pub mod handle;
pub mod holder;
pub mod inflate;
pub mod lock;
pub mod memory;
pub mod mount;
pub mod mountinfo;
pub mod namespace;
pub mod private;
pub mod probe;
pub mod process;
mod recent;
mod remove;
pub mod rights;
pub mod sandbox;
pub mod signals;
pub mod splice;
pub mod step;
pub mod terminal;
pub mod xattr;

use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub use dir::{Dir, RawItem, RawStat};
pub use rustix::fs::{OFlags, RenameFlags};
pub use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::model::Timestamp;

/// What the last system call of this thread failed with.
fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn from_nix(errno: nix::Error) -> Errno {
    Errno::from_raw_os_error(errno as i32)
}

/// Text without ` (os error 2)` and the like, which Rust puts behind the system's words: they say the same.
pub fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out += part.split_once(')').map_or(part, |(_, rest)| rest);
    }
    out
}

/// The time now.
pub fn now() -> Timestamp {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    Timestamp { secs: now.tv_sec, nanos: u32::try_from(now.tv_nsec).unwrap_or(0) }
}

/// The time now as the kernel stamps files: that of the last tick, so never later than what a file gets right after.
pub fn now_as_stamped() -> Timestamp {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    Timestamp { secs: now.tv_sec, nanos: u32::try_from(now.tv_nsec).unwrap_or(0) }
}

/// syncfs(2): all that is unwritten on the file system that holds `fd` goes to the disk.
pub fn sync_fs(fd: impl AsFd) -> Result<(), Errno> {
    rustix::fs::syncfs(fd)
}

/// fsync(2).
pub fn sync(fd: impl AsFd) -> Result<(), Errno> {
    rustix::fs::fsync(fd)
}

/// Gives memory that was freed back to the system, where the allocator keeps it.
#[cfg_attr(target_env = "gnu", expect(unsafe_code, reason = "malloc_trim"))]
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number and works on the allocator's own data, under the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The umask that this process was started with, once [`clear_umask`] took it away.
static USERS_UMASK: AtomicU32 = AtomicU32::new(UNTOUCHED);
const UNTOUCHED: u32 = u32::MAX;

/// Lets every file be made with exactly the mode that is asked for; programs run by [`process::shell`] get the user's
/// own umask back.
pub fn clear_umask() {
    let before = rustix::process::umask(rustix::fs::Mode::empty());
    let kept = USERS_UMASK.compare_exchange(UNTOUCHED, before.bits(), Ordering::Relaxed, Ordering::Relaxed);
    if kept.is_err() {
        log::debug!("the umask was cleared before");
    }
}

/// The mode of a file that is made for the user on the host: what their umask leaves of it.
pub fn host_mode(mode: u32) -> u32 {
    users_umask().map_or(mode, |umask| mode & !umask)
}

/// The umask for programs that are run, if it is not the process's own.
fn users_umask() -> Option<u32> {
    Some(USERS_UMASK.load(Ordering::Relaxed)).filter(|&umask| umask != UNTOUCHED)
}

/// The limit of open files that this process was started with, once [`raise_file_limit`] lifted it.
static USERS_FILE_LIMIT: OnceLock<Rlimit> = OnceLock::new();

/// Lifts the limit of open files to what is allowed: a stack of 500 layers needs as many descriptors. Programs run by
/// [`process::shell`] get the user's own limit back, as some go through every number up to it.
pub fn raise_file_limit() {
    let before = getrlimit(Resource::Nofile);
    if before.current == before.maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: before.maximum, ..before }) {
        Ok(()) => drop(USERS_FILE_LIMIT.set(before)),
        Err(errno) => log::debug!("the limit of open files stays: {errno}"),
    }
}

/// The limit of open files for programs that are run, if it is not the process's own.
fn users_file_limit() -> Option<Rlimit> {
    USERS_FILE_LIMIT.get().copied()
}

/// Columns and rows of the terminal behind `fd`; `None` where it is none.
pub fn terminal_size(fd: impl AsFd) -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(fd).ok()?;
    (size.ws_col > 0).then_some((size.ws_col, size.ws_row))
}

/// The symbolic name of an errno; `EUNKNOWN` for one outside errno(3).
///
/// # Source
/// errno(3), as Linux has it.
pub fn errno_name(errno: Errno) -> &'static str {
    macro_rules! table {
        ($($name:ident)*) => {
            match errno {
                $(Errno::$name => concat!("E", stringify!($name)),)*
                Errno::TOOBIG => "E2BIG",
                Errno::ACCESS => "EACCES",
                Errno::NOTSUP => "EOPNOTSUPP",
                _ => "EUNKNOWN",
            }
        };
    }
    table!(PERM NOENT SRCH INTR IO NXIO NOEXEC BADF CHILD AGAIN NOMEM FAULT NOTBLK BUSY EXIST XDEV NODEV NOTDIR
        ISDIR INVAL NFILE MFILE NOTTY TXTBSY FBIG NOSPC SPIPE ROFS MLINK PIPE DOM RANGE DEADLK NAMETOOLONG NOLCK
        NOSYS NOTEMPTY LOOP NODATA TIME NOSR NONET NOLINK PROTO BADMSG OVERFLOW ILSEQ USERS NOTSOCK MSGSIZE
        AFNOSUPPORT ADDRINUSE CONNREFUSED CONNRESET NOBUFS NOTCONN TIMEDOUT HOSTUNREACH ALREADY INPROGRESS STALE
        UCLEAN NAVAIL REMOTEIO DQUOT NOMEDIUM MEDIUMTYPE CANCELED NOKEY KEYEXPIRED KEYREVOKED KEYREJECTED OWNERDEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_is_named_as_in_the_manual() {
        assert_eq!(errno_name(Errno::NOENT), "ENOENT");
        assert_eq!(errno_name(Errno::ACCESS), "EACCES");
        assert_eq!(errno_name(Errno::OPNOTSUPP), "EOPNOTSUPP");
        assert_eq!(errno_name(Errno::WOULDBLOCK), "EAGAIN");
        assert_eq!(errno_name(Errno::from_raw_os_error(4000)), "EUNKNOWN");
    }
}
