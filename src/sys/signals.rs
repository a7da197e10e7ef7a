//! Signals that end or interrupt: remembered, and polled by whatever takes long.
//!
//! Handlers are set without `SA_RESTART`, so that a blocking call returns `EINTR` instead of outliving Ctrl-C.

use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::getpid;

static PENDING: AtomicI32 = AtomicI32::new(0);

extern "C" fn remember(signal: i32) {
    // a signal to end outranks Ctrl-C
    if signal == Signal::SIGINT as i32 {
        let _ = PENDING.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    } else {
        PENDING.store(signal, Ordering::SeqCst);
        // a line editor at work goes on reading after any signal but this one, for which it has its own handler
        if let Err(errno) = kill(getpid(), Signal::SIGINT) {
            debug_assert!(false, "a process may signal itself: {errno}");
        }
    }
}

/// What came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pending {
    /// Ctrl-C: stop what is going on.
    Interrupt,
    /// SIGTERM or SIGHUP, by number: stop and end.
    End(i32),
}

/// Sets the handlers for SIGINT, SIGTERM and SIGHUP.
#[expect(unsafe_code, reason = "sigaction; the handler only touches an atomic and calls kill(2)")]
pub fn install() -> Result<(), super::Errno> {
    let action = SigAction::new(SigHandler::Handler(remember), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: `remember` is async-signal-safe: it does nothing but atomic operations and kill(2).
        unsafe { sigaction(signal, &action) }
            .map_err(|errno| super::Errno::from_raw_os_error(errno as i32))?;
    }
    Ok(())
}

/// Whether anything came in that was not taken yet.
pub fn interrupted() -> bool {
    PENDING.load(Ordering::Relaxed) != 0
}

/// What came in and was not taken yet.
pub fn pending() -> Option<Pending> {
    match PENDING.load(Ordering::SeqCst) {
        0 => None,
        signal if signal == Signal::SIGINT as i32 => Some(Pending::Interrupt),
        signal => Some(Pending::End(signal)),
    }
}

/// Forgets a Ctrl-C, so that the next line can run; a signal to end stays.
pub fn clear_interrupt() {
    let _ = PENDING.compare_exchange(Signal::SIGINT as i32, 0, Ordering::SeqCst, Ordering::SeqCst);
}

/// Acts as if Ctrl-C had come, for a prompt in raw mode that reads it as a key.
pub fn raise_interrupt() {
    remember(Signal::SIGINT as i32);
}
