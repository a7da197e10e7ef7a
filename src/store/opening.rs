//! Opening a store: one's own to work in, another user's as root who was told to, one on a read-only disk to be read.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::{io, own};
use super::temporary::Temporary;
use super::uses::Uses;
use super::{Error, Steps, Store, format, unsynced};
use crate::model::WhiteoutForm;
use crate::sys::lock::{self, Lock};
use crate::sys::step::step;
use crate::sys::{Dir, Errno, process};

/// How a store is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Opening {
    /// Makes a store where there is none.
    pub create: bool,
    /// Whether it waits for the disk.
    pub syncs: Syncs,
}

/// Whether what is done in a store waits until it is on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Syncs {
    /// What is told to be done outlives a power cut.
    #[default]
    On,
    /// It does not; a mark in the store says so (see `unsynced`).
    Off,
    /// The store is gone at its end, so there is nothing to outlive one.
    Ephemeral,
}

/// Whose directory a store may lie in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Whose {
    /// This user's own.
    Own,
    /// Anybody's.
    Anybodys,
}

impl Whose {
    /// Refuses, for root, a directory of another user: what root makes there that user can neither change nor remove, and
    /// what lies in it that user can replace while root uses it. For anybody else the system decides.
    pub(super) fn check(self, root: &Dir, path: &Path) -> Result<(), Error> {
        let owner = root.stat_self().map_err(io("look at", path))?.uid;
        // root of a user namespace reaches no more of what is not mapped there than its user does
        let hidden = || process::unknown_owner().0 == Some(owner);
        if self == Self::Anybodys || owner == 0 || crate::sys::dir::own_ids().0 != 0 || hidden() {
            return Ok(());
        }
        Err(Error::NotOwn { path: path.to_owned(), owner })
    }
}

impl Store {
    /// Opens a store, and puts right what an earlier run left half done.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::NotAStore`], [`Error::NotOwn`], [`Error::Newer`], [`Error::ReadOnly`],
    /// [`Error::Unsuitable`], [`Error::UnsyncedStore`], [`Error::Damaged`], [`Error::Io`].
    pub fn open(path: &Path, how: Opening) -> Result<Self, Error> {
        Self::open_to_work(path, how, Whose::Own)
    }

    /// As [`Store::open`], also for root on a store of another user.
    ///
    /// # Errors
    /// As [`Store::open`], but for [`Error::NotOwn`].
    pub fn open_as_root(path: &Path, how: Opening) -> Result<Self, Error> {
        Self::open_to_work(path, how, Whose::Anybodys)
    }

    fn open_to_work(path: &Path, how: Opening, whose: Whose) -> Result<Self, Error> {
        let _step = step("open the store", || path.display().to_string());
        let (path, root, form) = format::open_root(path, how, whose)?;
        let mut temporary = Temporary::new(format::open_sub(&root, "tmp", &path)?, path.join("tmp"));
        let lock_path = path.join("lock");
        let read_only = |errno| match errno {
            Errno::ROFS | Errno::ACCESS | Errno::PERM => Error::ReadOnly { path: path.clone(), errno },
            errno => own("lock", &lock_path)(errno),
        };
        if !temporary.is_empty()?
            && let Some(_alone) = lock::try_exclusive(&lock_path).map_err(read_only)?
        {
            temporary.clear();
        }
        if how.syncs != Syncs::Ephemeral {
            unsynced::settle(&root, &path, how.syncs, &lock_path)?;
        }
        let lock = lock::shared(&lock_path).map(Rc::new).map_err(|errno| match errno {
            Errno::INTR => Error::Interrupted,
            errno => read_only(errno),
        })?;
        temporary.guard(lock.clone());
        let mounts = format::open_sub(&root, "mounts", &path)?;
        let mut store = Self::of_parts(&root, path, form, (mounts, temporary), Some(lock))?;
        (store.ephemeral, store.synced) = (how.syncs == Syncs::Ephemeral, how.syncs == Syncs::On);
        store.doubtful = how.syncs == Syncs::Off && store.mark_store(&root)?;
        store.recover_drafts()?;
        store.recover_mounts()?;
        Ok(store)
    }

    /// Opens a store that lies on a read-only disk, to be read. What a mount needs to write lies in a throw-away store
    /// beneath `aside`. Nothing is written in it, so `syncs` only tells whether one that may be damaged is refused.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_to_read(path: &Path, aside: &Path, syncs: Syncs) -> Result<Self, Error> {
        let (path, root, form) = format::open_root(path, Opening::default(), Whose::Anybodys)?;
        if syncs == Syncs::On {
            unsynced::refuse_doubtful(&root, &path)?;
        }
        let aside = Self::temporary(aside)?;
        let again = |dir: &Dir| dir.duplicate().map_err(io("open", aside.path()));
        let temporary = Temporary::new(again(aside.temporary.dir())?, aside.temporary.path().to_owned());
        let mounts = again(&aside.mounts)?;
        let lock = lock::shared_to_read(&root, b"lock").map_err(own("lock", path.join("lock")))?.map(Rc::new);
        let mut store = Self::of_parts(&root, path, form, (mounts, temporary), lock)?;
        (store.ephemeral, store.synced, store.aside) = (true, false, Some(Box::new(aside)));
        Ok(store)
    }

    pub(super) fn of_parts(
        root: &Dir,
        path: PathBuf,
        form: WhiteoutForm,
        (mounts, temporary): (Dir, Temporary),
        lock: Option<Rc<Lock>>,
    ) -> Result<Self, Error> {
        let sub = |name: &str| format::open_sub(root, name, &path);
        let owner = root.stat_self().map_err(io("look at", &path))?.uid;
        Ok(Self {
            layers: sub("layers/sha256")?,
            drafts: sub("drafts")?,
            names: sub("names")?,
            mounts,
            path,
            temporary,
            uses: Uses::new(lock),
            form,
            ephemeral: false,
            synced: true,
            doubtful: false,
            every_right: owner == 0 && process::has_every_right(),
            owner,
            ending: None,
            aside: None,
            cache: RefCell::default(),
            outlines: RefCell::default(),
            held: RefCell::default(),
            stale: RefCell::default(),
            unsettled: RefCell::default(),
            spare: RefCell::default(),
            steps: Steps::default(),
        })
    }

    /// Refuses a change in a store that was opened to be read only.
    pub(super) fn check_writable(&self) -> Result<(), Error> {
        if self.aside.is_none() {
            return Ok(());
        }
        Err(Error::ReadOnly { path: self.path.clone(), errno: Errno::ROFS })
    }
}
