//! Tests that need no privilege: most of them run the built program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod commits;
mod endings;
mod errors;
mod files;
mod help;
mod layers;
mod modes;
mod mounts;
mod program;
mod prompt;
mod seeing;
mod stores;
mod terminal;
