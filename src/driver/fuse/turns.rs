//! Whose turn it is: of the threads that serve a mount one reads requests and does what they ask; the others rest.
//!
//! The kernel wakes the reader that has waited longest. With several of them two requests of one program go to two
//! threads, which costs a change of threads more; most requests take less time than that. Here a thread that has
//! answered goes back to read only if it has the lead, else it rests inside its callback. The lead passes on before
//! slow work, when its holder ends, and when it has been at one request for longer than a tick of the keeper, a thread
//! that sleeps while nothing is asked.
//!
//! While requests come in one after the other the leader asks the device for the next one for some microseconds before it
//! sleeps in read, which saves whoever asks the time to wake it.
//!
//! No request waits for one that is not read: whatever holds the leader up (a lock, a slow disk, a request that makes
//! requests) costs the others a tick or two until the next thread reads. Only when every thread is held up do they wait.

use std::cell::OnceCell;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sys::awake::Awake;
use crate::sys::fuse;

/// How often the keeper looks whether the leader gets on.
const TICK: Duration = Duration::from_millis(2);
/// After so many ticks without a request the keeper sleeps.
const QUIET: u32 = 5;
/// From so many requests a tick on, the time to wake a processor and a thread counts.
const MANY: u64 = 24;
/// How long the leader stays awake for the next request.
const LINGER: Duration = Duration::from_micros(20);
/// How often it rests in between for some nanoseconds.
const PAUSE: u32 = 32;
/// After so many times in vain it does not until the next tick.
const VAIN: u32 = 8;

/// Who has the lead, in the upper half (0: nobody); in the lower half what the leader began and finished, counted: odd
/// while it is at work.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Lead(u64);

impl Lead {
    const NOBODY: Self = Self(0);

    fn of(member: u64) -> Self {
        Self(member << 32)
    }

    fn member(self) -> u64 {
        self.0 >> 32
    }

    fn step(self) -> Self {
        Self(self.0 & !0xffff_ffff | (self.0 + 1) & 0xffff_ffff)
    }

    fn is_at_work(self) -> bool {
        self.member() != 0 && self.0 & 1 == 1
    }
}

/// The turns of one mount's threads.
#[derive(Debug)]
pub(super) struct Turns {
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Where requests come from.
    device: Arc<OwnedFd>,
    /// Numbers the threads, from 1 on.
    members: AtomicU64,
    /// A [`Lead`].
    lead: AtomicU64,
    /// Counts requests.
    requests: AtomicU64,
    /// How often the leader may still linger in vain.
    patience: AtomicU32,
    /// Held while a thread lies down to rest, and while the lead becomes free.
    resting: Mutex<()>,
    /// Told when the lead is free.
    free: Condvar,
    /// Whether the keeper sleeps.
    asleep: AtomicBool,
    /// Whether the keeper must end.
    ended: Mutex<bool>,
    /// Told when the keeper must wake or end.
    stir: Condvar,
}

/// A thread that serves a mount. When it ends the lead passes on.
struct Member {
    number: u64,
    shared: Arc<Shared>,
}

thread_local! {
    static MEMBER: OnceCell<Member> = const { OnceCell::new() };
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shared.pass(self.number);
    }
}

/// A request at work. When it is dropped its thread rests, unless it has the lead.
#[must_use]
pub(super) struct Turn<'a> {
    /// The thread's part, where turns are taken.
    part: Option<(&'a Shared, u64)>,
}

impl Turns {
    /// Starts the keeper of what reads from `device`. Without one (no thread to be had) all threads read.
    pub(super) fn new(device: Arc<OwnedFd>) -> Self {
        let shared = Arc::new(Shared {
            device,
            members: AtomicU64::new(0),
            lead: AtomicU64::new(Lead::NOBODY.0),
            requests: AtomicU64::new(0),
            patience: AtomicU32::new(0),
            resting: Mutex::default(),
            free: Condvar::new(),
            asleep: AtomicBool::new(false),
            ended: Mutex::default(),
            stir: Condvar::new(),
        });
        let keeper = std::thread::Builder::new().name("ufs-turns".to_owned());
        let kept = Arc::clone(&shared);
        let keeper = keeper.spawn(move || kept.keep());
        if let Err(error) = &keeper {
            log::debug!("the threads of a FUSE mount take no turns: {error}");
        }
        Self { shared, keeper: keeper.ok() }
    }

    /// Begins with a request.
    pub(super) fn begin(&self) -> Turn<'_> {
        let shared = &*self.shared;
        let member = || {
            let shared = Arc::clone(&self.shared);
            Member { number: shared.members.fetch_add(1, Ordering::Relaxed) + 1, shared }
        };
        let number = MEMBER.try_with(|known| known.get_or_init(member).number).ok();
        let Some(number) = number.filter(|_| self.keeper.is_some()) else { return Turn { part: None } };
        shared.step(number);
        shared.requests.fetch_add(1, Ordering::Relaxed);
        if shared.asleep.load(Ordering::SeqCst) && shared.asleep.swap(false, Ordering::SeqCst) {
            let _ended = shared.ended();
            shared.stir.notify_one();
        }
        Turn { part: Some((shared, number)) }
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        *self.shared.ended() = true;
        self.shared.stir.notify_one();
        if let Some(keeper) = self.keeper.take()
            && keeper.join().is_err()
        {
            log::debug!("a FUSE mount's keeper of turns panicked");
        }
    }
}

impl Turn<'_> {
    /// Passes the lead on, as what follows takes long.
    pub(super) fn pass_on(&self) {
        if let Some((shared, member)) = self.part {
            shared.pass(member);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some((shared, member)) = self.part else { return };
        if shared.step(member) {
            shared.linger();
        } else {
            shared.rest(member);
        }
    }
}

impl Shared {
    fn ended(&self) -> MutexGuard<'_, bool> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lead(&self) -> Lead {
        Lead(self.lead.load(Ordering::SeqCst))
    }

    fn change(&self, from: Lead, to: Lead) -> bool {
        self.lead.compare_exchange(from.0, to.0, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Counts a step of the leader; tells whether this is the leader.
    fn step(&self, member: u64) -> bool {
        loop {
            let lead = self.lead();
            if lead.member() != member {
                return false;
            }
            if self.change(lead, lead.step()) {
                return true;
            }
        }
    }

    /// Waits for the lead.
    fn rest(&self, member: u64) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.change(Lead::NOBODY, Lead::of(member)) {
            resting = self.free.wait(resting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits a little for the next request, if they come in fast.
    fn linger(&self) {
        if self.patience.load(Ordering::Relaxed) == 0 {
            return;
        }
        let start = Instant::now();
        while start.elapsed() < LINGER {
            if fuse::has_request(&*self.device) {
                return self.patience.store(VAIN, Ordering::Relaxed);
            }
            // no giving way here: where others want this processor, it would come back after the next request
            for _ in 0..PAUSE {
                std::hint::spin_loop();
            }
        }
        let left = self.patience.load(Ordering::Relaxed);
        self.patience.store(left.saturating_sub(1), Ordering::Relaxed);
    }

    /// Passes the lead on, if it is this member's.
    fn pass(&self, member: u64) {
        loop {
            let lead = self.lead();
            if lead.member() != member {
                return;
            }
            if self.change(lead, Lead::NOBODY) {
                return self.tell();
            }
        }
    }

    fn tell(&self) {
        // whoever found the lead taken is asleep once this lock is had, and hears it
        let _resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        self.free.notify_one();
    }

    /// The keeper's life.
    fn keep(&self) {
        let (mut seen, mut requests, mut quiet) = (Lead::NOBODY, 0, 0);
        let mut awake = None;
        let alone = std::thread::available_parallelism().is_ok_and(|processors| processors.get() == 1);
        let mut ended = self.ended();
        while !*ended {
            if quiet < QUIET {
                ended = self.stir.wait_timeout(ended, TICK).unwrap_or_else(PoisonError::into_inner).0;
            } else {
                // whoever begins from now on finds the keeper asleep
                self.asleep.store(true, Ordering::SeqCst);
                while self.asleep.load(Ordering::SeqCst) && !*ended {
                    ended = self.stir.wait(ended).unwrap_or_else(PoisonError::into_inner);
                }
                quiet = 0;
            }
            let (lead, count) = (self.lead(), self.requests.load(Ordering::Relaxed));
            if lead.is_at_work() && lead == seen && self.change(lead, Lead::NOBODY) {
                self.tell();
            }
            seen = lead;
            let more = count - requests;
            requests = count;
            quiet = if more == 0 && !lead.is_at_work() { quiet + 1 } else { 0 };
            self.patience.store(if more >= MANY && !alone { VAIN } else { 0 }, Ordering::Relaxed);
            if more >= MANY {
                awake.get_or_insert_with(Awake::ask);
            } else if quiet == QUIET {
                awake = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_has_answered_rests_until_the_leader_ends() {
        let turns = &Turns::new(Arc::new(std::fs::File::open("/dev/null").unwrap().into()));
        std::thread::scope(|scope| {
            let (say, leads) = std::sync::mpsc::channel();
            let (end, ends) = std::sync::mpsc::channel();
            scope.spawn(move || {
                drop(turns.begin());
                say.send(()).unwrap();
                ends.recv().unwrap();
            });
            leads.recv().unwrap();
            assert_eq!(turns.shared.lead().member(), 1);
            let other = scope.spawn(|| drop(turns.begin()));
            while turns.shared.requests.load(Ordering::Relaxed) < 2 {
                std::thread::yield_now();
            }
            assert!(!other.is_finished());
            end.send(()).unwrap();
            other.join().unwrap();
            // which ended in its turn
            assert!(turns.shared.lead() == Lead::NOBODY);
        });
    }

    #[test]
    fn a_leader_that_does_not_get_on_loses_the_lead() {
        let turns = &Turns::new(Arc::new(std::fs::File::open("/dev/null").unwrap().into()));
        drop(turns.begin());
        let stuck = turns.begin();
        std::thread::scope(|scope| {
            scope.spawn(|| drop(turns.begin())).join().unwrap();
        });
        assert!(turns.shared.lead() == Lead::NOBODY);
        // and has it again when nobody else wants it
        drop(stuck);
        assert_eq!(turns.shared.lead().member(), 1);
        // which it passes on before slow work
        let turn = turns.begin();
        turn.pass_on();
        assert!(turns.shared.lead() == Lead::NOBODY);
    }
}
