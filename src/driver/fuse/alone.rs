//! A FUSE mount on its own: no store, no workspace; served until somebody unmounts it or its process is told to end.
//!
//! The process holds nothing open inside the mount, so that a plain umount(8) works.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::server::{Manner, Server};
use crate::driver::MountError;
use crate::sys::dir::own_ids;
use crate::sys::fuse::{Fuse, MOST_READ, MountAttrFlags, Setting};
use crate::sys::fusermount::{self, Refused};
use crate::sys::mount::{self, Detached, Place, SOURCE};
use crate::sys::{Dir, Errno, daemon, mountinfo};
use crate::union::{LowerDir, Options, Union, UpperDirs};

/// What is mounted, and how.
#[derive(Debug)]
pub struct AloneSpec {
    /// The read-only layers, bottom → top; at least one.
    pub lowers: Vec<LowerDir>,
    /// The writable directory and the scratch directory.
    pub upper: Option<UpperDirs>,
    /// The mount point, from the root on.
    pub target: PathBuf,
    /// How the union treats its host.
    pub options: Options,
    /// How the mount is served.
    pub manner: Manner,
    /// What mountinfo shows as its source.
    pub source: Vec<u8>,
    /// Whether the mount takes no changes, to begin with.
    pub read_only: bool,
    /// What any file system can be told.
    pub settings: Vec<Setting>,
    /// What counts for the mount alone.
    pub attributes: MountAttrFlags,
    /// Further options for `fusermount3`, where that must make the mount.
    pub for_helper: Vec<&'static str>,
}

/// A mount that this process serves.
#[derive(Debug)]
pub struct Alone {
    union: Arc<Union>,
    server: Server,
    target: PathBuf,
    /// The mount's number; `None` where that cannot be told.
    id: Option<u64>,
    ended: OwnedFd,
    /// Whether `fusermount3` made it and unmounts it.
    by_helper: bool,
}

/// Mounts a stack and serves it.
///
/// # Errors
/// [`MountError`]; nothing stays mounted.
pub fn mount_alone(spec: AloneSpec) -> Result<Alone, MountError> {
    clear_dead(&spec.target)?;
    let point = Dir::open(&spec.target).map_err(MountError::target("open the mount point", &spec.target))?;
    let union = Union::new(spec.lowers, spec.upper, spec.options);
    let union = Arc::new(union.map_err(|errno| MountError::Layers { errno })?);
    let (ended, lifeline) =
        daemon::lifeline().map_err(|errno| MountError::Server { act: "make a pipe", errno })?;
    let what = Fuse {
        source: &spec.source,
        read_only: spec.read_only,
        settings: &spec.settings,
        attributes: spec.attributes,
    };
    let target = spec.target;
    let alone = |server, id, by_helper| Alone {
        union: Arc::clone(&union),
        server,
        target: target.clone(),
        id,
        ended,
        by_helper,
    };
    let copy = lifeline.try_clone().map_err(|_| MountError::Layers { errno: Errno::MFILE })?;
    let refused = match Server::start(Arc::clone(&union), spec.manner, Some(copy), &what) {
        Ok((detached, server)) => {
            let attached = attach(&detached, &point, &target);
            // before the server, which ends with the last hold on the mount
            drop(detached);
            return Ok(alone(server, Some(attached?), false));
        }
        Err(error) if may_ask_helper(&error) => error,
        Err(error) => return Err(error),
    };
    drop(point);
    let device = match fusermount::mount(&target, helper_options(&what, &spec.for_helper)) {
        Ok(device) => device,
        Err(Refused::Missing) => return Err(refused),
        Err(refused) => return Err(MountError::Helper { target, refused }),
    };
    let mut server = Server::serve(Arc::clone(&union), spec.manner, Some(lifeline), device)?;
    server.take_root(Dir::open(&target).and_then(|root| crate::sys::file::duplicate(&root)))?;
    let id = mount::id_at(&target).ok();
    Ok(alone(server, id, true))
}

/// What a mount of ours left whose server was killed is unmounted, so that another can take its place.
fn clear_dead(target: &Path) -> Result<(), MountError> {
    match Dir::open(target) {
        Err(Errno::NOTCONN | Errno::CONNABORTED) if mountinfo::is_of_fuse(target) => {}
        _ => return Ok(()),
    }
    log::info!("`{}`: the server of what was mounted there is gone", target.display());
    match mount::detach_at(target) {
        Err(Errno::PERM) => fusermount::unmount(target, true)
            .map_err(|refused| MountError::Helper { target: target.to_owned(), refused }),
        other => other.map_err(MountError::target("unmount", target)),
    }
}

fn attach(detached: &Detached, point: &Dir, target: &Path) -> Result<u64, MountError> {
    let at = MountError::target;
    let id = detached.root().and_then(mount::id).map_err(at("open", target))?;
    detached.attach(point, Place::Top).map_err(at("mount at", target))?;
    Ok(id)
}

/// Whether the set-user-ID program may do what this process may not.
fn may_ask_helper(error: &MountError) -> bool {
    let (own, _) = own_ids();
    own != 0
        && match error {
            MountError::NoDevice { errno } => matches!(*errno, Errno::ACCESS | Errno::PERM),
            MountError::Refused { refused, .. } => refused.errno == Errno::PERM,
            _ => false,
        }
}

fn helper_options(what: &Fuse<'_>, more: &[&'static str]) -> Vec<u8> {
    let mut options = vec![b"default_permissions".to_vec(), format!("max_read={MOST_READ}").into_bytes()];
    let escaped = what.source.iter().flat_map(|&b| {
        let escape = matches!(b, b',' | b'\\').then_some(b'\\');
        escape.into_iter().chain([b])
    });
    options.push(b"fsname=".iter().copied().chain(escaped).collect());
    options.push([b"subtype=", SOURCE.as_bytes()].concat());
    options.extend(what.read_only.then(|| b"ro".to_vec()));
    // it adds `nosuid` and `nodev` by itself
    if what.attributes.contains(MountAttrFlags::MOUNT_ATTR_NOEXEC) {
        options.push(b"noexec".to_vec());
    }
    if what.attributes.contains(MountAttrFlags::MOUNT_ATTR_NOATIME) {
        options.push(b"noatime".to_vec());
    }
    options.extend(what.settings.iter().map(|(key, value)| match value {
        Some(value) => [&key[..], b"=", value].concat(),
        None => key.clone(),
    }));
    options.extend(more.iter().map(|option| option.as_bytes().to_vec()));
    options.join(&b","[..])
}

impl Alone {
    /// A pipe's end that is hung up once nobody uses the mount any more.
    pub fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// Writes out what is unwritten and unmounts. Whoever still has a file open gets a moment to close it, and an error
    /// for whatever they do afterwards.
    ///
    /// # Errors
    /// [`MountError::Target`] if it stays mounted, and as [`Alone::finish`]; the server ends all the same.
    pub fn unmount(self) -> Result<(), MountError> {
        let on_top = self.id.is_some() && mount::id_at(&self.target).ok() == self.id;
        if on_top && let Ok(root) = Dir::open(&self.target) {
            // what programs mapped and wrote to is still in the kernel
            if let Err(errno) = crate::sys::sync_fs(&root) {
                log::warn!("`{}`: sync: {errno}", self.target.display());
            }
        }
        let detached = match (on_top, self.by_helper) {
            (false, _) => Err(MountError::target("unmount", &self.target)(Errno::INVAL)),
            (true, false) => {
                mount::detach_at(&self.target).map_err(MountError::target("unmount", &self.target))
            }
            (true, true) => fusermount::unmount(&self.target, true)
                .map_err(|refused| MountError::Helper { target: self.target.clone(), refused }),
        };
        self.finish().and(detached)
    }

    /// What is left to do once somebody has unmounted it: what is unwritten goes to the disk, as with the kernel's umount.
    ///
    /// # Errors
    /// [`MountError::Target`] with the file system's answer.
    pub fn finish(mut self) -> Result<(), MountError> {
        self.server.end();
        self.union.freeze();
        self.union.sync().map_err(MountError::target("write out all that was changed in", &self.target))
    }
}
