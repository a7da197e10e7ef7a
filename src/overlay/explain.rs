//! One path's life, layer by layer.

use super::compare::{aspects, metadata_aspects};
use super::resolve::{Spot, locate};
use super::walk::shown;
use super::{Life, Resolved, Step, StepKind};
use crate::model::{Change, Changeset, Entry, LayerPath};

/// Tells what each layer of the stack does to a path, itself or by one of the directories above it.
///
/// Whether two files of one size hold the same bytes is not looked at: a copy-up keeps the time, so files
/// that agree in size and time are taken as equal in content.
pub fn explain(stack: &[&Changeset], path: &LayerPath) -> Life {
    let spot = locate(stack, path);
    let mut steps = Vec::new();
    for layer in 0..stack.len() {
        let before = shown(&spot.words, &spot.cuts, layer);
        let word = spot.words.iter().find(|word| word.layer == layer);
        let (kind, entry) = match word.map(|word| word.change) {
            Some(Change::Whiteout) if before.is_some() => (StepKind::Deleted, None),
            Some(Change::Whiteout) => (StepKind::DeletedNothing, None),
            Some(Change::Put(entry)) => {
                let apart = !path.is_root() && spot.cuts.contains(layer);
                (put(path, before, entry, apart), Some(entry.clone()))
            }
            None => match hiding_parent(&spot, layer) {
                Some(parent) if before.is_some() => (StepKind::HiddenWithParent { parent }, None),
                _ => continue,
            },
        };
        steps.push(Step { layer, kind, entry });
    }
    let end = shown(&spot.words, &spot.cuts, stack.len());
    Life { path: path.clone(), steps, shown: end.map(|end| (end.layer, end.entry.clone())) }
}

/// What holding `entry` means over what was shown; `apart`: a directory above is cut off by the same layer.
fn put(path: &LayerPath, before: Option<Resolved<'_>>, entry: &Entry, apart: bool) -> StepKind {
    let Some(Resolved { entry: old, .. }) = before else {
        return StepKind::Created;
    };
    if old.is_dir() && entry.is_dir() && !apart {
        if entry.is_opaque() && !path.is_root() {
            return StepKind::MadeOpaque;
        }
        return StepKind::Merged { aspects: metadata_aspects(&old.meta, &entry.meta) };
    }
    StepKind::Replaced { aspects: aspects(old, entry, || old.meta.mtime == entry.meta.mtime) }
}

/// The directory above at which a layer cuts off what lies beneath it.
fn hiding_parent(spot: &Spot<'_>, layer: usize) -> Option<LayerPath> {
    let cuts = |(dir, words): &&(LayerPath, Vec<_>)| {
        !dir.is_root() && words.iter().any(|word: &super::walk::Word<'_>| word.layer == layer && word.cuts())
    };
    spot.above.iter().find(cuts).map(|(dir, _)| dir.clone())
}
