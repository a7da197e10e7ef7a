//! The semantics of a union, three ways: the kernel's overlay, our union in the process, a pure model.

mod fuse;
pub(crate) mod layers;
mod model;
mod ops;
#[allow(dead_code, reason = "tests/it runs the rest")]
pub(crate) mod stage;
#[allow(dead_code, reason = "tests/it runs the rest")]
mod traces;

#[test]
fn random_traces_give_the_same_three_ways() {
    crate::host::with_mounts(|scratch| traces::three_ways(scratch, 200));
}

#[test]
fn random_traces_by_fuse_give_what_the_kernel_gives() {
    crate::host::with_mounts(|scratch| fuse::kernel_and_fuse(scratch, 100));
}
