//! Extended attributes, always of the file itself and never of what a symlink points to.
//!
//! `O_PATH` descriptors refuse `fgetxattr`, so such files are reached by `/proc/self/fd`: through its magic link
//! for a descriptor, through the directory's for a name, unless the kernel has a call for a name in a directory: the way
//! through `/proc` takes longer than most questions.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::XattrFlags;

use super::{Errno, recent};

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
    /// Both, so that it is never set: `EEXIST` or `ENODATA`.
    Never,
}

impl Setting {
    fn flags(self) -> XattrFlags {
        match self {
            Self::Any => XattrFlags::empty(),
            Self::New => XattrFlags::CREATE,
            Self::Existing => XattrFlags::REPLACE,
            Self::Never => XattrFlags::CREATE | XattrFlags::REPLACE,
        }
    }
}

/// The path by which a descriptor's own file is reached.
fn by_fd(fd: impl AsFd) -> CString {
    let text = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    CString::new(text).unwrap_or_default()
}

/// Does by a descriptor what `longer` does by the file's path, which an `O_PATH` descriptor needs.
fn by_either<T>(
    fd: impl AsFd,
    short: Result<T, Errno>,
    longer: impl FnOnce(CString) -> Result<T, Errno>,
) -> Result<T, Errno> {
    match short {
        Err(Errno::BADF) => longer(by_fd(fd)),
        other => other,
    }
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
    let short = grown(|buffer| rustix::fs::fgetxattr(&fd, name, buffer));
    by_either(&fd, short, |path| grown(|buffer| rustix::fs::getxattr(&path, name, buffer)))
}

/// Sets one attribute of an open file (any descriptor).
pub fn set(fd: impl AsFd, name: &[u8], value: &[u8]) -> Result<(), Errno> {
    set_if(fd, name, value, Setting::Any)
}

/// Sets one attribute of an open file (any descriptor), if it is as asked.
pub fn set_if(fd: impl AsFd, name: &[u8], value: &[u8], setting: Setting) -> Result<(), Errno> {
    let short = rustix::fs::fsetxattr(&fd, name, value, setting.flags());
    by_either(&fd, short, |path| rustix::fs::setxattr(path, name, value, setting.flags()))
}

/// Removes one attribute of an open file (any descriptor).
pub fn remove(fd: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    let short = rustix::fs::fremovexattr(&fd, name);
    by_either(&fd, short, |path| rustix::fs::removexattr(path, name))
}

/// The names of an open file's attributes (any descriptor).
pub fn list(fd: impl AsFd) -> Result<Vec<Vec<u8>>, Errno> {
    let short = grown(|buffer| rustix::fs::flistxattr(&fd, buffer));
    let raw = by_either(&fd, short, |path| grown(|buffer| rustix::fs::listxattr(&path, buffer)));
    Ok(split(&supported(raw)?).map(<[u8]>::to_vec).collect())
}

/// An attribute that is not there is an answer, not an error.
pub fn if_there(value: Result<Vec<u8>, Errno>) -> Result<Option<Vec<u8>>, Errno> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All attributes of a file or directory that is open for reading or writing; saves the way through `/proc`.
pub fn all_open(fd: impl AsFd) -> Result<RawXattrs, Errno> {
    let raw = supported(grown(|buffer| rustix::fs::flistxattr(&fd, buffer)))?;
    values(&raw, |name, buffer| rustix::fs::fgetxattr(&fd, name, buffer))
}

/// One attribute of a name in a directory; a symlink itself is asked.
pub fn get_at(dir: impl AsFd, name: &[u8], attribute: &[u8]) -> Result<Vec<u8>, Errno> {
    let dir = dir.as_fd();
    grown(|buffer| match recent::get_at(dir, name, attribute, buffer) {
        Some(answer) => answer,
        None => rustix::fs::lgetxattr(&by_name(dir, name)?, attribute, buffer),
    })
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
    match recent::remove_at(dir.as_fd(), name, attribute) {
        Some(answer) => answer,
        None => rustix::fs::lremovexattr(&by_name(&dir, name)?, attribute),
    }
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

/// The names of the attributes of a name in a directory, as the kernel lists them.
fn names_at(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Vec<u8>, Errno> {
    grown(|buffer| match recent::list_at(dir, name, buffer) {
        Some(answer) => answer,
        None => rustix::fs::llistxattr(&by_name(dir, name)?, buffer),
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
