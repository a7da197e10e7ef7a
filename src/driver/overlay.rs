//! The kernel's OverlayFS as a driver.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::point::{Point, is_writable};
use super::{DriverKind, Files, Listener, MountError, MountSpec, Mounted};
use crate::model::Mode;
use crate::sys::dir::{path_of, stat_fd};
use crate::sys::mount::{self, Detached, MAX_LAYERS, Overlay, Refused};
use crate::sys::process::{self, Use};
use crate::sys::{Dir, Errno, probe};

/// A mounted overlay; unmounted when dropped.
#[derive(Debug)]
struct OverlayMount {
    point: Point,
    /// The second layer of a mount that has only one; it goes last.
    empty: Option<EmptyDir>,
}

/// Mounts a stack at its target.
pub(super) fn mount(spec: &MountSpec<'_>) -> Result<Box<dyn Mounted>, MountError> {
    let place = Point::check(spec)?;
    let (detached, empty) = make(spec)?;
    let point = Point::attach(spec, place, &detached)?;
    Ok(Box::new(OverlayMount { point, empty }))
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
        Err(refused) => Err(MountError::Refused {
            driver: DriverKind::Overlay,
            reason: reason(&refused, spec),
            refused: Box::new(refused),
        }),
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
            if Dir::from_fd(work.try_clone_to_owned().ok()?).stat(b"work/incompat/volatile").is_ok() {
                return Some(
                    "the work directory bears the kernel's mark of a mount without syncs (`work/incompat/volatile`)"
                        .to_owned(),
                );
            }
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

impl Mounted for OverlayMount {
    fn kind(&self) -> DriverKind {
        DriverKind::Overlay
    }

    fn files(&self) -> &dyn Files {
        self.point.files()
    }

    fn merged(&self) -> Option<&Path> {
        Some(self.point.target())
    }

    fn freeze(&mut self) -> Result<(), MountError> {
        self.point.freeze()
    }

    fn thaw(&mut self) -> Result<(), MountError> {
        self.point.thaw()
    }

    fn replace(&mut self, spec: &MountSpec<'_>) -> Result<(), MountError> {
        let (detached, empty) = make(spec)?;
        self.point.replace(&detached, spec.identity, is_writable(spec))?;
        self.empty = empty;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), MountError> {
        self.point.unmount()
    }

    fn listen(&self, _: Option<Arc<dyn Listener>>) -> bool {
        false
    }

    fn abandon(&mut self) {
        self.point.abandon();
        // the mount goes on needing it
        std::mem::forget(self.empty.take());
    }
}
