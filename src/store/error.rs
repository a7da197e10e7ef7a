//! What can go wrong with a store.

use std::path::{Path, PathBuf};

use crate::model::{Digest, LayerName, LayerPath, PathError, TreeId};
use crate::sys::Errno;
use crate::tar::TarError;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused something.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried, a verb.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        #[source]
        errno: Errno,
    },
    /// The system refused something inside a layer's tree.
    #[error("cannot {what} {path:?} in the layer")]
    Tree {
        /// What was tried, a verb.
        what: &'static str,
        /// On what.
        path: LayerPath,
        /// The system's answer.
        #[source]
        errno: Errno,
    },
    /// There is no store yet.
    #[error("there is no store at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The directory holds something else.
    #[error("{} is neither a store of ufs nor an empty directory", path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
    },
    /// A later ufs made it.
    #[error("the store {} has format {found}, and this ufs knows up to {known}", path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest version known here.
        known: u64,
    },
    /// The store lies where nothing can be written.
    #[error("the store {} cannot be written", path.display())]
    ReadOnly {
        /// The store.
        path: PathBuf,
        /// The system's answer.
        #[source]
        errno: Errno,
    },
    /// The store lies in another user's directory.
    #[error("the store {} belongs to another user ({owner})", path.display())]
    NotOwn {
        /// The store.
        path: PathBuf,
        /// The user's ID.
        owner: u32,
    },
    /// The file system lacks something that every layer needs.
    #[error("the file system of {} cannot hold layers: it has no {lacks}", path.display())]
    Unsuitable {
        /// The store.
        path: PathBuf,
        /// What it lacks.
        lacks: &'static str,
        /// The system's answer.
        #[source]
        errno: Errno,
    },
    /// The store was written without syncs when the machine stopped.
    #[error("the store {} was written with `--sync=off` when the machine stopped: any part of it may be damaged", path.display())]
    UnsyncedStore {
        /// The store.
        path: PathBuf,
        /// What says so.
        mark: PathBuf,
    },
    /// A record does not read back.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A later version of this program wrote a record.
    #[error("{} has version {version}, made by a later ufs", path.display())]
    Later {
        /// The record.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// A mount's record does not read back.
    #[error("the mount `{name}` cannot be mounted again: {why}")]
    DamagedMount {
        /// The mount.
        name: LayerName,
        /// Where its upper lies on the host.
        upper: PathBuf,
        /// Which record, and what is wrong with it.
        why: String,
    },
    /// No layer has this ID.
    #[error("no layer in the store has an ID that begins with `{prefix}`")]
    NoLayer {
        /// The ID as given.
        prefix: String,
    },
    /// Several layers have an ID that begins so.
    #[error("`{prefix}` is the beginning of {} layers' IDs", found.len())]
    Ambiguous {
        /// The ID as given.
        prefix: String,
        /// The IDs that begin so.
        found: Vec<TreeId>,
    },
    /// No draft has this name.
    #[error("there is no draft `{name}`")]
    NoDraft {
        /// The name.
        name: LayerName,
    },
    /// No mount has this name.
    #[error("there is no mount `{name}`")]
    NoMount {
        /// The name.
        name: LayerName,
    },
    /// The name is taken by another mount.
    #[error("there is already a mount `{name}`")]
    MountExists {
        /// The name.
        name: LayerName,
    },
    /// The mount's writable directory is gone.
    #[error("the upper of the mount `{name}` is missing")]
    NoUpper {
        /// The mount.
        name: LayerName,
    },
    /// An upper was written without syncs, and the machine stopped before the disk held it.
    #[error(
        "the machine stopped while the mount `{name}` was `volatile`: its upper was not synced and may be damaged"
    )]
    Unsynced {
        /// The mount.
        name: LayerName,
        /// Where its upper lies on the host.
        upper: PathBuf,
        /// What says so.
        mark: PathBuf,
    },
    /// Another process uses it.
    #[error("{what} is in use by {}", process(*pid))]
    Busy {
        /// What is in use, in words.
        what: String,
        /// The process, where known.
        pid: Option<u32>,
    },
    /// A file was written while its layer was sealed.
    #[error("{path:?} changed while the layer was sealed")]
    Changed {
        /// The file.
        path: LayerPath,
    },
    /// A name in a tree cannot be a layer's path.
    #[error("`{}` in {} cannot be a path of a layer", name.escape_ascii(), dir.display())]
    Path {
        /// The raw name.
        name: Vec<u8>,
        /// Where it was found.
        dir: PathBuf,
        /// What is wrong with it.
        #[source]
        source: PathError,
    },
    /// What is to be unpacked lies beneath something that is no directory here.
    #[error("cannot put {path:?} into the layer: {parent:?} is not a directory there")]
    NotADirectory {
        /// What was to be put.
        path: LayerPath,
        /// What is in the way.
        parent: LayerPath,
    },
    /// A file has more attributes than the system lists.
    #[error(
        "cannot put {path:?} into the layer: the names of its {count} attributes have {bytes} bytes, and Linux lists at \
         most {limit}"
    )]
    Attributes {
        /// The file.
        path: LayerPath,
        /// How many attributes it has.
        count: usize,
        /// How many bytes their names have in the layer.
        bytes: usize,
        /// How many can be.
        limit: usize,
    },
    /// A layer's content is not what its ID says.
    #[error("the content of layer {} is not what its ID says: it gives {found}", id.short())]
    Content {
        /// The layer.
        id: TreeId,
        /// What its content hashes to.
        found: Digest,
    },
    /// The layer's tar could not be read or written.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// The user stopped it.
    #[error("interrupted")]
    Interrupted,
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

impl Error {
    /// One word for scripts.
    pub fn kind(&self) -> &'static str {
        match self {
            _ if self.errno() == Some(Errno::NOSPC) || self.errno() == Some(Errno::DQUOT) => "no_space",
            Self::Io { .. } | Self::Tree { .. } => "io",
            Self::Missing { .. } => "no_store",
            Self::NotAStore { .. } => "not_a_store",
            Self::Newer { .. } | Self::Later { .. } => "newer_store",
            Self::ReadOnly { .. } => "read_only",
            Self::NotOwn { .. } => "permission",
            Self::Unsuitable { .. } => "unsuitable",
            Self::Damaged { .. } | Self::DamagedMount { .. } | Self::Content { .. } => "damaged",
            Self::NoLayer { .. } | Self::NoDraft { .. } => "unknown_layer",
            Self::Ambiguous { .. } => "ambiguous_id",
            Self::NoMount { .. } => "unknown_mount",
            Self::MountExists { .. } => "mount_exists",
            Self::NoUpper { .. } => "no_upper",
            Self::Unsynced { .. } | Self::UnsyncedStore { .. } => "unsynced",
            Self::Busy { .. } => "busy",
            Self::Changed { .. } | Self::Tar(TarError::SizeChanged { .. }) => "changed",
            Self::Path { .. } => "invalid_path",
            Self::NotADirectory { .. } => "not_a_directory",
            Self::Tar(_) | Self::Attributes { .. } => "tar",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether something that the store has written does not read back.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::DamagedMount { .. } | Self::Later { .. })
    }

    /// The system's answer behind it.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Io { errno, .. }
            | Self::Tree { errno, .. }
            | Self::ReadOnly { errno, .. }
            | Self::Unsuitable { errno, .. } => Some(*errno),
            Self::Tar(tar) => tar.io().and_then(Errno::from_io_error),
            _ => None,
        }
    }

    /// The file or directory that it is about: a host path, or a path inside a layer.
    pub fn path(&self) -> Option<Vec<u8>> {
        use std::os::unix::ffi::OsStrExt;
        match self {
            Self::Io { path, .. }
            | Self::Missing { path }
            | Self::NotAStore { path }
            | Self::Newer { path, .. }
            | Self::ReadOnly { path, .. }
            | Self::NotOwn { path, .. }
            | Self::UnsyncedStore { path, .. }
            | Self::Unsuitable { path, .. }
            | Self::Damaged { path, .. }
            | Self::Later { path, .. } => Some(path.as_os_str().as_bytes().to_vec()),
            Self::Unsynced { upper, .. } | Self::DamagedMount { upper, .. } => {
                Some(upper.as_os_str().as_bytes().to_vec())
            }
            Self::Tree { path, .. }
            | Self::Changed { path }
            | Self::NotADirectory { path, .. }
            | Self::Attributes { path, .. } => Some(path.as_bytes().to_vec()),
            Self::Path { name, .. } => Some(name.clone()),
            Self::Tar(tar) => tar.path().map(|path| path.as_bytes().to_vec()),
            _ => None,
        }
    }

    /// The layer, draft or mount that it is about, as the user would name it.
    pub fn layer(&self) -> Option<String> {
        match self {
            Self::NoLayer { prefix } | Self::Ambiguous { prefix, .. } => Some(prefix.clone()),
            Self::NoDraft { name }
            | Self::NoMount { name }
            | Self::MountExists { name }
            | Self::NoUpper { name }
            | Self::DamagedMount { name, .. }
            | Self::Unsynced { name, .. } => Some(name.to_string()),
            Self::Content { id, .. } => Some(id.short()),
            _ => None,
        }
    }

    /// What would help.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            _ if self.kind() == "no_space" => {
                "nothing is lost: make room on that file system, then try again".to_owned()
            }
            Self::NotAStore { .. } => "name an empty or a new directory with `--store`".to_owned(),
            Self::Later { .. } => "use the ufs that wrote it".to_owned(),
            Self::Newer { .. } => "use the ufs that made it, or another store with `--store`".to_owned(),
            Self::ReadOnly { errno: Errno::ROFS, .. } => {
                "name a directory that you can write with `--store`, or use `--ephemeral`; what is in a store on a read-only \
                 disk can be read, exported, and mounted with `#{ read_only: true }`"
                    .to_owned()
            }
            Self::ReadOnly { .. } => {
                "name a directory that you can write with `--store`, or use `--ephemeral`".to_owned()
            }
            Self::NotOwn { owner, .. } => format!(
                "use it as that user, `setpriv --reuid {owner} …`, or one of your own: `--store DIR`; `--as-root` uses it \
                 all the same, and what is made there that user can neither change nor remove"
            ),
            Self::Unsuitable { .. } => {
                "put the store on ext4, xfs, btrfs or tmpfs (Linux 6.6) with `--store`".to_owned()
            }
            Self::Ambiguous { found, .. } => {
                let some: Vec<String> = found.iter().take(4).map(|id| id.hex()[..16].to_owned()).collect();
                format!("write more digits: {}", some.join(", "))
            }
            Self::Damaged { .. } | Self::Content { .. } => {
                "`check()` tells all that is damaged, `repair()` what can be done; another store: `--store DIR`".to_owned()
            }
            Self::DamagedMount { name, upper, .. } => format!(
                "its files are in `{}`; `mounts().find(|m| m.name == \"{name}\").discard()` frees its name and keeps them",
                upper.display()
            ),
            Self::NoLayer { .. } => "`layers()` lists those that have names, with their IDs".to_owned(),
            Self::NoUpper { .. } => {
                "its changes are lost with it; `discard()` drops what is left of the mount".to_owned()
            }
            Self::Unsynced { name, upper, mark } => format!(
                "`mounts().find(|m| m.name == \"{name}\").discard()` drops it; what is good can be copied from `{}` before; to use all of it \
                 as it is, remove `{}`",
                upper.display(),
                mark.display()
            ),
            Self::UnsyncedStore { mark, .. } => format!(
                "with `--sync=off` it can be looked at and used as it is: `check()` tells what is damaged; to use it as any \
                 other again, remove `{}`",
                mark.display()
            ),
            Self::Busy { .. } => "wait until that process has ended".to_owned(),
            Self::Io { errno: Errno::ACCESS | Errno::PERM, .. } => {
                "this user may not do that; name a store that it may write with `--store`".to_owned()
            }
            Self::Changed { .. } | Self::Tar(TarError::SizeChanged { .. }) => {
                "stop what writes there, then try again".to_owned()
            }
            Self::Tar(TarError::ReservedName { .. }) => "give the file another name".to_owned(),
            _ => return None,
        })
    }
}

/// Turns an errno into an [`Error::Io`] on `path`.
pub(super) fn io(what: &'static str, path: impl AsRef<Path>) -> impl FnOnce(Errno) -> Error {
    move |errno| Error::Io { what, path: path.as_ref().to_owned(), errno }
}

/// As [`io`], for opening what the store itself has made: anything else in its place is damage.
pub(super) fn own(what: &'static str, path: impl AsRef<Path>) -> impl FnOnce(Errno) -> Error {
    move |errno| match errno {
        Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::NXIO => Error::Damaged {
            path: path.as_ref().to_owned(),
            why: "something else lies in its place".to_owned(),
        },
        errno => io(what, path)(errno),
    }
}

/// Turns an errno into an [`Error::Tree`] on `path`.
pub(super) fn tree(what: &'static str, path: &LayerPath) -> impl FnOnce(Errno) -> Error {
    move |errno| Error::Tree { what, path: path.clone(), errno }
}

/// The errno of a standard I/O error; of one that does not have it any more, what its kind tells, and else `EIO`.
pub(super) fn errno_of(error: &std::io::Error) -> Errno {
    use std::io::ErrorKind;
    Errno::from_io_error(error).unwrap_or(match error.kind() {
        ErrorKind::NotFound => Errno::NOENT,
        ErrorKind::PermissionDenied => Errno::ACCESS,
        ErrorKind::NotADirectory => Errno::NOTDIR,
        ErrorKind::ReadOnlyFilesystem => Errno::ROFS,
        ErrorKind::StorageFull => Errno::NOSPC,
        ErrorKind::QuotaExceeded => Errno::DQUOT,
        ErrorKind::OutOfMemory => Errno::NOMEM,
        ErrorKind::AlreadyExists => Errno::EXIST,
        _ => Errno::IO,
    })
}
