//! A user and mount namespace of our own, so that a user without privilege can mount.
//!
//! # Source
//! `user_namespaces(7)`: one ID may be mapped without help, `setgroups` must be denied first.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::ForkResult;
use rustix::process::{getegid, geteuid, getpid};

use super::probe::{self, Answer, No};
use super::{Errno, mount};
use crate::model::Identity;

/// How this process stands to namespaces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// Root of the machine (or of a container): none needed.
    Root,
    /// In a user and mount namespace made here, as its root.
    Entered {
        /// The user's ID outside.
        uid: u32,
        /// The group's ID outside.
        gid: u32,
    },
    /// The machine does not allow one.
    Refused {
        /// Why.
        reason: String,
        /// What would allow it.
        cure: Option<String>,
    },
    /// Turned off by the user.
    Off,
}

/// Enters a namespace, if this user needs one. Must run before any thread exists.
///
/// It is tried in a child first: where a security module lets a namespace be made but takes its rights away, this
/// process would be left in it as nobody.
pub fn enter(wanted: bool) -> State {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    if uid == 0 {
        return State::Root;
    }
    if !wanted {
        return State::Off;
    }
    match in_child(|| unshare_and_map(uid, gid)).and_then(|()| unshare_and_map(uid, gid)) {
        Ok(()) => State::Entered { uid, gid },
        Err(reason) => State::Refused { reason, cure: probe::user_namespaces().err().and_then(|no| no.cure) },
    }
}

/// Tells the environment the user's home where it does not: in a user namespace programs that look it up by the user's ID
/// would find root's. Must run before any thread exists.
#[expect(unsafe_code, reason = "set_var")]
pub fn set_home(home: &Path) {
    // SAFETY: this process has one thread, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var("HOME", home) };
}

fn unshare_and_map(uid: u32, gid: u32) -> Result<(), String> {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(|errno| format!("unshare: {}", errno.desc()))?;
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", &format!("0 {gid} 1"))?;
    // the kernel lets nothing out of a namespace with another owner anyway; this is refused where `/` is no mount point
    if let Err(errno) = mount::make_all_private() {
        log::debug!("the mounts stay as they propagate: {errno}");
    }
    Ok(())
}

fn write(path: &str, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write `{path}`: {error}"))
}

/// Runs `work` in a child process and gives its answer.
#[expect(unsafe_code, reason = "fork")]
fn in_child(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let failed = |act: &str, errno: Errno| format!("{act}: {errno}");
    let (read, write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|errno| failed("pipe", errno))?;
    // SAFETY: this process has one thread, so the child's memory is in order and it may run any code.
    match unsafe { nix::unistd::fork() } {
        Err(errno) => Err(format!("fork: {}", errno.desc())),
        Ok(ForkResult::Child) => {
            let told = match work() {
                Ok(()) => File::from(write).write_all(b"+"),
                Err(reason) => File::from(write).write_all(reason.as_bytes()),
            };
            // SAFETY: `_exit` ends the child at once, without what the parent wants done at its own end.
            unsafe { libc::_exit(i32::from(told.is_err())) }
        }
        Ok(ForkResult::Parent { child }) => {
            drop(write);
            let mut answer = String::new();
            let heard = File::from(read).read_to_string(&mut answer);
            while nix::sys::wait::waitpid(child, None) == Err(nix::Error::EINTR) {}
            match (heard, &*answer) {
                (Ok(_), "+") => Ok(()),
                (Ok(_), "") => Err("a trial of it ended without a word".to_owned()),
                (Ok(_), reason) => Err(reason.to_owned()),
                (Err(error), _) => Err(format!("a trial of it was not heard: {error}")),
            }
        }
    }
}

impl State {
    /// Where a path of this namespace is found from outside: by this process, as its PID namespace numbers it.
    pub fn host_path(&self, path: &Path) -> PathBuf {
        match self {
            Self::Entered { .. } => {
                let root = PathBuf::from(format!("/proc/{}/root", getpid().as_raw_nonzero()));
                root.join(path.strip_prefix("/").unwrap_or(path))
            }
            _ => path.to_owned(),
        }
    }

    /// What host owners mean in a layer.
    pub fn identity(&self) -> Identity {
        match self {
            Self::Root | Self::Entered { .. } => Identity::AsIs,
            Self::Refused { .. } | Self::Off => {
                Identity::OwnIsRoot { uid: geteuid().as_raw(), gid: getegid().as_raw() }
            }
        }
    }

    /// The answer for `doctor()`.
    pub fn answer(&self) -> Answer {
        match self {
            Self::Root => Ok("root".to_owned()),
            Self::Entered { uid, gid } => {
                Ok(format!("user {uid}:{gid}, root of a user and mount namespace of its own"))
            }
            Self::Refused { reason, cure } => {
                Err(No { reason: format!("no user namespace: {reason}"), cure: cure.clone() })
            }
            Self::Off => Err(No {
                reason: "the user namespace is turned off".to_owned(),
                cure: Some("leave out `--no-userns`".to_owned()),
            }),
        }
    }
}
