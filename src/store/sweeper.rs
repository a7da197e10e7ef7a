//! Removes what lies in `tmp/` on its way out: at once what goes quickly, what is large in a thread of its own.
//!
//! So nobody waits for the removal of 100,000 files, and Ctrl-C need not stop it: what was removed was out of
//! everybody's way before. What is left when the process ends is removed at the store's next start.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sys::{Dir, Errno, signals};

/// How long somebody waits for a removal.
const AT_ONCE: Duration = Duration::from_millis(20);
/// How often one who waits for the end looks whether Ctrl-C was pressed.
const LOOK: Duration = Duration::from_millis(20);

/// Removes names of one directory.
#[derive(Debug, Default)]
pub(super) struct Sweeper {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Told when all is removed.
    idle: Condvar,
    stopped: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    names: VecDeque<Box<[u8]>>,
    /// Whether a thread is at work.
    works: bool,
}

impl Sweeper {
    /// Removes a name with all beneath it, now or soon.
    pub(super) fn remove(&self, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
        let until = Instant::now() + AT_ONCE;
        let in_time = &mut || Instant::now() < until;
        match dir.remove_tree_while(name, in_time) {
            Err(Errno::INTR) => {
                self.remove_later(dir.duplicate()?, name);
                Ok(())
            }
            other => other,
        }
    }

    fn remove_later(&self, dir: Dir, name: &[u8]) {
        let mut queue = self.shared.queue();
        queue.names.push_back(name.into());
        if queue.works {
            return;
        }
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name("removal".to_owned());
        match thread.spawn(move || shared.work(&dir)) {
            Ok(_) => queue.works = true,
            // it stays for the next start
            Err(error) => log::debug!("nothing is removed by the way: {error}"),
        }
    }

    /// Whether something is being removed.
    pub(super) fn is_at_work(&self) -> bool {
        self.shared.queue().works
    }

    /// Waits until all is removed, or until Ctrl-C.
    pub(super) fn finish(&self) {
        let mut queue = self.shared.queue();
        while queue.works && !signals::interrupted() {
            queue = self.shared.wait(queue, LOOK);
        }
    }

    /// Stops; what is left stays.
    pub(super) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        let mut queue = self.shared.queue();
        while queue.works {
            queue = self.shared.wait(queue, LOOK);
        }
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, queue: MutexGuard<'a, Queue>, time: Duration) -> MutexGuard<'a, Queue> {
        self.idle.wait_timeout(queue, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Removes until there is nothing more.
    fn work(&self, dir: &Dir) {
        let _rest = Rest(self);
        loop {
            let mut queue = self.queue();
            let next = queue.names.pop_front().filter(|_| !self.stopped.load(Ordering::Relaxed));
            let Some(name) = next else {
                queue.works = false;
                self.idle.notify_all();
                return;
            };
            drop(queue);
            let go_on = &mut || !self.stopped.load(Ordering::Relaxed);
            if let Err(errno) = dir.remove_tree_while(&name, go_on) {
                log::debug!("`{}` stays in the store: {errno}", name.escape_ascii());
            }
        }
    }
}

/// The end of a thread that panics: nobody waits for one that is gone.
struct Rest<'a>(&'a Shared);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue().works = false;
            self.0.idle.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_later_is_gone_when_it_is_waited_for() {
        let host = tempfile::tempdir().unwrap();
        for number in 0..50 {
            std::fs::create_dir_all(host.path().join(format!("{}/{number}", number % 3))).unwrap();
        }
        let dir = Dir::open(host.path()).unwrap();
        let sweeper = Sweeper::default();
        for name in [b"0", b"1", b"2"] {
            sweeper.remove_later(dir.duplicate().unwrap(), name);
        }
        sweeper.finish();
        assert!(!sweeper.is_at_work() && dir.is_vacant().unwrap());
        // and it works again
        std::fs::create_dir(host.path().join("again")).unwrap();
        sweeper.remove_later(dir.duplicate().unwrap(), b"again");
        sweeper.finish();
        assert!(dir.is_vacant().unwrap());
    }

    #[test]
    fn once_it_is_stopped_the_rest_stays() {
        let host = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(host.path().join("d/e")).unwrap();
        let dir = Dir::open(host.path()).unwrap();
        let sweeper = Sweeper::default();
        sweeper.stop();
        sweeper.remove_later(dir.duplicate().unwrap(), b"d");
        sweeper.stop();
        assert!(!sweeper.is_at_work() && host.path().join("d").exists());
    }
}
