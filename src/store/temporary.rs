//! The store's `tmp/`: things that are being made, and things on their way out.
//!
//! What is made here appears elsewhere by one rename; what is dropped comes here by one rename and is then
//! removed at leisure. So whatever lies here belongs to nobody once its process is gone.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Error;
use super::error::io;
use super::sweeper::Sweeper;
use super::uses::byte_of_maker;
use crate::model::Mode;
use crate::sys::lock::Lock;
use crate::sys::process::Identity;
use crate::sys::{Dir, Errno, RenameFlags, signals};

/// The number in this process's next name, whichever of its stores that is in.
static NEXT: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub(super) struct Temporary {
    dir: Dir,
    path: PathBuf,
    /// What this process's names begin with; its number alone is that of others in other PID namespaces.
    prefix: OnceCell<String>,
    /// By which others see that what is made here belongs to somebody.
    lock: Option<Rc<Lock>>,
    sweeper: Sweeper,
}

impl Temporary {
    /// Uses an open directory.
    pub(super) fn new(dir: Dir, path: PathBuf) -> Self {
        Self { dir, path, prefix: OnceCell::new(), lock: None, sweeper: Sweeper::default() }
    }

    /// Shows others by this lock of the store, from the first name on, that this process lives.
    pub(super) fn guard(&mut self, lock: Rc<Lock>) {
        self.lock = Some(lock);
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A name that nothing has here.
    pub(super) fn name(&self) -> String {
        let prefix = self.prefix.get_or_init(|| {
            let own = Identity::own();
            let byte = byte_of_maker(own.pid, own.started);
            let shown = self.lock.as_deref().map(|lock| lock.share_byte(byte));
            match shown {
                Some(Ok(())) => format!("{}-{}", own.pid, own.started),
                // of such a name nobody can tell whose it is, so it stays until the store is opened by one process alone
                _ => format!("by-{}-{}", own.pid, own.started),
            }
        });
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{prefix}-{number}");
            if self.dir.stat(name.as_bytes()) == Err(Errno::NOENT) {
                return name;
            }
        }
    }

    /// Makes an empty directory.
    pub(super) fn make(&self) -> Result<(String, Dir), Error> {
        let name = self.name();
        let failed = |errno| io("make a directory in", &self.path)(errno);
        self.dir.mkdir(name.as_bytes(), Mode::new(0o755)).map_err(failed)?;
        let dir = self.dir.dir(name.as_bytes()).map_err(io("open", self.path.join(&name)))?;
        Ok((name, dir))
    }

    /// Moves something here, out of everybody's way; gives its name here.
    pub(super) fn set_aside(&self, from: &Dir, name: &str, at: &Path) -> Result<String, Error> {
        self.take(from, name.as_bytes()).map_err(io("move away", at.join(name)))
    }

    /// As [`Temporary::set_aside`], of any name.
    pub(super) fn take(&self, from: &Dir, name: &[u8]) -> Result<String, Errno> {
        let aside = self.name();
        from.rename(name, &self.dir, aside.as_bytes(), RenameFlags::NOREPLACE)?;
        Ok(aside)
    }

    /// Removes a name elsewhere in the store with all beneath it: it is gone in one step where it can be moved here.
    pub(super) fn remove_from(&self, from: &Dir, name: &[u8]) -> Result<(), Errno> {
        // a directory that denies its owner cannot be moved
        match self.take(from, name) {
            Ok(aside) => {
                self.drop_name(&aside);
                Ok(())
            }
            Err(_) => from.remove_tree_while(name, &mut || !signals::interrupted()),
        }
    }

    /// Removes something that lies here, now or soon.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        self.sweeper.remove(&self.dir, name.as_bytes()).map_err(io("remove", self.path.join(name)))
    }

    /// What removes.
    pub(super) fn sweeper(&self) -> &Sweeper {
        &self.sweeper
    }

    /// Removes something that lies here, now or soon; what stays is removed by a later run.
    pub(super) fn drop_name(&self, name: &str) {
        if let Err(error) = self.remove(name) {
            log::debug!("{error}");
        }
    }

    /// Removes all that lies here, now or soon; only for who has the store alone. What cannot be removed, such as what another user
    /// has made, is in nobody's way.
    pub(super) fn clear(&self) {
        for item in self.dir.items().unwrap_or_default() {
            if let Err(errno) = self.sweeper.remove(&self.dir, &item.name) {
                log::warn!("{} stays: {errno}", self.path.join(OsStr::from_bytes(&item.name)).display());
            }
        }
    }

    /// What processes made here that are gone.
    pub(super) fn left_over(&self) -> Result<Vec<String>, Error> {
        let failed = |errno| io("look through", &self.path)(errno);
        let Some(lock) = &self.lock else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for item in self.dir.items().map_err(failed)? {
            if let Some((name, byte)) = maker_of(&item.name)
                && !self.prefix.get().is_some_and(|own| name.starts_with(&format!("{own}-")))
                && !lock.is_byte_used(byte).map_err(failed)?
            {
                found.push(name.to_owned());
            }
        }
        Ok(found)
    }

    /// Whether nothing lies here.
    pub(super) fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.dir.items().map_err(io("list", &self.path))?.is_empty())
    }
}

/// A name as [`Temporary::name`] makes them, and the byte of the process that made it.
fn maker_of(name: &[u8]) -> Option<(&str, u64)> {
    let name = std::str::from_utf8(name).ok()?;
    let mut parts = name.split('-');
    let (pid, started) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let number: Option<u64> = parts.next()?.parse().ok();
    (number.is_some() && parts.next().is_none()).then(|| (name, byte_of_maker(pid, started)))
}
