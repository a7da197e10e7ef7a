//! Rights that a thread does without for a moment.

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// Runs `act` in a thread that may not keep set-ID marks (`CAP_FSETID`), if it had that right: a file that is opened for
/// somebody else meanwhile loses them when it is written by what `act` leaves behind.
pub fn without_keeping_set_ids<T>(act: impl FnOnce() -> T) -> T {
    let Ok(held) = capabilities(None) else { return act() };
    let mut fewer = held;
    fewer.effective.remove(CapabilitySet::FSETID);
    if fewer == held || set_capabilities(None, fewer).is_err() {
        return act();
    }
    let done = act();
    if let Err(errno) = set_capabilities(None, held) {
        log::warn!("a thread does not get its rights back: {errno}");
    }
    done
}
