//! What can go wrong for a user: one error with a kind, a path, a layer, an errno and a hint.

use std::io;
use std::path::{Path, PathBuf};

use super::act::Act;
use super::gate;
use crate::driver::{DriverKind, MountError};
use crate::model::{LayerPath, ModeError, NameError, PathError, is_id};
use crate::oci::{self, save};
use crate::store::{self, MountUser};
use crate::sys::{self, Errno};
use crate::tar::TarError;

fn shown(path: &LayerPath) -> String {
    format!("/{}", path.as_bytes().escape_ascii())
}

/// The start of a path that may be far too long for a line.
fn brief(path: &[u8]) -> String {
    const MOST: usize = 60;
    let text = path[..path.len().min(MOST)].escape_ascii().to_string();
    if path.len() > MOST { text + "…" } else { text }
}

fn told(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "it does not exist".to_owned(),
        Errno::EXIST => "it exists already".to_owned(),
        Errno::NOTDIR => "a part of the path is not a directory".to_owned(),
        Errno::ISDIR => "it is a directory".to_owned(),
        Errno::NOTEMPTY => "the directory is not empty".to_owned(),
        Errno::ROFS => "it is read-only".to_owned(),
        Errno::NOSPC => "no space is left on the device".to_owned(),
        Errno::LOOP => "too many symlinks lead to each other".to_owned(),
        Errno::NODATA => "there is no such attribute".to_owned(),
        Errno::BUSY => "it is in use".to_owned(),
        _ => sys::without_numbers(&io::Error::from(errno).to_string()).to_lowercase(),
    }
}

/// Everything that the façade can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path is not one of a layer.
    #[error("`{}` is not a path inside a layer: {cause}", brief(path))]
    Path {
        /// As given.
        path: Vec<u8>,
        /// Why.
        cause: PathError,
    },
    /// An operation on a file failed.
    #[error("cannot {} `{}`: {}", act.verb(), shown(path), told(*errno))]
    File {
        /// What was tried.
        act: Act,
        /// On what, in the mount or layer.
        path: LayerPath,
        /// The system's answer.
        errno: Errno,
    },
    /// An operation on a host file failed.
    #[error("cannot {} `{}`: {}", act.verb(), path.display(), told(*errno))]
    Host {
        /// What was tried.
        act: Act,
        /// The host path.
        path: PathBuf,
        /// The system's answer.
        errno: Errno,
    },
    /// A file is too long for one value.
    #[error("`{}` has {size} bytes; at most {limit} can be read into one value", shown(path))]
    TooLarge {
        /// The file.
        path: LayerPath,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// What was to be added is no layer's tar, and will not be taken for a mere file.
    #[error("cannot add `{}`: it is {what}", path.display())]
    NoLayer {
        /// The host path.
        path: PathBuf,
        /// What it is.
        what: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A glob cannot be read.
    #[error("`{}` is not a glob: {reason}", pattern.escape_ascii())]
    Glob {
        /// As given.
        pattern: Vec<u8>,
        /// Why.
        reason: String,
    },
    /// A mode cannot be read.
    #[error("{cause}")]
    Mode {
        /// Why.
        cause: ModeError,
    },
    /// A name cannot be one.
    #[error("{cause}")]
    Name {
        /// Why.
        cause: NameError,
    },
    /// No layer has this name or ID.
    #[error("there is no layer `{name}`")]
    UnknownLayer {
        /// As given.
        name: String,
        /// The nearest name that exists.
        near: Option<String>,
    },
    /// No mount has this name.
    #[error("there is no mount `{name}`")]
    UnknownMount {
        /// As given.
        name: String,
        /// The nearest name that exists.
        near: Option<String>,
    },
    /// A mount of this name exists already.
    #[error(
        "a mount `{name}` exists already{}{}",
        if *dirty { ", with uncommitted changes" } else { "" },
        user.map_or(String::new(), |user| format!(", in use by {user}"))
    )]
    MountExists {
        /// The name.
        name: String,
        /// The other process that uses it.
        user: Option<MountUser>,
        /// Whether its upper holds changes.
        dirty: bool,
    },
    /// Nothing is mounted that a call without a mount could mean.
    #[error("no mount is current")]
    NoMount,
    /// The mount is not mounted now.
    #[error("`{name}` is not mounted")]
    NotMounted {
        /// The mount.
        name: String,
    },
    /// The mount or layer takes no changes.
    #[error("`{name}` is mounted read-only")]
    ReadOnly {
        /// The mount.
        name: String,
    },
    /// A sealed layer was to be changed.
    #[error("layer `{layer}` is sealed, and sealed layers never change")]
    Sealed {
        /// The layer.
        layer: String,
    },
    /// A draft was needed or not wanted.
    #[error("layer `{layer}` is {is}")]
    WrongLayer {
        /// The layer.
        layer: String,
        /// What it is.
        is: &'static str,
        /// What to do instead.
        instead: String,
    },
    /// A stack is empty or too long.
    #[error("a stack needs 1 to 500 layers, not {count}")]
    StackSize {
        /// How many there were.
        count: usize,
    },
    /// The driver cannot do this.
    #[error("{what} is not possible with the `{driver}` driver")]
    Unsupported {
        /// What was asked.
        what: &'static str,
        /// The driver.
        driver: DriverKind,
    },
    /// No driver works here.
    #[error("this machine allows no way to mount: {reasons}")]
    NoDriver {
        /// One reason a driver.
        reasons: String,
    },
    /// The machine lacks what all that is done with a store needs.
    #[error("cannot work with a store: {reason}")]
    Lacks {
        /// What is missing.
        reason: String,
        /// What helps.
        cure: Option<String>,
    },
    /// A script in a sandbox wants what that does not let it.
    #[error("`--sandbox` does not let a script {act}{}", about(path.as_ref()))]
    Sandbox {
        /// What it wants to do.
        act: &'static str,
        /// With which path of the host.
        path: Option<PathBuf>,
    },
    /// The sandbox could not be made, although the machine has what it needs.
    #[error("cannot make the sandbox: {why}")]
    NoSandbox {
        /// Why not.
        why: String,
    },
    /// A shell command failed.
    #[error("`{command}` ended with exit code {code}")]
    Command {
        /// As given.
        command: String,
        /// Its exit code; 128 + the signal's number if a signal ended it.
        code: i32,
        /// The end of what it said on stderr.
        err: String,
    },
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Mounting, unmounting, freezing failed.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A tar could not be read or written.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// A platform cannot be read.
    #[error("`{text}` is not a platform")]
    Platform {
        /// As given.
        text: String,
    },
    /// An image could not be opened or read.
    #[error(transparent)]
    Image(#[from] oci::Error),
    /// An image could not be written.
    #[error(transparent)]
    Save(#[from] save::Error),
}

impl Error {
    /// Ties an I/O error of an open file to what was tried.
    pub(super) fn io(act: Act, path: &LayerPath, cause: &io::Error) -> Self {
        Self::File { act, path: path.clone(), errno: errno_of(cause) }
    }

    /// Ties an I/O error of a host file to what was tried.
    pub(super) fn host(act: Act, path: &std::path::Path, cause: &io::Error) -> Self {
        Self::Host { act, path: path.to_owned(), errno: errno_of(cause) }
    }

    /// The word that scripts test: `not_found`, `sealed`, `unknown_layer`, …
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Path { cause: PathError::NameTooLong { .. } | PathError::TooDeep, .. } => "name_too_long",
            Self::Path { .. } => "invalid_path",
            Self::File { errno, .. } | Self::Host { errno, .. } => kind_of(*errno),
            Self::TooLarge { .. } => "too_large",
            Self::Glob { .. }
            | Self::Mode { .. }
            | Self::Name { .. }
            | Self::StackSize { .. }
            | Self::Platform { .. } => "invalid_argument",
            Self::UnknownLayer { .. } => "unknown_layer",
            Self::UnknownMount { .. } => "unknown_mount",
            Self::MountExists { .. } => "mount_exists",
            Self::NoMount => "no_mount",
            Self::NotMounted { .. } => "not_mounted",
            Self::ReadOnly { .. } => "read_only",
            Self::Sealed { .. } => "sealed",
            Self::WrongLayer { .. } => "wrong_layer",
            Self::Unsupported { .. }
            | Self::NoDriver { .. }
            | Self::Lacks { .. }
            | Self::NoSandbox { .. } => "unsupported",
            Self::Sandbox { .. } => "sandbox",
            Self::Command { .. } => "command_failed",
            Self::Interrupted => "interrupted",
            Self::Mount(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Save(error) => error.kind(),
            Self::Tar(_) | Self::NoLayer { .. } => "tar",
            Self::Image(error) => error.kind(),
        }
    }

    /// The path it is about, as raw bytes.
    pub fn path(&self) -> Option<Vec<u8>> {
        use std::os::unix::ffi::OsStrExt as _;
        match self {
            Self::Path { path, .. } => Some(path.clone()),
            Self::File { path, .. } | Self::TooLarge { path, .. } => Some([b"/", path.as_bytes()].concat()),
            Self::Host { path, .. } | Self::NoLayer { path, .. } => {
                Some(path.as_os_str().as_bytes().to_vec())
            }
            Self::Sandbox { path, .. } => Some(path.as_ref()?.as_os_str().as_bytes().to_vec()),
            Self::Store(error) => error.path(),
            Self::Save(error) => Some(error.path()?.as_os_str().as_bytes().to_vec()),
            Self::Mount(error) => error.path(),
            Self::Image(error) => Some(error.path()?.as_os_str().as_bytes().to_vec()),
            _ => None,
        }
    }

    /// The layer or mount it is about.
    pub fn layer(&self) -> Option<String> {
        match self {
            Self::UnknownLayer { name, .. }
            | Self::UnknownMount { name, .. }
            | Self::MountExists { name, .. }
            | Self::NotMounted { name }
            | Self::ReadOnly { name } => Some(name.clone()),
            Self::Sealed { layer } | Self::WrongLayer { layer, .. } => Some(layer.clone()),
            _ => None,
        }
    }

    /// The name of the errno behind it, such as `ENOENT`.
    pub fn errno(&self) -> Option<&'static str> {
        let errno = match self {
            Self::File { errno, .. } | Self::Host { errno, .. } => Some(*errno),
            Self::Path { cause, .. } => Some(match cause {
                PathError::NameTooLong { .. } | PathError::TooDeep => Errno::NAMETOOLONG,
                PathError::Parent | PathError::Nul => Errno::INVAL,
            }),
            Self::Mount(error) => error.errno(),
            Self::Store(error) => error.errno(),
            Self::ReadOnly { .. } => Some(Errno::ROFS),
            _ => None,
        };
        errno.map(sys::errno_name)
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Path { cause: PathError::Parent, .. } => {
                "write the path from the root of the layer or mount, such as `/etc/motd`".to_owned()
            }
            Self::Path { cause: PathError::Nul, .. } => "`\\x00` and `\\0` in a string are a NUL byte".to_owned(),
            Self::Path { cause: PathError::NameTooLong { .. }, .. } => {
                "the kernel takes no longer ones: shorten it".to_owned()
            }
            Self::Path { cause: PathError::TooDeep, .. } => "shorten it".to_owned(),
            Self::Name { .. } => "such as `base`, `app-1.2`, `team/web`".to_owned(),
            Self::File { errno: Errno::ROFS, .. } => {
                "mount the stack without `read_only: true` to change it".to_owned()
            }
            Self::File { act: Act::Remove, errno: Errno::NOTEMPTY, path } => {
                format!("`rm_all(\"{}\")` removes a directory with all it holds", shown(path))
            }
            Self::File { act: Act::Read, errno: Errno::ISDIR, path } => {
                format!("`ls(\"{}\")` lists a directory", shown(path))
            }
            Self::File { errno: Errno::NOSPC, .. } | Self::Host { errno: Errno::NOSPC, .. } => {
                "free some space, or use a store elsewhere: `--store DIR`".to_owned()
            }
            Self::Host { act: Act::Add, errno: Errno::ACCESS | Errno::PERM, .. } => {
                "this user may not read it: run as who may, or add what is readable".to_owned()
            }
            Self::Host { act: Act::CopyOut, errno: Errno::EXIST, .. } => {
                "remove it first, or take another name".to_owned()
            }
            Self::Host { act: Act::Write, errno: Errno::EXIST, .. } => {
                "take another name, or replace it: `#{ force: true }` as the second argument".to_owned()
            }
            Self::File { act: Act::SetXattr | Act::RemoveXattr, errno: Errno::PERM, .. } => {
                "`user.*` attributes are possible on regular files and directories only".to_owned()
            }
            Self::File { act: Act::SetXattr, errno: Errno::OPNOTSUPP, .. } => {
                "a layer carries `user.*`, `security.capability` and POSIX ACLs".to_owned()
            }
            Self::UnknownLayer { near: Some(near), .. } | Self::UnknownMount { near: Some(near), .. } => {
                format!("did you mean `{near}`?")
            }
            Self::UnknownLayer { name, .. } if name.starts_with(['/', '.']) => {
                "that is a path: `layer_at(path)` takes a host directory as a layer; a path of the union stands behind \
                 its mount or layer, as in `tree(m, \"/etc\")`"
                    .to_owned()
            }
            Self::UnknownLayer { name, .. } => {
                format!("`layers()` lists them; `layer(\"{name}\")` starts a new one")
            }
            Self::UnknownMount { .. } => "`mounts()` lists them".to_owned(),
            Self::MountExists { user: Some(_), .. } => {
                "take another name: `#{ name: \"…\" }`, or none for the next that is free".to_owned()
            }
            Self::MountExists { name, .. } => format!(
                "`use_mount(\"{name}\")` goes on with it, `use_mount(\"{name}\").discard()` drops it, and the option \
                 `fresh: true` drops it for the new one"
            ),
            Self::NoMount => "mount a stack first: `mount(\"base\")`, or resume one: `mounts()`".to_owned(),
            Self::WrongLayer { instead, .. } => instead.clone(),
            Self::NoLayer { instead, .. } => (*instead).to_owned(),
            Self::Tar(TarError::Compressed { .. }) => "`#{ unpack: false }` adds it as a file".to_owned(),
            Self::NotMounted { name } => format!("`use_mount(\"{name}\")` mounts it again"),
            Self::ReadOnly { .. } => "mount the stack without `read_only: true` to change it".to_owned(),
            Self::Sealed { layer } => {
                let on = format!("build on it: `mount(\"{layer}\")`, change files there, then `commit(\"NAME\")`");
                if is_id(layer) {
                    return Some(on);
                }
                format!(
                    "{on}; or begin anew: `layer(\"{layer}\", #{{ fresh: true }})`; `remove(\"{layer}\")` frees the name"
                )
            }
            Self::Platform { .. } => "such as `linux/arm64` or `linux/arm/v7`".to_owned(),
            Self::StackSize { count: 0 } => "name at least one layer".to_owned(),
            Self::StackSize { .. } => "`squash(stack, name)` makes one layer of many".to_owned(),
            Self::Unsupported { driver: DriverKind::Direct, .. } => {
                "`direct` makes no mount, so programs cannot see it; `doctor()` tells what `overlay` needs here"
                    .to_owned()
            }
            Self::NoDriver { .. } => "`doctor()` tells what is missing and how to get it".to_owned(),
            Self::Lacks { cure, .. } => return cure.clone(),
            Self::Sandbox { act: gate::READ, path: Some(path) } => {
                format!("`--allow-read {}` lets it", path.display())
            }
            Self::Sandbox { act: gate::WRITE, path: Some(path) } => {
                let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
                format!("`--allow-write {}` lets it", dir.unwrap_or(Path::new(".")).display())
            }
            Self::Sandbox { act: gate::MOUNT, .. } => "`mount` and `mount_direct` need none".to_owned(),
            Self::Sandbox { act: gate::VARIABLE, .. } => {
                "what a script needs is given as its arguments: `args()`".to_owned()
            }
            Self::Command { err, .. } if !err.is_empty() => format!("it said: {err}"),
            Self::Command { .. } => "`sh(command, #{ check: false })` gives the code instead".to_owned(),
            Self::Mount(error) => return error.hint(),
            Self::Store(error) => return error.hint(),
            Self::Image(error) => return error.hint(),
            Self::Save(error) => return error.hint(),
            _ => return None,
        })
    }

    /// The exit code of a program that ends with it: 1 failed, 3 the machine lacks something, 4 the store is damaged.
    pub fn exit_code(&self) -> u8 {
        match self.kind() {
            "unsupported" | "unsuitable" => 3,
            "damaged" => 4,
            _ => 1,
        }
    }
}

/// The path that an error is about, behind its act.
fn about(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| format!(" `{}`", path.as_os_str().as_encoded_bytes().escape_ascii()))
}

fn errno_of(cause: &io::Error) -> Errno {
    Errno::from_io_error(cause).unwrap_or(Errno::IO)
}

/// The kind word for a system's answer.
fn kind_of(errno: Errno) -> &'static str {
    match errno {
        Errno::NOENT => "not_found",
        Errno::EXIST => "exists",
        Errno::NOTDIR => "not_a_directory",
        Errno::ISDIR => "is_a_directory",
        Errno::NOTEMPTY => "not_empty",
        Errno::PERM | Errno::ACCESS => "permission",
        Errno::ROFS => "read_only",
        Errno::NOSPC | Errno::DQUOT => "no_space",
        Errno::NAMETOOLONG => "name_too_long",
        Errno::INVAL | Errno::OPNOTSUPP => "invalid_argument",
        Errno::BUSY | Errno::TXTBSY => "busy",
        Errno::NODATA => "no_attribute",
        Errno::XDEV => "cross_device",
        Errno::LOOP => "symlink_loop",
        Errno::INTR => "interrupted",
        _ => "io",
    }
}
