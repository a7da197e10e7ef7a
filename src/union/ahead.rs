//! Content that takes time, copied ahead of the change that needs it in the upper, with no lock held: that of large files,
//! and all content where the copy has to reach a disk.
//!
//! A change that finds that it needs such a copy is put off: it ends without an effect, the content is copied into the
//! work directory, and the change is made again from its start, as names may have changed meanwhile. Then it takes the
//! copy, gives it what else the lower file has, and renames it into the upper. Whoever else needs a copy of the same
//! file waits until that is done. A copy that nobody takes goes.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::File;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::lookup::{Found, Place};
use super::raise::{Content, copy_content};
use super::{Union, discard};
use crate::model::{Kind, Mode};
use crate::sys::{Errno, signals};

/// Up to this size copying takes no time that counts, in bytes; syncing the copy may.
const SMALL: u64 = 256 << 10;

/// How often whoever waits for another's copy looks whether it is still wanted.
const TICK: Duration = Duration::from_millis(20);

/// A lower file: its layer (0 on top) and its path in the union, which is that in the layer.
type Key = (Option<usize>, Vec<u8>);

/// What this thread's change waits for, and what was copied for it.
#[derive(Debug, Default)]
struct Own {
    /// Whether it may be put off.
    may_wait: bool,
    wanted: Option<Wanted>,
    copy: Option<(Key, Copy)>,
}

thread_local! {
    static OWN: RefCell<Own> = RefCell::default();
}

/// The lower file whose content a change needs in the upper.
#[derive(Debug)]
pub struct Wanted {
    key: Key,
    from: Box<Place>,
    size: u64,
}

impl Wanted {
    /// Whether it takes no longer than a sync of a small file.
    pub fn is_small(&self) -> bool {
        self.size <= SMALL
    }
}

/// A file in the work directory that has the content, and nothing else.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) name: Vec<u8>,
    pub(super) file: File,
}

/// The lower files that are being copied.
#[derive(Debug, Default)]
pub(super) struct Copying {
    files: Mutex<HashSet<Key>>,
    done: Condvar,
}

impl Copying {
    fn lock(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is copied.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().is_empty()
    }

    /// Waits until nothing is copied, or a moment.
    pub(super) fn wait_until_idle(&self) {
        let files = self.lock();
        drop(self.done.wait_timeout_while(files, TICK, |files| !files.is_empty()));
    }
}

/// A copy at work, from its start until the change that it was made for is done.
struct Claim<'a> {
    union: &'a Union,
    key: Key,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some((_, copy)) = OWN.take().copy
            && let Some(upper) = &self.union.upper
        {
            discard(&upper.work, &copy.name);
        }
        self.union.copying.lock().remove(&self.key);
        self.union.copying.done.notify_all();
    }
}

impl Union {
    /// Makes a change; `Err` if it must wait for a file's content. It had no effect then, and
    /// [`Union::go_on`] makes it, which takes long: no lock may be held for that.
    ///
    /// # Errors
    /// What the change waits for.
    pub fn attempt<T>(&self, change: impl FnOnce() -> Result<T, Errno>) -> Result<Result<T, Errno>, Wanted> {
        OWN.with_borrow_mut(|own| own.may_wait = true);
        let result = change();
        let wanted = OWN.with_borrow_mut(|own| {
            own.may_wait = false;
            own.wanted.take()
        });
        wanted.map_or(Ok(result), Err)
    }

    /// Copies what a change waits for, and makes it, as often as it has something to wait for.
    ///
    /// # Errors
    /// What copying gives, `EINTR` where nobody wants the change any more; what the change gives.
    pub fn go_on<T>(
        &self,
        mut wanted: Wanted,
        mut change: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        loop {
            let _claim = self.copy_ahead(&wanted)?;
            match self.attempt(&mut change) {
                Ok(done) => return done,
                Err(next) => wanted = next,
            }
        }
    }

    /// Copies content for a change of this thread; `None` if another thread did, for its own change.
    fn copy_ahead(&self, wanted: &Wanted) -> Result<Option<Claim<'_>>, Errno> {
        let key = wanted.key.clone();
        let claim = {
            let _changing = self.change();
            self.writable()?;
            let is_first = self.copying.lock().insert(key.clone());
            is_first.then(|| Claim { union: self, key: key.clone() })
        };
        let Some(claim) = claim else {
            self.wait_for_other(&key)?;
            return Ok(None);
        };
        let upper = self.writable()?;
        let name = upper.temporary();
        let file = upper.work.create(&name, Mode::new(0o600))?;
        let copied =
            copy_content(&wanted.from, wanted.size, &file).and_then(|()| self.sync_copy(&file, true));
        OWN.with_borrow_mut(|own| own.copy = Some((key, Copy { name, file })));
        copied.map(|()| Some(claim))
    }

    fn wait_for_other(&self, key: &Key) -> Result<(), Errno> {
        let mut files = self.copying.lock();
        while files.contains(key) {
            if signals::interrupted() {
                return Err(Errno::INTR);
            }
            let waited = self.copying.done.wait_timeout(files, TICK);
            files = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// The copy that was made ahead for a change, if it needs one; `EAGAIN` puts the change off.
    pub(super) fn copied_ahead(
        &self,
        path: Vec<u8>,
        found: &Found,
        content: Content,
    ) -> Result<Option<Copy>, Errno> {
        let size = found.stat.size;
        let takes_time = size > SMALL || size > 0 && self.waits_for_disk;
        if found.stat.kind != Kind::File || content != Content::Copied || !takes_time {
            return Ok(None);
        }
        OWN.with_borrow_mut(|own| {
            let key = (found.place.layer, path);
            if own.copy.as_ref().is_some_and(|(made, _)| *made == key) {
                return Ok(own.copy.take().map(|(_, copy)| copy));
            }
            if !own.may_wait {
                return Ok(None);
            }
            own.wanted = Some(Wanted { key, from: Box::new(found.place.clone()), size });
            Err(Errno::AGAIN)
        })
    }
}
