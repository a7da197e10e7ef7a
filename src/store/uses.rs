//! What this process uses of the store, for a collection in another one to see.
//!
//! A layer that a name, a mount or an intent holds is never collected. One that only a handle of a process reaches, or
//! that a process is about to write into such a record, is held by a lock on one byte of the file `lock`, which its ID
//! says; what a process makes in `tmp/` by another byte. The kernel drops them with the process.
//!
//! Whoever writes a record holds first what it names, and looks whether it is still there. Whoever collects takes the
//! bytes of what it is about to remove, and looks at all records after that. So in whatever order both come, the one
//! sees the other.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::error::io;
use super::{Error, Held, StackPart, Store};
use crate::model::{LayerName, TreeId};
use crate::sys::lock::Lock;
use crate::sys::process::{self, User};
use crate::sys::{Dir, Errno, signals};

/// The bytes from here on stand for processes that make something in `tmp/`, those before it for layers.
const MAKERS: u64 = 1 << 62;

/// How long somebody waits for a draft that another process has.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often one who waits for it looks.
const LOOK: Duration = Duration::from_millis(2);

/// How many bits of a maker's number say when its process started.
const STARTED: u32 = 38;

/// The bytes that this process holds.
#[derive(Debug)]
pub(super) struct Uses {
    /// None where nothing can be written, so that nothing can be collected either.
    lock: Option<Rc<Lock>>,
    held: RefCell<BTreeSet<TreeId>>,
}

impl Uses {
    /// Holds nothing yet.
    pub(super) fn new(lock: Option<Rc<Lock>>) -> Self {
        Self { lock, held: RefCell::default() }
    }

    /// Holds a layer, if it does not yet; whether it did not.
    fn hold(&self, id: TreeId) -> Result<bool, Errno> {
        if let Some(lock) = &self.lock
            && !self.held.borrow().contains(&id)
        {
            lock.share_byte(byte_of(id))?;
            return Ok(self.held.borrow_mut().insert(id));
        }
        Ok(false)
    }

    /// Whether this process holds a layer.
    pub(super) fn holds(&self, id: TreeId) -> bool {
        self.held.borrow().contains(&id)
    }

    /// Holds only these any more.
    fn keep(&self, reached: &BTreeSet<TreeId>) -> Result<(), Errno> {
        let mut held = self.held.borrow_mut();
        let gone: Vec<TreeId> = held.difference(reached).copied().collect();
        for id in gone {
            held.remove(&id);
            // two layers may share a byte
            if let Some(lock) =
                self.lock.as_deref().filter(|_| held.iter().all(|&other| byte_of(other) != byte_of(id)))
            {
                lock.free_byte(byte_of(id))?;
            }
        }
        Ok(())
    }

    /// Whether another process holds a layer.
    pub(super) fn is_used_elsewhere(&self, id: TreeId) -> Result<bool, Errno> {
        self.lock.as_deref().map_or(Ok(false), |lock| lock.is_byte_used(byte_of(id)))
    }

    /// Takes a layer that this process does not hold for a collection; `None` where another process has it.
    pub(super) fn take(&self, id: TreeId) -> Result<Option<Taken>, Errno> {
        let Some(lock) = &self.lock else { return Ok(None) };
        let taken = lock.try_byte(byte_of(id))?;
        Ok(taken.then(|| Taken { id, lock: lock.clone() }))
    }

    /// The processes that hold a layer, as far as they can be seen.
    pub(super) fn users(&self, id: TreeId) -> Vec<User> {
        self.lock.as_deref().map_or_else(Vec::new, |lock| lock.users_of_byte(byte_of(id)))
    }
}

/// A layer that nobody can begin to use until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    /// Which.
    pub(super) id: TreeId,
    lock: Rc<Lock>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Err(errno) = self.lock.free_byte(byte_of(self.id)) {
            log::warn!("layer {} stays locked until this process ends: {errno}", self.id.short());
        }
    }
}

/// The byte of a layer.
fn byte_of(id: TreeId) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&id.0.as_bytes()[..8]);
    u64::from_be_bytes(first) >> 2
}

/// The byte of a process that makes something in `tmp/`, by its number and when it started.
pub(super) fn byte_of_maker(pid: u32, started: u64) -> u64 {
    MAKERS | u64::from(pid) << STARTED & (MAKERS - 1) | started & ((1 << STARTED) - 1)
}

impl Store {
    /// Takes the lock of a draft; who opens the store may have it for a moment, to end what an earlier process left.
    pub(super) fn hold_draft(
        &self,
        name: &LayerName,
        key: &str,
        dir: &Dir,
        at: &Path,
    ) -> Result<Rc<Held>, Error> {
        let start = Instant::now();
        loop {
            if let Some(held) = self.hold(key, dir).map_err(io("lock", at))? {
                return Ok(held);
            }
            if signals::interrupted() {
                return Err(Error::Interrupted);
            }
            if start.elapsed() > PATIENCE {
                let pid = process::lockers(at, None).first().map(|user| user.pid);
                return Err(Error::Busy { what: format!("the draft `{name}`"), pid });
            }
            std::thread::sleep(LOOK);
        }
    }

    fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Keeps other processes from collecting a layer, whether it is there or not, as long as this one may use it; waits
    /// while one is being collected.
    ///
    /// # Errors
    /// [`Error::Interrupted`], [`Error::Io`].
    pub fn hold_layer(&self, id: TreeId) -> Result<(), Error> {
        self.start_using(id).map(drop)
    }

    /// As [`Store::hold_layer`]; whether this process did not hold it before.
    pub(super) fn start_using(&self, id: TreeId) -> Result<bool, Error> {
        self.uses.hold(id).map_err(|errno| match errno {
            Errno::INTR => Error::Interrupted,
            errno => io("lock a layer in", self.lock_path())(errno),
        })
    }

    /// Lets a layer go that this process began to hold a moment ago.
    pub(super) fn stop_using(&self, id: TreeId) -> Result<(), Error> {
        let mut kept = self.uses.held.borrow().clone();
        kept.remove(&id);
        self.use_only(&kept)
    }

    /// Holds the layers that a record is about to name.
    ///
    /// # Errors
    /// [`Error::NoLayer`] for one that another process has collected meanwhile.
    pub(super) fn hold_stack(&self, stack: &[StackPart]) -> Result<(), Error> {
        for part in stack {
            let StackPart::Sealed(id) = part else { continue };
            // one that is held already may be gone all the same: as damage, or before it was held
            self.start_using(*id)?;
            if !self.has_layer(*id)? {
                return Err(Error::NoLayer { prefix: id.short() });
            }
        }
        Ok(())
    }

    /// Lets other processes collect what this one uses no more: all that is not in `reached`, and in no record.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn use_only(&self, reached: &BTreeSet<TreeId>) -> Result<(), Error> {
        self.uses.keep(reached).map_err(io("unlock a layer in", self.lock_path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    #[test]
    fn layers_and_makers_have_bytes_of_their_own() {
        let last = TreeId(Digest::from_bytes([0xff; 32]));
        assert!(byte_of(last) < MAKERS);
        let makers = [(1, 5), (1, 6), (2, 5), (u32::MAX >> 10, (1 << STARTED) - 1)];
        let bytes: BTreeSet<u64> = makers.iter().map(|&(pid, started)| byte_of_maker(pid, started)).collect();
        assert_eq!(bytes.len(), makers.len());
        assert!(bytes.iter().all(|&byte| byte >= MAKERS && i64::try_from(byte).is_ok()));
    }
}
