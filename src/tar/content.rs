//! The content of the entry at hand.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Seek};

use super::sparse::{Map, Run};

/// Bytes that are read at once.
const BUFFER: usize = 64 * 1024;
/// The same where content is passed over by seeking: headers lie far apart then.
const SEEKING_BUFFER: usize = 16 * 1024;

/// The archive's bytes, counted.
#[derive(Debug)]
pub(super) struct Source<R> {
    inner: BufReader<R>,
    /// Bytes consumed.
    pub(super) offset: u64,
    /// Stored bytes of the entry at hand that are still to come.
    pub(super) left: u64,
    /// The padding after them.
    pub(super) padding: u64,
    /// Where they belong, if the file is sparse.
    pub(super) map: Option<Map>,
    /// How bytes are passed over without being read, where that is possible.
    jump: Option<Jump<R>>,
}

/// How bytes are passed over without being read.
struct Jump<R> {
    by: fn(&mut BufReader<R>, i64) -> io::Result<()>,
    /// The length of all, in bytes: seeking goes past any end without a word.
    length: u64,
}

impl<R> fmt::Debug for Jump<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jump({})", self.length)
    }
}

impl<R: Read + Seek> Source<R> {
    /// One of `length` bytes that is passed over by seeking.
    pub(super) fn seeking(inner: R, length: u64) -> Self {
        let inner = BufReader::with_capacity(SEEKING_BUFFER, inner);
        let jump = Jump { by: BufReader::seek_relative, length };
        Self { inner, offset: 0, left: 0, padding: 0, map: None, jump: Some(jump) }
    }
}

impl<R: Read> Source<R> {
    pub(super) fn new(inner: R) -> Self {
        let inner = BufReader::with_capacity(BUFFER, inner);
        Self { inner, offset: 0, left: 0, padding: 0, map: None, jump: None }
    }

    /// Fills `buffer`; `false` if the archive ends before its first byte.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.inner.read(&mut buffer[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    filled += read;
                    self.offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Goes past bytes.
    pub(super) fn skip(&mut self, mut bytes: u64) -> io::Result<()> {
        if let Some(jump) = &self.jump {
            let end = self.offset.checked_add(bytes).filter(|end| *end <= jump.length);
            let (Some(end), Ok(by)) = (end, i64::try_from(bytes)) else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            (jump.by)(&mut self.inner, by)?;
            self.offset = end;
            return Ok(());
        }
        while bytes > 0 {
            let here = match self.inner.fill_buf() {
                Ok([]) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(buffer) => usize::try_from(bytes).map_or(buffer.len(), |bytes| bytes.min(buffer.len())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.inner.consume(here);
            self.offset += here as u64;
            bytes -= here as u64;
        }
        Ok(())
    }

    /// Goes past padding; `false` where the archive ends before its last byte.
    pub(super) fn skip_padding(&mut self, bytes: u64) -> io::Result<bool> {
        match self.skip(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads everything that is left, so that whoever hashes the archive sees all of it.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        self.offset += io::copy(&mut self.inner, &mut io::sink())?;
        Ok(())
    }

    /// The archive's own source.
    pub(super) fn into_inner(self) -> R {
        self.inner.into_inner()
    }

    /// Reads stored bytes of the entry at hand.
    fn data(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.inner.read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tar ends within a file"));
        }
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// Bytes of a file that lie together in its archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch {
    /// Where in the file.
    pub at: u64,
    /// Where in the archive.
    pub from: u64,
    /// How many.
    pub length: u64,
}

/// A piece of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece {
    /// So many bytes were read.
    Data(usize),
    /// So many zeros come next, which the archive does not store.
    Hole(u64),
    /// The file is at its end.
    End,
}

/// The content of the entry that [`Reader::next`](super::Reader::next) gave last; empty for all but files.
///
/// Reads with holes filled; [`Content::piece`] tells holes apart. What is not read is skipped.
#[derive(Debug)]
pub struct Content<'r, R>(pub(super) &'r mut Source<R>);

impl<R: Read> Content<'_, R> {
    /// Reads the next piece, into `buffer` if it is data.
    ///
    /// # Errors
    /// `UnexpectedEof` if the archive ends within the file; whatever its source says.
    pub fn piece(&mut self, buffer: &mut [u8]) -> io::Result<Piece> {
        self.take(buffer, false)
    }

    fn take(&mut self, buffer: &mut [u8], fill: bool) -> io::Result<Piece> {
        if buffer.is_empty() {
            return Ok(Piece::Data(0));
        }
        let Some(map) = &mut self.0.map else {
            let read = self.0.data(buffer)?;
            return Ok(if read == 0 { Piece::End } else { Piece::Data(read) });
        };
        match map.run() {
            None => Ok(Piece::End),
            Some(Run::Hole(length)) if fill => {
                let zeros = usize::try_from(length).map_or(buffer.len(), |length| length.min(buffer.len()));
                buffer[..zeros].fill(0);
                map.advance(zeros as u64);
                Ok(Piece::Data(zeros))
            }
            Some(Run::Hole(length)) => {
                map.advance(length);
                Ok(Piece::Hole(length))
            }
            Some(Run::Data(length)) => {
                let most = usize::try_from(length).map_or(buffer.len(), |length| length.min(buffer.len()));
                let read = self.0.data(&mut buffer[..most])?;
                if let Some(map) = &mut self.0.map {
                    map.advance(read as u64);
                }
                Ok(Piece::Data(read))
            }
        }
    }
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.take(buffer, true)? {
            Piece::Data(read) => Ok(read),
            Piece::Hole(_) | Piece::End => Ok(0),
        }
    }
}
