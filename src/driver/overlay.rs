//! The kernel's OverlayFS as a driver.
//!
//! A mount of ours is held by a descriptor of its root; the mount point's path is only used to attach it and to
//! unmount it in the plain way, which a held descriptor would make `EBUSY`.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{DriverKind, Files, HostDir, MountError, MountSpec, Mounted};
use crate::model::{Identity, Mode};
use crate::sys::dir::{path_of, stat_fd};
use crate::sys::mount::{self, Detached, MAX_LAYERS, Overlay, Place, Refused};
use crate::sys::process::{self, Use};
use crate::sys::{Dir, Errno, OFlags, mountinfo, probe};

/// A mounted overlay; unmounted when dropped.
#[derive(Debug)]
struct OverlayMount {
    target: PathBuf,
    /// The merged root; `None` once it is unmounted.
    root: Option<Rc<Dir>>,
    files: HostDir,
    id: u64,
    identity: Identity,
    writable: bool,
    attached: bool,
    /// The second layer of a mount that has only one; it goes last.
    empty: Option<EmptyDir>,
}

/// Mounts a stack at its target.
pub(super) fn mount(spec: &MountSpec<'_>) -> Result<Box<dyn Mounted>, MountError> {
    let Some(target) = spec.target.clone() else {
        return Err(MountError::Layers { errno: Errno::NOENT });
    };
    let at = MountError::target;
    let point = Dir::open(&target).map_err(at("open the mount point", &target))?;
    if let Some(lower) = holder(&point, &spec.lowers).map_err(at("look above the mount point", &target))? {
        return Err(MountError::InsideLower { target, lower });
    }
    if !point.items().map_err(at("read the mount point", &target))?.is_empty() {
        return Err(MountError::NotEmpty { target });
    }
    let (detached, empty) = make(spec)?;
    let (root, id) = root(&detached).map_err(at("open", &target))?;
    detached.attach(&point, Place::Top).map_err(at("mount at", &target))?;
    let files = HostDir::merged(Rc::clone(&root), spec.identity);
    let writable = is_writable(spec);
    Ok(Box::new(OverlayMount {
        target,
        root: Some(root),
        files,
        id,
        identity: spec.identity,
        writable,
        attached: true,
        empty,
    }))
}

fn is_writable(spec: &MountSpec<'_>) -> bool {
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

fn make(spec: &MountSpec<'_>) -> Result<(Detached, Option<EmptyDir>), MountError> {
    if spec.lowers.len() > MAX_LAYERS {
        return Err(MountError::TooManyLayers { count: spec.lowers.len() });
    }
    let mut empty = None;
    let mut lowers: Vec<BorrowedFd<'_>> = spec.lowers.clone();
    if spec.upper.is_none() && lowers.len() == 1 {
        // the kernel wants two layers; an empty one beneath changes nothing
        lowers.insert(0, empty.insert(EmptyDir::make()?).dir.as_fd());
    }
    let what = Overlay {
        lowers: &lowers,
        upper: spec.upper,
        read_only: spec.read_only,
        volatile: spec.volatile,
        exclusive: false,
    };
    match mount::overlay(&what) {
        Ok(detached) => Ok((detached, empty)),
        Err(refused) => {
            Err(MountError::Refused { reason: reason(&refused, spec), refused: Box::new(refused) })
        }
    }
}

/// What stands in the way, where the kernel says it only in its log.
fn reason(refused: &Refused, spec: &MountSpec<'_>) -> Option<String> {
    if !refused.said.is_empty() {
        return None;
    }
    match (refused.errno, spec.upper) {
        (Errno::INVAL, Some((upper, work))) => {
            let (upper_stat, work_stat) = (stat_fd(upper).ok()?, stat_fd(work).ok()?);
            if upper_stat.dev != work_stat.dev {
                return Some("the upper and the work directory lie on different file systems".to_owned());
            }
            let kind = probe::file_system_type(upper).ok()?;
            if kind == "overlay" {
                return Some("the upper lies on an overlay itself, as in a container".to_owned());
            }
            if probe::is_read_only(upper) {
                return Some("the upper's file system is read-only".to_owned());
            }
            too_deep(spec)
                .or_else(|| Some(format!("the upper's file system ({kind}) may not do for an upper")))
        }
        (Errno::INVAL, None) => too_deep(spec),
        _ => None,
    }
}

fn too_deep(spec: &MountSpec<'_>) -> Option<String> {
    let lower = spec
        .lowers
        .iter()
        .find(|lower| probe::file_system_type(lower).is_ok_and(|kind| kind == "overlay"))?;
    let path = path_of(lower).ok()?;
    Some(format!(
        "the layer `{}` lies on an overlay itself; the kernel stacks two of them, not three",
        path.display()
    ))
}

/// An empty directory; gone when dropped. A mount needs it by name: a removed one can no longer be listed.
#[derive(Debug)]
struct EmptyDir {
    parent: Dir,
    name: String,
    dir: Dir,
}

impl EmptyDir {
    fn make() -> Result<Self, MountError> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let scratch = std::env::temp_dir();
        let tell =
            |errno| MountError::Target { act: "make an empty directory in", target: scratch.clone(), errno };
        let parent = Dir::open(&scratch).map_err(tell)?;
        loop {
            let name = format!("ufs-empty-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
            match parent.mkdir(name.as_bytes(), Mode::new(0o755)) {
                // an earlier process of that number left it
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(tell(errno)),
                Ok(()) => {
                    let dir = parent.dir(name.as_bytes()).map_err(tell)?;
                    return Ok(Self { parent, name, dir });
                }
            }
        }
    }
}

impl Drop for EmptyDir {
    fn drop(&mut self) {
        if let Err(errno) = self.parent.rmdir(self.name.as_bytes()) {
            log::debug!("`{}` stays: {errno}", self.name);
        }
    }
}

fn busy(target: &Path) -> MountError {
    MountError::Busy { target: target.to_owned(), users: process::users(target, Use::Blocks) }
}

/// Unmounts what an earlier process left at `target`; no error if nothing of ours is there.
pub(super) fn unmount_left_over(target: &Path) -> Result<(), MountError> {
    if !mountinfo::is_ours(target) {
        return Ok(());
    }
    let root = Dir::open(target).map_err(MountError::target("open", target))?;
    // nobody may go on writing into an upper that is used again
    if let Err(Errno::BUSY) = mount::set_read_only(&root) {
        return Err(busy(target));
    }
    mount::detach(&root).map_err(MountError::target("unmount", target))
}

/// Refuses an upper that a process of an earlier run still has in a mount that cannot be unmounted from here: in another
/// namespace, or attached nowhere.
pub(super) fn refuse_used_upper(target: &Path, upper: &Dir, any_dir: &Dir) -> Result<(), MountError> {
    if mount::is_upper_in_use(upper.as_fd(), any_dir.as_fd()) {
        let mut users = process::users(target, Use::Any);
        users.retain(|user| user.pid != std::process::id());
        return Err(MountError::UpperInUse { target: target.to_owned(), users });
    }
    Ok(())
}

impl OverlayMount {
    fn refuse_inner_mounts(&self) -> Result<(), MountError> {
        match mountinfo::inside(&self.target).pop() {
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
        self.files = HostDir::merged(Rc::clone(&root), self.identity);
        self.root = Some(Rc::clone(&root));
        Ok(root)
    }

    /// Shuts out writers for good and takes the mount out of the tree; who reads in it keeps what it sees.
    fn freeze_and_detach(&self, root: &Dir) -> Result<(), MountError> {
        if self.writable
            && let Err(Errno::BUSY) = mount::set_read_only(root)
        {
            return Err(busy(&self.target));
        }
        match mount::detach(root) {
            // somebody else unmounted it already
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(MountError::target("unmount", &self.target)(errno)),
        }
    }
}

impl Mounted for OverlayMount {
    fn kind(&self) -> DriverKind {
        DriverKind::Overlay
    }

    fn files(&self) -> &dyn Files {
        &self.files
    }

    fn merged(&self) -> Option<&Path> {
        Some(&self.target)
    }

    fn freeze(&mut self) -> Result<(), MountError> {
        self.refuse_inner_mounts()?;
        if !self.writable {
            return Ok(());
        }
        match mount::set_read_only(self.root()?) {
            Ok(()) => Ok(()),
            Err(Errno::BUSY) => Err(busy(&self.target)),
            Err(errno) => Err(MountError::target("freeze", &self.target)(errno)),
        }
    }

    fn thaw(&mut self) -> Result<(), MountError> {
        if !self.writable {
            return Ok(());
        }
        mount::set_writable(self.root()?).map_err(MountError::target("thaw", &self.target))
    }

    fn replace(&mut self, spec: &MountSpec<'_>) -> Result<(), MountError> {
        let at = |act| MountError::target(act, &self.target);
        let (detached, empty) = make(spec)?;
        let (fresh, id) = root(&detached).map_err(at("open"))?;
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
        self.files = HostDir::merged(Rc::clone(&fresh), spec.identity);
        self.root = Some(fresh);
        self.id = id;
        self.identity = spec.identity;
        self.writable = is_writable(spec);
        self.empty = empty;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), MountError> {
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

    fn abandon(&mut self) {
        self.attached = false;
        // the mount goes on needing it
        std::mem::forget(self.empty.take());
    }
}

impl Drop for OverlayMount {
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
