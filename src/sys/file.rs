//! Open files: reading and writing at a place, space, holes, attributes by descriptor.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;

pub use rustix::fs::FallocateFlags;
use rustix::fs::{AtFlags, Gid, SeekFrom, Uid};

use super::{Errno, OFlags, signals};

/// Reads at a place until the buffer is full or the file ends; tells how much.
pub fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let mut done = 0;
    while done < buffer.len() {
        match rustix::io::pread(file, &mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(Errno::INTR) => {}
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// Reads a whole file; waits for who writes into a pipe, until a signal comes.
///
/// # Errors
/// `EINTR` where a signal came that this thread is to heed.
pub fn read_whole(path: &Path) -> Result<Vec<u8>, Errno> {
    signals::while_waiting(|| read_rest(open_until_heeded(path)?)).unwrap_or(Err(Errno::INTR))
}

/// Reads what is left of an open file or pipe, as [`read_whole`].
pub fn read_to_end(file: impl AsFd) -> Result<Vec<u8>, Errno> {
    signals::while_waiting(|| read_rest(file)).unwrap_or(Err(Errno::INTR))
}

/// A file without a name in a directory, gone once it is closed; in memory where the file system knows no such files.
pub fn without_name(dir: &Path) -> Result<File, Errno> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let opened = rustix::fs::open(dir, flags, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
    match opened {
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => {
            rustix::fs::memfd_create("ufs", rustix::fs::MemfdFlags::CLOEXEC).map(File::from)
        }
        opened => opened.map(File::from),
    }
}

/// Opens a file for reading, a pipe once somebody writes into it; waits as [`read_whole`].
pub fn open_waiting(path: &Path) -> Result<File, Errno> {
    signals::while_waiting(|| open_until_heeded(path)).unwrap_or(Err(Errno::INTR))
}

fn open_until_heeded(path: &Path) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    until_heeded(|| rustix::fs::open(path, flags, rustix::fs::Mode::empty())).map(File::from)
}

/// Reads what comes next, as [`read_whole`].
pub fn read_waiting(file: &File, buffer: &mut [u8]) -> Result<usize, Errno> {
    if signals::interrupted() {
        return Err(Errno::INTR);
    }
    signals::while_waiting(|| until_heeded(|| rustix::io::read(file, &mut *buffer)))
        .unwrap_or(Err(Errno::INTR))
}

fn read_rest(file: impl AsFd) -> Result<Vec<u8>, Errno> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match until_heeded(|| rustix::io::read(&file, &mut buffer[..]))? {
            0 => return Ok(all),
            more => all.extend_from_slice(&buffer[..more]),
        }
    }
}

/// Does again what a signal interrupted that means nothing to this thread.
fn until_heeded<T>(mut act: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match act() {
            Err(Errno::INTR) if !signals::interrupted() => {}
            other => return other,
        }
    }
}

/// Writes at a place; tells how much, which is less than all only if an error followed.
pub fn write_at(file: &File, data: &[u8], offset: u64) -> Result<usize, Errno> {
    let mut done = 0;
    while done < data.len() {
        match rustix::io::pwrite(file, &data[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(Errno::INTR) => {}
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// fallocate(2).
pub fn allocate(file: &File, mode: FallocateFlags, offset: u64, length: u64) -> Result<(), Errno> {
    rustix::fs::fallocate(file, mode, offset, length)
}

/// ftruncate(2).
pub fn truncate(file: impl AsFd, size: u64) -> Result<(), Errno> {
    rustix::fs::ftruncate(file, size)
}

/// Where the next data begins from `offset` on (`SEEK_DATA`); `ENXIO` if there is none.
pub fn next_data(file: &File, offset: u64) -> Result<u64, Errno> {
    rustix::fs::seek(file, SeekFrom::Data(offset))
}

/// Where the next hole begins from `offset` on (`SEEK_HOLE`); the end counts as one.
pub fn next_hole(file: &File, offset: u64) -> Result<u64, Errno> {
    rustix::fs::seek(file, SeekFrom::Hole(offset))
}

/// `copy_file_range(2)` between two places; tells how much.
pub fn copy_range(
    from: &File,
    mut read_at: u64,
    to: &File,
    mut write_at: u64,
    length: usize,
) -> Result<usize, Errno> {
    rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), length)
}

/// fchown(2) by any descriptor, `O_PATH` too.
pub fn chown(file: impl AsFd, uid: u32, gid: u32) -> Result<(), Errno> {
    rustix::fs::chownat(file, c"", Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::EMPTY_PATH)
}

/// fdatasync(2).
pub fn sync_data(file: impl AsFd) -> Result<(), Errno> {
    rustix::fs::fdatasync(file)
}

/// Opens the same file once more, by any descriptor (`O_PATH` too), whether it still has a name or not.
pub fn reopen(file: impl AsFd, flags: OFlags) -> Result<File, Errno> {
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    Ok(File::from(rustix::fs::open(path, flags | OFlags::CLOEXEC, rustix::fs::Mode::empty())?))
}

/// Opens what is there to write it from its beginning, as a shell's `>` does; a pipe waits for its reader.
///
/// # Errors
/// `EINTR` at Ctrl-C and at a signal to end.
pub fn open_to_write(path: &Path) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = || rustix::fs::open(path, flags, rustix::fs::Mode::empty()).map(File::from);
    signals::while_waiting(|| until_heeded(open)).unwrap_or(Err(Errno::INTR))
}

/// A second descriptor of the same open file.
pub fn duplicate(file: impl AsFd) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(file, 0)
}

/// How full a file system is, as statfs(2) tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// Blocks in all.
    pub blocks: u64,
    /// Blocks free.
    pub free: u64,
    /// Blocks free for users without privilege.
    pub available: u64,
    /// Inodes in all.
    pub files: u64,
    /// Inodes free.
    pub files_free: u64,
    /// The size that is best for transfers, in bytes.
    pub block_size: u32,
    /// The size of a block in the counts above, in bytes.
    pub fragment_size: u32,
}

/// statfs(2) of the file system that holds an open file.
pub fn space(file: impl AsFd) -> Result<Space, Errno> {
    let found = rustix::fs::fstatfs(file)?;
    let size = |raw| u32::try_from(raw).unwrap_or(4096);
    Ok(Space {
        blocks: found.f_blocks,
        free: found.f_bfree,
        available: found.f_bavail,
        files: found.f_files,
        files_free: found.f_ffree,
        block_size: size(found.f_bsize),
        fragment_size: size(found.f_frsize),
    })
}
