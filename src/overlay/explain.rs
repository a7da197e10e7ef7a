//! One path's life, layer by layer.

use super::compare::{aspects, metadata_aspects};
use super::resolve::{Spot, locate};
use super::walk::{Cuts, shown};
use super::{Life, Resolved, SameContent, Step, StepKind};
use crate::model::{Change, Changeset, Entry, LayerPath, Node};

/// Tells what each layer of the stack does to a path, itself or by one of the directories above it. What differs is found
/// as by [`diff`](super::diff()).
pub fn explain(stack: &[&Changeset], path: &LayerPath, same_content: &mut SameContent<'_>) -> Life {
    let spot = locate(stack, path);
    let mut steps = Vec::new();
    for layer in 0..stack.len() {
        let before = shown(&spot.words, &spot.cuts, layer);
        let word = spot.words.iter().find(|word| word.layer == layer);
        let (kind, entry) = match word.map(|word| word.change) {
            Some(Change::Whiteout) if before.is_some() => (StepKind::Deleted, None),
            Some(Change::Whiteout) => (StepKind::DeletedNothing, None),
            Some(Change::Put(entry)) => {
                let after = shown(&spot.words, &spot.cuts, layer + 1).map_or(entry, |after| after.entry);
                let mut same = |old: Resolved<'_>| same_content(path, (old.layer, old.entry), (layer, after));
                (put(before, entry, after, spot.cuts.contains(layer), &mut same), Some(entry.clone()))
            }
            None => match hiding_parent(&spot, layer) {
                Some(parent) if before.is_some() => (StepKind::HiddenWithParent { parent }, None),
                _ => continue,
            },
        };
        steps.push(Step { layer, kind, entry });
    }
    let end = shown(&spot.words, &spot.cuts, stack.len());
    let leads = if end.is_none() { through_symlink(stack, &spot, path) } else { None };
    Life { path: path.clone(), steps, shown: end.map(|end| (end.layer, end.entry.clone())), leads }
}

/// The first name above a path that the union shows as a symlink, and the path that is meant then.
fn through_symlink(
    stack: &[&Changeset],
    spot: &Spot<'_>,
    path: &LayerPath,
) -> Option<(LayerPath, LayerPath)> {
    let mut cuts = Cuts::default();
    for (dir, words) in &spot.above {
        let Resolved { entry, .. } = shown(words, &cuts, stack.len())?;
        if let Node::Symlink { target } = &entry.node {
            let from = if target.starts_with(b"/") { LayerPath::root() } else { dir.parent()? };
            let below = path.below(dir)?;
            let mut names: Vec<&[u8]> = from.components().collect();
            for name in target.split(|&b| b == b'/').chain(below.components()) {
                match name {
                    b"" | b"." => {}
                    b".." => drop(names.pop()),
                    _ => names.push(name),
                }
            }
            return Some((dir.clone(), LayerPath::parse(&names.join(&b'/')).ok()?));
        }
        cuts = cuts.with(words);
    }
    None
}

/// What holding `entry` means over what was shown; `after`: what is shown then; `apart`: a directory above is cut off by
/// the same layer; `same`: whether the content is the same.
fn put(
    before: Option<Resolved<'_>>,
    entry: &Entry,
    after: &Entry,
    apart: bool,
    same: &mut dyn FnMut(Resolved<'_>) -> bool,
) -> StepKind {
    let Some(before) = before else {
        return StepKind::Created;
    };
    let old = before.entry;
    if old.is_dir() && entry.is_dir() && !apart {
        if entry.is_opaque() {
            return StepKind::MadeOpaque;
        }
        return StepKind::Merged { aspects: metadata_aspects(&old.meta, &after.meta) };
    }
    StepKind::Replaced { aspects: aspects(old, after, || same(before)) }
}

/// The directory above at which a layer cuts off what lies beneath it.
fn hiding_parent(spot: &Spot<'_>, layer: usize) -> Option<LayerPath> {
    let cuts = |(_, words): &&(LayerPath, Vec<_>)| {
        words.iter().any(|word: &super::walk::Word<'_>| word.layer == layer && word.cuts())
    };
    spot.above.iter().find(cuts).map(|(dir, _)| dir.clone())
}
