//! A user and mount namespace of our own, so that a user without privilege can mount.
//!
//! # Source
//! `user_namespaces(7)`: one ID may be mapped without help, `setgroups` must be denied first.

use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};
use rustix::process::{getegid, geteuid, getpid};

use super::mount;
use super::probe::{Answer, No};
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
pub fn enter(wanted: bool) -> State {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    if uid == 0 {
        return State::Root;
    }
    if !wanted {
        return State::Off;
    }
    if let Err(errno) = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS) {
        return State::Refused { reason: format!("unshare: {}", errno.desc()), cure: cure() };
    }
    let maps = write("/proc/self/setgroups", "deny")
        .and_then(|()| write("/proc/self/uid_map", &format!("0 {uid} 1")))
        .and_then(|()| write("/proc/self/gid_map", &format!("0 {gid} 1")));
    if let Err(reason) = maps {
        return State::Refused { reason, cure: cure() };
    }
    if let Err(errno) = mount::make_all_private() {
        return State::Refused { reason: format!("cannot make the mounts private: {errno}"), cure: cure() };
    }
    State::Entered { uid, gid }
}

fn write(path: &str, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write `{path}`: {error}"))
}

/// The setting that stands in the way, if one is found.
fn cure() -> Option<String> {
    let value = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    let set = |name: &str, value: &str| Some(format!("as root: `sysctl -w {name}={value}`"));
    if value("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        return set("kernel.unprivileged_userns_clone", "1");
    }
    if value("/proc/sys/user/max_user_namespaces").as_deref() == Some("0") {
        return set("user.max_user_namespaces", "15000");
    }
    if value("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
        return set("kernel.apparmor_restrict_unprivileged_userns", "0");
    }
    None
}

impl State {
    /// Where a path of this namespace is found from outside.
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
