//! What a path can be.

use super::{Metadata, Timestamp};

/// A device number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Device {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// A file's type with what only that type has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    /// A directory; `opaque`: nothing beneath it in lower layers shows through.
    Dir {
        /// Whether lower layers are cut off here.
        opaque: bool,
    },
    /// A regular file of `size` bytes.
    File {
        /// Apparent size in bytes, holes included.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// The raw target, never interpreted.
        target: Box<[u8]>,
    },
    /// A named pipe.
    Fifo,
    /// A Unix socket; lives in an upper only, is never sealed.
    Socket,
    /// A character device (never 0:0, which is a whiteout).
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
}

/// A file's type alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Directory.
    Dir,
    /// Regular file.
    File,
    /// Symbolic link.
    Symlink,
    /// Named pipe.
    Fifo,
    /// Unix socket.
    Socket,
    /// Character device.
    CharDevice,
    /// Block device.
    BlockDevice,
}

impl Kind {
    /// The word for it in views and values: `dir`, `file`, `symlink`, `fifo`, `socket`, `char`, `block`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::File => "file",
            Self::Symlink => "symlink",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::CharDevice => "char",
            Self::BlockDevice => "block",
        }
    }
}

impl Node {
    /// The type alone.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Dir { .. } => Kind::Dir,
            Self::File { .. } => Kind::File,
            Self::Symlink { .. } => Kind::Symlink,
            Self::Fifo => Kind::Fifo,
            Self::Socket => Kind::Socket,
            Self::CharDevice(_) => Kind::CharDevice,
            Self::BlockDevice(_) => Kind::BlockDevice,
        }
    }
}

/// Names one inode among the entries of one layer: entries with the same group are hard links of each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkGroup(pub u32);

/// A file as one layer holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Type and what belongs to it.
    pub node: Node,
    /// Mode, owner, time, xattrs.
    pub meta: Metadata,
    /// The group of hard links, where this layer holds more than one name of the inode.
    pub link: Option<LinkGroup>,
    /// Of a directory: the layer says nothing of it, and has it only for what lies in it. It is no part of the layer's
    /// tar; its metadata are those that the union beneath shows, or [`Metadata::of_plain_dir`] where that has none.
    pub implied: bool,
}

impl Entry {
    /// A file as a layer holds it that says something of it.
    pub fn new(node: Node, meta: Metadata) -> Self {
        Self { node, meta, link: None, implied: false }
    }

    /// A directory that is there only for what lies in it.
    pub fn implied_dir(opaque: bool) -> Self {
        Self { implied: true, ..Self::new(Node::Dir { opaque }, Metadata::of_plain_dir()) }
    }

    /// Whether this is a directory.
    pub fn is_dir(&self) -> bool {
        matches!(self.node, Node::Dir { .. })
    }

    /// Whether this is an opaque directory.
    pub fn is_opaque(&self) -> bool {
        matches!(self.node, Node::Dir { opaque: true })
    }

    /// The size in bytes: content of a file, target of a symlink, else 0.
    pub fn size(&self) -> u64 {
        match &self.node {
            Node::File { size } => *size,
            Node::Symlink { target } => target.len() as u64,
            _ => 0,
        }
    }

    /// Moves a later mtime back to `limit`.
    pub fn clamp(&mut self, limit: Timestamp) {
        self.meta.mtime = self.meta.mtime.min(limit);
    }
}
