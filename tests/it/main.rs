//! Tests that need no privilege: most of them run the built program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod files;
mod help;
mod layers;
mod modes;
mod mounts;
mod program;
