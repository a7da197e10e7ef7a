//! What a sealed layer stands on, as long as a handle on it lives.
//!
//! A layer's content is the same on any stack, so the store keeps what it stands on with its name, or in the mount in which
//! it was committed. A handle remembers it by itself, and nothing that it remembers is collected, but for what lost its name by `remove`.

use std::collections::BTreeSet;
use std::rc::{Rc, Weak};

use super::error::Error;
use super::layer::State;
use super::{Layer, Workspace};
use crate::model::{LayerName, TreeId};
use crate::store::{NameRecord, StackPart};

/// A sealed layer's stack, itself on top.
#[derive(Debug)]
pub(super) enum Standing {
    /// As its name says.
    Named(Rc<NameRecord>),
    /// The first `depth` layers of a stack.
    In {
        /// The stack.
        stack: Rc<[StackPart]>,
        /// Where the layer lies in it, from 1 on.
        depth: usize,
    },
}

impl Standing {
    /// The layers, bottom → top.
    pub(super) fn stack(&self) -> &[StackPart] {
        match self {
            Self::Named(record) => &record.stack,
            Self::In { stack, depth } => &stack[..*depth],
        }
    }

    /// The record of its name.
    pub(super) fn record(&self) -> Option<&NameRecord> {
        match self {
            Self::Named(record) => Some(record),
            Self::In { .. } => None,
        }
    }

    /// The layers, where all are sealed.
    pub(super) fn sealed(&self) -> Option<Vec<TreeId>> {
        let ids: Vec<TreeId> = self.ids().collect();
        (ids.len() == self.stack().len()).then_some(ids)
    }

    fn ids(&self) -> impl Iterator<Item = TreeId> {
        self.stack().iter().filter_map(|part| match part {
            StackPart::Sealed(id) => Some(*id),
            StackPart::Host(_) => None,
        })
    }
}

/// What the handles of this process stand on.
#[derive(Debug, Default)]
pub(super) struct Handles {
    all: Vec<Weak<Standing>>,
    /// How many there may be before those that are gone are looked for.
    most: usize,
}

impl Handles {
    fn add(&mut self, standing: &Rc<Standing>) {
        if self.all.len() >= self.most {
            self.all.retain(|one| one.strong_count() > 0);
            self.most = 64 + 2 * self.all.len();
        }
        self.all.push(Rc::downgrade(standing));
    }

    fn living(&self) -> impl Iterator<Item = Rc<Standing>> {
        self.all.iter().filter_map(Weak::upgrade)
    }

    /// Keeps nothing any more for handles on a layer whose name was dropped here.
    pub(super) fn let_go(&mut self, name: &LayerName) {
        self.all.retain(|one| {
            one.upgrade().is_some_and(|one| one.record().is_none_or(|record| record.name != *name))
        });
    }

    /// Every layer that a handle reaches, but for handles by these names.
    pub(super) fn reached_but_by(&self, names: &BTreeSet<LayerName>) -> BTreeSet<TreeId> {
        let mut reached = BTreeSet::new();
        for standing in self.living() {
            if standing.record().is_none_or(|record| !names.contains(&record.name)) {
                reached.extend(standing.ids());
            }
        }
        reached
    }
}

impl Workspace {
    /// What a handle on a sealed layer stands for.
    pub(super) fn sealed(&self, id: TreeId, standing: Standing) -> Result<State, Error> {
        let standing = Rc::new(standing);
        let store = self.store()?;
        for id in standing.ids() {
            store.hold_layer(id)?;
        }
        self.0.handles.borrow_mut().add(&standing);
        Ok(State::Sealed { id, standing })
    }

    /// Lets other processes collect what no handle of this one reaches any more; to be called between calls.
    pub fn let_go(&self) -> Result<(), Error> {
        let reached = self.0.handles.borrow().reached_but_by(&BTreeSet::new());
        self.0.store.get().map_or(Ok(()), |store| Ok(store.use_only(&reached)?))
    }

    /// The layer on top of a stack, without a name.
    pub(super) fn top_without_name(&self, id: TreeId, stack: Vec<StackPart>) -> Result<Layer, Error> {
        let depth = stack.len();
        Ok(Layer::new(self, self.sealed(id, Standing::In { stack: stack.into(), depth })?))
    }

    /// What a layer without a name of its own stands on, by whatever reaches it: a handle, a mount, the stack of a name. One
    /// that has a name and is asked for by its ID stands for itself alone, as it may be the top of several stacks.
    pub(super) fn standing_of(&self, id: TreeId) -> Result<Standing, Error> {
        let part = StackPart::Sealed(id);
        let store = self.store()?;
        let names = store.names()?;
        let alone = || Standing::In { stack: [part.clone()].into(), depth: 1 };
        if names.iter().any(|record| record.stack.last() == Some(&part)) {
            return Ok(alone());
        }
        let up_to = |stack: &[StackPart]| {
            let at = stack.iter().position(|other| *other == part)?;
            Some(Standing::In { stack: stack.into(), depth: at + 1 })
        };
        let by_handle = self.0.handles.borrow().living().find_map(|one| up_to(one.stack()));
        if let Some(standing) = by_handle {
            return Ok(standing);
        }
        let mounts = store.mounts()?;
        let stacks = mounts.iter().map(|mount| &mount.stack).chain(names.iter().map(|record| &record.stack));
        Ok(stacks.into_iter().find_map(|stack| up_to(stack)).unwrap_or_else(alone))
    }
}
