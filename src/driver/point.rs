//! A mount of ours and its place in the tree, whatever serves it.
//!
//! It is held by a descriptor of its root; the mount point's path is only used to attach it and to unmount it in the
//! plain way, which a held descriptor would make `EBUSY`.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Files, HostDir, MountError, MountSpec};
use crate::model::{Identity, Mode, Trust};
use crate::sys::dir::{path_of, stat_fd};
use crate::sys::mount::{self, Detached, Place};
use crate::sys::process::{self, Use};
use crate::sys::{Dir, Errno, OFlags, fuse, mountinfo};

/// An attached mount; unmounted when dropped.
#[derive(Debug)]
pub(super) struct Point {
    target: PathBuf,
    /// The merged root; `None` once it is unmounted.
    root: Option<Rc<Dir>>,
    files: HostDir,
    id: u64,
    identity: Identity,
    trust: Trust,
    writable: bool,
    attached: bool,
}

/// Where a mount will go, once it was looked at.
#[derive(Debug)]
pub(super) struct Checked {
    target: PathBuf,
    point: Dir,
}

pub(super) fn is_writable(spec: &MountSpec<'_>) -> bool {
    spec.upper.is_some() && !spec.read_only
}

fn root(detached: &Detached) -> Result<(Rc<Dir>, u64), Errno> {
    let root = Dir::from_fd(detached.root()?);
    let id = mount::id(&root)?;
    Ok((Rc::new(root), id))
}

/// The layer that holds a directory, or is it.
fn holder(dir: &Dir, lowers: &[BorrowedFd<'_>]) -> Result<Option<PathBuf>, Errno> {
    let mut found = Vec::with_capacity(lowers.len());
    for lower in lowers {
        let stat = stat_fd(lower)?;
        found.push((stat.dev, stat.ino));
    }
    let mut dir = dir.duplicate()?;
    let mut stat = dir.stat_self()?;
    loop {
        if let Some(index) = found.iter().position(|&place| place == (stat.dev, stat.ino)) {
            return Ok(Some(path_of(lowers[index])?));
        }
        // only names are looked up on the way, so that directories that cannot be read do not stop it
        let parent = match dir.open_raw(b"..", OFlags::PATH | OFlags::DIRECTORY, Mode::default()) {
            Ok(parent) => Dir::from_fd(parent),
            Err(Errno::ACCESS) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        let above = parent.stat_self()?;
        if (above.dev, above.ino) == (stat.dev, stat.ino) {
            return Ok(None);
        }
        (dir, stat) = (parent, above);
    }
}

/// How long a file that was closed and removed may count as in use: a server hears of the close a little later.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is looked whether it still does.
const PAUSE: Duration = Duration::from_millis(2);

/// Shuts writers out of the mount at `target`; the errno of what failed, or who is in the way.
fn shut_out_writers(root: &Dir, target: &Path) -> Result<Result<(), Errno>, MountError> {
    let start = Instant::now();
    loop {
        match mount::set_read_only(root) {
            Err(Errno::BUSY) => {}
            other => return Ok(other),
        }
        let users = process::users(target, Use::Blocks);
        if !users.is_empty() || start.elapsed() >= PATIENCE {
            return Err(MountError::Busy { target: target.to_owned(), users });
        }
        std::thread::sleep(PAUSE);
    }
}

/// As [`super::unmount_left_over`], one of possibly several on top of each other.
fn unmount_top(target: &Path) -> Result<(), MountError> {
    let root = match Dir::open(target) {
        Ok(root) if !fuse::is_dead(&root) => root,
        Ok(_) | Err(Errno::NOTCONN | Errno::CONNABORTED) => {
            // its server has ended: nobody writes there any more
            return mount::detach_at(target).map_err(MountError::target("unmount", target));
        }
        Err(errno) => return Err(MountError::target("open", target)(errno)),
    };
    // nobody may go on writing into an upper that is used again
    if let Err(errno) = shut_out_writers(&root, target)? {
        log::debug!("`{}` could not be frozen: {errno}", target.display());
    }
    mount::detach(&root).map_err(MountError::target("unmount", target))
}

pub(super) fn unmount_left_over(target: &Path, dir: &Path) -> Result<(), MountError> {
    let look =
        || mountinfo::is_left_of(target, dir).map_err(MountError::target("look for mounts at", target));
    while look()? {
        unmount_top(target)?;
    }
    Ok(())
}

impl Point {
    /// Refuses a mount point that is missing, not empty, or inside a layer of the stack.
    pub(super) fn check(spec: &MountSpec<'_>) -> Result<Checked, MountError> {
        let Some(target) = spec.target.clone() else {
            return Err(MountError::Layers { errno: Errno::NOENT });
        };
        let at = MountError::target;
        let point = Dir::open(&target).map_err(at("open the mount point", &target))?;
        if let Some(lower) =
            holder(&point, &spec.lowers).map_err(at("look above the mount point", &target))?
        {
            return Err(MountError::InsideLower { target, lower });
        }
        if !point.items().map_err(at("read the mount point", &target))?.is_empty() {
            return Err(MountError::NotEmpty { target });
        }
        Ok(Checked { target, point })
    }

    /// Attaches a mount at its place.
    pub(super) fn attach(
        spec: &MountSpec<'_>,
        place: Checked,
        detached: &Detached,
    ) -> Result<Self, MountError> {
        let Checked { target, point } = place;
        let at = MountError::target;
        let (root, id) = root(detached).map_err(at("open", &target))?;
        detached.attach(&point, Place::Top).map_err(at("mount at", &target))?;
        let files = HostDir::merged(Rc::clone(&root), spec.identity, spec.trust);
        let (identity, trust, writable) = (spec.identity, spec.trust, is_writable(spec));
        Ok(Self { target, root: Some(root), files, id, identity, trust, writable, attached: true })
    }

    fn refuse_inner_mounts(&self) -> Result<(), MountError> {
        let inside = mountinfo::inside(&self.target);
        match inside.map_err(MountError::target("look for mounts in", &self.target))?.pop() {
            Some(inner) => Err(MountError::MountedInside { target: self.target.clone(), inner }),
            None => Ok(()),
        }
    }

    fn root(&self) -> Result<&Rc<Dir>, MountError> {
        let gone = MountError::target("use", &self.target);
        self.root.as_ref().ok_or_else(|| gone(Errno::STALE))
    }

    /// Lets go of the merged root; [`Mounted::files`] answers `ESTALE` from now on.
    fn close(&mut self) {
        self.files = HostDir::closed(self.identity);
        self.root = None;
    }

    fn reopen(&mut self) -> Result<Rc<Dir>, MountError> {
        let root = Rc::new(Dir::open(&self.target).map_err(MountError::target("open", &self.target))?);
        self.files = HostDir::merged(Rc::clone(&root), self.identity, self.trust);
        self.root = Some(Rc::clone(&root));
        Ok(root)
    }

    /// Shuts out writers for good and takes the mount out of the tree; who reads in it keeps what it sees.
    fn freeze_and_detach(&self, root: &Dir) -> Result<(), MountError> {
        if self.writable
            && let Err(errno) = shut_out_writers(root, &self.target)?
        {
            log::debug!("`{}` could not be frozen: {errno}", self.target.display());
        }
        match mount::detach(root) {
            // somebody else unmounted it already
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(MountError::target("unmount", &self.target)(errno)),
        }
    }

    pub(super) fn files(&self) -> &dyn Files {
        &self.files
    }

    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// As [`super::Mounted::freeze`].
    pub(super) fn freeze(&mut self) -> Result<(), MountError> {
        self.refuse_inner_mounts()?;
        if !self.writable {
            return Ok(());
        }
        let frozen = shut_out_writers(self.root()?, &self.target)?;
        frozen.map_err(MountError::target("freeze", &self.target))
    }

    /// As [`super::Mounted::thaw`].
    pub(super) fn thaw(&mut self) -> Result<(), MountError> {
        if !self.writable {
            return Ok(());
        }
        mount::set_writable(self.root()?).map_err(MountError::target("thaw", &self.target))
    }

    /// Puts another mount in the place of this one, which must be frozen.
    pub(super) fn replace(&mut self, detached: &Detached, spec: &MountSpec<'_>) -> Result<(), MountError> {
        let at = |act| MountError::target(act, &self.target);
        let (fresh, id) = root(detached).map_err(at("open"))?;
        let old = Rc::clone(self.root()?);
        let beneath = detached.attach(&old, Place::Beneath);
        mount::detach(&old).map_err(at("unmount"))?;
        if let Err(errno) = beneath {
            // a kernel before 6.5, or a mount point that propagates: the path shows the bare directory for a moment
            log::debug!("`{}`: no mount beneath: {errno}", self.target.display());
            let point = Dir::open(&self.target).map_err(at("open the mount point"));
            let attached =
                point.and_then(|point| detached.attach(&point, Place::Top).map_err(at("mount at")));
            if let Err(error) = attached {
                self.attached = false;
                self.close();
                return Err(error);
            }
        }
        self.files = HostDir::merged(Rc::clone(&fresh), spec.identity, spec.trust);
        self.root = Some(fresh);
        self.id = id;
        (self.identity, self.trust, self.writable) = (spec.identity, spec.trust, is_writable(spec));
        Ok(())
    }

    /// As [`super::Mounted::unmount`].
    pub(super) fn unmount(&mut self) -> Result<(), MountError> {
        if !self.attached {
            return Ok(());
        }
        let on_top = mount::id_at(&self.target).is_ok_and(|id| id == self.id);
        if !on_top {
            // hidden by another mount, renamed away with its parent, or gone: only its root leads to it
            self.freeze_and_detach(&Rc::clone(self.root()?))?;
            self.attached = false;
            self.close();
            return Ok(());
        }
        self.close();
        match mount::detach_unused(&self.target) {
            Ok(()) => {}
            Err(Errno::BUSY) => {
                let root = self.reopen()?;
                self.refuse_inner_mounts()?;
                self.freeze_and_detach(&root)?;
                self.close();
            }
            Err(errno) => {
                self.reopen()?;
                return Err(MountError::target("unmount", &self.target)(errno));
            }
        }
        self.attached = false;
        Ok(())
    }

    /// As [`super::Mounted::abandon`].
    pub(super) fn abandon(&mut self) {
        self.attached = false;
    }
}

impl Drop for Point {
    fn drop(&mut self) {
        let Some(root) = self.root.as_ref().filter(|_| self.attached) else { return };
        // the last resort, after an error or a panic: nobody can be told any more
        if let Err(errno) = mount::set_read_only(root) {
            log::debug!("`{}` could not be frozen: {errno}", self.target.display());
        }
        if let Err(errno) = mount::detach(root) {
            log::warn!("`{}` stays mounted: {errno}", self.target.display());
        }
    }
}
