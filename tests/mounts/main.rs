//! Tests on real mounts; they skip with a reason where none can be made, and fail instead with `CI=true`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod host;
mod semantics;
