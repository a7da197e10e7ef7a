//! The only door to the system: every system call and the only `unsafe` live here.

pub use rustix::io::Errno;
