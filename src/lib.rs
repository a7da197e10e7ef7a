#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]
//! `ufs`: explore, build, mount and commit container file-system layers.
//!
//! The floors of the house, bottom → top; a module uses only what stands above it here:
//! `model` → `overlay` → `sys` → `tar` → `store` → `union` → `driver` → `workspace` → `view` → `shell`.
//! `tests/tidy.rs` keeps these walls.

pub mod cli;
pub mod config;
pub mod driver;
pub mod model;
pub mod overlay;
pub mod shell;
pub mod store;
pub mod sys;
pub mod tar;
pub mod union;
pub mod view;
pub mod workspace;
