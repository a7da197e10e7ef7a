//! How a layer's marks look in a directory tree: the kernel's overlay attributes and ours.
//!
//! Layers are always mounted with `userxattr`, so the kernel's own marks are `user.overlay.*`, and a
//! user's attribute of that name is stored as `user.overlay.overlay.*`.
//!
//! # Source
//! Kernel `Documentation/filesystems/overlayfs.rst` (whiteouts and opaque directories; nesting).

use super::{Device, Node, Timestamp, Xattrs};

/// Rights that a program has for itself.
const CAPABILITY: &[u8] = b"security.capability";

/// What a machine says of its own files, which means nothing on another: labels, and a seal over the inode.
const OF_THE_HOST: [&[u8]; 4] =
    [b"security.selinux", b"security.SMACK64", b"security.apparmor", b"security.evm"];

/// The kernel's marks without `userxattr`.
const TRUSTED_OVERLAY: &[u8] = b"trusted.overlay.";

/// The attribute names on disk.
pub mod names {
    /// The prefix of the kernel's marks under `userxattr`.
    pub const OVERLAY: &[u8] = b"user.overlay.";
    /// The escaped form of a user's own `user.overlay.*`.
    pub const ESCAPED: &[u8] = b"user.overlay.overlay.";
    /// On a directory: `y` opaque, `x` holds whiteouts of the attribute form.
    pub const OPAQUE: &[u8] = b"user.overlay.opaque";
    /// On a zero-size file in a directory marked `x`: it is a whiteout.
    pub const WHITEOUT: &[u8] = b"user.overlay.whiteout";
    /// Who may do what with a file, beside its mode.
    pub const ACCESS_LIST: &[u8] = b"system.posix_acl_access";
    /// The access list of what is made in a directory.
    pub const DEFAULT_LIST: &[u8] = b"system.posix_acl_default";
    /// Our prefix; never in a tar.
    pub const UFS: &[u8] = b"user.ufs.";
    /// The owner that the host could not give: `UID:GID` in decimal.
    pub const OWNER: &[u8] = b"user.ufs.owner";
    /// The time that the file system could not hold: see [`KeptTime`](super::KeptTime).
    pub const TIME: &[u8] = b"user.ufs.mtime";
    /// In front of the name of an attribute that the host refused to set (`security.capability` without privilege).
    pub const XATTR: &[u8] = b"user.ufs.xattr.";
    /// On a directory of a draft: it is there only for what lies in it.
    pub const IMPLIED: &[u8] = b"user.ufs.implied";
    /// The node that the host could not make, on an empty regular file: `char:MAJOR:MINOR`, `block:MAJOR:MINOR`.
    pub const NODE: &[u8] = b"user.ufs.node";
}

/// Which attributes are the kernel's marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Marks {
    /// `user.overlay.*`, as under `userxattr`.
    #[default]
    User,
    /// `trusted.overlay.*`, which only root of the machine reaches.
    Trusted,
}

impl Marks {
    /// The prefix of them all.
    pub fn prefix(self) -> &'static [u8] {
        match self {
            Self::User => names::OVERLAY,
            Self::Trusted => b"trusted.overlay.",
        }
    }

    /// The escaped form of a user's own attributes with that prefix.
    pub fn escaped(self) -> &'static [u8] {
        match self {
            Self::User => names::ESCAPED,
            Self::Trusted => b"trusted.overlay.overlay.",
        }
    }

    /// On a directory: `y` opaque, `x` holds whiteouts of the attribute form.
    pub fn opaque(self) -> &'static [u8] {
        match self {
            Self::User => names::OPAQUE,
            Self::Trusted => b"trusted.overlay.opaque",
        }
    }

    /// On a zero-size file in a directory marked `x`: it is a whiteout.
    pub fn whiteout(self) -> &'static [u8] {
        match self {
            Self::User => names::WHITEOUT,
            Self::Trusted => b"trusted.overlay.whiteout",
        }
    }

    /// On a copy in the upper: which file of a lower layer it is a copy of.
    pub fn origin(self) -> &'static [u8] {
        match self {
            Self::User => b"user.overlay.origin",
            Self::Trusted => b"trusted.overlay.origin",
        }
    }

    /// On a directory: under which name the layers beneath have it (`redirect_dir=on`).
    pub fn redirect(self) -> &'static [u8] {
        match self {
            Self::User => b"user.overlay.redirect",
            Self::Trusted => b"trusted.overlay.redirect",
        }
    }

    /// On a file without content: that is in a layer beneath (`metacopy=on`).
    pub fn metacopy(self) -> &'static [u8] {
        match self {
            Self::User => b"user.overlay.metacopy",
            Self::Trusted => b"trusted.overlay.metacopy",
        }
    }

    /// On a directory: `y` if there may be copies in it.
    pub fn impure(self) -> &'static [u8] {
        match self {
            Self::User => b"user.overlay.impure",
            Self::Trusted => b"trusted.overlay.impure",
        }
    }
}

/// The value of the opaque mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opaque {
    /// `y`: lower layers are cut off.
    Yes,
    /// `x`: not opaque, but whiteouts of the attribute form may be inside.
    Whiteouts,
}

/// A file's raw attributes, told apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Decoded {
    /// The user's own attributes, unescaped and normalised.
    pub xattrs: Xattrs,
    /// The opaque mark.
    pub opaque: Option<Opaque>,
    /// Whether the whiteout mark is there (it counts only in a directory marked `x`, on an empty file).
    pub whiteout: bool,
    /// The owner, where the host's is not the layer's.
    pub owner: Option<(u32, u32)>,
    /// The time, where the file system's is not the layer's.
    pub time: Option<KeptTime>,
    /// The node that this empty file stands for.
    pub node: Option<Node>,
    /// Whether a directory is marked as there only for what lies in it (it counts in drafts only).
    pub implied: bool,
}

/// A time that a file system cannot hold, and what it made of it. The file's own time counts again once it is another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeptTime {
    /// The layer's.
    pub meant: Timestamp,
    /// What the file has in its place.
    pub held: Timestamp,
}

impl KeptTime {
    /// Whether a file that has this time may be meant to have another: only what lies beyond the range that every file
    /// system holds is kept, and a file system puts a bound of its own range in its place.
    pub fn is_possible(found: Timestamp) -> bool {
        !(1..i64::from(i32::MAX)).contains(&found.secs)
    }

    /// Whether every file system that layers can lie on holds a time.
    pub fn needs_none(time: Timestamp) -> bool {
        (0..i64::from(i32::MAX)).contains(&time.secs)
    }

    /// The layer's time of a file that has this one.
    pub fn of(self, found: Timestamp) -> Timestamp {
        if found == self.held { self.meant } else { found }
    }

    /// The value of [`names::TIME`]: `SECS.NANOS` of both, with a space between.
    pub fn encode(self) -> Vec<u8> {
        let Self { meant, held } = self;
        format!("{}.{:09} {}.{:09}", meant.secs, meant.nanos, held.secs, held.nanos).into_bytes()
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let time = |text: &str| {
            let (secs, nanos) = text.split_once('.')?;
            let nanos = nanos.parse().ok().filter(|nanos| *nanos < 1_000_000_000)?;
            Some(Timestamp { secs: secs.parse().ok()?, nanos })
        };
        let (meant, held) = std::str::from_utf8(value).ok()?.split_once(' ')?;
        Some(Self { meant: time(meant)?, held: time(held)? })
    }
}

/// Tells a file's raw attributes apart: marks, our own, the user's.
///
/// Drops the kernel's bookkeeping (`origin`, `impure`, `uuid`, …) and what a layer never carries (labels of the host,
/// `trusted.overlay.*`, `system.*` but the ACLs); brings `security.capability` to its v2 form.
pub fn decode_xattrs<'a>(raw: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Decoded {
    let mut decoded = Decoded::default();
    for (name, value) in raw {
        match name {
            names::OPAQUE => {
                decoded.opaque = match value {
                    b"y" => Some(Opaque::Yes),
                    b"x" => Some(Opaque::Whiteouts),
                    _ => None,
                };
            }
            names::WHITEOUT => decoded.whiteout = true,
            names::OWNER => decoded.owner = parse_owner(value),
            names::NODE => decoded.node = parse_node(value),
            names::TIME => decoded.time = KeptTime::parse(value),
            names::IMPLIED => decoded.implied = true,
            _ if name.starts_with(names::UFS) => {
                if let Some(plain) = name.strip_prefix(names::XATTR).filter(|plain| is_carried(plain)) {
                    decoded.xattrs.insert(plain.into(), value.into());
                }
            }
            _ => {
                if let Some(rest) = name.strip_prefix(names::ESCAPED) {
                    let plain = [names::OVERLAY, rest].concat();
                    decoded.xattrs.insert(plain.into(), value.into());
                } else if is_carried(name) {
                    let value = if name == CAPABILITY { capability_v2(value) } else { value.into() };
                    decoded.xattrs.insert(name.into(), value);
                }
            }
        }
    }
    decoded
}

/// Whether an attribute may lie in a sealed layer: of the kernel's marks those that a layer is written with, in their form.
pub fn may_be_sealed(name: &[u8], value: &[u8]) -> bool {
    match name {
        names::OPAQUE => value == b"y" || value == b"x",
        names::WHITEOUT => true,
        _ if name == Marks::User.origin() => value.is_empty(),
        _ => !name.starts_with(names::OVERLAY) || name.starts_with(names::ESCAPED),
    }
}

/// Whether an attribute is a mark of ours that gives a file what only a privileged user can: an owner, a device, a
/// capability and the like.
pub fn gives_rights(name: &[u8]) -> bool {
    let privileged = |plain: &[u8]| plain.starts_with(b"security.") || plain.starts_with(b"trusted.");
    [names::OWNER, names::NODE].contains(&name) || name.strip_prefix(names::XATTR).is_some_and(privileged)
}

/// The name under which an attribute of a layer is stored in a tree; `None` if a layer never carries it.
pub fn escape_name(name: &[u8]) -> Option<Vec<u8>> {
    if let Some(rest) = name.strip_prefix(names::OVERLAY) {
        return Some([names::ESCAPED, rest].concat());
    }
    is_carried(name).then(|| name.to_vec())
}

/// The value of [`names::OWNER`].
pub fn encode_owner(uid: u32, gid: u32) -> Vec<u8> {
    format!("{uid}:{gid}").into_bytes()
}

/// The value of [`names::NODE`]; `None` for what is no device.
pub fn encode_node(node: &Node) -> Option<Vec<u8>> {
    let (word, device) = match node {
        Node::CharDevice(device) => ("char", device),
        Node::BlockDevice(device) => ("block", device),
        _ => return None,
    };
    Some(format!("{word}:{}:{}", device.major, device.minor).into_bytes())
}

fn is_carried(name: &[u8]) -> bool {
    if name.starts_with(names::OVERLAY) || name.starts_with(names::UFS) {
        return false;
    }
    if name.starts_with(b"security.") {
        return OF_THE_HOST.iter().all(|label| !name.starts_with(label));
    }
    name.starts_with(b"user.")
        || name.starts_with(b"trusted.") && !name.starts_with(TRUSTED_OVERLAY)
        || [names::ACCESS_LIST, names::DEFAULT_LIST].contains(&name)
}

fn parse_owner(value: &[u8]) -> Option<(u32, u32)> {
    let (uid, gid) = std::str::from_utf8(value).ok()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

fn parse_node(value: &[u8]) -> Option<Node> {
    let mut parts = std::str::from_utf8(value).ok()?.split(':');
    let word = parts.next()?;
    let device = Device { major: parts.next()?.parse().ok()?, minor: parts.next()?.parse().ok()? };
    match word {
        "char" => Some(Node::CharDevice(device)),
        "block" => Some(Node::BlockDevice(device)),
        _ => None,
    }
}

/// Drops the root ID of a v3 capability (24 bytes → 20), so that a layer made in a user namespace says the same.
///
/// # Source
/// Linux `uapi/linux/capability.h`: `vfs_cap_data`, `VFS_CAP_REVISION_2` / `_3`, little endian.
fn capability_v2(value: &[u8]) -> Box<[u8]> {
    const REVISION_2: u8 = 2;
    const REVISION_3: u8 = 3;
    match value {
        [flags, a, b, REVISION_3, rest @ ..] if rest.len() == 20 => {
            [&[*flags, *a, *b, REVISION_2], &rest[..16]].concat().into()
        }
        _ => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_users_attributes_are_told_apart() {
        let raw: &[(&[u8], &[u8])] = &[
            (b"user.overlay.opaque", b"y"),
            (b"user.overlay.origin", b"\0\xfb"),
            (b"user.overlay.overlay.opaque", b"mine"),
            (b"user.colour", b"red"),
            (b"user.ufs.owner", b"7:8"),
            (b"security.selinux", b"x"),
            (b"trusted.overlay.opaque", b"y"),
        ];
        let decoded = decode_xattrs(raw.iter().copied());
        assert_eq!(decoded.opaque, Some(Opaque::Yes));
        assert_eq!(decoded.owner, Some((7, 8)));
        let names: Vec<&[u8]> = decoded.xattrs.keys().map(|name| &**name).collect();
        assert_eq!(names, [&b"user.colour"[..], b"user.overlay.opaque"]);
        assert_eq!(escape_name(b"user.overlay.opaque"), Some(b"user.overlay.overlay.opaque".to_vec()));
        assert_eq!(escape_name(b"user.ufs.owner"), None);
    }

    #[test]
    fn a_namespaced_capability_becomes_version_2() {
        let v3 = [&[1, 0, 0, 3][..], &[9; 16], &[0xe8, 3, 0, 0]].concat();
        let v2 = [&[1, 0, 0, 2][..], &[9; 16]].concat();
        let decoded = decode_xattrs([(&b"security.capability"[..], &v3[..])]);
        assert_eq!(&*decoded.xattrs[&b"security.capability"[..]], &v2[..]);
    }

    #[test]
    fn what_says_something_of_one_machine_alone_is_not_carried() {
        for name in ["security.ima", "security.capability", "trusted.k", "user.k", "system.posix_acl_default"]
        {
            assert_eq!(escape_name(name.as_bytes()), Some(name.into()), "{name}");
        }
        for name in
            ["security.selinux", "security.SMACK64EXEC", "security.evm", "trusted.overlay.opaque", "system.x"]
        {
            assert_eq!(escape_name(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn kept_times_read_back_and_count_only_while_the_file_has_what_they_say() {
        let time = |secs, nanos| Timestamp { secs, nanos };
        let kept = KeptTime { meant: time(-6_798_822_499, 5), held: time(-2_147_483_648, 0) };
        let read = decode_xattrs([(names::TIME, &kept.encode()[..])]).time.unwrap();
        assert_eq!(read, kept);
        assert_eq!(read.of(kept.held), kept.meant);
        assert_eq!(read.of(time(7, 0)), time(7, 0));
        for damaged in ["", "1.0", "1 2", "1.0 2.1000000000", "x.0 2.0"] {
            assert_eq!(decode_xattrs([(names::TIME, damaged.as_bytes())]).time, None, "{damaged}");
        }
    }

    #[test]
    fn device_stand_ins_read_back() {
        let node = Node::CharDevice(Device { major: 1, minor: 3 });
        let raw = encode_node(&node).unwrap();
        assert_eq!(decode_xattrs([(names::NODE, &raw[..])]).node, Some(node));
        assert_eq!(encode_node(&Node::Fifo), None);
    }
}
