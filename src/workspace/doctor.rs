//! What this machine allows, each "no" with its reason and its cure.

use super::Workspace;
use super::report::{Check, DoctorReport};
use crate::driver::DriverKind;
use crate::sys::probe::{self, Answer};

impl Workspace {
    /// Asks the machine everything that the drivers need. Works without a store; makes one to try a mount in it.
    pub fn doctor(&self) -> DoctorReport {
        let mut checks =
            vec![check("kernel", probe::kernel()), check("privilege", self.0.options.namespace.answer())];
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
        let overlay = match place {
            Some(store) => probe::overlay_mount(store.path()),
            None => Err(probe::No { reason: "there is no store to try it in".to_owned(), cure: None }),
        };
        let best = match &overlay {
            Ok(_) => (DriverKind::Overlay, "the kernel's OverlayFS works here".to_owned()),
            Err(no) => (DriverKind::Direct, format!("an overlay mount does not work: {}", no.reason)),
        };
        checks.push(check("driver `overlay`", overlay));
        checks.push(check("FUSE device", probe::fuse_device()));
        checks.push(ok("driver `direct`", "needs nothing from the machine".to_owned()));
        DoctorReport { checks, best: Some(best) }
    }
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
