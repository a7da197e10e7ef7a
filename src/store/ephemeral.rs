//! Stores that are gone once they are closed, and those that processes left which could not close them.
//!
//! Such a store is a directory `ufs-…` that only its owner can enter, with an empty file [`MARK`] in it, which its process
//! keeps locked. Only a directory of the same user with that file, not locked, is taken for one that was left: what other
//! users plant, symlinks, and stores that are meant to stay are none.

use std::cell::{OnceCell, RefCell};
use std::fs::Permissions;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::{errno_of, io};
use super::format::PRIVATE;
use super::{Error, Opening, Store, Syncs};
use crate::sys::apart::{self, Apart, End};
use crate::sys::lock::{self, Lock};
use crate::sys::{Dir, Errno, RenameFlags};

/// What the names of their directories begin with.
const PREFIX: &str = "ufs-";

/// The file that tells such a store from one that stays.
pub(super) const MARK: &str = "ephemeral";

/// What the name of one that is being removed ends in.
const GOING: &[u8] = b".going";

/// How long the end of a program waits for its store to be removed.
const AT_ONCE: Duration = Duration::from_millis(50);

/// How long a process that has removed a store may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a directory is made anew because somebody took the last one for one that was left.
const TRIES: usize = 8;

/// What removes a store at its end; the lock goes last.
#[derive(Debug)]
pub(super) struct Ending {
    parent: Dir,
    name: Vec<u8>,
    mark: Lock,
    /// Who does it for a process that will not be let.
    remover: OnceCell<Remover>,
}

/// A process that waits to be told that the store is to go.
#[derive(Debug)]
struct Remover {
    process: RefCell<Apart>,
    link: End,
}

impl Ending {
    fn new(parent: Dir, name: &[u8], mark: Lock) -> Self {
        Self { parent, name: name.to_vec(), mark, remover: OnceCell::new() }
    }

    /// Has another process remove it at the end, as this one is about to give up the right to.
    fn hand_over(&self) -> Result<(), Errno> {
        if self.remover.get().is_some() {
            return Ok(());
        }
        let (link, asked) = apart::link()?;
        let process = apart::start(&[self.parent.as_fd(), asked.as_fd()], || {
            if asked.send(&[0]).is_err() {
                return;
            }
            // without a word the store stays for the next start, as after any sudden end
            if matches!(asked.receive(&mut [0]), Ok(Some(_))) {
                let errno = self.clear(&mut || true).err().map_or(0, Errno::raw_os_error);
                if asked.send(&errno.to_le_bytes()).is_err() {
                    log::debug!("a store was removed that nobody waited for");
                }
            }
        })?;
        // its end is its own alone
        drop(asked);
        // what it needs of the machine it has now
        link.receive(&mut [0])?.ok_or(Errno::PIPE)?;
        drop(self.remover.set(Remover { process: RefCell::new(process), link }));
        Ok(())
    }

    /// Removes the store's directory: at once where that goes quickly, else its name at once, and the rest by a process that
    /// stays behind. Should that be killed, the mark is free and the next start removes what is left.
    pub(super) fn remove(mut self) -> Result<(), Errno> {
        if let Some(remover) = self.remover.get() {
            return remover.remove();
        }
        let until = Instant::now() + AT_ONCE;
        match self.clear(&mut || Instant::now() < until) {
            Err(Errno::INTR) => {}
            done => return done,
        }
        let gone = [&self.name[..], GOING].concat();
        match self.parent.rename(&self.name, &self.parent, &gone, RenameFlags::NOREPLACE) {
            Ok(()) => self.name = gone,
            // it was left half removed by an earlier one
            Err(errno) => log::debug!("`{}` keeps its name: {errno}", self.name.escape_ascii()),
        }
        let left = apart::leave_behind(&[self.parent.as_fd(), self.mark.as_fd()], || {
            if let Err(errno) = self.clear(&mut || true) {
                log::debug!("a throw-away store stays: {errno}");
            }
        });
        left.or_else(|_| self.clear(&mut || true))
    }

    /// Removes what is in it: first what tells that it is a store, and last the mark that tells that it is to go.
    fn clear(&self, go_on: &mut dyn FnMut() -> bool) -> Result<(), Errno> {
        let dir = match self.parent.dir(&self.name) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        dir.remove_tree(b"format")?;
        for item in dir.items()?.into_iter().filter(|item| *item.name != *MARK.as_bytes()) {
            dir.remove_tree_while(&item.name, go_on)?;
        }
        self.parent.remove_tree(&self.name)
    }
}

impl Remover {
    fn remove(&self) -> Result<(), Errno> {
        self.link.send(&[1])?;
        let mut answer = [0; 4];
        let said = self.link.receive(&mut answer)?.and_then(|said| said.try_into().ok());
        let removed = match said.map(i32::from_le_bytes) {
            Some(0) => Ok(()),
            Some(errno) => Err(Errno::from_raw_os_error(errno)),
            None => Err(Errno::PIPE),
        };
        self.process.borrow_mut().end(&self.link, PATIENCE);
        removed
    }
}

impl Store {
    /// Makes a store of its own beneath `parent`, which is gone once it is closed or dropped.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn temporary(parent: &Path) -> Result<Self, Error> {
        let failed = |errno| io("make a directory in", parent)(errno);
        Dir::open(parent).map_err(io("use the directory for temporary files (`TMPDIR`)", parent))?;
        for _ in 0..TRIES {
            let mode = Permissions::from_mode(PRIVATE.bits());
            let made = tempfile::Builder::new().prefix(PREFIX).permissions(mode).tempdir_in(parent);
            let path = made.map_err(|error| failed(errno_of(&error)))?.keep();
            let (Some(name), Ok(dir)) = (path.file_name(), Dir::open(&path)) else { continue };
            // another process that starts now may take what has no lock yet for something that was left
            let Ok(Some(mark)) = lock::try_file(&dir, MARK.as_bytes(), true) else { continue };
            let parent = Dir::open(parent).map_err(failed)?;
            let ending = Ending::new(parent, name.as_bytes(), mark);
            match Self::open(&path, Opening { create: true, syncs: Syncs::Ephemeral }) {
                Ok(mut store) => {
                    store.ending = Some(ending);
                    return Ok(store);
                }
                Err(error) => {
                    if let Err(errno) = ending.remove() {
                        log::debug!("{} stays: {errno}", path.display());
                    }
                    return Err(error);
                }
            }
        }
        Err(failed(Errno::AGAIN))
    }

    /// The stores beneath `parent` that processes of this user made by [`Store::temporary`] and did not live to remove:
    /// opened, for what is mounted in them to be unmounted; each is gone once it is closed or dropped.
    pub fn left_behind(parent: &Path) -> Vec<Self> {
        let Ok(dir) = Dir::open(parent) else { return Vec::new() };
        let names = dir.items_where(|name| name.starts_with(PREFIX.as_bytes())).unwrap_or_default();
        let mut found = Vec::new();
        for item in names {
            match take(&dir, parent, &item.name) {
                Ok(store) => found.extend(store),
                Err(error) => log::debug!("`{}` stays: {error}", item.name.escape_ascii()),
            }
        }
        found
    }

    /// Sees that the store can be closed by a process that is about to give up rights outside of it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn prepare_end(&self) -> Result<(), Error> {
        if let Some(aside) = &self.aside {
            aside.prepare_end()?;
        }
        match &self.ending {
            Some(ending) => ending.hand_over().map_err(io("prepare the end of", self.path())),
            None => Ok(()),
        }
    }

    /// The directories that all of the store lies in.
    pub fn places(&self) -> Vec<PathBuf> {
        let aside = self.aside.as_ref().map(|aside| aside.path().to_owned());
        [self.path().to_owned()].into_iter().chain(aside).collect()
    }

    /// Lets a store that would be gone at its end stay, for a later start to look at again.
    pub fn leave(mut self) {
        self.ending = None;
    }
}

/// Opens a store that was left; `None` if it is none, if its process lives, or if there was nothing but its directory.
fn take(parent: &Dir, at: &Path, name: &[u8]) -> Result<Option<Store>, Error> {
    let path: PathBuf = at.join(std::ffi::OsStr::from_bytes(name));
    let failed = |what| {
        let path = path.clone();
        move |errno| io(what, path)(errno)
    };
    let Ok(dir) = parent.dir(name) else { return Ok(None) };
    let stat = dir.stat_self().map_err(failed("look at"))?;
    if stat.uid != crate::sys::dir::own_ids().0 || stat.mode != PRIVATE {
        return Ok(None);
    }
    let mark = match lock::try_file(&dir, MARK.as_bytes(), false) {
        Ok(Some(mark)) => mark,
        Ok(None) | Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(failed("lock")(errno)),
    };
    let ending = Ending::new(parent.duplicate().map_err(failed("open"))?, name, mark);
    match Store::open(&path, Opening { create: false, syncs: Syncs::Ephemeral }) {
        Ok(mut store) if store.lies_in(&dir)? => {
            store.ending = Some(ending);
            Ok(Some(store))
        }
        // the names here are changed by others
        Ok(_) => Ok(None),
        // it was left before it was one
        Err(Error::Missing { .. }) => ending.remove().map(|()| None).map_err(failed("remove")),
        Err(error) => Err(error),
    }
}
