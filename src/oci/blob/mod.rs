//! The bytes of a layer blob where it lies: one pass over all of them, and any place of them later.
//!
//! A blob is a part of an open file ([`Extent`]). [`Passing`] decompresses it once, from its beginning to its end, makes
//! both digests and notes [`Checkpoints`]; by them [`open`] gives the uncompressed bytes at any place ([`Plain`]) without
//! beginning from the start each time.
//!
//! What a blob is compressed with is told by its first bytes, never by a media type. Nothing in it is trusted: each
//! structure is checked, what comes out is bounded ([`Limits`]), and memory is bounded whatever it says.
//!
//! # Source
//! RFC 1951 (deflate), RFC 1952 (gzip), RFC 8878 (zstd); OCI image-spec `layer.md`; zlib's `examples/zran.c` for the idea
//! of checkpoints.

pub mod cache;
mod checkpoints;
mod decode;
mod error;
mod extent;
mod gunzip;
mod input;
mod limits;
mod passing;
mod seek;
#[cfg(test)]
mod tests;
mod unzstd;

pub use checkpoints::Checkpoints;
pub use error::Error;
pub use extent::{Extent, Plain};
pub use limits::Limits;
pub use passing::{Passed, Passing, pass};
pub use seek::open;

/// How a blob is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, of any number of members.
    Gzip,
    /// zstd, of any number of frames, skippable ones too.
    Zstd,
}

impl Compression {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}
