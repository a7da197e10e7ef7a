//! What a look at the merged tree finds at one path.

use crate::model::Entry;

/// What the union shows at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resolved<'a> {
    /// The layer that supplies it; for a merged directory, the topmost.
    pub layer: usize,
    /// The file.
    pub entry: &'a Entry,
}
