//! Values → text: one file a view.
//!
//! Takes reports, gives text that ends in a newline; the caller prints it. Knows no Rhai, asks no terminal
//! (what it allows comes in as [`Style`]) and does no I/O, but for progress bars. No view trusts a byte that
//! is not its own: names, targets and messages go through [`escape`]. No line is wider than
//! [`Style::width`], given at least 60 columns, but for errors, whose hints are there to be copied. Long lists
//! end after [`ROWS`] rows, with a count of the rest and how to see it.

pub mod escape;
pub mod quantity;

mod branches;
mod bytes;
mod call;
mod candidates;
mod describe;
mod diff;
mod doctor;
mod entries;
mod error;
mod explain;
mod findings;
mod freed;
mod help;
mod history;
mod image;
mod layer;
mod line;
mod matrix;
mod mounts;
mod names;
mod note;
mod paint;
mod progress;
mod records;
mod signs;
mod stack;
mod stat;
mod table;
#[cfg(test)]
mod tests;
mod tree;
mod usage;
mod waiting;
mod watch;

pub use bytes::bytes;
pub use candidates::{Candidate, candidates};
pub use diff::diff;
pub use doctor::doctor;
pub use entries::entries;
pub use error::error;
pub use explain::explain;
pub use findings::findings;
pub use freed::{freed, sum as freed_sum};
pub use help::{calls, names, terms, words};
pub use history::history;
pub use image::{image, images};
pub use layer::{layer, layers};
pub use mounts::{mount, mounts};
pub use paint::{Paint, Style};
pub use progress::Bar;
pub use records::{Field, records, rest_of_items};
pub use stack::stack;
pub use stat::stat;
pub use tree::tree;
pub use usage::usage;
pub use waiting::waiting;
pub use watch::{watch, watch_more};

/// The most rows of a list; `show()` and `tree()` have bounds of their own.
pub const ROWS: usize = 200;
