//! A directory of the union: which layers it is merged of; and the bounded cache of such.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::model::LayerPath;
use crate::sys::{Dir, Errno, OFlags};

const UNKNOWN: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;

/// The longest path that leads from a part's base to a name in it, in bytes. One call of the system takes more, but
/// names beside and beneath such a one are asked for, too.
const REACH: usize = 2048;

/// A lower layer's part in a merged directory.
#[derive(Debug)]
pub(super) struct Part {
    /// Index into the union's lowers, 0 on top.
    pub(super) layer: usize,
    /// Marked `opaque=x`: whiteouts of the attribute form count in it.
    pub(super) marked: bool,
    /// A directory of the layer that the part lies in or is: the root, or far down one on the way.
    base: Arc<Dir>,
    /// The part's own directory, once something in it was too far from its base.
    own: OnceLock<Arc<Dir>>,
}

impl Part {
    pub(super) fn new(layer: usize, marked: bool, base: Arc<Dir>) -> Self {
        Self { layer, marked, base, own: OnceLock::new() }
    }
}

/// A way to a name in each lower part of a directory: from each part's base, or from its own directory.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    dir: &'a Merged,
    /// Where in the whole path of the name the way begins.
    pub(super) begin: usize,
    from_own: bool,
}

impl Way<'_> {
    /// The directory of a part that the way begins in.
    pub(super) fn base<'a>(&self, part: &'a Part) -> Result<&'a Arc<Dir>, Errno> {
        if !self.from_own {
            return Ok(&part.base);
        }
        if let Some(own) = part.own.get() {
            return Ok(own);
        }
        let path = self.dir.below_base()?;
        let own = part.base.open_beneath(&path, OFlags::PATH | OFlags::DIRECTORY)?;
        Ok(part.own.get_or_init(|| Arc::new(Dir::from_fd(own))))
    }
}

/// A directory of the union.
///
/// Without redirects a directory that has lower parts never moves, so every part lies at the same path.
#[derive(Debug)]
pub(super) struct Merged {
    /// The path in the union, without a leading `/`.
    pub(super) path: Box<[u8]>,
    /// Where in it the way from the bases of the lower parts begins.
    begin: usize,
    /// The part in the upper, which a copy-up adds.
    upper: OnceLock<Arc<Dir>>,
    /// Whether the upper's part is marked `opaque=x`.
    upper_marked: AtomicBool,
    /// Whether it is known that files in it inherit no ACL.
    without_acl: AtomicBool,
    /// Whether the upper's part is marked `impure`: unknown, no, yes.
    impure: AtomicU8,
    /// The lasting number that a lower part gives, once that was asked.
    number: OnceLock<u64>,
    /// The lower parts that show through, top → bottom.
    pub(super) lowers: Vec<Part>,
}

impl Merged {
    /// A directory whose lower parts lie at `path` from `begin` on, beneath their bases.
    pub(super) fn new(
        (path, begin): (Box<[u8]>, usize),
        upper: Option<(Dir, bool)>,
        lowers: Vec<Part>,
    ) -> Self {
        let marked = upper.as_ref().is_some_and(|(_, marked)| *marked);
        let upper = upper.map_or_else(OnceLock::new, |(dir, _)| OnceLock::from(Arc::new(dir)));
        let without_acl = AtomicBool::new(false);
        let upper_marked = AtomicBool::new(marked);
        let (impure, number) = (AtomicU8::new(UNKNOWN), OnceLock::new());
        Self { path, begin, upper, upper_marked, without_acl, impure, number, lowers }
    }

    pub(super) fn upper(&self) -> Option<&Arc<Dir>> {
        self.upper.get()
    }

    /// Adds the upper's part after a copy-up.
    pub(super) fn raised(&self, dir: Dir) -> &Arc<Dir> {
        self.upper.get_or_init(|| Arc::new(dir))
    }

    pub(super) fn upper_marked(&self) -> bool {
        self.upper_marked.load(Ordering::SeqCst)
    }

    pub(super) fn mark_upper(&self) {
        self.upper_marked.store(true, Ordering::SeqCst);
    }

    pub(super) fn known_without_acl(&self) -> bool {
        self.without_acl.load(Ordering::SeqCst)
    }

    /// Notes whether files in it are known to inherit no ACL.
    pub(super) fn note_without_acl(&self, known: bool) {
        self.without_acl.store(known, Ordering::SeqCst);
    }

    /// Whether the upper's part may hold copies, once that was looked at.
    pub(super) fn is_impure(&self) -> Option<bool> {
        match self.impure.load(Ordering::SeqCst) {
            UNKNOWN => None,
            known => Some(known == YES),
        }
    }

    pub(super) fn note_impure(&self, impure: bool) {
        let known = if impure { YES } else { NO };
        // what was found before a copy came counts less
        self.impure.fetch_max(known, Ordering::SeqCst);
    }

    /// The number that its lower part gives, as `ask` finds it.
    pub(super) fn number(&self, ask: impl FnOnce() -> Result<u64, Errno>) -> Result<u64, Errno> {
        if let Some(known) = self.number.get() {
            return Ok(*known);
        }
        let number = ask()?;
        Ok(*self.number.get_or_init(|| number))
    }

    /// How many layers it is merged of.
    pub(super) fn parts(&self) -> usize {
        self.lowers.len() + usize::from(self.upper().is_some())
    }

    /// Whether no lower layer takes part.
    pub(super) fn is_pure_upper(&self) -> bool {
        self.lowers.is_empty()
    }

    /// The way to a name in its lower parts, of which `path` is the whole path in the union.
    pub(super) fn way_to(&self, path: &[u8]) -> Way<'_> {
        let from_own = path.len() - self.begin > REACH;
        let name = if self.path.is_empty() { 0 } else { self.path.len() + 1 };
        Way { dir: self, begin: if from_own { name } else { self.begin }, from_own }
    }

    /// The path from the bases of its lower parts down to itself; of the root, the root.
    fn below_base(&self) -> Result<LayerPath, Errno> {
        LayerPath::parse(&self.path[self.begin..]).map_err(|_| Errno::NAMETOOLONG)
    }

    /// A lower part itself, where it lies: a directory, and the path beneath it.
    pub(super) fn place_of<'a>(&'a self, part: &'a Part) -> (&'a Arc<Dir>, &'a [u8]) {
        let path = &self.path[self.begin..];
        (&part.base, if path.is_empty() { b"." } else { path })
    }

    /// A lower part, opened.
    pub(super) fn open_part(&self, part: &Part) -> Result<Dir, Errno> {
        part.base.beneath(&self.below_base()?)
    }

    /// The path of a name in it.
    pub(super) fn path_of(&self, name: &[u8]) -> Vec<u8> {
        join(&self.path, name)
    }
}

/// One more name on a path.
pub(super) fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(dir.len() + 1 + name.len());
    path.extend_from_slice(dir);
    if !dir.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// Directories seen lately, by path. Each may hold one descriptor, so the bound is low.
#[derive(Debug, Default)]
pub(super) struct Dirs {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Counts changes of what directories are merged of: a lookup that began before one is not kept.
    epoch: u64,
    clock: u64,
    dirs: HashMap<Box<[u8]>, (Arc<Merged>, u64)>,
}

/// The most directories kept.
const BOUND: usize = 256;

impl Dirs {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, path: &[u8]) -> Option<Arc<Merged>> {
        let mut known = self.lock();
        known.clock += 1;
        let clock = known.clock;
        let (dir, used) = known.dirs.get_mut(path)?;
        *used = clock;
        Some(Arc::clone(dir))
    }

    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Keeps what a lookup that began at `epoch` found; gives the one to use.
    pub(super) fn keep(&self, epoch: u64, dir: Arc<Merged>) -> Arc<Merged> {
        let mut known = self.lock();
        if known.epoch != epoch {
            return dir;
        }
        if let Some((there, _)) = known.dirs.get(&dir.path) {
            return Arc::clone(there);
        }
        known.insert(Arc::clone(&dir));
        dir
    }

    /// Puts a directory that was just copied up in the place of any other record of it.
    pub(super) fn replace(&self, dir: &Arc<Merged>) {
        let mut known = self.lock();
        known.epoch += 1;
        known.insert(Arc::clone(dir));
    }

    /// Forgets a directory that was removed or moved, and everything beneath it.
    pub(super) fn forget(&self, path: &[u8]) {
        let mut known = self.lock();
        known.epoch += 1;
        known.dirs.retain(|held, _| {
            !held.strip_prefix(path).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        });
    }
}

impl Known {
    fn insert(&mut self, dir: Arc<Merged>) {
        if self.dirs.len() >= BOUND {
            let mut uses: Vec<u64> = self.dirs.values().map(|(_, used)| *used).collect();
            let (_, middle, _) = uses.select_nth_unstable(BOUND / 2);
            let middle = *middle;
            self.dirs.retain(|_, (_, used)| *used > middle);
        }
        self.clock += 1;
        self.dirs.insert(dir.path.clone(), (dir, self.clock));
    }
}
