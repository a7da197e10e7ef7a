//! What a stack is mounted from: the layers that count, and directories that only the mount needs.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Act;
use super::Workspace;
use super::error::Error;
use super::files::on;
use crate::driver::Event;
use crate::model::{Change, Changeset, LayerPath, Metadata, names};
use crate::overlay::{Correction, corrections};
use crate::store::{self, MountDir, ScanHow, StackPart, scan};
use crate::sys::{Dir, xattr};

/// The lower directories of a mount.
pub(super) struct Lowers {
    /// Bottom → top.
    pub(super) dirs: Vec<Rc<Dir>>,
    /// Which layers they are.
    pub(super) origins: Origins,
}

/// Which layers of a stack a mount's lowers are.
#[derive(Clone, Default, Debug)]
pub(super) struct Origins {
    /// The lowest that counts.
    base: usize,
    /// How many of the lowers are layers.
    count: usize,
    /// Above them lie directories that other layers supply.
    laid: BTreeMap<LayerPath, usize>,
}

impl Origins {
    /// The layer, by its index in the stack, that a lower stands for at a path.
    fn layer(&self, path: &LayerPath, lower: usize) -> usize {
        let laid = self.laid.get(path).copied().filter(|_| lower >= self.count);
        laid.unwrap_or(self.base + lower.min(self.count.saturating_sub(1)))
    }

    /// An event of the lowers as one of the stack.
    pub(super) fn translate(&self, event: Event) -> Event {
        event.with_layers(&|path, lower| self.layer(path, lower))
    }
}

impl Workspace {
    /// The lowers of a mount, and what must be laid over them in its place in the store.
    pub(super) fn lowers(&self, mount: &MountDir) -> Result<Lowers, Error> {
        let record = mount.record();
        let mut dirs = self.open_stack(&record.stack)?;
        let (base, count) = (record.stack.len() - dirs.len(), dirs.len());
        let mut needed = self.corrections(&record.stack)?;
        if record.read_only && needed.is_empty() {
            // without an upper, the topmost layer's own root is the mount's
            let meta = self.merged_root(&record.stack)?;
            if let Some(top) = dirs.last()
                && store::scan_root(top)? != meta
            {
                needed.insert(LayerPath::root(), Correction { meta, layer: base + count - 1 });
            }
        }
        let laid = needed.iter().map(|(path, dir)| (path.clone(), &dir.meta)).collect();
        if let Some(laid) = self.store()?.lay_dirs(mount, &laid)? {
            dirs.push(Rc::new(laid));
        }
        let laid = needed.into_iter().map(|(path, dir)| (path, dir.layer)).collect();
        Ok(Lowers { dirs, origins: Origins { base, count, laid } })
    }

    /// The directories of a stack, bottom → top, from the layer on that is the lowest of all that counts: nothing beneath
    /// an opaque root shows, and the kernel does not look whether a root is opaque.
    pub(super) fn open_stack(&self, stack: &[StackPart]) -> Result<Vec<Rc<Dir>>, Error> {
        let mut opened = Vec::with_capacity(stack.len());
        for part in stack.iter().rev() {
            let tree = self.tree_of(part)?;
            let mark = on(Act::List, &LayerPath::root(), xattr::if_there(xattr::get(&*tree, names::OPAQUE)))?;
            opened.push(tree);
            if mark.as_deref() == Some(b"y") {
                break;
            }
        }
        opened.reverse();
        Ok(opened)
    }

    /// The root directory's metadata as the stack shows it. The topmost layer's index is read for it, so that damage is told
    /// before anything is built on it.
    pub(super) fn merged_root(&self, stack: &[StackPart]) -> Result<Metadata, Error> {
        if let Some(StackPart::Sealed(top)) = stack.last() {
            self.store()?.changeset(*top)?;
        }
        for part in stack.iter().rev() {
            match part {
                StackPart::Sealed(id) => {
                    if let Some(root) = &self.store()?.outline(*id)?.root {
                        return Ok(root.clone());
                    }
                }
                StackPart::Host(_) => return Ok(store::scan_root(&*self.tree_of(part)?)?),
            }
        }
        Ok(Metadata::of_plain_dir())
    }

    /// The directories that must be laid over a stack, as some of its layers only imply them.
    pub(super) fn corrections(&self, stack: &[StackPart]) -> Result<BTreeMap<LayerPath, Correction>, Error> {
        let store = self.store()?;
        let implies = |part: &StackPart| match part {
            StackPart::Sealed(id) => Ok(store.outline(*id)?.implies),
            StackPart::Host(_) => Ok::<_, Error>(false),
        };
        // beneath the lowest layer lies nothing
        let mut any = false;
        for part in stack.iter().skip(1) {
            any |= implies(part)?;
        }
        if !any {
            return Ok(BTreeMap::new());
        }
        let mut layers: Vec<Option<Rc<Changeset>>> = Vec::with_capacity(stack.len());
        for part in stack {
            layers.push(match part {
                StackPart::Sealed(id) => Some(store.changeset(*id)?),
                StackPart::Host(_) => None,
            });
        }
        let implied: BTreeSet<LayerPath> =
            layers.iter().flatten().flat_map(|changes| changes.implied().cloned()).collect();
        let mut whole = Vec::with_capacity(stack.len());
        for (part, changes) in stack.iter().zip(layers) {
            whole.push(match changes {
                Some(changes) => changes,
                None => Rc::new(self.host_dirs_at(part, &implied)?),
            });
        }
        Ok(corrections(&whole.iter().map(|changes| &**changes).collect::<Vec<_>>()))
    }

    /// What a host directory says of some directories: it may be large, and is not read whole.
    fn host_dirs_at(&self, part: &StackPart, paths: &BTreeSet<LayerPath>) -> Result<Changeset, Error> {
        let tree = self.tree_of(part)?;
        let trust = self.store()?.trust();
        let mut found: BTreeMap<LayerPath, Change> = BTreeMap::new();
        for path in paths {
            let how = ScanHow { only: Some(path.clone()), trust, ..ScanHow::default() };
            found.extend(scan(&tree, &how)?.changes);
        }
        Ok(found.into_iter().collect())
    }
}
