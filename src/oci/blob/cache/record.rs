//! What is known of a layer, as one file.
//!
//! # Layout, version 1
//! Integers are little endian.
//!
//! | what | form |
//! | --- | --- |
//! | magic | the 8 bytes `ufsblob\0` |
//! | version | 4 bytes |
//! | compression | 1 byte: 0 none, 1 gzip, 2 zstd |
//! | whether the digests are known | 1 byte: 0 or 1 |
//! | digest, diff ID | 32 raw bytes each; zeros where they are not known |
//! | bytes that come out, checkpoints, bytes of the index, bytes of the windows | 8 bytes each |
//! | size of the blob | 8 bytes |
//! | checkpoints | 32 bytes each: bytes that came out (8), offset in bits (8), where the window begins (8; all ones: none), its length (4), its CRC-32 (4) |
//! | index | as it was given |
//! | check | SHA-256 of everything before, 32 raw bytes |
//! | windows | compressed with zstd, each checked when it is read |

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::Known;
use crate::model::{DiffId, Digest};
use crate::oci::blob::checkpoints::{Point, Stored, Windows};
use crate::oci::blob::{Checkpoints, Compression};
use crate::sys::file;

const MAGIC: &[u8; 8] = b"ufsblob\0";
/// The version written here, and the only one that is read: what is of another is made again.
const VERSION: u32 = 1;
const HEAD: usize = 8 + 4 + 1 + 1 + 32 + 32 + 5 * 8;
const POINT: usize = 32;
const CHECK: usize = 32;
/// The most that is read at once: checkpoints and index.
const MOST: u64 = 512 << 20;
/// The most that a compressed window of 32 KiB may take.
const MOST_WINDOW: u32 = 64 * 1024;

/// The parts of a file, and the buffer that holds the first of them.
pub(super) fn encode(known: &Known, size: u64) -> (Vec<u8>, Arc<[u8]>) {
    let Checkpoints { compression, plain, points, windows } = &known.checkpoints;
    let windows = match windows {
        Windows::Memory(bytes) => Arc::clone(bytes),
        // what came from a file is in the cache already
        Windows::File { .. } => Arc::from([]),
    };
    let mut out = Vec::with_capacity(HEAD + points.len() * POINT + known.index.len() + CHECK);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.push(match compression {
        Compression::None => 0,
        Compression::Gzip => 1,
        Compression::Zstd => 2,
    });
    out.push(u8::from(known.digests.is_some()));
    let zeros = Digest::from_bytes([0; 32]);
    let (digest, diff_id) = known.digests.unwrap_or((zeros, DiffId(zeros)));
    out.extend_from_slice(digest.as_bytes());
    out.extend_from_slice(diff_id.0.as_bytes());
    for number in [*plain, points.len() as u64, known.index.len() as u64, windows.len() as u64, size] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for point in points {
        let (at, len, check) =
            point.window.map_or((u64::MAX, 0, 0), |stored| (stored.at, stored.len, stored.check));
        for number in [point.plain, point.bits, at] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&check.to_le_bytes());
    }
    out.extend_from_slice(&known.index);
    let check = Digest::of(&out);
    out.extend_from_slice(check.as_bytes());
    (out, windows)
}

/// Reads a file back that tells of a blob of this size.
///
/// # Errors
/// Those of the file; in words, what is wrong with it.
pub(super) fn decode(file: &Arc<File>, size: u64) -> io::Result<Known> {
    let wrong = |why: &'static str| io::Error::new(io::ErrorKind::InvalidData, why);
    let whole = file.metadata()?.len();
    let mut head = vec![0; HEAD];
    if file::read_at(file, &mut head, 0)? < HEAD {
        return Err(wrong("it is too short"));
    }
    let mut rest = Rest(&head);
    if rest.array()? != *MAGIC || u32::from_le_bytes(rest.array()?) != VERSION {
        return Err(wrong("it is of another version"));
    }
    let [compression, known] = rest.array()?;
    let compression = match compression {
        0 => Compression::None,
        1 => Compression::Gzip,
        2 => Compression::Zstd,
        _ => return Err(wrong("its compression is not known")),
    };
    let digests = (Digest::from_bytes(rest.array()?), DiffId(Digest::from_bytes(rest.array()?)));
    let [plain, count, index, windows, its] = [(); 5].map(|()| rest.number());
    let (plain, count, index, windows, its) = (plain?, count?, index?, windows?, its?);
    if its != size {
        return Err(wrong("it is about a blob of another size"));
    }
    // nothing is asked for that the file does not hold
    let body = count.checked_mul(POINT as u64).and_then(|points| points.checked_add(index));
    let body = body.filter(|&body| body <= MOST).ok_or_else(|| wrong("it is too large"))?;
    let start = HEAD as u64 + body + CHECK as u64;
    if start.checked_add(windows) != Some(whole) {
        return Err(wrong("its length is not what it says"));
    }
    let mut all = vec![0; usize::try_from(start).map_err(|_| wrong("it is too large"))?];
    if file::read_at(file, &mut all, 0)? < all.len() {
        return Err(wrong("it ends too early"));
    }
    let (body, check) = all.split_at(all.len() - CHECK);
    if !body.starts_with(&head) || Digest::of(body).as_bytes() != check {
        return Err(wrong("its checksum is wrong"));
    }
    let mut rest = Rest(&body[HEAD..]);
    let mut points: Vec<Point> = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for _ in 0..count {
        let (out, bits, at) = (rest.number()?, rest.number()?, rest.number()?);
        let (len, check) = (u32::from_le_bytes(rest.array()?), u32::from_le_bytes(rest.array()?));
        let window = (at != u64::MAX).then_some(Stored { at, len, check });
        let fits = window.is_none_or(|stored| {
            stored.len <= MOST_WINDOW
                && stored.at.checked_add(stored.len.into()).is_some_and(|end| end <= windows)
        });
        let ordered = points.last().is_none_or(|last| last.plain <= out && last.bits < bits);
        if !fits || !ordered || out > plain || bits / 8 >= size {
            return Err(wrong("a checkpoint is impossible"));
        }
        points.push(Point { plain: out, bits, window });
    }
    let windows = Windows::File { file: Arc::clone(file), start };
    Ok(Known {
        digests: (known == 1).then_some(digests),
        checkpoints: Checkpoints { compression, plain, points, windows },
        index: rest.0.to_vec(),
    })
}

/// What is left of a record.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn number(&mut self) -> io::Result<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
