//! Places of a compressed blob at which decompression can begin.
//!
//! In gzip that is between two blocks of deflate, with the 32 KiB that came out right before, and at the beginning of a
//! member; in zstd at the beginning of a frame. A frame cannot be entered: its tables are nowhere but in the decoder.
//! Nor can a block of deflate; the quickest level of some programs makes one of a whole stream.
//!
//! Windows are kept compressed, each with a checksum of its own, so that one is read only when it is needed. Where they
//! grow beyond a bound, every second checkpoint goes: what a blob of any size needs is bounded, and only the way from one
//! to the next grows.

use std::fs::File;
use std::sync::Arc;

use super::{Compression, Error};
use crate::sys::file;
use crate::sys::inflate::WINDOW;

/// How many bytes come out between two checkpoints, at least.
const SPACING: u64 = 1 << 20;
/// The most that windows of one blob may take, in bytes.
const MOST: usize = 12 << 20;
/// The most checkpoints of one blob, with or without windows.
const MOST_POINTS: usize = 1 << 16;
/// The quickest level that zstd has by number; windows are many and short.
const LEVEL: i32 = 1;

/// The places at which a blob's decompression can begin, beside its start.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    pub(super) compression: Compression,
    /// How many bytes come out in all.
    pub(super) plain: u64,
    /// In order.
    pub(super) points: Vec<Point>,
    pub(super) windows: Windows,
}

/// A place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Point {
    /// How many bytes came out before it.
    pub(super) plain: u64,
    /// Its offset in the blob, in bits.
    pub(super) bits: u64,
    /// The window; `None` where a member or a frame begins, which needs none.
    pub(super) window: Option<Stored>,
}

/// Where a compressed window lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stored {
    pub(super) at: u64,
    pub(super) len: u32,
    /// CRC-32 of its compressed bytes.
    pub(super) check: u32,
}

/// The windows of a blob, one behind the other.
#[derive(Clone, Debug)]
pub(super) enum Windows {
    Memory(Arc<[u8]>),
    /// From `start` on in a file of the cache, read when they are needed.
    File {
        file: Arc<File>,
        start: u64,
    },
}

impl Checkpoints {
    /// How the blob is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// How many bytes come out in all.
    pub fn plain(&self) -> u64 {
        self.plain
    }

    /// How many of the checkpoints are at or before this byte: those that its reading may begin at.
    pub(super) fn before(&self, offset: u64) -> usize {
        self.points.partition_point(|point| point.plain <= offset)
    }

    /// A checkpoint's window; `None` where it cannot be read or is not what was written.
    pub(super) fn window(&self, stored: Stored) -> Option<Vec<u8>> {
        let length = usize::try_from(stored.len).ok()?;
        let packed = match &self.windows {
            Windows::Memory(all) => {
                let from = usize::try_from(stored.at).ok()?;
                all.get(from..from.checked_add(length)?)?.to_vec()
            }
            Windows::File { file, start } => {
                let mut packed = vec![0; length];
                let read = file::read_at(file, &mut packed, start.checked_add(stored.at)?).ok()?;
                (read == length).then_some(packed)?
            }
        };
        if check(&packed) != stored.check {
            return None;
        }
        zstd::bulk::decompress(&packed, WINDOW).ok()
    }
}

/// CRC-32 as gzip has it.
pub(super) fn check(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The checkpoints that a pass notes.
pub(super) struct Marks {
    spacing: u64,
    last: u64,
    made: Vec<(u64, u64, Option<Vec<u8>>)>,
    bytes: usize,
    most: usize,
    packer: zstd::bulk::Compressor<'static>,
}

impl Marks {
    pub(super) fn new() -> Result<Self, Error> {
        Self::with(SPACING, MOST)
    }

    /// With another spacing and bound.
    pub(super) fn with(spacing: u64, most: usize) -> Result<Self, Error> {
        let packer = zstd::bulk::Compressor::new(LEVEL).map_err(failed)?;
        Ok(Self { spacing, last: 0, made: Vec::new(), bytes: 0, most, packer })
    }

    /// How many bytes shall come out yet before the next checkpoint; 0 where one is wanted here.
    pub(super) fn until_due(&self, plain: u64) -> u64 {
        self.spacing.saturating_sub(plain - self.last)
    }

    /// Notes one.
    pub(super) fn note(&mut self, plain: u64, bits: u64, window: Option<&[u8]>) -> Result<(), Error> {
        let window = window.map(|window| self.packer.compress(window)).transpose().map_err(failed)?;
        self.last = plain;
        self.bytes += window.as_ref().map_or(0, Vec::len);
        self.made.push((plain, bits, window));
        if self.bytes > self.most || self.made.len() > MOST_POINTS {
            self.spacing = self.spacing.saturating_mul(2);
            let mut keep = false;
            self.made.retain(|_| {
                keep = !keep;
                !keep
            });
            self.bytes = self.made.iter().filter_map(|(_, _, window)| Some(window.as_ref()?.len())).sum();
        }
        Ok(())
    }

    /// All that were noted.
    pub(super) fn finish(self, compression: Compression, plain: u64) -> Checkpoints {
        let mut windows = Vec::with_capacity(self.bytes);
        let points = self.made.into_iter().map(|(plain, bits, window)| {
            let window = window.map(|window| {
                let at = windows.len() as u64;
                windows.extend_from_slice(&window);
                let len = u32::try_from(window.len()).unwrap_or(u32::MAX);
                Stored { at, len, check: check(&window) }
            });
            Point { plain, bits, window }
        });
        let points = points.collect();
        Checkpoints { compression, plain, points, windows: Windows::Memory(windows.into()) }
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::Hash { source }
}
