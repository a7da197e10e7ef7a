//! From an upper to a layer, in steps of which each can be the last.
//!
//! # A commit, step by step
//! 1. `up/tree` is cleaned, hashed, indexed and synced in place.
//! 2. The intent (ID, new stack, name record) is written to `commit.json` and synced.
//! 3. `up` is renamed among the layers, or away if the layer is there already.
//! 4. The name is written.
//! 5. A fresh `up` and a fresh `work` are made; the old `work` is set aside, as the old mount still uses it.
//! 6. `mount.json` gets the new stack.
//! 7. The intent is removed.
//!
//! An intent that is found later: if `up` still has an index, step 3 did not happen, so the intent is void and the
//! mount keeps its upper; else the layer is in the store, and steps 4 to 7 are done again, which changes nothing
//! that was done already. So at every point there is the upper or the layer.

use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::error::{io, own};
use super::looking::is_there;
use super::mount_dir::MountJson;
use super::publish::replace_json_beside;
use super::record::{
    MetadataJson, NameJson, PartJson, VERSION, id_from, parts_from_json, parts_to_json, read_json,
};
use super::seal::Progress;
use super::walk::ScanHow;
use super::{Error, MountDir, MountRecord, NameRecord, Sealed, StackPart, Store};
use crate::model::{ChainId, Changeset, LayerName, LayerPath, Metadata, Timestamp, TreeId};
use crate::sys::step::step;
use crate::sys::{Dir, Errno, RenameFlags};

/// How something is sealed.
pub struct Seal<'a> {
    /// The name of the new layer.
    pub name: Option<&'a LayerName>,
    /// What the name meant when this was begun.
    pub replaces: Option<&'a NameRecord>,
    /// The message to keep with the name.
    pub message: Option<&'a str>,
    /// The time to keep with the name.
    pub created: Timestamp,
    /// Later times in the tree become this one.
    pub clamp: Option<Timestamp>,
    /// Told now and then how far it is; `false` stops it.
    pub progress: &'a mut dyn FnMut(Progress) -> bool,
}

#[derive(Serialize, Deserialize)]
struct IntentJson {
    version: u32,
    id: String,
    stack: Vec<PartJson>,
    root: MetadataJson,
    name: Option<String>,
    record: Option<NameJson>,
    #[serde(default)]
    replaces: Option<NameJson>,
}

pub(super) const INTENT: &str = "commit.json";

impl Store {
    /// Makes a mount's upper the newest layer of its stack, and gives the mount a fresh upper and scratch directory.
    ///
    /// Nothing may write to the upper meanwhile. What was mounted before goes on showing the old stack; once it is
    /// replaced, [`Store::sweep`] removes what it used.
    ///
    /// # Errors
    /// [`Error::Unsynced`], [`Error::Tree`], [`Error::Tar`], [`Error::Changed`], [`Error::Interrupted`] leave the mount as it was.
    /// [`Error::Io`] after the layer was moved leaves the rest to the next try.
    #[expect(clippy::needless_pass_by_value, reason = "it is used up: what it says happens once")]
    pub fn commit(&self, mount: &MountDir, seal: Seal<'_>) -> Result<Sealed, Error> {
        let (dir, path) = (mount.dir(), mount.path());
        let _step = step("commit the upper", || path.display().to_string());
        self.end_commit(mount)?;
        let before = mount.record();
        mount.upper()?;
        mount.refuse_doubtful_upper()?;
        let container = dir.dir(b"up").map_err(own("open", path.join("up")))?;
        let how = ScanHow {
            clamp: seal.clamp,
            trust: self.trust(),
            denied: self.denied(),
            beneath: self.owners_known(&before.stack)?,
            root: Some(before.root.clone()),
            ..ScanHow::default()
        };
        let (sealed, mut timings) = self.prepare(&container, &path.join("up"), &how, seal.progress)?;
        let start = Instant::now();
        // content that a layer of the stack has already: it counts where it is topmost
        let top = StackPart::Sealed(sealed.id);
        let mut stack: Vec<StackPart> = before.stack.iter().filter(|part| **part != top).cloned().collect();
        let chain_id = self.chain_with(&stack, sealed.id)?;
        stack.push(top);
        let record = match seal.name {
            Some(name) => Some(NameRecord {
                name: name.clone(),
                chain_id,
                stack: stack.clone(),
                message: seal.message.map(str::to_owned),
                created: seal.created,
            }),
            None => None,
        };
        let intent = IntentJson {
            version: VERSION,
            id: sealed.id.hex(),
            stack: parts_to_json(&stack),
            root: (&root_of(&sealed.changes, before.root)).into(),
            name: seal.name.map(LayerName::to_string),
            record: record.as_ref().map(NameJson::from),
            replaces: seal.replaces.map(NameJson::from),
        };
        replace_json_beside(dir, INTENT, &intent, path, self.synced)?;
        self.steps.pass("intent");
        let aside = self.publish(dir, "up", path, sealed.id)?;
        let reused = aside.is_some();
        mount.add_aside(aside);
        self.steps.pass("moved");
        let (aside, named) = self.finish_commit(dir, path, &intent)?;
        mount.add_aside(aside);
        self.reload(mount)?;
        let counts = sealed.changes.counts();
        self.remember(sealed.id, sealed.changes);
        timings.publish = start.elapsed();
        let named = record.filter(|_| named);
        Ok(Sealed { id: sealed.id, named, counts, sockets: sealed.sockets, reused, timings })
    }

    /// What knows the owners of a stack that the host could not give, for an upper on it ([`ScanHow::beneath`]): its
    /// sealed layers, above a host directory only; none where every owner can be given.
    ///
    /// # Errors
    /// Those of [`Store::changeset`].
    pub fn owners_known(&self, stack: &[StackPart]) -> Result<Vec<Rc<Changeset>>, Error> {
        if self.every_right {
            return Ok(Vec::new());
        }
        let from = stack.iter().rposition(|part| matches!(part, StackPart::Host(_))).map_or(0, |at| at + 1);
        let sealed = stack[from..].iter().filter_map(|part| match part {
            StackPart::Sealed(id) => Some(self.changeset(*id)),
            StackPart::Host(_) => None,
        });
        sealed.collect()
    }

    /// The chain ID of a stack and the layer that is about to lie on it; `None` above a host directory.
    fn chain_with(&self, beneath: &[StackPart], id: TreeId) -> Result<Option<ChainId>, Error> {
        let mut diffs = Vec::with_capacity(beneath.len() + 1);
        for part in beneath {
            match part {
                StackPart::Sealed(id) => diffs.push(self.diff_id(*id)?),
                StackPart::Host(_) => return Ok(None),
            }
        }
        let known = self.has_layer(id)?;
        diffs.push(if known { self.diff_id(id)? } else { crate::model::DiffId(id.0) });
        Ok(ChainId::of(&diffs))
    }

    /// Empties a mount's upper in one step, and gives it a fresh scratch directory.
    ///
    /// What was mounted before goes on showing the old upper; once it is replaced, [`Store::sweep`] removes it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn reset_upper(&self, mount: &MountDir) -> Result<(), Error> {
        let (dir, path) = (mount.dir(), mount.path());
        self.end_commit(mount)?;
        let root = mount.record().root;
        let old = self.exchange_upper(dir, &root, path)?;
        let readied = self.mark_anew(dir, path).and_then(|()| {
            self.steps.pass("emptied");
            self.fresh_work(dir, path)
        });
        match readied {
            Ok(work) => {
                mount.add_aside([old]);
                mount.add_aside(work);
                Ok(())
            }
            Err(error) => {
                // what is mounted is written on, so it is the upper again
                let back = self.temporary.dir().rename(old.as_bytes(), dir, b"up", RenameFlags::EXCHANGE);
                back.map_err(io("put back", path.join("up")))?;
                mount.add_aside([old]);
                Err(error)
            }
        }
    }

    /// Ends a commit of a mount in use that stopped once its layer was in place, as on a full disk; whether there was one.
    /// What is mounted shows the old stack until it is replaced, and [`Store::sweep`] removes what it used.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn end_commit(&self, mount: &MountDir) -> Result<bool, Error> {
        let Some(aside) = self.resume_commit(mount.dir(), mount.path())? else { return Ok(false) };
        mount.add_aside(aside);
        self.reload(mount)?;
        Ok(true)
    }

    fn reload(&self, mount: &MountDir) -> Result<(), Error> {
        if let Some(record) = self.mount(mount.name())? {
            mount.set_record(MountRecord { owner: Some(std::process::id()), ..record });
        }
        Ok(())
    }

    /// The stack that a commit which is under way gives to a mount: its layer may have no name yet.
    pub(super) fn intended(&self, name: &LayerName) -> Result<Vec<StackPart>, Error> {
        let path = self.mounts_path().join(name.file_name());
        let dir = match self.mounts.dir(name.file_name().as_bytes()) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(own("open", path)(errno)),
        };
        let Some(intent) = read_json::<IntentJson>(&dir, INTENT, &path)? else { return Ok(Vec::new()) };
        parts_from_json(&intent.stack).map_err(|why| Error::Damaged { path: path.join(INTENT), why })
    }

    /// Ends or forgets a commit that was left half done; gives what was set aside if one was ended. Only under the mount's
    /// lock.
    pub(super) fn resume_commit(&self, dir: &Dir, path: &Path) -> Result<Option<Vec<String>>, Error> {
        let Some(intent) = read_json::<IntentJson>(dir, INTENT, path)? else { return Ok(None) };
        let damaged = |why: String| Error::Damaged { path: path.join(INTENT), why };
        let container = match dir.dir(b"up") {
            Ok(up) => Some(up),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(own("open", path.join("up"))(errno)),
        };
        let prepared = container.as_ref().map_or(Ok(false), |up| is_there(up.stat(b"index")));
        let prepared = prepared.map_err(io("look at", path.join("up/index")))?;
        if let Some(up) = container.filter(|_| prepared) {
            for (dir, name) in [(&up, "index"), (&up, "meta.json"), (dir, INTENT)] {
                match dir.unlink(name.as_bytes()) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(errno) => return Err(io("clean up in", path)(errno)),
                }
            }
            return Ok(None);
        }
        let id = id_from(&intent.id).map_err(damaged)?;
        // the intent holds them only until it is removed
        for part in parts_from_json(&intent.stack).map_err(damaged)? {
            if let StackPart::Sealed(id) = part {
                self.hold_layer(id)?;
            }
        }
        if !self.has_layer(id)? {
            return Err(damaged(format!("the layer {} that it speaks of is not there", id.short())));
        }
        Ok(Some(self.finish_commit(dir, path, &intent)?.0))
    }

    /// Ends the commits that are about to give a layer this name, and whose processes ended in the midst of them: what they
    /// moved has no name yet, and must have it before anything else takes the name.
    ///
    /// # Errors
    /// [`Error::Io`]; those of [`Store::commit`].
    pub fn settle_commits(&self, layer: &LayerName) -> Result<(), Error> {
        if self.check_writable().is_err() {
            return Ok(());
        }
        for name in self.mount_list()? {
            let path = self.mounts_path().join(name.file_name());
            let dir = match self.mounts.dir(name.file_name().as_bytes()) {
                Ok(dir) => dir,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(own("open", path)(errno)),
            };
            let key = format!("mount {name}");
            match read_json::<IntentJson>(&dir, INTENT, &path) {
                Ok(Some(intent)) if intent.name.as_deref() == Some(layer.as_str()) => {}
                // damage is told where the mount is used
                Ok(_) => continue,
                Err(error) if error.is_damage() => continue,
                Err(error) => return Err(error),
            }
            // its own process ends it
            if self.is_held_here(&key) {
                continue;
            }
            if let Some(_held) = self.hold(&key, &dir).map_err(io("lock", &path))?
                && self.is_at_its_place(&dir, &name)?
            {
                self.end_left_commit(&dir, &path)?;
            }
        }
        Ok(())
    }

    /// Whether a mount was left in the middle of a commit whose layer is seen to be there: whoever opens the store next ends it.
    pub(super) fn is_half_committed(&self, name: &LayerName) -> bool {
        let path = self.mounts_path().join(name.file_name());
        let Ok(dir) = self.mounts.dir(name.file_name().as_bytes()) else { return false };
        let intent = read_json::<IntentJson>(&dir, INTENT, &path).ok().flatten();
        intent.is_some_and(|intent| id_from(&intent.id).is_ok_and(|id| self.has_layer(id).unwrap_or(false)))
    }

    /// Steps 4 to 7; gives what was set aside, and whether the layer has the name.
    fn finish_commit(
        &self,
        dir: &Dir,
        path: &Path,
        intent: &IntentJson,
    ) -> Result<(Vec<String>, bool), Error> {
        let damaged = |why: String| Error::Damaged { path: path.join(INTENT), why };
        let mut named = false;
        if let (Some(name), Some(record)) = (&intent.name, &intent.record) {
            named = self.resume_name(name, record, intent.replaces.as_ref(), damaged)?;
        }
        self.steps.pass("named");
        let root = intent.root.read().map_err(damaged)?;
        if !is_there(dir.stat(b"up")).map_err(io("look at", path.join("up")))? {
            self.fresh_upper(dir, &root, path)?;
            self.mark_anew(dir, path)?;
        }
        self.steps.pass("upper");
        let aside = self.fresh_work(dir, path)?;
        self.steps.pass("work");
        let json: Option<MountJson> = read_json(dir, "mount.json", path)?;
        let mut json = json.ok_or_else(|| damaged("the mount's record is missing".to_owned()))?;
        json.grow(&parts_from_json(&intent.stack).map_err(damaged)?, &root);
        replace_json_beside(dir, "mount.json", &json, path, self.synced)?;
        self.steps.pass("recorded");
        dir.unlink(INTENT.as_bytes()).map_err(io("remove", path.join(INTENT)))?;
        self.sync_dir(dir, path)?;
        Ok((aside.into_iter().collect(), named))
    }
}

/// The root's metadata in a layer on a union with that one.
fn root_of(changes: &Changeset, beneath: Metadata) -> Metadata {
    match changes.entry(&LayerPath::root()) {
        Some(entry) if !entry.implied => entry.meta.clone(),
        _ => beneath,
    }
}
