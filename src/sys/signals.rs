//! Signals that end or interrupt: remembered, and polled by whatever takes long.
//!
//! Handlers are set without `SA_RESTART`, so that a blocking call returns `EINTR` instead of outliving Ctrl-C.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::{alarm, getpid};

use super::process;

/// What came in, until [`share`] moves it to memory that processes share.
static OWN: AtomicI32 = AtomicI32::new(0);
/// That memory, once there is any.
static SHARED: AtomicPtr<AtomicI32> = AtomicPtr::new(std::ptr::null_mut());
/// The signals to end that leave time to unmount: whatever else ends a process by default would leave its mounts. Those
/// that tell of a fault in the program itself are not among them.
const ENDS: [Signal; 9] = [
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGXCPU,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGIO,
];

/// What stands in the place of a signal's number when the time is up that a script may take.
const TIME: i32 = -1;
/// When that is, in nanoseconds of the monotonic clock; 0 for never.
static DEADLINE: AtomicU64 = AtomicU64::new(0);
/// The time that it may take, in nanoseconds.
static MOST: AtomicU64 = AtomicU64::new(0);

/// Whether a line editor is at work, or a call that waits.
static WAITING: AtomicBool = AtomicBool::new(false);

/// What came in: 0, or a signal's number.
#[expect(unsafe_code, reason = "a reference to memory that is never unmapped")]
fn told() -> &'static AtomicI32 {
    let shared = SHARED.load(Ordering::Acquire);
    // SAFETY: if it is not null it points to a page that stays mapped until the process ends, and that is used as this
    // number alone.
    unsafe { shared.as_ref() }.unwrap_or(&OWN)
}

/// Has processes that are copied from this one from now on see what comes in here. Where there is no memory for it they
/// do not.
#[expect(unsafe_code, reason = "mmap")]
pub(super) fn share() {
    if !SHARED.load(Ordering::Acquire).is_null() {
        return;
    }
    let (access, how) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a mapping at a place of the kernel's choice concerns no memory that is in use.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<AtomicI32>(), access, how, -1, 0) };
    if page == libc::MAP_FAILED {
        return log::debug!("no shared memory: {}", super::last_errno());
    }
    let first = SHARED.compare_exchange(
        std::ptr::null_mut(),
        // zeros, which are a number
        page.cast(),
        Ordering::AcqRel,
        Ordering::Acquire,
    );
    if first.is_ok() {
        // what came before; a signal that comes now finds the new place
        let before = OWN.swap(0, Ordering::SeqCst);
        if before != 0 {
            let _ = told().compare_exchange(0, before, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

extern "C" fn remember(signal: i32) {
    // a signal to end outranks Ctrl-C
    if signal == Signal::SIGINT as i32 {
        let _ = told().compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        // one that comes right before the call that waits is not heard by it
        if WAITING.load(Ordering::SeqCst) {
            alarm::set(1);
        }
    } else {
        told().store(signal, Ordering::SeqCst);
        wake(signal);
    }
}

/// A write beyond `ulimit -f` fails with `EFBIG`. Unlike a signal that is ignored, one with a handler is as usual again
/// in programs that are run.
extern "C" fn let_fail(_: i32) {}

/// Wakes a line editor, which goes on reading after any signal but SIGINT, for which it has a handler of its own. One
/// that comes right before it reads, or before a call that waits, is lost on it: so again each second until it has
/// returned.
extern "C" fn wake(_: i32) {
    if WAITING.load(Ordering::SeqCst) {
        alarm::set(1);
        if let Err(errno) = kill(getpid(), Signal::SIGINT) {
            debug_assert!(false, "a process may signal itself: {errno}");
        }
    }
}

/// The timer of a limit, or the one that [`wake`] set for itself.
extern "C" fn alarmed(signal: i32) {
    let deadline = DEADLINE.load(Ordering::SeqCst);
    if deadline != 0 && monotonic() >= deadline {
        let _ = told().compare_exchange(0, TIME, Ordering::SeqCst, Ordering::SeqCst);
    }
    // one of somebody else's, or a late one of ours, would be taken for Ctrl-C
    if told().load(Ordering::SeqCst) != 0 {
        wake(signal);
    }
}

fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000)
        + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// A limit of the time that something takes; it is over when this goes.
#[derive(Debug)]
pub struct TimeLimit(libc::timer_t);

/// How often a call that waits is woken once the time is up: the first signal may come right before it waits.
const AGAIN: Duration = Duration::from_millis(250);

/// Lets what runs from now on take so much time: then all is stopped that Ctrl-C stops. One limit at a time.
///
/// # Errors
/// What `timer_create(2)` gives.
#[expect(unsafe_code, reason = "timer_create, timer_settime")]
pub fn limit_time(most: Duration) -> Result<TimeLimit, super::Errno> {
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX).max(1);
    let spec = |time: Duration| libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos().into(),
    };
    // SAFETY: all of its fields may be zero.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGALRM;
    let mut timer: libc::timer_t = std::ptr::null_mut();
    // SAFETY: both point to values that live for as long as the call takes.
    if unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) } != 0 {
        return Err(super::last_errno());
    }
    let limit = TimeLimit(timer);
    MOST.store(nanos, Ordering::SeqCst);
    DEADLINE.store(monotonic().saturating_add(nanos), Ordering::SeqCst);
    let when = libc::itimerspec { it_interval: spec(AGAIN), it_value: spec(Duration::from_nanos(nanos)) };
    // SAFETY: the timer was made right now; `when` lives for as long as the call takes.
    if unsafe { libc::timer_settime(limit.0, 0, &raw const when, std::ptr::null_mut()) } != 0 {
        return Err(super::last_errno());
    }
    Ok(limit)
}

impl Drop for TimeLimit {
    #[expect(unsafe_code, reason = "timer_delete")]
    fn drop(&mut self) {
        // SAFETY: the timer was made by `limit_time` and is deleted here alone.
        unsafe { libc::timer_delete(self.0) };
        DEADLINE.store(0, Ordering::SeqCst);
        let _ = told().compare_exchange(TIME, 0, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// The time that what runs may take, if that is up.
pub fn time_up() -> Option<Duration> {
    let is_up = told().load(Ordering::SeqCst) == TIME;
    is_up.then(|| Duration::from_nanos(MOST.load(Ordering::SeqCst)))
}

/// How often whoever works for a process looks whether that is being killed.
const LOOK: Duration = Duration::from_millis(10);

thread_local! {
    /// The process that this thread works for; none: this one.
    static ASKS: Cell<Option<u32>> = const { Cell::new(None) };
    /// When it last looked whether that is being killed, or could have.
    static LOOKED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pending {
    /// Ctrl-C: stop what is going on.
    Interrupt,
    /// The time is up that it may take: the same, and no waiting for programs that end by themselves.
    TimeIsUp,
    /// A signal to end, by number: stop, unmount and end.
    End(i32),
}

/// Sets the handlers for SIGINT and the signals to end, for the SIGALRM that repeats these or ends a time, and for
/// SIGXFSZ.
pub fn install() -> Result<(), super::Errno> {
    handle(Signal::SIGINT, remember)?;
    for signal in ENDS {
        handle(signal, remember)?;
    }
    handle(Signal::SIGALRM, alarmed)?;
    let_writes_fail()
}

/// Makes a write beyond `ulimit -f` an error (`EFBIG`) instead of the end of the process.
pub fn let_writes_fail() -> Result<(), super::Errno> {
    handle(Signal::SIGXFSZ, let_fail)
}

#[expect(
    unsafe_code,
    reason = "sigaction; the handlers only touch atomics and call alarm(2), kill(2) and clock_gettime(2)"
)]
fn handle(signal: Signal, handler: extern "C" fn(i32)) -> Result<(), super::Errno> {
    let action = SigAction::new(SigHandler::Handler(handler), SaFlags::empty(), SigSet::empty());
    // SAFETY: all are async-signal-safe: they do nothing but atomic operations, alarm(2), kill(2) and clock_gettime(2).
    unsafe { sigaction(signal, &action) }.map(|_| ()).map_err(super::from_nix)
}

/// Lets a line editor read, or a call wait, such that a signal to end makes it return also where it comes right before;
/// `None` where one has come already.
pub fn while_waiting<T>(wait: impl FnOnce() -> T) -> Option<T> {
    WAITING.store(true, Ordering::SeqCst);
    let result = (!matches!(pending(), Some(Pending::End(_) | Pending::TimeIsUp))).then(wait);
    WAITING.store(false, Ordering::SeqCst);
    alarm::cancel();
    result
}

/// Whether anything came in that was not taken yet, and concerns what this thread does; or whether the process that it
/// works for is being killed.
pub fn interrupted() -> bool {
    let asks = ASKS.get();
    told().load(Ordering::Relaxed) != 0 && asks.is_none_or(process::hangs_on_us)
        || asks.is_some_and(|asks| is_time_to_look() && process::is_being_killed(asks))
}

/// Whether it has been long enough since this thread looked at whom it works for: that takes as long as to copy a
/// small file.
fn is_time_to_look() -> bool {
    let now = Instant::now();
    let due = LOOKED.get().is_some_and(|last| now.duration_since(last) >= LOOK);
    if due || LOOKED.get().is_none() {
        LOOKED.set(Some(now));
    }
    due
}

/// From now on this thread works for a process, by the number that this one knows it by (0: it does not): Ctrl-C here
/// does not stop what other people's programs ask for.
pub fn work_for(asks: u32) {
    ASKS.set(Some(asks));
    LOOKED.set(None);
}

/// What came in and was not taken yet.
pub fn pending() -> Option<Pending> {
    match told().load(Ordering::SeqCst) {
        0 => None,
        TIME => Some(Pending::TimeIsUp),
        signal if signal == Signal::SIGINT as i32 => Some(Pending::Interrupt),
        signal => Some(Pending::End(signal)),
    }
}

/// Forgets a Ctrl-C, so that the next line can run; a signal to end stays.
pub fn clear_interrupt() {
    take_interrupt();
}

/// Forgets a Ctrl-C; whether there was one.
pub fn take_interrupt() -> bool {
    told().compare_exchange(Signal::SIGINT as i32, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_does_for_another_process_is_not_stopped() {
        let own = std::process::id();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(process::hangs_on_us(own) && process::hangs_on_us(child.id()));
        // the first process, one that is not seen, and one that does not exist
        assert!(!process::hangs_on_us(1) && !process::hangs_on_us(0) && !process::hangs_on_us(u32::MAX));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
