//! What host owners mean in a layer.

use super::Owners;

/// On whose files our own marks (`user.ufs.*`) count: whoever may write a file can set them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Trust {
    /// On nobody's: where every owner, device and attribute can be given, we set none.
    #[default]
    Nobody,
    /// On those of the host's user who keeps in them what the host refuses.
    FilesOf(u32),
}

impl Trust {
    /// Whether marks on a file of this host's user count.
    pub fn counts(self, uid: u32) -> bool {
        self == Self::FilesOf(uid)
    }
}

/// How a host's numeric owners are read as a layer's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Identity {
    /// As they are: for root, and for root of a user namespace.
    #[default]
    AsIs,
    /// This process's own IDs mean 0: for a user without privilege and without a namespace.
    OwnIsRoot {
        /// The process's user ID.
        uid: u32,
        /// The process's group ID.
        gid: u32,
    },
    /// Shown otherwise, as asked for when the program was started.
    Shown(&'static Owners),
}

impl Identity {
    /// The layer's owner for a host's.
    pub fn to_layer(self, uid: u32, gid: u32) -> (u32, u32) {
        match self {
            Self::AsIs => (uid, gid),
            Self::Shown(owners) => owners.to_shown(uid, gid),
            Self::OwnIsRoot { uid: own_uid, gid: own_gid } => {
                (if uid == own_uid { 0 } else { uid }, if gid == own_gid { 0 } else { gid })
            }
        }
    }

    /// The host's owner for a layer's.
    pub fn to_host(self, uid: u32, gid: u32) -> (u32, u32) {
        match self {
            Self::AsIs => (uid, gid),
            Self::Shown(owners) => owners.to_disk(uid, gid),
            Self::OwnIsRoot { uid: own_uid, gid: own_gid } => {
                (if uid == 0 { own_uid } else { uid }, if gid == 0 { own_gid } else { gid })
            }
        }
    }
}

/// How a whiteout is written in a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WhiteoutForm {
    /// A character device 0:0, the kernel's own.
    #[default]
    Device,
    /// An empty file with `user.overlay.whiteout` in a directory with `user.overlay.opaque=x`.
    Xattr,
}
