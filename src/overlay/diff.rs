//! Differences between two merged trees.
//!
//! Layers that both stacks begin with are not walked: only paths that the differing layers speak about are
//! visited, and the common layers are looked up there. Where a directory's view of the common layers
//! changes (it is deleted, made opaque, uncovered), all layers are walked beneath it.

use std::rc::Rc;

use super::compare::aspects;
use super::walk::{Cuts, Trail, Walk, Word, shown};
use super::{DiffKind, Difference, Resolved};
use crate::model::{Changeset, Entry, LayerPath, Node};

/// Asks whether two regular files of one size hold the same bytes: the path, then the layer (by its index
/// in its own stack) and the file, old and new.
pub type SameContent<'f> = dyn FnMut(&LayerPath, (usize, &Entry), (usize, &Entry)) -> bool + 'f;

/// What differs between the trees that two stacks show, in path order.
///
/// A deleted directory is one difference that counts what went with it; of an added one every path is
/// given. The time of a directory alone is no difference. Where `new` is `old` and one layer on top (a mount
/// and its upper), `copied_up` tells what copy-up cost.
pub fn diff(old: &[&Changeset], new: &[&Changeset], same_content: &mut SameContent<'_>) -> Vec<Difference> {
    let common = old.iter().zip(new).take_while(|(a, b)| std::ptr::eq(**a, **b)).count();
    let layers: Vec<&Changeset> = old.iter().chain(&new[common..]).copied().collect();
    let driven = layers.iter().copied().enumerate().skip(common);
    let mut pass = Pass {
        layers: &layers,
        common,
        olds: old.len(),
        upper: (old.len() == common && new.len() == common + 1).then_some(common),
        same_content,
        rows: Vec::new(),
        gone: None,
    };
    let base = Held { old: Cuts::default(), new: Cuts::default(), common: (0..common).collect() };
    pass.run(Walk::whole(driven), base, true);
    pass.rows
}

/// What holds in a directory.
#[derive(Clone)]
struct Held {
    /// What cuts there in the old stack.
    old: Cuts,
    /// What cuts there in the new stack.
    new: Cuts,
    /// The common layers that hold the directory and are not walked.
    common: Rc<[usize]>,
}

struct Pass<'s, 'a, 'f, 'g> {
    /// The common layers, then the old stack's others, then the new stack's others.
    layers: &'s [&'a Changeset],
    common: usize,
    olds: usize,
    /// The layer whose files were copied up.
    upper: Option<usize>,
    same_content: &'f mut SameContent<'g>,
    rows: Vec<Difference>,
    /// The row of the deleted directory that the walk is in.
    gone: Option<usize>,
}

impl<'a> Pass<'_, 'a, '_, '_> {
    /// Walks; `partial`: the common layers are looked up, not walked.
    fn run(&mut self, mut walk: Walk<'a>, base: Held, partial: bool) {
        let mut trail = Trail::new(base);
        let (mut words, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(path) = walk.next(&mut words) {
            let held = trail.above(path).clone();
            let looked_up =
                |&layer: &usize| self.layers[layer].get(path).map(|change| Word { layer, change });
            let common: Vec<Word<'a>> = held.common.iter().filter_map(looked_up).collect();
            let of = |part: &dyn Fn(usize) -> bool, into: &mut Vec<Word<'a>>| {
                into.clear();
                into.extend(common.iter().chain(&words).filter(|word| part(word.layer)));
            };
            of(&|layer| layer < self.olds, &mut old);
            of(&|layer| layer < self.common || layer >= self.olds, &mut new);
            let before = shown(&old, &held.old, usize::MAX);
            let after = shown(&new, &held.new, usize::MAX);
            self.compare(path, before, after);
            let is_dir = |shown: Option<Resolved<'_>>| shown.is_some_and(|shown| shown.entry.is_dir());
            let (old_dir, new_dir) = (is_dir(before), is_dir(after));
            if !old_dir && !new_dir {
                walk.skip(path);
                continue;
            }
            let inside = Held {
                old: held.old.with(&old),
                new: held.new.with(&new),
                common: common.iter().filter(|word| word.is_dir()).map(|word| word.layer).collect(),
            };
            let floor = |cuts: &Cuts| cuts.floor(usize::MAX).min(self.common);
            let as_before = old_dir == new_dir && floor(&inside.old) == floor(&inside.new);
            if partial && !as_before && !inside.common.is_empty() {
                let all = common.iter().chain(&words).filter(|word| word.is_dir());
                let all = all.map(|word| (word.layer, self.layers[word.layer]));
                let beneath = Walk::beneath(all, path);
                self.run(beneath, Held { common: Rc::default(), ..inside }, false);
                walk.skip(path);
            } else {
                trail.enter(path, inside);
            }
        }
    }

    /// Records the difference at one path, if there is one.
    fn compare(&mut self, path: &LayerPath, before: Option<Resolved<'a>>, after: Option<Resolved<'a>>) {
        if let Some(row) = self.gone {
            if path.is_within(&self.rows[row].path) {
                self.rows[row].beneath += u64::from(before.is_some());
                return;
            }
            self.gone = None;
        }
        let (kind, aspects) = match (before, after) {
            (None, None) => return,
            (None, Some(_)) => (DiffKind::Added, Vec::new()),
            (Some(_), None) => (DiffKind::Deleted, Vec::new()),
            (Some(old), Some(new)) if std::ptr::eq(old.entry, new.entry) => return,
            (Some(old), Some(new)) => {
                let index =
                    if new.layer < self.common { new.layer } else { new.layer - (self.olds - self.common) };
                let ask = || (self.same_content)(path, (old.layer, old.entry), (index, new.entry));
                let aspects = aspects(old.entry, new.entry, ask);
                if aspects.is_empty() {
                    return;
                }
                (DiffKind::Changed, aspects)
            }
        };
        let was_dir = before.is_some_and(|old| old.entry.is_dir());
        if was_dir && !after.is_some_and(|new| new.entry.is_dir()) {
            self.gone = Some(self.rows.len());
        }
        let copied_up = match (before.map(|old| &old.entry.node), after) {
            // the kernel copies the lower file up to where it is cut off
            (Some(Node::File { size: old }), Some(new)) if Some(new.layer) == self.upper => {
                match new.entry.node {
                    Node::File { size } => size.min(*old),
                    _ => 0,
                }
            }
            _ => 0,
        };
        self.rows.push(Difference {
            path: path.clone(),
            kind,
            before: before.map(|old| old.entry.clone()),
            after: after.map(|new| new.entry.clone()),
            aspects,
            copied_up,
            beneath: 0,
        });
    }
}
