//! The only door to the system: every system call and the only `unsafe` live here.

pub mod copy;
pub mod dir;
pub mod lock;
pub mod mount;
pub mod mountinfo;
pub mod namespace;
pub mod probe;
pub mod process;
pub mod signals;
pub mod xattr;

use std::os::fd::AsFd;

pub use dir::{Dir, RawItem, RawStat};
pub use rustix::fs::{OFlags, RenameFlags};
pub use rustix::io::Errno;

use crate::model::Timestamp;

/// The time now.
pub fn now() -> Timestamp {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
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

/// Lets every file be made with exactly the mode that is asked for.
pub fn clear_umask() {
    rustix::process::umask(rustix::fs::Mode::empty());
}

/// Lifts the limit of open files to what is allowed: a stack of 500 layers needs as many descriptors.
pub fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(errno) = setrlimit(Resource::Nofile, limit) {
            log::debug!("the limit of open files stays: {errno}");
        }
    }
}

/// Columns and rows of the terminal behind `fd`; `None` where it is none.
pub fn terminal_size(fd: impl AsFd) -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(fd).ok()?;
    (size.ws_col > 0).then_some((size.ws_col, size.ws_row))
}

/// The symbolic name of an errno.
///
/// # Source
/// errno(3), the ones that file systems and mounts answer.
pub fn errno_name(errno: Errno) -> &'static str {
    macro_rules! table {
        ($($name:ident)*) => {
            match errno {
                $(Errno::$name => concat!("E", stringify!($name)),)*
                Errno::TOOBIG => "E2BIG",
                Errno::ACCESS => "EACCES",
                Errno::OPNOTSUPP => "EOPNOTSUPP",
                _ => "EIO",
            }
        };
    }
    table!(PERM NOENT INTR IO NXIO BADF AGAIN NOMEM FAULT BUSY EXIST XDEV NODEV NOTDIR ISDIR INVAL NFILE
        MFILE TXTBSY FBIG NOSPC SPIPE ROFS MLINK PIPE RANGE DEADLK NAMETOOLONG NOSYS NOTEMPTY LOOP NODATA
        OVERFLOW STALE DQUOT USERS TIMEDOUT)
}
