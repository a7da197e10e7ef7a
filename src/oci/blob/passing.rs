//! One pass over a blob: what comes out, both digests, checkpoints.

use std::io::{self, Cursor, Read, Write as _};

use super::checkpoints::Marks;
use super::decode::Decoder;
use super::input::Input;
use super::{Checkpoints, Compression, Error, Extent, Limits, Plain};
use crate::model::{DiffId, Digest};
use crate::store::HashStream;
use crate::tar::{self, Form, Peeked};

/// How much is read at once, and how much comes out at once, in bytes.
const BUFFER: usize = 256 * 1024;

/// What a pass found.
#[derive(Clone, Debug)]
pub struct Passed {
    /// How the blob is compressed.
    pub compression: Compression,
    /// The SHA-256 of the blob as it lies there.
    pub digest: Digest,
    /// The SHA-256 of what comes out.
    pub diff_id: DiffId,
    /// The size of the blob, in bytes.
    pub size: u64,
    /// How many bytes come out.
    pub plain: u64,
    /// Where its reading can begin later.
    pub checkpoints: Checkpoints,
}

/// What comes out of a blob, from its beginning to its end. Hashing is done by threads of their own.
pub struct Passing {
    decoder: Decoder,
    compression: Compression,
    size: u64,
    /// None where nothing is compressed: both digests are one.
    hash: Option<HashStream>,
    most: u64,
    buffer: Vec<u8>,
    /// What of the buffer was not handed out yet.
    from: usize,
    to: usize,
}

impl std::fmt::Debug for Passing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passing").field("compression", &self.compression).finish_non_exhaustive()
    }
}

impl Passing {
    /// Begins a pass.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Compression`] where it is one that no layer has.
    pub fn new(extent: &Extent, limits: &Limits) -> Result<Self, Error> {
        Self::marked(extent, limits, Marks::new()?)
    }

    /// As [`Self::new`], with other checkpoints.
    pub(super) fn marked(extent: &Extent, limits: &Limits, marks: Marks) -> Result<Self, Error> {
        let compression = compression(extent)?;
        let input = Input::hashed(extent.clone(), BUFFER);
        let hash = (compression != Compression::None).then(HashStream::new);
        Ok(Self {
            decoder: Decoder::new(compression, input, 0, Some(marks))?,
            compression,
            size: extent.len(),
            hash,
            most: limits.most(extent.len()),
            buffer: vec![0; BUFFER],
            from: 0,
            to: 0,
        })
    }

    /// How the blob is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// How many bytes of the blob were read so far, for who shows how far it is.
    pub fn read_so_far(&self) -> u64 {
        self.decoder.place()
    }

    /// What comes next; nothing only at the end.
    ///
    /// # Errors
    /// What is wrong with the blob.
    pub fn piece(&mut self) -> Result<&[u8], Error> {
        self.fill()?;
        let from = std::mem::replace(&mut self.from, self.to);
        Ok(&self.buffer[from..self.to])
    }

    /// Sees to it that there is something to hand out, unless the blob is at its end.
    fn fill(&mut self) -> Result<(), Error> {
        if self.from < self.to {
            return Ok(());
        }
        let read = self.decoder.read(&mut self.buffer)?;
        (self.from, self.to) = (0, read);
        if self.decoder.plain() > self.most {
            return Err(Error::TooMuch { most: self.most, size: self.size });
        }
        match &mut self.hash {
            Some(hash) => hash.write_all(&self.buffer[..read]).map_err(|source| Error::Hash { source }),
            None => Ok(()),
        }
    }

    /// Goes to the end of the blob, whatever was not asked for, and tells what was found.
    ///
    /// # Errors
    /// What is wrong with the rest of the blob.
    pub fn finish(mut self) -> Result<Passed, Error> {
        while !self.piece()?.is_empty() {}
        let plain = self.decoder.plain();
        let (mut input, marks) = self.decoder.into_parts();
        let (digest, place) = (input.digest()?, input.place());
        let Some(digest) = digest.filter(|_| place == self.size) else {
            return Err(Error::Short { found: place, expected: self.size });
        };
        let diff_id = match self.hash {
            Some(hash) => hash.finish().map_err(|source| Error::Hash { source })?,
            None => digest,
        };
        let marks = marks.map_or_else(Marks::new, Ok)?;
        Ok(Passed {
            compression: self.compression,
            digest,
            diff_id: DiffId(diff_id),
            size: self.size,
            plain,
            checkpoints: marks.finish(self.compression, plain),
        })
    }
}

impl Read for Passing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fill()?;
        let read = buffer.len().min(self.to - self.from);
        buffer[..read].copy_from_slice(&self.buffer[self.from..self.from + read]);
        self.from += read;
        Ok(read)
    }
}

/// Reads all of a blob once, hands what comes out to `sink`, and tells what was found.
///
/// # Errors
/// What is wrong with the blob; what `sink` says.
pub fn pass<E: From<Error>>(
    extent: &Extent,
    limits: &Limits,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<Passed, E> {
    let mut passing = Passing::new(extent, limits)?;
    loop {
        let piece = passing.piece()?;
        if piece.is_empty() {
            return Ok(passing.finish()?);
        }
        sink(piece)?;
    }
}

/// How a blob is compressed, by its first bytes.
fn compression(extent: &Extent) -> Result<Compression, Error> {
    /// As much as tells a tar from all else.
    const HEAD: usize = 16 * 1024;
    let mut head = vec![0; HEAD];
    let read = extent.read_at(&mut head, 0).map_err(|source| Error::Read { at: 0, source })?;
    let peeked = Peeked::new(Cursor::new(&head[..read])).map_err(|source| Error::Read { at: 0, source })?;
    match peeked.form() {
        Form::Compressed(tar::Compression::Gzip) => Ok(Compression::Gzip),
        Form::Compressed(tar::Compression::Zstd) => Ok(Compression::Zstd),
        Form::Compressed(other) => Err(Error::Compression { how: other.name() }),
        Form::Tar | Form::Foreign(_) | Form::Other => Ok(Compression::None),
    }
}
