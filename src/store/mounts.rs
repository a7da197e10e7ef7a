//! Mounts on disk: making, opening, releasing, dropping and recovering them. Mounting itself is the drivers'.
//!
//! `mount.json` says how to mount again; `owner` names the process that mounted it. A mount whose `owner` is there
//! but whose directory nobody has locked was left by a process that ended without unmounting.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::damage::{no_record, of_mount};
use super::error::{io, own};
use super::looking::{MountUser, is_there};
use super::mount_dir::{MountJson, is_dirty, read_mount};
use super::publish::{replace_json_beside, write_new_json};
use super::{Error, Held, MountDir, MountRecord, NewMount, Stale, Store, barred, place};
use crate::model::{LayerName, Metadata, Mode};
use crate::sys::process::Identity;
use crate::sys::{Dir, Errno, RenameFlags};

impl Store {
    pub(super) fn mounts_path(&self) -> PathBuf {
        self.aside.as_deref().map_or(&self.path, |aside| &aside.path).join("mounts")
    }

    /// Makes a mount's directories with an empty upper whose root looks like the one beneath.
    ///
    /// # Errors
    /// [`Error::MountExists`], [`Error::NoLayer`] for a layer that another process has collected meanwhile, [`Error::Io`].
    pub fn create_mount(&self, name: &LayerName, new: &NewMount<'_>) -> Result<MountDir, Error> {
        if !new.read_only {
            self.check_writable()?;
        }
        let (file, key) = (name.file_name(), format!("mount {name}"));
        if self.has_mount(name)? {
            return Err(Error::MountExists { name: name.clone() });
        }
        self.hold_stack(&new.stack)?;
        let (aside, dir) = self.take_spare(name, new).map_or_else(|| self.temporary.make(), Ok)?;
        let made = self.fill_mount(&dir, &aside, &file, &key, name, new);
        if made.is_err() {
            self.forget(&key);
            self.temporary.drop_name(&aside);
        }
        let (record, held) = made?;
        Ok(MountDir::new(dir, self.mounts_path().join(file), record, false, held))
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
        let record = new.record(name);
        let is_spare = is_there(dir.stat(b"mount.json")).map_err(io("look at", at.join("mount.json")))?;
        if is_spare {
            // its age is the new mount's
            let now = crate::sys::now_as_stamped();
            dir.set_times(b"mount.json", None, Some(now)).map_err(io("set the time of", &at))?;
        } else {
            for (sub, mode) in [(&b"up"[..], 0o755), (b"work", 0o700), (b"merged", 0o755)] {
                dir.mkdir(sub, Mode::new(mode)).map_err(io("make directories in", &at))?;
            }
            fill_upper(&dir.dir(b"up").map_err(io("open", &at))?, &new.root, &at)?;
            if new.volatile && !new.read_only {
                self.mark_unsynced(dir, &at)?;
            }
            // What nobody has synced in the mount may go with it. Who syncs a file syncs all names above it, and then the
            // record must be there, too.
            write_new_json(dir, "mount.json", &MountJson::from(&record), &at, self.synced)?;
            write_new_json(dir, "owner", &Identity::own(), &at, false)?;
            // and so must all that a mount is made of
            self.sync_dir(dir, &at)?;
        }
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
        let pid = match self.mount_user(name) {
            Some(MountUser::Process(pid)) => Some(pid),
            Some(MountUser::Unseen) | None => None,
        };
        Error::Busy { what: format!("the mount `{name}`"), pid }
    }

    /// Opens a mount and locks it. Nothing else is changed before [`Store::take_over`], as an earlier process may have
    /// left it mounted.
    ///
    /// # Errors
    /// [`Error::NoMount`], [`Error::Busy`] with the process that uses it, [`Error::DamagedMount`].
    pub fn open_mount(&self, name: &LayerName) -> Result<MountDir, Error> {
        let (file, key) = (name.file_name(), format!("mount {name}"));
        let path = self.mounts_path().join(&file);
        let dir = self.mounts.dir(file.as_bytes()).map_err(|errno| match errno {
            Errno::NOENT => Error::NoMount { name: name.clone() },
            errno => own("open", &path)(errno),
        })?;
        self.stale.borrow_mut().retain(|stale| stale.name != *name);
        if self.is_held(&key, &dir).map_err(io("lock", &path))? {
            return Err(self.busy(name));
        }
        let held = self.hold(&key, &dir).map_err(io("lock", &path))?;
        let held = held.ok_or_else(|| self.busy(name))?;
        let damage = of_mount(name, &path);
        settle_upper(&dir, &path).map_err(&damage)?;
        self.end_left_commit(&dir, &path).map_err(&damage)?;
        let record = match read_mount(&dir, name, &path).map_err(&damage)? {
            Some(record) => record,
            None if self.is_at_its_place(&dir, name)? => return Err(damage(no_record(&path))),
            None => return Err(Error::NoMount { name: name.clone() }),
        };
        let left = record.kept || is_there(dir.stat(b"owner")).map_err(io("look at", path.join("owner")))?;
        Ok(MountDir::new(dir, path, record, left, held))
    }

    /// Ends a commit that a dead process left: nothing uses what it set aside.
    pub(super) fn end_left_commit(&self, dir: &Dir, path: &Path) -> Result<(), Error> {
        for aside in self.resume_commit(dir, path)?.unwrap_or_default() {
            self.temporary.drop_name(&aside);
        }
        Ok(())
    }

    /// Takes an open mount, which is mounted nowhere, into use: records this process as its owner.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn take_over(&self, mount: &MountDir) -> Result<(), Error> {
        let (dir, path) = (mount.dir(), mount.path());
        write_new_json(dir, "owner", &Identity::own(), path, false)?;
        let mut record = mount.record();
        if record.kept {
            record.kept = false;
            replace_json_beside(dir, "mount.json", &MountJson::from(&record), path, self.synced)?;
        }
        record.owner = Some(std::process::id());
        mount.set_record(record);
        Ok(())
    }

    /// Makes a mount in use, which is mounted nowhere, ready to be mounted again, with a fresh scratch directory: what
    /// is in the old one is of the mount that was, such as the kernel's mark of one without syncs, which it never takes
    /// back. Gives where files lie now that somebody wrote to the bare mount point of the store meanwhile.
    ///
    /// # Errors
    /// [`Error::Unsynced`], [`Error::Io`].
    pub fn ready_again(&self, mount: &MountDir) -> Result<Option<PathBuf>, Error> {
        let (dir, path, record) = (mount.dir(), mount.path(), mount.record());
        let strays = if record.at.is_none() { move_strays(mount)? } else { None };
        if record.read_only {
            return Ok(strays);
        }
        mount.refuse_doubtful_upper()?;
        if record.volatile {
            self.mark_unsynced(dir, path)?;
        }
        mount.add_aside(self.fresh_work(dir, path)?);
        self.sweep(mount);
        Ok(strays)
    }

    /// Sets the scratch directory aside and makes an empty one.
    pub(super) fn fresh_work(&self, dir: &Dir, path: &Path) -> Result<Option<String>, Error> {
        let there = is_there(dir.stat(b"work")).map_err(io("look at", path.join("work")))?;
        let aside = if there { Some(self.temporary.set_aside(dir, "work", path)?) } else { None };
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

    /// A mount's record; `None` if there is none of that name.
    ///
    /// # Errors
    /// [`Error::DamagedMount`], [`Error::Io`].
    pub fn mount(&self, name: &LayerName) -> Result<Option<MountRecord>, Error> {
        let path = self.mounts_path().join(name.file_name());
        match self.mounts.dir(name.file_name().as_bytes()) {
            Ok(dir) => read_mount(&dir, name, &path).map_err(of_mount(name, &path)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(own("open", path)(errno)),
        }
    }

    /// All mounts by name, used or not; records that do not read back are left out (see [`Store::check`]).
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be listed.
    pub fn mounts(&self) -> Result<Vec<MountRecord>, Error> {
        Ok(self.mounts_and_damage()?.0)
    }

    pub(super) fn mount_list(&self) -> Result<Vec<LayerName>, Error> {
        let items = self.mounts.items().map_err(io("list", self.mounts_path()))?;
        let named = |item: &crate::sys::RawItem| {
            LayerName::from_file_name(std::str::from_utf8(&item.name).ok()?).ok()
        };
        Ok(items.iter().filter_map(named).collect())
    }

    /// Whether a process, this one too, uses a mount, as far as can be seen.
    pub fn is_live(&self, name: &LayerName) -> bool {
        let dir = self.mounts.dir(name.file_name().as_bytes());
        dir.is_ok_and(|dir| self.is_held(&format!("mount {name}"), &dir).unwrap_or(false))
    }

    /// Ends the use of a mount; its upper stays, synced. `kept`: it was left mounted on purpose.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn release_mount(&self, mount: &MountDir, kept: bool) -> Result<(), Error> {
        let path = mount.path();
        if kept {
            let record = MountRecord { kept, owner: None, ..mount.record() };
            let json = MountJson::from(&record);
            replace_json_beside(mount.dir(), "mount.json", &json, path, self.synced)?;
        } else {
            self.sweep(mount);
            if self.synced && !mount.record().read_only {
                mount.sync_upper()?;
            }
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
        if self.keep_spare(mount, &aside) { Ok(()) } else { self.temporary.remove(&aside) }
    }

    /// Removes what commits and resets set aside; to be called once nothing has it mounted any more.
    pub fn sweep(&self, mount: &MountDir) {
        for name in mount.take_aside() {
            self.temporary.drop_name(&name);
        }
    }

    /// Takes the mounts that were left by processes that ended without unmounting, found when the store was opened.
    pub fn take_stale(&self) -> Vec<Stale> {
        self.stale.take()
    }

    /// Takes the reasons why something that an earlier run left half done could not be put right when the store was opened.
    /// It stays as it is, and the next start tries again.
    pub fn take_unsettled(&self) -> Vec<Error> {
        self.unsettled.take()
    }

    /// Forgets the dead owner of a mount, once it is no longer mounted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn settle(&self, stale: &Stale) -> Result<(), Error> {
        remove_owner(&stale.dir, &self.mounts_path().join(stale.name.file_name()))
    }

    /// Drops a mount that a dead process left, with its upper, once it is no longer mounted.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn discard_stale(&self, stale: &Stale) -> Result<(), Error> {
        let aside = self.temporary.set_aside(&self.mounts, &stale.name.file_name(), &self.mounts_path())?;
        self.temporary.remove(&aside)
    }

    /// Ends half-done commits, and finds the mounts that dead processes left.
    pub(super) fn recover_mounts(&self) -> Result<(), Error> {
        for name in self.mount_list()? {
            if let Err(error) = self.recover_mount(&name) {
                self.unsettled.borrow_mut().push(error);
            }
        }
        Ok(())
    }

    fn recover_mount(&self, name: &LayerName) -> Result<(), Error> {
        let file = name.file_name();
        let path = self.mounts_path().join(&file);
        let has = |what: &str| {
            let found = self.mounts.stat(format!("{file}/{what}").as_bytes());
            is_there(found).map_err(io("look at", path.join(what)))
        };
        let barred = has("up/barred.json")?;
        if !has("owner")? && !has("commit.json")? && !barred {
            return Ok(());
        }
        let dir = self.mounts.dir(file.as_bytes()).map_err(own("open", &path))?;
        settle_upper(&dir, &path).map_err(of_mount(name, &path))?;
        let key = format!("mount {name}");
        let Some(held) = self.hold(&key, &dir).map_err(io("lock", &path))? else { return Ok(()) };
        // dropped, or looked after, by another process before the lock was ours?
        if !self.is_at_its_place(&dir, name)? {
            return Ok(());
        }
        let owned = has("owner")?;
        let damage = of_mount(name, &path);
        self.end_left_commit(&dir, &path).map_err(&damage)?;
        if owned && let Some(record) = read_mount(&dir, name, &path).map_err(&damage)? {
            let changes = match dir.dir(b"up").and_then(|up| up.dir(b"tree")) {
                Ok(tree) => is_dirty(&tree, &record.root, &path),
                // there is nothing that could be lost
                Err(Errno::NOENT) => Ok(false),
                Err(errno) => Err(own("open", path.join("up/tree"))(errno)),
            };
            let merged = record.at.clone().unwrap_or_else(|| path.join("merged"));
            let name = name.clone();
            self.stale.borrow_mut().push(Stale { name, path, merged, record, changes, dir, _held: held });
        }
        Ok(())
    }
}

/// Sets right what a walk over an upper left opened up.
fn settle_upper(dir: &Dir, path: &Path) -> Result<(), Error> {
    match dir.dir(b"up") {
        Ok(up) => barred::settle(&up, &path.join("up")),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(own("open", path.join("up"))(errno)),
    }
}

/// Makes `up/tree` with the metadata of the root beneath.
pub(super) fn fill_upper(up: &Dir, root: &Metadata, at: &Path) -> Result<(), Error> {
    up.mkdir(b"tree", Mode::new(0o755)).map_err(io("make directories in", at))?;
    let placed = place::set_metadata(up, b"tree", crate::model::Kind::Dir, root);
    placed.map(drop).map_err(io("set the owner, mode or attributes of", at.join("tree")))
}

/// Moves what was written to a mount's bare mount point out of the way of the next mount, to a directory beside it.
fn move_strays(mount: &MountDir) -> Result<Option<PathBuf>, Error> {
    let (dir, path) = (mount.dir(), mount.path());
    let merged = match mount.merged() {
        Err(Error::Io { errno: Errno::NOENT, .. }) => None,
        merged => Some(merged?),
    };
    let mut strays = None;
    if let Some(merged) = merged {
        if merged.is_vacant().map_err(io("list", mount.merged_path()))? {
            return Ok(None);
        }
        for number in 1_u32.. {
            let name = format!("strays-{number}");
            match dir.rename(b"merged", dir, name.as_bytes(), RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(io("move", mount.merged_path())(errno)),
                Ok(()) => {
                    strays = Some(path.join(name));
                    break;
                }
            }
        }
    }
    dir.mkdir(b"merged", Mode::new(0o755)).map_err(io("make", mount.merged_path()))?;
    Ok(strays)
}

fn remove_owner(dir: &Dir, path: &Path) -> Result<(), Error> {
    match dir.unlink(b"owner") {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(io("remove", path.join("owner"))(errno)),
    }
}
