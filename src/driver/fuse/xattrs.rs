//! Extended attributes, and the one that tells which layer supplies a file.
//!
//! Our own marks are for this process alone, which reads them as it does in any merged directory.

use std::os::unix::ffi::OsStrExt as _;

use super::attributes::{NAMELESS, Spot};
use super::served::Adapter;
use crate::model::names;
use crate::sys::Errno;
use crate::sys::process::{credentials, is_own_thread};
use crate::sys::xattr::Setting;
use crate::union::{Writer, is_own_mark};

/// A value, or names each followed by a NUL.
pub(super) type Answer = Vec<u8>;

/// Answers `upper` or the layer's index in the stack, bottom → top, and then its directory.
const ORIGIN: &[u8] = b"user.ufs.origin";

/// Whether the attribute is of a kind that every layer keeps and lists: one that is not there is `ENODATA`.
fn is_kept(name: &[u8]) -> bool {
    let kinds: [&[u8]; 3] = [b"user.", b"security.", b"system.posix_acl_"];
    name != ORIGIN && !is_own_mark(name) && kinds.iter().any(|kind| name.starts_with(kind))
}

/// Whether the attribute is a mark of ours and the thread that asks is ours, too.
fn reaches(name: &[u8], asks: u32) -> bool {
    is_own_mark(name) && is_own_thread(asks)
}

impl Adapter {
    pub(super) fn xattr(&self, node: u64, name: &[u8], asks: u32) -> Result<Answer, Errno> {
        if is_kept(name) && self.nodes.is_bare(node) {
            return Err(Errno::NODATA);
        }
        match self.spot(node)? {
            Spot::Path(path) if name == ORIGIN => {
                let layer = self.union.supplier(&path)?;
                let mut text =
                    layer.map_or_else(|| "upper".to_owned(), |index| index.to_string()).into_bytes();
                text.push(b' ');
                text.extend_from_slice(self.union.layer_path(layer)?.as_os_str().as_bytes());
                Ok(text)
            }
            Spot::Path(path) if reaches(name, asks) => self.union.own_mark(&path, name),
            Spot::Path(path) if !is_kept(name) => self.union.xattr(&path, name),
            Spot::Path(path) => {
                // most files have no attribute at all, and are asked for several
                let changes = self.nodes.attributes();
                let (value, bare) = self.union.xattr_or_bare(&path, name);
                if bare {
                    self.nodes.note_bare(node, changes);
                }
                value
            }
            Spot::Open(file, _) => self.union.xattr_open(file, name),
        }
    }

    pub(super) fn xattrs(&self, node: u64, asks: u32) -> Result<Answer, Errno> {
        let mut names = match self.spot(node)? {
            Spot::Path(path) => self.union.xattrs(&path)?,
            Spot::Open(file, _) => self.union.xattrs_open(file)?,
        };
        let is_trusted = |name: &Vec<u8>| name.starts_with(b"trusted.");
        if names.iter().any(is_trusted) && !credentials(asks).is_some_and(|held| held.reaches_trusted) {
            names.retain(|name| !is_trusted(name));
        }
        Ok(names.into_iter().flat_map(|name| name.into_iter().chain([0])).collect())
    }

    /// `flags` as setxattr(2) has them.
    pub(super) fn set_xattr(
        &self,
        node: u64,
        name: &[u8],
        (value, flags): (&[u8], i32),
        by: Writer,
    ) -> Result<(), Errno> {
        let setting = match flags {
            0 => Setting::Any,
            1 => Setting::New,
            2 => Setting::Existing,
            3 => Setting::Never,
            _ => return Err(Errno::INVAL),
        };
        match self.spot(node)? {
            Spot::Path(path) => {
                if reaches(name, by.pid) {
                    self.union.set_own_mark(&path, name, value)?;
                } else {
                    self.union.set_xattr_if(&path, name, value, setting)?;
                }
                self.raised(node, &path);
            }
            Spot::Open(_, false) => return Err(NAMELESS),
            Spot::Open(file, true) => self.union.set_xattr_open(&file, name, value, setting)?,
        }
        self.nodes.note_attribute(node);
        self.after_xattr(node, name, by)
    }

    pub(super) fn remove_xattr(&self, node: u64, name: &[u8], by: Writer) -> Result<(), Errno> {
        match self.spot(node)? {
            Spot::Path(path) => {
                if reaches(name, by.pid) {
                    self.union.remove_own_mark(&path, name)?;
                } else {
                    self.union.remove_xattr(&path, name)?;
                }
                self.raised(node, &path);
            }
            Spot::Open(_, false) => return Err(NAMELESS),
            Spot::Open(file, true) => self.union.remove_xattr_open(&file, name)?,
        }
        self.after_xattr(node, name, by)
    }

    /// After an attribute was set or removed: a file's access list says more than its mode about who may keep what.
    fn after_xattr(&self, node: u64, name: &[u8], by: Writer) -> Result<(), Errno> {
        if name != names::ACCESS_LIST {
            return Ok(());
        }
        match self.spot(node)? {
            Spot::Path(path) => self.union.after_access_list(self.union.hold(&path)?.0, by),
            Spot::Open(file, _) => self.union.after_access_list(file, by),
        }
    }
}
