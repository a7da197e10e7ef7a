//! Times that the store's file system cannot hold: files have others in their place, and the layers know the true ones.

use super::error::Error;
use super::{Layer, Mount};
use crate::model::{Change, KeptTime, LayerPath, Timestamp};

impl Mount {
    /// The time of a file that shows this one.
    pub(super) fn true_time(&self, at: &LayerPath, found: Timestamp) -> Result<Timestamp, Error> {
        if !KeptTime::is_possible(found) {
            return Ok(found);
        }
        let stack = self.stack()?;
        let upper = if self.read_only() { None } else { Some(self.upper()?) };
        for layer in upper.iter().chain(stack.layers().iter().rev()) {
            match layer.changes_at(at)?.get(at) {
                Some(Change::Put(entry)) if !entry.implied => return Ok(entry.meta.mtime),
                Some(Change::Whiteout) => break,
                _ => {}
            }
        }
        Ok(found)
    }
}

impl Layer {
    /// As [`Mount::true_time`], of a file of this layer alone.
    pub(super) fn true_time(&self, at: &LayerPath, found: Timestamp) -> Result<Timestamp, Error> {
        if !KeptTime::is_possible(found) {
            return Ok(found);
        }
        let changes = self.changes_at(at)?;
        Ok(changes.entry(at).filter(|entry| !entry.implied).map_or(found, |entry| entry.meta.mtime))
    }
}
