//! Content from a file's pages to a device in one write, by a pipe that holds the pages: it is copied once less.
//!
//! # Source
//! splice(2), pipe(7).

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::Errno;

/// How much a pipe is to hold, in bytes: the most that anybody may ask for.
const ROOM: usize = 1 << 20;
/// The most of a file that goes over in one write, in bytes: what comes before it takes a place, too.
pub const MOST: u32 = (1 << 20) - 4096;

/// The size of a page, in bytes; a pipe has a place for each that it holds.
#[expect(unsafe_code, reason = "sysconf")]
fn page_size() -> usize {
    // SAFETY: sysconf(3) only reads a number of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

#[derive(Debug)]
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    places: usize,
}

thread_local! {
    /// Empty between two writes.
    static PIPE: RefCell<Option<Pipe>> = const { RefCell::new(None) };
}

impl Pipe {
    fn new() -> Result<Self, Errno> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        // a user with very many pipes gets small ones
        let size = fcntl_setpipe_size(&write, ROOM).or_else(|_| rustix::pipe::fcntl_getpipe_size(&write))?;
        Ok(Self { read, write, places: size / page_size() })
    }

    fn has_room(&self, offset: u64, length: usize) -> bool {
        let page = page_size();
        let into_page = usize::try_from(offset % page as u64).unwrap_or(0);
        // and one for what comes before
        (into_page + length).div_ceil(page) < self.places
    }

    /// Takes `head` and content in; tells whether it is all there. A pipe that is full before is never waited for, as nobody
    /// else reads it: a file system may give its pages in pieces, each of which takes a place of its own.
    fn fill(&self, head: &[u8], from: &File, mut offset: u64, length: usize) -> Result<bool, Errno> {
        if rustix::io::write(&self.write, head)? < head.len() {
            return Ok(false);
        }
        let mut left = length;
        while left > 0 {
            match splice(from, Some(&mut offset), &self.write, None, left, SpliceFlags::NONBLOCK) {
                Ok(0) | Err(Errno::AGAIN) => return Ok(false),
                Ok(more) => left -= more.min(left),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(true)
    }
}

/// Writes `head` and then `length` bytes of a file to `to`, as one message; tells whether it could be tried. Where not (the
/// file ends before, the pipe is too small, a file system has no pages to give) nothing was written.
///
/// # Errors
/// What the write gives.
pub fn write_with(
    head: &[u8],
    (from, offset, length): (&File, u64, usize),
    to: impl AsFd,
) -> Result<bool, Errno> {
    PIPE.with_borrow_mut(|kept| {
        let Some(pipe) = kept.take().or_else(|| Pipe::new().ok()) else { return Ok(false) };
        if !pipe.has_room(offset, length) {
            *kept = Some(pipe);
            return Ok(false);
        }
        // a pipe that has something left in it is of no more use
        if !pipe.fill(head, from, offset, length).unwrap_or(false) {
            return Ok(false);
        }
        let whole = head.len() + length;
        let written = splice(&pipe.read, None, to, None, whole, SpliceFlags::empty())?;
        if written == whole {
            *kept = Some(pipe);
        }
        Ok(true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Seek as _, Write as _};

    #[test]
    fn a_pipe_that_is_full_too_early_is_not_waited_for() {
        let mut from = tempfile::tempfile().unwrap();
        from.write_all(&vec![7; 64 * page_size()]).unwrap();
        let pipe = Pipe::new().unwrap();
        let few = rustix::pipe::fcntl_setpipe_size(&pipe.write, 4 * page_size()).unwrap();
        assert!(!pipe.fill(b"head", &from, 0, few).unwrap());
    }

    #[test]
    fn a_head_and_content_are_written_whole_or_not_at_all() {
        let page = page_size();
        let content: Vec<u8> = (0..3 * page).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut from = tempfile::tempfile().unwrap();
        from.write_all(&content).unwrap();
        let send = |offset: usize, length: usize| {
            let mut to = tempfile::tempfile().unwrap();
            let sent = write_with(b"head", (&from, offset as u64, length), &to).unwrap();
            let mut got = Vec::new();
            to.rewind().unwrap();
            to.read_to_end(&mut got).unwrap();
            (sent, got)
        };
        for (offset, length) in [(0, 3 * page), (page, page), (5, 2 * page), (3 * page - 1, 1)] {
            let whole = [b"head", &content[offset..offset + length]].concat();
            assert_eq!(send(offset, length), (true, whole), "{length} bytes at {offset}");
            // the end comes first
            assert_eq!(send(offset, 3 * page + 1), (false, Vec::new()));
        }
        assert_eq!(send(0, ROOM), (false, Vec::new()));
    }
}
