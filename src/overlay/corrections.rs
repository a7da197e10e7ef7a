//! Directories that a file system which knows nothing of implied ones would show otherwise than the rules say.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::Resolved;
use super::resolve::{locate, resolve};
use super::walk::shown;
use crate::model::{Change, Changeset, LayerPath, Metadata};

/// A directory as the union shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Correction {
    /// Its metadata.
    pub meta: Metadata,
    /// The layer that supplies it.
    pub layer: usize,
}

/// What a layer of directories alone must hold so that a union in which the topmost directory's metadata count shows,
/// with it on top, what the rules say; with the directories on the way to them, the root first. Empty where nothing
/// must be put right; the root's own metadata are no reason, as a mount has a root of its own.
///
/// A layer's tree has an implied directory as [`Metadata::of_plain_dir`].
pub fn corrections(stack: &[&Changeset]) -> BTreeMap<LayerPath, Correction> {
    // beneath the lowest layer lies nothing
    let implied: HashSet<&LayerPath> = stack.iter().skip(1).flat_map(|changes| changes.implied()).collect();
    if implied.is_empty() {
        return BTreeMap::new();
    }
    // only where some layer says what the directory is like
    let said = stack
        .iter()
        .flat_map(|changes| changes.iter())
        .filter(|(_, change)| matches!(change, Change::Put(entry) if entry.is_dir() && !entry.implied));
    let met: BTreeSet<&LayerPath> =
        said.map(|(path, _)| path).filter(|path| implied.contains(path)).collect();
    let wrong = met.into_iter().filter(|path| is_wrong(stack, path));
    let mut corrections = BTreeMap::new();
    for path in wrong {
        for dir in path.ancestors().chain([path.clone()]) {
            if !corrections.contains_key(&dir)
                && let Some(Resolved { layer, entry }) = resolve(stack, &dir)
            {
                corrections.insert(dir, Correction { meta: entry.meta.clone(), layer });
            }
        }
    }
    corrections
}

/// Whether the topmost directory at a path is not as the union shows it.
fn is_wrong(stack: &[&Changeset], path: &LayerPath) -> bool {
    let spot = locate(stack, path);
    let Some(top) = spot.words.last() else { return false };
    let is_implied = matches!(top.change, Change::Put(entry) if entry.implied);
    is_implied
        && shown(&spot.words, &spot.cuts, stack.len())
            .is_some_and(|shown| shown.entry.meta != Metadata::of_plain_dir())
}
