//! The kernel's mark of an upper that is written without syncs, beside which nothing else may take it for whole.
//!
//! `work/incompat/volatile` in the work directory, as the kernel's overlay makes it with `volatile` and never takes it
//! away: after a power cut nobody can tell what the disk holds of such an upper. Neither the kernel nor this program
//! mounts an upper with it, or with any other name in `incompat`.
//!
//! # Source
//! Linux `fs/overlayfs/super.c` (`ovl_create_volatile_dirty`), `Documentation/filesystems/overlayfs.rst`, "Volatile
//! mount".

use std::path::Path;

use super::Failure;
use crate::model::Mode;
use crate::sys::{self, Dir, Errno};

/// In the work directory: the kernel's own part of it, and what is in there.
const OWN: &[u8] = b"work";
const INCOMPAT: &[u8] = b"incompat";
const VOLATILE: &[u8] = b"volatile";
const DIRTY: &[u8] = b"dirty";

/// Refuses a work directory that tells of something that this program, or the kernel, must not ignore.
pub(super) fn refuse(work: &Dir, path: &Path) -> Result<(), Failure> {
    let failed =
        |errno| Failure::new(format!("cannot read the work directory `{}`: {errno}", path.display()));
    let look = || work.reach(OWN).and_then(|own| own.dir(INCOMPAT));
    let looked = match look() {
        // the kernel makes it so that its owner may not look
        Err(Errno::ACCESS) => work.chmod(OWN, Mode::new(0o700)).and_then(|()| look()),
        other => other,
    };
    let names = match looked {
        Ok(incompat) => incompat.items().map_err(failed)?,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        Err(errno) => return Err(failed(errno)),
    };
    let Some(first) = names.first() else { return Ok(()) };
    let mark = path.join("work/incompat");
    if *first.name == *VOLATILE {
        let message = format!(
            "the upper of the work directory `{}` was written without syncs (`volatile`): after a power cut it may be \
             damaged",
            path.display()
        );
        let hint = format!(
            "if the machine did not stop since then, `sync` and remove `{}`; else take a new upper",
            mark.join("volatile").display()
        );
        return Err(Failure::new(message).hint(&hint));
    }
    let message = format!(
        "`{}` says that the upper is not to be used: `{}`",
        mark.display(),
        first.name.escape_ascii()
    );
    Err(Failure::new(message))
}

/// Leaves the mark, before anything is written without syncs.
pub(super) fn mark(work: &Dir, path: &Path) -> Result<(), Failure> {
    let mode = Mode::new(0o700);
    let made = |made: Result<(), Errno>| match made {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    };
    let make = || {
        made(work.mkdir(OWN, mode))?;
        let own = work.reach(OWN)?;
        made(own.mkdir(INCOMPAT, mode))?;
        let incompat = own.reach(INCOMPAT)?;
        made(incompat.mkdir(VOLATILE, mode))?;
        let volatile = incompat.reach(VOLATILE)?;
        // the mark itself is not left to chance
        made(volatile.create(DIRTY, mode).and_then(sys::sync))
    };
    make().map_err(|errno| {
        Failure::new(format!("cannot mark the work directory `{}` as `volatile`: {errno}", path.display()))
    })
}
