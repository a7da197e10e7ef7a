//! Tests on real mounts; they skip with a reason where none can be made, and fail instead with `CI=true`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::explicit_write)]

mod command;
mod copies;
mod endings;
mod faults;
mod fuse;
mod host;
mod left_behind;
mod owners;
mod power_cut;
mod real;
mod semantics;
mod stacks;
mod volatile;
mod watching;
