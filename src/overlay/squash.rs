//! Several layers as one.

use super::Resolved;
use super::walk::{Cuts, Trail, Walk, Word, shown};
use crate::model::{Change, Changeset, Entry, LayerPath, Node};

/// What holds in a directory.
#[derive(Clone, Default)]
struct Held {
    cuts: Cuts,
    /// Whether the one layer cuts off here what lies beneath it.
    closed: bool,
}

/// The layer that says what these say together, whatever lies beneath them; `bottom`: nothing does, so that it deletes
/// nothing.
///
/// Hard links are not told: the groups of several layers have nothing to do with each other.
pub fn squash(stack: &[&Changeset], bottom: bool) -> Changeset {
    let mut layer = Changeset::new();
    let mut walk = Walk::whole(stack.iter().copied().enumerate());
    let mut trail = Trail::new(Held { cuts: Cuts::default(), closed: bottom });
    let (mut words, mut alone) = (Vec::new(), Vec::new());
    while let Some(path) = walk.next(&mut words) {
        let held = trail.above(path).clone();
        let floor = held.cuts.floor(stack.len());
        let Some(Resolved { entry, .. }) = shown(&words, &held.cuts, stack.len()) else {
            let deletes = words.last().is_some_and(|top| top.layer >= floor);
            if deletes && !held.closed {
                layer.insert(path.clone(), Change::Whiteout);
            }
            walk.skip(path);
            continue;
        };
        if !entry.is_dir() {
            layer.insert(path.clone(), Change::Put(Entry { link: None, ..entry.clone() }));
            walk.skip(path);
            continue;
        }
        let (cut, implied) = merge(words.iter().rev().take_while(|word| word.layer >= floor));
        let opaque = cut && !held.closed;
        if implied && held.closed {
            alone.push(path.clone());
        }
        let dir = if implied { Entry::implied_dir(opaque) } else { plain(entry, opaque) };
        layer.insert(path.clone(), Change::Put(dir));
        trail.enter(path, Held { cuts: held.cuts.with(&words), closed: held.closed || cut });
    }
    say(&mut layer, &alone);
    layer
}

/// Whether merging ends within the layers (topmost first), and whether all of them only imply the directory.
fn merge<'a>(words: impl Iterator<Item = &'a Word<'a>>) -> (bool, bool) {
    let (mut cut, mut implied) = (false, true);
    for word in words {
        match word.change {
            Change::Put(entry) if entry.is_dir() => {
                cut |= entry.is_opaque();
                implied &= entry.implied;
            }
            // above what is deleted or replaced lies a new directory
            _ if implied => return (true, false),
            _ => return (true, implied),
        }
        if cut && !implied {
            break;
        }
    }
    (cut, implied)
}

fn plain(entry: &Entry, opaque: bool) -> Entry {
    Entry::new(Node::Dir { opaque }, entry.meta.clone())
}

/// Where nothing shows through, an implied directory in which nothing is left is there all the same: that must be said.
fn say(layer: &mut Changeset, alone: &[LayerPath]) {
    // what lies deeper comes first
    for path in alone.iter().rev() {
        if layer.within(path).nth(1).is_none() {
            layer.insert(path.clone(), Change::Put(plain(&Entry::implied_dir(false), false)));
        }
    }
}
