//! The overlay in user space: directories on disk shown as one tree, changes kept in the upper.
//!
//! Follows the kernel's OverlayFS mounted with `userxattr`, `redirect_dir=off`, `index=off`, `metacopy=off`:
//! the same results, the same errors, the same upper on disk, so that either can mount what the other wrote.
//! Files are named by their exact path in the union; symlinks are never followed here. Knows no FUSE.
//!
//! Threads: every change holds one lock, which is not held while content is copied that takes time; readers hold none.
//! Each change reaches the upper by one rename (or one system call), so a reader sees the state before or after. Lower
//! layers are taken to never change.
//!
//! Deliberately absent: the kernel's bookkeeping but for `origin` and `impure` (`uuid`, `nlink`), redirects,
//! the inode index, metadata-only copies, permission checks (they are the host's).
//!
//! # Source
//! Kernel `Documentation/filesystems/overlayfs.rst`; what it leaves open was looked up on Linux 6.18 by
//! `tests/mounts/semantics`.

mod ahead;
mod attributes;
mod by_name;
mod create;
mod events;
mod file;
mod lookup;
mod make;
mod marks;
mod merged;
mod numbers;
mod origin;
mod own_marks;
mod raise;
mod remove;
mod rename;
mod shown;
mod touched;
mod writer;
mod xattrs;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{Identity, Marks, Mode, Opaque, Trust, WhiteoutForm, names};
use crate::sys::{self, Dir, Errno, probe, xattr};
use merged::{Dirs, Merged, Part};
use numbers::Numbers;
use origin::Origins;

pub use ahead::Wanted;
pub use events::{Event, Listener, Over};
pub use make::Maker;
pub use own_marks::is_own_mark;
pub use shown::{Listed, Shown};
pub use writer::Writer;

/// What is synced before a copy takes its name in the upper, as the kernel's `fsync` says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Syncs {
    /// Nothing, and no sync of a user is passed on: `volatile`.
    Never,
    /// What has content. The file systems of servers keep the rest in order by themselves: `auto`.
    #[default]
    Content,
    /// Empty files and directories, too, for file systems that do not: `strict`.
    All,
}

impl Syncs {
    /// Whether a copy of a regular file is synced.
    fn concern(self, has_content: bool) -> bool {
        match self {
            Self::Never => false,
            Self::Content => has_content,
            Self::All => true,
        }
    }
}

/// How a union treats its host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The form of whiteouts in the upper.
    pub whiteouts: WhiteoutForm,
    /// What the host's owners mean.
    pub identity: Identity,
    /// On whose files our own marks count.
    pub trust: Trust,
    /// Which attributes are the kernel's marks.
    pub marks: Marks,
    /// Whether `.wh.NAME` counts as a whiteout, too.
    pub whiteouts_by_name: bool,
    /// Whether every directory has a link count of 1.
    pub static_links: bool,
    /// What is synced.
    pub syncs: Syncs,
}

/// A read-only layer of a union.
#[derive(Debug)]
pub struct LowerDir {
    /// The directory, by the mount that its files are reached by.
    pub dir: Dir,
    /// Where it is found on the host.
    pub whereabouts: Whereabouts,
}

/// Where on the host a directory is found, which may be held by a mount that no path leads to.
#[derive(Debug)]
pub enum Whereabouts {
    /// Where its own descriptor says.
    Itself,
    /// Where another descriptor of it says, wherever it may be moved.
    Other(Dir),
    /// Where it was when it was opened.
    Path(PathBuf),
}

/// The writable directories of a union, on one file system.
#[derive(Debug)]
pub struct UpperDirs {
    /// Takes the changes.
    pub upper: Dir,
    /// Where copies are built before they are renamed into the upper.
    pub work: Dir,
    /// Where the upper is found on the host.
    pub whereabouts: Whereabouts,
}

#[derive(Debug)]
struct Upper {
    work: Dir,
    /// Makes names in the work directory unique.
    made: AtomicU64,
}

/// A stack of directories as one tree.
#[derive(Debug)]
pub struct Union {
    /// Top → bottom, as lookups go.
    lowers: Vec<Arc<Dir>>,
    /// The same order; then that of the upper, if there is one.
    whereabouts: Vec<Whereabouts>,
    upper: Option<Upper>,
    options: Options,
    root: Arc<Merged>,
    dirs: Dirs,
    /// The device numbers of the upper (of the topmost layer without one) and of each of `lowers`.
    devices: Box<[u64]>,
    numbers: Numbers,
    origins: Origins,
    changing: Mutex<()>,
    copying: ahead::Copying,
    /// Whether a sync of a copy has a disk to wait for.
    waits_for_disk: bool,
    frozen: AtomicBool,
    ears: events::Ears,
    touched: touched::Touched,
}

/// The names of copies in the making begin so; what a crash left is swept at the next start.
const TEMPORARY: &[u8] = b".ufs-";

impl Union {
    /// Opens a stack: `lowers` bottom → top, and an upper if it is writable.
    ///
    /// # Errors
    /// What reading the roots gives; `EINVAL` without any layer.
    pub fn new(lowers: Vec<LowerDir>, upper: Option<UpperDirs>, options: Options) -> Result<Self, Errno> {
        if lowers.is_empty() && upper.is_none() {
            return Err(Errno::INVAL);
        }
        let lowers = lowers.into_iter().rev().map(|lower| (Arc::new(lower.dir), lower.whereabouts));
        let (lowers, mut whereabouts): (Vec<Arc<Dir>>, Vec<Whereabouts>) = lowers.unzip();
        let mut parts = Vec::with_capacity(lowers.len());
        for (layer, dir) in lowers.iter().enumerate() {
            let marked = marks::opaque_mark(options.marks, dir, b".")? == Some(Opaque::Whiteouts);
            parts.push(Part::new(layer, marked, Arc::clone(dir)));
        }
        let (upper, top) = match upper {
            Some(UpperDirs { upper, work, whereabouts: found }) => {
                whereabouts.push(found);
                sweep(&work)?;
                let marked = marks::opaque_mark(options.marks, &upper, b".")? == Some(Opaque::Whiteouts);
                (Some(Upper { work, made: AtomicU64::new(0) }), Some((upper, marked)))
            }
            None => (None, None),
        };
        let first = top.as_ref().map(|(dir, _)| dir).or(lowers.first().map(|dir| &**dir));
        let every = first.into_iter().chain(lowers.iter().map(|dir| &**dir));
        let devices: Box<[u64]> = every.map(|dir| Ok(dir.stat_self()?.dev)).collect::<Result<_, Errno>>()?;
        let numbers = Numbers::new(devices.iter().copied());
        let origins = Origins::new(lowers.iter().map(|dir| &**dir));
        let in_memory = |upper: &Dir| probe::file_system_type(upper).is_ok_and(|name| name == "tmpfs");
        let in_memory = top.as_ref().is_some_and(|(upper, _)| in_memory(upper));
        let waits_for_disk = options.syncs.concern(true) && !in_memory;
        let root = Arc::new(Merged::new((Box::default(), 0), top, parts));
        Ok(Self {
            lowers,
            whereabouts,
            upper,
            options,
            root,
            dirs: Dirs::default(),
            devices,
            numbers,
            origins,
            changing: Mutex::default(),
            copying: ahead::Copying::default(),
            waits_for_disk,
            frozen: AtomicBool::new(false),
            ears: events::Ears::default(),
            touched: touched::Touched::default(),
        })
    }

    /// Makes every further change fail with `EROFS`, once those at work are done.
    pub fn freeze(&self) {
        loop {
            let changing = self.change();
            if self.copying.is_idle() {
                self.frozen.store(true, Ordering::SeqCst);
                return;
            }
            drop(changing);
            self.copying.wait_until_idle();
        }
    }

    /// Allows changes again.
    pub fn thaw(&self) {
        self.frozen.store(false, Ordering::SeqCst);
    }

    /// Whether it has an upper, so that files may be copied up, now or later.
    pub fn has_upper(&self) -> bool {
        self.upper.is_some()
    }

    /// Whether changes fail with `EROFS`.
    pub fn is_read_only(&self) -> bool {
        self.upper.is_none() || self.frozen.load(Ordering::SeqCst)
    }

    /// Whether nothing is synced, whoever asks for it.
    pub fn is_volatile(&self) -> bool {
        self.options.syncs == Syncs::Never
    }

    /// syncfs(2) of the upper's file system, unless nothing is synced.
    ///
    /// # Errors
    /// What the system gives.
    pub fn sync(&self) -> Result<(), Errno> {
        if self.is_volatile() { Ok(()) } else { self.root.upper().map_or(Ok(()), sys::sync_fs) }
    }

    /// Waits for the change at work; held for the whole of a change.
    fn change(&self) -> MutexGuard<'_, ()> {
        // the lock guards no data of its own, so a panic elsewhere leaves nothing half done in memory
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writable(&self) -> Result<&Upper, Errno> {
        match &self.upper {
            Some(upper) if !self.frozen.load(Ordering::SeqCst) => Ok(upper),
            _ => Err(Errno::ROFS),
        }
    }
}

impl Upper {
    /// A name that is free in the work directory.
    fn temporary(&self) -> Vec<u8> {
        let count = self.made.fetch_add(1, Ordering::Relaxed);
        [TEMPORARY, count.to_string().as_bytes()].concat()
    }

    /// Runs `build` with a fresh name in the work directory, and clears that name away if it fails.
    fn building<T>(&self, build: impl FnOnce(&Dir, &[u8]) -> Result<T, Errno>) -> Result<T, Errno> {
        self.building_on(None, build)
    }

    /// The same with a name that may be there already.
    fn building_on<T>(
        &self,
        name: Option<Vec<u8>>,
        build: impl FnOnce(&Dir, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let name = name.unwrap_or_else(|| self.temporary());
        let result = build(&self.work, &name);
        if result.is_err() {
            discard(&self.work, &name);
        }
        result
    }

    /// The same for what is to be at home in `up`: it inherits that directory's default access control list.
    fn building_in<T>(
        &self,
        up: &Dir,
        build: impl FnOnce(&Dir, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let Some(list) = xattr::if_there(xattr::get(up, names::DEFAULT_LIST))? else {
            return self.building(build);
        };
        let nest = self.temporary();
        self.work.mkdir(&nest, Mode::new(0o700))?;
        let result = self.work.dir(&nest).and_then(|dir| {
            xattr::set(&dir, names::DEFAULT_LIST, &list)?;
            build(&dir, TEMPORARY)
        });
        discard(&self.work, &nest);
        result
    }
}

/// Removes what is left in a work directory; a failure is only logged, the next start sweeps again.
fn discard(work: &Dir, name: &[u8]) {
    if let Err(error) = work.remove_tree(name) {
        log::warn!("cannot clear `{}` in the work directory: {error}", name.escape_ascii());
    }
}

/// Removes what a crash left in the work directory.
fn sweep(work: &Dir) -> Result<(), Errno> {
    for item in work.items()? {
        if item.name.starts_with(TEMPORARY) {
            work.remove_tree(&item.name)?;
        }
    }
    Ok(())
}
