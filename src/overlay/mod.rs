//! The overlay rules as pure functions on change sets: the oracle of the tests, the source of the views.

mod report;

pub use report::*;
