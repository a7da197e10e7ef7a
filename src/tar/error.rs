//! What can go wrong with a tar.

use std::io;

use crate::model::{LayerPath, PathError};

/// Why a tar cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The archive's destination failed.
    #[error("cannot write the layer's tar")]
    Write {
        /// The cause.
        source: io::Error,
    },
    /// A file's content cannot be read.
    #[error("cannot read {path:?} for the layer's tar")]
    Content {
        /// The file.
        path: LayerPath,
        /// The cause.
        source: io::Error,
    },
    /// A file became shorter or longer while it was read.
    #[error("{path:?} changed while it was read: {expected} bytes were expected, {found} or more were there")]
    SizeChanged {
        /// The file.
        path: LayerPath,
        /// The size in its header, in bytes.
        expected: u64,
        /// How many bytes were seen.
        found: u64,
    },
    /// Tar uses names that begin with `.wh.` for whiteouts, so a real file or a deleted name cannot have one.
    #[error("{path:?} cannot be written to a layer's tar, where names that begin with `.wh.` mean deletions")]
    ReservedName {
        /// The file.
        path: LayerPath,
    },
    /// A socket, which no tar can hold.
    #[error("{path:?} is a socket, which a tar cannot hold")]
    Socket {
        /// The socket.
        path: LayerPath,
    },
    /// A device number over 2,097,151, which no header can hold.
    #[error("the device number of {path:?} is too big for a tar")]
    DeviceNumber {
        /// The device.
        path: LayerPath,
    },
    /// A device that no Linux system has.
    #[error("the tar holds {path:?} as the device {major}:{minor}; Linux has them up to 4095:1048575")]
    Device {
        /// The device.
        path: LayerPath,
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// The archive's source failed.
    #[error("cannot read the tar at byte {offset}")]
    Read {
        /// Where in the archive.
        offset: u64,
        /// The cause.
        source: io::Error,
    },
    /// A compressed archive cannot be read at its beginning.
    #[error("what is compressed with {how} there cannot be read")]
    Compressed {
        /// The way of compression.
        how: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// What comes behind the archive cannot be read.
    #[error("cannot read what comes behind the tar, up to the end of its source")]
    Behind {
        /// The cause.
        source: io::Error,
    },
    /// The archive ends within an entry.
    #[error("the tar ends too early, at byte {offset}")]
    Truncated {
        /// Where in the archive.
        offset: u64,
    },
    /// A header makes no sense.
    #[error("the tar is damaged at byte {offset}: {reason}")]
    Header {
        /// Where in the archive.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// Something is bigger than is taken in.
    #[error("the tar has too much of something at byte {offset}: {what}, at most {limit}")]
    TooBig {
        /// Where in the archive.
        offset: u64,
        /// What it is, with its unit.
        what: &'static str,
        /// How much is possible.
        limit: u64,
    },
    /// A name that could lead out of the layer, or that no file can have.
    #[error("the tar holds the name `{}`: {source}", name.escape_ascii())]
    Name {
        /// The raw name.
        name: Vec<u8>,
        /// What is wrong with it.
        source: PathError,
    },
    /// A whiteout of no name, or of something that is no name.
    #[error("the tar holds `{}`, which is the whiteout of no possible name", name.escape_ascii())]
    Whiteout {
        /// The raw name.
        name: Vec<u8>,
    },
    /// A type of entry that no layer can hold.
    #[error("the tar holds `{}` of the unknown type `{}`", name.escape_ascii(), kind.escape_ascii())]
    Kind {
        /// The raw name.
        name: Vec<u8>,
        /// The type flag.
        kind: u8,
    },
    /// A symlink's target is empty, too long or holds a NUL byte.
    #[error("the tar holds the symlink {path:?} with an impossible target")]
    Target {
        /// The symlink.
        path: LayerPath,
    },
    /// A hard link to a file that the archive does not hold before it.
    #[error("the tar holds {path:?} as a hard link to {to:?}, which is not a file before it in the tar")]
    Link {
        /// The link.
        path: LayerPath,
        /// What it should link to.
        to: LayerPath,
    },
    /// A file beneath something that the archive holds as no directory.
    #[error("the tar holds {path:?} beneath {parent:?}, which is not a directory there")]
    Parent {
        /// The file.
        path: LayerPath,
        /// The path above it.
        parent: LayerPath,
    },
}

impl TarError {
    /// The file that it is about.
    pub fn path(&self) -> Option<&LayerPath> {
        match self {
            Self::Content { path, .. }
            | Self::SizeChanged { path, .. }
            | Self::ReservedName { path }
            | Self::Socket { path }
            | Self::DeviceNumber { path }
            | Self::Device { path, .. }
            | Self::Target { path }
            | Self::Link { path, .. }
            | Self::Parent { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The system's error behind it.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Write { source }
            | Self::Content { source, .. }
            | Self::Read { source, .. }
            | Self::Compressed { source, .. }
            | Self::Behind { source } => Some(source),
            _ => None,
        }
    }
}
