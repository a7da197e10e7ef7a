//! One chunk compressed by itself.

use std::io;

use flate2::{Compress, Crc, FlushCompress, Status};

use super::Packing;
use crate::oci::blob::Compression;

/// How far deflate refers back, in bytes.
pub(super) const WINDOW: usize = 32 * 1024;

/// Deflate, no flags, no time, no hint, a Unix system: what is the same on every machine.
pub(super) const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Bytes of a chunk. Part of what makes the bytes of a blob: another size gives other digests.
pub(super) fn size(compression: Compression) -> usize {
    match compression {
        Compression::None | Compression::Gzip => 512 * 1024,
        Compression::Zstd => 4 << 20,
    }
}

/// What is to be compressed.
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    /// What came right before it, at most [`WINDOW`].
    pub(super) before: Vec<u8>,
    /// Whether nothing follows.
    pub(super) last: bool,
}

/// What came of it.
pub(super) struct Done {
    pub(super) packed: Vec<u8>,
    /// Of what went in, where the compression has one over all.
    pub(super) crc: Crc,
}

/// Compresses a chunk.
pub(super) fn pack(packing: Packing, chunk: &Chunk) -> io::Result<Done> {
    match packing.compression {
        Compression::None => Ok(Done { packed: chunk.bytes.clone(), crc: Crc::new() }),
        Compression::Gzip => deflate(packing.level, chunk),
        Compression::Zstd => zstd(packing.level, chunk),
    }
}

fn deflate(level: i32, chunk: &Chunk) -> io::Result<Done> {
    let level = u32::try_from(level.clamp(0, 9)).unwrap_or_default();
    let mut stream = Compress::new(flate2::Compression::new(level), false);
    if !chunk.before.is_empty() {
        stream.set_dictionary(&chunk.before)?;
    }
    let mut crc = Crc::new();
    crc.update(&chunk.bytes);
    let mut packed = Vec::with_capacity(chunk.bytes.len() / 2 + 1024);
    // a chunk that is not the last ends with an empty stored block, and so at a byte
    let flush = if chunk.last { FlushCompress::Finish } else { FlushCompress::Sync };
    loop {
        let used = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let rest = chunk.bytes.get(used..).unwrap_or_default();
        let told = stream.compress_vec(rest, &mut packed, flush)?;
        // where there is room left, nothing waits to be written
        let flushed = !chunk.last && packed.len() < packed.capacity();
        if told == Status::StreamEnd || flushed {
            return Ok(Done { packed, crc });
        }
        packed.reserve(chunk.bytes.len() / 2 + 1024);
    }
}

fn zstd(level: i32, chunk: &Chunk) -> io::Result<Done> {
    // nothing at all is one frame of nothing, so that the blob is zstd
    let levels = zstd::compression_level_range();
    let mut packer = zstd::bulk::Compressor::new(level.clamp(1, *levels.end()))?;
    packer.include_checksum(true)?;
    Ok(Done { packed: packer.compress(&chunk.bytes)?, crc: Crc::new() })
}
