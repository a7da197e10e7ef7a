//! What lies in the store's own directories that the store has not made, and what others may write there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::finding::{Cure, Finding, Subject, Trouble};
use crate::model::{Kind, LayerName, Mode};
use crate::store::error::io;
use crate::store::{Error, Store, repair};
use crate::sys::{Dir, Errno, RawStat};

/// What may lie in the store's directory.
const ROOT: [&str; 11] = [
    "format",
    "lock",
    "ephemeral",
    "unsynced",
    "unsynced.new",
    "tmp",
    "layers",
    "drafts",
    "names",
    "mounts",
    repair::ASIDE,
];
/// In a layer. A seal that was stopped late leaves its draft's records.
const LAYER: [&str; 7] =
    ["tree", "index", "meta.json", "draft.json", "draft.json.damaged", "barred.json", "barred.json.new"];
/// In a draft, also one that is being sealed.
const DRAFT: [&str; 8] = [
    "tree",
    "draft.json",
    "draft.json.new",
    "draft.json.damaged",
    "index",
    "meta.json",
    "barred.json",
    "barred.json.new",
];
/// In a mount.
const MOUNT: [&str; 11] = [
    "up",
    "work",
    "merged",
    "dirs",
    "owner",
    "mount.json",
    "mount.json.new",
    "commit.json",
    "commit.json.new",
    "unsynced",
    "unsynced.new",
];
/// In a mount's `up`.
const UPPER: [&str; 5] = ["tree", "index", "meta.json", "barred.json", "barred.json.new"];

/// Where users write: nothing in there is the store's.
const OF_USERS: [&str; 4] = ["tree", "merged", "work", "dirs"];

/// Those who are not the owner, as they may write.
const OTHERS_WRITE: u32 = 0o022;
/// The same for the store's directory, which users may have made for their group.
const ANYBODY_WRITES: u32 = 0o002;

impl Store {
    pub(super) fn check_strays(&self, root: &Dir, found: &mut Vec<Finding>) -> Result<(), Error> {
        let owner = root.stat_self().map_err(io("look at", &self.path))?.uid;
        let mut look = Look { owner, found };
        look.rights(&self.path, root.stat_self(), ANYBODY_WRITES);
        look.dir(root, &self.path, &|name| ROOT.contains(&name))?;
        let layers_path = self.path.join("layers");
        let layers = root.dir(b"layers").map_err(io("open", &layers_path))?;
        look.dir(&layers, &layers_path, &|name| name == "sha256")?;
        let path = layers_path.join("sha256");
        look.dir(&self.layers, &path, &|name| {
            crate::model::Digest::parse(name).is_ok_and(|id| id.hex() == name)
        })?;
        look.each(&self.layers, &path, &|_| true, &LAYER, &|_| false)?;
        let is_name = |name: &str| LayerName::from_file_name(name).is_ok();
        let names = self.path.join("names");
        look.dir(&self.names, &names, &is_name)?;
        let drafts = self.drafts_path();
        let is_draft = |name: &str| is_name(name.strip_prefix(".seal-").unwrap_or(name));
        look.dir(&self.drafts, &drafts, &is_draft)?;
        look.each(&self.drafts, &drafts, &is_name, &DRAFT, &|_| false)?;
        let mounts = self.mounts_path();
        look.dir(&self.mounts, &mounts, &|name| name.starts_with(".damaged-") || is_name(name))?;
        let is_strays = |name: &str| name.starts_with("strays-");
        look.each(&self.mounts, &mounts, &is_name, &MOUNT, &is_strays)?;
        for name in self.mount_list()? {
            let path = mounts.join(name.file_name()).join("up");
            let up = self.mounts.dir(name.file_name().as_bytes()).and_then(|dir| dir.dir(b"up"));
            // else it was dropped or committed meanwhile, or that is told already
            if let Ok(up) = up {
                look.dir(&up, &path, &|name| UPPER.contains(&name))?;
            }
        }
        Ok(())
    }
}

struct Look<'a> {
    owner: u32,
    found: &'a mut Vec<Finding>,
}

impl Look<'_> {
    /// Looks at the names in a directory of the store.
    fn dir(&mut self, dir: &Dir, path: &Path, is_ours: &dyn Fn(&str) -> bool) -> Result<(), Error> {
        for item in dir.items().map_err(io("list", path))? {
            let at = path.join(OsStr::from_bytes(&item.name));
            let name = std::str::from_utf8(&item.name).ok();
            if !name.is_some_and(is_ours) {
                // it may be on its way somewhere else
                if dir.stat(&item.name).is_ok() {
                    self.add(Trouble::Stray, at, "the store has not made this".to_owned(), Cure::MoveAside);
                }
                continue;
            }
            if !name.is_some_and(|name| OF_USERS.contains(&name) || name == repair::ASIDE) {
                self.rights(&at, dir.stat(&item.name), OTHERS_WRITE);
            }
        }
        Ok(())
    }

    /// Looks into each directory in one of the store's.
    fn each(
        &mut self,
        dir: &Dir,
        path: &Path,
        is_one: &dyn Fn(&str) -> bool,
        parts: &[&str],
        or: &dyn Fn(&str) -> bool,
    ) -> Result<(), Error> {
        for item in dir.items().map_err(io("list", path))? {
            let Some(name) = std::str::from_utf8(&item.name).ok().filter(|name| is_one(name)) else {
                continue;
            };
            // what is no directory is told by who looks at it
            if let Ok(inner) = dir.dir(&item.name) {
                self.dir(&inner, &path.join(name), &|part| parts.contains(&part) || or(part))?;
            }
        }
        Ok(())
    }

    /// Looks whether others may write to what is the store's own.
    fn rights(&mut self, path: &Path, stat: Result<RawStat, Errno>, forbidden: u32) {
        let Ok(stat) = stat else { return };
        // what root made here, who was told to, nobody else can change
        if stat.uid != self.owner && stat.uid != 0 {
            let what = format!("it belongs to user {}, and the store to {}", stat.uid, self.owner);
            self.add(Trouble::Rights, path.to_owned(), what, Cure::AskOwner);
        }
        if stat.kind != Kind::Symlink && stat.mode.bits() & forbidden != 0 {
            let what = format!("others may write it: its mode is {}", stat.mode);
            self.add(Trouble::Rights, path.to_owned(), what, Cure::Close);
        }
    }

    fn add(&mut self, kind: Trouble, path: PathBuf, what: String, cure: Cure) {
        self.found.push(Finding { kind, path, subject: Subject::Store, what, cure });
    }
}

/// A mode without what others may not have: of the store's own directory its group may write.
pub(in crate::store) fn closed(mode: Mode, is_root: bool) -> Mode {
    Mode::new(mode.bits() & !if is_root { ANYBODY_WRITES } else { OTHERS_WRITE })
}
