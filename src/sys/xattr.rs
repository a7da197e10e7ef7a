//! Extended attributes, always of the file itself and never of what a symlink points to.
//!
//! `O_PATH` descriptors refuse `fgetxattr`, so files are reached by `/proc/self/fd`: through its magic link
//! for a descriptor, through the directory's for a name. Most files have no attribute at all; that, a kernel from
//! 6.13 on tells without the way through `/proc`, which takes longer than the question.

use std::ffi::{CStr, CString, c_long};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::XattrFlags;

use super::Errno;

/// Raw attribute names and values, as the system lists them.
pub type RawXattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// What is asked of an attribute that is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// Nothing.
    Any,
    /// That it is not there yet; else `EEXIST`.
    New,
    /// That it is there; else `ENODATA`.
    Existing,
}

impl Setting {
    fn flags(self) -> XattrFlags {
        match self {
            Self::Any => XattrFlags::empty(),
            Self::New => XattrFlags::CREATE,
            Self::Existing => XattrFlags::REPLACE,
        }
    }
}

/// The path by which a descriptor's own file is reached.
fn by_fd(fd: impl AsFd) -> CString {
    let text = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    CString::new(text).unwrap_or_default()
}

/// The path by which a name in a directory is reached.
fn by_name(dir: impl AsFd, name: &[u8]) -> Result<CString, Errno> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    CString::new(path).map_err(|_| Errno::INVAL)
}

/// Asks with growing buffers until the answer fits.
fn grown(ask: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match ask(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < 1 << 20 => {
                let length = buffer.len() * 8;
                buffer.resize(length, 0);
            }
            Err(error) => return Err(error),
        }
    }
}

fn split(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&b| b == 0).filter(|name| !name.is_empty())
}

/// One attribute of an open file (any descriptor, `O_PATH` too).
pub fn get(fd: impl AsFd, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let path = by_fd(&fd);
    grown(|buffer| rustix::fs::getxattr(&path, name, buffer))
}

/// Sets one attribute of an open file (any descriptor).
pub fn set(fd: impl AsFd, name: &[u8], value: &[u8]) -> Result<(), Errno> {
    set_if(fd, name, value, Setting::Any)
}

/// Sets one attribute of an open file (any descriptor), if it is as asked.
pub fn set_if(fd: impl AsFd, name: &[u8], value: &[u8], setting: Setting) -> Result<(), Errno> {
    rustix::fs::setxattr(by_fd(&fd), name, value, setting.flags())
}

/// Removes one attribute of an open file (any descriptor).
pub fn remove(fd: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    rustix::fs::removexattr(by_fd(&fd), name)
}

/// The names of an open file's attributes (any descriptor).
pub fn list(fd: impl AsFd) -> Result<Vec<Vec<u8>>, Errno> {
    let path = by_fd(&fd);
    let raw = supported(grown(|buffer| rustix::fs::listxattr(&path, buffer)))?;
    Ok(split(&raw).map(<[u8]>::to_vec).collect())
}

/// All attributes of an open file (any descriptor).
pub fn all(fd: impl AsFd) -> Result<RawXattrs, Errno> {
    let path = by_fd(&fd);
    let raw = supported(grown(|buffer| rustix::fs::listxattr(&path, buffer)))?;
    values(&raw, |name, buffer| rustix::fs::getxattr(&path, name, buffer))
}

/// All attributes of a file or directory that is open for reading or writing; saves the way through `/proc`.
pub fn all_open(fd: impl AsFd) -> Result<RawXattrs, Errno> {
    let raw = supported(grown(|buffer| rustix::fs::flistxattr(&fd, buffer)))?;
    values(&raw, |name, buffer| rustix::fs::fgetxattr(&fd, name, buffer))
}

/// One attribute of a name in a directory; a symlink itself is asked.
pub fn get_at(dir: impl AsFd, name: &[u8], attribute: &[u8]) -> Result<Vec<u8>, Errno> {
    let dir = dir.as_fd();
    if let Some(numbers) = AT
        && KNOWS_AT.load(Ordering::Relaxed)
    {
        let (at, asked) = (c_string(name)?, c_string(attribute)?);
        match grown(|buffer| getxattrat(numbers, dir, &at, &asked, buffer)) {
            Err(Errno::NOSYS) => KNOWS_AT.store(false, Ordering::Relaxed),
            // so answer filters of system calls about one that they do not know
            Err(Errno::PERM) => {}
            other => return other,
        }
    }
    let path = by_name(dir, name)?;
    grown(|buffer| rustix::fs::lgetxattr(&path, attribute, buffer))
}

/// Sets one attribute of a name in a directory; a symlink itself is changed.
pub fn set_at(dir: impl AsFd, name: &[u8], attribute: &[u8], value: &[u8]) -> Result<(), Errno> {
    set_at_if(dir, name, attribute, value, Setting::Any)
}

/// Sets one attribute of a name in a directory, if it is as asked; a symlink itself is changed.
pub fn set_at_if(
    dir: impl AsFd,
    name: &[u8],
    attribute: &[u8],
    value: &[u8],
    setting: Setting,
) -> Result<(), Errno> {
    rustix::fs::lsetxattr(&by_name(&dir, name)?, attribute, value, setting.flags())
}

/// Removes one attribute of a name in a directory; a symlink itself is changed.
pub fn remove_at(dir: impl AsFd, name: &[u8], attribute: &[u8]) -> Result<(), Errno> {
    rustix::fs::lremovexattr(&by_name(&dir, name)?, attribute)
}

/// The names of the attributes of a name in a directory; a symlink itself is asked.
pub fn list_at(dir: impl AsFd, name: &[u8]) -> Result<Vec<Vec<u8>>, Errno> {
    let raw = supported(names_at(dir.as_fd(), name))?;
    Ok(split(&raw).map(<[u8]>::to_vec).collect())
}

/// All attributes of a name in a directory; a symlink itself is asked.
pub fn all_at(dir: impl AsFd, name: &[u8]) -> Result<RawXattrs, Errno> {
    let raw = supported(names_at(dir.as_fd(), name))?;
    if raw.is_empty() {
        return Ok(RawXattrs::new());
    }
    let path = by_name(&dir, name)?;
    values(&raw, |name, buffer| rustix::fs::lgetxattr(&path, name, buffer))
}

/// The numbers of the calls that take a directory and a name; the architectures left out number them differently, and
/// take the longer way.
const AT: Option<Numbers> =
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")) {
        Some(Numbers { get: 464, list: 465 })
    } else {
        None
    };

#[derive(Clone, Copy)]
struct Numbers {
    get: c_long,
    list: c_long,
}

/// Whether the kernel may know these calls.
static KNOWS_AT: AtomicBool = AtomicBool::new(true);

fn c_string(name: &[u8]) -> Result<CString, Errno> {
    CString::new(name).map_err(|_| Errno::INVAL)
}

fn length(returned: c_long) -> Result<usize, Errno> {
    usize::try_from(returned).map_err(|_| {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        Errno::from_raw_os_error(errno)
    })
}

/// The names of the attributes of a name in a directory, as the kernel lists them.
fn names_at(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Vec<u8>, Errno> {
    if let Some(numbers) = AT
        && KNOWS_AT.load(Ordering::Relaxed)
    {
        let name = c_string(name)?;
        match grown(|buffer| listxattrat(numbers, dir, &name, buffer)) {
            Err(Errno::NOSYS) => KNOWS_AT.store(false, Ordering::Relaxed),
            Err(Errno::PERM) => {}
            other => return other,
        }
    }
    let path = by_name(dir, name)?;
    grown(|buffer| rustix::fs::llistxattr(&path, buffer))
}

/// `listxattrat` of the name itself, never of what a symlink points to.
///
/// # Source
/// Linux 6.13, `fs/xattr.c`: directory, path, flags, list, size.
#[expect(unsafe_code, reason = "a system call that no crate has yet")]
fn listxattrat(numbers: Numbers, dir: BorrowedFd<'_>, name: &CStr, list: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the descriptor is open and `name` ends with a zero byte for as long as the call takes, and the kernel
    // writes no more than `list.len()` bytes to `list`.
    length(unsafe {
        libc::syscall(
            numbers.list,
            dir.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            list.as_mut_ptr(),
            list.len(),
        )
    })
}

/// What `getxattrat` takes (Linux `struct xattr_args`): where the value goes, the room there, flags.
#[repr(C)]
struct Asked {
    value: u64,
    size: u32,
    flags: u32,
}

/// `getxattrat` of the name itself, never of what a symlink points to.
///
/// # Source
/// Linux 6.13, `fs/xattr.c`: directory, path, flags, attribute, `struct xattr_args`, its size.
#[expect(unsafe_code, reason = "a system call that no crate has yet")]
fn getxattrat(
    numbers: Numbers,
    dir: BorrowedFd<'_>,
    name: &CStr,
    attribute: &CStr,
    value: &mut [u8],
) -> Result<usize, Errno> {
    let size = u32::try_from(value.len()).unwrap_or(u32::MAX);
    let asked = Asked { value: value.as_mut_ptr().expose_provenance() as u64, size, flags: 0 };
    // SAFETY: the descriptor is open, both names end with a zero byte and `asked` has its layout and size for as long
    // as the call takes, and the kernel writes no more than `size` bytes, which is at most `value.len()`, to `value`.
    length(unsafe {
        libc::syscall(
            numbers.get,
            dir.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            attribute.as_ptr(),
            &raw const asked,
            size_of::<Asked>(),
        )
    })
}

/// A file system without attributes has none.
fn supported(list: Result<Vec<u8>, Errno>) -> Result<Vec<u8>, Errno> {
    match list {
        Err(Errno::OPNOTSUPP) => Ok(Vec::new()),
        other => other,
    }
}

fn values(list: &[u8], ask: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>) -> Result<RawXattrs, Errno> {
    let mut found = RawXattrs::new();
    for name in split(list) {
        match grown(|buffer| ask(name, buffer)) {
            Ok(value) => found.push((name.to_vec(), value)),
            // listed, but gone meanwhile, or not readable for us (`trusted.*`, some `security.*`)
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_asking_about_a_name_agree() {
        let host = tempfile::tempdir().unwrap();
        std::fs::write(host.path().join("f"), "").unwrap();
        std::os::unix::fs::symlink("f", host.path().join("s")).unwrap();
        let dir = std::fs::File::open(host.path()).unwrap();
        for number in 0..100_i32 {
            let path = by_name(&dir, b"f").unwrap();
            let longer = grown(|buffer| rustix::fs::llistxattr(&path, buffer)).unwrap();
            assert_eq!(names_at(dir.as_fd(), b"f").unwrap(), longer);
            let name = format!("user.attribute{}", number - 1);
            let longer = grown(|buffer| rustix::fs::lgetxattr(&path, &name, buffer));
            assert_eq!(get_at(&dir, b"f", name.as_bytes()), longer);
            assert_eq!(all_at(&dir, b"f").unwrap().len(), usize::try_from(number).unwrap());
            set_at(&dir, b"f", format!("user.attribute{number}").as_bytes(), b"value").unwrap();
        }
        // of the symlink itself
        assert_eq!(names_at(dir.as_fd(), b"s").unwrap(), b"");
        assert_eq!(names_at(dir.as_fd(), b"missing"), Err(Errno::NOENT));
        assert_eq!(get_at(&dir, b"missing", b"user.attribute0"), Err(Errno::NOENT));
        assert_eq!(get_at(&dir, b"s", b"user.attribute0"), Err(Errno::NODATA));
    }
}
