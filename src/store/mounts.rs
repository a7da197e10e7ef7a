//! Mounts on disk: their directories, their record, who uses them. Mounting itself is the drivers'.
//!
//! `mount.json` says how to mount again; `owner` names the process that mounted it. A mount whose `owner` is there
//! but whose directory nobody has locked was left by a process that ended without unmounting.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::error::io;
use super::record::{
    MetadataJson, PartJson, VERSION, check_version, hex, parts_from_json, parts_to_json, path_from, read_json,
    replace_json_beside, write_new_json,
};
use super::seal::root_differs;
use super::walk::root_metadata;
use super::{Error, Held, StackPart, Store, place};
use crate::model::{LayerName, Metadata, Mode};
use crate::sys::process::Identity;
use crate::sys::{Dir, Errno, RenameFlags};

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
    /// The merged root beneath the upper.
    pub root: Metadata,
    /// The process that mounted it, if it is not unmounted.
    pub owner: Option<u32>,
}

/// A mount whose process ended without unmounting it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stale {
    /// Its name.
    pub name: LayerName,
    /// Where it may still be mounted.
    pub merged: PathBuf,
    /// Its record.
    pub record: MountRecord,
    /// Whether its upper holds changes that are not committed.
    pub dirty: bool,
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
            root: (&record.root).into(),
        }
    }
}

impl MountJson {
    /// The record after a commit.
    pub(super) fn grow(&mut self, stack: &[StackPart], root: &Metadata) {
        self.stack = parts_to_json(stack);
        self.root = root.into();
    }

    fn read(self, name: LayerName, owner: Option<u32>) -> Result<MountRecord, String> {
        check_version(self.version)?;
        Ok(MountRecord {
            name,
            stack: parts_from_json(&self.stack)?,
            driver: self.driver,
            at: self.at.as_deref().map(path_from).transpose()?,
            read_only: self.read_only,
            volatile: self.volatile,
            kept: self.kept,
            root: self.root.read()?,
            owner,
        })
    }
}

impl MountDir {
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
            errno => io("open", self.upper_path())(errno),
        })
    }

    /// The kernel's scratch directory.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn work(&self) -> Result<Dir, Error> {
        self.inner.dir.dir(b"work").map_err(io("open", self.work_path()))
    }

    /// The mount point inside the store.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn merged(&self) -> Result<Dir, Error> {
        self.inner.dir.dir(b"merged").map_err(io("open", self.merged_path()))
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
    let items = tree.items().map_err(io("list", at.join("up/tree")))?;
    Ok(!items.is_empty() || root_differs(&root_metadata(tree)?, beneath))
}

impl Store {
    pub(super) fn mounts_path(&self) -> PathBuf {
        self.path.join("mounts")
    }

    /// Makes a mount's directories with an empty upper whose root looks like the one beneath.
    ///
    /// # Errors
    /// [`Error::MountExists`], [`Error::Io`].
    pub fn create_mount(&self, name: &LayerName, new: &NewMount<'_>) -> Result<MountDir, Error> {
        let (file, key) = (name.file_name(), format!("mount {name}"));
        if self.mounts.stat(file.as_bytes()).is_ok() {
            return Err(Error::MountExists { name: name.clone() });
        }
        let (aside, dir) = self.temporary.make()?;
        let made = self.fill_mount(&dir, &aside, &file, &key, name, new);
        if made.is_err() {
            self.forget(&key);
            self.temporary.drop_name(&aside);
        }
        let (record, held) = made?;
        Ok(MountDir {
            inner: Rc::new(Inner {
                name: name.clone(),
                dir,
                path: self.mounts_path().join(file),
                record: RefCell::new(record),
                aside: RefCell::default(),
                _held: held,
            }),
        })
    }

    fn fill_mount(
        &self,
        dir: &Dir,
        aside: &str,
        file: &str,
        key: &str,
        name: &LayerName,
        new: &NewMount<'_>,
    ) -> Result<(MountRecord, Rc<Held>), Error> {
        let at = self.temporary.path().join(aside);
        let record = MountRecord {
            name: name.clone(),
            stack: new.stack.clone(),
            driver: new.driver.to_owned(),
            at: new.at.clone(),
            read_only: new.read_only,
            volatile: new.volatile,
            kept: false,
            root: new.root.clone(),
            owner: Some(std::process::id()),
        };
        for (sub, mode) in [(&b"up"[..], 0o755), (b"work", 0o700), (b"merged", 0o755)] {
            dir.mkdir(sub, Mode::new(mode)).map_err(io("make directories in", &at))?;
        }
        fill_upper(&dir.dir(b"up").map_err(io("open", &at))?, &new.root, &at)?;
        write_new_json(dir, "mount.json", &MountJson::from(&record), &at, false)?;
        write_new_json(dir, "owner", &Identity::own(), &at, false)?;
        let held = self.hold(key, dir).map_err(io("lock", &at))?;
        let held = held.ok_or_else(|| self.busy(name))?;
        let from = self.temporary.dir();
        match from.rename(aside.as_bytes(), &self.mounts, file.as_bytes(), RenameFlags::NOREPLACE) {
            Ok(()) => Ok((record, held)),
            Err(Errno::EXIST | Errno::NOTEMPTY) => Err(Error::MountExists { name: name.clone() }),
            Err(errno) => Err(io("make", self.mounts_path().join(file))(errno)),
        }
    }

    fn busy(&self, name: &LayerName) -> Error {
        let owner = self.mount(name).ok().flatten().and_then(|record| record.owner);
        Error::Busy { what: format!("the mount `{name}`"), pid: owner.filter(|&pid| pid != std::process::id()) }
    }

    /// Takes a mount into use: locks it, records this process as its owner, gives it a fresh scratch directory.
    ///
    /// # Errors
    /// [`Error::NoMount`], [`Error::Busy`] with the process that uses it, [`Error::Damaged`].
    pub fn open_mount(&self, name: &LayerName) -> Result<MountDir, Error> {
        let (file, key) = (name.file_name(), format!("mount {name}"));
        let path = self.mounts_path().join(&file);
        let dir = self.mounts.dir(file.as_bytes()).map_err(|errno| match errno {
            Errno::NOENT => Error::NoMount { name: name.clone() },
            errno => io("open", &path)(errno),
        })?;
        if self.is_held(&key, &dir) {
            return Err(self.busy(name));
        }
        let held = self.hold(&key, &dir).map_err(io("lock", &path))?;
        let held = held.ok_or_else(|| self.busy(name))?;
        self.resume_commit(&dir, &path)?;
        let mut record =
            self.read_mount(&dir, name, &path)?.ok_or_else(|| Error::NoMount { name: name.clone() })?;
        write_new_json(&dir, "owner", &Identity::own(), &path, false)?;
        if record.kept {
            record.kept = false;
            replace_json_beside(&dir, "mount.json", &MountJson::from(&record), &path, false)?;
        }
        record.owner = Some(std::process::id());
        let aside = self.fresh_work(&dir, &path)?;
        let mount = MountDir {
            inner: Rc::new(Inner {
                name: name.clone(),
                dir,
                path,
                record: RefCell::new(record),
                aside: RefCell::new(aside.into_iter().collect()),
                _held: held,
            }),
        };
        self.sweep(&mount);
        self.stale.borrow_mut().retain(|stale| stale.name != *name);
        Ok(mount)
    }

    /// Sets the scratch directory aside and makes an empty one.
    pub(super) fn fresh_work(&self, dir: &Dir, path: &Path) -> Result<Option<String>, Error> {
        let aside = match dir.stat(b"work") {
            Ok(_) => Some(self.temporary.set_aside(dir, "work", path)?),
            Err(_) => None,
        };
        dir.mkdir(b"work", Mode::new(0o700)).map_err(io("make", path.join("work")))?;
        Ok(aside)
    }

    /// Makes an empty upper in `tmp/`; gives its name there.
    fn make_upper(&self, root: &Metadata) -> Result<String, Error> {
        let (aside, up) = self.temporary.make()?;
        let at = self.temporary.path().join(&aside);
        if let Err(error) = fill_upper(&up, root, &at) {
            self.temporary.drop_name(&aside);
            return Err(error);
        }
        Ok(aside)
    }

    fn place_upper(&self, aside: &str, dir: &Dir, path: &Path, flags: RenameFlags) -> Result<(), Error> {
        let moved = self.temporary.dir().rename(aside.as_bytes(), dir, b"up", flags);
        if moved.is_err() {
            self.temporary.drop_name(aside);
        }
        moved.map_err(io("make", path.join("up")))
    }

    /// Puts an empty upper where there is none.
    pub(super) fn fresh_upper(&self, dir: &Dir, root: &Metadata, path: &Path) -> Result<(), Error> {
        let aside = self.make_upper(root)?;
        self.place_upper(&aside, dir, path, RenameFlags::NOREPLACE)
    }

    /// Puts an empty upper in place of the one that is there, in one step; gives the old one's name in `tmp/`.
    pub(super) fn exchange_upper(&self, dir: &Dir, root: &Metadata, path: &Path) -> Result<String, Error> {
        let aside = self.make_upper(root)?;
        self.place_upper(&aside, dir, path, RenameFlags::EXCHANGE)?;
        Ok(aside)
    }

    fn read_mount(&self, dir: &Dir, name: &LayerName, path: &Path) -> Result<Option<MountRecord>, Error> {
        let Some(json) = read_json::<MountJson>(dir, "mount.json", path)? else { return Ok(None) };
        // what the owner's record says is for messages only
        let owner = read_json::<Identity>(dir, "owner", path).ok().flatten().map(|identity| identity.pid);
        let read = json.read(name.clone(), owner);
        read.map(Some).map_err(|why| Error::Damaged { path: path.join("mount.json"), why })
    }

    /// A mount's record; `None` if there is none of that name.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn mount(&self, name: &LayerName) -> Result<Option<MountRecord>, Error> {
        let path = self.mounts_path().join(name.file_name());
        match self.mounts.dir(name.file_name().as_bytes()) {
            Ok(dir) => self.read_mount(&dir, name, &path),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(io("open", path)(errno)),
        }
    }

    /// All mounts by name, used or not; records that do not read back are left out (see [`Store::check`]).
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be listed.
    pub fn mounts(&self) -> Result<Vec<MountRecord>, Error> {
        let mut found = Vec::new();
        for name in self.mount_list()? {
            match self.mount(&name) {
                Ok(record) => found.extend(record),
                Err(error) => log::warn!("{error}"),
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    pub(super) fn mount_list(&self) -> Result<Vec<LayerName>, Error> {
        let items = self.mounts.items().map_err(io("list", self.mounts_path()))?;
        let named = |item: &crate::sys::RawItem| {
            LayerName::from_file_name(std::str::from_utf8(&item.name).ok()?).ok()
        };
        Ok(items.iter().filter_map(named).collect())
    }

    /// Whether a process, this one too, uses a mount.
    pub fn is_live(&self, name: &LayerName) -> bool {
        let dir = self.mounts.dir(name.file_name().as_bytes());
        dir.is_ok_and(|dir| self.is_held(&format!("mount {name}"), &dir))
    }

    /// Ends the use of a mount; its upper stays. `kept`: it was left mounted on purpose.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn release_mount(&self, mount: &MountDir, kept: bool) -> Result<(), Error> {
        let path = mount.path();
        if kept {
            let record = MountRecord { kept, owner: None, ..mount.record() };
            replace_json_beside(mount.dir(), "mount.json", &MountJson::from(&record), path, false)?;
        } else {
            self.sweep(mount);
        }
        remove_owner(mount.dir(), path)?;
        self.forget(&format!("mount {}", mount.name()));
        Ok(())
    }

    /// Drops a mount with its upper. It must be unmounted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn discard_mount(&self, mount: &MountDir) -> Result<(), Error> {
        let aside = self.temporary.set_aside(&self.mounts, &mount.name().file_name(), &self.mounts_path())?;
        self.forget(&format!("mount {}", mount.name()));
        self.sweep(mount);
        self.temporary.remove(&aside)
    }

    /// Removes what commits and resets set aside; to be called once nothing has it mounted any more.
    pub fn sweep(&self, mount: &MountDir) {
        for name in mount.inner.aside.take() {
            self.temporary.drop_name(&name);
        }
    }

    /// Takes the mounts that were left by processes that ended without unmounting, found when the store was opened.
    pub fn take_stale(&self) -> Vec<Stale> {
        self.stale.take()
    }

    /// Forgets the dead owner of a mount, once it is no longer mounted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn settle(&self, name: &LayerName) -> Result<(), Error> {
        let path = self.mounts_path().join(name.file_name());
        match self.mounts.dir(name.file_name().as_bytes()) {
            Ok(dir) => remove_owner(&dir, &path),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(io("open", path)(errno)),
        }
    }

    /// Ends half-done commits, and finds the mounts that dead processes left.
    pub(super) fn recover_mounts(&self) -> Result<(), Error> {
        for name in self.mount_list()? {
            if let Err(error) = self.recover_mount(&name) {
                log::warn!("{error}");
            }
        }
        Ok(())
    }

    fn recover_mount(&self, name: &LayerName) -> Result<(), Error> {
        let file = name.file_name();
        let has = |what: &str| self.mounts.stat(format!("{file}/{what}").as_bytes()).is_ok();
        let (owned, committing) = (has("owner"), has("commit.json"));
        if !owned && !committing {
            return Ok(());
        }
        let path = self.mounts_path().join(&file);
        let dir = self.mounts.dir(file.as_bytes()).map_err(io("open", &path))?;
        let key = format!("mount {name}");
        let Some(_held) = self.hold(&key, &dir).map_err(io("lock", &path))? else { return Ok(()) };
        self.resume_commit(&dir, &path)?;
        if owned && let Some(record) = self.read_mount(&dir, name, &path)? {
            let tree = dir.dir(b"up").and_then(|up| up.dir(b"tree"));
            let dirty = tree.is_ok_and(|tree| is_dirty(&tree, &record.root, &path).unwrap_or(true));
            let merged = record.at.clone().unwrap_or_else(|| path.join("merged"));
            self.stale.borrow_mut().push(Stale { name: name.clone(), merged, record, dirty });
        }
        Ok(())
    }
}

/// Makes `up/tree` with the metadata of the root beneath.
fn fill_upper(up: &Dir, root: &Metadata, at: &Path) -> Result<(), Error> {
    up.mkdir(b"tree", Mode::new(0o755)).map_err(io("make directories in", at))?;
    let placed = place::set_metadata(up, b"tree", crate::model::Kind::Dir, root);
    placed.map(drop).map_err(io("set the owner, mode or attributes of", at.join("tree")))
}

fn remove_owner(dir: &Dir, path: &Path) -> Result<(), Error> {
    match dir.unlink(b"owner") {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(io("remove", path.join("owner"))(errno)),
    }
}
