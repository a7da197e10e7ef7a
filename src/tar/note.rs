//! What was left out or understood otherwise while a tar was read.

use std::fmt;

use crate::model::LayerPath;

/// One remark on an archive that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// Bookkeeping of aufs (`.wh..wh.*`), left out.
    Bookkeeping {
        /// The raw name.
        name: Vec<u8>,
    },
    /// Global defaults for all entries, not applied.
    GlobalHeader,
    /// A volume label, left out.
    VolumeLabel,
    /// A character device 0:0, taken as the whiteout that it is to the kernel.
    DeviceWhiteout {
        /// The deleted name.
        path: LayerPath,
    },
    /// An attribute that no layer carries, left out.
    Attribute {
        /// Its name.
        name: Vec<u8>,
        /// The first file that has it.
        path: LayerPath,
        /// How many files have it.
        count: u64,
    },
    /// The end mark is missing, and the archive ends after an entry.
    NoEnd,
    /// An access control list as text, left out (the binary attributes are kept).
    TextAcl {
        /// The file.
        path: LayerPath,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bookkeeping { name } => {
                write!(f, "left out `{}`, bookkeeping of aufs", name.escape_ascii())
            }
            Self::GlobalHeader => f.write_str("left out a global header"),
            Self::VolumeLabel => f.write_str("left out a volume label"),
            Self::DeviceWhiteout { path } => write!(f, "took the device 0:0 at {path:?} as a whiteout"),
            Self::Attribute { name, path, count: 1 } => {
                write!(f, "left out the attribute `{}` of {path:?}", name.escape_ascii())
            }
            Self::Attribute { name, path, count } => {
                let name = name.escape_ascii();
                write!(f, "left out the attribute `{name}` of {count} files, {path:?} first")
            }
            Self::NoEnd => {
                f.write_str("the tar has no end mark: what may have stood behind its last entry is not there")
            }
            Self::TextAcl { path } => {
                write!(f, "left out the access control list of {path:?}, which is text")
            }
        }
    }
}
