//! Upper → layer: commit and reset.
//!
//! The order of a commit: freeze the mount (read-only, refused while somebody writes) → hash the upper and seal it
//! by a rename → mount the new stack with a fresh upper at the same mount point → drop the old mount. Whatever
//! fails, either the upper or the layer is there.

use super::error::Error;
use super::layer::State;
use super::mount::Live;
use super::mounting::Opened;
use super::progress::Total;
use super::stack::MAX_LAYERS;
use super::{Layer, Mount, Workspace};
use crate::model::{LayerName, TreeId};
use crate::store::{NameRecord, Seal, Sealed, StackPart};
use crate::sys::Errno;

impl Workspace {
    /// Makes the upper the newest sealed layer and stacks a fresh upper on it, at the same mount point.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], busy files (named with their processes), those of the store. The upper is kept.
    pub fn commit(&self, mount: &Mount, name: Option<&str>, message: Option<&str>) -> Result<Layer, Error> {
        let name = name.map(LayerName::parse).transpose().map_err(|cause| Error::Name { cause })?;
        self.end_commit(mount)?;
        let record = mount.record()?;
        if record.read_only {
            return Err(Error::ReadOnly { name: mount.name() });
        }
        if let Some(name) = &name {
            self.store()?.settle_commits(name)?;
            self.refuse_draft(name)?;
        }
        if record.stack.len() >= MAX_LAYERS {
            // sealed first, it could not be mounted any more
            return Err(Error::StackSize { count: record.stack.len() + 1 });
        }
        if !mount.dirty()? {
            self.note(format!("`{}` has no changes: the top layer stays as it is", mount.name()));
            return self.name_top(&record.stack, name.as_ref(), message);
        }
        let replaces = name.as_ref().map(|name| self.store()?.name(name).map_err(Error::from)).transpose()?;
        let replaces = replaces.flatten();
        self.tell_changes_of(mount)?;
        let mut live = self.take(mount.layer_name())?;
        let result = self.commit_live(&mut live, name.as_ref(), replaces.as_ref(), message);
        let stack = live.dir.record().stack;
        self.0.live.borrow_mut().insert(mount.layer_name().clone(), live);
        let sealed = result?;
        self.attend(mount.layer_name())?;
        match (sealed.named, name) {
            (Some(record), _) => {
                self.note_moved_name(replaces.as_ref(), sealed.id);
                self.named(record)
            }
            (None, name) => {
                if let Some(name) = name {
                    self.note_lost_name(&name, sealed.id)?;
                }
                self.top_without_name(sealed.id, stack)
            }
        }
    }

    /// Ends a commit of this process that stopped once its layer was in place: the mount goes on above that layer.
    fn end_commit(&self, mount: &Mount) -> Result<(), Error> {
        let Some(mut live) = self.0.live.borrow_mut().remove(mount.layer_name()) else { return Ok(()) };
        let ended = self.end_live(&mut live);
        self.0.live.borrow_mut().insert(mount.layer_name().clone(), live);
        ended
    }

    fn end_live(&self, live: &mut Live) -> Result<(), Error> {
        if self.store()?.end_commit(&live.dir)? || live.behind { self.replace(live) } else { Ok(()) }
    }

    fn commit_live(
        &self,
        live: &mut Live,
        name: Option<&LayerName>,
        replaces: Option<&NameRecord>,
        message: Option<&str>,
    ) -> Result<Sealed, Error> {
        if let Some(mounted) = &mut live.mounted {
            mounted.freeze()?;
        }
        let work = self.work(|| {
            let upper = live.dir.upper().map_err(|_| Errno::NOENT);
            (format!("committing {}", live.dir.name()), Total::of_tree(upper))
        });
        let mut progress = work.watch();
        let seal = Seal {
            name,
            replaces,
            message,
            created: self.now(),
            clamp: self.0.options.epoch,
            progress: &mut progress,
        };
        let place =
            |live: &Live| live.dir.upper().ok().and_then(|upper| upper.stat_self().ok()).map(|at| at.ino);
        let before = place(live);
        let sealed = self.store()?.commit(&live.dir, seal);
        drop(work);
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(error) => {
                // once its upper is a layer, it is never written again, nor where that cannot be seen
                let stays = before.is_some() && place(live) == before;
                if let Some(mounted) = live.mounted.as_mut().filter(|_| stays) {
                    mounted.thaw()?;
                }
                return Err(error.into());
            }
        };
        self.note_sockets(&sealed.sockets);
        self.replace(live)?;
        Ok(sealed)
    }

    /// Mounts what the store now describes at the place of what is mounted, and drops what was set aside.
    fn replace(&self, live: &mut Live) -> Result<(), Error> {
        live.behind = true;
        if let Some(mounted) = &mut live.mounted {
            let opened = Opened::new(self, mounted.kind(), &live.dir)?;
            mounted.replace(&opened.spec())?;
            live.origins = opened.origins();
        }
        live.behind = false;
        self.store()?.sweep(&live.dir);
        Ok(())
    }

    /// Tells that a name stands for another layer than before.
    fn note_moved_name(&self, before: Option<&NameRecord>, now: TreeId) {
        if let Some(record) = before
            && let Some(StackPart::Sealed(id)) = record.stack.last()
            && *id != now
        {
            let name = &record.name;
            self.note(format!("`{name}` stood for layer {} and stands for the new one now", id.short()));
        }
    }

    /// Tells that another process changed what a name stands for, so that it was not given to the new layer.
    pub(super) fn note_lost_name(&self, name: &LayerName, id: TreeId) -> Result<(), Error> {
        let theirs = match self.store()?.name(name)?.and_then(|record| record.stack.last().cloned()) {
            Some(StackPart::Sealed(theirs)) => format!("gave `{name}` to layer {}", theirs.short()),
            _ => format!("took the name `{name}` away"),
        };
        self.note(format!(
            "another process {theirs} meanwhile, and so it stays: what was made here is layer {}, without a name",
            id.short()
        ));
        Ok(())
    }

    fn refuse_draft(&self, name: &LayerName) -> Result<(), Error> {
        match self.existing(name)?.map(|layer| layer.state()) {
            Some(State::Draft(_)) => Err(Error::WrongLayer {
                layer: name.to_string(),
                is: "a draft",
                instead: format!("take another name, or drop the draft: `remove(\"{name}\")`"),
            }),
            _ => Ok(()),
        }
    }

    /// Gives a stack's top a name, if one is wanted.
    fn name_top(
        &self,
        stack: &[StackPart],
        name: Option<&LayerName>,
        message: Option<&str>,
    ) -> Result<Layer, Error> {
        if let Some(name) = name {
            let record = NameRecord {
                name: name.clone(),
                stack: stack.to_vec(),
                chain_id: self.chain_of(stack)?,
                message: message.map(str::to_owned),
                created: self.now(),
            };
            let replaces = self.store()?.name(name)?;
            let top = match stack.last() {
                Some(StackPart::Sealed(id)) => *id,
                // a name stands for what is in the store
                _ => {
                    return Err(Error::WrongLayer {
                        layer: "on top".to_owned(),
                        is: "a host directory, which has no name",
                        instead: "`layer(\"NAME\").add(DIR)` makes a layer of it".to_owned(),
                    });
                }
            };
            if self.store()?.set_name(&record, replaces.as_ref())? {
                self.note_moved_name(replaces.as_ref(), top);
                return self.named(record);
            }
            self.note_lost_name(name, top)?;
        }
        self.layers_of(stack)?.pop().ok_or(Error::StackSize { count: 0 })
    }

    fn chain_of(&self, stack: &[StackPart]) -> Result<Option<crate::model::ChainId>, Error> {
        let ids: Option<Vec<_>> = stack
            .iter()
            .map(|part| match part {
                StackPart::Sealed(id) => Some(*id),
                StackPart::Host(_) => None,
            })
            .collect();
        match ids {
            Some(ids) => Ok(self.store()?.chain_id(&ids)?),
            None => Ok(None),
        }
    }

    /// Empties the upper, at the same mount point.
    ///
    /// # Errors
    /// As [`Workspace::commit`]; the upper is kept where it fails.
    pub fn reset(&self, mount: &Mount) -> Result<(), Error> {
        if mount.read_only() {
            return Err(Error::ReadOnly { name: mount.name() });
        }
        self.end_commit(mount)?;
        self.tell_changes_of(mount)?;
        let mut live = self.take(mount.layer_name())?;
        let result = self.reset_live(&mut live);
        self.0.live.borrow_mut().insert(mount.layer_name().clone(), live);
        result?;
        self.attend(mount.layer_name())
    }

    fn reset_live(&self, live: &mut Live) -> Result<(), Error> {
        if let Some(mounted) = &mut live.mounted {
            mounted.freeze()?;
        }
        if let Err(error) = self.store()?.reset_upper(&live.dir) {
            if let Some(mounted) = &mut live.mounted {
                mounted.thaw()?;
            }
            return Err(error.into());
        }
        self.replace(live)
    }
}
