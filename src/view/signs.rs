//! The signs that views draw with, for terminals with and without Unicode.

use super::Style;
use crate::overlay::Cell;

/// One set of signs; each stands in one column, but for the branches (three) and the arrow.
pub(super) struct Signs {
    pub(super) top: &'static str,
    pub(super) between: &'static str,
    pub(super) base: &'static str,
    /// More names follow in this directory.
    pub(super) branch: &'static str,
    /// The last name in a directory.
    pub(super) last: &'static str,
    /// The directory above goes on.
    pub(super) trunk: &'static str,
    pub(super) supplies: &'static str,
    pub(super) merges: &'static str,
    pub(super) hidden: &'static str,
    pub(super) whiteout: &'static str,
    pub(super) opaque: &'static str,
    pub(super) absent: &'static str,
    pub(super) ellipsis: &'static str,
    /// Stands for the start of a layer's name, up to a `/`.
    pub(super) above: &'static str,
    pub(super) arrow: &'static str,
    pub(super) yes: &'static str,
    pub(super) no: &'static str,
    /// The part of a bar that is done, and the rest.
    pub(super) full: &'static str,
    pub(super) empty: &'static str,
    /// What turns while something goes on.
    pub(super) spinner: &'static [&'static str],
}

const UNICODE: Signs = Signs {
    top: "▲",
    between: "│",
    base: "▼",
    branch: "├─ ",
    last: "└─ ",
    trunk: "│  ",
    supplies: "●",
    merges: "∪",
    hidden: "○",
    whiteout: "✕",
    opaque: "⊘",
    absent: "·",
    ellipsis: "…",
    above: "…/",
    arrow: "→",
    yes: "✓",
    no: "✗",
    full: "━",
    empty: "─",
    spinner: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
};

const ASCII: Signs = Signs {
    top: "^",
    between: "|",
    base: "v",
    branch: "|- ",
    last: "`- ",
    trunk: "|  ",
    supplies: "*",
    merges: "+",
    hidden: "o",
    whiteout: "x",
    opaque: "#",
    absent: ".",
    ellipsis: "~",
    // `~/` and `../` would be directories
    above: "...",
    arrow: "->",
    yes: "y",
    no: "N",
    full: "=",
    empty: ".",
    spinner: &["|", "\\", "-", "/"],
};

impl Style {
    /// The signs that can be shown.
    pub(super) const fn signs(&self) -> &'static Signs {
        if self.unicode { &UNICODE } else { &ASCII }
    }
}

impl Signs {
    /// The sign of a cell.
    pub(super) fn cell(&self, cell: Cell) -> &'static str {
        match cell {
            Cell::Supplies => self.supplies,
            Cell::Merges => self.merges,
            Cell::Hidden => self.hidden,
            Cell::Whiteout => self.whiteout,
            Cell::Opaque => self.opaque,
            Cell::Absent => self.absent,
        }
    }
}
