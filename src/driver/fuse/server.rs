//! The threads that serve a mount: started before it is attached, ended when nobody uses it any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, Session, SessionACL};

use super::adapter::Adapter;
use crate::driver::{DriverKind, MountError};
use crate::sys::dir::own_ids;
use crate::sys::mount::Detached;
use crate::sys::{Errno, fuse};
use crate::union::Union;

/// How many threads serve a mount at least, so that one slow answer does not hold the others.
const THREADS: usize = 4;
/// How long whoever has files open may take to close them after the mount is out of the tree.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the threads may take once nobody can ask them anything.
const GRACE: Duration = Duration::from_secs(2);

/// A mount's threads.
#[derive(Debug)]
pub(super) struct Server {
    session: Option<BackgroundSession>,
    /// The file system's device number.
    device: u64,
}

impl Server {
    /// Makes a mount of a union, not attached yet, and serves it.
    pub(super) fn start(union: Arc<Union>, read_only: bool) -> Result<(Detached, Self), MountError> {
        let device = fuse::device().map_err(|errno| MountError::NoDevice { errno })?;
        let (uid, gid) = own_ids();
        let mount = fuse::mount(std::os::fd::AsFd::as_fd(&device), fuse::Fuse { uid, gid, read_only });
        let detached = mount.map_err(|refused| MountError::Refused {
            driver: DriverKind::Fuse,
            refused: Box::new(refused),
            reason: None,
        })?;
        let failed = |act| {
            move |error: std::io::Error| {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                MountError::Server { act, errno }
            }
        };
        let mut config = Config::default();
        config.acl = SessionACL::All;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        config.n_threads = Some(processors.clamp(THREADS, 4 * THREADS));
        let requests = crate::sys::file::duplicate(&device)
            .map_err(|errno| MountError::Server { act: "serve", errno })?;
        let session = Session::from_fd(Adapter::new(union, requests), device, SessionACL::All, config);
        let session = session.and_then(Session::spawn).map_err(failed("serve"))?;
        let mut server = Self { session: Some(session), device: 0 };
        match detached.root().and_then(crate::sys::dir::stat_fd) {
            Ok(stat) => server.device = stat.dev,
            Err(errno) => {
                // the server ends with the last hold on the mount
                drop(detached);
                return Err(MountError::Server { act: "read the root", errno });
            }
        }
        Ok((detached, server))
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

    /// Whether nobody uses the mount any more.
    pub(super) fn has_ended(&self) -> bool {
        self.session.as_ref().is_none_or(|session| session.guard.is_finished())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
