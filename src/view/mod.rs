//! Values → text: one file a view.
//!
//! Takes reports, gives text that ends in a newline; the caller prints it. Knows no Rhai, asks no terminal
//! (what it allows comes in as [`Style`]) and does no I/O, but for progress bars. No view trusts a byte that
//! is not its own: names, targets and messages go through [`escape`]. No line is wider than
//! [`Style::width`], given at least 60 columns.

pub mod escape;
pub mod quantity;

mod branches;
mod bytes;
mod describe;
mod diff;
mod doctor;
mod error;
mod explain;
mod history;
mod layer;
mod line;
mod listing;
mod matrix;
mod mounts;
mod note;
mod paint;
mod progress;
mod signs;
mod stack;
mod stat;
mod table;
mod tree;

pub use bytes::bytes;
pub use diff::diff;
pub use doctor::doctor;
pub use error::error;
pub use explain::explain;
pub use history::history;
pub use layer::{layer, layers};
pub use listing::listing;
pub use mounts::{mount, mounts};
pub use paint::{Paint, Style};
pub use progress::Bar;
pub use stack::stack;
pub use stat::stat;
pub use tree::tree;
