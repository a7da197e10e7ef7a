//! What a terminal allows, and the one table of colours.
//!
//! Views name what a text is, never a colour. The colours are of the fixed part of the 256-colour palette, and
//! each stands out from black and from white alike: the first sixteen are whatever a theme makes of them, and
//! yellow or cyan on white can hardly be read in most.
//!
//! # Source
//! xterm, `256colres.pl`: 16 + 36 r + 6 g + b for the colour cube, 232 to 255 for grey.

use owo_colors::{DynColors, Style as Ink, XtermColors};

use crate::workspace::{LayerLabel, Role};

/// What the place that the text goes to can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Whether escape codes for colours are written.
    pub color: bool,
    /// Whether characters beyond ASCII are written.
    pub unicode: bool,
    /// Columns of a line; views keep to it from 60 on.
    pub width: usize,
    /// Lines of the screen.
    pub height: usize,
}

impl Style {
    /// Unicode without colours: for pipes.
    pub const fn plain(width: usize) -> Self {
        Self { color: false, unicode: true, width, height: 24 }
    }

    /// The same for a terminal of this size, in columns and rows, where there is one.
    #[must_use]
    pub fn sized(self, size: Option<(u16, u16)>) -> Self {
        let Some((columns, rows)) = size else { return self };
        Self { width: usize::from(columns).max(40), height: usize::from(rows), ..self }
    }

    /// The text in its colour. It must be escaped already.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        let (color, bold) = paint.look();
        if !self.color || text.is_empty() || (color.is_none() && !bold) {
            return text.to_owned();
        }
        let mut ink = Ink::new();
        if let Some(color) = color {
            ink = ink.color(DynColors::Xterm(XtermColors::from(color)));
        }
        if bold {
            ink = ink.bold();
        }
        ink.style(text).to_string()
    }
}

/// What a piece of text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paint {
    /// Nothing special.
    Plain,
    /// Something added, or well.
    Added,
    /// Something changed.
    Changed,
    /// Something deleted.
    Deleted,
    /// An opaque directory.
    Opaque,
    /// What stands back: branches, fillers, counts of the rest.
    Dim,
    /// A title or a column's heading.
    Heading,
    /// The word before an error.
    Error,
    /// Advice.
    Hint,
    /// The mark under a column of source.
    Caret,
    /// A path of the host.
    Path,
    /// An ID.
    Id,
    /// An amount of bytes.
    Size,
    /// Whatever comes from the upper.
    Upper,
    /// Whatever comes from the layer with this index in its stack.
    Layer(usize),
    /// A word of the script language.
    Keyword,
    /// A string in a script.
    Text,
    /// A number in a script.
    Number,
    /// A function that a script calls.
    Call,
    /// A variable that has a value.
    Variable,
    /// The bracket at the cursor, and the one it belongs to.
    Pair,
    /// What cannot be right in a script.
    Mistake,
}

/// The colours of lower layers, in turn from the base up: blue, gold, teal, violet, olive, brown. None is the
/// upper's, none means good or bad.
const LAYERS: [u8; 6] = [33, 136, 30, 98, 64, 130];

impl Paint {
    /// The paint of a layer in its stack.
    pub fn of_layer(layers: &[LayerLabel], layer: usize) -> Self {
        match layers.get(layer) {
            Some(LayerLabel { role: Role::Upper, .. }) => Self::Upper,
            _ => Self::Layer(layer),
        }
    }

    /// The table: the colour of the palette of 256, if it has one, and whether it is bold.
    pub const fn look(self) -> (Option<u8>, bool) {
        match self {
            Self::Plain | Self::Path | Self::Size | Self::Id => (None, false),
            Self::Heading => (None, true),
            Self::Added => (Some(28), false),
            Self::Changed => (Some(166), false),
            Self::Deleted | Self::Opaque | Self::Mistake => (Some(160), false),
            Self::Error | Self::Caret => (Some(160), true),
            Self::Dim => (Some(243), false),
            Self::Hint => (Some(31), false),
            Self::Upper => (Some(163), false),
            Self::Keyword => (Some(98), false),
            Self::Text => (Some(64), false),
            Self::Number => (Some(136), false),
            Self::Call => (Some(33), false),
            Self::Variable => (Some(30), false),
            Self::Pair => (Some(163), true),
            Self::Layer(layer) => (Some(LAYERS[layer % LAYERS.len()]), false),
        }
    }
}
