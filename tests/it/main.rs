//! Tests that need no privilege: of the built program, and of the union.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[path = "../fixtures/images.rs"]
mod image_files;

mod answers;
mod checking;
mod commits;
mod completion;
mod deep;
mod dropping;
mod endings;
mod errors;
mod every_command;
mod files;
mod freeing;
mod help;
mod host_commands;
mod host_paths;
mod images;
mod kept;
mod layers;
mod limits;
mod modes;
mod mounts;
mod output;
mod picture;
mod private;
mod program;
mod progress;
mod prompt;
mod readme;
mod sandbox;
mod saved;
mod saved_images;
mod screen;
mod seeing;
mod semantics;
mod start_up;
mod stores;
mod telling;
mod terminal;
mod typing;
mod watching;
mod words;
