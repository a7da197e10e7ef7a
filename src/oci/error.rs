//! What can go wrong with an image.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::Digest;
use crate::tar::TarError;

/// Why an image cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is no source.
    #[error("`{source_text}` is no source of an image: {reason}")]
    Source {
        /// As given.
        source_text: String,
        /// Why.
        reason: &'static str,
    },
    /// A kind of source that is not read here.
    #[error("cannot read images from `{transport}`")]
    Transport {
        /// What stands before the colon.
        transport: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot {act} {}", path.display())]
    Io {
        /// What was tried, a verb.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// What lies there is no image.
    #[error("{} holds no image: it was tried as {}", path.display(), tried.join(", "))]
    NoImage {
        /// What was looked at.
        path: PathBuf,
        /// As what it was tried, each with what was missing.
        tried: Vec<String>,
    },
    /// An archive of Docker before 1.10, which has no manifest.
    #[error("{} is an image as Docker wrote it before version 1.10, with `repositories` only", path.display())]
    TooOld {
        /// The archive.
        path: PathBuf,
    },
    /// Something in the image makes no sense.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// The part of the image.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// Something in the image is bigger than is taken in.
    #[error("{what} is too big: {size} bytes, at most {limit}")]
    TooBig {
        /// The part of the image.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A part that the image names is not there.
    #[error("{what} is not there, although the image names it{}", outside.as_deref().map_or(String::new(), |urls| format!("; it is to be had at {urls}")))]
    Missing {
        /// The part.
        what: String,
        /// Where else it could be had.
        outside: Option<String>,
    },
    /// Bytes are other than they should be.
    #[error("{what} is not what it should be: its {of} is {found}, and should be {expected}")]
    Digest {
        /// The part of the image.
        what: String,
        /// `digest` or `diff ID`.
        of: &'static str,
        /// What the image says.
        expected: Digest,
        /// What the bytes have.
        found: Digest,
    },
    /// There are several images and none was chosen.
    #[error("{} holds {} images: {}", path.display(), names.len(), names.join(", "))]
    Several {
        /// The source.
        path: PathBuf,
        /// The images, as they are chosen.
        names: Vec<String>,
        /// The call that chooses the first.
        choose: String,
    },
    /// No image has the name.
    #[error("{} holds no image `{wanted}`", path.display())]
    Unknown {
        /// The source.
        path: PathBuf,
        /// As given.
        wanted: String,
        /// What there is.
        names: Vec<String>,
    },
    /// There is none for the platform.
    #[error("{what} is not there for {wanted}, only for {}", there.join(", "))]
    Platform {
        /// The image.
        what: String,
        /// The platform.
        wanted: String,
        /// What there is.
        there: Vec<String>,
    },
    /// A layer's tar cannot be read.
    #[error("cannot read {what}")]
    Tar {
        /// The layer or archive.
        what: String,
        /// The cause.
        source: TarError,
    },
    /// A layer's blob cannot be read.
    #[error("cannot read {what}")]
    Blob {
        /// The layer.
        what: String,
        /// The cause.
        source: super::blob::Error,
    },
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// Something in an image that makes no sense.
    pub(super) fn damaged(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), reason: reason.into() }
    }

    /// An answer of the system.
    pub(super) fn io(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { act, path, source }
    }

    /// The word that scripts test.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Source { .. } => "invalid_argument",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => "not_found",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => "permission",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => "no_space",
            Self::Io { .. } => "io",
            Self::Several { .. } | Self::Unknown { .. } | Self::Platform { .. } => "unknown_image",
            Self::Interrupted => "interrupted",
            Self::Transport { .. } => "unsupported",
            _ => "image",
        }
    }

    /// The file it is about.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::NoImage { path, .. }
            | Self::TooOld { path }
            | Self::Several { path, .. }
            | Self::Unknown { path, .. } => Some(path),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Source { .. } => {
                "such as `oci:DIR`, `oci-archive:FILE:NAME`, `docker-archive:FILE`, or a path alone".to_owned()
            }
            Self::Transport { instead, .. } => (*instead).to_owned(),
            Self::NoImage { .. } => {
                "`docker save`, `podman save` and `skopeo copy` write images; `l.add(tar)` takes a layer's tar".to_owned()
            }
            Self::TooOld { .. } => {
                "let a Docker from 1.10 on rewrite it: `docker load -i OLD`, then `docker save -o NEW IMAGE`".to_owned()
            }
            Self::Several { choose, .. } => format!("choose one: `open_image({choose})`"),
            Self::Unknown { names, .. } if names.is_empty() => "it holds none with a name".to_owned(),
            Self::Unknown { names, .. } => format!("it holds {}", names.join(", ")),
            Self::Platform { there, .. } => {
                format!("`#{{ platform: \"{}\" }}` takes one that is there", there.first().map_or("", String::as_str))
            }
            Self::Digest { .. } => "the file was damaged or changed on its way: fetch or write it again".to_owned(),
            _ => return None,
        })
    }
}
