//! Marks on single files of a layer's tree, read and written.

use std::os::fd::OwnedFd;

use crate::model::{Device, Kind, Mode, Node, decode_xattrs, names};
use crate::sys::{Dir, Errno, RawStat, xattr};

/// Sets one of our marks, on a file that denies writing to its owner too.
pub(super) fn set_mark(dir: &Dir, name: &[u8], mark: &[u8], value: &[u8]) -> Result<(), Errno> {
    match xattr::set_at(dir, name, mark, value) {
        Err(Errno::ACCESS) => {}
        other => return other,
    }
    let mode = dir.stat(name)?.mode;
    dir.chmod(name, Mode::new(mode.bits() | 0o200))?;
    let set = xattr::set_at(dir, name, mark, value);
    dir.chmod(name, mode)?;
    set
}

/// A directory made over a whiteout shows nothing of what the whiteout hid.
pub(super) fn make_opaque(dir: &Dir, name: &[u8]) -> Result<(), Errno> {
    set_mark(dir, name, names::OPAQUE, b"y")
}

/// One of our marks; `None` where there is none.
pub(super) fn mark(handle: &OwnedFd, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    match xattr::get(handle, name) {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::ACCESS | Errno::PERM) => Ok(None),
        Err(errno) => Err(errno),
    }
}

pub(super) fn owner_of(value: &[u8]) -> Option<(u32, u32)> {
    decode_xattrs([(names::OWNER, value)]).owner
}

pub(super) fn stand_in(handle: &OwnedFd) -> Result<Option<Node>, Errno> {
    Ok(mark(handle, names::NODE)?.and_then(|value| decode_xattrs([(names::NODE, &value[..])]).node))
}

pub(super) fn is_whiteout_node(node: &Node) -> bool {
    *node == Node::CharDevice(Device { major: 0, minor: 0 })
}

/// Whether a layer's file is a whiteout of either form.
pub(super) fn is_whiteout(handle: &OwnedFd, raw: &RawStat) -> Result<bool, Errno> {
    Ok(raw.is_whiteout()
        || (raw.kind == Kind::File && raw.size == 0 && mark(handle, names::WHITEOUT)?.is_some()))
}
