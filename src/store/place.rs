//! Puts files and metadata into a tree, as far as the host allows; what it refuses is kept in attributes.

use crate::model::{
    Identity, KeptTime, Kind, Metadata, Mode, Node, Timestamp, decode_xattrs, encode_node, encode_owner,
    escape_name, names,
};
use crate::sys::dir::{chmod_fd, set_times_fd, stat_fd};
use crate::sys::{Dir, Errno, RawStat, xattr};

use super::walk::identity;

/// Makes a file that has content or metadata still to come; only its owner can look at it until then.
pub(super) fn make(dir: &Dir, name: &[u8], node: &Node) -> Result<(), Errno> {
    match node {
        Node::Dir { .. } => dir.mkdir(name, Mode::new(0o700)),
        Node::File { .. } => dir.create(name, Mode::new(0o600)).map(drop),
        Node::Symlink { target } => dir.symlink(target, name),
        Node::Fifo => dir.mknod(name, node, Mode::new(0o600)),
        Node::Socket => Err(Errno::OPNOTSUPP),
        Node::CharDevice(_) | Node::BlockDevice(_) => match dir.mknod(name, node, Mode::new(0o600)) {
            Err(Errno::PERM | Errno::ACCESS | Errno::INVAL | Errno::OPNOTSUPP) => {
                dir.create(name, Mode::new(0o600))?;
                let value = encode_node(node).ok_or(Errno::INVAL)?;
                xattr::set_at(dir, name, names::NODE, &value)
            }
            other => other,
        },
    }
}

/// What a tree could not take.
#[derive(Debug, Default)]
pub(super) struct LeftOver {
    /// The owner of a file that has no attributes of its own.
    pub(super) owner: Option<(u32, u32)>,
    /// The time of such a file, where the file system cannot hold it.
    pub(super) time: Option<KeptTime>,
    /// Attributes that are lost.
    pub(super) xattrs: Vec<Box<[u8]>>,
}

/// Gives a file its owner; gives back one that the file itself cannot keep.
pub(super) fn set_owner(dir: &Dir, name: &[u8], uid: u32, gid: u32) -> Result<Option<(u32, u32)>, Errno> {
    let identity = identity();
    let stat = dir.stat(name)?;
    let takes_attributes = matches!(stat.kind, Kind::File | Kind::Dir);
    let given = identity.to_layer(stat.uid, stat.gid) == (uid, gid)
        || (identity == Identity::AsIs
            && !stands_for_device(dir, name, &stat)?
            && gave(dir.chown(name, uid, gid))?);
    if !takes_attributes {
        return Ok((!given).then_some((uid, gid)));
    }
    if given {
        match xattr::remove_at(dir, name, names::OWNER) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
            Err(errno) => Err(errno),
        }
    } else {
        set_own(dir, name, names::OWNER, &encode_owner(uid, gid))?;
        Ok(None)
    }
}

/// Whether a file holds a device's mark, which counts only on files that are ours.
fn stands_for_device(dir: &Dir, name: &[u8], stat: &RawStat) -> Result<bool, Errno> {
    let possible = stat.kind == Kind::File && stat.size == 0;
    Ok(possible && xattr::if_there(xattr::get_at(dir, name, names::NODE))?.is_some())
}

/// As [`set_owner`], of an open directory.
pub(super) fn set_owner_of_dir(dir: &Dir, uid: u32, gid: u32) -> Result<(), Errno> {
    set_owner(dir, b".", uid, gid).map(drop)
}

/// Whether an owner was given; a refusal is no error.
fn gave(result: Result<(), Errno>) -> Result<bool, Errno> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::PERM | Errno::INVAL) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Sets one of our own attributes, also on a file that denies its owner to write.
pub(super) fn set_own(dir: &Dir, name: &[u8], attribute: &[u8], value: &[u8]) -> Result<(), Errno> {
    match xattr::set_at(dir, name, attribute, value) {
        Err(Errno::ACCESS) => {
            let mode = dir.stat(name)?.mode;
            dir.chmod(name, Mode::new(mode.bits() | 0o200))?;
            let set = xattr::set_at(dir, name, attribute, value);
            dir.chmod(name, mode)?;
            set
        }
        other => other,
    }
}

/// Gives a file just made its owner, attributes, mode and time, in the order in which none undoes another.
pub(super) fn set_metadata(dir: &Dir, name: &[u8], kind: Kind, meta: &Metadata) -> Result<LeftOver, Errno> {
    let mut left = LeftOver { owner: set_owner(dir, name, meta.uid, meta.gid)?, ..LeftOver::default() };
    for (attribute, value) in &meta.xattrs {
        let Some(stored) = escape_name(attribute) else {
            left.xattrs.push(attribute.clone());
            continue;
        };
        match xattr::set_at(dir, name, &stored, value) {
            Ok(()) => {}
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::INVAL)
                if matches!(kind, Kind::File | Kind::Dir) && !attribute.starts_with(b"user.") =>
            {
                xattr::set_at(dir, name, &[names::XATTR, attribute].concat(), value)?;
            }
            Err(Errno::PERM | Errno::OPNOTSUPP) => left.xattrs.push(attribute.clone()),
            Err(errno) => return Err(errno),
        }
    }
    if kind != Kind::Symlink {
        dir.chmod(name, meta.mode)?;
    }
    left.time = set_time(dir, name, kind, meta.mtime)?;
    Ok(left)
}

/// As [`set_metadata`], of a regular file that was just made and is open still: by that where the file itself keeps all.
pub(super) fn set_new_file(
    dir: &Dir,
    name: &[u8],
    file: &std::fs::File,
    meta: &Metadata,
) -> Result<LeftOver, Errno> {
    let made = stat_fd(file)?;
    let keeps_all = meta.xattrs.is_empty()
        && KeptTime::needs_none(meta.mtime)
        && identity().to_layer(made.uid, made.gid) == (meta.uid, meta.gid);
    if !keeps_all {
        return set_metadata(dir, name, Kind::File, meta);
    }
    chmod_fd(file, meta.mode)?;
    set_times_fd(file, None, Some(meta.mtime))?;
    Ok(LeftOver::default())
}

/// Gives a file its time; gives back one that neither the file system nor the file itself can keep.
fn set_time(dir: &Dir, name: &[u8], kind: Kind, meant: Timestamp) -> Result<Option<KeptTime>, Errno> {
    dir.set_times(name, None, Some(meant))?;
    if KeptTime::needs_none(meant) {
        return Ok(None);
    }
    let held = dir.stat(name)?.mtime;
    let kept = (held != meant).then_some(KeptTime { meant, held });
    match kept {
        Some(time) if matches!(kind, Kind::File | Kind::Dir) => {
            set_own(dir, name, names::TIME, &time.encode())?;
            Ok(None)
        }
        kept => Ok(kept),
    }
}

/// As [`set_metadata`] on a file that is there already: attributes that it had before go.
pub(super) fn replace_metadata(
    dir: &Dir,
    name: &[u8],
    kind: Kind,
    meta: &Metadata,
) -> Result<LeftOver, Errno> {
    for (attribute, value) in xattr::all_at(dir, name)? {
        let decoded = decode_xattrs([(&attribute[..], &value[..])]);
        if !decoded.xattrs.is_empty() || decoded.time.is_some() {
            xattr::remove_at(dir, name, &attribute)?;
        }
    }
    set_metadata(dir, name, kind, meta)
}
