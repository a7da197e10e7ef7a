//! Extended attributes, always of the file itself and never of what a symlink points to.
//!
//! `O_PATH` descriptors refuse `fgetxattr`, so files are reached by `/proc/self/fd`: through its magic link
//! for a descriptor, through the directory's for a name.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd};

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
    let path = by_name(&dir, name)?;
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
    let path = by_name(&dir, name)?;
    let raw = supported(grown(|buffer| rustix::fs::llistxattr(&path, buffer)))?;
    Ok(split(&raw).map(<[u8]>::to_vec).collect())
}

/// All attributes of a name in a directory; a symlink itself is asked.
pub fn all_at(dir: impl AsFd, name: &[u8]) -> Result<RawXattrs, Errno> {
    let path = by_name(&dir, name)?;
    let raw = supported(grown(|buffer| rustix::fs::llistxattr(&path, buffer)))?;
    values(&raw, |name, buffer| rustix::fs::lgetxattr(&path, name, buffer))
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
