//! Names, mounts and drafts: a record whose checksum is wrong is kept where what it says can be verified.
//!
//! What a stack is can be: no changed digit of an ID is that of another layer in the store, and the chain ID is that of the
//! stack. A record that says nothing any more goes aside, and before it does, each layer that nothing holds gets a name,
//! `recovered/<ID>`: any of them may be what the record was about, and would be collected.

use std::collections::BTreeSet;
use std::path::Path;

use super::Mended;
use crate::model::{ChainId, Digest, LayerName, Mode, Timestamp, TreeId};
use crate::store::commit::INTENT;
use crate::store::damage::DAMAGED;
use crate::store::error::{io, own};
use crate::store::looking::is_there;
use crate::store::mount_dir::{MountJson, read_mount};
use crate::store::mounts::fill_upper;
use crate::store::publish::replace_json_beside;
use crate::store::record::{LIMIT, NameJson, read_bytes, read_doubtful};
use crate::store::{Draft, Error, Kept, NameRecord, StackPart, Store};
use crate::sys::process::Identity;
use crate::sys::{Dir, Errno, RenameFlags};

impl Store {
    /// Keeps of a name what can be verified.
    pub(super) fn mend_name(&self, name: &LayerName, now: Timestamp) -> Result<Mended, Error> {
        let (file, at) = (name.file_name(), self.path.join("names"));
        let path = at.join(&file);
        {
            let _alone = self.lock_names()?;
            match self.name(name) {
                Ok(None) => return Ok(Mended::Done("it is gone already".to_owned())),
                Ok(Some(record)) if self.chain_id_of(&record.stack)? == record.chain_id => {
                    return Ok(Mended::Done("it is right again".to_owned()));
                }
                _ => {}
            }
            if let Some((record, said)) = self.salvaged(name, &at, now)? {
                let kept = self.keep_copy(&self.names, file.as_bytes(), "name", &path)?;
                self.write_name(name, &NameJson::from(&record))?;
                let kept = kept.unwrap_or_default();
                return Ok(Mended::Done(format!("written anew{said}; the old record is `{kept}`")));
            }
        }
        let named = self.name_orphans(now)?;
        let _alone = self.lock_names()?;
        // another process may have given it a meaning, or dropped it, while it was not locked
        match self.name(name) {
            Ok(_) => return Ok(Mended::Done(format!("it is right again{}", told(&named)))),
            Err(error) if error.is_damage() => {}
            Err(error) => return Err(error),
        }
        let moved = self.move_aside(&self.names, file.as_bytes(), "name", &path)?;
        self.sync_dir(&self.names, &at)?;
        Ok(Mended::Done(format!("moved to `{}`{}", moved.unwrap_or_default(), told(&named))))
    }

    /// What a damaged record of a name still says for certain, and what is not certain.
    fn salvaged(
        &self,
        name: &LayerName,
        at: &Path,
        now: Timestamp,
    ) -> Result<Option<(NameRecord, &'static str)>, Error> {
        let file = name.file_name();
        if let Some(json) = read_doubtful::<NameJson>(&self.names, &file, at)
            && let Ok(record) = json.read(name.clone())
            && self.is_plausible(&record)?
        {
            let chain_id = self.chain_id_of(&record.stack)?;
            let said = if record.stack.iter().any(|part| matches!(part, StackPart::Host(_))) {
                ": its sealed layers are right, its host directories are there, its message and time cannot be verified"
            } else {
                ": its layers are right, its message and time cannot be verified"
            };
            return Ok(Some((NameRecord { chain_id, ..record }, said)));
        }
        let bytes = match read_bytes(&self.names, &file, at, LIMIT) {
            Ok(Some(bytes)) => bytes,
            Ok(None) | Err(Error::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let stack: Vec<_> =
            digests(&bytes, b"\"layer\":\"").map(|id| StackPart::Sealed(TreeId(id))).collect();
        let chain = digests(&bytes, b"\"chain_id\":\"sha256:").next().map(ChainId);
        let record = NameRecord { name: name.clone(), stack, chain_id: chain, message: None, created: now };
        let whole =
            chain.is_some() && self.is_plausible(&record)? && self.chain_id_of(&record.stack)? == chain;
        Ok(whole.then_some((record, ": its layers are right, its message and time are lost")))
    }

    /// Gives every layer that no record holds a name; gives those names.
    pub(super) fn name_orphans(&self, now: Timestamp) -> Result<Vec<LayerName>, Error> {
        let mut held: BTreeSet<TreeId> = BTreeSet::new();
        let mut hold = |stack: Vec<StackPart>| {
            held.extend(stack.into_iter().filter_map(|part| match part {
                StackPart::Sealed(id) => Some(id),
                StackPart::Host(_) => None,
            }));
        };
        for record in self.names()? {
            hold(record.stack);
        }
        for record in self.mounts()? {
            match self.intended(&record.name) {
                Ok(stack) => hold(stack),
                // it holds what nobody can tell, so all the rest gets names
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
            hold(record.stack);
        }
        let mut made = Vec::new();
        for id in self.layers()?.into_iter().filter(|id| !held.contains(id)) {
            made.extend(self.name_orphan(id, now)?);
        }
        Ok(made)
    }

    /// Gives a layer the first name of `recovered/<ID>`, `recovered/<ID>-2` and so on that is free; none where the layer went
    /// meanwhile, or has such a name.
    fn name_orphan(&self, id: TreeId, now: Timestamp) -> Result<Option<LayerName>, Error> {
        let stack = vec![StackPart::Sealed(id)];
        // of a layer whose index is damaged no chain ID can be told; it is kept as well
        let chain_id = self.chain_id_of(&stack)?;
        for number in 1_u64.. {
            let mut text = format!("recovered/{}", id.short());
            if number > 1 {
                text.push_str(&format!("-{number}"));
            }
            let name = LayerName::parse(&text).map_err(|error| Error::Damaged {
                path: self.layer_path(id),
                why: format!("no name can be made of its ID: {error}"),
            })?;
            let record = NameRecord {
                name: name.clone(),
                stack: stack.clone(),
                chain_id,
                message: None,
                created: now,
            };
            match self.set_name(&record, None) {
                Ok(true) => return Ok(Some(name)),
                Ok(false) => {
                    if self.name(&name).is_ok_and(|there| there.is_some_and(|there| there.stack == stack)) {
                        return Ok(None);
                    }
                }
                Err(Error::NoLayer { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Keeps the record of a mount whose layers are there.
    pub(super) fn mend_mount(&self, name: &LayerName, path: &Path, now: Timestamp) -> Result<Mended, Error> {
        let mount = self.open_damaged_mount(name)?;
        let (dir, at) = (&mount.dir, &mount.path);
        match path.file_name().and_then(|file| file.to_str()) {
            Some("owner") => {
                let moved = self.move_aside(dir, b"owner", "owner", path)?;
                return Ok(Mended::Done(format!("moved to `{}`", moved.unwrap_or_default())));
            }
            Some("unsynced") => {
                self.keep_copy(dir, b"unsynced", "unsynced", path)?;
                let nobody = Identity { pid: 0, started: 0, boot: "?".to_owned(), namespace: 0 };
                replace_json_beside(dir, "unsynced", &nobody, at, self.synced)?;
                return Ok(Mended::Done("written anew: its upper may be damaged".to_owned()));
            }
            _ => {}
        }
        if let Ok(Some(_)) = read_mount(dir, name, at) {
            return Ok(Mended::Done("it is right again".to_owned()));
        }
        let doubtful = read_doubtful::<MountJson>(dir, "mount.json", at);
        if let Some(record) = doubtful.and_then(|json| json.read(name.clone(), None).ok())
            && record.stack.iter().all(|part| match part {
                StackPart::Sealed(id) => self.has_layer(*id).unwrap_or(false),
                StackPart::Host(dir) => dir.is_dir(),
            })
        {
            let kept = self.keep_copy(dir, b"mount.json", "mount", path)?.unwrap_or_default();
            replace_json_beside(dir, "mount.json", &MountJson::from(&record), at, self.synced)?;
            return Ok(Mended::Done(format!(
                "written anew: its layers are right, the rest cannot be verified; the old record is `{kept}`"
            )));
        }
        self.name_orphans(now)?;
        Ok(Mended::PutAside(name.clone()))
    }

    /// Forgets a commit whose intent does not read back: the mount goes on with its upper, or with an empty one where that
    /// has become a layer.
    pub(super) fn drop_commit(&self, name: &LayerName, now: Timestamp) -> Result<Mended, Error> {
        let mount = self.open_damaged_mount(name)?;
        let (dir, at) = (&mount.dir, &mount.path);
        let path = at.join(INTENT);
        if self.intended(name).is_ok() {
            return Ok(Mended::Done("it is right again".to_owned()));
        }
        let Ok(Some(record)) = read_mount(dir, name, at) else {
            self.name_orphans(now)?;
            return Ok(Mended::PutAside(name.clone()));
        };
        let named = self.name_orphans(now)?;
        match dir.dir(b"up") {
            Ok(up) => {
                for prepared in ["index", "meta.json"] {
                    match up.unlink(prepared.as_bytes()) {
                        Ok(()) | Err(Errno::NOENT) => {}
                        Err(errno) => return Err(io("remove", at.join("up").join(prepared))(errno)),
                    }
                }
            }
            Err(Errno::NOENT) => self.fresh_upper(dir, &record.root, at)?,
            Err(errno) => return Err(own("open", at.join("up"))(errno)),
        }
        let moved = self.move_aside(dir, INTENT.as_bytes(), "intent", &path)?;
        self.sync_dir(dir, at)?;
        Ok(Mended::Done(format!("moved to `{}`{}", moved.unwrap_or_default(), told(&named))))
    }

    /// Gives a mount an empty upper, where it has none.
    pub(super) fn refill_mount(&self, name: &LayerName) -> Result<Mended, Error> {
        let mount = self.open_damaged_mount(name)?;
        let (dir, at) = (&mount.dir, &mount.path);
        let Some(record) = read_mount(dir, name, at)? else { return Ok(Mended::PutAside(name.clone())) };
        match dir.dir(b"up") {
            Ok(up) if !is_there(up.stat(b"tree")).map_err(io("look at", at.join("up/tree")))? => {
                fill_upper(&up, &record.root, at)?;
            }
            Ok(_) => return Ok(Mended::Done("it is right again".to_owned())),
            Err(Errno::NOENT) => self.fresh_upper(dir, &record.root, at)?,
            Err(errno) => return Err(own("open", at.join("up"))(errno)),
        }
        Ok(Mended::Done("made anew, empty: its changes are lost".to_owned()))
    }

    /// Moves a draft's record aside, and keeps of it what can be read.
    pub(super) fn mend_draft(&self, name: &LayerName) -> Result<Mended, Error> {
        let Some(draft) = self.open_draft(name)? else {
            return Ok(Mended::Done("it is gone already".to_owned()));
        };
        // a record that is nothing at all is moved as a draft is opened
        let moved = format!("moved to `{DAMAGED}` beside it");
        if draft.kept().is_ok() {
            return Ok(Mended::Done(moved));
        }
        let (dir, at) = self.draft_dir(&draft)?;
        let kept = Kept::doubtful(&dir, &at);
        let before = self.keep_damaged(&dir, &at)?;
        let moved = format!("{moved}{before}");
        let renamed = dir.rename(b"draft.json", &dir, DAMAGED.as_bytes(), RenameFlags::NOREPLACE);
        renamed.map_err(io("move away", at.join("draft.json")))?;
        match kept {
            Some(kept) => {
                draft.set_kept(&kept)?;
                Ok(Mended::Done(format!(
                    "{moved}, and written anew: owners and times in it cannot be verified"
                )))
            }
            None => Ok(Mended::Done(moved)),
        }
    }

    /// Moves a damaged record aside that an earlier repair left beside a draft; tells of it.
    pub(in crate::store) fn keep_damaged(&self, dir: &Dir, at: &Path) -> Result<String, Error> {
        let moved = self.move_aside(dir, DAMAGED.as_bytes(), "draft", &at.join(DAMAGED))?;
        Ok(moved.map_or_else(String::new, |at| format!(" (an earlier one is now `{at}`)")))
    }

    /// Gives a draft an empty tree, where it has none.
    pub(super) fn refill_draft(&self, name: &LayerName) -> Result<Mended, Error> {
        let Some(draft) = self.open_draft(name)? else {
            return Ok(Mended::Done("it is gone already".to_owned()));
        };
        let (dir, at) = self.draft_dir(&draft)?;
        match dir.mkdir(b"tree", Mode::new(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {
                Ok(Mended::Done("made anew, empty: what it held is lost".to_owned()))
            }
            Err(errno) => Err(io("make", at.join("tree"))(errno)),
        }
    }

    fn draft_dir(&self, draft: &Draft) -> Result<(Dir, std::path::PathBuf), Error> {
        let file = draft.name().file_name();
        let at = self.drafts_path().join(&file);
        Ok((self.drafts.dir(file.as_bytes()).map_err(own("open", &at))?, at))
    }
}

/// The digests in hex that stand behind a mark.
fn digests<'a>(bytes: &'a [u8], mark: &'a [u8]) -> impl Iterator<Item = Digest> + 'a {
    bytes.windows(mark.len() + 64).filter(move |window| window.starts_with(mark)).filter_map(move |window| {
        let text = std::str::from_utf8(&window[mark.len()..]).ok()?;
        Digest::parse(text).ok()
    })
}

/// Which names were made.
fn told(names: &[LayerName]) -> String {
    match names {
        [] => String::new(),
        names => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("; layers without a name have one now: {}", names.join(", "))
        }
    }
}
