//! One mount as a value: its record, and its directories while it is in use.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::error::{io, own};
use super::record::{
    MetadataJson, PartJson, VERSION, hex, parts_from_json, parts_to_json, path_from, read_json,
};
use super::seal::root_differs;
use super::walk::root_metadata;
use super::{Error, Held, StackPart};
use crate::model::{LayerName, Metadata};
use crate::sys::process::Identity;
use crate::sys::{Dir, Errno};

/// A mount to be made.
#[derive(Clone, Debug)]
pub struct NewMount<'a> {
    /// The layers, bottom → top.
    pub stack: Vec<StackPart>,
    /// The driver's word.
    pub driver: &'a str,
    /// A mount point outside the store.
    pub at: Option<PathBuf>,
    /// Whether it takes no changes.
    pub read_only: bool,
    /// Whether its upper need not outlive a power cut.
    pub volatile: bool,
    /// The merged root beneath the upper: that of the topmost layer.
    pub root: Metadata,
}

/// A mount as its record says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountRecord {
    /// Its name.
    pub name: LayerName,
    /// The layers, bottom → top, without the upper.
    pub stack: Vec<StackPart>,
    /// The driver's word.
    pub driver: String,
    /// A mount point outside the store.
    pub at: Option<PathBuf>,
    /// Whether it takes no changes.
    pub read_only: bool,
    /// Whether its upper need not outlive a power cut.
    pub volatile: bool,
    /// Whether it was left mounted on purpose.
    pub kept: bool,
    /// Whether layers of its stack were committed in it.
    pub committed: bool,
    /// The merged root beneath the upper.
    pub root: Metadata,
    /// The process that mounted it, if it is not unmounted.
    pub owner: Option<u32>,
}

/// A mount whose process ended without unmounting it; locked while the value lives, so that one process at a time looks
/// after it.
#[derive(Debug)]
pub struct Stale {
    /// Its name.
    pub name: LayerName,
    /// Its directory in the store.
    pub path: PathBuf,
    /// Where it may still be mounted.
    pub merged: PathBuf,
    /// Its record.
    pub record: MountRecord,
    /// Whether its upper holds changes that are not committed; an error where that cannot be seen.
    pub changes: Result<bool, Error>,
    pub(super) dir: Dir,
    pub(super) _held: Rc<Held>,
}

impl Stale {
    /// The upper and the mount point inside the store; `None` where one is gone.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`] where one cannot be opened.
    pub fn dirs(&self) -> Result<Option<(Dir, Dir)>, Error> {
        dirs_of(&self.dir, &self.path)
    }
}

/// The upper and the mount point in a mount's directory; `None` where one is gone.
pub(super) fn dirs_of(dir: &Dir, path: &Path) -> Result<Option<(Dir, Dir)>, Error> {
    let upper = dir.dir(b"up").and_then(|up| up.dir(b"tree"));
    match (upper, dir.dir(b"merged")) {
        (Ok(upper), Ok(merged)) => Ok(Some((upper, merged))),
        (Err(Errno::NOENT), _) | (_, Err(Errno::NOENT)) => Ok(None),
        (Err(errno), _) => Err(own("open", path.join("up/tree"))(errno)),
        (_, Err(errno)) => Err(own("open", path.join("merged"))(errno)),
    }
}

/// A mount in use by this process; its lock is held while any clone lives.
#[derive(Clone, Debug)]
pub struct MountDir {
    inner: Rc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: LayerName,
    dir: Dir,
    path: PathBuf,
    record: RefCell<MountRecord>,
    aside: RefCell<Vec<String>>,
    left: bool,
    _held: Rc<Held>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct MountJson {
    version: u32,
    stack: Vec<PartJson>,
    driver: String,
    at: Option<String>,
    read_only: bool,
    volatile: bool,
    kept: bool,
    #[serde(default)]
    committed: bool,
    root: MetadataJson,
}

impl From<&MountRecord> for MountJson {
    fn from(record: &MountRecord) -> Self {
        use std::os::unix::ffi::OsStrExt as _;
        Self {
            version: VERSION,
            stack: parts_to_json(&record.stack),
            driver: record.driver.clone(),
            at: record.at.as_ref().map(|path| hex(path.as_os_str().as_bytes())),
            read_only: record.read_only,
            volatile: record.volatile,
            kept: record.kept,
            committed: record.committed,
            root: (&record.root).into(),
        }
    }
}

impl NewMount<'_> {
    /// The record of the mount under that name, as this process makes it.
    pub(super) fn record(&self, name: &LayerName) -> MountRecord {
        MountRecord {
            name: name.clone(),
            stack: self.stack.clone(),
            driver: self.driver.to_owned(),
            at: self.at.clone(),
            read_only: self.read_only,
            volatile: self.volatile,
            kept: false,
            committed: false,
            root: self.root.clone(),
            owner: Some(std::process::id()),
        }
    }
}

impl MountJson {
    /// The record after a commit.
    pub(super) fn grow(&mut self, stack: &[StackPart], root: &Metadata) {
        self.stack = parts_to_json(stack);
        self.committed = true;
        self.root = root.into();
    }

    pub(super) fn read(self, name: LayerName, owner: Option<u32>) -> Result<MountRecord, String> {
        Ok(MountRecord {
            name,
            stack: parts_from_json(&self.stack)?,
            driver: self.driver,
            at: self.at.as_deref().map(path_from).transpose()?,
            read_only: self.read_only,
            volatile: self.volatile,
            kept: self.kept,
            committed: self.committed,
            root: self.root.read()?,
            owner,
        })
    }
}

impl MountDir {
    /// A mount whose lock is `held`; `left`: an earlier process may have left it mounted.
    pub(super) fn new(dir: Dir, path: PathBuf, record: MountRecord, left: bool, held: Rc<Held>) -> Self {
        let name = record.name.clone();
        let (record, aside) = (RefCell::new(record), RefCell::default());
        Self { inner: Rc::new(Inner { name, dir, path, record, aside, left, _held: held }) }
    }

    /// Whether an earlier process may have left it mounted, on purpose or not.
    pub fn may_be_mounted(&self) -> bool {
        self.inner.left
    }

    /// Takes the names of what was set aside.
    pub(super) fn take_aside(&self) -> Vec<String> {
        self.inner.aside.take()
    }

    /// Its name.
    pub fn name(&self) -> &LayerName {
        &self.inner.name
    }

    /// Its record as it is now.
    pub fn record(&self) -> MountRecord {
        self.inner.record.borrow().clone()
    }

    /// The upper, opened afresh.
    ///
    /// # Errors
    /// [`Error::NoUpper`] if it is gone.
    pub fn upper(&self) -> Result<Dir, Error> {
        let opened = self.inner.dir.dir(b"up").and_then(|up| up.dir(b"tree"));
        opened.map_err(|errno| match errno {
            Errno::NOENT => Error::NoUpper { name: self.name().clone() },
            errno => own("open", self.upper_path())(errno),
        })
    }

    /// The kernel's scratch directory.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn work(&self) -> Result<Dir, Error> {
        self.inner.dir.dir(b"work").map_err(own("open", self.work_path()))
    }

    /// The mount point inside the store.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn merged(&self) -> Result<Dir, Error> {
        self.inner.dir.dir(b"merged").map_err(own("open", self.merged_path()))
    }

    /// The mount's own directory in the store.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Where the upper lies on the host.
    pub fn upper_path(&self) -> PathBuf {
        self.inner.path.join("up/tree")
    }

    /// Where the scratch directory lies on the host.
    pub fn work_path(&self) -> PathBuf {
        self.inner.path.join("work")
    }

    /// Where the mount point inside the store lies on the host.
    pub fn merged_path(&self) -> PathBuf {
        self.inner.path.join("merged")
    }

    /// Whether the upper holds anything that a commit would keep.
    ///
    /// # Errors
    /// [`Error::NoUpper`], [`Error::Io`].
    pub fn dirty(&self) -> Result<bool, Error> {
        is_dirty(&self.upper()?, &self.inner.record.borrow().root, &self.inner.path)
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.inner.dir
    }

    pub(super) fn set_record(&self, record: MountRecord) {
        *self.inner.record.borrow_mut() = record;
    }

    pub(super) fn add_aside(&self, names: impl IntoIterator<Item = String>) {
        self.inner.aside.borrow_mut().extend(names);
    }
}

pub(super) fn is_dirty(tree: &Dir, beneath: &Metadata, at: &Path) -> Result<bool, Error> {
    let vacant = tree.is_vacant().map_err(io("list", at.join("up/tree")))?;
    Ok(!vacant || root_differs(&root_metadata(tree)?, beneath))
}

/// Reads a mount's record.
pub(super) fn read_mount(dir: &Dir, name: &LayerName, path: &Path) -> Result<Option<MountRecord>, Error> {
    let Some(json) = read_json::<MountJson>(dir, "mount.json", path)? else { return Ok(None) };
    // what the owner's record says is for messages only
    let owner = read_json::<Identity>(dir, "owner", path).ok().flatten().map(|identity| identity.pid);
    let read = json.read(name.clone(), owner);
    read.map(Some).map_err(|why| Error::Damaged { path: path.join("mount.json"), why })
}
