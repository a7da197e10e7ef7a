//! Drafts: layers still being written, and how they are sealed.
//!
//! # A seal, step by step
//! 1. The tree is cleaned, hashed, indexed and synced in place.
//! 2. The intent (ID and name record) is written to `drafts/.seal-<name>`.
//! 3. The draft is renamed among the layers, or away if the layer is there already.
//! 4. The name is written, the intent removed.
//!
//! An intent that is found later, without its process: while the draft is still there it is void, and the draft
//! stays a draft; else the name is written.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::commit::Seal;
use super::damage::DAMAGED;
use super::error::{io, own, tree};
use super::kept::Kept;
use super::looking::is_there;
use super::publish::replace_json;
use super::record::{NameJson, VERSION, id_from, read_json};
use super::walk::ScanHow;
use super::{Error, Held, NameRecord, Sealed, StackPart, Store, barred, changes, place};
use crate::model::{Changeset, Kind, LayerName, LayerPath, Metadata, Mode};
use crate::sys::step::step;
use crate::sys::{Dir, Errno, RenameFlags, sync_fs};

/// The prefix of an intent; no name begins with a dot.
pub(super) const INTENT: &str = ".seal-";

/// A draft in use by this process.
#[derive(Clone, Debug)]
pub struct Draft {
    name: LayerName,
    dir: Rc<Dir>,
    path: PathBuf,
    sync: bool,
    replaces: Option<Rc<NameRecord>>,
    damaged: Option<PathBuf>,
    _held: Rc<Held>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct IntentJson {
    version: u32,
    id: String,
    name: Option<String>,
    record: Option<NameJson>,
    #[serde(default)]
    replaces: Option<NameJson>,
}

impl Draft {
    /// Its name.
    pub fn name(&self) -> &LayerName {
        &self.name
    }

    /// What its name meant when it was begun anew.
    pub fn replaces(&self) -> Option<&NameRecord> {
        self.replaces.as_deref()
    }

    /// Its files.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn tree(&self) -> Result<Dir, Error> {
        self.dir.dir(b"tree").map_err(own("open", self.path.join("tree")))
    }

    /// Where its files lie on the host.
    pub fn path(&self) -> PathBuf {
        self.path.join("tree")
    }

    /// What its symlinks and special files cannot keep themselves.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn kept(&self) -> Result<Kept, Error> {
        Kept::read(&self.dir, &self.path)
    }

    /// Where the record lies that did not read back when the draft was opened.
    pub fn damaged_record(&self) -> Option<&Path> {
        self.damaged.as_deref()
    }

    /// How its tree is read.
    ///
    /// # Errors
    /// Those of [`Draft::kept`].
    pub fn how(&self, store: &Store) -> Result<ScanHow, Error> {
        let (kept, trust, denied) = (self.kept()?, store.trust(), store.denied());
        let root = (!kept.root).then(Metadata::of_plain_dir);
        Ok(ScanHow { kept, trust, denied, root, draft: true, ..ScanHow::default() })
    }

    /// Records that the draft says what its root is like.
    ///
    /// # Errors
    /// Those of [`Draft::kept`].
    pub fn say_root(&self) -> Result<(), Error> {
        let kept = self.kept()?;
        if kept.root { Ok(()) } else { self.set_kept(&Kept { root: true, ..kept }) }
    }

    pub(super) fn set_kept(&self, kept: &Kept) -> Result<(), Error> {
        kept.write(&self.dir, &self.path, self.sync)
    }

    /// Gives a file its owner in the layer: on the host where it can be given, else in the file's attributes, else in
    /// the draft's own record.
    ///
    /// # Errors
    /// [`Error::Tree`].
    pub fn set_owner(&self, path: &LayerPath, uid: u32, gid: u32) -> Result<(), Error> {
        let root = self.tree()?;
        let Some((parent, name)) = path.parent().zip(path.file_name()) else {
            place::set_owner_of_dir(&root, uid, gid).map_err(tree("set the owner of", path))?;
            return self.say_root();
        };
        let dir = root.beneath(&parent).map_err(tree("open", &parent))?;
        let kept = place::set_owner(&dir, name, uid, gid).map_err(tree("set the owner of", path))?;
        let kind = dir.stat(name).map_err(tree("look at", path))?.kind;
        if kind == Kind::Dir {
            changes::say(&dir, name).map_err(tree("set the owner of", path))?;
        }
        if kept.is_some() || !matches!(kind, Kind::File | Kind::Dir) {
            let before = self.kept()?;
            let mut now = before.clone();
            now.set(path, kept, before.times.get(path).copied());
            if now != before {
                self.set_kept(&now)?;
            }
        }
        Ok(())
    }
}

impl Store {
    pub(super) fn drafts_path(&self) -> PathBuf {
        self.path.join("drafts")
    }

    /// Opens a draft, or starts an empty one.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process uses it.
    pub fn draft(&self, name: &LayerName) -> Result<Draft, Error> {
        for _ in 0..8 {
            if let Some(draft) = self.open_draft(name)? {
                return Ok(draft);
            }
            self.check_writable()?;
            self.settle_seal(name)?;
            if let Some(draft) = self.make_draft(name)? {
                return Ok(draft);
            }
        }
        Err(Error::Busy { what: format!("the draft `{name}`"), pid: None })
    }

    /// Starts an empty draft under a name that neither a layer nor a draft has; `None` where one has it.
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Io`].
    pub fn new_draft(&self, name: &LayerName) -> Result<Option<Draft>, Error> {
        self.check_writable()?;
        let Some(draft) = self.make_draft(name)? else { return Ok(None) };
        // From here on no other draft of the name is sealed, but a commit may have taken it before.
        if self.name(name)?.is_some() {
            self.discard_draft(&draft)?;
            return Ok(None);
        }
        Ok(Some(draft))
    }

    /// Starts an empty draft in place of whatever has the name: a draft goes with all that it holds, and a layer keeps the
    /// name until this one is sealed.
    ///
    /// # Errors
    /// As [`Store::draft`].
    pub fn fresh_draft(&self, name: &LayerName) -> Result<Draft, Error> {
        self.check_writable()?;
        if let Some(left) = self.open_draft(name)? {
            self.discard_draft(&left)?;
        }
        self.settle_seal(name)?;
        self.settle_commits(name)?;
        let replaces = self.name(name)?.map(Rc::new);
        Ok(Draft { replaces, ..self.draft(name)? })
    }

    /// Opens a draft; `None` if there is none of that name.
    ///
    /// # Errors
    /// As [`Store::draft`].
    pub fn open_draft(&self, name: &LayerName) -> Result<Option<Draft>, Error> {
        let (file, key) = (name.file_name(), format!("draft {name}"));
        let at = self.drafts_path().join(&file);
        for _ in 0..8 {
            let dir = match self.drafts.dir(file.as_bytes()) {
                Ok(dir) => dir,
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(own("open", &at)(errno)),
            };
            let held = self.hold_draft(name, &key, &dir, &at)?;
            // sealed or dropped by another process before the lock was ours?
            let (here, there) = (dir.stat_self(), self.drafts.stat(file.as_bytes()));
            if let (Ok(here), Ok(there)) = (here, there)
                && (here.dev, here.ino) == (there.dev, there.ino)
            {
                if self.check_writable().is_ok() {
                    barred::settle(&dir, &at)?;
                }
                let damaged = self.cure_draft(&dir, &at)?;
                let (name, dir, sync) = (name.clone(), Rc::new(dir), self.synced);
                return Ok(Some(Draft { name, dir, path: at, sync, replaces: None, damaged, _held: held }));
            }
            self.forget(&key);
        }
        Err(Error::Busy { what: format!("the draft `{name}`"), pid: None })
    }

    /// Makes an empty draft; `None` if another process was quicker. It is locked before it has its name, so that nothing
    /// is left of one that cannot be used.
    fn make_draft(&self, name: &LayerName) -> Result<Option<Draft>, Error> {
        let (file, key) = (name.file_name(), format!("draft {name}"));
        let (aside, dir) = self.temporary.make()?;
        let made = self.place_draft(&dir, &aside, &file, &key);
        if !matches!(made, Ok(Some(_))) {
            self.forget(&key);
            self.temporary.drop_name(&aside);
        }
        Ok(made?.map(|held| {
            let (name, path) = (name.clone(), self.drafts_path().join(file));
            Draft {
                name,
                dir: Rc::new(dir),
                path,
                sync: self.synced,
                replaces: None,
                damaged: None,
                _held: held,
            }
        }))
    }

    fn place_draft(&self, dir: &Dir, aside: &str, file: &str, key: &str) -> Result<Option<Rc<Held>>, Error> {
        let path = self.temporary.path().join(aside);
        dir.mkdir(b"tree", Mode::new(0o755)).map_err(io("make", path.join("tree")))?;
        self.sync_dir(dir, &path)?;
        // of a draft that had the name and is gone
        self.forget(key);
        let held = self.hold(key, dir).map_err(io("lock", &path))?;
        let (from, to) = (self.temporary.dir(), &self.drafts);
        match from.rename(aside.as_bytes(), to, file.as_bytes(), RenameFlags::NOREPLACE) {
            Ok(()) => Ok(held),
            Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(None),
            Err(errno) => Err(io("make", self.drafts_path().join(file))(errno)),
        }
    }

    /// Whether there is a draft of that name.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be looked at.
    pub fn has_draft(&self, name: &LayerName) -> Result<bool, Error> {
        let file = name.file_name();
        is_there(self.drafts.stat(file.as_bytes())).map_err(io("look at", self.drafts_path().join(file)))
    }

    /// All drafts, by name.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be listed.
    pub fn drafts(&self) -> Result<Vec<LayerName>, Error> {
        let items = self.drafts.items().map_err(io("list", self.drafts_path()))?;
        let named = |item: &crate::sys::RawItem| {
            LayerName::from_file_name(std::str::from_utf8(&item.name).ok()?).ok()
        };
        let mut found: Vec<LayerName> = items.iter().filter_map(named).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Waits until the disk holds what was written to drafts: they are left for another day.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync_drafts(&self) -> Result<(), Error> {
        if self.synced { sync_fs(&self.drafts).map_err(io("sync", self.drafts_path())) } else { Ok(()) }
    }

    /// Drops a draft with all that it holds.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn discard_draft(&self, draft: &Draft) -> Result<(), Error> {
        self.check_writable()?;
        let aside = self.temporary.set_aside(&self.drafts, &draft.name.file_name(), &self.drafts_path())?;
        self.forget(&format!("draft {}", draft.name));
        self.temporary.remove(&aside)
    }

    /// Makes a draft a layer, and names it if `seal` has a name. The draft is gone then.
    ///
    /// # Errors
    /// [`Error::Tree`], [`Error::Tar`], [`Error::Changed`], [`Error::Interrupted`]: the draft stays as it is.
    #[expect(clippy::needless_pass_by_value, reason = "it is used up: what it says happens once")]
    pub fn seal_draft(&self, draft: &Draft, seal: Seal<'_>) -> Result<Sealed, Error> {
        self.check_writable()?;
        let _step = step("seal the draft", || draft.path.display().to_string());
        if let Some(sealed) = self.end_seal(draft)? {
            return Ok(sealed);
        }
        let how = ScanHow { clamp: seal.clamp, ..draft.how(self)? };
        let (sealed, mut timings) = self.prepare(&draft.dir, &draft.path, &how, seal.progress)?;
        let start = Instant::now();
        let record = seal.name.map(|name| NameRecord {
            name: name.clone(),
            stack: vec![StackPart::Sealed(sealed.id)],
            chain_id: Some(crate::model::ChainId(sealed.id.0)),
            message: seal.message.map(str::to_owned),
            created: seal.created,
        });
        let (file, at) = (draft.name.file_name(), self.drafts_path());
        let intent_name = format!("{INTENT}{file}");
        let intent = IntentJson {
            version: VERSION,
            id: sealed.id.hex(),
            name: seal.name.map(LayerName::to_string),
            record: record.as_ref().map(NameJson::from),
            replaces: seal.replaces.map(NameJson::from),
        };
        replace_json(&self.temporary, &self.drafts, &intent_name, &intent, &at, self.synced)?;
        self.steps.pass("intent");
        let aside = self.publish(&self.drafts, &file, &at, sealed.id)?;
        self.forget(&format!("draft {}", draft.name));
        self.steps.pass("moved");
        let named = match &record {
            Some(record) => self.set_name(record, seal.replaces)?,
            None => false,
        };
        self.steps.pass("named");
        self.remove_intent(&intent_name, &at)?;
        match &aside {
            Some(aside) => self.temporary.drop_name(aside),
            None => tidy_up(draft, &sealed.changes),
        }
        let counts = sealed.changes.counts();
        self.remember(sealed.id, sealed.changes);
        timings.publish = start.elapsed();
        let (named, reused) = (record.filter(|_| named), aside.is_some());
        Ok(Sealed { id: sealed.id, named, counts, sockets: sealed.sockets, reused, timings })
    }

    /// Ends a seal of a draft in use that stopped once its layer was in place, as on a full disk.
    fn end_seal(&self, draft: &Draft) -> Result<Option<Sealed>, Error> {
        let (file, at) = (draft.name.file_name(), self.drafts_path());
        if is_there(self.drafts.stat(file.as_bytes())).map_err(io("look at", at.join(&file)))? {
            return Ok(None);
        }
        let gone = || Error::NoDraft { name: draft.name.clone() };
        let intent =
            read_json::<IntentJson>(&self.drafts, &format!("{INTENT}{file}"), &at)?.ok_or_else(gone)?;
        let damaged = |why| Error::Damaged { path: at.join(format!("{INTENT}{file}")), why };
        let id = id_from(&intent.id).map_err(damaged)?;
        self.settle_seal(&draft.name)?;
        self.forget(&format!("draft {}", draft.name));
        let named = self.name(&draft.name)?.filter(|record| record.stack == [StackPart::Sealed(id)]);
        let counts = self.summary(id)?.counts;
        let (sockets, timings) = (Vec::new(), super::Timings::default());
        Ok(Some(Sealed { id, named, counts, sockets, reused: true, timings }))
    }

    /// Forgets the seal of a draft of this name that stopped once its layer was in place; whether there was one.
    pub(super) fn drop_seal(&self, name: &LayerName) -> Result<bool, Error> {
        let (file, at) = (name.file_name(), self.drafts_path());
        let intent_name = format!("{INTENT}{file}");
        let there =
            |name: &str| is_there(self.drafts.stat(name.as_bytes())).map_err(io("look at", at.join(name)));
        let left = there(&intent_name)? && !there(&file)?;
        if left {
            self.remove_intent(&intent_name, &at)?;
        }
        Ok(left)
    }

    /// Ends the seal of a draft of this name, if its process ended in the midst of it: what it moved has no name yet, and must
    /// have it before anything else takes the name.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn settle_seal(&self, name: &LayerName) -> Result<(), Error> {
        let (intent_name, at) = (format!("{INTENT}{}", name.file_name()), self.drafts_path());
        let left = is_there(self.drafts.stat(intent_name.as_bytes()));
        // a store that is only read leaves it to whoever writes
        if left.map_err(io("look at", at.join(&intent_name)))? && self.check_writable().is_ok() {
            self.recover_draft(&intent_name, &at)
        } else {
            Ok(())
        }
    }

    /// The layers that seals which are under way make: they may have no name yet.
    pub(super) fn intended_by_seals(&self) -> Result<Vec<StackPart>, Error> {
        let at = self.drafts_path();
        let mut layers = Vec::new();
        for item in
            self.drafts.items_where(|name| name.starts_with(INTENT.as_bytes())).map_err(io("list", &at))?
        {
            let name = String::from_utf8_lossy(&item.name);
            if let Some(intent) = read_json::<IntentJson>(&self.drafts, &name, &at)? {
                let damaged = |why| Error::Damaged { path: at.join(&*name), why };
                layers.push(StackPart::Sealed(id_from(&intent.id).map_err(damaged)?));
            }
        }
        Ok(layers)
    }

    /// Ends or forgets the seals that an earlier run left half done.
    pub(super) fn recover_drafts(&self) -> Result<(), Error> {
        let at = self.drafts_path();
        for item in self.drafts.items().map_err(io("list", &at))? {
            if let Some(intent) = std::str::from_utf8(&item.name).ok().filter(|name| name.starts_with(INTENT))
                && let Err(error) = self.recover_draft(intent, &at)
            {
                self.unsettled.borrow_mut().push(error);
            }
            if LayerName::from_file_name(&String::from_utf8_lossy(&item.name)).is_ok()
                && let Ok(dir) = self.drafts.dir(&item.name)
                && let Err(error) = barred::settle(&dir, &at.join(OsStr::from_bytes(&item.name)))
            {
                self.unsettled.borrow_mut().push(error);
            }
        }
        Ok(())
    }

    fn recover_draft(&self, intent_name: &str, at: &Path) -> Result<(), Error> {
        let damaged = |why: String| Error::Damaged { path: at.join(intent_name), why };
        let file = intent_name.trim_start_matches(INTENT);
        let draft = LayerName::from_file_name(file).map_err(|error| damaged(error.to_string()))?;
        match self.drafts.dir(file.as_bytes()) {
            Ok(dir) => {
                // being sealed right now, or left before it was moved: it stays a draft
                let live =
                    self.is_held(&format!("draft {draft}"), &dir).map_err(io("lock", at.join(file)))?;
                return if live { Ok(()) } else { self.remove_intent(intent_name, at) };
            }
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(own("open", at.join(file))(errno)),
        }
        let Some(intent) = read_json::<IntentJson>(&self.drafts, intent_name, at)? else { return Ok(()) };
        let id = id_from(&intent.id).map_err(damaged)?;
        // the intent holds it only until it is removed
        self.hold_layer(id)?;
        if let (true, Some(name), Some(record)) = (self.has_layer(id)?, intent.name, intent.record) {
            self.resume_name(&name, &record, intent.replaces.as_ref(), damaged)?;
        }
        self.remove_intent(intent_name, at)
    }

    fn remove_intent(&self, intent_name: &str, at: &Path) -> Result<(), Error> {
        match self.drafts.unlink(intent_name.as_bytes()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(io("remove", at.join(intent_name))(errno)),
        }
    }
}

/// Takes from a layer what only its draft needed: only now, as a seal that fails leaves a draft. The layer is there and has
/// its name, and nothing reads what stays, so that is no error.
fn tidy_up(draft: &Draft, changes: &Changeset) {
    for record in ["draft.json", DAMAGED] {
        match draft.dir.unlink(record.as_bytes()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => log::debug!("{} stays: {errno}", draft.path.join(record).display()),
        }
    }
    match draft.tree() {
        Ok(tree) => changes::forget_implied(&tree, changes),
        Err(error) => log::debug!("marks of implied directories stay: {error}"),
    }
}
