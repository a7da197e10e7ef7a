//! What can go wrong with a mount.

use std::path::{Path, PathBuf};

use super::DriverKind;
use crate::sys::mount::{MAX_LAYERS, Refused};
use crate::sys::process::User;
use crate::sys::{Errno, fusermount, probe};

/// Why a mount could not be made, changed or ended.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The kernel refused to make the mount.
    #[error("cannot mount by `{driver}`: {}", reason.as_ref().map_or_else(|| refused.to_string(), Clone::clone))]
    Refused {
        /// The driver that asked for it.
        driver: DriverKind,
        /// The kernel's words.
        refused: Box<Refused>,
        /// What was found to stand in the way, where the kernel has no words.
        reason: Option<String>,
    },
    /// The kernel takes no more than 500 lower directories: the layers, and one more where some of them only imply
    /// directories.
    #[error("the mount needs {count} lower directories; the kernel's overlay takes {MAX_LAYERS}")]
    TooManyLayers {
        /// How many there are.
        count: usize,
    },
    /// The mount could not be attached, frozen or unmounted.
    #[error("cannot {act} `{}`: {errno}", target.display())]
    Target {
        /// `mount at`, `freeze`, `unmount`, …
        act: &'static str,
        /// The mount point.
        target: PathBuf,
        /// The system's answer.
        errno: Errno,
    },
    /// Processes use the mount.
    #[error("`{}` is in use{}", target.display(), named(users))]
    Busy {
        /// The mount point.
        target: PathBuf,
        /// Who uses it, where that can be seen.
        users: Vec<User>,
    },
    /// A process that an earlier run left behind still has the upper in a mount that cannot be reached from here.
    #[error("the upper of `{}` is still in use{}", target.display(), left(users))]
    UpperInUse {
        /// The mount point.
        target: PathBuf,
        /// Who uses it, where that can be seen.
        users: Vec<User>,
    },
    /// Something is mounted inside the mount.
    #[error("`{}` is mounted inside `{}`", inner.display(), target.display())]
    MountedInside {
        /// The mount point.
        target: PathBuf,
        /// What is mounted inside.
        inner: PathBuf,
    },
    /// The mount point holds files, which the mount would hide.
    #[error("the mount point `{}` is not empty", target.display())]
    NotEmpty {
        /// The mount point.
        target: PathBuf,
    },
    /// The mount point lies in one of the layers.
    #[error("the mount point `{}` lies inside the layer `{}`", target.display(), lower.display())]
    InsideLower {
        /// The mount point.
        target: PathBuf,
        /// The layer's directory.
        lower: PathBuf,
    },
    /// The FUSE device cannot be opened.
    #[error("cannot mount by `fuse`: /dev/fuse: {errno}")]
    NoDevice {
        /// The system's answer.
        errno: Errno,
    },
    /// The kernel and our server did not come to terms.
    #[error("cannot mount by `fuse`: {act}: {errno}")]
    Server {
        /// What was tried.
        act: &'static str,
        /// The system's answer.
        errno: Errno,
    },
    /// `fusermount3` refused.
    #[error("cannot mount at `{}`: fusermount3: {refused}", target.display())]
    Helper {
        /// The mount point.
        target: PathBuf,
        /// What it said.
        refused: fusermount::Refused,
    },
    /// The layers could not be read in the process.
    #[error("cannot open the layers: {errno}")]
    Layers {
        /// The system's answer.
        errno: Errno,
    },
}

fn left(users: &[User]) -> String {
    let who = named(users);
    if who.is_empty() { " by a process that an earlier run left behind".to_owned() } else { who }
}

fn named(users: &[User]) -> String {
    if users.is_empty() {
        return String::new();
    }
    let list: Vec<String> =
        users.iter().map(|user| format!("{} (process {})", user.name, user.pid)).collect();
    format!(" by {}", list.join(", "))
}

impl MountError {
    pub(super) fn target(act: &'static str, target: &Path) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::Target { act, target: target.to_owned(), errno }
    }

    /// The word that scripts test.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused { refused, .. } => match refused.errno {
                Errno::PERM
                | Errno::ACCESS
                | Errno::NODEV
                | Errno::INVAL
                | Errno::OPNOTSUPP
                | Errno::NOSYS => "unsupported",
                _ => "mount",
            },
            Self::Busy { .. } | Self::UpperInUse { .. } | Self::MountedInside { .. } => "busy",
            Self::NotEmpty { .. } => "not_empty",
            Self::InsideLower { .. } | Self::TooManyLayers { .. } => "invalid_argument",
            Self::NoDevice { .. } | Self::Server { .. } | Self::Helper { .. } => "unsupported",
            Self::Target { errno: Errno::NOENT, .. } => "not_found",
            Self::Target { errno: Errno::NOTDIR, .. } => "not_a_directory",
            Self::Target { errno: Errno::NAMETOOLONG, .. } => "name_too_long",
            Self::Target { .. } | Self::Layers { .. } => "mount",
        }
    }

    /// Whether another driver might do what this one could not.
    pub fn is_about_the_driver(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. } | Self::TooManyLayers { .. } | Self::NoDevice { .. } | Self::Server { .. }
        )
    }

    /// The errno behind it.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { refused, .. } => Some(refused.errno),
            Self::Target { errno, .. }
            | Self::Layers { errno }
            | Self::NoDevice { errno }
            | Self::Server { errno, .. } => Some(*errno),
            Self::Helper { .. } => Some(Errno::PERM),
            Self::Busy { .. } | Self::UpperInUse { .. } | Self::MountedInside { .. } => Some(Errno::BUSY),
            Self::NotEmpty { .. } => Some(Errno::NOTEMPTY),
            Self::InsideLower { .. } | Self::TooManyLayers { .. } => Some(Errno::INVAL),
        }
    }

    /// The mount point, as raw bytes.
    pub fn path(&self) -> Option<Vec<u8>> {
        use std::os::unix::ffi::OsStrExt as _;
        match self {
            Self::Target { target, .. }
            | Self::Busy { target, .. }
            | Self::UpperInUse { target, .. }
            | Self::MountedInside { target, .. }
            | Self::NotEmpty { target }
            | Self::Helper { target, .. }
            | Self::InsideLower { target, .. } => Some(target.as_os_str().as_bytes().to_vec()),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { refused, .. } => match refused.errno {
                Errno::LOOP => Some(
                    "a layer is in the stack twice or lies inside another, or the upper lies inside a layer"
                        .to_owned(),
                ),
                Errno::BUSY => Some("the upper or its work directory belongs to another mount".to_owned()),
                Errno::INVAL if refused.step == "lowerdir" => Some(
                    "this kernel takes about 15 layers; `squash` some of them, or update to Linux 6.7"
                        .to_owned(),
                ),
                errno => probe::cure(errno),
            },
            Self::TooManyLayers { .. } => Some("`squash(stack, name)` makes one layer of many".to_owned()),
            Self::Busy { .. } => Some("close those files and leave the directory, then try again".to_owned()),
            Self::UpperInUse { .. } => Some("end that process, then try again".to_owned()),
            Self::MountedInside { inner, .. } => Some(format!("`umount {}` first", inner.display())),
            Self::NotEmpty { .. } => Some("take an empty directory, or leave `at` out".to_owned()),
            Self::InsideLower { .. } => Some("take a directory outside of all layers".to_owned()),
            Self::Helper { refused, .. } if refused.to_string().contains("user_allow_other") => Some(
                "put a line `user_allow_other` into /etc/fuse.conf, or leave `allow_other` out".to_owned(),
            ),
            Self::NoDevice { errno } => probe::fuse_cure(*errno),
            Self::Target { errno: Errno::PERM, .. } => probe::cure(Errno::PERM),
            Self::Target { errno: Errno::NOENT, target, .. } => {
                Some(format!("make the directory first: `mkdir -p {}`", target.display()))
            }
            Self::Target { errno: Errno::NOTDIR, .. } => Some("a mount point is a directory".to_owned()),
            _ => None,
        }
    }
}
