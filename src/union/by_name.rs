//! Whiteouts by name, as AUFS, OCI layer tars and old releases of fuse-overlayfs have them: `.wh.NAME` beside what it
//! hides, `.wh..wh..opq` in an opaque directory. Read where the options ask for it, never written: what is deleted
//! here gets a whiteout of the kernel's form.
//!
//! # Source
//! OCI image-spec, `layer.md`, "Whiteouts".

use std::collections::BTreeMap;

use super::lookup::{Item, present, split};
use super::merged::join;
use super::{Union, marks};
use crate::model::{NAME_MAX, Opaque};
use crate::sys::{Dir, Errno};

/// What such names begin with.
const PREFIX: &[u8] = b".wh.";
/// Names that begin so hide nothing by themselves.
const OWN: &[u8] = b".wh..wh.";
/// In a directory that is opaque.
const OPAQUE: &[u8] = b".wh..wh..opq";

impl Union {
    /// Whether a name is kept for such whiteouts: it is not shown, and cannot be made.
    pub(super) fn is_kept(&self, name: &[u8]) -> bool {
        self.options.whiteouts_by_name && name.starts_with(PREFIX)
    }

    /// Whether a layer hides, by a name beside it, what layers beneath it have at a path.
    pub(super) fn hides(&self, layer: &Dir, path: &[u8]) -> Result<bool, Errno> {
        if !self.options.whiteouts_by_name {
            return Ok(false);
        }
        let (dir, name) = split(path);
        if name.len() + PREFIX.len() > NAME_MAX {
            return Ok(false);
        }
        let beside = join(dir, &[PREFIX, name].concat());
        Ok(present(layer.stat(&beside))?.is_some())
    }

    /// The opaque mark of a directory, of whatever form.
    pub(super) fn opaque_mark(&self, dir: &Dir, name: &[u8]) -> Result<Option<Opaque>, Errno> {
        if self.options.whiteouts_by_name && present(dir.stat(&join(name, OPAQUE)))?.is_some() {
            return Ok(Some(Opaque::Yes));
        }
        marks::opaque_mark(self.options.marks, dir, name)
    }
}

/// The name that a kept one hides beneath its layer.
pub(super) fn hidden_by(kept: &[u8]) -> Option<&[u8]> {
    if kept.starts_with(OWN) { None } else { kept.strip_prefix(PREFIX) }
}

/// Hides beneath a layer what the names kept in one of its directories say.
pub(super) fn hide(merged: &mut BTreeMap<Box<[u8]>, Option<Item>>, kept: &[Box<[u8]>]) {
    for hidden in kept.iter().filter_map(|name| hidden_by(name)) {
        merged.entry(hidden.into()).or_insert(None);
    }
}
