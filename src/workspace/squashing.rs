//! Many layers → one.
//!
//! What the one says is found by the rules of `overlay`; its files are copied out of the layers that supply them.

use std::rc::Rc;

use super::Act;
use super::error::Error;
use super::files::on;
use super::layer::State;
use super::opening::{sum, total_of};
use super::progress::Total;
use super::{Amount, Layer, Stack, Workspace};
use crate::model::{Changeset, Counts, LayerName, LayerPath};
use crate::overlay;
use crate::store::{Draft, Source, StackPart};

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
        let taken = || Error::WrongLayer {
            layer: name.to_owned(),
            is: "there already",
            instead: format!("take a new name, or drop this one: `remove(\"{name}\")`"),
        };
        // a commit that another process left half done may have the name
        self.store()?.settle_commits(&parsed)?;
        if self.existing(&parsed)?.is_some() {
            return Err(taken());
        }
        let layers = self.layers_of(&parts)?;
        let changes = layers.iter().map(Layer::changes).collect::<Result<Vec<Rc<Changeset>>, _>>()?;
        let bottom = self.is_bottom(stack, &parts, &changes)?;
        let one = overlay::squash(&changes.iter().map(|changes| &**changes).collect::<Vec<_>>(), bottom);
        let sources = self.sources(&parts, changes)?;
        let draft = self.new_draft(&parsed)?.ok_or_else(taken)?;
        let State::Draft(target) = draft.state() else { return Err(taken()) };
        let result = self.fill(&draft, &target, &one, sources, &parts).and_then(|()| {
            // what is sealed is read again, and there may be much of it
            drop(one);
            draft.seal()
        });
        if let Err(error) = result {
            // what is told is what went wrong first
            if let Err(left) = self.remove(name) {
                log::warn!("`{name}` stays: {left}");
            }
            return Err(error);
        }
        Ok(draft)
    }

    /// What a stack's layers say, and their files.
    fn sources(&self, parts: &[StackPart], layers: Vec<Rc<Changeset>>) -> Result<Vec<Source>, Error> {
        let mut sources = Vec::with_capacity(parts.len());
        for (part, changes) in parts.iter().zip(layers) {
            let tree = on(Act::Copy, &LayerPath::root(), self.tree_of(part)?.duplicate())?;
            sources.push(Source { changes, tree, sealed: matches!(part, StackPart::Sealed(_)) });
        }
        Ok(sources)
    }

    fn fill(
        &self,
        draft: &Layer,
        target: &Draft,
        one: &Changeset,
        sources: Vec<Source>,
        parts: &[StackPart],
    ) -> Result<(), Error> {
        let work =
            self.work(|| (format!("squashing to {}", draft.title()), Total::Known(self.total_of_all(parts))));
        let notes = self.store()?.fill_draft(target, one, sources, &mut work.watch())?;
        drop(work);
        for note in notes {
            self.note(note.to_string());
        }
        Ok(())
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
        let ((names, lost), (mounts, damaged)) = (store.names_and_damage()?, store.mounts_and_damage()?);
        if !lost.is_empty() || !damaged.is_empty() {
            // nobody knows what those stood on
            return Ok(false);
        }
        let named = names.into_iter().map(|record| record.stack);
        let mounted = mounts.into_iter().map(|record| record.stack);
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
