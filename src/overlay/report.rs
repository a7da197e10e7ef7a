//! What questions about a stack are answered with: values that views draw and scripts decide on.
//!
//! Layers are meant by their index in the stack, bottom → top, 0 first.

use crate::model::{Counts, Entry, Kind, LayerPath};

/// What one layer does to one path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cell {
    /// Says nothing about it.
    Absent,
    /// Holds the file that the union shows.
    Supplies,
    /// Holds a directory that is part of the merged one (the topmost such layer says [`Cell::Supplies`]).
    Merges,
    /// Holds a file or directory that a layer above hides.
    Hidden,
    /// Deletes the name.
    Whiteout,
    /// Holds an opaque directory (that the union shows).
    Opaque,
}

/// Why a row looks as it does: what the topmost layer that speaks about the path does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowNote {
    /// It is in the union, and exactly one layer holds it.
    Only {
        /// The layer.
        layer: usize,
    },
    /// A file that hides one beneath it.
    Hides {
        /// The layer that supplies it.
        layer: usize,
        /// The layer whose file is hidden (the topmost such).
        below: usize,
    },
    /// A whiteout that hides something beneath it.
    Deletes {
        /// The layer with the whiteout.
        layer: usize,
        /// The layer whose file is hidden (the topmost such); `None` if there was nothing to delete.
        below: Option<usize>,
    },
    /// Hidden by an opaque directory, a whiteout or a non-directory above one of its parents.
    HiddenBeneath {
        /// The layer that hides it.
        layer: usize,
    },
    /// A directory that several layers share.
    Merged,
    /// An opaque directory that cuts off lower layers.
    CutsOff {
        /// The layer with the opaque directory.
        layer: usize,
        /// The topmost layer cut off.
        below: usize,
    },
}

/// One row of the picture that `show()` draws.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The path.
    pub path: LayerPath,
    /// The union's file; `None` where the union has none (deleted or hidden).
    pub entry: Option<Entry>,
    /// The type: the union's, else that of the topmost hidden file (of a whiteout with nothing beneath: file).
    pub kind: Kind,
    /// One cell a layer, bottom → top.
    pub cells: Vec<Cell>,
    /// Why.
    pub note: RowNote,
    /// On a directory not all of which is shown: how many paths beneath it have neither a row of their own nor
    /// a directory between with one. If no row follows beneath it, the row stands for the whole directory.
    pub folded: Option<u64>,
}

/// The picture of a stack, bounded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Matrix {
    /// The rows, in path order (a directory right before what it holds); the root has none.
    pub rows: Vec<Row>,
    /// How many paths have no row of their own.
    pub left_out: u64,
    /// How many paths there are in all (union, deleted and hidden ones).
    pub total: u64,
    /// Per layer, bottom → top: what it holds and does.
    pub layers: Vec<LayerEffect>,
}

/// What one layer does to the stack beneath it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LayerEffect {
    /// Paths it holds that the stack beneath does not show (the root not counted).
    pub added: u64,
    /// Paths it holds that the stack beneath shows too; a directory counts only when its metadata differs
    /// (the time aside) or it takes another file's place.
    pub changed: u64,
    /// Paths that the stack beneath shows and that this layer deletes by a whiteout or leaves out of a
    /// directory that it made opaque: each deleted name once, not what lies beneath it.
    pub deleted: u64,
    /// Totals of the layer alone.
    pub counts: Counts,
}

/// How a path differs between two trees.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DiffKind {
    /// Only in the new one.
    Added,
    /// In both, different.
    Changed,
    /// Only in the old one.
    Deleted,
}

impl DiffKind {
    /// `A`, `C` or `D`.
    pub fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Changed => 'C',
            Self::Deleted => 'D',
        }
    }
}

/// What of a file changed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Aspect {
    /// The file's type.
    Type,
    /// The bytes (of a symlink: its target; of a device: its number).
    Content,
    /// Permission bits.
    Mode,
    /// Owner or group.
    Owner,
    /// Extended attributes.
    Xattr,
    /// Only the time of the last change.
    Time,
}

impl Aspect {
    /// The word for it: `type`, `content`, `mode`, `owner`, `xattr`, `time`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Content => "content",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Xattr => "xattr",
            Self::Time => "time",
        }
    }
}

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The path.
    pub path: LayerPath,
    /// Added, changed or deleted.
    pub kind: DiffKind,
    /// The file before; `None` if added.
    pub before: Option<Entry>,
    /// The file after; `None` if deleted.
    pub after: Option<Entry>,
    /// What changed, for [`DiffKind::Changed`]; in the order of [`Aspect`].
    pub aspects: Vec<Aspect>,
    /// Bytes of the lower file that the upper holds a copy of, at the most: what copy-up cost, unless the file
    /// was written anew; 0 where nothing was copied up.
    pub copied_up: u64,
    /// For a directory that was deleted or became another type: how many paths beneath it went with it.
    pub beneath: u64,
}

/// What happened to a path in one layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StepKind {
    /// It appears here; nothing beneath shows it.
    Created,
    /// A directory that merges with the ones beneath.
    Merged {
        /// What of its metadata differs from the one beneath.
        aspects: Vec<Aspect>,
    },
    /// The same name with other content or metadata: the file beneath is hidden.
    Replaced {
        /// What differs from the one beneath.
        aspects: Vec<Aspect>,
    },
    /// An opaque directory: what lies beneath is cut off.
    MadeOpaque,
    /// A whiteout: the name is deleted.
    Deleted,
    /// A whiteout although nothing beneath shows the name.
    DeletedNothing,
    /// A parent was deleted, made opaque or replaced here, and this path went with it.
    HiddenWithParent {
        /// The parent that did it.
        parent: LayerPath,
    },
}

/// One step of a path's life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The layer.
    pub layer: usize,
    /// What happened.
    pub kind: StepKind,
    /// The file as this layer holds it; `None` for deletions.
    pub entry: Option<Entry>,
}

/// One path's life, bottom → top.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Life {
    /// The path asked for.
    pub path: LayerPath,
    /// The layers that say something about it.
    pub steps: Vec<Step>,
    /// What the union shows in the end, and from which layer.
    pub shown: Option<(usize, Entry)>,
    /// Where the union shows nothing because a name above the path is a symlink: that one, and the path that it leads to.
    pub leads: Option<(LayerPath, LayerPath)>,
}

/// One path of a merged tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeItem {
    /// The path.
    pub path: LayerPath,
    /// The file that the union shows; `None` for a whiteout.
    pub entry: Option<Entry>,
    /// The layer that supplies it (for a merged directory, the topmost of which a layer says something).
    pub layer: usize,
}
