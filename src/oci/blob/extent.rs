//! Where a blob's bytes lie.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::sys::file;

/// A part of an open file.
#[derive(Clone, Debug)]
pub struct Extent {
    file: Arc<File>,
    start: u64,
    len: u64,
}

/// The uncompressed bytes of a blob, at any place.
pub trait Plain: Send + Sync {
    /// Reads from `offset` on until the buffer is full or the bytes end; tells how many.
    ///
    /// # Errors
    /// Those of the file, and [`super::Error`] inside an [`io::Error`] where the blob is damaged.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// How many bytes there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Extent {
    /// The part of `file` of `len` bytes from `start` on. That they are there is seen when they are read.
    pub fn new(file: Arc<File>, start: u64, len: u64) -> Self {
        // so that no sum overflows
        Self { file, start, len: len.min(u64::MAX - start) }
    }

    /// A whole file.
    ///
    /// # Errors
    /// Where its size cannot be asked for.
    pub fn whole(file: Arc<File>) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self::new(file, 0, len))
    }

    /// The file that it is a part of.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Where it begins in the file.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// A part of this part, cut at its end.
    #[must_use]
    pub fn part(&self, offset: u64, len: u64) -> Self {
        let offset = offset.min(self.len);
        Self { file: Arc::clone(&self.file), start: self.start + offset, len: len.min(self.len - offset) }
    }
}

impl Plain for Extent {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.len.saturating_sub(offset);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        if most == 0 {
            return Ok(0);
        }
        file::read_at(&self.file, &mut buf[..most], self.start + offset).map_err(io::Error::from)
    }

    fn len(&self) -> u64 {
        self.len
    }
}
