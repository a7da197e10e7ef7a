//! What can go wrong while an image is written.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::Digest;
use crate::oci::blob;

/// Why an image cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be made or written.
    #[error("cannot {act} {}", path.display())]
    Io {
        /// What was tried, a verb.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A blob cannot be written.
    #[error("cannot write a layer")]
    Write {
        /// The cause.
        source: io::Error,
    },
    /// A layer that goes out as it is cannot be read.
    #[error("cannot read a layer")]
    Blob {
        /// The cause.
        #[from]
        source: blob::Error,
    },
    /// A layer that goes out as it is is not what it should be.
    #[error("a layer is not what it should be: its diff ID is {found}, and should be {expected}")]
    Other {
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// The text is no target.
    #[error("`{text}` is no target for an image: {reason}")]
    Target {
        /// As given.
        text: String,
        /// Why.
        reason: &'static str,
    },
    /// A directory that is there holds something else.
    #[error("{} is no OCI image layout, and not empty", path.display())]
    NoLayout {
        /// The directory.
        path: PathBuf,
    },
    /// A file that is to be changed makes no sense.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// The file.
        what: String,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// An answer of the system.
    pub(super) fn io(act: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { act, path: path.clone(), source }
    }

    /// The word that scripts test.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Target { .. } => "invalid_argument",
            Self::Io { source, .. } | Self::Write { source } => match source.kind() {
                io::ErrorKind::NotFound => "not_found",
                io::ErrorKind::PermissionDenied => "permission",
                io::ErrorKind::StorageFull => "no_space",
                io::ErrorKind::IsADirectory => "is_a_directory",
                _ => "io",
            },
            Self::Blob { .. } | Self::Other { .. } | Self::NoLayout { .. } | Self::Damaged { .. } => "image",
        }
    }

    /// The file it is about.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. } | Self::NoLayout { path } => Some(path),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Target { .. } => {
                "such as `oci:DIR:NAME`, `oci-archive:FILE`, `docker-archive:FILE:NAME`".to_owned()
            }
            Self::NoLayout { .. } => {
                "name a directory that is not there yet, or one that holds a layout".to_owned()
            }
            _ => return None,
        })
    }
}
