//! What a layer says: out of its index, or out of its tree.

use std::rc::Rc;

use super::Layer;
use super::error::Error;
use super::layer::State;
use super::progress::Total;
use super::said::{Part, Words};
use crate::model::{Changeset, LayerPath};
use crate::store::{ScanHow, scan_watched};

impl Layer {
    /// What it puts and deletes: from the index when sealed, else from a walk of its tree.
    pub fn changes(&self) -> Result<Rc<Changeset>, Error> {
        match self.state() {
            State::Sealed { id, .. } => Ok(self.workspace.store()?.changeset(id)?),
            State::Blob(layer) => Ok(Rc::clone(&layer.opened()?.changes)),
            _ => self.walk(None),
        }
    }

    /// What it says about one path and the directories above it, at least.
    pub(super) fn changes_at(&self, path: &LayerPath) -> Result<Rc<Changeset>, Error> {
        if self.sealed() { self.changes() } else { self.walk(Some(path.clone())) }
    }

    /// How its tree is read.
    pub(super) fn how(&self) -> Result<ScanHow, Error> {
        let store = self.workspace.store()?;
        Ok(match self.state() {
            State::Draft(draft) => draft.how(store)?,
            State::Upper(mount) => {
                let record = mount.record()?;
                let beneath = store.owners_known(&record.stack)?;
                let (trust, denied) = (store.trust(), store.denied());
                ScanHow { beneath, root: Some(record.root), trust, denied, ..ScanHow::default() }
            }
            State::Sealed { .. } | State::Host(_) | State::Blob(_) => {
                ScanHow { trust: store.trust(), ..ScanHow::default() }
            }
        })
    }

    /// What it says of its files, to be asked later.
    pub(super) fn words(&self) -> Part {
        let layer = self.clone();
        Part::new(move || {
            if layer.sealed() {
                return Ok(Words::Index(layer.changes()?));
            }
            Ok(Words::Tree(layer.tree()?, layer.how()?))
        })
    }

    fn walk(&self, only: Option<LayerPath>) -> Result<Rc<Changeset>, Error> {
        let how = ScanHow { only, ..self.how()? };
        let tree = self.tree()?;
        let work =
            self.workspace.work(|| (format!("reading {}", self.title()), Total::of_tree(tree.duplicate())));
        Ok(Rc::new(scan_watched(&tree, &how, &mut work.watch())?.changes))
    }
}
