//! The overlay rules as pure functions on change sets: the oracle of the tests, the source of the views.
//!
//! A stack is a slice of layers, bottom → top; an upper is just the last one. The rules, for a path whose
//! parent directory is merged of some layers:
//!
//! - the topmost of those layers that speaks about the path decides: a whiteout deletes it, a file supplies
//!   it, a directory supplies it and merges with the directories further down;
//! - merging ends at an opaque directory, a whiteout or a file: whatever lies below that is cut off;
//! - the metadata of a merged directory are the topmost one's of which its layer says something; where a layer only
//!   implies a directory, they are those that the layers beneath show, opaque or not, but never those of a directory
//!   that it deletes;
//! - what a layer holds beneath a directory counts only if that directory is part of the merge;
//! - an opaque root is as any other opaque directory: its layer is the lowest of all that counts.
//!
//! Every function here is one merged pass over the sorted layers, never a lookup a path.
//!
//! # Source
//! Linux `Documentation/filesystems/overlayfs.rst`, "Upper and Lower", "whiteouts and opaque directories",
//! "Multiple lower layers". The root's opaque mark: OCI image-spec `layer.md`, "Opaque Whiteout". Linux does not look
//! at it (seen on 6.18), so what lies beneath such a layer must not be mounted with it.

mod choose;
mod compare;
mod corrections;
mod diff;
mod explain;
mod matrix;
mod report;
mod resolve;
mod resolved;
mod squash;
mod survey;
#[cfg(test)]
pub(crate) mod tests;
mod walk;

pub use compare::metadata_aspects;
pub use corrections::{Correction, corrections};
pub use diff::{SameContent, diff};
pub use explain::explain;
pub use matrix::matrix;
pub use report::*;
pub use resolve::{list, resolve, tree};
pub use resolved::Resolved;
pub use squash::squash;
pub use survey::effects;
