//! How a stack is mounted: one face for the kernel's overlay and our union.
//!
//! Knows no store and no Rhai. A driver takes directories (bottom → top), gives [`Files`] to work on.

mod files;

pub use files::{DirItem, Files, Follow, OpenHow, RenameHow, Stat};

use std::fmt;

/// Which way a stack is mounted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum DriverKind {
    /// The kernel's OverlayFS.
    Overlay,
    /// Our union in user space, behind a FUSE mount.
    Fuse,
    /// The same union inside this process, without a mount.
    Direct,
}

impl DriverKind {
    /// The word that users type: `overlay`, `fuse`, `direct`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Fuse => "fuse",
            Self::Direct => "direct",
        }
    }

    /// Reads [`DriverKind::word`] back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Overlay, Self::Fuse, Self::Direct].into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for DriverKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
