//! What this machine allows, each "no" with its reason and its cure.

use super::Workspace;
use super::report::{Check, DoctorReport};
use crate::driver::{self, DriverKind};
use crate::sys::probe::{self, Answer};
use crate::sys::sandbox;

impl Workspace {
    /// Asks the machine everything that the drivers need. Works without a store; makes one to try a mount in it.
    pub fn doctor(&self) -> DoctorReport {
        let mut checks =
            vec![check("kernel", probe::kernel()), check("privilege", self.0.options.namespace.answer())];
        let proc = probe::proc();
        checks.push(check("/proc", proc.clone()));
        checks.push(check("OverlayFS in the kernel", probe::overlay_in_kernel()));
        let place = match self.store() {
            Ok(store) => {
                checks.push(ok("store", store.path().display().to_string()));
                checks.push(check("store's file system", probe::file_system(store.path())));
                checks.push(check("an upper in the store", probe::upper(store.path())));
                Some(store)
            }
            Err(error) => {
                checks.push(Check {
                    what: "store".to_owned(),
                    ok: false,
                    found: error.to_string(),
                    cure: error.hint(),
                });
                None
            }
        };
        let closed = self.0.options.sandbox.is_some();
        let overlay = match place {
            _ if closed => Err(no_mounts()),
            Some(store) => probe::overlay_mount(store.path()),
            None => Err(probe::No { reason: "there is no store to try it in".to_owned(), cure: None }),
        };
        let device = if closed { Err(no_mounts()) } else { probe::fuse_device() };
        let fuse = match &device {
            Ok(_) => self.try_fuse(),
            Err(no) => Err(no.clone()),
        };
        let best = match (&overlay, &fuse) {
            (Ok(_), _) => (DriverKind::Overlay, "the kernel's OverlayFS works here".to_owned()),
            (Err(no), Ok(_)) => (DriverKind::Fuse, format!("an overlay mount does not work: {}", no.reason)),
            (Err(no), Err(other)) => {
                let reason = format!(
                    "an overlay mount does not work: {}; neither does FUSE: {}",
                    no.reason, other.reason
                );
                (DriverKind::Direct, reason)
            }
        };
        checks.push(check("driver `overlay`", overlay));
        checks.push(check("FUSE device", device));
        checks.push(check("driver `fuse`", fuse));
        let direct = proc.map(|_| "needs nothing else from the machine".to_owned());
        let best = direct.is_ok().then_some(best);
        checks.push(check("driver `direct`", direct));
        checks.push(check("sandbox: paths", sandbox::landlock()));
        checks.push(check("sandbox: system calls", sandbox::seccomp()));
        DoctorReport { checks, best }
    }

    /// Mounts by FUSE, in the store, and looks into it.
    fn try_fuse(&self) -> Answer {
        let lost = |reason: String| probe::No { reason, cure: None };
        let store = self.store().map_err(|error| lost(error.to_string()))?;
        probe::in_scratch(store.path(), |scratch| {
            let path = scratch.host_path().map_err(|errno| lost(errno.to_string()))?;
            driver::try_fuse(&path).map_err(|error| {
                let cure = error.hint().or_else(|| Some("use `--driver direct`".to_owned()));
                probe::No { reason: error.to_string(), cure }
            })?;
            Ok("mounts and takes changes".to_owned())
        })
    }
}

fn no_mounts() -> probe::No {
    probe::No { reason: "`--sandbox` makes no mounts".to_owned(), cure: Some("leave it out".to_owned()) }
}

fn ok(what: &str, found: String) -> Check {
    Check { what: what.to_owned(), ok: true, found, cure: None }
}

fn check(what: &str, answer: Answer) -> Check {
    match answer {
        Ok(found) => ok(what, found),
        Err(no) => Check { what: what.to_owned(), ok: false, found: no.reason, cure: no.cure },
    }
}
