//! Layers as blobs: compressed on all cores, both digests made on the way.
//!
//! The same bytes come out of the same bytes, whatever the number of cores: what goes in is cut into chunks of a fixed
//! size, each is compressed by itself, and they are put together in order. In gzip a chunk knows the 32 KiB before it
//! and ends at a byte, so that all are one stream of one member; in zstd each is a frame, which is also where a reader
//! can begin later.
//!
//! # Source
//! RFC 1952; RFC 8878; `pigz`, for the idea of chunks that know what lies before them.

mod chunk;
mod crew;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use self::chunk::{Chunk, Done};
use self::crew::Crew;
use crate::model::{DiffId, Digest};
use crate::oci::blob::Compression;
use crate::store::HashStream;

/// How a layer is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packing {
    /// The compression.
    pub compression: Compression,
    /// Its level, as the compression counts; it is brought to the nearest that there is.
    pub level: i32,
}

impl Packing {
    /// With the level that is best for layers: as small as `gzip -6` makes them within a few parts in a hundred, or zstd's
    /// own.
    pub fn new(compression: Compression) -> Self {
        let level = match compression {
            Compression::None => 0,
            Compression::Gzip => 5,
            Compression::Zstd => 3,
        };
        Self { compression, level }
    }
}

/// A blob that was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packed {
    /// The SHA-256 of the blob.
    pub digest: Digest,
    /// The SHA-256 of what went in.
    pub diff_id: DiffId,
    /// The size of the blob, in bytes.
    pub size: u64,
    /// How many bytes went in.
    pub plain: u64,
}

/// Where what is packed is written to; ended by [`Packer::finish`].
pub struct Packer<W> {
    out: Hashed<W>,
    /// What went in; none where nothing is compressed, as both digests are one.
    plain: Option<HashStream>,
    packing: Packing,
    crew: Option<Crew>,
    /// The chunk that is filled.
    chunk: Vec<u8>,
    /// What came right before it.
    before: Vec<u8>,
    crc: flate2::Crc,
}

impl<W> std::fmt::Debug for Packer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("packing", &self.packing).finish_non_exhaustive()
    }
}

/// A destination and the hash of what it got.
struct Hashed<W> {
    out: W,
    hash: HashStream,
}

impl<W: Write> Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.write_all(bytes)?;
        self.out.write_all(bytes)
    }
}

impl<W: Write> Packer<W> {
    /// Begins a blob, with so many threads that compress.
    ///
    /// # Errors
    /// Those of the destination.
    pub fn new(out: W, packing: Packing, threads: usize) -> io::Result<Self> {
        let mut out = Hashed { out, hash: HashStream::new() };
        if packing.compression == Compression::Gzip {
            out.write(&chunk::GZIP_HEADER)?;
        }
        let packs = packing.compression != Compression::None;
        Ok(Self {
            out,
            plain: packs.then(HashStream::new),
            packing,
            crew: packs.then(|| Crew::new(packing, threads)),
            chunk: Vec::new(),
            before: Vec::new(),
            crc: flate2::Crc::new(),
        })
    }

    /// Ends the blob and gives its destination back.
    ///
    /// # Errors
    /// Those of the destination, and where a thread cannot be had.
    pub fn finish(mut self) -> io::Result<(W, Packed)> {
        self.hand_over(true)?;
        while let Some(done) = self.crew.as_mut().map_or(Ok(None), Crew::next)? {
            self.take(&done)?;
        }
        if self.packing.compression == Compression::Gzip {
            let trailer = [self.crc.sum().to_le_bytes(), self.crc.amount().to_le_bytes()].concat();
            self.out.write(&trailer)?;
        }
        let Hashed { mut out, hash } = self.out;
        out.flush()?;
        let size = hash.bytes();
        let digest = hash.finish()?;
        let (plain, diff_id) = match self.plain {
            Some(plain) => (plain.bytes(), plain.finish()?),
            None => (size, digest),
        };
        Ok((out, Packed { digest, diff_id: DiffId(diff_id), size, plain }))
    }

    /// Gives what was collected to be compressed, and writes what is ready.
    fn hand_over(&mut self, last: bool) -> io::Result<()> {
        let Some(crew) = &mut self.crew else { return Ok(()) };
        let next = self.chunk.len().saturating_sub(chunk::WINDOW);
        let tail = self.chunk[next..].to_vec();
        let bytes = std::mem::take(&mut self.chunk);
        let before = std::mem::replace(&mut self.before, tail);
        crew.give(Chunk { bytes, before, last })?;
        while let Some(done) = self.crew.as_mut().map_or(Ok(None), Crew::ready)? {
            self.take(&done)?;
        }
        Ok(())
    }

    fn take(&mut self, done: &Done) -> io::Result<()> {
        self.crc.combine(&done.crc);
        self.out.write(&done.packed)
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(plain) = &mut self.plain else {
            self.out.write(bytes)?;
            return Ok(bytes.len());
        };
        let size = chunk::size(self.packing.compression);
        // a chunk is handed over only when more follows, so that the last one is known
        if self.chunk.len() == size {
            self.hand_over(false)?;
            return self.write(bytes);
        }
        if self.chunk.capacity() == 0 {
            self.chunk.reserve_exact(size);
        }
        let taken = bytes.len().min(size - self.chunk.len());
        plain.write_all(&bytes[..taken])?;
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
