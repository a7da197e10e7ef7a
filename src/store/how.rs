//! How a tree is walked: what each kind of tree needs that the walk cannot see.

use std::rc::Rc;

use super::Kept;
use super::barred::Denied;
use crate::model::{Change, Changeset, LayerPath, Metadata, Node, Timestamp, Trust};

/// How a tree is walked.
#[derive(Clone, Debug, Default)]
pub struct ScanHow {
    /// Later times become this one.
    pub clamp: Option<Timestamp>,
    /// What symlinks and special files cannot keep themselves (see `Draft::kept`).
    pub kept: Kept,
    /// The merged root beneath: a root that looks just so, the time aside, is implied.
    pub root: Option<Metadata>,
    /// Whether directories that are marked so are implied: in a draft. In an upper the mark means nothing.
    pub draft: bool,
    /// Whether it is a sealed layer's: attributes that no sealed layer has are damage.
    pub sealed: bool,
    /// What is done about files that deny their owner.
    pub denied: Denied,
    /// Looks at this path and the directories above it, and at nothing else.
    pub only: Option<LayerPath>,
    /// On whose files our own marks that give rights count; where the tree is sealed, others are removed.
    pub trust: Trust,
    /// The layers beneath an upper, bottom → top, where the host cannot give every owner. A symlink or special file takes
    /// no attribute of ours, so its copy-up loses the owner that the layer's index has: one that is as the one beneath
    /// keeps that one's owner.
    pub beneath: Vec<Rc<Changeset>>,
}

impl ScanHow {
    /// The owner of a symlink or special file that the layers beneath show just so.
    pub(super) fn owner_beneath(&self, path: &LayerPath, node: &Node) -> Option<(u32, u32)> {
        for changes in self.beneath.iter().rev() {
            match changes.get(path) {
                Some(Change::Put(entry)) => {
                    return (entry.node == *node).then_some((entry.meta.uid, entry.meta.gid));
                }
                Some(Change::Whiteout) => return None,
                None => {}
            }
            let mut above = path.parent();
            while let Some(dir) = above {
                let hides = match changes.get(&dir) {
                    Some(Change::Put(entry)) => !entry.is_dir() || entry.is_opaque(),
                    Some(Change::Whiteout) => true,
                    None => false,
                };
                if hides {
                    return None;
                }
                above = dir.parent();
            }
        }
        None
    }
}
