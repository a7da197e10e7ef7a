//! Signals that end or interrupt: remembered, and polled by whatever takes long.
//!
//! Handlers are set without `SA_RESTART`, so that a blocking call returns `EINTR` instead of outliving Ctrl-C.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};
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
    /// A signal to end, by number: stop, unmount and end.
    End(i32),
}

/// Sets the handlers for SIGINT and the signals to end, for the SIGALRM that repeats these, and for SIGXFSZ.
pub fn install() -> Result<(), super::Errno> {
    handle(Signal::SIGINT, remember)?;
    for signal in ENDS {
        handle(signal, remember)?;
    }
    handle(Signal::SIGALRM, wake)?;
    let_writes_fail()
}

/// Makes a write beyond `ulimit -f` an error (`EFBIG`) instead of the end of the process.
pub fn let_writes_fail() -> Result<(), super::Errno> {
    handle(Signal::SIGXFSZ, let_fail)
}

#[expect(unsafe_code, reason = "sigaction; the handlers only touch atomics and call alarm(2) and kill(2)")]
fn handle(signal: Signal, handler: extern "C" fn(i32)) -> Result<(), super::Errno> {
    let action = SigAction::new(SigHandler::Handler(handler), SaFlags::empty(), SigSet::empty());
    // SAFETY: all are async-signal-safe: they do nothing but atomic operations, alarm(2) and kill(2).
    unsafe { sigaction(signal, &action) }.map(|_| ()).map_err(super::from_nix)
}

/// Lets a line editor read, or a call wait, such that a signal to end makes it return also where it comes right before;
/// `None` where one has come already.
pub fn while_waiting<T>(wait: impl FnOnce() -> T) -> Option<T> {
    WAITING.store(true, Ordering::SeqCst);
    let result = (!matches!(pending(), Some(Pending::End(_)))).then(wait);
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
