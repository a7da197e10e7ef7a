//! What the host refuses to a file and a mark of ours keeps: a time, an attribute. For a driver inside this process: to
//! programs in a mount the files are as the host has them.

use super::Union;
use super::raise::Content;
use crate::model::{KeptTime, Kind, LayerPath, Timestamp, decode_xattrs, names};
use crate::overlay::Aspect;
use crate::sys::{Errno, xattr};

impl Union {
    /// The layer's time of a file that has this one.
    pub fn kept_time(&self, path: &LayerPath, found: Timestamp) -> Result<Timestamp, Errno> {
        if !KeptTime::is_possible(found) {
            return Ok(found);
        }
        let kept = self.mark_of(path, names::TIME)?;
        let kept = kept.and_then(|value| decode_xattrs([(names::TIME, &value[..])]).time);
        Ok(kept.map_or(found, |kept| kept.of(found)))
    }

    /// Keeps a time that was set, where the file system holds another in its place.
    pub fn keep_time(&self, path: &LayerPath, meant: Timestamp) -> Result<(), Errno> {
        if !KeptTime::is_possible(meant) {
            return Ok(());
        }
        let found = self.find(path)?.stat;
        if found.mtime == meant || !matches!(found.kind, Kind::File | Kind::Dir) {
            return Ok(());
        }
        self.set_mark(path, names::TIME, &KeptTime { meant, held: found.mtime }.encode())
    }

    /// The names of the attributes that are kept.
    pub fn kept_xattrs(&self, path: &LayerPath) -> Result<Vec<Vec<u8>>, Errno> {
        let found = self.find(path)?;
        if !self.options.trust.counts(found.stat.uid) {
            return Ok(Vec::new());
        }
        let raw = xattr::list_at(&found.place.dir, &found.place.name)?;
        Ok(raw.iter().filter_map(|name| Some(name.strip_prefix(names::XATTR)?.to_vec())).collect())
    }

    /// A kept attribute, if there is one.
    pub fn kept_xattr(&self, path: &LayerPath, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
        if !self.options.trust.counts(self.find(path)?.stat.uid) {
            return Ok(None);
        }
        self.mark_of(path, &[names::XATTR, name].concat())
    }

    /// Keeps an attribute that the host refused; whether that can be.
    pub fn keep_xattr(&self, path: &LayerPath, name: &[u8], value: &[u8]) -> Result<bool, Errno> {
        let stat = self.find(path)?.stat;
        let takes = matches!(stat.kind, Kind::File | Kind::Dir) && self.options.trust.counts(stat.uid);
        if takes && !name.starts_with(b"user.") {
            self.set_mark(path, &[names::XATTR, name].concat(), value)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Forgets a kept attribute; `ENODATA` if there is none.
    pub fn forget_xattr(&self, path: &LayerPath, name: &[u8]) -> Result<(), Errno> {
        self.kept_xattr(path, name)?.ok_or(Errno::NODATA)?;
        let _changing = self.change();
        let found = self.find(path)?;
        self.change_file(path, &found, (Aspect::Xattr, Content::Copied), |place| {
            xattr::remove_at(&place.dir, &place.name, &[names::XATTR, name].concat())
        })
    }

    fn mark_of(&self, path: &LayerPath, mark: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
        let place = self.find(path)?.place;
        xattr::if_there(xattr::get_at(&place.dir, &place.name, mark))
    }

    fn set_mark(&self, path: &LayerPath, mark: &[u8], value: &[u8]) -> Result<(), Errno> {
        let _changing = self.change();
        let found = self.find(path)?;
        self.change_file(path, &found, (Aspect::Xattr, Content::Copied), |place| {
            xattr::set_at(&place.dir, &place.name, mark, value)
        })
    }
}
