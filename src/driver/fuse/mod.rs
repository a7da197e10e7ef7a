//! Our union behind a FUSE mount, served by a process of its own; a mount on its own by the process that made it.
//!
//! An adapter: it decodes, calls `union`, replies once, and decides nothing. Only the server writes to the upper and
//! lower layers never change, so the kernel may keep all that it learns.
//!
//! Each write goes to the upper before it is answered, also where the kernel allows no passthrough: with its writeback
//! cache a full upper would be told of by close(2) or fsync(2), which few programs look at, and not by write(2), where
//! the kernel's overlay tells it. What reads the upper beside the mount (`diff()`, `m.upper`) would miss what is not
//! written back yet, too, and a file that was written would cost a request more when it is closed, for its times.
//!
//! Where it is told from the kernel's overlay:
//! - memory of a lower file shows what is written after the copy-up, too, as it does everywhere but on the kernel's overlay;
//! - a file that was opened to append by passthrough goes on appending when that is taken back (`F_SETFL`);
//! - of a file that is open by passthrough when it gets set-ID marks, root's writing takes them away, too, and setgid of a
//!   file that its group may not execute stays, whoever writes;
//! - `user.ufs.*` attributes are refused to users, as they are this program's own, and `user.ufs.origin` is there;
//! - without passthrough, memory that is written where the upper is full gives no `SIGBUS`: msync(2) and fsync(2) tell;
//! - lseek(2) takes `SEEK_DATA` and `SEEK_HOLE` on directories;
//! - what the page cache answers, and listing a directory, set no time of reading; how those of the upper are kept is laid
//!   down when it is mounted, whatever a remount says; who may not mount (`fusermount3`) has them as the layers' mounts say;
//! - a whiteout in a directory that only its layer has is not listed; the kernel lists it, unless the layer was sealed here,
//!   which tells it to look;
//! - a directory that an overlay of the kernel moved (`redirect`) is `EPERM` for root of the machine, too, for whom the kernel
//!   follows it where `redirect_always_follow` is set;
//! - `O_TMPFILE` gives `EOPNOTSUPP` and statx(2) no time of birth, as the crate knows no such requests; files have no
//!   flags (`chattr(1)`);
//! - umount(2) does not wait for a server on its own, which syncs the upper and lets go of its file system a moment later;
//! - a tree has 2,048 levels at most, also where it is gone down step by step: `ENAMETOOLONG`.

mod adapter;
mod alone;
mod apart;
mod attributes;
mod carried;
mod data;
mod directories;
mod handles;
mod listings;
mod names;
mod nodes;
mod pushes;
mod replies;
mod served;
mod server;
mod told;
mod turns;
mod work;
mod xattrs;

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use super::point::{Point, is_writable};
use super::{DriverKind, Files, Listener, MountError, MountSpec, Mounted};
use crate::sys::Errno;
use crate::sys::fuse::Fuse;
use crate::sys::mount::Detached;
pub use alone::{Alone, AloneSpec, mount_alone};
use apart::Served;
pub use server::Manner;

/// A mount that a process of ours serves; unmounted when dropped.
#[derive(Debug)]
struct FuseMount {
    // in this order: out of the tree first, then the server
    point: Point,
    server: Served,
    /// Those of stacks that were replaced, for whoever still reads in them.
    replaced: Vec<Served>,
    listener: Ear,
}

/// Who listens, to hand on to the server of the next stack.
#[derive(Default)]
struct Ear(RefCell<Option<Arc<dyn Listener>>>);

impl std::fmt::Debug for Ear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ear").field(&self.0.borrow().is_some()).finish()
    }
}

/// Mounts a stack at its target.
pub(super) fn mount(spec: &MountSpec<'_>) -> Result<Box<dyn Mounted>, MountError> {
    let place = Point::check(spec)?;
    let (detached, server) = make(spec)?;
    let attached = Point::attach(spec, place, &detached);
    // before the server, which ends with the last hold on the mount
    drop(detached);
    let point = attached?;
    Ok(Box::new(FuseMount { point, server, replaced: Vec::new(), listener: Ear::default() }))
}

fn make(spec: &MountSpec<'_>) -> Result<(Detached, Served), MountError> {
    let (detached, device) = server::make(&Fuse::of_store(!is_writable(spec)))?;
    let served = Served::start(spec, device)?;
    if let Err(error) = server::ready(detached.root()) {
        // the server ends with the last hold on the mount
        drop(detached);
        return Err(error);
    }
    Ok((detached, served))
}

impl Mounted for FuseMount {
    fn kind(&self) -> DriverKind {
        DriverKind::Fuse
    }

    fn files(&self) -> &dyn Files {
        self.point.files()
    }

    fn merged(&self) -> Option<&Path> {
        Some(self.point.target())
    }

    fn freeze(&mut self) -> Result<(), MountError> {
        self.point.freeze()?;
        self.server.freeze().map_err(|errno| MountError::Server { act: "freeze", errno })
    }

    fn thaw(&mut self) -> Result<(), MountError> {
        self.server.thaw().map_err(|errno| MountError::Server { act: "thaw", errno })?;
        self.point.thaw()
    }

    fn replace(&mut self, spec: &MountSpec<'_>) -> Result<(), MountError> {
        let (detached, server) = make(spec)?;
        let failed = |errno: Errno| MountError::Server { act: "hand over to another server", errno };
        self.server.freeze().map_err(failed)?;
        self.server.catch_up();
        server.listen(self.listener.0.borrow().clone()).map_err(failed)?;
        let replaced = self.point.replace(&detached, spec);
        drop(detached);
        replaced?;
        self.replaced.push(std::mem::replace(&mut self.server, server));
        self.replaced.retain(|server| !server.has_ended());
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), MountError> {
        self.point.unmount()?;
        self.server.catch_up();
        if let Err(errno) = self.server.freeze() {
            log::debug!("the server of a mount has ended with it: {errno}");
        }
        self.server.end();
        self.replaced.clear();
        Ok(())
    }

    fn listen(&self, listener: Option<Arc<dyn Listener>>) -> bool {
        self.listener.0.borrow_mut().clone_from(&listener);
        let told = self.server.listen(listener);
        if let Err(errno) = &told {
            log::warn!("what happens in `{}` is not heard of: {errno}", self.point.target().display());
        }
        told.is_ok()
    }

    fn catch_up(&self) {
        self.server.catch_up();
    }

    fn abandon(&mut self) {
        self.point.abandon();
    }
}
