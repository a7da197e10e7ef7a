//! Content: opening, reading, writing, space, holes.

use std::cell::RefCell;
use std::fs::File;
use std::sync::{Arc, PoisonError};

use fuser::BackingId;

use super::attributes::{SET_IDS, Spot};
use super::carried;
use super::handles::Admitted;
use super::served::Adapter;
use crate::model::Kind;
use crate::sys::dir::stat_fd;
use crate::sys::file::{self, FallocateFlags};
use crate::sys::{self, Errno, OFlags, RawStat};
use crate::union::Writer;

/// An open that the kernel is told of.
#[derive(Debug)]
pub(super) enum Opened {
    /// Through the kernel's cache; whether what is in it still holds.
    Cached(u64, bool),
    Passthrough(u64, Arc<BackingId>),
}

thread_local! {
    /// What a request's answer is read into.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The flags of open(2) that count for the file beneath: the kernel does the appending and the waiting.
pub(super) fn flags_of(raw: i32) -> OFlags {
    let kept = OFlags::ACCMODE | OFlags::TRUNC | OFlags::EXCL | OFlags::SYNC | OFlags::DSYNC;
    OFlags::from_bits_truncate(raw.cast_unsigned()) & kept
}

fn writes(flags: OFlags) -> bool {
    flags.intersects(OFlags::WRONLY | OFlags::RDWR)
}

/// Whether opening with the flags of open(2) may lead to other content.
pub(super) fn may_change(raw: i32) -> bool {
    let flags = flags_of(raw);
    writes(flags) || flags.contains(OFlags::TRUNC)
}

impl Adapter {
    /// Opens a node's file.
    pub(super) fn open_node(
        &self,
        node: u64,
        flags: i32,
        by: Writer,
        back: impl Fn(&File) -> std::io::Result<BackingId>,
    ) -> Result<Opened, Errno> {
        let mut flags = flags_of(flags).difference(OFlags::EXCL);
        let changes = writes(flags) || flags.contains(OFlags::TRUNC);
        if !changes && self.nodes.is_cached(node) {
            let is_raised = || self.nodes.is_raised(node);
            if let Some(handle) = self.handles.admit_unopened(node, flags, is_raised) {
                return Ok(Opened::Cached(handle, true));
            }
        }
        loop {
            let (file, in_upper) = self.open_file(node, flags)?;
            if flags.contains(OFlags::TRUNC) {
                self.union.after_write(&file, by)?;
            }
            // it is cut by now
            flags = flags.difference(OFlags::TRUNC);
            if let Some(opened) = self.admit(node, flags, (file, in_upper), None, &back) {
                if matches!(opened, Opened::Passthrough(..)) && flags.contains(OFlags::RDWR) {
                    // what it was told before lasts too long from now on
                    self.let_ask_again(node);
                }
                return Ok(opened);
            }
        }
    }

    fn open_file(&self, node: u64, flags: OFlags) -> Result<(File, bool), Errno> {
        match self.spot(node)? {
            Spot::Path(path) => {
                let opened = self.union.open_existing(&path, flags)?;
                if opened.1 {
                    self.raised(node, &path);
                }
                Ok(opened)
            }
            Spot::Open(_, false) if writes(flags) || flags.contains(OFlags::TRUNC) => Err(Errno::STALE),
            Spot::Open(held, in_upper) => Ok((file::reopen(&held, flags)?, in_upper)),
        }
    }

    /// The file of a handle, opened now if it is not. Such a one is a lower layer's, so nobody asks who has paths held.
    pub(super) fn file_of(&self, handle: u64) -> Result<Arc<File>, Errno> {
        let open = self.handles.file(handle)?;
        if let Some(file) = open.file() {
            return Ok(file);
        }
        let _still = self.paths.read().unwrap_or_else(PoisonError::into_inner);
        let file = open.file_or(|flags| self.open_file(open.node, flags))?;
        self.handles.note_held(&open);
        Ok(file)
    }

    /// Takes an opened file in, whose attributes may be known; `None` if it must be opened again.
    pub(super) fn admit(
        &self,
        node: u64,
        flags: OFlags,
        (file, in_upper): (File, bool),
        known: Option<RawStat>,
        back: impl FnOnce(&File) -> std::io::Result<BackingId>,
    ) -> Option<Opened> {
        // a write must come to us where it takes set-ID marks away, and all opens go one way
        let fits = |stat: RawStat| stat.kind == Kind::File && stat.mode.bits() & SET_IDS == 0;
        let straight =
            (in_upper || !self.union.has_upper()) && known.map_or_else(|| stat_fd(&file), Ok).is_ok_and(fits);
        let flags = flags.difference(OFlags::TRUNC | OFlags::EXCL);
        let is_raised = || self.nodes.is_raised(node);
        match self.handles.admit((node, flags), (file, in_upper), straight, is_raised, back) {
            Admitted::Cached(handle) => Some(Opened::Cached(handle, !self.nodes.is_bypassed(node))),
            Admitted::Passthrough(handle, backing) => {
                if writes(flags) {
                    self.nodes.note_bypassed(node, flags.contains(OFlags::RDWR));
                }
                Some(Opened::Passthrough(handle, backing))
            }
            Admitted::Again => None,
        }
    }

    /// Reads, and hands what was read to `reply`.
    pub(super) fn read_open(
        &self,
        handle: u64,
        offset: u64,
        size: usize,
        reply: impl FnOnce(Result<&[u8], Errno>),
    ) {
        let file = match self.file_of(handle) {
            Ok(file) => file,
            Err(errno) => return reply(Err(errno)),
        };
        BUFFER.with_borrow_mut(|buffer| {
            if buffer.len() < size {
                buffer.resize(size, 0);
            }
            reply(file::read_at(&file, &mut buffer[..size], offset).map(|length| &buffer[..length]));
        });
    }

    /// Answers a request to read much by the file's pages; tells whether it is answered.
    pub(super) fn carry_open(&self, request: u64, handle: u64, offset: u64, size: usize) -> bool {
        let Ok(file) = self.file_of(handle) else { return false };
        // an answer tells its length before its content
        let Ok(length) = stat_fd(&*file).map(|stat| stat.size.saturating_sub(offset)) else { return false };
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(size);
        length > 0 && carried::answer(&*self.device, request, (&file, offset, length))
    }

    /// After a read of little.
    pub(super) fn note_read(&self, handle: u64, offset: u64) {
        let Ok(open) = self.handles.file(handle) else { return };
        if let Some(file) = open.file().filter(|_| !open.in_upper())
            && let Ok(stat) = stat_fd(&*file)
        {
            self.pushes.note(&open.scattered, open.node, file, offset, stat.size);
        }
    }

    /// Writes; `by`: whoever has no right to keep set-ID marks.
    pub(super) fn write_open(
        &self,
        handle: u64,
        offset: u64,
        data: &[u8],
        by: Option<Writer>,
    ) -> Result<usize, Errno> {
        let file = self.file_of(handle)?;
        let written = self.union.write_open(&file, data, offset)?;
        if let Some(by) = by {
            self.union.after_write(&*file, by)?;
        }
        Ok(written)
    }

    /// fsync(2), fdatasync(2).
    pub(super) fn sync_open(&self, handle: u64, data_only: bool) -> Result<(), Errno> {
        let file = self.file_of(handle)?;
        if data_only { file::sync_data(&*file) } else { sys::sync(&*file) }
    }

    /// fallocate(2).
    pub(super) fn allocate_open(
        &self,
        handle: u64,
        (offset, length): (u64, u64),
        mode: i32,
        by: Writer,
    ) -> Result<(), Errno> {
        let mode = FallocateFlags::from_bits(mode.cast_unsigned()).ok_or(Errno::OPNOTSUPP)?;
        let file = self.file_of(handle)?;
        self.union.allocate(&file, mode, offset, length)?;
        self.union.after_write(&*file, by)
    }

    /// lseek(2) to data or a hole; the kernel does the rest by itself.
    pub(super) fn seek_open(&self, handle: u64, offset: i64, whence: i32) -> Result<i64, Errno> {
        /// Linux `SEEK_DATA` and `SEEK_HOLE`.
        const DATA: i32 = 3;
        const HOLE: i32 = 4;
        let file = self.file_of(handle)?;
        let offset = u64::try_from(offset).map_err(|_| Errno::NXIO)?;
        let found = match whence {
            DATA => file::next_data(&file, offset)?,
            HOLE => file::next_hole(&file, offset)?,
            _ => return Err(Errno::INVAL),
        };
        i64::try_from(found).map_err(|_| Errno::OVERFLOW)
    }

    /// `copy_file_range(2)` between two open files.
    pub(super) fn copy_range(
        &self,
        from: (u64, u64),
        to: (u64, u64),
        length: u64,
        by: Writer,
    ) -> Result<usize, Errno> {
        // the answer has 32 bits
        let length = length.min(1 << 30);
        let (source, target) = (self.file_of(from.0)?, self.file_of(to.0)?);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let done = self.union.copy_range((&source, from.1), (&target, to.1), length)?;
        self.union.after_write(&*target, by)?;
        Ok(done)
    }
}
