//! The changes of sealed layers that this process has read, kept up to a bound.
//!
//! A sealed layer never changes, so what is kept stays right. What was used longest ago goes first; a layer that is
//! larger than the bound by itself is kept until the next one comes, so that several questions about it read it once.

use std::collections::HashMap;
use std::rc::Rc;

use crate::model::{Changeset, TreeId};

/// How many changes are kept over all layers; one takes about 300 bytes.
const BOUND: usize = 400_000;

/// The layers that are kept.
#[derive(Debug)]
pub(super) struct Cache {
    kept: HashMap<TreeId, Kept>,
    /// Changes over all that are kept.
    changes: usize,
    bound: usize,
    /// Goes up with each use.
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    changes: Rc<Changeset>,
    used: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Self { kept: HashMap::new(), changes: 0, bound: BOUND, clock: 0 }
    }
}

impl Cache {
    /// A layer's changes, if they are kept.
    pub(super) fn get(&mut self, id: TreeId) -> Option<Rc<Changeset>> {
        self.clock += 1;
        let kept = self.kept.get_mut(&id)?;
        kept.used = self.clock;
        Some(Rc::clone(&kept.changes))
    }

    /// Keeps a layer's changes, and lets others go where that is too much.
    pub(super) fn keep(&mut self, id: TreeId, changes: Rc<Changeset>) {
        self.forget(id);
        let more = changes.len();
        while self.changes > 0 && self.changes + more > self.bound {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(&id, _)| id);
            let Some(oldest) = oldest else { break };
            self.forget(oldest);
        }
        self.clock += 1;
        self.changes += more;
        self.kept.insert(id, Kept { changes, used: self.clock });
    }

    /// Lets a layer go.
    pub(super) fn forget(&mut self, id: TreeId) {
        if let Some(kept) = self.kept.remove(&id) {
            self.changes -= kept.changes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Change, Digest, LayerPath};

    fn layer(size: usize) -> Rc<Changeset> {
        let path = |number: usize| LayerPath::parse(number.to_string().as_bytes()).unwrap();
        Rc::new((0..size).map(|number| (path(number), Change::Whiteout)).collect())
    }

    fn id(number: u8) -> TreeId {
        TreeId(Digest::from_bytes([number; 32]))
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut cache = Cache { bound: 10, ..Cache::default() };
        for number in 1..=3 {
            cache.keep(id(number), layer(3));
        }
        assert!(cache.get(id(1)).is_some());
        cache.keep(id(4), layer(3));
        let kept = |cache: &mut Cache| [1, 2, 3, 4].map(|number| cache.get(id(number)).is_some());
        assert_eq!(kept(&mut cache), [true, false, true, true]);
        assert_eq!(cache.changes, 9);
    }

    #[test]
    fn a_layer_over_the_bound_is_kept_alone() {
        let mut cache = Cache { bound: 10, ..Cache::default() };
        cache.keep(id(1), layer(4));
        cache.keep(id(2), layer(50));
        assert!(cache.get(id(1)).is_none());
        assert_eq!(cache.get(id(2)).unwrap().len(), 50);
        cache.keep(id(3), layer(1));
        assert!(cache.get(id(2)).is_none());
        assert!(cache.get(id(3)).is_some());
        assert_eq!(cache.changes, 1);
    }

    #[test]
    fn a_layer_that_comes_again_counts_once() {
        let mut cache = Cache { bound: 10, ..Cache::default() };
        cache.keep(id(1), layer(4));
        cache.keep(id(1), layer(4));
        assert_eq!(cache.changes, 4);
        cache.forget(id(1));
        cache.forget(id(1));
        assert_eq!(cache.changes, 0);
        assert!(cache.get(id(1)).is_none());
    }
}
