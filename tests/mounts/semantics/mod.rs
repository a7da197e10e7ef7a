//! The semantics of a union, three ways: the kernel's overlay, our union in the process, a pure model.
//!
//! `traces` does it with random operations; `named` has a case for each rule of the kernel's `overlayfs.rst`, and for
//! what the kernel does that no rule says.

pub(crate) mod case;
mod fuse;
pub(crate) mod layers;
mod model;
mod named;
mod ops;
pub(crate) use ops::{Rights, rights};
pub(crate) mod stage;
#[allow(dead_code, reason = "the part without a kernel is run by tests/it")]
mod traces;

#[test]
fn random_traces_give_the_same_three_ways() {
    crate::host::with_mounts(|scratch| traces::three_ways(scratch, 300));
}

#[test]
fn random_traces_by_fuse_give_what_the_kernel_gives() {
    crate::host::with_mounts(|scratch| fuse::kernel_and_fuse(scratch, 100));
}
