//! The merged tree: one path, one directory, everything.

use super::TreeItem;
use super::resolved::Resolved;
use super::walk::{Cuts, Trail, Walk, Word, shown};
use crate::model::{Changeset, LayerPath};

/// The words about a path and about the directories above it.
pub(super) struct Spot<'a> {
    /// The directories above, from the root down, with the words about them.
    pub(super) above: Vec<(LayerPath, Vec<Word<'a>>)>,
    /// The words about the path itself.
    pub(super) words: Vec<Word<'a>>,
    /// What cuts in the directories above.
    pub(super) cuts: Cuts,
}

/// Collects the words about a path.
pub(super) fn locate<'a>(stack: &[&'a Changeset], path: &LayerPath) -> Spot<'a> {
    let mut holders: Vec<usize> = (0..stack.len()).collect();
    let words_of = |holders: &[usize], path: &LayerPath| -> Vec<Word<'a>> {
        let word = |&layer: &usize| stack[layer].get(path).map(|change| Word { layer, change });
        holders.iter().filter_map(word).collect()
    };
    let (mut above, mut cuts) = (Vec::new(), Cuts::default());
    for dir in path.ancestors() {
        let words = words_of(&holders, &dir);
        cuts = cuts.with(&words);
        holders = words.iter().filter(|word| word.is_dir()).map(|word| word.layer).collect();
        above.push((dir, words));
    }
    Spot { above, words: words_of(&holders, path), cuts }
}

/// Looks one path up in the merged tree.
pub fn resolve<'a>(stack: &[&'a Changeset], path: &LayerPath) -> Option<Resolved<'a>> {
    let spot = locate(stack, path);
    shown(&spot.words, &spot.cuts, stack.len())
}

/// The layers of a merged directory, and what cuts beneath it.
fn merge<'a>(stack: &[&'a Changeset], spot: &Spot<'a>) -> (Vec<(usize, &'a Changeset)>, Cuts) {
    let cuts = spot.cuts.with(&spot.words);
    let floor = cuts.floor(stack.len());
    let part = spot.words.iter().filter(|word| word.is_dir() && word.layer >= floor);
    (part.map(|word| (word.layer, stack[word.layer])).collect(), cuts)
}

/// The names in a directory of the merged tree, sorted; `None` if the union shows no directory there.
pub fn list(stack: &[&Changeset], dir: &LayerPath) -> Option<Vec<TreeItem>> {
    let spot = locate(stack, dir);
    if !shown(&spot.words, &spot.cuts, stack.len())?.entry.is_dir() {
        return None;
    }
    let (layers, cuts) = merge(stack, &spot);
    let mut walk = Walk::beneath(layers, dir);
    let (mut items, mut words) = (Vec::new(), Vec::new());
    while let Some(path) = walk.next(&mut words) {
        if let Some(Resolved { layer, entry }) = shown(&words, &cuts, stack.len()) {
            items.push(TreeItem { path: path.clone(), entry: Some(entry.clone()), layer });
        }
        walk.skip(path);
    }
    Some(items)
}

/// The merged tree from `dir` on, in path order, `dir` itself first; and how many paths are left out.
///
/// Of more than `limit` paths those nearest to `dir` are given, level by level. Empty where the union shows
/// nothing at `dir`. Of one layer alone the whiteouts are given, too: they are what it says.
pub fn tree(stack: &[&Changeset], dir: &LayerPath, limit: usize) -> (Vec<TreeItem>, u64) {
    let spot = locate(stack, dir);
    let Some(top) = shown(&spot.words, &spot.cuts, stack.len()) else {
        return (Vec::new(), 0);
    };
    let alone = stack.len() == 1;
    let mut found = vec![(dir, Some(top), 0)];
    let mut per_level = vec![1];
    if top.entry.is_dir() {
        let (layers, cuts) = merge(stack, &spot);
        let mut walk = Walk::beneath(layers, dir);
        let mut trail = Trail::new((cuts, 0));
        let mut words = Vec::new();
        while let Some(path) = walk.next(&mut words) {
            let (cuts, level) = trail.above(path).clone();
            let item = shown(&words, &cuts, stack.len());
            if item.is_none() && !alone {
                walk.skip(path);
                continue;
            }
            if item.is_some_and(|item| item.entry.is_dir()) {
                trail.enter(path, (cuts.with(&words), level + 1));
            } else {
                walk.skip(path);
            }
            found.push((path, item, level + 1));
            per_level.resize(per_level.len().max(level + 2), 0);
            per_level[level + 1] += 1;
        }
    }
    let left_out = found.len().saturating_sub(limit) as u64;
    // levels that fit whole, then the start of the next
    let mut room = limit;
    let quota = per_level.iter().map(|&count: &usize| {
        let taken = count.min(room);
        room = if taken < count { 0 } else { room - taken };
        taken
    });
    let mut quota: Vec<usize> = quota.collect();
    let mut items = Vec::with_capacity(found.len().min(limit));
    for (path, item, level) in found {
        if quota[level] > 0 {
            quota[level] -= 1;
            let layer = item.map_or(0, |item| item.layer);
            items.push(TreeItem { path: path.clone(), entry: item.map(|item| item.entry.clone()), layer });
        }
    }
    (items, left_out)
}
