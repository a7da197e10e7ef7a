//! The bytes of a blob one after the other, hashed on the way.

use std::io::Write as _;

use super::{Error, Extent, Plain};
use crate::model::Digest;
use crate::store::HashStream;

/// A blob that is read from some place to its end.
pub(super) struct Input {
    extent: Extent,
    /// Where the next buffer is read.
    next: u64,
    buffer: Vec<u8>,
    /// What of the buffer is not used yet.
    from: usize,
    to: usize,
    hash: Option<HashStream>,
}

impl Input {
    /// From `at` on, `size` bytes at once.
    pub(super) fn new(extent: Extent, at: u64, size: usize) -> Self {
        Self { extent, next: at, buffer: vec![0; size], from: 0, to: 0, hash: None }
    }

    /// From the beginning, and hashed.
    pub(super) fn hashed(extent: Extent, size: usize) -> Self {
        Self { hash: Some(HashStream::new()), ..Self::new(extent, 0, size) }
    }

    /// The offset of the next byte.
    pub(super) fn place(&self) -> u64 {
        self.next - (self.to - self.from) as u64
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> u64 {
        self.extent.len().saturating_sub(self.place())
    }

    /// What comes next, without using it up: at least `least` bytes, fewer only where the blob ends.
    pub(super) fn peek(&mut self, least: usize) -> Result<&[u8], Error> {
        while self.to - self.from < least && self.next < self.extent.len() {
            if self.from > 0 {
                self.buffer.copy_within(self.from..self.to, 0);
                (self.from, self.to) = (0, self.to - self.from);
            }
            if self.buffer.len() < least {
                self.buffer.resize(least, 0);
            }
            let room = &mut self.buffer[self.to..];
            let read = self.extent.read_at(room, self.next);
            let read = read.map_err(|source| Error::Read { at: self.next, source })?;
            if read == 0 {
                return Err(Error::Short { found: self.next, expected: self.extent.len() });
            }
            if let Some(hash) = &mut self.hash {
                hash.write_all(&room[..read]).map_err(|source| Error::Hash { source })?;
            }
            self.to += read;
            self.next += read as u64;
        }
        Ok(&self.buffer[self.from..self.to])
    }

    /// Uses up what was seen.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.from = self.to.min(self.from + bytes);
    }

    /// The digest, once all is used up.
    pub(super) fn digest(&mut self) -> Result<Option<Digest>, Error> {
        let Some(hash) = self.hash.take() else { return Ok(None) };
        hash.finish().map(Some).map_err(|source| Error::Hash { source })
    }
}
