//! Names, mounts and drafts: their records, and what these need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::finding::{Cure, Finding, Subject, Trouble};
use crate::model::{ChainId, DiffId, LayerName, TreeId};
use crate::store::barred;
use crate::store::damage::no_record;
use crate::store::drafts::{INTENT, IntentJson};
use crate::store::error::io;
use crate::store::looking::is_there;
use crate::store::mount_dir::read_mount;
use crate::store::record::read_json;
use crate::store::{Error, NameRecord, StackPart, Store};
use crate::sys::Errno;
use crate::sys::process::Identity;

/// How long a file that is written in place may be there without its content.
const WRITING: Duration = Duration::from_millis(20);

/// The layers that are there, and the diff IDs of those that were asked for.
struct Known {
    there: BTreeSet<TreeId>,
    diff_ids: BTreeMap<TreeId, Option<DiffId>>,
}

impl Store {
    fn known(&self) -> Result<Known, Error> {
        Ok(Known { there: self.layers()?.into_iter().collect(), diff_ids: BTreeMap::new() })
    }

    /// The first layer of a stack that is not there.
    fn missing_of(&self, stack: &[StackPart], known: &Known) -> Result<Option<TreeId>, Error> {
        for part in stack {
            if let StackPart::Sealed(id) = part
                && !known.there.contains(id)
                && !self.has_layer(*id)?
            {
                return Ok(Some(*id));
            }
        }
        Ok(None)
    }

    /// The chain ID of a stack; `None` where it has none or cannot be told.
    fn chain_of(&self, stack: &[StackPart], known: &mut Known) -> Option<ChainId> {
        let mut diffs = Vec::with_capacity(stack.len());
        for part in stack {
            let StackPart::Sealed(id) = part else { return None };
            diffs.push((*known.diff_ids.entry(*id).or_insert_with(|| self.diff_id(*id).ok()))?);
        }
        ChainId::of(&diffs)
    }

    pub(super) fn check_names(&self, found: &mut Vec<Finding>) -> Result<(), Error> {
        let mut known = self.known()?;
        for name in self.name_list()? {
            let wrong = self.look_at_name(&name, &mut known)?;
            // it may have been given to something else, or taken away, and its layers collected
            if !wrong.is_empty() {
                let again = self.look_at_name(&name, &mut known)?;
                found.extend(wrong.into_iter().filter(|finding| again.contains(finding)));
            }
        }
        Ok(())
    }

    fn look_at_name(&self, name: &LayerName, known: &mut Known) -> Result<Vec<Finding>, Error> {
        let path = self.path.join("names").join(name.file_name());
        let of = |error: &Error, kind, cure| {
            vec![Finding::of(error, kind, Subject::Name(name.clone()), path.clone(), cure)]
        };
        let record = match self.name(name) {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(Vec::new()),
            Err(error) => return Ok(of(&error, Trouble::Record, Cure::MendName)),
        };
        if let Some(gone) = self.missing_of(&record.stack, known)? {
            let error = Error::NoLayer { prefix: gone.short() };
            return Ok(of(&error, Trouble::Missing, Cure::AskForLayer));
        }
        let chain = self.chain_of(&record.stack, known);
        if chain.is_some() && chain != record.chain_id {
            let why = "its chain ID is not that of its layers".to_owned();
            return Ok(of(&Error::Damaged { path: path.clone(), why }, Trouble::Record, Cure::MendName));
        }
        Ok(Vec::new())
    }

    pub(super) fn check_mounts(&self, found: &mut Vec<Finding>) -> Result<(), Error> {
        let known = self.known()?;
        for name in self.mount_list()? {
            let wrong = self.look_at_mount(&name, &known)?;
            if !wrong.is_empty() {
                std::thread::sleep(WRITING);
                let again = self.look_at_mount(&name, &known)?;
                found.extend(wrong.into_iter().filter(|finding| again.contains(finding)));
            }
        }
        Ok(())
    }

    fn look_at_mount(&self, name: &LayerName, known: &Known) -> Result<Vec<Finding>, Error> {
        let path = self.mounts_path().join(name.file_name());
        let mut found = Vec::new();
        let mut add = |error: &Error, kind, path: PathBuf, cure| {
            found.push(Finding::of(error, kind, Subject::Mount(name.clone()), path, cure));
        };
        let dir = match self.mounts.dir(name.file_name().as_bytes()) {
            Ok(dir) => dir,
            // dropped meanwhile
            Err(Errno::NOENT) => return Ok(found),
            Err(errno) => {
                let error = crate::store::error::own("open", &path)(errno);
                add(&error, Trouble::Record, path, Cure::MoveAside);
                return Ok(found);
            }
        };
        let settled = self.is_settled(name);
        match read_mount(&dir, name, &path) {
            Ok(Some(record)) => {
                if settled && dir.stat(b"up/tree").is_err() {
                    add(
                        &Error::NoUpper { name: name.clone() },
                        Trouble::Missing,
                        path.join("up/tree"),
                        Cure::MakeEmpty,
                    );
                }
                if let Some(gone) = self.missing_of(&record.stack, known)? {
                    let error = Error::NoLayer { prefix: gone.short() };
                    add(&error, Trouble::Missing, path.join("mount.json"), Cure::AskForLayer);
                }
            }
            Ok(None) if settled => {
                add(&no_record(&path), Trouble::Record, path.join("mount.json"), Cure::MendMount);
            }
            Ok(None) => {}
            Err(error) => add(&error, Trouble::Record, path.join("mount.json"), Cure::MendMount),
        }
        match self.intended(name) {
            Err(error) => add(&error, Trouble::Record, path.join("commit.json"), Cure::DropIntent),
            Ok(stack) if !stack.is_empty() && self.mount_user(name).is_none() => {
                let why = "a commit is half done".to_owned();
                let error = Error::Damaged { path: path.clone(), why };
                add(&error, Trouble::Unfinished, path.join("commit.json"), Cure::Settle);
            }
            Ok(_) => {}
        }
        if let Ok(up) = dir.dir(b"up") {
            let path = path.join("up");
            match barred::is_left(&up, &path) {
                Ok(false) => {}
                Ok(true) => {
                    add(&opened_up(&path), Trouble::Unfinished, path.join(barred::NOTE), Cure::Settle);
                }
                Err(error) => add(&error, Trouble::Record, path.join(barred::NOTE), Cure::MoveAside),
            }
        }
        for record in ["owner", "unsynced"] {
            if let Err(error) = read_json::<Identity>(&dir, record, &path) {
                add(&error, Trouble::Record, path.join(record), Cure::MendMount);
            }
        }
        Ok(found)
    }

    pub(super) fn check_drafts(&self, found: &mut Vec<Finding>) -> Result<(), Error> {
        for name in self.drafts()? {
            let wrong = self.look_at_draft(&name);
            if !wrong.is_empty() {
                let again = self.look_at_draft(&name);
                found.extend(wrong.into_iter().filter(|finding| again.contains(finding)));
            }
        }
        for (file, intent) in self.seal_intents()? {
            let path = self.drafts_path().join(&file);
            let subject =
                LayerName::from_file_name(&file[INTENT.len()..]).map_or(Subject::Store, Subject::Draft);
            match intent {
                Some(error) => {
                    found.push(Finding::of(&error, Trouble::Record, subject, path, Cure::DropIntent));
                }
                None if self.is_being_sealed(&subject) => {}
                None => {
                    let what = "a seal is half done".to_owned();
                    let (kind, cure) = (Trouble::Unfinished, Cure::Settle);
                    found.push(Finding { kind, path, subject, what, cure });
                }
            }
        }
        Ok(())
    }

    /// The intents of seals, by file, and what is wrong with each that does not read back.
    fn seal_intents(&self) -> Result<Vec<(String, Option<Error>)>, Error> {
        let at = self.drafts_path();
        let mut found = Vec::new();
        for item in
            self.drafts.items_where(|name| name.starts_with(INTENT.as_bytes())).map_err(io("list", &at))?
        {
            let name = String::from_utf8_lossy(&item.name).into_owned();
            match read_json::<IntentJson>(&self.drafts, &name, &at) {
                Ok(None) => {}
                read => found.push((name, read.err())),
            }
        }
        Ok(found)
    }

    /// Whether the draft that an intent is about is in use.
    fn is_being_sealed(&self, subject: &Subject) -> bool {
        let Subject::Draft(name) = subject else { return false };
        let Ok(dir) = self.drafts.dir(name.file_name().as_bytes()) else {
            // moved among the layers just now, or by a process that is gone: the intent goes at once or stays
            std::thread::sleep(WRITING);
            return !self.drafts_path().join(format!(".seal-{}", name.file_name())).exists();
        };
        self.is_held(&format!("draft {name}"), &dir).unwrap_or(true)
    }

    fn look_at_draft(&self, name: &LayerName) -> Vec<Finding> {
        let path = self.drafts_path().join(name.file_name());
        let of = |error: &Error, kind, path: PathBuf, cure| {
            Finding::of(error, kind, Subject::Draft(name.clone()), path, cure)
        };
        let dir = match self.drafts.dir(name.file_name().as_bytes()) {
            Ok(dir) => dir,
            // sealed or dropped meanwhile
            Err(Errno::NOENT) => return Vec::new(),
            Err(errno) => {
                let error = crate::store::error::own("open", &path)(errno);
                return vec![of(&error, Trouble::Record, path, Cure::MoveAside)];
            }
        };
        let mut found = Vec::new();
        if let Err(error) = crate::store::Kept::read(&dir, &path) {
            found.push(of(&error, Trouble::Record, path.join("draft.json"), Cure::MendDraft));
        }
        match barred::is_left(&dir, &path) {
            Ok(false) => {}
            Ok(true) => {
                found.push(of(&opened_up(&path), Trouble::Unfinished, path.join(barred::NOTE), Cure::Settle));
            }
            Err(error) => {
                found.push(of(&error, Trouble::Record, path.join(barred::NOTE), Cure::MoveAside));
            }
        }
        if matches!(is_there(dir.stat(b"tree")), Ok(false)) {
            let why = "its files are gone".to_owned();
            let error = Error::Damaged { path: path.clone(), why };
            found.push(of(&error, Trouble::Missing, path.join("tree"), Cure::MakeEmpty));
        }
        found
    }

    /// Whether a name's layers can be verified although its record cannot: they are all there, which no changed digit of an
    /// ID would be. Of a host directory no more can be told than that it is one.
    pub(in crate::store) fn is_plausible(&self, record: &NameRecord) -> Result<bool, Error> {
        if record.stack.iter().any(|part| matches!(part, StackPart::Host(dir) if !dir.is_dir())) {
            return Ok(false);
        }
        Ok(self.missing_of(&record.stack, &self.known()?)?.is_none())
    }

    /// The chain ID that a name's stack has.
    pub(in crate::store) fn chain_id_of(&self, stack: &[StackPart]) -> Result<Option<ChainId>, Error> {
        Ok(self.chain_of(stack, &mut self.known()?))
    }
}

/// What is said of a tree in which files were left opened up.
pub(super) fn opened_up(path: &Path) -> Error {
    let why = "a process was killed that had files of it opened up".to_owned();
    Error::Damaged { path: path.to_owned(), why }
}
