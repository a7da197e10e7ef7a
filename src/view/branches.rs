//! The branches of a drawn tree: where each path hangs.

use super::signs::Signs;
use crate::model::LayerPath;

/// How one path of a list hangs in it.
pub(super) struct Branch {
    /// For each level above, from the outside in: whether more follows there.
    trunks: Vec<bool>,
    /// Whether its directory ends with it.
    last: bool,
    /// Its path below what it hangs on, which is its directory if that is in the list.
    pub(super) rest: LayerPath,
}

/// The branches of paths in path order, which hang on `root` or on one another.
pub(super) fn branches<'a>(root: &LayerPath, paths: impl Iterator<Item = &'a LayerPath>) -> Vec<Branch> {
    let mut open: Vec<(usize, &LayerPath)> = Vec::new();
    let mut parents: Vec<Option<usize>> = Vec::new();
    let mut rests = Vec::new();
    // the last child of each path, and of the root
    let (mut last_of, mut last_of_root) = (Vec::new(), None);
    for (at, path) in paths.enumerate() {
        while open.last().is_some_and(|(_, dir)| !path.is_within(dir)) {
            open.pop();
        }
        let parent = open.last().map(|&(parent, _)| parent);
        let above = open.last().map_or(root, |&(_, dir)| dir);
        rests.push(path.below(above).unwrap_or_else(|| path.clone()));
        last_of.push(None);
        match parent {
            Some(parent) => last_of[parent] = Some(at),
            None => last_of_root = Some(at),
        }
        parents.push(parent);
        open.push((at, path));
    }
    let mut branches: Vec<Branch> = Vec::with_capacity(rests.len());
    for (at, (rest, parent)) in rests.into_iter().zip(parents).enumerate() {
        let (trunks, last) = match parent {
            None => (Vec::new(), last_of_root == Some(at)),
            Some(parent) => {
                let above = &branches[parent];
                let mut trunks = above.trunks.clone();
                trunks.push(!above.last);
                (trunks, last_of[parent] == Some(at))
            }
        };
        branches.push(Branch { trunks, last, rest });
    }
    branches
}

impl Branch {
    /// The columns that [`Branch::draw`] takes where there is room.
    pub(super) fn width(&self) -> usize {
        3 * (self.trunks.len() + 1)
    }

    /// The lines in front of the name, in at most `room` columns: outer levels go first.
    pub(super) fn draw(&self, room: usize, signs: &Signs) -> String {
        let fitting = (room / 3).saturating_sub(1);
        let mut text = String::new();
        let mut levels = &self.trunks[..];
        if levels.len() > fitting {
            levels = &levels[levels.len() - fitting.saturating_sub(1)..];
            text.push_str(signs.ellipsis);
            text.push_str("  ");
        }
        for &more in levels {
            text.push_str(if more { signs.trunk } else { "   " });
        }
        text.push_str(if self.last { signs.last } else { signs.branch });
        text
    }
}
