//! The store behind a workspace, and the layers that it names.

use std::path::Path;
use std::rc::Rc;

use super::Act;
use super::error::Error;
use super::layer::State;
use super::progress::Total;
use super::standing::Standing;
use super::{Amount, Layer, StorePlace, ToRead, Workspace};
use crate::driver;
use crate::model::{Identity, LayerName, LayerPath, TreeId};
use crate::store::{self, Draft, MountRecord, NameRecord, Opening, Seal, StackPart, Stale, Store, Syncs};
use crate::sys::{Dir, Errno, probe};

impl Workspace {
    /// The store, opened (and made) when it is first needed.
    pub(super) fn store(&self) -> Result<&Store, Error> {
        if let Some(store) = self.0.store.get() {
            return Ok(store);
        }
        probe::proc().map_err(|no| Error::Lacks { reason: no.reason, cure: no.cure })?;
        let store = match &self.0.options.store {
            StorePlace::Dir(dir) => self.open_in(dir, Store::open)?,
            StorePlace::DirOfAnybody(dir) => self.open_in(dir, Store::open_as_root)?,
            StorePlace::ToRead(dir) => Store::open_to_read(dir, &std::env::temp_dir(), Syncs::Off)?,
            StorePlace::Ephemeral => {
                let place = std::env::temp_dir();
                for left in Store::left_behind(&place) {
                    remove_left(left);
                }
                Store::temporary(&place)?
            }
        };
        let store = self.0.store.get_or_init(|| store);
        if store.is_doubtful() {
            self.note(format!(
                "the store {} was written with `--sync=off` when the machine stopped: any part of it may be damaged",
                store.path().display()
            ));
        }
        for error in store.take_unsettled() {
            self.note(format!("something that an earlier run left half done must wait: {error}"));
        }
        for stale in store.take_stale() {
            // it stays as it is, and the next start tries again
            if let Err(error) = self.recover(store, &stale) {
                let name = &stale.name;
                self.note(format!("`{name}` was left by a process that ended early, and must wait: {error}"));
            }
        }
        Ok(store)
    }

    /// Opens a store in a directory; one on a read-only disk to be read.
    fn open_in(
        &self,
        dir: &Path,
        open: fn(&Path, Opening) -> Result<Store, store::Error>,
    ) -> Result<Store, Error> {
        let syncs = if self.0.options.sync { Syncs::On } else { Syncs::Off };
        let refused = match open(dir, Opening { create: true, syncs }) {
            Err(error @ store::Error::ReadOnly { errno: Errno::ROFS, .. }) => error,
            other => return Ok(other?),
        };
        match Store::open_to_read(dir, &std::env::temp_dir(), syncs) {
            // there is none, and none can be made
            Err(store::Error::Missing { .. }) => Err(refused.into()),
            opened => {
                let store = opened?;
                let place = store.path().display();
                self.note(format!(
                    "the store {place} lies on a read-only file system: it can be read, not changed"
                ));
                Ok(store)
            }
        }
    }

    /// Cleans up after a process that ended without doing so: what it left mounted goes, its upper stays.
    fn recover(&self, store: &Store, stale: &Stale) -> Result<(), Error> {
        free(stale)?;
        let name = &stale.name;
        let dirty = match &stale.changes {
            Ok(dirty) => *dirty,
            Err(error) => {
                self.note(format!(
                    "`{name}` was left by a process that ended early; whether it has uncommitted changes cannot be seen, so it is \
                     kept: {error}"
                ));
                return Ok(store.settle(stale)?);
            }
        };
        if dirty && stale.is_doubtful() {
            self.note(format!(
                "`{name}` was mounted `volatile` when the machine stopped; its uncommitted changes may be damaged"
            ));
        } else if dirty {
            self.note(format!(
                "`{name}` was left by a process that ended early; its uncommitted changes are kept: \
                 `use_mount(\"{name}\")` goes on with them"
            ));
        } else if has_nameless(store, &stale.record)? {
            self.note(format!("`{name}` was left by a process that ended early and {}", nameless(name)));
        } else {
            return Ok(store.discard_stale(stale)?);
        }
        Ok(store.settle(stale)?)
    }

    /// What the host's owners mean in layers.
    pub(super) fn identity(&self) -> Identity {
        self.0.options.namespace.identity()
    }

    /// Starts an empty draft of that name, whatever has it: a draft that does is dropped; a layer keeps the name until this
    /// one is sealed, and stays as long as something uses it.
    ///
    /// # Errors
    /// [`Error::Name`]; those of the store.
    pub fn fresh_layer(&self, text: &str) -> Result<Layer, Error> {
        let name = LayerName::parse(text).map_err(|cause| Error::Name { cause })?;
        self.forget_draft(&name);
        let draft = self.store()?.fresh_draft(&name)?;
        let layer = Layer::new(self, State::Draft(draft));
        self.0.drafts.borrow_mut().insert(name, layer.clone());
        Ok(layer)
    }

    /// Opens the layer of that name, or starts an empty draft.
    ///
    /// # Errors
    /// [`Error::Name`]; [`Error::UnknownLayer`] for an ID that no layer has.
    pub fn layer(&self, text: &str) -> Result<Layer, Error> {
        if crate::model::is_id(text) {
            return self.layer_by_id(text);
        }
        let name = LayerName::parse(text).map_err(|cause| Error::Name { cause })?;
        if let Some(layer) = self.existing(&name)? {
            return Ok(layer);
        }
        self.store()?.settle_commits(&name)?;
        match self.existing(&name)? {
            Some(layer) => Ok(layer),
            None => self.draft(&name),
        }
    }

    fn draft(&self, name: &LayerName) -> Result<Layer, Error> {
        if let Some(layer) = self.open_draft(name)? {
            return Ok(layer);
        }
        let draft = self.store()?.draft(name)?;
        let layer = Layer::new(self, State::Draft(draft));
        self.0.drafts.borrow_mut().insert(name.clone(), layer.clone());
        Ok(layer)
    }

    /// Starts an empty draft under a name that is free; `None` where another process was quicker to take it.
    pub(super) fn new_draft(&self, name: &LayerName) -> Result<Option<Layer>, Error> {
        let Some(draft) = self.store()?.new_draft(name)? else { return Ok(None) };
        let layer = Layer::new(self, State::Draft(draft));
        self.0.drafts.borrow_mut().insert(name.clone(), layer.clone());
        Ok(Some(layer))
    }

    /// Whether a layer or a draft has this name, in a store that is open.
    pub fn knows_layer(&self, text: &str) -> bool {
        let (Some(store), Ok(name)) = (self.0.store.get(), LayerName::parse(text)) else { return false };
        store.has_draft(&name).unwrap_or(false) || matches!(store.name(&name), Ok(Some(_)))
    }

    /// The layer or draft of that name, if there is one: a draft of this process may be about to take the place of a layer.
    pub(super) fn existing(&self, name: &LayerName) -> Result<Option<Layer>, Error> {
        if let Some(layer) = self.0.drafts.borrow().get(name) {
            return Ok(Some(layer.clone()));
        }
        let store = self.store()?;
        store.settle_seal(name)?;
        match store.name(name)? {
            Some(record) => self.named_and_there(&record).map(Some),
            None => self.open_draft(name),
        }
    }

    /// The draft of that name, if there is one; none is made.
    fn open_draft(&self, name: &LayerName) -> Result<Option<Layer>, Error> {
        let Some(layer) = self.look_at_draft(name)? else { return Ok(None) };
        self.0.drafts.borrow_mut().insert(name.clone(), layer.clone());
        Ok(Some(layer))
    }

    /// From now on the name stands for none of the handles on a draft that had it.
    fn forget_draft(&self, name: &LayerName) {
        self.0.drafts.borrow_mut().remove(name);
        self.0.seen.borrow_mut().remove(name);
    }

    /// As [`Workspace::open_draft`], for as long as the handle lives.
    pub(super) fn look_at_draft(&self, name: &LayerName) -> Result<Option<Layer>, Error> {
        if let Some(layer) = self.0.drafts.borrow().get(name) {
            return Ok(Some(layer.clone()));
        }
        let seen = self.0.seen.borrow().get(name).and_then(|layer| layer.upgrade(self));
        if let Some(layer) = seen.filter(|layer| matches!(layer.state(), State::Draft(_))) {
            return Ok(Some(layer));
        }
        let Some(draft) = self.store()?.open_draft(name)? else { return Ok(None) };
        if let Some(record) = draft.damaged_record() {
            self.note(format!(
                "the record of the draft `{name}` was damaged and is now `{}`: its symlinks and special files may \
                 have lost their owners and times, and what was written last before the machine stopped may be missing",
                record.display()
            ));
        }
        let layer = Layer::new(self, State::Draft(draft));
        self.0.seen.borrow_mut().insert(name.clone(), layer.downgrade());
        Ok(Some(layer))
    }

    /// As [`Workspace::named`], for use: the layer must be there.
    fn named_and_there(&self, record: &NameRecord) -> Result<Layer, Error> {
        let store = self.store()?;
        // from here on nobody collects them
        let layer = self.named(record.clone())?;
        for part in &record.stack {
            if let StackPart::Sealed(id) = part
                && !store.has_layer(*id)?
            {
                if store.name(&record.name)?.as_ref() != Some(record) {
                    // another process took the name away, and freed what it stood for
                    return Err(Error::UnknownLayer { name: record.name.to_string(), near: None });
                }
                let why = format!("it is gone, although the stack of `{}` needs it", record.name);
                return Err(store::Error::Damaged { path: store.tree_path(*id), why }.into());
            }
        }
        store.note_use(&record.name);
        Ok(layer)
    }

    pub(super) fn named(&self, record: NameRecord) -> Result<Layer, Error> {
        match record.stack.last() {
            Some(StackPart::Sealed(id)) => {
                Ok(Layer::new(self, self.sealed(*id, Standing::Named(Rc::new(record)))?))
            }
            Some(StackPart::Host(dir)) => Ok(Layer::new(self, State::Host(dir.clone()))),
            None => Err(Error::UnknownLayer { name: record.name.to_string(), near: None }),
        }
    }

    pub(super) fn layer_by_id(&self, text: &str) -> Result<Layer, Error> {
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        let id = self.store()?.find_id(prefix)?;
        Ok(Layer::new(self, self.sealed(id, self.standing_of(id)?)?))
    }

    /// A host directory as a read-only layer, in place.
    ///
    /// # Errors
    /// If it is no directory that can be opened.
    pub fn layer_at(&self, dir: &ToRead) -> Result<Layer, Error> {
        let dir = dir.path();
        let real = dir.canonicalize().map_err(|cause| Error::host(Act::List, dir, &cause))?;
        if !real.is_dir() {
            return Err(Error::Host { act: Act::List, path: dir.to_owned(), errno: Errno::NOTDIR });
        }
        Ok(Layer::new(self, State::Host(real)))
    }

    /// The open directory of a part of a stack.
    pub(super) fn tree_of(&self, part: &StackPart) -> Result<Rc<Dir>, Error> {
        match part {
            StackPart::Sealed(id) => Ok(Rc::new(self.store()?.tree_dir(*id)?)),
            StackPart::Host(dir) => self.open_host(dir).map(Rc::new),
        }
    }

    /// All named layers, newest first; drafts before sealed ones. A draft that another process uses is left out, with a
    /// note.
    pub fn layers(&self) -> Result<Vec<Layer>, Error> {
        let store = self.store()?;
        let mut layers = Vec::new();
        for name in store.drafts()? {
            match self.look_at_draft(&name) {
                Ok(draft) => layers.extend(draft),
                // another process is at work on it, or it does not read back
                Err(error)
                    if matches!(&error, Error::Store(inner)
                        if inner.is_damage() || matches!(inner, store::Error::Busy { .. })) =>
                {
                    self.note(format!("left out the draft `{name}`: {error}"));
                }
                // a list that misses what could not be read would pass for whole
                Err(error) => return Err(error),
            }
        }
        let (names, damaged) = store.names_and_damage()?;
        for record in names {
            layers.push(self.named(record)?);
        }
        for error in damaged {
            self.note(format!("a name cannot be read: {error}"));
        }
        Ok(layers)
    }

    /// Drops a name: a draft with all it holds, a sealed layer's name only (the layer goes when nothing uses it).
    ///
    /// # Errors
    /// [`Error::UnknownLayer`].
    pub fn remove(&self, text: &str) -> Result<(), Error> {
        let store = self.store()?;
        if let Ok(name) = LayerName::parse(text) {
            // a seal that stopped half-way leaves a handle on a draft that is none any more
            let begun = self.0.drafts.borrow().contains_key(&name) && store.has_draft(&name)?;
            if !begun && store.remove_name(&name)? {
                self.forget_draft(&name);
                self.0.handles.borrow_mut().let_go(&name);
                return Ok(());
            }
            if store.has_draft(&name)? {
                let draft = self.open_draft(&name)?.map(|layer| layer.state());
                self.forget_draft(&name);
                if let Some(State::Draft(draft)) = draft {
                    store.discard_draft(&draft)?;
                    return Ok(());
                }
            }
        }
        match self.find_layer(text) {
            Ok(layer) => Err(Error::WrongLayer {
                layer: layer.title(),
                is: "an ID",
                instead: "`remove` takes a name; a layer without one goes when nothing uses it".to_owned(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Ends a draft; gives what its handles stand for from now on.
    pub(super) fn seal_draft(&self, draft: &Draft) -> Result<State, Error> {
        let store = self.store()?;
        let work = self.work(|| {
            let tree = draft.tree().map_err(|_| Errno::NOENT);
            (format!("sealing {}", draft.name()), Total::of_tree(tree))
        });
        let mut progress = work.watch();
        let seal = Seal {
            name: Some(draft.name()),
            replaces: draft.replaces(),
            message: None,
            created: self.now(),
            clamp: self.0.options.epoch,
            progress: &mut progress,
        };
        let sealed = store.seal_draft(draft, seal)?;
        drop(work);
        self.note_sockets(&sealed.sockets);
        self.0.drafts.borrow_mut().remove(draft.name());
        if sealed.named.is_none() {
            self.note_lost_name(draft.name(), sealed.id)?;
        }
        let alone = || Standing::In { stack: [StackPart::Sealed(sealed.id)].into(), depth: 1 };
        self.sealed(sealed.id, sealed.named.map_or_else(alone, |record| Standing::Named(Rc::new(record))))
    }

    pub(super) fn note_sockets(&self, sockets: &[LayerPath]) {
        if let Some(first) = sockets.first() {
            self.note(format!(
                "{} left out, because a layer cannot hold sockets: `/{}`{}",
                if sockets.len() == 1 { "1 socket" } else { "sockets" },
                first.as_bytes().escape_ascii(),
                if sockets.len() > 1 { format!(" and {} more", sockets.len() - 1) } else { String::new() },
            ));
        }
    }

    /// Ends everything: unmounts, drops what holds nothing, and tells what is kept. Works once.
    ///
    /// With `keep` the mounts stay.
    pub fn close(&self) -> Vec<String> {
        let mut lines = self.notes();
        if self.0.closed.replace(true) {
            return lines;
        }
        let live = std::mem::take(&mut *self.0.live.borrow_mut());
        for (name, live) in live {
            if let Err(error) = self.end(&name, live, &mut lines) {
                lines.push(format!("`{name}`: {error}"));
            }
        }
        let drafts = std::mem::take(&mut *self.0.drafts.borrow_mut());
        if let (false, Some(Err(error))) = (drafts.is_empty(), self.0.store.get().map(Store::sync_drafts)) {
            lines.push(format!("what was written to drafts may not outlive a power cut: {error}"));
        }
        lines.extend(self.notes());
        if let Some(store) = self.0.store.get().filter(|store| store.is_removing() && !store.is_ephemeral()) {
            let _work = self.work(|| ("removing what was dropped".to_owned(), Total::Unknown));
            store.finish_removals();
        }
        lines
    }

    fn end(
        &self,
        name: &LayerName,
        mut live: super::mount::Live,
        lines: &mut Vec<String>,
    ) -> Result<(), Error> {
        let store = self.store()?;
        if let Some(mut mounted) = live.mounted.take() {
            let wanted = self.0.options.keep && !store.is_ephemeral();
            if wanted && mounted.kind() == driver::DriverKind::Fuse {
                lines.push(format!("`{name}` is served by this process, so it is unmounted with it"));
            } else if wanted && mounted.merged().is_some() {
                mounted.abandon();
                return Ok(store.release_mount(&live.dir, true)?);
            }
            mounted.unmount()?;
        }
        if store.is_ephemeral() {
            return Ok(store.discard_mount(&live.dir)?);
        }
        store.end_commit(&live.dir)?;
        let record = live.dir.record();
        let dirty = !record.read_only && live.dir.dirty()?;
        let unnamed = has_nameless(store, &record)?;
        if dirty {
            lines.push(format!(
                "`{name}` has uncommitted changes, kept in the store: `use_mount(\"{name}\")` goes on with them, \
                 `use_mount(\"{name}\").commit(\"NAME\")` makes them a layer"
            ));
        } else if unnamed {
            lines.push(format!("`{name}` {}", nameless(name)));
        } else {
            return Ok(store.discard_mount(&live.dir)?);
        }
        Ok(store.release_mount(&live.dir, false)?)
    }
}

/// Unmounts what a dead process left mounted; refuses an upper that others still use.
fn free(stale: &Stale) -> Result<(), Error> {
    driver::unmount_left_over(&stale.merged, &stale.path)?;
    if let Some((upper, merged)) = stale.dirs()? {
        driver::refuse_used_upper(&stale.merged, &upper, &merged)?;
    }
    Ok(())
}

/// Removes a throw-away store that a process left which was killed, once nothing of it is mounted.
fn remove_left(store: Store) {
    let path = store.path().to_owned();
    let removed = match store.take_stale().iter().try_for_each(free) {
        Ok(()) => store.close().map_err(Error::from),
        Err(error) => {
            store.leave();
            Err(error)
        }
    };
    if let Err(error) = removed {
        log::debug!("{} stays: {error}", path.display());
    }
}

/// The header of each name in a tar, in bytes (POSIX `ustar`).
const HEADER: u64 = 512;

/// What a layer's tar is made of: its names, a header for each, and the bytes of its files; nothing where the layer cannot
/// be read.
pub(super) fn total_of(store: &Store, id: TreeId) -> Amount {
    let counts = store.summary(id).map(|summary| summary.counts).unwrap_or_default();
    let names = counts.dirs + counts.files + counts.whiteouts + counts.opaques;
    Amount { names, bytes: counts.bytes + HEADER * names }
}

pub(super) fn sum(amounts: impl Iterator<Item = Amount>) -> Amount {
    amounts.fold(Amount::default(), |a, b| Amount { names: a.names + b.names, bytes: a.bytes + b.bytes })
}

/// Whether something was committed in a mount, and no name has its top.
pub(super) fn has_nameless(store: &Store, mount: &MountRecord) -> Result<bool, Error> {
    let Some(top @ StackPart::Sealed(_)) = mount.stack.last().filter(|_| mount.committed) else {
        return Ok(false);
    };
    Ok(!store.names()?.iter().any(|named| named.stack.last() == Some(top)))
}

fn nameless(name: &LayerName) -> String {
    format!("has commits without a name, kept in the store: `use_mount(\"{name}\").commit(\"NAME\")`")
}
