//! What the parts of a store take on disk.

use std::collections::HashSet;
use std::path::PathBuf;

use super::error::io;
use super::{Error, Store};
use crate::model::{Kind, LayerName, TreeId};
use crate::sys::{Dir, Errno};

/// What something takes on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Bytes, by the blocks that the file system gave: a file with several hard links counts once.
    pub bytes: u64,
    /// Names.
    pub names: u64,
}

impl Usage {
    /// What a name and all beneath it takes; nothing where there is no such name, and `None` where `go_on` says no. What
    /// this user may not look into counts as empty, and mounts are not entered.
    pub(super) fn of(dir: &Dir, name: &[u8], go_on: &mut dyn FnMut() -> bool) -> Result<Option<Self>, Errno> {
        let mut used = Self::default();
        // files of several names: no directory has any
        let mut seen: HashSet<(u64, u64)> = HashSet::new();
        // the file system that is counted: a directory of another one is a mount point
        let counted = dir.stat_self()?.dev;
        let mut count = |dir: &Dir, name: &[u8]| -> Result<bool, Errno> {
            let stat = match dir.stat(name) {
                Ok(stat) => stat,
                // it went meanwhile, or it is a mount whose server has died
                Err(Errno::NOENT | Errno::NOTCONN) => return Ok(false),
                Err(errno) => return Err(errno),
            };
            used.names += 1;
            let is_dir = stat.kind == Kind::Dir;
            if is_dir && stat.dev != counted {
                return Ok(false);
            }
            if is_dir || stat.nlink < 2 || seen.insert((stat.dev, stat.ino)) {
                used.bytes += stat.blocks * 512;
            }
            Ok(is_dir)
        };
        let mut levels = Vec::new();
        if count(dir, name)? {
            levels.extend(inside(dir, name)?);
        }
        while let Some((dir, left)) = levels.last_mut() {
            let Some(item) = left.next() else {
                levels.pop();
                continue;
            };
            if !go_on() {
                return Ok(None);
            }
            if count(dir, &item.name)? {
                let deeper = inside(dir, &item.name)?;
                levels.extend(deeper);
            }
        }
        Ok(Some(used))
    }
}

type Level = (Dir, std::vec::IntoIter<crate::sys::RawItem>);

/// What lies in a directory; `None` where it may not be looked into, or went.
fn inside(dir: &Dir, name: &[u8]) -> Result<Option<Level>, Errno> {
    let listed = dir.dir(name).and_then(|inner| Ok((inner.items()?.into_iter(), inner)));
    match listed {
        Ok((items, inner)) => Ok(Some((inner, items))),
        Err(Errno::ACCESS | Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

impl Store {
    /// What a layer takes on disk, its index too.
    ///
    /// # Errors
    /// [`Error::Interrupted`] where `go_on` says no, [`Error::Io`].
    pub fn layer_usage(&self, id: TreeId, go_on: &mut dyn FnMut() -> bool) -> Result<Usage, Error> {
        usage_in(&self.layers, &id.hex(), self.layer_path(id), go_on)
    }

    /// What a draft takes on disk.
    ///
    /// # Errors
    /// As [`Store::layer_usage`].
    pub fn draft_usage(&self, name: &LayerName, go_on: &mut dyn FnMut() -> bool) -> Result<Usage, Error> {
        let file = name.file_name();
        usage_in(&self.drafts, &file, self.drafts_path().join(&file), go_on)
    }

    /// What a mount's upper takes on disk, with all that belongs to the mount.
    ///
    /// # Errors
    /// As [`Store::layer_usage`].
    pub fn mount_usage(&self, name: &LayerName, go_on: &mut dyn FnMut() -> bool) -> Result<Usage, Error> {
        let (file, at) = (name.file_name(), self.mounts_path().join(name.file_name()));
        let mut used = Usage::default();
        // what is merged is the layers'
        for part in ["up", "work", "dirs"] {
            let more = usage_in(&self.mounts, &format!("{file}/{part}"), at.join(part), go_on)?;
            used = Usage { bytes: used.bytes + more.bytes, names: used.names + more.names };
        }
        Ok(used)
    }
}

fn usage_in(dir: &Dir, name: &str, at: PathBuf, go_on: &mut dyn FnMut() -> bool) -> Result<Usage, Error> {
    Usage::of(dir, name.as_bytes(), go_on).map_err(io("look through", at))?.ok_or(Error::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_count_and_a_file_with_two_names_once() {
        let host = tempfile::tempdir().unwrap();
        let top = host.path();
        std::fs::create_dir_all(top.join("t/a/b")).unwrap();
        std::fs::write(top.join("t/a/f"), vec![1; 64 << 10]).unwrap();
        let dir = Dir::open(top).unwrap();
        let of = |name: &str| Usage::of(&dir, name.as_bytes(), &mut || true).unwrap().unwrap();
        let before = of("t");
        assert!(before.bytes >= 64 << 10 && before.names == 4, "{before:?}");
        std::fs::hard_link(top.join("t/a/f"), top.join("t/a/b/g")).unwrap();
        let after = of("t");
        assert_eq!((after.bytes, after.names), (before.bytes, 5));
        // a hole takes nothing
        std::fs::File::create(top.join("t/sparse")).unwrap().set_len(1 << 30).unwrap();
        assert!(of("t").bytes < before.bytes + (1 << 20));
        assert_eq!(of("missing"), Usage::default());
        assert_eq!(Usage::of(&dir, b"t", &mut || false).unwrap(), None);
    }
}
