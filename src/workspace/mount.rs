//! A mount as scripts hold it, and its files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Act;
use super::copying::{self, Beyond, Keeper};
use super::error::Error;
use super::files::{self, on, path};
use super::layer::State;
use super::lowers::Origins;
use super::report::{MountReport, Role};
use super::said::{Said, is_doubtful, straight};
use super::{Layer, Stack, ToWrite, Workspace};
use crate::driver::{DirItem, DriverKind, Files, Mounted, Stat};
use crate::model::{LayerName, LayerPath, Timestamp};
use crate::store::{MountDir, MountPaths, MountRecord, MountUser, Store};
use crate::sys::{self, Dir};

/// A mount; a cheap handle by its name.
#[derive(Clone)]
pub struct Mount {
    workspace: Workspace,
    name: LayerName,
}

/// A mount that this process holds.
pub(super) struct Live {
    /// Its place in the store, locked by us.
    pub(super) dir: MountDir,
    /// Whether what is mounted shows an older stack than the store describes, as it could not be replaced.
    pub(super) behind: bool,
    /// The mounted union; `None` after `unmount()`.
    pub(super) mounted: Option<Box<dyn Mounted>>,
    /// Which layers its lowers are, while it is mounted.
    pub(super) origins: Origins,
}

impl PartialEq for Mount {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mount({})", self.name)
    }
}

impl Keeper for Mount {
    fn keep_time(&self, at: &LayerPath, meant: Timestamp) -> bool {
        let kept = self.in_upper(|store, upper| store.keep_time(upper, at, meant));
        kept.unwrap_or_default()
    }

    fn keep_attribute(&self, at: &LayerPath, name: &[u8], value: &[u8]) -> bool {
        let kept = self.in_upper(|store, upper| store.keep_attribute(upper, at, name, value));
        kept.unwrap_or_default()
    }
}

impl Mount {
    pub(super) fn new(workspace: &Workspace, name: LayerName) -> Self {
        Self { workspace: workspace.clone(), name }
    }

    pub(super) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    pub(super) fn layer_name(&self) -> &LayerName {
        &self.name
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.name.to_string()
    }

    /// What the store records of it.
    pub(super) fn record(&self) -> Result<MountRecord, Error> {
        if let Some(live) = self.workspace.0.live.borrow().get(&self.name) {
            return Ok(live.dir.record());
        }
        match self.workspace.store()?.mount(&self.name)? {
            Some(record) => Ok(record),
            None => Err(self.workspace.unknown_mount(self.name.as_str())?),
        }
    }

    /// The driver.
    ///
    /// # Errors
    /// [`Error::UnknownMount`] after [`Mount::discard`].
    pub fn driver(&self) -> Result<DriverKind, Error> {
        // a driver that this version does not know is stood in for by the one that works anywhere
        Ok(DriverKind::parse(&self.record()?.driver).unwrap_or(DriverKind::Direct))
    }

    /// Whether it takes no changes.
    pub fn read_only(&self) -> bool {
        self.record().is_ok_and(|record| record.read_only)
    }

    /// Whether this process has it mounted now.
    pub fn mounted(&self) -> bool {
        self.workspace.0.live.borrow().get(&self.name).is_some_and(|live| live.mounted.is_some())
    }

    /// The process that uses it, if it is another one than this.
    pub fn user(&self) -> Option<MountUser> {
        self.workspace.store().ok()?.mount_user(&self.name)
    }

    fn since(&self) -> Option<Timestamp> {
        self.workspace.store().ok()?.mount_since(&self.name)
    }

    /// The merged directory; `None` with `direct`, or when not mounted.
    pub fn path(&self) -> Option<PathBuf> {
        let live = self.workspace.0.live.borrow();
        live.get(&self.name)?.mounted.as_ref()?.merged().map(Path::to_owned)
    }

    fn paths(&self) -> Result<MountPaths, Error> {
        Ok(self.workspace.store()?.mount_paths(&self.name))
    }

    /// Where another terminal of this user or of root finds the merged directory.
    pub fn host_path(&self) -> Option<PathBuf> {
        let path = self.path()?;
        Some(self.workspace.0.options.namespace.host_path(&path))
    }

    /// The kernel's scratch directory.
    pub fn work(&self) -> Option<PathBuf> {
        if self.read_only() {
            return None;
        }
        Some(self.paths().ok()?.work)
    }

    /// The read-only layers, bottom → top.
    pub fn stack(&self) -> Result<Stack, Error> {
        Stack::new(self.workspace.layers_of(&self.record()?.stack)?, self.name())
    }

    /// The upper as a live layer.
    pub fn upper(&self) -> Result<Layer, Error> {
        if self.read_only() {
            return Err(Error::ReadOnly { name: self.name() });
        }
        Ok(Layer::new(&self.workspace, State::Upper(self.clone())))
    }

    pub(super) fn upper_tree(&self) -> Result<Rc<Dir>, Error> {
        Dir::open(&self.paths()?.upper).map(Rc::new).map_err(|errno| Error::File {
            act: Act::List,
            path: LayerPath::root(),
            errno,
        })
    }

    /// Whether the upper holds changes that are not committed.
    pub fn dirty(&self) -> Result<bool, Error> {
        if self.read_only() {
            return Ok(false);
        }
        if let Some(live) = self.workspace.0.live.borrow().get(&self.name) {
            return Ok(live.dir.dirty()?);
        }
        Ok(self.workspace.store()?.mount_is_dirty(&self.name)?)
    }

    /// The `mount -t overlay …` line that would do the same by hand.
    pub fn command(&self) -> Result<Vec<u8>, Error> {
        let record = self.record()?;
        let paths = self.paths()?;
        // the kernel does not see that a root is opaque, so what lies beneath must not be given to it
        let hidden = record.stack.len() - self.workspace.open_stack(&record.stack)?.len();
        let layers = self.stack()?;
        let lowers = layers.layers().iter().skip(hidden).map(Layer::path).collect::<Result<Vec<_>, _>>()?;
        let upper = (!record.read_only).then_some((&*paths.upper, &*paths.work));
        let target = record.at.clone().unwrap_or(paths.merged);
        Ok(sys::mount::command_line(&lowers, upper, &target, record.volatile))
    }

    /// Its own line.
    pub fn report(&self) -> Result<MountReport, Error> {
        let mut layers: Vec<_> = self.stack()?.layers().iter().map(Layer::label).collect();
        let read_only = self.read_only();
        let mut upper = None;
        if !read_only {
            let label = self.upper()?.label();
            debug_assert!(label.role == Role::Upper);
            upper.clone_from(&label.path);
            layers.push(label);
        }
        Ok(MountReport {
            name: self.name(),
            driver: self.driver()?,
            mounted: self.mounted(),
            read_only,
            merged: self.path(),
            host_path: self.host_path(),
            upper,
            work: self.work(),
            layers,
            dirty: self.dirty()?,
            user: self.user(),
            // the files are stamped by the clock, whatever replaces it elsewhere
            since: self.since().map(|since| since.min(self.workspace.now())),
            now: self.workspace.now(),
        })
    }

    /// Works on its files; an error if it is not mounted.
    pub(super) fn with<T>(&self, work: impl FnOnce(&dyn Files) -> Result<T, Error>) -> Result<T, Error> {
        let live = self.workspace.0.live.borrow();
        if let Some(mounted) = live.get(&self.name).and_then(|live| live.mounted.as_ref()) {
            return work(mounted.files());
        }
        // one that is gone cannot be mounted again
        self.record()?;
        Err(Error::NotMounted { name: self.name() })
    }

    fn at<T>(
        &self,
        at: &[u8],
        work: impl FnOnce(&dyn Files, &LayerPath) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let at = path(at)?;
        self.with(|files| work(files, &at))
    }

    fn errno<T>(
        &self,
        act: Act,
        at: &[u8],
        work: impl FnOnce(&dyn Files, &LayerPath) -> Result<T, sys::Errno>,
    ) -> Result<T, Error> {
        self.at(at, |files, at| on(act, at, work(files, at)))
    }

    /// Writes a whole file, with missing parents.
    pub fn write(&self, at: &[u8], data: &[u8]) -> Result<(), Error> {
        self.at(at, |files, at| files::write(files, at, data))
    }

    /// Writes at a file's end, with missing parents.
    pub fn append_to(&self, at: &[u8], data: &[u8]) -> Result<(), Error> {
        self.at(at, |files, at| files::append(files, at, data))
    }

    /// A file's content.
    pub fn read(&self, at: &[u8]) -> Result<Vec<u8>, Error> {
        self.at(at, files::read)
    }

    /// The names in a directory, sorted.
    pub fn ls(&self, at: &[u8]) -> Result<Vec<DirItem>, Error> {
        self.at(at, files::list)
    }

    /// The names in a directory that begin so, sorted.
    pub fn ls_from(&self, at: &[u8], begin: &[u8]) -> Result<Vec<DirItem>, Error> {
        self.at(at, |files, at| files::list_from(files, at, begin))
    }

    /// A file's attributes; a symlink's own.
    pub fn stat(&self, at: &[u8]) -> Result<Stat, Error> {
        self.at(at, |files, at| {
            let stat = files::stat(files, at)?;
            if is_doubtful(&stat) { self.said()?.complete(files, at, stat) } else { Ok(stat) }
        })
    }

    /// Whether the union shows the path.
    pub fn exists(&self, at: &[u8]) -> Result<bool, Error> {
        self.at(at, files::exists)
    }

    /// Every path that a glob matches, sorted.
    pub fn find(&self, glob: &[u8]) -> Result<Vec<LayerPath>, Error> {
        self.with(|files| files::find(files, glob))
    }

    /// Makes a directory, with missing parents.
    pub fn mkdir(&self, at: &[u8]) -> Result<(), Error> {
        self.at(at, files::mkdir)
    }

    /// Removes a file or an empty directory.
    pub fn rm(&self, at: &[u8]) -> Result<(), Error> {
        self.at(at, files::remove)
    }

    /// Removes a path and all beneath it; gives how many names were beneath it.
    pub fn rm_all(&self, at: &[u8]) -> Result<u64, Error> {
        self.at(at, |files, at| {
            let work = self.workspace.work(|| files::about("removing", files, at));
            files::remove_all(files, at, &work)
        })
    }

    /// Moves; a directory that lies in a lower is copied, as mv(1) does on `EXDEV`.
    pub fn mv(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        let from = path(from)?;
        self.carrying(|beyond| {
            self.at(to, |files, to| {
                let work = |what: &str| self.workspace.work(|| files::about(what, files, &from));
                files::rename(files, &from, to, &work, beyond)
            })
        })
    }

    /// Copies a file or a directory with its metadata.
    pub fn cp(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        let from = path(from)?;
        self.carrying(|beyond| {
            self.at(to, |files, to| {
                let work = self.workspace.work(|| files::about("copying", files, &from));
                copying::copy(files, &from, files, to, &work, beyond)
            })
        })
    }

    /// Copies within this mount, with all that its layers say of the originals; what the upper cannot keep is noted.
    fn carrying(&self, copies: impl FnOnce(&Beyond<'_>) -> Result<(), Error>) -> Result<(), Error> {
        let said = self.said()?;
        let beyond = Beyond { said: Some(&said), keeper: Some(self), ..Beyond::default() };
        let copied = copies(&beyond);
        if let Some(left_out) = beyond.left_out.take().say() {
            self.workspace.note(format!("not in the copy, as no file can keep it: {left_out}"));
        }
        copied
    }

    /// What its layers and its upper say of its files.
    fn said(&self) -> Result<Said, Error> {
        let upper = if self.read_only() { None } else { Some(self.upper()?) };
        let stack = self.stack()?;
        Ok(Said::by(stack.layers().iter().chain(upper.as_ref()).map(Layer::words)))
    }

    fn in_upper<T>(&self, work: impl FnOnce(&Store, &Dir) -> Result<T, sys::Errno>) -> Option<T> {
        let (store, upper) = (self.workspace.store().ok()?, self.upper_tree().ok()?);
        work(store, &upper).ok()
    }

    /// Makes a hard link.
    pub fn link(&self, old: &[u8], new: &[u8]) -> Result<(), Error> {
        let old = path(old)?;
        self.at(new, |files, new| files::link(files, &old, new))
    }

    /// Makes a symlink.
    pub fn symlink(&self, target: &[u8], at: &[u8]) -> Result<(), Error> {
        self.at(at, |files, at| files::symlink(files, target, at))
    }

    /// A symlink's target.
    pub fn readlink(&self, at: &[u8]) -> Result<Vec<u8>, Error> {
        self.errno(Act::ReadLink, at, |files, at| files.read_link(at))
    }

    /// Changes permission bits by a mode text.
    pub fn chmod(&self, at: &[u8], mode: &str) -> Result<(), Error> {
        self.at(at, |files, at| files::chmod(files, at, mode))
    }

    /// Changes the owner.
    pub fn chown(&self, at: &[u8], uid: u32, gid: u32) -> Result<(), Error> {
        self.errno(Act::ChangeOwner, at, |files, at| files.chown(at, uid, gid))
    }

    /// Makes an empty file, or sets the times of what is there.
    pub fn touch(&self, at: &[u8]) -> Result<(), Error> {
        let now = self.workspace.now();
        self.at(at, |files, at| files::touch(files, at, now))
    }

    /// Cuts or lengthens a file to `size` bytes.
    pub fn resize(&self, at: &[u8], size: u64) -> Result<(), Error> {
        self.errno(Act::Resize, at, |files, at| files.truncate(at, size))
    }

    /// An extended attribute.
    pub fn xattr(&self, at: &[u8], name: &[u8]) -> Result<Vec<u8>, Error> {
        self.at(at, |files, at| match files.xattr(at, name) {
            // a layer may have one that the host refuses to its file
            Err(sys::Errno::NODATA | sys::Errno::OPNOTSUPP) if !name.starts_with(b"user.") => {
                let value = self.said()?.xattr(&straight(files, at), name)?;
                on(Act::GetXattr, at, value.map(Vec::from).ok_or(sys::Errno::NODATA))
            }
            other => on(Act::GetXattr, at, other),
        })
    }

    /// The names of all extended attributes.
    pub fn xattrs(&self, at: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        self.at(at, |files, at| {
            let mut names = on(Act::GetXattr, at, files.xattrs(at))?;
            names.extend(self.said()?.refused(&straight(files, at), &names)?);
            Ok(names)
        })
    }

    /// Sets an extended attribute.
    pub fn set_xattr(&self, at: &[u8], name: &[u8], value: &[u8]) -> Result<(), Error> {
        self.errno(Act::SetXattr, at, |files, at| files.set_xattr(at, name, value))
    }

    /// Removes an extended attribute.
    pub fn rm_xattr(&self, at: &[u8], name: &[u8]) -> Result<(), Error> {
        self.errno(Act::RemoveXattr, at, |files, at| files.remove_xattr(at, name))
    }

    /// Copies a file or a directory out to the host, with its metadata as far as the host can hold them; a note tells what
    /// it cannot. The host path must not exist.
    pub fn copy_out(&self, at: &[u8], host: &ToWrite) -> Result<(), Error> {
        let said = self.said()?;
        self.at(at, |files, at| super::add::copy_out(&self.workspace, (files, Some(&said)), at, host.path()))
    }

    /// Unmounts; the upper stays in the store.
    pub fn unmount(&self) -> Result<(), Error> {
        self.workspace.unmount(self)
    }

    /// Mounts again after [`Mount::unmount`].
    pub fn remount(&self) -> Result<(), Error> {
        self.workspace.use_mount(self).map(|_| ())
    }

    /// Drops the mount and its upper.
    pub fn discard(&self) -> Result<(), Error> {
        self.workspace.discard(self)
    }
}
