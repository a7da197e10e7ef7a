//! Many layers → one.
//!
//! What the one says is found by the rules of `overlay`; its files are copied out of the union of the many.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd as _;
use std::rc::Rc;

use super::error::{Act, Error};
use super::files::on;
use super::opening::{sum, total_of};
use super::progress::Total;
use super::{Amount, Layer, Stack, Workspace, copying};
use crate::driver::{self, Files as _};
use crate::model::{Change, Changeset, Counts, LayerName, LayerPath, Metadata, Mode};
use crate::overlay;
use crate::store::StackPart;

impl Workspace {
    /// Makes one layer, of its own, that shows what a stack shows, and hides what it hides: deletions that may concern a
    /// layer beneath the stack stay. They go only where nothing can lie beneath: where the lowest of the layers deletes
    /// nothing itself, and stands on nothing in any stack that the store knows.
    ///
    /// # Errors
    /// [`Error::WrongLayer`] for a name that is taken; those of the store, and of copying.
    pub fn squash(&self, stack: &Stack, name: &str) -> Result<Layer, Error> {
        let parts = stack.sealed_parts()?;
        let parsed = LayerName::parse(name).map_err(|cause| Error::Name { cause })?;
        if self.existing(&parsed)?.is_some() {
            return Err(Error::WrongLayer {
                layer: name.to_owned(),
                is: "there already",
                instead: format!("take a new name, or drop this one: `remove(\"{name}\")`"),
            });
        }
        let layers = self.layers_of(&parts)?;
        let changes = layers.iter().map(Layer::changes).collect::<Result<Vec<Rc<Changeset>>, _>>()?;
        let bottom = self.is_bottom(stack, &parts, &changes)?;
        let changes: Vec<&Changeset> = changes.iter().map(|changes| &**changes).collect();
        let one = overlay::squash(&changes, bottom);
        let corrected = overlay::corrections(&changes);
        let opened = self.open_stack(&parts)?;
        let lowers = opened.iter().map(|dir| dir.as_fd()).collect();
        let store = self.store()?;
        let union = driver::read_union(lowers, store.whiteout_form(), self.identity(), store.trust())?;
        let draft = self.layer(name)?;
        let root = LayerPath::root();
        let result = draft
            .draft_files()
            .and_then(|target| {
                let work =
                    self.work(|| (format!("squashing to {name}"), Total::Known(self.total_of_all(&parts))));
                copying::copy(&*union, &root, &target, &root, &work)
            })
            .and_then(|()| self.mark(&draft, &one, corrected.into_keys()))
            .and_then(|()| draft.seal());
        if let Err(error) = result {
            // what is told is what went wrong first
            if let Err(left) = self.remove(name) {
                log::warn!("`{name}` stays: {left}");
            }
            return Err(error);
        }
        Ok(draft)
    }

    /// Puts into a draft what a copy of the union's files does not say: deletions, implied directories, and the metadata
    /// of those in which something was done, or that are not as the topmost layer has them.
    fn mark(
        &self,
        draft: &Layer,
        one: &Changeset,
        corrected: impl Iterator<Item = LayerPath>,
    ) -> Result<(), Error> {
        let (store, tree, files) = (self.store()?, draft.tree()?, draft.draft_files()?);
        let mut touched: BTreeSet<LayerPath> = corrected.collect();
        let deletes = |change: &Change| match change {
            Change::Whiteout => true,
            Change::Put(entry) => entry.is_opaque(),
        };
        let marked = one.iter().filter(|(_, change)| deletes(change)).map(|(path, _)| path);
        for path in marked.chain(one.implied()) {
            touched.extend(path.ancestors().chain([path.clone()]));
        }
        let said = |path: &LayerPath| one.entry(path).filter(|entry| !entry.implied).map(|entry| &entry.meta);
        let dirs: BTreeMap<LayerPath, &Metadata> =
            touched.iter().filter_map(|path| Some((path.clone(), said(path)?))).collect();
        for (path, meta) in &dirs {
            // the owner too must get in; it is closed again with the rest
            let open = Mode::new(meta.mode.bits() | 0o700);
            if open != meta.mode {
                on(Act::ChangeMode, path, files.chmod(path, open))?;
            }
        }
        for (path, change) in one.iter().filter(|(_, change)| deletes(change)) {
            match change {
                Change::Whiteout => store.put_whiteout(&tree, path)?,
                Change::Put(_) => store.put_opaque(&tree, path)?,
            }
        }
        for path in one.implied() {
            store.imply(&tree, path)?;
        }
        Ok(store.set_dirs(&tree, &dirs)?)
    }

    /// Whether nothing can lie beneath the lowest of these layers.
    fn is_bottom(
        &self,
        stack: &Stack,
        parts: &[StackPart],
        changes: &[Rc<Changeset>],
    ) -> Result<bool, Error> {
        let (Some(lowest), Some(changes)) = (parts.first(), changes.first()) else { return Ok(true) };
        let Counts { whiteouts, opaques, .. } = changes.counts();
        if whiteouts + opaques > 0 {
            return Ok(false);
        }
        if stack.layers().first().map(Layer::stack).transpose()?.is_some_and(|own| own.layers().len() > 1) {
            return Ok(false);
        }
        let store = self.store()?;
        let named = store.names()?.into_iter().map(|record| record.stack);
        let mounted = store.mounts()?.into_iter().map(|record| record.stack);
        Ok(!named.chain(mounted).any(|stack| stack.iter().skip(1).any(|part| part == lowest)))
    }

    /// What a stack's sealed layers hold together; what one hides of another counts too.
    fn total_of_all(&self, parts: &[StackPart]) -> Amount {
        let Ok(store) = self.store() else { return Amount::default() };
        sum(parts.iter().filter_map(|part| match part {
            StackPart::Sealed(id) => Some(total_of(store, *id)),
            StackPart::Host(_) => None,
        }))
    }
}
