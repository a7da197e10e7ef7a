//! The threads that serve a mount: started before it is attached, ended when nobody uses it any more.
//!
//! They are for a process that does not use the mount itself.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, Session, SessionACL};

use super::served::Adapter;
use super::work::Protocol;
use crate::driver::{DriverKind, MountError};
use crate::sys::dir::stat_fd;
use crate::sys::mount::Detached;
use crate::sys::{Errno, fuse};
use crate::union::Union;

/// How many threads serve a mount at least, so that one slow answer does not hold the others.
const THREADS: usize = 4;
/// How long whoever has files open may take to close them after the mount is out of the tree.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the threads may take once nobody can ask them anything.
const GRACE: Duration = Duration::from_secs(2);

/// How far the kernel reads ahead, in KiB: some requests of the size that it sends at most.
const READ_AHEAD: u32 = 4 * fuse::MOST_READ / 1024;

/// How a mount is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    /// Whether access control lists count.
    pub acl: bool,
    /// Whether only who serves it and root may use it.
    pub private: bool,
    /// How many threads; `None` for as many as suit the machine.
    pub threads: Option<usize>,
    /// Whether each thread opens the device for itself.
    pub clone_device: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { acl: true, private: false, threads: None, clone_device: false }
    }
}

/// Makes a mount that is attached nowhere yet, and opens the device for it.
pub(super) fn make(what: &fuse::Fuse<'_>) -> Result<(Detached, OwnedFd), MountError> {
    let device = fuse::device().map_err(|errno| MountError::NoDevice { errno })?;
    let mount = fuse::mount(device.as_fd(), *what);
    let detached = mount.map_err(|refused| MountError::Refused {
        driver: DriverKind::Fuse,
        refused: Box::new(refused),
        reason: None,
    })?;
    Ok((detached, device))
}

/// Sets what can be set once a mount is served; gives the device number of its file system.
pub(super) fn ready(root: Result<OwnedFd, Errno>) -> Result<u64, MountError> {
    let number = root.and_then(|root| Ok(stat_fd(root)?.dev));
    let number = number.map_err(|errno| MountError::Server { act: "read the root", errno })?;
    if let Err(errno) = fuse::read_ahead(number, READ_AHEAD) {
        log::debug!("the kernel reads no further ahead than it does by itself: {errno}");
    }
    Ok(number)
}

/// A mount's threads.
#[derive(Debug)]
pub(super) struct Server {
    session: Option<BackgroundSession>,
    /// The file system's device number, once [`ready`] told it.
    device: u64,
}

impl Server {
    /// Makes a mount of a union, not attached yet, and serves it. `lifeline` is closed when the mount has ended.
    pub(super) fn start(
        union: Arc<Union>,
        manner: Manner,
        lifeline: Option<OwnedFd>,
        what: &fuse::Fuse<'_>,
    ) -> Result<(Detached, Self), MountError> {
        let (detached, device) = make(what)?;
        // on an error its threads end with the last hold on the mount
        let mut server = Self::serve(union, manner, lifeline, device)?;
        server.device = ready(detached.root())?;
        Ok((detached, server))
    }

    /// Takes the root of the mount that is served, which was made by somebody else.
    pub(super) fn take_root(&mut self, root: Result<OwnedFd, Errno>) -> Result<(), MountError> {
        self.device = ready(root)?;
        Ok(())
    }

    /// Serves a mount that was made.
    pub(super) fn serve(
        union: Arc<Union>,
        manner: Manner,
        lifeline: Option<OwnedFd>,
        device: OwnedFd,
    ) -> Result<Self, MountError> {
        let failed = |act| {
            move |error: std::io::Error| {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                MountError::Server { act, errno }
            }
        };
        let acl = if manner.private { SessionACL::RootAndOwner } else { SessionACL::All };
        let mut config = Config::default();
        config.acl = acl;
        config.clone_fd = manner.clone_device;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        config.n_threads = Some(manner.threads.unwrap_or_else(|| processors.clamp(THREADS, 4 * THREADS)));
        let requests = crate::sys::file::duplicate(&device)
            .map_err(|errno| MountError::Server { act: "serve", errno })?;
        let adapter = Adapter::new(union, requests, manner, lifeline);
        let notifier = Arc::clone(&adapter.notifier);
        let session = Session::from_fd(Protocol::new(adapter), device, acl, config);
        let session = session.map_err(failed("serve"))?;
        notifier.get_or_init(|| session.notifier());
        let session = session.spawn().map_err(failed("serve"))?;
        Ok(Self { session: Some(session), device: 0 })
    }

    /// Waits until the threads have ended; tells whether they have.
    fn wait(&self, most: Duration) -> bool {
        let start = Instant::now();
        let mut pause = Duration::from_micros(100);
        loop {
            if self.session.as_ref().is_none_or(|session| session.guard.is_finished()) {
                return true;
            }
            if start.elapsed() >= most {
                return false;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }

    /// Ends the threads of a mount that is out of the tree. Whoever still has a file open gets a moment to close it.
    pub(super) fn end(&mut self) {
        if !self.wait(PATIENCE) {
            let cut = fuse::abort(self.device);
            if let Err(errno) = cut {
                log::debug!("the FUSE connection could not be cut: {errno}");
            }
            if cut.is_err() || !self.wait(GRACE) {
                // they end when the last file is closed, at the latest with the process
                log::warn!("a FUSE mount that was unmounted is still in use");
            }
        }
        let session = self.session.take();
        if let Some(session) = session.filter(|session| session.guard.is_finished())
            && let Err(error) = session.join()
        {
            log::debug!("a FUSE server ended with an error: {error}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
