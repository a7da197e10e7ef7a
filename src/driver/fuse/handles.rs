//! Open files: descriptors that outlive names, and what an open may let the kernel do by itself.
//!
//! The kernel reads and writes an inode either through its page cache and us, or straight in a backing file
//! (passthrough); all opens of one inode go the same way and have one backing file for as long as one is open. That
//! cannot be taken back, so a file that may yet be copied up is never backed: it is read through the page cache, and
//! whoever has it open then goes on with the copy.
//!
//! # Source
//! Linux `fs/fuse/iomode.c`.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use fuser::BackingId;

use super::pushes::Scattered;
use crate::sys::{Errno, OFlags, rights};

/// So many descriptors of lower layers' files are held at most: such a file can be opened again, and everybody who uses
/// the mount shares our limit of open files.
const HELD: usize = 256;

/// An open file.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) node: u64,
    /// As it was opened, for opening it once more after a copy-up.
    pub(super) flags: OFlags,
    /// How it was read here and there.
    pub(super) scattered: Mutex<Scattered>,
    /// None until it is first read, or if there are many others; and whether it is the upper's.
    file: RwLock<(Option<Arc<File>>, bool)>,
}

impl OpenFile {
    fn new(node: u64, flags: OFlags, file: (Option<Arc<File>>, bool)) -> Self {
        Self { node, flags, scattered: Mutex::default(), file: RwLock::new(file) }
    }

    /// The file, if it is open here, too.
    pub(super) fn file(&self) -> Option<Arc<File>> {
        self.held().0.clone()
    }

    /// The file, as `open` gives it (and whether it is the upper's) if it is not open yet.
    pub(super) fn file_or(
        &self,
        open: impl FnOnce(OFlags) -> Result<(File, bool), Errno>,
    ) -> Result<Arc<File>, Errno> {
        if let Some(file) = self.file() {
            return Ok(file);
        }
        let (file, in_upper) = open(self.flags)?;
        let mut held = self.file.write().unwrap_or_else(PoisonError::into_inner);
        if held.0.is_none() {
            held.1 = in_upper;
        }
        Ok(Arc::clone(held.0.get_or_insert_with(|| Arc::new(file))))
    }

    /// Whether it is the upper's file.
    pub(super) fn in_upper(&self) -> bool {
        self.held().1
    }

    fn held(&self) -> std::sync::RwLockReadGuard<'_, (Option<Arc<File>>, bool)> {
        self.file.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the file here, if it can be opened again.
    fn part(&self) {
        let mut held = self.file.write().unwrap_or_else(PoisonError::into_inner);
        if !held.1 {
            held.0 = None;
        }
    }

    fn swap(&self, file: File) {
        *self.file.write().unwrap_or_else(PoisonError::into_inner) = (Some(Arc::new(file)), true);
    }
}

/// How an open goes on.
#[derive(Debug)]
pub(super) enum Admitted {
    /// By the page cache and us.
    Cached(u64),
    /// By the kernel alone.
    Passthrough(u64, Arc<BackingId>),
    /// The file was copied up meanwhile: it must be opened again.
    Again,
}

/// The opens of one node.
#[derive(Debug, Default)]
struct Opens {
    files: Vec<(u64, Arc<OpenFile>)>,
    /// The backing file, where they go straight.
    backing: Option<Arc<BackingId>>,
}

/// All that is open.
#[derive(Debug)]
pub(super) struct Handles {
    next: AtomicU64,
    files: RwLock<HashMap<u64, Arc<OpenFile>>>,
    by_node: Mutex<HashMap<u64, Opens>>,
    /// Those whose lower file was opened, the oldest first.
    lower: Mutex<VecDeque<Weak<OpenFile>>>,
    /// Whether the kernel lets us name backing files.
    pub(super) passthrough: AtomicBool,
}

impl Handles {
    pub(super) fn new() -> Self {
        Self {
            next: AtomicU64::new(1),
            files: RwLock::default(),
            by_node: Mutex::default(),
            lower: Mutex::default(),
            passthrough: AtomicBool::new(false),
        }
    }

    fn opens(&self) -> MutexGuard<'_, HashMap<u64, Opens>> {
        self.by_node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an opened file in. `straight`: whether passthrough is right for it; `is_raised`: whether its node's file
    /// is in the upper by now; `back` tells the kernel of a backing file.
    pub(super) fn admit(
        &self,
        open: (u64, OFlags),
        (file, in_upper): (File, bool),
        straight: bool,
        is_raised: impl FnOnce() -> bool,
        back: impl FnOnce(&File) -> std::io::Result<BackingId>,
    ) -> Admitted {
        let (node, flags) = open;
        let mut all = self.opens();
        if !in_upper && is_raised() {
            return Admitted::Again;
        }
        let opens = all.entry(node).or_default();
        if opens.backing.is_none() && opens.files.is_empty() && straight {
            opens.backing = self.back(&file, back);
        }
        let backing = opens.backing.clone();
        let file = Some(Arc::new(file));
        let number = self.add(opens, OpenFile::new(node, flags, (file, in_upper)));
        match backing {
            Some(backing) => Admitted::Passthrough(number, backing),
            None => Admitted::Cached(number),
        }
    }

    /// Takes an open of a lower layer's file in that is not opened before it is read; `None` if it must be.
    pub(super) fn admit_unopened(
        &self,
        node: u64,
        flags: OFlags,
        is_raised: impl FnOnce() -> bool,
    ) -> Option<u64> {
        let mut all = self.opens();
        if is_raised() {
            return None;
        }
        let opens = all.entry(node).or_default();
        if opens.backing.is_some() {
            return None;
        }
        Some(self.add(opens, OpenFile::new(node, flags, (None, false))))
    }

    fn add(&self, opens: &mut Opens, open: OpenFile) -> u64 {
        let (number, open) = (self.next.fetch_add(1, Ordering::Relaxed), Arc::new(open));
        if open.file().is_some() {
            self.note_held(&open);
        }
        opens.files.push((number, Arc::clone(&open)));
        self.files.write().unwrap_or_else(PoisonError::into_inner).insert(number, open);
        number
    }

    fn back(
        &self,
        file: &File,
        back: impl FnOnce(&File) -> std::io::Result<BackingId>,
    ) -> Option<Arc<BackingId>> {
        if !self.passthrough.load(Ordering::Relaxed) {
            return None;
        }
        // who opened it first writes for all: of a file that gets set-ID marks later every write must take them away
        match rights::without_keeping_set_ids(|| back(file)) {
            Ok(backing) => Some(Arc::new(backing)),
            Err(error) => {
                if error.kind() == std::io::ErrorKind::PermissionDenied {
                    // only root of the machine may
                    self.passthrough.store(false, Ordering::Relaxed);
                }
                log::debug!("no passthrough: {error}");
                None
            }
        }
    }

    /// Notes that an open lower file has a descriptor; the oldest gives its own up where there are too many.
    pub(super) fn note_held(&self, open: &Arc<OpenFile>) {
        if open.in_upper() {
            return;
        }
        let mut lower = self.lower.lock().unwrap_or_else(PoisonError::into_inner);
        lower.push_back(Arc::downgrade(open));
        let oldest = if lower.len() > HELD { lower.pop_front() } else { None };
        drop(lower);
        if let Some(oldest) = oldest.and_then(|oldest| oldest.upgrade()) {
            oldest.part();
        }
    }

    /// The open file of that number.
    pub(super) fn file(&self, number: u64) -> Result<Arc<OpenFile>, Errno> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.get(&number).cloned().ok_or(Errno::BADF)
    }

    /// Any open file of a node.
    pub(super) fn any_of(&self, node: u64) -> Option<Arc<OpenFile>> {
        self.opens().get(&node)?.files.first().map(|(_, open)| Arc::clone(open))
    }

    /// After a copy-up: whoever has the node open goes on with the upper's file, as `reopen` gives it.
    pub(super) fn raise(&self, node: u64, reopen: impl Fn(OFlags) -> Result<File, Errno>) {
        let mut all = self.opens();
        let Some(opens) = all.get_mut(&node) else { return };
        for (_, open) in opens.files.iter().filter(|(_, open)| !open.in_upper()) {
            match reopen(open.flags) {
                Ok(file) => open.swap(file),
                Err(errno) => log::warn!("an open file stays with the lower layer's: {errno}"),
            }
        }
    }

    /// Closes a file.
    pub(super) fn release(&self, number: u64) {
        let Some(open) = self.files.write().unwrap_or_else(PoisonError::into_inner).remove(&number) else {
            return;
        };
        let mut all = self.opens();
        if let Some(opens) = all.get_mut(&open.node) {
            opens.files.retain(|(held, _)| *held != number);
            if opens.files.is_empty() {
                all.remove(&open.node);
            }
        }
    }
}
