//! Pure values: digests and IDs, checked layer paths, metadata, nodes, change sets.
//!
//! No I/O, no clock, no terminal. Everything above speaks in these words.

mod changeset;
mod digest;
mod identity;
mod meta;
mod name;
mod node;
mod ondisk;
mod owners;
mod path;

pub use changeset::{Change, Changeset, Counts};
pub use digest::{ChainId, DiffId, Digest, DigestError, Hasher, TreeId};
pub use identity::{Identity, Trust, WhiteoutForm};
pub use meta::{Metadata, Mode, ModeError, Timestamp, Xattrs};
pub use name::{LayerName, NameError, is_id};
pub use node::{Device, Entry, Kind, LinkGroup, Node};
pub use ondisk::{
    Decoded, KeptTime, Marks, Opaque, decode_xattrs, encode_node, encode_owner, escape_name, gives_rights,
    may_be_sealed, names,
};
pub use owners::{IdRange, Owners};
pub use path::{LEVELS_MAX, LayerPath, NAME_MAX, PATH_MAX, PathError};
