//! The kernel's OverlayFS as a driver.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::point::Point;
use super::{DriverKind, Files, Listener, MountError, MountSpec, Mounted};
use crate::sys::dir::{path_of, stat_fd};
use crate::sys::mount::{self, Detached, MAX_LAYERS, Overlay, Refused};
use crate::sys::process::{self, Use};
use crate::sys::{Dir, Errno, probe, signals};

/// How long the kernel may take to take the mounts of a dead process apart, and how often it is looked whether it has.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);

/// A mounted overlay; unmounted when dropped.
#[derive(Debug)]
struct OverlayMount {
    point: Point,
}

/// Mounts a stack at its target.
pub(super) fn mount(spec: &MountSpec<'_>) -> Result<Box<dyn Mounted>, MountError> {
    let place = Point::check(spec)?;
    let detached = make(spec)?;
    let point = Point::attach(spec, place, &detached)?;
    Ok(Box::new(OverlayMount { point }))
}

fn make(spec: &MountSpec<'_>) -> Result<Detached, MountError> {
    if spec.lowers.len() > MAX_LAYERS {
        return Err(MountError::TooManyLayers { count: spec.lowers.len() });
    }
    let mut lowers: Vec<BorrowedFd<'_>> = spec.lowers.clone();
    if spec.upper.is_none() && lowers.len() < MAX_LAYERS {
        // it changes nothing
        lowers.splice(0..0, spec.empty);
    }
    let what = Overlay {
        lowers: &lowers,
        upper: spec.upper,
        read_only: spec.read_only,
        volatile: spec.volatile,
        exclusive: false,
    };
    mount::overlay(&what).map_err(|refused| MountError::Refused {
        driver: DriverKind::Overlay,
        reason: reason(&refused, spec),
        refused: Box::new(refused),
    })
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

/// Refuses an upper that a process of an earlier run still has in a mount that cannot be unmounted from here: in another
/// namespace, or attached nowhere.
pub(super) fn refuse_used_upper(target: &Path, upper: &Dir, any_dir: &Dir) -> Result<(), MountError> {
    let start = Instant::now();
    loop {
        let used = mount::is_upper_in_use(upper.as_fd(), any_dir.as_fd());
        if !used.map_err(MountError::target("look for users of the upper of", target))? {
            return Ok(());
        }
        let mut users = process::users(target, Use::Any);
        users.retain(|user| user.pid != std::process::id());
        // A process that was killed lets its locks go before its namespace, and the kernel takes the mounts of that apart in
        // the background: for a moment there is a mount and nobody who has it. Nothing tells when that is over.
        if !users.is_empty() || start.elapsed() > PATIENCE || signals::interrupted() {
            return Err(MountError::UpperInUse { target: target.to_owned(), users });
        }
        std::thread::sleep(LOOK);
    }
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
        self.point.replace(&make(spec)?, spec)
    }

    fn unmount(&mut self) -> Result<(), MountError> {
        self.point.unmount()
    }

    fn listen(&self, _: Option<Arc<dyn Listener>>) -> bool {
        false
    }

    fn abandon(&mut self) {
        self.point.abandon();
    }
}
