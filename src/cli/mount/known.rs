//! Every mount option that is known, and what it means here.

use crate::sys::fuse::MountAttrFlags;

/// An option.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) value: Value,
    pub(super) meaning: Meaning,
}

/// Whether an option has a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value {
    No,
    Yes,
    Maybe,
}

/// What an option does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    Lower,
    LowerMore,
    Upper,
    Work,
    SquashToRoot,
    SquashUid,
    SquashGid,
    Uids,
    Gids,
    ReadOnly(bool),
    Volatile,
    Fsync,
    Acl(bool),
    StaticLinks,
    UserMarks,
    Marks,
    Whiteouts,
    AllowOther,
    AllowRoot,
    Threads,
    CloneFd,
    Debug,
    Source,
    /// Counts for the mount alone.
    Attribute {
        clear: MountAttrFlags,
        set: MountAttrFlags,
    },
    /// Counts for any file system: on or off.
    Setting(&'static str, bool),
    /// A label of the security module.
    Label,
    Remount,
    /// Nothing here, but something to mount(8) when a mount is changed.
    Generic,
    /// Taken: it asks for what is so anyway, or for nothing that could be seen.
    Nothing,
    /// Taken with these values only; the words say what the first is.
    OneOf(&'static [&'static str], &'static str),
    /// Not taken, and why.
    Never(&'static str),
}

impl Meaning {
    /// Whether it counts for a mount of any kind, so that mount(8) can change it.
    pub(super) fn is_generic(self) -> bool {
        matches!(
            self,
            Self::ReadOnly(_) | Self::Attribute { .. } | Self::Setting(..) | Self::Generic | Self::Remount
        )
    }
}

const fn flag(name: &'static str, meaning: Meaning) -> Known {
    Known { name, value: Value::No, meaning }
}

const fn value(name: &'static str, meaning: Meaning) -> Known {
    Known { name, value: Value::Yes, meaning }
}

const fn either(name: &'static str, meaning: Meaning) -> Known {
    Known { name, value: Value::Maybe, meaning }
}

const fn set(name: &'static str, set: MountAttrFlags) -> Known {
    flag(name, Meaning::Attribute { clear: MountAttrFlags::empty(), set })
}

const fn clear(name: &'static str, clear: MountAttrFlags) -> Known {
    flag(name, Meaning::Attribute { clear, set: MountAttrFlags::empty() })
}

/// One way of keeping access times in the place of any other.
const fn atime(name: &'static str, set: MountAttrFlags) -> Known {
    flag(name, Meaning::Attribute { clear: MountAttrFlags::MOUNT_ATTR__ATIME, set })
}

const OURS: &str = "this union always has";

/// All of them.
pub(super) const KNOWN: &[Known] = &[
    // the layers
    value("lowerdir", Meaning::Lower),
    value("lowerdir+", Meaning::LowerMore),
    value("upperdir", Meaning::Upper),
    value("workdir", Meaning::Work),
    value("datadir+", Meaning::Never("layers of data alone are the kernel's only: `mount -t overlay`")),
    // what layers hold
    flag("userxattr", Meaning::UserMarks),
    value("xattrs", Meaning::Marks),
    value("whiteouts", Meaning::Whiteouts),
    // owners
    flag("squash_to_root", Meaning::SquashToRoot),
    value("squash_to_uid", Meaning::SquashUid),
    value("squash_to_gid", Meaning::SquashGid),
    value("uidmapping", Meaning::Uids),
    value("gidmapping", Meaning::Gids),
    // the file system
    flag("ro", Meaning::ReadOnly(true)),
    flag("rw", Meaning::ReadOnly(false)),
    flag("volatile", Meaning::Volatile),
    value("fsync", Meaning::Fsync),
    flag("acl", Meaning::Acl(true)),
    flag("noacl", Meaning::Acl(false)),
    flag("static_nlink", Meaning::StaticLinks),
    // the kernel's overlay
    value("redirect_dir", Meaning::OneOf(&["off", "nofollow"], OURS)),
    value("index", Meaning::OneOf(&["off"], OURS)),
    value("nfs_export", Meaning::OneOf(&["off"], OURS)),
    value("metacopy", Meaning::OneOf(&["off"], OURS)),
    value("verity", Meaning::OneOf(&["off"], OURS)),
    value("xino", Meaning::OneOf(&["auto", "on", "off"], OURS)),
    value("uuid", Meaning::OneOf(&["null", "off", "auto", "on"], OURS)),
    flag("override_creds", Meaning::Nothing),
    flag("nooverride_creds", Meaning::Nothing),
    // FUSE
    flag("default_permissions", Meaning::Nothing),
    flag("allow_other", Meaning::AllowOther),
    flag("allow_root", Meaning::AllowRoot),
    flag(
        "auto_unmount",
        Meaning::Never(
            "the server unmounts whenever it ends; what a `kill -9` leaves is cleared by the next mount there",
        ),
    ),
    flag("nonempty", Meaning::Nothing),
    flag("debug", Meaning::Debug),
    value("fsname", Meaning::Source),
    value("subtype", Meaning::OneOf(&["ufs"], "the type that mountinfo shows is always")),
    value("max_threads", Meaning::Threads),
    value("max_idle_threads", Meaning::Nothing),
    value("threaded", Meaning::Nothing),
    flag("clone_fd", Meaning::CloneFd),
    value("max_read", Meaning::Nothing),
    value("timeout", Meaning::Nothing),
    value("writeback", Meaning::Nothing),
    value("fast_ino", Meaning::Nothing),
    value("user_id", Meaning::Nothing),
    value("group_id", Meaning::Nothing),
    value("rootmode", Meaning::Nothing),
    value("fd", Meaning::Nothing),
    value("blksize", Meaning::Nothing),
    // fuse-overlayfs
    value(
        "xattr_permissions",
        Meaning::OneOf(&["0"], "owners and modes are those of the files in the layers, as with"),
    ),
    // every mount
    clear("dev", MountAttrFlags::MOUNT_ATTR_NODEV),
    set("nodev", MountAttrFlags::MOUNT_ATTR_NODEV),
    clear("suid", MountAttrFlags::MOUNT_ATTR_NOSUID),
    set("nosuid", MountAttrFlags::MOUNT_ATTR_NOSUID),
    clear("exec", MountAttrFlags::MOUNT_ATTR_NOEXEC),
    set("noexec", MountAttrFlags::MOUNT_ATTR_NOEXEC),
    clear("symfollow", MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW),
    set("nosymfollow", MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW),
    clear("diratime", MountAttrFlags::MOUNT_ATTR_NODIRATIME),
    set("nodiratime", MountAttrFlags::MOUNT_ATTR_NODIRATIME),
    atime("relatime", MountAttrFlags::MOUNT_ATTR_RELATIME),
    atime("atime", MountAttrFlags::MOUNT_ATTR_RELATIME),
    atime("noatime", MountAttrFlags::MOUNT_ATTR_NOATIME),
    atime("strictatime", MountAttrFlags::MOUNT_ATTR_STRICTATIME),
    atime("norelatime", MountAttrFlags::MOUNT_ATTR_STRICTATIME),
    atime("nostrictatime", MountAttrFlags::MOUNT_ATTR_RELATIME),
    flag("sync", Meaning::Setting("sync", true)),
    flag("async", Meaning::Setting("sync", false)),
    flag("dirsync", Meaning::Setting("dirsync", true)),
    flag("lazytime", Meaning::Setting("lazytime", true)),
    flag("nolazytime", Meaning::Setting("lazytime", false)),
    flag("defaults", Meaning::Nothing),
    flag("mand", Meaning::Nothing),
    flag("nomand", Meaning::Nothing),
    flag("iversion", Meaning::Nothing),
    flag("noiversion", Meaning::Nothing),
    flag("silent", Meaning::Nothing),
    flag("loud", Meaning::Nothing),
    value("context", Meaning::Label),
    value("fscontext", Meaning::Label),
    value("defcontext", Meaning::Label),
    value("rootcontext", Meaning::Label),
    flag("remount", Meaning::Remount),
    flag("bind", Meaning::Generic),
    // fstab(5)
    flag("auto", Meaning::Nothing),
    flag("noauto", Meaning::Nothing),
    flag("nofail", Meaning::Nothing),
    flag("_netdev", Meaning::Nothing),
    either("user", Meaning::Nothing),
    flag("nouser", Meaning::Nothing),
    flag("users", Meaning::Nothing),
    flag("nousers", Meaning::Nothing),
    flag("owner", Meaning::Nothing),
    flag("group", Meaning::Nothing),
    value("comment", Meaning::Nothing),
];
