//! Metadata that files alone cannot hold, in a draft: what the host refuses goes into marks and into the draft's record.

use super::error::tree;
use super::{Draft, Error, place};
use crate::model::{Entry, Kind, LayerPath, Node};

/// Whether the host's files may not say all that an entry does: a time beyond the range of file systems, an attribute or an
/// owner of what takes no marks that only a privileged user can give.
pub fn is_hard_to_hold(entry: &Entry) -> bool {
    let meta = &entry.meta;
    let special = !matches!(entry.node, Node::File { .. } | Node::Dir { .. });
    !place::holds(meta.mtime)
        || special && (meta.uid, meta.gid) != (0, 0)
        || meta.xattrs.keys().any(|name| !name.starts_with(b"user."))
}

impl Draft {
    /// Gives files that are there, no directories, all that these entries say.
    ///
    /// # Errors
    /// [`Error::Tree`].
    pub fn set_metadata<'a>(
        &self,
        entries: impl Iterator<Item = (&'a LayerPath, &'a Entry)>,
    ) -> Result<(), Error> {
        let root = self.tree()?;
        let before = self.kept()?;
        let mut now = before.clone();
        for (path, entry) in entries {
            let Some((parent, name)) = path.parent().zip(path.file_name()) else { continue };
            let kind = entry.node.kind();
            if kind == Kind::Dir {
                continue;
            }
            let dir = root.beneath(&parent).map_err(tree("open", &parent))?;
            let left = place::set_metadata(&dir, name, kind, &entry.meta)
                .map_err(tree("set the metadata of", path))?;
            now.set(path, left.owner, left.time);
        }
        if now == before { Ok(()) } else { self.set_kept(&now) }
    }
}
