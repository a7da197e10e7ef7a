//! How a stack is mounted: one face for the kernel's overlay and our union.
//!
//! Knows no store and no Rhai. A driver takes directories (bottom → top), gives [`Files`] to work on.

mod direct;
mod error;
mod files;
mod fuse;
mod host_dir;
mod marks;
mod overlay;
mod point;

pub use direct::DirectFiles;
pub use error::MountError;
pub use files::{Content, DirItem, Files, Follow, OpenHow, RenameHow, Stat};
pub use fuse::{Alone, AloneSpec, Manner, mount_alone};
pub use host_dir::HostDir;

use std::fmt;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Identity, LayerPath, Mode, Trust, WhiteoutForm};
use crate::sys::Dir;
use crate::sys::step::step;

pub use crate::union::{Event, Listener, Over};

/// What is mounted, and how.
#[derive(Debug)]
pub struct MountSpec<'a> {
    /// The read-only layers, bottom → top, each once; at least one.
    pub lowers: Vec<BorrowedFd<'a>>,
    /// The writable directory and, on the same file system, an empty scratch directory.
    pub upper: Option<(BorrowedFd<'a>, BorrowedFd<'a>)>,
    /// An empty directory of the mount's own for beneath all layers, where there is no upper: the kernel wants two layers,
    /// and by it a mount can be told from others of the same stack.
    pub empty: Option<BorrowedFd<'a>>,
    /// The mount point; not used by [`DriverKind::Direct`].
    pub target: Option<PathBuf>,
    /// Whether the mount takes no changes.
    pub read_only: bool,
    /// Whether syncs are left out.
    pub volatile: bool,
    /// How whiteouts are written in this store (the kernel always writes devices).
    pub whiteouts: WhiteoutForm,
    /// What the host's owners mean.
    pub identity: Identity,
    /// On whose files our own marks count.
    pub trust: Trust,
}

/// A mounted union. Dropping it unmounts it.
pub trait Mounted {
    /// Its driver.
    fn kind(&self) -> DriverKind;
    /// Its files.
    fn files(&self) -> &dyn Files;
    /// The merged directory, for drivers that make a mount.
    fn merged(&self) -> Option<&Path>;
    /// Makes it read-only for everybody, so that the upper can be sealed.
    ///
    /// # Errors
    /// [`MountError::Busy`] with the processes that write, [`MountError::MountedInside`].
    fn freeze(&mut self) -> Result<(), MountError>;
    /// Takes [`Mounted::freeze`] back.
    fn thaw(&mut self) -> Result<(), MountError>;
    /// Puts another stack in its place at the same mount point. The old one must be frozen.
    fn replace(&mut self, spec: &MountSpec<'_>) -> Result<(), MountError>;
    /// Unmounts.
    ///
    /// # Errors
    /// [`MountError::Busy`] while somebody writes in it; who only reads is left with a detached, read-only mount.
    fn unmount(&mut self) -> Result<(), MountError>;
    /// Tells a listener of every further change, also of the stacks that replace this one; `None` tells nobody. Whether
    /// the driver can: the kernel's overlay tells nothing.
    fn listen(&self, listener: Option<Arc<dyn Listener>>) -> bool;
    /// Waits until the listener has heard of all that was done so far.
    fn catch_up(&self) {}
    /// Leaves it mounted when this value goes.
    fn abandon(&mut self);
}

/// Mounts a stack by a driver.
///
/// # Errors
/// [`MountError`]; nothing stays mounted.
pub fn mount(kind: DriverKind, spec: &MountSpec<'_>) -> Result<Box<dyn Mounted>, MountError> {
    let on = || spec.target.as_ref().map_or_else(String::new, |target| target.display().to_string());
    let step = step(kind.mounts(), on);
    let mounted = match kind {
        DriverKind::Overlay => overlay::mount(spec),
        DriverKind::Direct => direct::mount(spec),
        DriverKind::Fuse => fuse::mount(spec),
    };
    step.ended(&mounted, ToString::to_string);
    mounted
}

/// Tries the FUSE driver with a small stack of its own in an empty host directory: a mount, a file, an unmount.
///
/// # Errors
/// Whatever stands in the way.
pub fn try_fuse(scratch: &Path) -> Result<(), MountError> {
    let told = MountError::target("try a mount in", scratch);
    let names: [&[u8]; 4] = [b"lower", b"upper", b"work", b"merged"];
    let parent = Dir::open(scratch);
    let made = parent.and_then(|parent| {
        names.iter().try_for_each(|name| parent.mkdir(name, Mode::new(0o755)))?;
        Ok([parent.dir(b"lower")?, parent.dir(b"upper")?, parent.dir(b"work")?])
    });
    let [lower, upper, work] = made.map_err(told)?;
    let spec = MountSpec {
        lowers: vec![lower.as_fd()],
        upper: Some((upper.as_fd(), work.as_fd())),
        empty: None,
        target: Some(scratch.join("merged")),
        read_only: false,
        volatile: true,
        whiteouts: WhiteoutForm::Device,
        identity: Identity::AsIs,
        trust: Trust::Nobody,
    };
    let mut mounted = fuse::mount(&spec)?;
    let probe = LayerPath::parse(b"probe").unwrap_or_default();
    let taken = mounted.files().mkdir(&probe, Mode::new(0o755));
    mounted.unmount()?;
    taken.map_err(|errno| MountError::Server { act: "change something in the mount", errno })
}

/// Unmounts what an earlier process left at a mount point of the mount whose directory in a store is `dir`; what is
/// somebody else's there stays.
///
/// # Errors
/// [`MountError::Busy`] while somebody writes in it.
pub fn unmount_left_over(target: &Path, dir: &Path) -> Result<(), MountError> {
    point::unmount_left_over(target, dir)
}

/// Refuses an upper that a process which an earlier run of ours left behind may still write: in a mount of another
/// namespace, or in one that is attached nowhere. `any_dir`: any directory, for the attempt.
///
/// # Errors
/// [`MountError::UpperInUse`].
pub fn refuse_used_upper(target: &Path, upper: &Dir, any_dir: &Dir) -> Result<(), MountError> {
    overlay::refuse_used_upper(target, upper, any_dir)
}

/// Which way a stack is mounted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum DriverKind {
    /// The kernel's OverlayFS.
    Overlay,
    /// Our union in user space, behind a FUSE mount.
    Fuse,
    /// The same union inside this process, without a mount.
    Direct,
}

impl DriverKind {
    /// The step of mounting by it, for the log.
    fn mounts(self) -> &'static str {
        match self {
            Self::Overlay => "mount by overlay",
            Self::Fuse => "mount by fuse",
            Self::Direct => "mount by direct",
        }
    }

    /// The word that users type: `overlay`, `fuse`, `direct`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Fuse => "fuse",
            Self::Direct => "direct",
        }
    }

    /// Reads [`DriverKind::word`] back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Overlay, Self::Fuse, Self::Direct].into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
