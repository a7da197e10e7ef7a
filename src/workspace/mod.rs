//! The façade: everything that a user can do, as methods. No Rhai, no terminal.

mod report;

pub use report::*;
