//! What comes out of a blob at any place, by its checkpoints.
//!
//! A stream that stands a little before what is asked for is used again, so that who reads a file piece by piece, or files
//! in order, decompresses each byte once.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::checkpoints::Point;
use super::decode::Decoder;
use super::gunzip::Gunzip;
use super::input::Input;
use super::{Checkpoints, Compression, Error, Extent, Plain};

/// How much of the blob is read at once, in bytes.
const BUFFER: usize = 64 * 1024;
/// How many streams are kept.
const KEPT: usize = 4;

/// A blob and its checkpoints.
struct Seekable {
    extent: Extent,
    checkpoints: Checkpoints,
    /// Streams that stand somewhere; the one used last is the last.
    kept: Mutex<Vec<Decoder>>,
}

/// The uncompressed bytes of a blob, whose checkpoints a pass has noted.
pub fn open(extent: Extent, checkpoints: Checkpoints) -> Box<dyn Plain> {
    match checkpoints.compression {
        Compression::None => Box::new(extent),
        Compression::Gzip | Compression::Zstd => {
            Box::new(Seekable { extent, checkpoints, kept: Mutex::default() })
        }
    }
}

impl Plain for Seekable {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.len().saturating_sub(offset);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
        if most == 0 {
            return Ok(0);
        }
        let mut decoder = self.at(offset)?;
        let mut done = 0;
        while done < most {
            match decoder.read(&mut buf[done..most])? {
                0 => return Err(self.short(&decoder).into()),
                more => done += more,
            }
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push(decoder);
        Ok(done)
    }

    fn len(&self) -> u64 {
        self.checkpoints.plain
    }
}

impl Seekable {
    /// A stream that stands at `offset`.
    fn at(&self, offset: u64) -> Result<Decoder, Error> {
        let before = self.checkpoints.before(offset);
        let nearest = before.checked_sub(1).map_or(0, |last| self.checkpoints.points[last].plain);
        let mut decoder = match self.taken(nearest, offset) {
            Some(decoder) => decoder,
            None => self.begun(before)?,
        };
        let mut skipped = vec![0; BUFFER];
        while decoder.plain() < offset {
            let most = usize::try_from(offset - decoder.plain()).unwrap_or(BUFFER).min(BUFFER);
            if decoder.read(&mut skipped[..most])? == 0 {
                return Err(self.short(&decoder));
            }
        }
        Ok(decoder)
    }

    /// A kept stream that stands between the two places.
    fn taken(&self, from: u64, to: u64) -> Option<Decoder> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (best, _) = kept
            .iter()
            .enumerate()
            .filter(|(_, decoder)| (from..=to).contains(&decoder.plain()))
            .max_by_key(|(_, decoder)| decoder.plain())?;
        Some(kept.remove(best))
    }

    /// A stream from the last of the first `count` checkpoints that is whole; from the beginning, if none is.
    fn begun(&self, count: usize) -> Result<Decoder, Error> {
        for point in self.checkpoints.points[..count].iter().rev() {
            if let Some(decoder) = self.from(*point)? {
                return Ok(decoder);
            }
        }
        let input = Input::new(self.extent.clone(), 0, BUFFER);
        Decoder::new(self.checkpoints.compression, input, 0, None)
    }

    fn from(&self, point: Point) -> Result<Option<Decoder>, Error> {
        let input = Input::new(self.extent.clone(), point.bits / 8, BUFFER);
        let Some(stored) = point.window else {
            return Decoder::new(self.checkpoints.compression, input, point.plain, None).map(Some);
        };
        let Some(window) = self.checkpoints.window(stored) else { return Ok(None) };
        let bit = u8::try_from(point.bits % 8).unwrap_or_default();
        let gunzip = Gunzip::resumed(input, point.plain, bit, &window)?;
        Ok(Some(Decoder::Gzip(Box::new(gunzip))))
    }

    /// The blob ends where it did not when its checkpoints were made.
    fn short(&self, decoder: &Decoder) -> Error {
        let how = self.checkpoints.compression;
        Error::Cut { how, at: decoder.place() }
    }
}
