//! Threads that compress chunks; what they made is handed out in the order in which the chunks came.
//!
//! So many chunks are on their way at once that each thread has one in hand and one waiting, no more: memory does not grow
//! with what is compressed.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::Packing;
use super::chunk::{Chunk, Done, pack};

/// The most threads of one crew: each holds up to some chunks of 4 MiB.
const MOST: usize = 8;

/// The threads and what is on its way. They begin with the second chunk: a short layer is compressed in place.
pub(super) struct Crew {
    packing: Packing,
    threads: usize,
    workers: Option<Workers>,
    first: Option<Chunk>,
    given: u64,
    taken: u64,
    ready: BTreeMap<u64, io::Result<Done>>,
}

struct Workers {
    work: Sender<(u64, Chunk)>,
    done: Receiver<(u64, io::Result<Done>)>,
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    pub(super) fn new(packing: Packing, threads: usize) -> Self {
        let threads = threads.clamp(1, MOST);
        Self { packing, threads, workers: None, first: None, given: 0, taken: 0, ready: BTreeMap::new() }
    }

    /// Takes a chunk. What is ready must be asked for after each.
    pub(super) fn give(&mut self, chunk: Chunk) -> io::Result<()> {
        if self.given == 0 && self.first.is_none() {
            self.first = Some(chunk);
            return Ok(());
        }
        let first = self.first.take();
        for chunk in first.into_iter().chain([chunk]) {
            let workers = match &mut self.workers {
                Some(workers) => workers,
                none => none.insert(Workers::start(self.packing, self.threads)?),
            };
            workers.work.send((self.given, chunk)).map_err(|_| gone())?;
            self.given += 1;
        }
        Ok(())
    }

    /// What comes next, once so many are on their way that it is to be waited for; `None` while there is room.
    pub(super) fn ready(&mut self) -> io::Result<Option<Done>> {
        let on_the_way = usize::try_from(self.given - self.taken).unwrap_or(usize::MAX);
        if on_the_way < 2 * self.threads { Ok(None) } else { self.next() }
    }

    /// What comes next; waits for it. `None` when there is nothing more.
    pub(super) fn next(&mut self) -> io::Result<Option<Done>> {
        if let Some(chunk) = self.first.take() {
            return pack(self.packing, &chunk).map(Some);
        }
        if self.taken == self.given {
            return Ok(None);
        }
        loop {
            if let Some(done) = self.ready.remove(&self.taken) {
                self.taken += 1;
                return done.map(Some);
            }
            let workers = self.workers.as_ref().ok_or_else(gone)?;
            let (number, done) = workers.done.recv().map_err(|_| gone())?;
            self.ready.insert(number, done);
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let Some(Workers { work, done, threads }) = self.workers.take() else { return };
        // they end when there is nothing more to do and nobody to tell
        drop((work, done));
        for thread in threads {
            if thread.join().is_err() {
                log::debug!("a thread that compresses ended early");
            }
        }
    }
}

impl Workers {
    fn start(packing: Packing, count: usize) -> io::Result<Self> {
        let (work, chunks) = channel::<(u64, Chunk)>();
        let chunks = Arc::new(Mutex::new(chunks));
        let (tell, done) = channel();
        let mut threads = Vec::with_capacity(count);
        for _ in 0..count {
            let (chunks, tell) = (Arc::clone(&chunks), tell.clone());
            let run = move || {
                loop {
                    let next = chunks.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((number, chunk)) = next else { return };
                    if tell.send((number, pack(packing, &chunk))).is_err() {
                        return;
                    }
                }
            };
            threads.push(std::thread::Builder::new().name("pack".to_owned()).spawn(run)?);
        }
        Ok(Self { work, done, threads })
    }
}

fn gone() -> io::Error {
    io::Error::other("a thread that compresses ended early")
}
