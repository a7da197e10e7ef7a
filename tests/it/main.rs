//! Tests of the built program and of whole floors; none needs a privilege.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod readme;
mod semantics;
