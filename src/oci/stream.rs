//! A part of a file as a stream that can be sought in.

use std::io::{self, Read, Seek, SeekFrom};

use super::blob::{Extent, Plain as _};

/// Reads an extent from its beginning.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    extent: Extent,
    position: u64,
}

impl Stream {
    /// At the extent's beginning.
    pub(super) fn new(extent: Extent) -> Self {
        Self { extent, position: 0 }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.extent.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Stream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.extent.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
