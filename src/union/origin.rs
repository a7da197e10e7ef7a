//! Where copies in the upper came from: kept beside them, so that their numbers stay when the union is opened again.
//!
//! As the kernel's overlay keeps it, so that either knows the other's: a copy has the mark `origin` with the handle of
//! the lower file, and a directory that holds copies has the mark `impure`, so that no other directory is searched for
//! them. A copy of one name of several has none: the kernel does not keep those numbers either. Symlinks, devices and the
//! like take no `user.*` attribute, so their numbers stay only where the marks are `trusted.*`.
//!
//! # Source
//! Linux `fs/overlayfs/overlayfs.h` (`struct ovl_fb`): version 0, magic 0xfb, whole length, flags, form of the handle,
//! UUID of the file system, handle. Flags are 0 on a little-endian machine, 1 on a big-endian one.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Union;
use super::lookup::Place;
use super::merged::Merged;
use crate::model::Kind;
use crate::sys::dir::stat_fd;
use crate::sys::handle::{self, Handle};
use crate::sys::{Dir, Errno, OFlags, RawStat, xattr};

const VERSION: u8 = 0;
const MAGIC: u8 = 0xfb;
const FLAGS: u8 = if cfg!(target_endian = "big") { 1 } else { 0 };
/// The bytes before the handle.
const HEADER: usize = 21;

/// How to find lower files again.
#[derive(Debug)]
pub(super) struct Origins {
    /// The file system of each lower layer, 0 on top; `None` where it cannot be told.
    systems: Box<[Option<[u8; 16]>]>,
    /// Whether this process may open files by their handles.
    opens: AtomicBool,
}

/// The mark's value.
fn encode(system: &[u8; 16], handle: &Handle) -> Option<Vec<u8>> {
    let length = u8::try_from(HEADER + handle.bytes.len()).ok()?;
    let form = u8::try_from(handle.form).ok()?;
    let mut value = vec![VERSION, MAGIC, length, FLAGS, form];
    value.extend_from_slice(system);
    value.extend_from_slice(&handle.bytes);
    Some(value)
}

fn decode(value: &[u8]) -> Option<([u8; 16], Handle)> {
    let (header, bytes) = value.split_at_checked(HEADER)?;
    let known =
        header[..2] == [VERSION, MAGIC] && usize::from(header[2]) == value.len() && header[3] == FLAGS;
    let system = header[5..].try_into().ok()?;
    known.then(|| (system, Handle { form: header[4].into(), bytes: bytes.to_vec() }))
}

impl Origins {
    /// Asks which file systems hold the lower layers, 0 on top.
    pub(super) fn new<'a>(lowers: impl Iterator<Item = &'a Dir>) -> Self {
        let system = |dir: &Dir| match handle::file_system(dir) {
            // reached without the right to read it
            Err(Errno::BADF) => dir.dir(b".").and_then(handle::file_system),
            other => other,
        };
        Self { systems: lowers.map(|dir| system(dir).ok()).collect(), opens: AtomicBool::new(true) }
    }

    /// The file that a mark tells of, if it is still there and this process may look.
    fn find(&self, value: &[u8], lowers: &[std::sync::Arc<Dir>]) -> Option<RawStat> {
        let (system, handle) = decode(value)?;
        let places = self.systems.iter().zip(lowers).filter(|(known, _)| **known == Some(system));
        for (_, layer) in places {
            match handle::open(&**layer, &handle, OFlags::PATH) {
                Ok(file) => return stat_fd(&file).ok(),
                Err(Errno::PERM) => {
                    self.opens.store(false, Ordering::Relaxed);
                    return None;
                }
                Err(_) => {}
            }
        }
        None
    }
}

impl Union {
    /// Marks a copy in the making with where it comes from, unless that file has more names.
    pub(super) fn mark_origin(
        &self,
        from: &Place,
        stat: &RawStat,
        copy: &Dir,
        name: &[u8],
    ) -> Result<(), Errno> {
        let one = stat.kind == Kind::Dir || stat.nlink == 1;
        let Some(layer) = from.layer.filter(|_| one) else { return Ok(()) };
        let handle = handle::of_name(&from.dir, &from.name).ok();
        let known = self.origins.systems[layer].zip(handle);
        // the kernel's way to say that it is a copy, and of what cannot be told
        let value = known.and_then(|(system, handle)| encode(&system, &handle)).unwrap_or_default();
        bookkeeping(xattr::set_at(copy, name, self.options.marks.origin(), &value))
    }

    /// Marks a directory of the upper as one that holds copies.
    pub(super) fn mark_impure(&self, dir: &Merged, up: &Dir) -> Result<(), Errno> {
        if dir.is_impure() != Some(true) {
            bookkeeping(xattr::set_at(up, b".", self.options.marks.impure(), b"y"))?;
            dir.note_impure(true);
        }
        Ok(())
    }

    /// The same for a directory that a file of the upper is about to get a name in.
    pub(super) fn mark_impure_for(
        &self,
        moved: &Place,
        kind: Kind,
        dir: &Merged,
        up: &Dir,
    ) -> Result<(), Errno> {
        if kind == Kind::Dir || dir.is_impure() == Some(true) {
            return Ok(());
        }
        match xattr::if_there(xattr::get_at(&moved.dir, &moved.name, self.options.marks.origin()))? {
            Some(_) => self.mark_impure(dir, up),
            None => Ok(()),
        }
    }

    /// The number of a file of the upper that is no directory and may be a copy.
    pub(super) fn number_of_copy(
        &self,
        up: &Dir,
        name: &[u8],
        (device, number): (u64, u64),
    ) -> Result<u64, Errno> {
        if let Some(kept) = self.numbers.kept(number) {
            return Ok(kept);
        }
        let mark = xattr::if_there(xattr::get_at(up, name, self.options.marks.origin()))?;
        let origin = mark.and_then(|mark| self.origins.find(&mark, &self.lowers));
        // names of one lower file go ways of their own
        if let Some(origin) = origin.filter(|origin| origin.kind != Kind::Dir && origin.nlink == 1) {
            let called = self.numbers.of(origin.dev, origin.ino);
            self.numbers.keep(number, called);
            return Ok(called);
        }
        Ok(self.numbers.of(device, number))
    }

    /// Whether the upper's part of a directory may hold copies that can be told where they come from.
    pub(super) fn may_hold_copies(&self, dir: &Merged, up: &Dir) -> Result<bool, Errno> {
        if !self.origins.opens.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if let Some(known) = dir.is_impure() {
            return Ok(known);
        }
        let marked =
            xattr::if_there(xattr::get_at(up, b".", self.options.marks.impure()))?.as_deref() == Some(b"y");
        dir.note_impure(marked);
        Ok(marked)
    }
}

/// What the upper's file system or a file of this type cannot keep is done without.
fn bookkeeping(set: Result<(), Errno>) -> Result<(), Errno> {
    match set {
        Err(Errno::OPNOTSUPP | Errno::PERM) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_the_kernel_is_read_and_written_again() {
        // as Linux 6.18 wrote it, of a file on a tmpfs
        let mark = b"\x00\xfb\x21\x00\x01\xd3\x2f\x08\x8f\xf8\x85\x41\x46\x98\xc4\x2f\x82\x58\x16\xf0\x93\
            \x3f\x06\x1f\x10\x06\x00\x00\x00\x00\x00\x00\x00";
        let (system, handle) = decode(mark).unwrap();
        assert_eq!((system[0], system[15], handle.form, handle.bytes.len()), (0xd3, 0x93, 1, 12));
        assert_eq!(encode(&system, &handle).unwrap(), mark);
    }

    #[test]
    fn other_bytes_tell_nothing() {
        for mark in [&b""[..], b"\0", &[0, 0xfb, 21, 0, 1], &[1; 40], &[0xfb; 21]] {
            assert_eq!(decode(mark), None);
        }
    }
}
