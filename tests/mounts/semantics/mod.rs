//! The semantics of a union, four ways: the kernel's overlay, our union in the process and behind FUSE, a pure model.
//!
//! `traces` does it with random operations; `named` has a case for each rule of the kernel's `overlayfs.rst`, and for
//! what the kernel does that no rule says.

pub(crate) mod case;
pub(crate) mod layers;
mod model;
mod named;
mod ops;
pub(crate) use ops::{Rights, rights};
pub(crate) mod stage;
#[allow(dead_code, reason = "the part without a kernel is run by tests/it")]
mod traces;

#[test]
fn random_traces_give_the_same_four_ways() {
    crate::host::with_mounts(|scratch| {
        let fuse = ufs::sys::probe::fuse_device();
        if let Err(no) = &fuse {
            crate::host::skip(&no.reason);
        }
        traces::four_ways(scratch, 300, fuse.is_ok());
    });
}
