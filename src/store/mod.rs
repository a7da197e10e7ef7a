//! Layers, names, drafts and mounts on disk: locks, atomic commit, recovery, collection, check.
//!
//! ```text
//! STORE/
//!   format                                              version, whiteout form; read before anything else
//!   lock                                                shared by every process that uses the store; see `uses`
//!   unsynced                                            in one that is written without syncs; see `unsynced`
//!   ephemeral                                           in one that is gone at its end: locked by its process; see `ephemeral`
//!   tmp/                                                what is being made or on its way out; see `temporary`
//!   layers/sha256/<id>/{tree/, index, meta.json}        sealed, immutable; meta.json only says what follows from the content
//!   <any of these>/barred.json                          beside a tree: files in it that are opened up; see `barred`
//!   drafts/<name>/{tree/, draft.json}                   draft.json: owners and times that files cannot keep, if any
//!   drafts/.seal-<name>                                 the intent of a seal that is under way; see `drafts`
//!   names/<name>                                        name → stack, chain ID, message, time; the roots of collection
//!   mounts/<name>/{up/tree/, work/, merged/, mount.json}
//!   lost+found/                                         what `repair` moved out of its place; nothing uses it
//!   mounts/.damaged-<name>-<number>/                    a mount whose record did not read back, dropped; see `damage`
//!   mounts/<name>/dirs/                                 directories laid over its layers; see `laid`
//!   mounts/<name>/owner                                 the process that mounted it; gone once it is unmounted
//!   mounts/<name>/commit.json                           the intent of a commit that is under way; see `commit`
//! ```
//!
//! Everything appears and goes by one rename, and what must outlive a power cut is synced before it appears (see
//! `publish`). A lock on the directory of a draft or a mount says that a process uses it; the kernel drops it with the
//! process. A lock on `names/` is held while a name changes, so that it changes only in place of what was seen.
//! Nothing here mounts, knows the clock, or prints.

mod barred;
mod cache;
mod changes;
mod check;
mod collect;
mod commit;
mod count;
mod damage;
mod drafts;
mod ephemeral;
mod error;
mod export;
mod filled;
mod format;
mod hashing;
mod how;
mod index;
mod keeping;
mod kept;
mod laid;
mod layers;
mod looking;
mod merge;
mod mount_dir;
mod mounts;
mod names;
mod needed;
mod opening;
mod place;
mod publish;
mod record;
mod repair;
mod scan;
mod seal;
mod spare;
mod sweeper;
mod temporary;
#[cfg(test)]
mod tests;
mod unpack;
mod unsynced;
mod untar;
mod usage;
mod uses;
mod walk;

pub use barred::Denied;
pub use check::{Cure, Finding, Subject, Trouble};
pub use collect::{Collected, Collecting, Waste};
pub use commit::Seal;
pub use count::count_tree;
pub use damage::DamagedMount;
pub use drafts::Draft;
pub use error::Error;
pub use export::{Present, write_host_file};
pub use format::VERSION as FORMAT;
pub use hashing::HashStream;
pub use index::VERSION as INDEX_FORMAT;
pub use kept::Kept;
pub use layers::{Outline, Sealed, Summary, Timings};
pub use looking::{MountPaths, MountUser};
pub use merge::Source;
pub use mount_dir::{MountDir, MountRecord, NewMount, Stale};
pub use opening::{Opening, Syncs};
pub use record::{NameRecord, StackPart};
pub use repair::Mended;
pub use scan::{Scan, ScanHow, scan, scan_root, scan_watched};
pub use seal::Progress;
pub use unpack::Note;
pub use usage::Usage;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};

use crate::model::{TreeId, Trust, WhiteoutForm};
use crate::sys::lock::{self, Lock};
use crate::sys::{Dir, Errno};
use error::io;
use temporary::Temporary;

/// A store, open.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    layers: Dir,
    drafts: Dir,
    names: Dir,
    mounts: Dir,
    temporary: Temporary,
    uses: uses::Uses,
    form: WhiteoutForm,
    ephemeral: bool,
    /// Whether what is told to be done is on the disk.
    synced: bool,
    /// Whether it was written without syncs when the machine stopped.
    doubtful: bool,
    /// Whether every owner, device and attribute can be given here; not in a store of a user without privilege, also for
    /// root, as it holds what could not be given.
    every_right: bool,
    /// The host's user whose store this is.
    owner: u32,
    /// What removes it at its end, if it is not to stay.
    ending: Option<ephemeral::Ending>,
    /// Where mounts and `tmp/` are, where nothing can be written in the store itself.
    aside: Option<Box<Store>>,
    cache: RefCell<cache::Cache>,
    outlines: RefCell<HashMap<TreeId, Rc<Outline>>>,
    held: RefCell<HashMap<String, Weak<Held>>>,
    stale: RefCell<Vec<Stale>>,
    /// What an earlier run left half done and could not be put right.
    unsettled: RefCell<Vec<Error>>,
    spare: RefCell<Option<spare::Spare>>,
    steps: Steps,
}

/// How often a lock is tried for that others only share to look at it, and what is between two tries: some seconds.
const LOOKS: u32 = 2_000;
const LOOK: std::time::Duration = std::time::Duration::from_millis(1);

/// A draft or mount that this process uses.
#[derive(Debug)]
struct Held {
    _lock: Lock,
}

/// The points of a commit at which a test can end the process.
#[derive(Debug, Default)]
struct Steps {
    #[cfg(test)]
    crash_at: std::cell::Cell<Option<&'static str>>,
}

impl Steps {
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests look at the point")]
    fn pass(&self, _: &'static str) {}

    #[cfg(test)]
    fn pass(&self, point: &'static str) {
        if self.crash_at.get() == Some(point) {
            std::panic::panic_any(point);
        }
    }
}

impl Store {
    /// Closes the store; a temporary one is removed.
    ///
    /// # Errors
    /// [`Error::Io`] if something of a temporary store could not be removed.
    pub fn close(mut self) -> Result<(), Error> {
        self.end()
    }

    /// Whether things that were dropped are still being removed.
    pub fn is_removing(&self) -> bool {
        self.temporary.sweeper().is_at_work()
    }

    /// Waits until what was dropped is removed, or until Ctrl-C: then the next start removes the rest.
    pub fn finish_removals(&self) {
        self.temporary.sweeper().finish();
    }

    fn end(&mut self) -> Result<(), Error> {
        self.drop_spare();
        let Some(ending) = self.ending.take() else {
            self.finish_removals();
            self.temporary.sweeper().stop();
            return Ok(());
        };
        self.temporary.sweeper().stop();
        ending.remove().map_err(io("remove", &self.path))
    }

    /// Whether this open directory is the store's.
    fn lies_in(&self, dir: &Dir) -> Result<bool, Error> {
        let place = |dir: &Dir| dir.stat_self().map(|stat| (stat.dev, stat.ino));
        let root = Dir::open(&self.path).and_then(|root| place(&root));
        let same = root.and_then(|root| Ok(root == place(dir)?));
        same.map_err(io("look at", &self.path))
    }

    /// Where the store lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is gone at its end.
    pub fn is_ephemeral(&self) -> bool {
        self.ephemeral
    }

    /// Whether what is told to be done here outlives a power cut.
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// Whether it was written without syncs when the machine stopped, so that any part of it may be damaged.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// On whose files our own marks count here.
    pub fn trust(&self) -> Trust {
        if self.every_right { Trust::Nobody } else { Trust::FilesOf(self.owner) }
    }

    /// How whiteouts are written in this store's trees.
    pub fn whiteout_form(&self) -> WhiteoutForm {
        self.form
    }

    /// Syncs a directory, where that matters.
    fn sync_dir(&self, dir: &Dir, path: &Path) -> Result<(), Error> {
        if self.synced { crate::sys::sync(dir).map_err(io("sync", path)) } else { Ok(()) }
    }

    /// Takes the lock of a draft's or mount's directory, shared within this process; `None` where another process uses it.
    ///
    /// Who only looks whether it is used shares the lock for a moment, however long that takes on a busy machine: where it can
    /// be shared, nobody uses it.
    fn hold(&self, key: &str, dir: &Dir) -> Result<Option<Rc<Held>>, Errno> {
        if let Some(held) = self.held.borrow().get(key).and_then(Weak::upgrade) {
            return Ok(Some(held));
        }
        for _ in 0..LOOKS {
            if let Some(lock) = lock::try_dir(dir, true)? {
                let held = Rc::new(Held { _lock: lock });
                let mut registry = self.held.borrow_mut();
                registry.retain(|_, held| held.strong_count() > 0);
                registry.insert(key.to_owned(), Rc::downgrade(&held));
                return Ok(Some(held));
            }
            if lock::try_dir(dir, false)?.is_none() {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
        Ok(None)
    }

    /// Whether any process, this one too, holds the lock.
    fn is_held(&self, key: &str, dir: &Dir) -> Result<bool, Errno> {
        Ok(self.is_held_here(key) || self.is_held_elsewhere(key, dir)?)
    }

    fn is_held_here(&self, key: &str) -> bool {
        self.held.borrow().get(key).is_some_and(|held| held.strong_count() > 0)
    }

    /// Whether another process holds the lock.
    fn is_held_elsewhere(&self, key: &str, dir: &Dir) -> Result<bool, Errno> {
        Ok(!self.is_held_here(key) && lock::try_dir(dir, false)?.is_none())
    }

    /// Forgets a lock whose directory is no longer what its name says.
    fn forget(&self, key: &str) {
        self.held.borrow_mut().remove(key);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            log::warn!("{error}");
        }
    }
}
