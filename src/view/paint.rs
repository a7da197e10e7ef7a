//! What a terminal allows, and the one table of colours.
//!
//! Views name what a text is, never a colour. Only the 16 colours of ANSI are used, and of these only such
//! as can be read on dark and on light grounds: the terminal's own theme has the last word.

use owo_colors::{AnsiColors, Style as Ink};

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

    /// The text in its colour. It must be escaped already.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        let ink = paint.ink();
        if self.color && !text.is_empty() && ink != Ink::new() {
            ink.style(text).to_string()
        } else {
            text.to_owned()
        }
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
}

/// The colours of lower layers, in turn from the base up. None is the upper's, none means good or bad.
const LAYERS: [AnsiColors; 4] =
    [AnsiColors::BrightBlue, AnsiColors::Cyan, AnsiColors::Green, AnsiColors::Yellow];

impl Paint {
    /// The paint of a layer in its stack.
    pub fn of_layer(layers: &[LayerLabel], layer: usize) -> Self {
        match layers.get(layer) {
            Some(LayerLabel { role: Role::Upper, .. }) => Self::Upper,
            _ => Self::Layer(layer),
        }
    }

    /// The table.
    fn ink(self) -> Ink {
        let ink = Ink::new();
        match self {
            Self::Plain | Self::Path | Self::Size => ink,
            Self::Added => ink.green(),
            Self::Changed | Self::Id => ink.yellow(),
            Self::Deleted | Self::Opaque => ink.red(),
            Self::Dim => ink.dimmed(),
            Self::Heading => ink.bold(),
            Self::Error | Self::Caret => ink.red().bold(),
            Self::Hint => ink.cyan(),
            Self::Upper => ink.magenta(),
            Self::Layer(layer) => ink.color(LAYERS[layer % LAYERS.len()]),
        }
    }
}
