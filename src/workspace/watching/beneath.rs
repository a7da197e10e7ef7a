//! What lies beneath an upper, asked path by path.

use crate::model::{Entry, LayerPath};
use crate::overlay::{self, Resolved};
use crate::workspace::{Error, Layer};

/// The layers beneath an upper, bottom → top.
pub(super) struct Lowers<'a> {
    layers: &'a [Layer],
    /// The first thing that went wrong.
    pub(super) failed: Option<Error>,
}

impl<'a> Lowers<'a> {
    pub(super) fn new(layers: &'a [Layer]) -> Self {
        Self { layers, failed: None }
    }

    /// What they show at a path, and which of them.
    pub(super) fn at(&mut self, path: &LayerPath) -> Option<(usize, Entry)> {
        // a host directory is looked at anew for each path: it may be large, and few paths change at a time
        let changes: Result<Vec<_>, Error> = self.layers.iter().map(|layer| layer.changes_at(path)).collect();
        match changes {
            Ok(changes) => {
                let stack: Vec<_> = changes.iter().map(|changes| &**changes).collect();
                let found = overlay::resolve(&stack, path);
                found.map(|Resolved { layer, entry }| (layer, entry.clone()))
            }
            Err(error) => {
                self.failed.get_or_insert(error);
                None
            }
        }
    }
}
