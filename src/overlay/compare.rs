//! What differs between two files.

use super::Aspect;
use crate::model::{Entry, Metadata, Node};

/// What of the metadata differs, the time left aside.
pub fn metadata_aspects(before: &Metadata, after: &Metadata) -> Vec<Aspect> {
    let mut aspects = Vec::new();
    if before.mode != after.mode {
        aspects.push(Aspect::Mode);
    }
    if (before.uid, before.gid) != (after.uid, after.gid) {
        aspects.push(Aspect::Owner);
    }
    if before.xattrs != after.xattrs {
        aspects.push(Aspect::Xattr);
    }
    aspects
}

/// What differs. `same_content` is asked only about two regular files of one size; the time counts only
/// where nothing else differs, and never for directories.
pub(super) fn aspects(before: &Entry, after: &Entry, same_content: impl FnOnce() -> bool) -> Vec<Aspect> {
    let mut aspects = Vec::new();
    if before.node.kind() == after.node.kind() {
        let same = match (&before.node, &after.node) {
            (Node::File { size: old }, Node::File { size: new }) => old == new && same_content(),
            (Node::Dir { .. }, Node::Dir { .. }) => true,
            (old, new) => old == new,
        };
        if !same {
            aspects.push(Aspect::Content);
        }
    } else {
        aspects.push(Aspect::Type);
    }
    aspects.extend(metadata_aspects(&before.meta, &after.meta));
    if aspects.is_empty() && !after.is_dir() && before.meta.mtime != after.meta.mtime {
        aspects.push(Aspect::Time);
    }
    aspects
}
