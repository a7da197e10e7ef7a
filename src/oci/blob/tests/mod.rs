//! Blobs of every kind, whole and damaged.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use super::checkpoints::Marks;
use super::*;

mod damaged;
mod whole;

/// A file without a name that holds these bytes.
fn file(bytes: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file)
}

fn extent(bytes: &[u8]) -> Extent {
    Extent::whole(file(bytes)).unwrap()
}

/// Numbers that look like chance, the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Bytes as files have them: words that come again, and now and then what cannot be compressed.
fn text(length: usize, seed: u64) -> Vec<u8> {
    let mut chance = Chance(seed);
    let mut out: Vec<u8> = Vec::with_capacity(length + 64);
    while out.len() < length {
        match chance.below(8) {
            0 => out.extend((0..chance.below(40)).map(|_| u8::try_from(chance.below(256)).unwrap())),
            1 if out.len() > 40_000 => {
                let from = chance.below(out.len() - 40_000);
                let copied = out[from..from + 50].to_vec();
                out.extend(copied);
            }
            _ => out.extend_from_slice(format!("line {} of it\n", chance.below(300)).as_bytes()),
        }
    }
    out.truncate(length);
    out
}

fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut out = flate2::GzBuilder::new()
        .filename("a name")
        .extra(vec![1, 2, 3])
        .comment("a comment")
        .write(Vec::new(), flate2::Compression::new(level));
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).unwrap()
}

/// A skippable frame.
const SKIPPABLE: &[u8] = b"\x5a\x2a\x4d\x18\x03\0\0\0abc";

/// One pass with checkpoints of this spacing and bound: what came out and what was found.
fn passed(blob: &[u8], spacing: u64, most: usize) -> Result<(Vec<u8>, Passed), Error> {
    let marks = Marks::with(spacing, most).unwrap();
    let mut passing = Passing::marked(&extent(blob), &Limits::default(), marks)?;
    let mut out = Vec::new();
    loop {
        let piece = passing.piece()?;
        if piece.is_empty() {
            return Ok((out, passing.finish()?));
        }
        out.extend_from_slice(piece);
    }
}
