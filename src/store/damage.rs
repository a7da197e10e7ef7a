//! Records that do not read back, such as those that a power cut left empty: what they are about goes out of the way of all
//! else, and nothing of it is removed.
//!
//! A mount without its record cannot be mounted again, as nothing else says on which layers. It is moved to
//! `mounts/.damaged-<name>-<number>`, where its upper can be looked at; no name begins with a dot. A draft goes on without
//! its record, which lies beside the new one as `draft.json.damaged` from then on.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::error::{io, own};
use super::mount_dir::{dirs_of, read_mount};
use super::record::read_bytes;
use super::{Error, Held, MountRecord, Store};
use crate::model::LayerName;
use crate::sys::{Dir, Errno, RenameFlags};

/// The longest record of a draft that is looked at, in bytes.
const LIMIT: u64 = 16 << 20;

/// What a draft's record is called that did not read back.
pub(super) const DAMAGED: &str = "draft.json.damaged";

/// A mount whose record does not read back, and that nobody uses; locked while the value lives.
#[derive(Debug)]
pub struct DamagedMount {
    /// Its name.
    pub name: LayerName,
    /// Its directory in the store.
    pub path: PathBuf,
    /// Where it may still be mounted.
    pub merged: PathBuf,
    pub(super) dir: Dir,
    _held: Rc<Held>,
}

impl DamagedMount {
    /// The upper and the mount point inside the store; `None` where one is gone.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`] where one cannot be opened.
    pub fn dirs(&self) -> Result<Option<(Dir, Dir)>, Error> {
        dirs_of(&self.dir, &self.path)
    }
}

/// Damage of a mount's records as an error about the mount.
pub(super) fn of_mount(name: &LayerName, path: &Path) -> impl Fn(Error) -> Error + use<> {
    let (name, upper) = (name.clone(), path.join("up/tree"));
    move |error| match error {
        damage @ (Error::Damaged { .. } | Error::Later { .. }) => {
            Error::DamagedMount { name: name.clone(), upper: upper.clone(), why: damage.to_string() }
        }
        other => other,
    }
}

/// The damage of a mount that has no record.
pub(super) fn no_record(path: &Path) -> Error {
    Error::Damaged { path: path.to_owned(), why: "it has no record".to_owned() }
}

impl Store {
    /// All mounts by name, used or not, and those of which a record does not read back.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be listed.
    pub fn mounts_and_damage(&self) -> Result<(Vec<MountRecord>, Vec<LayerName>), Error> {
        let (mut found, mut damaged) = (Vec::new(), Vec::new());
        for name in self.mount_list()? {
            match self.mount(&name) {
                Ok(Some(record)) => found.push(record),
                Ok(None) if self.is_settled(&name) => damaged.push(name),
                Ok(None) => {}
                Err(error) if error.is_damage() => damaged.push(name),
                // a list that misses what could not be read would pass for whole
                Err(error) => return Err(error),
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        damaged.sort_unstable();
        Ok((found, damaged))
    }

    /// Locks a mount whose record does not read back.
    ///
    /// # Errors
    /// [`Error::NoMount`], [`Error::Busy`], [`Error::Io`].
    pub fn open_damaged_mount(&self, name: &LayerName) -> Result<DamagedMount, Error> {
        let path = self.mounts_path().join(name.file_name());
        let dir = self.mounts.dir(name.file_name().as_bytes()).map_err(own("open", &path))?;
        let held = self.hold(&format!("mount {name}"), &dir).map_err(io("lock", &path))?;
        let held = held.ok_or_else(|| Error::Busy { what: format!("the mount `{name}`"), pid: None })?;
        if !self.is_at_its_place(&dir, name)? {
            return Err(Error::NoMount { name: name.clone() });
        }
        // the damage may be that of another record
        let at = read_mount(&dir, name, &path).ok().flatten().and_then(|record| record.at);
        let merged = at.unwrap_or_else(|| path.join("merged"));
        Ok(DamagedMount { name: name.clone(), path, merged, dir, _held: held })
    }

    /// Whether a mount is there, no other process uses it, and no commit in it waits to be ended: one that is committed in,
    /// or dropped, is not whole for a moment.
    pub(super) fn is_settled(&self, name: &LayerName) -> bool {
        self.mount_user(name).is_none()
            && self.has_mount(name).unwrap_or(true)
            && !self.is_half_committed(name)
    }

    /// Whether a mount's open directory still has its name: another process may have dropped it before the lock was ours.
    pub(super) fn is_at_its_place(&self, dir: &Dir, name: &LayerName) -> Result<bool, Error> {
        let path = self.mounts_path().join(name.file_name());
        let here = dir.stat_self().map_err(io("look at", &path))?;
        match self.mounts.stat(name.file_name().as_bytes()) {
            Ok(there) => Ok((there.dev, there.ino) == (here.dev, here.ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(io("look at", &path)(errno)),
        }
    }

    /// Frees the name of a damaged mount, which must be unmounted; gives where its files lie from now on.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn put_aside(&self, mount: &DamagedMount) -> Result<PathBuf, Error> {
        let (file, at) = (mount.name.file_name(), self.mounts_path());
        for number in 1_u64.. {
            let aside = format!(".damaged-{file}-{number}");
            match self.mounts.rename(file.as_bytes(), &self.mounts, aside.as_bytes(), RenameFlags::NOREPLACE)
            {
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(io("move away", at.join(&file))(errno)),
                Ok(()) => {
                    self.forget(&format!("mount {}", mount.name));
                    self.sync_dir(&self.mounts, &at)?;
                    return Ok(at.join(aside));
                }
            }
        }
        Err(io("move away", at.join(file))(Errno::EXIST))
    }

    /// Moves a draft's record away that is no JSON at all, so no later version's either; gives where it lies from now on.
    /// Only under the draft's lock.
    pub(super) fn cure_draft(&self, dir: &Dir, path: &Path) -> Result<Option<PathBuf>, Error> {
        let Some(bytes) = read_bytes(dir, "draft.json", path, LIMIT)? else { return Ok(None) };
        let is_whole = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
        if is_whole || self.check_writable().is_err() {
            return Ok(None);
        }
        // an earlier one stays, too
        self.keep_damaged(dir, path)?;
        let moved = dir.rename(b"draft.json", dir, DAMAGED.as_bytes(), RenameFlags::NOREPLACE);
        moved.map_err(io("move away", path.join("draft.json")))?;
        Ok(Some(path.join(DAMAGED)))
    }
}
