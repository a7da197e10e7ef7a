//! Our union behind a FUSE mount, served by threads of this process.
//!
//! An adapter: it decodes, calls `union`, replies once, and decides nothing. Only this process writes to the upper and
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
//! - on a mount without an upper, reading by passthrough sets a lower file's time of reading (where the layers' file system
//!   keeps those), and what the page cache answers sets none;
//! - a whiteout in a directory that only its layer has is not listed; the kernel lists it, unless the layer was sealed here,
//!   which tells it to look;
//! - `O_TMPFILE` gives `EOPNOTSUPP` and statx(2) no time of birth, as the crate knows no such requests; files have no
//!   flags (`chattr(1)`);
//! - a path has 4,096 bytes at most, also one that is gone down step by step: `ENAMETOOLONG`.

mod adapter;
mod alone;
mod attributes;
mod data;
mod directories;
mod handles;
mod listings;
mod names;
mod nodes;
mod replies;
mod server;
mod turns;
mod work;
mod xattrs;

use std::path::Path;
use std::sync::Arc;

use super::direct::DirectFiles;
use super::point::{Point, is_writable};
use super::{DriverKind, Files, Listener, MountError, MountSpec, Mounted, direct};
use crate::sys::fuse::Fuse;
use crate::sys::mount::Detached;
use crate::union::Union;
pub use alone::{Alone, AloneSpec, mount_alone};
pub use server::Manner;
use server::Server;

/// A mount that this process serves; unmounted when dropped.
#[derive(Debug)]
struct FuseMount {
    // in this order: out of the tree first, then the threads
    point: Point,
    union: Arc<Union>,
    server: Server,
    /// Those of stacks that were replaced, for whoever still reads in them.
    replaced: Vec<Server>,
}

/// Mounts a stack at its target.
pub(super) fn mount(spec: &MountSpec<'_>) -> Result<Box<dyn Mounted>, MountError> {
    let place = Point::check(spec)?;
    let (detached, union, server) = make(spec)?;
    let attached = Point::attach(spec, place, &detached);
    // before the server, which ends with the last hold on the mount
    drop(detached);
    let mut point = attached?;
    point.listed_by(DirectFiles::new(Arc::clone(&union)));
    Ok(Box::new(FuseMount { point, union, server, replaced: Vec::new() }))
}

fn make(spec: &MountSpec<'_>) -> Result<(Detached, Arc<Union>, Server), MountError> {
    let union = direct::open_union(spec).map_err(|errno| MountError::Layers { errno })?;
    let union = Arc::new(union);
    let (detached, server) =
        Server::start(Arc::clone(&union), Manner::default(), None, &Fuse::of_store(!is_writable(spec)))?;
    Ok((detached, union, server))
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
        self.union.freeze();
        Ok(())
    }

    fn thaw(&mut self) -> Result<(), MountError> {
        self.union.thaw();
        self.point.thaw()
    }

    fn replace(&mut self, spec: &MountSpec<'_>) -> Result<(), MountError> {
        let (detached, union, server) = make(spec)?;
        self.union.freeze();
        union.listen(self.union.listener());
        let replaced = self.point.replace(&detached, spec);
        drop(detached);
        replaced?;
        self.point.listed_by(DirectFiles::new(Arc::clone(&union)));
        self.union = union;
        self.replaced.push(std::mem::replace(&mut self.server, server));
        self.replaced.retain(|server| !server.has_ended());
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), MountError> {
        self.point.unmount()?;
        self.union.freeze();
        self.server.end();
        self.replaced.clear();
        Ok(())
    }

    fn listen(&self, listener: Option<Arc<dyn Listener>>) -> bool {
        self.union.listen(listener);
        true
    }

    fn abandon(&mut self) {
        self.point.abandon();
    }
}
