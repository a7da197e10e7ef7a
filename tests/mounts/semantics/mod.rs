//! The semantics of a union, three ways: the kernel's overlay, our union in the process, a pure model.

mod layers;
mod model;
mod ops;
mod stage;
mod traces;

#[test]
fn random_traces_give_the_same_three_ways() {
    let Some(scratch) = crate::host::scratch_for_mounts() else { return };
    traces::three_ways(scratch.path(), 200);
}
