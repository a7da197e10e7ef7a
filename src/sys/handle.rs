//! File handles: what a file is known by on its file system, wherever its names go; and which file system that is.
//!
//! # Source
//! `name_to_handle_at(2)`, `open_by_handle_at(2)`; Linux `include/uapi/linux/fs.h`, `FS_IOC_GETFSUUID` (from 6.9 on).

use std::ffi::{CString, c_int};
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd};

use super::{Errno, OFlags, last_errno};

/// The longest handle, in bytes (Linux `MAX_HANDLE_SZ`).
const LONGEST: u32 = 128;

/// A handle on a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handle {
    /// The form of the bytes, as the file system numbers it.
    pub form: i32,
    /// The file system's own bytes.
    pub bytes: Vec<u8>,
}

/// As the system calls take it.
#[repr(C)]
struct Raw {
    length: u32,
    form: c_int,
    bytes: [u8; LONGEST as usize],
}

/// The handle of a name in a directory, of a symlink itself; `EOPNOTSUPP` where the file system has none.
#[expect(unsafe_code, reason = "a system call that no safe crate has")]
pub fn of_name(dir: impl AsFd, name: &[u8]) -> Result<Handle, Errno> {
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    let mut raw = Raw { length: LONGEST, form: 0, bytes: [0; LONGEST as usize] };
    let mut mount: c_int = 0;
    // SAFETY: the descriptor is open and `name` ends with a zero byte for as long as the call takes; `raw` is laid out
    // as `struct file_handle` with room for the `length` bytes that it says, and the kernel writes no more.
    let done = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            dir.as_fd().as_raw_fd(),
            name.as_ptr(),
            &raw mut raw,
            &raw mut mount,
            0,
        )
    };
    if done < 0 {
        return Err(last_errno());
    }
    let length = raw.length.min(LONGEST) as usize;
    Ok(Handle { form: raw.form, bytes: raw.bytes[..length].to_vec() })
}

/// Opens a file by its handle; `on` is any file or directory of its file system, open for more than its path.
///
/// # Errors
/// `EPERM` without the right to, `ESTALE` for a file that is gone.
#[expect(unsafe_code, reason = "a system call that no safe crate has")]
pub fn open(on: impl AsFd, handle: &Handle, flags: OFlags) -> Result<OwnedFd, Errno> {
    let length = u32::try_from(handle.bytes.len()).map_err(|_| Errno::INVAL)?;
    let mut raw = Raw { length, form: handle.form, bytes: [0; LONGEST as usize] };
    raw.bytes.get_mut(..handle.bytes.len()).ok_or(Errno::INVAL)?.copy_from_slice(&handle.bytes);
    let flags = (flags | OFlags::CLOEXEC).bits();
    // SAFETY: the descriptor is open, and `raw` is laid out as `struct file_handle` with the `length` bytes that it says.
    let opened =
        unsafe { libc::syscall(libc::SYS_open_by_handle_at, on.as_fd().as_raw_fd(), &raw mut raw, flags) };
    let opened = c_int::try_from(opened).ok().filter(|&fd| fd >= 0).ok_or_else(last_errno)?;
    // SAFETY: the system call has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(opened) })
}

/// The UUID of the file system that holds an open file; zeros where it has none.
#[expect(unsafe_code, reason = "an ioctl that no safe crate has")]
pub fn file_system(of: impl AsFd) -> Result<[u8; 16], Errno> {
    /// Linux `struct fsuuid2`.
    #[repr(C)]
    struct Uuid {
        length: u8,
        bytes: [u8; 16],
    }
    const GET: u32 = rustix::ioctl::opcode::read::<Uuid>(0x15, 0) as u32;
    let mut uuid = Uuid { length: 0, bytes: [0; 16] };
    // SAFETY: the descriptor is open, and the number says that the kernel writes as many bytes as `uuid` has.
    let done = unsafe { libc::ioctl(of.as_fd().as_raw_fd(), GET.into(), &raw mut uuid) };
    match if done < 0 { Err(last_errno()) } else { Ok(()) } {
        Ok(()) => Ok(uuid.bytes),
        Err(Errno::NOTTY) => Ok([0; 16]),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_handle_is_that_of_the_file_whatever_its_name() {
        let host = tempfile::tempdir().unwrap();
        std::fs::write(host.path().join("a"), "").unwrap();
        let dir = std::fs::File::open(host.path()).unwrap();
        let handle = match of_name(&dir, b"a") {
            // not on this file system
            Err(Errno::OPNOTSUPP) => return,
            other => other.unwrap(),
        };
        std::fs::rename(host.path().join("a"), host.path().join("b")).unwrap();
        assert_eq!(of_name(&dir, b"b").unwrap(), handle);
        assert_eq!(of_name(&dir, b"a"), Err(Errno::NOENT));
        let number = std::fs::metadata(host.path().join("b")).unwrap().ino();
        match open(&dir, &handle, OFlags::PATH) {
            Ok(file) => assert_eq!(crate::sys::dir::stat_fd(&file).unwrap().ino, number),
            // only root of the machine may
            Err(errno) => assert_eq!(errno, Errno::PERM),
        }
        file_system(&dir).unwrap();
    }
}
