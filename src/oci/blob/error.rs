//! What can go wrong with the bytes of a blob.

use std::io;

use super::Compression;

/// Why a blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file that holds it cannot be read.
    #[error("cannot read the blob at its byte {at}")]
    Read {
        /// The offset in the blob.
        at: u64,
        /// The cause.
        source: io::Error,
    },
    /// The file ends before the blob does.
    #[error("the blob has {found} bytes, and {expected} were expected: the file is cut short")]
    Short {
        /// How many bytes there are.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
    /// The compressed stream ends too early.
    #[error("the {} stream ends too early, at byte {at}", how.name())]
    Cut {
        /// The compression.
        how: Compression,
        /// The offset in the blob.
        at: u64,
    },
    /// The compressed stream is damaged.
    #[error("the {} stream is damaged near byte {at}: {why}", how.name())]
    Damaged {
        /// The compression.
        how: Compression,
        /// The offset in the blob.
        at: u64,
        /// What is wrong.
        why: String,
    },
    /// Something that is no part of the stream lies behind its end.
    #[error("behind the end of the {} stream, at byte {at}, lies something else ({bytes} bytes)", how.name())]
    Trailing {
        /// The compression.
        how: Compression,
        /// The offset in the blob.
        at: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// More comes out than is allowed.
    #[error("more than {most} bytes come out of a blob of {size} bytes: this may be a decompression bomb")]
    TooMuch {
        /// The bound, in bytes.
        most: u64,
        /// The size of the blob, in bytes.
        size: u64,
    },
    /// A compression that layers of images do not have.
    #[error("the blob is compressed with {how}, which layers of images never are")]
    Compression {
        /// What it is compressed with.
        how: &'static str,
    },
    /// A thread that hashes ended.
    #[error("cannot hash the blob")]
    Hash {
        /// The cause.
        source: io::Error,
    },
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Read { source, .. } | Error::Hash { source } => source.kind(),
            Error::Short { .. } | Error::Cut { .. } => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
