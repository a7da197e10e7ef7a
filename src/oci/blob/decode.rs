//! One face for every way of compression: a stream of what comes out.

use super::checkpoints::Marks;
use super::gunzip::Gunzip;
use super::input::Input;
use super::unzstd::Unzstd;
use super::{Compression, Error};

/// What comes out of a blob, from some place to its end.
pub(super) enum Decoder {
    Plain { input: Input, plain: u64 },
    Gzip(Box<Gunzip>),
    Zstd(Box<Unzstd>),
}

impl Decoder {
    /// From where the blob, a member or a frame begins, `plain` bytes into what comes out.
    pub(super) fn new(
        how: Compression,
        input: Input,
        plain: u64,
        marks: Option<Marks>,
    ) -> Result<Self, Error> {
        Ok(match how {
            Compression::None => Self::Plain { input, plain },
            Compression::Gzip => Self::Gzip(Box::new(Gunzip::new(input, plain, marks)?)),
            Compression::Zstd => Self::Zstd(Box::new(Unzstd::new(input, plain, marks)?)),
        })
    }

    /// Puts what comes next into `out`; fewer bytes than fit only at the end of the blob or of what could be read so far, 0
    /// only at the end.
    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        match self {
            Self::Plain { input, plain } => {
                let found = input.peek(1)?;
                let read = found.len().min(out.len());
                out[..read].copy_from_slice(&found[..read]);
                input.consume(read);
                *plain += read as u64;
                Ok(read)
            }
            Self::Gzip(gunzip) => gunzip.read(out),
            Self::Zstd(unzstd) => unzstd.read(out),
        }
    }

    /// How many bytes came out, those before the beginning counted.
    pub(super) fn plain(&self) -> u64 {
        match self {
            Self::Plain { plain, .. } => *plain,
            Self::Gzip(gunzip) => gunzip.plain(),
            Self::Zstd(unzstd) => unzstd.plain(),
        }
    }

    /// The offset in the blob of what is read next.
    pub(super) fn place(&self) -> u64 {
        match self {
            Self::Plain { input, .. } => input.place(),
            Self::Gzip(gunzip) => gunzip.input().place(),
            Self::Zstd(unzstd) => unzstd.input().place(),
        }
    }

    /// What it reads from, and the checkpoints.
    pub(super) fn into_parts(self) -> (Input, Option<Marks>) {
        match self {
            Self::Plain { input, .. } => (input, None),
            Self::Gzip(gunzip) => gunzip.into_parts(),
            Self::Zstd(unzstd) => unzstd.into_parts(),
        }
    }
}
