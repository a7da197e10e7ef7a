//! Tests that need no privilege.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod semantics;
