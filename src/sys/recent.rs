//! System calls that take a directory and a name, newer than the crates know: modes and attributes of the name itself,
//! without the way through `/proc` that older kernels leave.
//!
//! Each answers `None` where the kernel or a filter of system calls does not know it, and then the caller goes the
//! longer way.
//!
//! # Source
//! Linux 6.6, `fs/open.c`: `fchmodat2`; Linux 6.13, `fs/xattr.c`: `getxattrat`, `listxattrat`, `removexattrat`.

use std::ffi::{CStr, CString, c_long};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Errno, last_errno};

/// Where the calls have these numbers; the architectures left out number them differently.
const IS_NUMBERED: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"));

/// A call, and whether the kernel may know it.
struct Call {
    number: c_long,
    known: AtomicBool,
}

static CHMOD: Call = Call::new(452);
static GET: Call = Call::new(464);
static LIST: Call = Call::new(465);
static REMOVE: Call = Call::new(466);

impl Call {
    const fn new(number: c_long) -> Self {
        Self { number, known: AtomicBool::new(IS_NUMBERED) }
    }

    fn ask(&self, call: impl FnOnce(c_long) -> c_long) -> Option<Result<usize, Errno>> {
        if !self.known.load(Ordering::Relaxed) {
            return None;
        }
        let returned = usize::try_from(call(self.number)).map_err(|_| last_errno());
        match returned {
            Err(Errno::NOSYS) => {
                self.known.store(false, Ordering::Relaxed);
                None
            }
            // so answer filters of system calls about one that they do not know
            Err(Errno::PERM) => None,
            other => Some(other),
        }
    }
}

fn c_string(name: &[u8]) -> Result<CString, Errno> {
    CString::new(name).map_err(|_| Errno::INVAL)
}

/// chmod(2) of the name itself.
pub(super) fn chmod_at(dir: BorrowedFd<'_>, name: &[u8], mode: u32) -> Option<Result<(), Errno>> {
    let Ok(name) = c_string(name) else { return Some(Err(Errno::INVAL)) };
    CHMOD.ask(|number| chmod(number, dir, &name, mode)).map(|done| done.map(|_| ()))
}

/// lgetxattr(2).
pub(super) fn get_at(
    dir: BorrowedFd<'_>,
    name: &[u8],
    attribute: &[u8],
    value: &mut [u8],
) -> Option<Result<usize, Errno>> {
    let (Ok(name), Ok(attribute)) = (c_string(name), c_string(attribute)) else {
        return Some(Err(Errno::INVAL));
    };
    GET.ask(|number| get(number, dir, &name, &attribute, value))
}

/// llistxattr(2).
pub(super) fn list_at(dir: BorrowedFd<'_>, name: &[u8], list: &mut [u8]) -> Option<Result<usize, Errno>> {
    let Ok(name) = c_string(name) else { return Some(Err(Errno::INVAL)) };
    LIST.ask(|number| self::list(number, dir, &name, list))
}

/// lremovexattr(2).
pub(super) fn remove_at(dir: BorrowedFd<'_>, name: &[u8], attribute: &[u8]) -> Option<Result<(), Errno>> {
    let (Ok(name), Ok(attribute)) = (c_string(name), c_string(attribute)) else {
        return Some(Err(Errno::INVAL));
    };
    REMOVE.ask(|number| remove(number, dir, &name, &attribute)).map(|done| done.map(|_| ()))
}

#[expect(unsafe_code, reason = "a system call that no crate has yet")]
fn chmod(number: c_long, dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> c_long {
    // SAFETY: the descriptor is open and `name` ends with a zero byte for as long as the call takes.
    unsafe { libc::syscall(number, dir.as_raw_fd(), name.as_ptr(), mode, libc::AT_SYMLINK_NOFOLLOW) }
}

/// What `getxattrat` takes (Linux `struct xattr_args`): where the value goes, the room there, flags.
#[repr(C)]
struct Room {
    value: u64,
    size: u32,
    flags: u32,
}

#[expect(unsafe_code, reason = "a system call that no crate has yet")]
fn get(number: c_long, dir: BorrowedFd<'_>, name: &CStr, attribute: &CStr, value: &mut [u8]) -> c_long {
    let size = u32::try_from(value.len()).unwrap_or(u32::MAX);
    let room = Room { value: value.as_mut_ptr().expose_provenance() as u64, size, flags: 0 };
    // SAFETY: the descriptor is open, both names end with a zero byte and `room` has its layout and size for as long
    // as the call takes, and the kernel writes no more than `size` bytes, which is at most `value.len()`, to `value`.
    unsafe {
        libc::syscall(
            number,
            dir.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            attribute.as_ptr(),
            &raw const room,
            size_of::<Room>(),
        )
    }
}

#[expect(unsafe_code, reason = "a system call that no crate has yet")]
fn list(number: c_long, dir: BorrowedFd<'_>, name: &CStr, list: &mut [u8]) -> c_long {
    // SAFETY: the descriptor is open and `name` ends with a zero byte for as long as the call takes, and the kernel
    // writes no more than `list.len()` bytes to `list`.
    unsafe {
        libc::syscall(
            number,
            dir.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            list.as_mut_ptr(),
            list.len(),
        )
    }
}

#[expect(unsafe_code, reason = "a system call that no crate has yet")]
fn remove(number: c_long, dir: BorrowedFd<'_>, name: &CStr, attribute: &CStr) -> c_long {
    // SAFETY: the descriptor is open and both names end with a zero byte for as long as the call takes.
    unsafe {
        libc::syscall(number, dir.as_raw_fd(), name.as_ptr(), libc::AT_SYMLINK_NOFOLLOW, attribute.as_ptr())
    }
}
