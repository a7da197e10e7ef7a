//! The helper that umount(8) finds as `umount.fuse.ufs`: unmounts, and waits for the server as umount(2) does not.
//!
//! Once it has ended, all that was changed is on the disk and the layers' file system is let go of, as after an umount of
//! the kernel's overlay.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;

use super::{Failure, HELPER, complain};
use crate::sys::fusermount;
use crate::sys::{Errno, holder, mount, mountinfo};

/// As umount(8) starts its helpers.
#[derive(Parser, Debug)]
#[command(name = "umount.fuse.ufs", disable_help_flag = true, disable_version_flag = true)]
struct Helper {
    dir: PathBuf,
    #[arg(short = 'f')]
    force: bool,
    #[arg(short = 'l')]
    lazy: bool,
    /// There is no mtab that could be written.
    #[arg(short = 'n')]
    no_mtab: bool,
    /// Makes read-only what cannot be unmounted; umount(8) does that by itself.
    #[arg(short = 'r')]
    read_only: bool,
    #[arg(short = 'v')]
    verbose: bool,
    #[arg(short = 'N')]
    namespace: Option<OsString>,
    #[arg(short = 't')]
    kind: Option<OsString>,
}

/// Runs as a helper of umount(8); gives the exit code.
pub(super) fn help(words: &[OsString]) -> u8 {
    let helper = match Helper::try_parse_from(words) {
        Ok(helper) => helper,
        Err(error) => return if crate::cli::answered(&error) == 0 { 0 } else { HELPER.usage },
    };
    if helper.namespace.is_some() {
        let failure = Failure::new("cannot unmount in another namespace".to_owned());
        complain(&failure.hint("`nsenter --mount=FILE umount …` does"));
        return HELPER.usage;
    }
    match unmount(&mountinfo::real(&helper.dir), helper.force, helper.lazy) {
        Ok(()) => 0,
        Err(failure) => {
            complain(&failure);
            HELPER.failed
        }
    }
}

fn unmount(target: &Path, force: bool, lazy: bool) -> Result<(), Failure> {
    let failed = |errno: Errno| Failure::new(format!("cannot unmount `{}`: {errno}", target.display()));
    let mounts = mountinfo::all().map_err(failed)?;
    let Some(top) = mounts.iter().rfind(|mount| mount.point == target) else {
        return Err(failed(Errno::INVAL).hint("nothing is mounted there"));
    };
    let servers = holder::servers(top.dev);
    let done = match (lazy, force) {
        (true, _) => mount::detach_at(target),
        (false, true) => mount::detach_by_force(target),
        (false, false) => mount::detach_unused(target),
    };
    match done {
        // who made it by `fusermount3` unmounts it so
        Err(Errno::PERM) => fusermount::unmount(target, lazy)
            .map_err(|refused| Failure::new(format!("cannot unmount `{}`: {refused}", target.display())))?,
        other => other.map_err(failed)?,
    }
    // a file system that somebody still uses goes on being served
    if lazy || holder::mounted(top.dev).is_some() {
        return Ok(());
    }
    servers.wait().map_err(|errno| {
        let message =
            format!("`{}` is unmounted, but its server cannot be waited for: {errno}", target.display());
        Failure::new(message)
    })
}
