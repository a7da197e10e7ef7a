//! Content put into the kernel's cache ahead of being asked for: where a lower file is read here and there.
//!
//! The kernel reads ahead only where a file is read on. Of one that is read at random each page costs a request; from the
//! first few on, each part of it that a page is asked of is put into the cache as a whole, once for each that has it open.
//!
//! What is put there must never be older than what a program wrote. Who is about to change a node's content (to open it for
//! writing, or to cut it) holds it [`Quiet`], from before the copy-up until the answer: nothing more is put there then, and
//! what is being put there is waited for. Afterwards the node is no lower file any more.
//!
//! One thread does it, which serves nobody: the kernel may hold a page back until it has the answer to a request, so
//! whoever serves the mount must neither put pages there nor wait for who does.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use super::carried;
use super::nodes::Nodes;

/// A part of a file that is put into the cache as a whole, in bytes.
const PART: u64 = 256 << 10;
/// So many reads here and there come before.
const FEW: u32 = 16;
/// Of larger files nothing is put there, in bytes: who reads some pages of it would pay for very many.
const LARGEST: u64 = 1 << 30;
/// So many parts wait at most; meanwhile what is asked for is read.
const MOST: usize = 64;

/// What one open file was read, here and there.
#[derive(Debug, Default)]
pub(super) struct Scattered {
    reads: u32,
    /// A bit for each part that was put into the cache.
    parts: Vec<u64>,
}

impl Scattered {
    /// Notes a read; gives the part's number if it is to be put into the cache now.
    fn note(&mut self, offset: u64, size: u64) -> Option<u64> {
        self.reads = self.reads.saturating_add(1);
        if self.reads <= FEW || offset >= size || size > LARGEST {
            return None;
        }
        let part = offset / PART;
        let (word, bit) = (usize::try_from(part / 64).ok()?, 1 << (part % 64));
        if self.parts.len() <= word {
            self.parts.resize(word + 1, 0);
        }
        let is_news = self.parts[word] & bit == 0;
        self.parts[word] |= bit;
        is_news.then_some(part)
    }
}

#[derive(Debug)]
struct Push {
    node: u64,
    file: Arc<File>,
    offset: u64,
    length: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Push>,
    /// The node whose content is being put into the cache.
    at_work: Option<u64>,
    /// How many hold a node quiet.
    quiet: HashMap<u64, usize>,
    ended: bool,
}

#[derive(Debug)]
struct Shared {
    device: Arc<OwnedFd>,
    nodes: Arc<Nodes>,
    state: Mutex<State>,
    /// Told when there is something to do, and when something is done.
    stir: Condvar,
}

/// The thread that puts content into the cache.
#[derive(Debug)]
pub(super) struct Pushes {
    shared: Arc<Shared>,
    thread: OnceLock<Option<JoinHandle<()>>>,
}

/// As long as it lives nothing is put into the cache of a node that was not begun before.
#[derive(Debug)]
pub(super) struct Quiet {
    shared: Arc<Shared>,
    node: u64,
}

impl Pushes {
    pub(super) fn new(device: Arc<OwnedFd>, nodes: Arc<Nodes>) -> Self {
        let shared = Shared { device, nodes, state: Mutex::default(), stir: Condvar::new() };
        Self { shared: Arc::new(shared), thread: OnceLock::new() }
    }

    /// After a read of a lower file, `size` bytes long: puts what lies about it into the cache, if that is worth it.
    pub(super) fn note(
        &self,
        scattered: &Mutex<Scattered>,
        node: u64,
        file: Arc<File>,
        offset: u64,
        size: u64,
    ) {
        let mut state = self.shared.state();
        if state.waiting.len() >= MOST {
            return;
        }
        let part = scattered.lock().unwrap_or_else(PoisonError::into_inner).note(offset, size);
        let Some(offset) = part.map(|part| part * PART) else { return };
        let length = usize::try_from((size - offset).min(PART)).unwrap_or(0);
        state.waiting.push_back(Push { node, file, offset, length });
        drop(state);
        self.thread.get_or_init(|| self.start());
        self.shared.stir.notify_all();
    }

    fn start(&self) -> Option<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("ufs-pushes".to_owned()).spawn(move || shared.work());
        thread.inspect_err(|error| log::debug!("nothing is put into the kernel's cache: {error}")).ok()
    }

    /// Lets nothing more be put into the cache of a node.
    pub(super) fn quiet(&self, node: u64) -> Quiet {
        *self.shared.state().quiet.entry(node).or_default() += 1;
        Quiet { shared: Arc::clone(&self.shared), node }
    }
}

impl Drop for Pushes {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.stir.notify_all();
        if let Some(Some(thread)) = self.thread.take()
            && thread.join().is_err()
        {
            log::debug!("the thread that puts content into the kernel's cache panicked");
        }
    }
}

impl Quiet {
    /// Whether what was begun before is not done yet.
    pub(super) fn is_busy(&self) -> bool {
        self.shared.state().at_work == Some(self.node)
    }

    /// Waits for what was begun before. No thread that serves the mount may, nor who holds a lock that such a one may want.
    pub(super) fn wait(&self) {
        let mut state = self.shared.state();
        while state.at_work == Some(self.node) {
            state = self.shared.stir.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if let Some(holders) = state.quiet.get_mut(&self.node) {
            *holders -= 1;
            if *holders == 0 {
                state.quiet.remove(&self.node);
            }
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's life.
    fn work(&self) {
        let mut state = self.state();
        while !state.ended {
            let Some(push) = state.waiting.pop_front() else {
                state = self.stir.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            // in this order: who held it quiet has noted the copy-up before
            if state.quiet.contains_key(&push.node) || !self.nodes.is_lower(push.node) {
                continue;
            }
            state.at_work = Some(push.node);
            drop(state);
            carried::store(&*self.device, push.node, (&push.file, push.offset, push.length));
            state = self.state();
            state.at_work = None;
            self.stir.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_part_that_is_read_at_random_is_put_into_the_cache_once() {
        let mut scattered = Scattered::default();
        for _ in 0..FEW {
            assert_eq!(scattered.note(0, LARGEST), None);
        }
        assert_eq!(scattered.note(PART + 5, LARGEST), Some(1));
        assert_eq!(scattered.note(2 * PART - 1, LARGEST), None);
        assert_eq!(scattered.note(LARGEST - 1, LARGEST), Some(LARGEST / PART - 1));
        assert_eq!(scattered.note(0, LARGEST), Some(0));
        // beyond the end, and of what is too large
        assert_eq!(scattered.note(LARGEST, LARGEST), None);
        assert_eq!(scattered.note(200 * PART, LARGEST + 1), None);
    }

    #[test]
    fn nothing_is_begun_while_a_node_is_held_quiet() {
        let device = Arc::new(std::fs::File::open("/dev/null").unwrap().into());
        let pushes = Pushes::new(device, Arc::new(Nodes::new(u64::MAX)));
        let (first, second) = (pushes.quiet(5), pushes.quiet(5));
        assert!(!first.is_busy());
        drop(first);
        assert!(pushes.shared.state().quiet.contains_key(&5));
        pushes.shared.state().at_work = Some(5);
        assert!(second.is_busy());
        std::thread::scope(|scope| {
            let (tell, told) = mpsc::channel();
            let waits = &second;
            scope.spawn(move || {
                waits.wait();
                tell.send(()).unwrap();
            });
            // woken for something else it goes on waiting
            pushes.shared.stir.notify_all();
            let early = told.recv_timeout(Duration::from_millis(50));
            assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout));
            pushes.shared.state().at_work = None;
            pushes.shared.stir.notify_all();
            told.recv().unwrap();
        });
        drop(second);
        assert!(pushes.shared.state().quiet.is_empty());
    }
}
