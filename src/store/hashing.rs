//! SHA-256 of a stream on a thread of its own, so that reading and hashing run side by side.
//!
//! A short stream is hashed in place: the thread starts when the first buffer is full. Three buffers go round,
//! so memory stays flat whatever the stream's length.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::model::{Digest, Hasher};

/// Bytes a buffer takes.
const BUFFER: usize = 1 << 20;
/// Buffers in all.
const BUFFERS: usize = 3;

/// A stream's end that hashes what it gets.
#[derive(Debug)]
pub struct HashStream {
    buffer: Vec<u8>,
    limit: usize,
    bytes: u64,
    helper: Option<Helper>,
}

#[derive(Debug)]
struct Helper {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Digest>,
    made: usize,
}

impl Default for HashStream {
    fn default() -> Self {
        Self::new()
    }
}

impl HashStream {
    /// Starts an empty stream.
    pub fn new() -> Self {
        Self::with_buffer(BUFFER)
    }

    fn with_buffer(limit: usize) -> Self {
        Self { buffer: Vec::new(), limit, bytes: 0, helper: None }
    }

    /// How many bytes came so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// Where the thread ended early.
    pub fn finish(self) -> io::Result<Digest> {
        let Some(helper) = self.helper else {
            return Ok(Digest::of(&self.buffer));
        };
        let gone = || io::Error::other("the hashing thread ended early");
        helper.full.send(self.buffer).map_err(|_| gone())?;
        drop(helper.full);
        helper.thread.join().map_err(|_| gone())
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let gone = || io::Error::other("the hashing thread ended early");
        let helper = match &mut self.helper {
            Some(helper) => helper,
            none => none.insert(Helper::start()?),
        };
        let next = if helper.made < BUFFERS {
            helper.made += 1;
            Vec::with_capacity(self.limit)
        } else {
            helper.empty.recv().map_err(|_| gone())?
        };
        helper.full.send(std::mem::replace(&mut self.buffer, next)).map_err(|_| gone())
    }
}

impl Helper {
    fn start() -> io::Result<Self> {
        let (full, work) = sync_channel::<Vec<u8>>(BUFFERS);
        let (back, empty) = sync_channel(BUFFERS);
        let thread = std::thread::Builder::new().name("hash".to_owned()).spawn(move || {
            let mut hasher = Hasher::new();
            for mut buffer in work {
                hasher.update(&buffer);
                buffer.clear();
                // the other end is gone once the stream has ended
                drop(back.try_send(buffer));
            }
            hasher.finish()
        })?;
        Ok(Self { full, empty, thread, made: 1 })
    }
}

impl Write for HashStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == self.limit {
            self.hand_over()?;
        }
        let taken = bytes.len().min(self.limit - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_hashes_as_one_piece_whatever_its_length() {
        for length in [0_usize, 1, 63, 64, 65, 640, 641, 10_000] {
            let bytes: Vec<u8> = (0..length).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect();
            let mut stream = HashStream::with_buffer(64);
            for piece in bytes.chunks(23) {
                stream.write_all(piece).unwrap();
            }
            assert_eq!(stream.bytes(), length as u64);
            assert_eq!(stream.finish().unwrap(), Digest::of(&bytes), "{length}");
        }
    }
}
