//! What the host refuses to a file of an upper, kept in marks of ours on it: for copies, which carry along what they find.

use super::{Store, place};
use crate::model::{KeptTime, Kind, LayerPath, Timestamp, escape_name, names};
use crate::sys::{Dir, Errno, RawStat};

impl Store {
    /// Keeps the time that a file of an upper is meant to have. Whether that could be: what is no file or directory takes
    /// no marks.
    ///
    /// # Errors
    /// What the system answers.
    pub fn keep_time(&self, upper: &Dir, path: &LayerPath, meant: Timestamp) -> Result<bool, Errno> {
        let (dir, name, stat) = at(upper, path)?;
        if stat.mtime == meant || !takes_marks(&stat) {
            return Ok(stat.mtime == meant);
        }
        let time = KeptTime { meant, held: stat.mtime };
        place::set_own(&dir, name, names::TIME, &time.encode()).map(|()| true)
    }

    /// Keeps an attribute that was refused to a file of an upper. Whether that could be: marks that give rights count only
    /// on files of the store's owner, and where every attribute can be given on none.
    ///
    /// # Errors
    /// What the system answers.
    pub fn keep_attribute(
        &self,
        upper: &Dir,
        path: &LayerPath,
        name: &[u8],
        value: &[u8],
    ) -> Result<bool, Errno> {
        let (dir, file, stat) = at(upper, path)?;
        let keeps = takes_marks(&stat) && self.trust().counts(stat.uid) && !name.starts_with(b"user.");
        if !keeps || escape_name(name).is_none() {
            return Ok(false);
        }
        place::set_own(&dir, file, &[names::XATTR, name].concat(), value).map(|()| true)
    }
}

/// Where a file of an upper is, no symlink followed, and what it is.
fn at<'a>(upper: &Dir, path: &'a LayerPath) -> Result<(Dir, &'a [u8], RawStat), Errno> {
    let (dir, name) = match path.parent().zip(path.file_name()) {
        Some((parent, name)) => (upper.beneath(&parent)?, name),
        None => (upper.duplicate()?, &b"."[..]),
    };
    let stat = dir.stat(name)?;
    Ok((dir, name, stat))
}

fn takes_marks(stat: &RawStat) -> bool {
    matches!(stat.kind, Kind::File | Kind::Dir)
}
