//! The only door to the system: every system call and the only `unsafe` live here.

pub mod dir;
pub mod xattr;

pub use dir::{Dir, RawItem, RawStat};
pub use rustix::fs::{OFlags, RenameFlags};
pub use rustix::io::Errno;
