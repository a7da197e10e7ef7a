//! A part of a file as it is at one moment.

use std::io;
use std::os::unix::fs::MetadataExt as _;

use crate::model::{Digest, Timestamp};
use crate::oci::blob::{Extent, Plain as _};
use crate::sys;

/// A file whose last change is so long ago, in nanoseconds, gets another time by the next one: several ticks of the
/// kernel's clock.
const SETTLED: i128 = 100_000_000;

/// Where bytes lie, and the state of the file that holds them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    file: [u64; 3],
    modified: Timestamp,
    changed: Timestamp,
    start: u64,
    len: u64,
    looked: Timestamp,
}

impl Place {
    /// Looks at the file now: before its bytes are read.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub fn of(extent: &Extent) -> io::Result<Self> {
        let meta = extent.file().metadata()?;
        let time = |secs, nanos: i64| Timestamp { secs, nanos: u32::try_from(nanos).unwrap_or(0) };
        Ok(Self {
            file: [meta.dev(), meta.ino(), meta.size()],
            modified: time(meta.mtime(), meta.mtime_nsec()),
            changed: time(meta.ctime(), meta.ctime_nsec()),
            start: extent.start(),
            len: extent.len(),
            looked: sys::now(),
        })
    }

    /// How many bytes lie there.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Its name: a hash of all that it is.
    pub(super) fn name(&self) -> Digest {
        let mut bytes = Vec::with_capacity(80);
        for number in self.file.into_iter().chain([self.start, self.len]) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for time in [self.modified, self.changed] {
            bytes.extend_from_slice(&time.secs.to_le_bytes());
            bytes.extend_from_slice(&time.nanos.to_le_bytes());
        }
        Digest::of(&bytes)
    }

    /// Whether a change after the look would be seen by the file's times.
    pub fn is_settled(&self) -> bool {
        let nanos = |time: Timestamp| i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos);
        nanos(self.looked) - nanos(self.changed) > SETTLED
    }
}
