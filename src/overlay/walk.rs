//! The merged pass over a stack that everything here is made of.
//!
//! A [`Walk`] streams every path that some layer speaks about, in path order, with the words of all layers
//! about it; a [`Trail`] remembers what holds for the directories above; [`Cuts`] are the layers that cut
//! off what lies beneath them there; [`shown`] puts both together.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::collections::btree_map::Range;
use std::rc::Rc;

use super::resolved::Resolved;
use crate::model::{Change, Changeset, LayerPath};

/// What one layer says about the path at hand.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    /// The layer's index, bottom → top.
    pub(super) layer: usize,
    /// What it says.
    pub(super) change: &'a Change,
}

impl Word<'_> {
    /// Whether the layer holds a directory there.
    pub(super) fn is_dir(&self) -> bool {
        matches!(self.change, Change::Put(entry) if entry.is_dir())
    }

    /// Whether the layer holds an opaque directory there.
    pub(super) fn is_opaque(&self) -> bool {
        matches!(self.change, Change::Put(entry) if entry.is_opaque())
    }

    /// Whether lower layers are cut off beneath the path.
    pub(super) fn cuts(&self) -> bool {
        !self.is_dir() || self.is_opaque()
    }
}

/// One layer's place in a walk.
struct Head<'a> {
    path: &'a LayerPath,
    word: Word<'a>,
    rest: Range<'a, LayerPath, Change>,
    whole: &'a Changeset,
}

impl Head<'_> {
    /// Goes to the layer's next path; `false` at its end.
    fn advance(&mut self) -> bool {
        match self.rest.next() {
            Some((path, change)) => {
                self.path = path;
                self.word.change = change;
                true
            }
            None => false,
        }
    }
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // the heap gives its greatest first
        other.path.cmp(self.path).then(other.word.layer.cmp(&self.word.layer))
    }
}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head<'_> {}

/// A pass over several layers at once, in path order.
pub(super) struct Walk<'a> {
    heads: BinaryHeap<Head<'a>>,
    dir: LayerPath,
}

impl<'a> Walk<'a> {
    /// Over everything, the root first.
    pub(super) fn whole(layers: impl IntoIterator<Item = (usize, &'a Changeset)>) -> Self {
        Self::start(layers, &LayerPath::root(), false)
    }

    /// Over what lies beneath `dir`, without `dir` itself.
    pub(super) fn beneath(layers: impl IntoIterator<Item = (usize, &'a Changeset)>, dir: &LayerPath) -> Self {
        Self::start(layers, dir, true)
    }

    fn start(
        layers: impl IntoIterator<Item = (usize, &'a Changeset)>,
        dir: &LayerPath,
        without_dir: bool,
    ) -> Self {
        let heads = layers.into_iter().filter_map(|(layer, whole)| {
            let mut rest = whole.from_path(dir);
            let (path, change) = match rest.next()? {
                (path, _) if without_dir && path == dir => rest.next()?,
                first => first,
            };
            Some(Head { path, word: Word { layer, change }, rest, whole })
        });
        Self { heads: heads.collect(), dir: dir.clone() }
    }

    /// The next path, with the words about it from the lowest layer up.
    pub(super) fn next(&mut self, words: &mut Vec<Word<'a>>) -> Option<&'a LayerPath> {
        words.clear();
        let path = self.heads.peek()?.path;
        if !path.is_within(&self.dir) {
            return None;
        }
        while let Some(mut head) = self.heads.peek_mut() {
            if head.path != path {
                break;
            }
            words.push(head.word);
            if !head.advance() {
                PeekMut::pop(head);
            }
        }
        Some(path)
    }

    /// Goes past everything beneath `dir`.
    pub(super) fn skip(&mut self, dir: &LayerPath) {
        while let Some(mut head) = self.heads.peek_mut() {
            if !head.path.is_within(dir) {
                break;
            }
            head.rest = head.whole.beyond(dir);
            if !head.advance() {
                PeekMut::pop(head);
            }
        }
    }
}

/// What holds for the directories above the path at hand.
pub(super) struct Trail<'a, T> {
    base: T,
    dirs: Vec<(&'a LayerPath, T)>,
}

impl<'a, T> Trail<'a, T> {
    /// Starts with what holds above the first path.
    pub(super) fn new(base: T) -> Self {
        Self { base, dirs: Vec::new() }
    }

    /// What holds in the directory of `path`; forgets directories that the walk has left.
    pub(super) fn above(&mut self, path: &LayerPath) -> &T {
        while self.dirs.last().is_some_and(|(dir, _)| !path.is_within(dir)) {
            self.dirs.pop();
        }
        self.dirs.last().map_or(&self.base, |(_, held)| held)
    }

    /// Enters a directory.
    pub(super) fn enter(&mut self, dir: &'a LayerPath, held: T) {
        self.dirs.push((dir, held));
    }
}

/// The layers that cut off, at a directory or above it, what lies beneath them; lowest first.
///
/// Seen from a layer `n`, exactly the layers from the topmost cut up to `n` on take part in the merge.
#[derive(Clone, Default)]
pub(super) struct Cuts(Option<Rc<[usize]>>);

impl Cuts {
    fn layers(&self) -> &[usize] {
        self.0.as_deref().unwrap_or_default()
    }

    /// The lowest layer that takes part, seen from the layers below `limit` alone.
    pub(super) fn floor(&self, limit: usize) -> usize {
        self.layers().iter().rev().copied().find(|&layer| layer < limit).unwrap_or(0)
    }

    /// The lowest layer that cuts off `layer`.
    pub(super) fn over(&self, layer: usize) -> Option<usize> {
        self.layers().iter().copied().find(|&cut| cut > layer)
    }

    /// Whether this very layer cuts.
    pub(super) fn contains(&self, layer: usize) -> bool {
        self.layers().contains(&layer)
    }

    /// These cuts and those of the words about a directory beneath.
    pub(super) fn with(&self, words: &[Word<'_>]) -> Self {
        if words.len() < 2 || !words[1..].iter().any(Word::cuts) {
            return self.clone();
        }
        let here = words[1..].iter().filter(|word| word.cuts()).map(|word| word.layer);
        let mut layers: Vec<usize> = self.layers().iter().copied().chain(here).collect();
        layers.sort_unstable();
        layers.dedup();
        Self(Some(layers.into()))
    }
}

/// What the layers below `limit` show at a path: `words` about it, `cuts` of its parent. A directory that a layer only
/// implies is as the ones beneath it.
pub(super) fn shown<'a>(words: &[Word<'a>], cuts: &Cuts, limit: usize) -> Option<Resolved<'a>> {
    let floor = cuts.floor(limit);
    let (mut found, mut cut) = (None, false);
    for word in words.iter().rev().skip_while(|word| word.layer >= limit) {
        match word.change {
            Change::Put(entry) if word.layer >= floor && (entry.is_dir() || found.is_none()) => {
                // one that is cut off supplies metadata, or nothing
                if !(cut && entry.implied) {
                    found = Some(Resolved { layer: word.layer, entry });
                }
                if !entry.implied {
                    break;
                }
                cut |= entry.is_opaque();
            }
            _ => break,
        }
    }
    found
}
