//! Open files: what goes by a descriptor, whether the file still has a name or not.

use std::fs::File;
use std::os::fd::AsFd;

use super::Union;
use super::lookup::split;
use super::raise::Content;
use super::xattrs::{seen, stored, without_lists};
use crate::model::{Kind, LayerPath, Mode, Timestamp};
use crate::overlay::Aspect;
use crate::sys::dir::{chmod_fd, set_times_fd};
use crate::sys::file::{self, FallocateFlags, Space};
use crate::sys::xattr::{self, Setting};
use crate::sys::{self, Errno, OFlags};

impl Union {
    /// open(2) of an existing file, also of one that stands for a device: a real descriptor, and whether it is the
    /// upper's. Opened for writing it is copied up first; with `TRUNC` without its content.
    pub fn open_existing(&self, path: &LayerPath, flags: OFlags) -> Result<(File, bool), Errno> {
        let flags = flags.difference(OFlags::CREATE | OFlags::EXCL);
        let changes = flags.intersects(OFlags::WRONLY | OFlags::RDWR | OFlags::TRUNC);
        let _changing = changes.then(|| self.change());
        let found = self.find(path)?;
        match found.stat.kind {
            Kind::File if changes => {}
            Kind::Dir if changes => return Err(Errno::ISDIR),
            Kind::Symlink => return Err(Errno::LOOP),
            _ => {
                let place = &found.place;
                let file = if found.in_upper { place.open(flags)? } else { place.open_quietly(flags)? };
                return Ok((file, found.in_upper));
            }
        }
        self.writable()?;
        let content = if flags.contains(OFlags::TRUNC) { Content::Dropped } else { Content::Copied };
        let (dir, name) = split(path.as_bytes());
        let place = self.raise(&self.dir(dir)?, name, &found, content)?;
        let file = File::from(place.dir.open_raw(&place.name, flags, Mode::default())?);
        self.tell_changed(path, &found, Aspect::Content);
        Ok((file, true))
    }

    /// pwrite(2).
    pub fn write_open(&self, to: &File, data: &[u8], offset: u64) -> Result<usize, Errno> {
        self.writable()?;
        file::write_at(to, data, offset)
    }

    /// fallocate(2).
    pub fn allocate(&self, to: &File, mode: FallocateFlags, offset: u64, length: u64) -> Result<(), Errno> {
        self.writable()?;
        file::allocate(to, mode, offset, length)
    }

    /// `copy_file_range(2)`; where the host cannot do it between these two files, by reading and writing.
    pub fn copy_range(
        &self,
        (from, read_at): (&File, u64),
        (to, write_at): (&File, u64),
        length: usize,
    ) -> Result<usize, Errno> {
        /// The most that goes over in one call when it must be read and written, in bytes.
        const STEP: usize = 1 << 20;
        self.writable()?;
        match file::copy_range(from, read_at, to, write_at, length) {
            Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::NOSYS) => {
                let mut buffer = vec![0; length.min(STEP)];
                let got = file::read_at(from, &mut buffer, read_at)?;
                file::write_at(to, &buffer[..got], write_at)
            }
            other => other,
        }
    }

    /// ftruncate(2).
    pub fn truncate_open(&self, to: impl AsFd, size: u64) -> Result<(), Errno> {
        self.writable()?;
        file::truncate(to, size)
    }

    /// fchmod(2) by any descriptor of an upper's file.
    pub fn chmod_open(&self, to: impl AsFd, mode: Mode) -> Result<(), Errno> {
        self.writable()?;
        chmod_fd(to, mode)
    }

    /// futimens(2) by any descriptor of an upper's file.
    pub fn set_times_open(
        &self,
        to: impl AsFd,
        atime: Option<Timestamp>,
        mtime: Option<Timestamp>,
    ) -> Result<(), Errno> {
        self.writable()?;
        match set_times_fd(&to, atime, mtime) {
            // `O_PATH` descriptors refuse it
            Err(Errno::BADF) => {
                set_times_fd(file::reopen(&to, OFlags::RDONLY | OFlags::NONBLOCK)?, atime, mtime)
            }
            other => other,
        }
    }

    /// fgetxattr(2) by any descriptor.
    pub fn xattr_open(&self, of: impl AsFd, name: &[u8]) -> Result<Vec<u8>, Errno> {
        without_lists(name, xattr::get(of, &stored(self.options.marks, name, Errno::NODATA)?))
    }

    /// flistxattr(2) by any descriptor.
    pub fn xattrs_open(&self, of: impl AsFd) -> Result<Vec<Vec<u8>>, Errno> {
        Ok(xattr::list(of)?.into_iter().filter_map(|name| seen(self.options.marks, name)).collect())
    }

    /// fsetxattr(2) by any descriptor of an upper's file.
    pub fn set_xattr_open(
        &self,
        of: impl AsFd,
        name: &[u8],
        value: &[u8],
        setting: Setting,
    ) -> Result<(), Errno> {
        self.writable()?;
        xattr::set_if(of, &stored(self.options.marks, name, Errno::OPNOTSUPP)?, value, setting)
    }

    /// fremovexattr(2) by any descriptor of an upper's file.
    pub fn remove_xattr_open(&self, of: impl AsFd, name: &[u8]) -> Result<(), Errno> {
        self.writable()?;
        xattr::remove(of, &stored(self.options.marks, name, Errno::NODATA)?)
    }

    /// fsync(2) of a directory: of its part in the upper.
    pub fn sync_dir(&self, path: &LayerPath) -> Result<(), Errno> {
        let dir = self.dir(path.as_bytes())?;
        match dir.upper() {
            // the handle may be an `O_PATH` one
            Some(up) => sys::sync(up.dir(b".")?),
            None => Ok(()),
        }
    }

    /// statfs(2): of the upper's file system, or of the topmost layer's.
    pub fn space(&self) -> Result<Space, Errno> {
        file::space(self.root.upper().or(self.lowers.first()).ok_or(Errno::NOENT)?)
    }
}
