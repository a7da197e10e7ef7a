//! Faults of this program itself (panics): told once, and what follows from one in each kind of process.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;

/// What a process does after a fault in any of its threads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// The thread unwinds; the main thread cleans up at its end.
    Unwinds,
    /// It ends at once: who uses what it serves is told so by the kernel, and waits for nothing.
    Ends,
    /// It ends as by SIGTERM, which unmounts what it serves.
    Terminates,
}

static AFTER: AtomicU8 = AtomicU8::new(After::Unwinds as u8);
static HAPPENED: AtomicBool = AtomicBool::new(false);

/// The exit code of a program that is at fault itself.
///
/// # Source
/// `EX_SOFTWARE` of `sysexits.h`.
pub const EXIT_CODE: u8 = 70;

/// From now on each fault is told by `tell`, in place of the standard library's words.
pub fn install(tell: fn(&PanicHookInfo<'_>)) {
    std::panic::set_hook(Box::new(move |info| {
        HAPPENED.store(true, Ordering::SeqCst);
        tell(info);
        let after = AFTER.load(Ordering::SeqCst);
        if after == After::Ends as u8 {
            super::apart::exit_with(EXIT_CODE);
        }
        if after == After::Terminates as u8
            && let Err(errno) = kill(getpid(), Signal::SIGTERM)
        {
            log::debug!("a process may signal itself: {errno}");
        }
    }));
}

/// Chooses what this process does after a fault.
pub fn set_after(after: After) {
    AFTER.store(after as u8, Ordering::SeqCst);
}

/// There was a fault in a process that worked for this one.
pub(super) fn note() {
    HAPPENED.store(true, Ordering::SeqCst);
}

/// Whether there was a fault in any thread of this process, or in one that worked for it.
pub fn happened() -> bool {
    HAPPENED.load(Ordering::SeqCst)
}

/// A fault on demand, for tests of what follows from one: `UFS_FAULT=PLACE` in a debug build.
///
/// # Panics
/// As it is asked to.
pub fn planted(place: &str) {
    #[cfg(debug_assertions)]
    assert!(
        std::env::var_os("UFS_FAULT").is_none_or(|wanted| wanted != place),
        "a fault that was asked for in `{place}`"
    );
    #[cfg(not(debug_assertions))]
    let _ = place;
}
