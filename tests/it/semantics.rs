//! Our union in the process against a pure model of it; needs no privilege.

#[path = "../mounts/semantics/layers.rs"]
mod layers;
#[path = "../mounts/semantics/model/mod.rs"]
mod model;
#[path = "../mounts/semantics/ops.rs"]
mod ops;
#[path = "../mounts/semantics/stage.rs"]
#[allow(dead_code, reason = "the kernel's part is run by tests/mounts")]
mod stage;
#[path = "../mounts/semantics/traces.rs"]
#[allow(dead_code, reason = "the kernel's part is run by tests/mounts")]
mod traces;

#[test]
fn random_traces_on_the_union_give_what_the_model_gives() {
    traces::direct_against_model(&std::env::temp_dir(), 200);
}
