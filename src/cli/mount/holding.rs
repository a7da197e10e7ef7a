//! One server an upper: the locks of its two directories, and who has them where that is somebody else.
//!
//! Two servers on one upper would each take it for theirs alone and damage what the other makes.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Failure;
use crate::sys::dir::own_ids;
use crate::sys::holder::{self, Place};
use crate::sys::lock::{self, Lock};
use crate::sys::process::User;
use crate::sys::{Dir, mount, private};

/// How long a server whose mount nobody has any more may take to end: it writes out what is unwritten.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long whoever had a file open when the mount went may take to close it.
const CLOSING: Duration = Duration::from_millis(500);
/// How often it is looked whether the lock is free, and, as that takes longer, who has it.
const PAUSE: Duration = Duration::from_millis(5);
const LOOK: Duration = Duration::from_millis(100);

/// What an upper is held by.
#[derive(Debug)]
pub(super) struct Held {
    #[expect(dead_code, reason = "held")]
    locks: Vec<Lock>,
}

/// Takes an upper and its work directory for this process alone; `found` are the same by the mount that they were found in,
/// which is not held.
///
/// # Errors
/// A [`Failure`] that names who has it.
pub(super) fn take(dirs: [&Dir; 2], found: [&Dir; 2], path: &Path) -> Result<Held, Failure> {
    let mut locks = vec![lock_one(dirs[0], path, PATIENCE)?, lock_one(dirs[1], path, PATIENCE)?];
    let [upper, work] = found;
    // a mount of a store lies around its upper, `up/tree`, and that is what its user locks
    let around = upper.reach(b"..").and_then(|up| up.reach(b".."));
    if let Ok(mount) = around
        && mount.stat(b"mount.json").is_ok()
    {
        let mount = private::read_only(&mount).unwrap_or(mount);
        locks.push(lock_one(&mount, path, Duration::ZERO)?);
    }
    for dir in [upper, work] {
        // only its own lock keeps another overlay of the kernel from an upper, and it can be seen but not taken
        match mount::is_upper_in_use(dir.as_fd(), upper.as_fd()) {
            Ok(false) => {}
            Ok(true) => {
                let by = "an overlay mount of the kernel";
                return Err(match holder::overlay_on(upper) {
                    Some(place) => mounted(path, by, &place),
                    None => in_use(path, &format!("by {by}"))
                        .hint("`grep overlay /proc/*/mountinfo` finds it: unmount that first"),
                });
            }
            Err(errno) => return Err(Failure::new(format!("cannot look who uses the upper: {errno}"))),
        }
    }
    Ok(Held { locks })
}

fn in_use(upper: &Path, how: &str) -> Failure {
    Failure::new(format!("the upper `{}` is in use {how}", upper.display()))
}

/// Locks a directory; waits for a server that is about to end: at most for `patience`.
fn lock_one(dir: &Dir, upper: &Path, patience: Duration) -> Result<Lock, Failure> {
    let start = Instant::now();
    let mut looked = None;
    loop {
        match lock::try_dir(dir, true) {
            Ok(Some(lock)) => return Ok(lock),
            Ok(None) => {}
            Err(errno) => return Err(Failure::new(format!("cannot lock the upper: {errno}"))),
        }
        if looked.is_none_or(|at: Instant| at.elapsed() >= LOOK) {
            let (failure, patience) = why(dir, upper, patience);
            if start.elapsed() >= patience {
                return Err(failure);
            }
            looked = Some(Instant::now());
        }
        std::thread::sleep(PAUSE);
    }
}

fn named(user: &User) -> String {
    format!("process {} ({})", user.pid, user.name)
}

/// Why a directory is locked, and how long it is worth to wait for it, where a server may take `ending` to end.
fn why(dir: &Dir, upper: &Path, ending: Duration) -> (Failure, Duration) {
    let Some(server) = holder::of_lock(dir) else {
        let failure = in_use(upper, "by a process that is not seen from here");
        return (failure.hint("unmount it where it is mounted, in another container perhaps"), CLOSING);
    };
    let devices = holder::serves(server.pid);
    if let Some(place) = devices.iter().find_map(|dev| holder::mounted(*dev)) {
        return (mounted(upper, &named(&server), &place), Duration::ZERO);
    }
    let users: Vec<User> = devices.iter().flat_map(|dev| holder::users_of(*dev)).collect();
    if let Some(user) = users.first() {
        let how = format!("by {}, which has files of a mount open that is unmounted already", named(user));
        let hint = format!("process {} serves it until that process ends or closes them", server.pid);
        return (in_use(upper, &how).hint(&hint), CLOSING);
    }
    let failure = in_use(upper, &format!("by {}", named(&server)));
    (failure.hint("try again when that process has ended"), ending)
}

/// It is mounted somewhere.
fn mounted(upper: &Path, by: &str, place: &Place) -> Failure {
    let point = place.point.display();
    let Some(there) = &place.there else {
        let how = format!("by {by}: it is mounted at `{point}`");
        return in_use(upper, &how).hint(&format!("`umount {point}` first"));
    };
    let how = format!("by {by}: in the mount namespace of {} it is mounted at `{point}`", named(there));
    // who is not root needs the rights of the user namespace that the other one lies in
    let user = if own_ids().0 == 0 { "" } else { " --user --preserve-credentials" };
    let hint = format!("`nsenter --target {}{user} --mount umount {point}`, or end that process", there.pid);
    in_use(upper, &how).hint(&hint)
}
