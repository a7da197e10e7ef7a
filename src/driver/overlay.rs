//! The kernel's OverlayFS as a driver.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{DriverKind, Files, HostDir, MountError, MountSpec, Mounted};
use crate::model::Identity;
use crate::sys::mount::{self, Detached, Overlay, Place};
use crate::sys::{Dir, Errno, mountinfo, process};

/// A mounted overlay; unmounted when dropped.
#[derive(Debug)]
struct OverlayMount {
    target: PathBuf,
    files: HostDir,
    identity: Identity,
    attached: bool,
}

/// Mounts a stack at its target.
pub(super) fn mount(spec: &MountSpec<'_>) -> Result<Box<dyn Mounted>, MountError> {
    let Some(target) = spec.target.clone() else {
        return Err(MountError::Layers { errno: Errno::NOENT });
    };
    let detached = make(spec)?;
    let files = files(&detached, spec.identity).map_err(MountError::target("open", &target))?;
    detached.attach(&target, Place::Top).map_err(MountError::target("mount at", &target))?;
    Ok(Box::new(OverlayMount { target, files, identity: spec.identity, attached: true }))
}

fn make(spec: &MountSpec<'_>) -> Result<Detached, MountError> {
    let empty;
    let mut lowers: Vec<BorrowedFd<'_>> = spec.lowers.clone();
    if spec.upper.is_none() && lowers.len() == 1 {
        // the kernel wants two layers; an empty one beneath changes nothing
        empty = empty_dir()?;
        lowers.insert(0, empty.as_fd());
    }
    let what =
        Overlay { lowers: &lowers, upper: spec.upper, read_only: spec.read_only, volatile: spec.volatile };
    mount::overlay(&what).map_err(|refused| MountError::Refused { refused })
}

/// A directory that is empty and has no name any more.
fn empty_dir() -> Result<Dir, MountError> {
    let scratch = std::env::temp_dir();
    let name = format!("ufs-empty-{}", std::process::id());
    let tell =
        |errno| MountError::Target { act: "make an empty directory in", target: scratch.clone(), errno };
    let parent = Dir::open(&scratch).map_err(tell)?;
    parent.mkdir(name.as_bytes(), crate::model::Mode::new(0o755)).map_err(tell)?;
    let dir = parent.dir(name.as_bytes()).map_err(tell);
    parent.rmdir(name.as_bytes()).map_err(tell)?;
    dir
}

fn files(detached: &Detached, identity: Identity) -> Result<HostDir, Errno> {
    Ok(HostDir::merged(Rc::new(Dir::from_fd(detached.root()?)), identity))
}

/// Unmounts what an earlier process left at `target`.
pub(super) fn unmount_left_over(target: &Path) -> Result<(), MountError> {
    // nobody may go on writing into an upper that is used again
    if let Err(Errno::BUSY) = mount::set_read_only(target) {
        return Err(MountError::Busy { target: target.to_owned(), users: process::users(target, true) });
    }
    mount::detach(target).map_err(MountError::target("unmount", target))
}

impl OverlayMount {
    fn refuse_inner_mounts(&self) -> Result<(), MountError> {
        match mountinfo::inside(&self.target).pop() {
            Some(inner) => Err(MountError::MountedInside { target: self.target.clone(), inner }),
            None => Ok(()),
        }
    }

    fn busy(&self, only_writers: bool) -> MountError {
        MountError::Busy { target: self.target.clone(), users: process::users(&self.target, only_writers) }
    }

    /// Drops our own handle on the merged root, which would keep the mount busy.
    fn close_files(&mut self) -> Result<(), Errno> {
        let nowhere = Dir::open(Path::new("/"))?;
        self.files = HostDir::merged(Rc::new(nowhere), self.identity);
        Ok(())
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
        match mount::set_read_only(&self.target) {
            Ok(()) => Ok(()),
            Err(Errno::BUSY) => Err(self.busy(true)),
            Err(errno) => Err(MountError::target("freeze", &self.target)(errno)),
        }
    }

    fn thaw(&mut self) -> Result<(), MountError> {
        mount::set_writable(&self.target).map_err(MountError::target("thaw", &self.target))
    }

    fn replace(&mut self, spec: &MountSpec<'_>) -> Result<(), MountError> {
        let detached = make(spec)?;
        let fresh = files(&detached, spec.identity).map_err(MountError::target("open", &self.target))?;
        let gone = |errno| MountError::target("unmount", &self.target)(errno);
        let beneath = detached.attach(&self.target, Place::Beneath);
        mount::detach(&self.target).map_err(gone)?;
        if beneath.is_err() {
            // a kernel before 6.5, or a mount point that propagates: the path shows the bare directory for a moment
            let attached = detached.attach(&self.target, Place::Top);
            self.attached = attached.is_ok();
            attached.map_err(MountError::target("mount at", &self.target))?;
        }
        self.files = fresh;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), MountError> {
        self.refuse_inner_mounts()?;
        self.close_files().map_err(MountError::target("leave", &self.target))?;
        let result = match mount::detach_unused(&self.target) {
            Err(Errno::BUSY) => {
                if mount::set_read_only(&self.target).is_err() {
                    let fresh = Dir::open(&self.target).map_err(MountError::target("open", &self.target))?;
                    self.files = HostDir::merged(Rc::new(fresh), self.identity);
                    return Err(self.busy(true));
                }
                // whoever is still in it can only read from now on
                mount::detach(&self.target)
            }
            other => other,
        };
        result.map_err(MountError::target("unmount", &self.target))?;
        self.attached = false;
        Ok(())
    }

    fn abandon(&mut self) {
        self.attached = false;
    }
}

impl Drop for OverlayMount {
    fn drop(&mut self) {
        if !self.attached {
            return;
        }
        // the last resort, after an error or a panic: nobody can be told any more
        if let Err(errno) = mount::set_read_only(&self.target) {
            log::debug!("`{}` could not be frozen: {errno}", self.target.display());
        }
        for inner in mountinfo::inside(&self.target).iter().rev() {
            log::debug!("`{}` goes with the mount that holds it", inner.display());
        }
        if let Err(errno) = mount::detach(&self.target) {
            log::warn!("`{}` stays mounted: {errno}", self.target.display());
        }
    }
}
