//! The words behind a row of the picture: why it looks as it does.

use super::Style;
use super::escape::prose;
use crate::overlay::{Cell, Row, RowNote};
use crate::workspace::LayerLabel;

/// The note of a row; empty where the signs say it all. `located`: the layer that acts is named although the
/// picture has a column for it (because this one has none).
pub(super) fn note(row: &Row, layers: &[LayerLabel], located: bool, style: &Style) -> String {
    let name = |layer: usize| match layers.get(layer) {
        Some(label) => prose(&label.name, style),
        None => format!("layer {}", layer + 1),
    };
    match row.note {
        RowNote::Only { layer: 0 } | RowNote::Merged => String::new(),
        RowNote::Only { layer } => match deleted_beneath(row, layer) {
            Some(deleter) => format!("new in {}: {} had deleted it", name(layer), name(deleter)),
            None => format!("new in {}", name(layer)),
        },
        RowNote::Hides { layer, below } => match deleted_beneath(row, layer).filter(|&by| by > below) {
            Some(deleter) => format!("back in {}: {} had deleted it", name(layer), name(deleter)),
            None => format!("{} hides {}", name(layer), name(below)),
        },
        RowNote::Deletes { layer, below } => {
            let place = if located { format!(" in {}", name(layer)) } else { String::new() };
            match below {
                Some(below) => format!("deleted{place}: a whiteout hides {}", name(below)),
                None => format!("a whiteout{place} with nothing beneath"),
            }
        }
        RowNote::HiddenBeneath { layer } if located => format!("gone with its parent in {}", name(layer)),
        RowNote::HiddenBeneath { .. } => "gone with its parent".to_owned(),
        RowNote::CutsOff { layer, below } => format!("{} cuts off {} (opaque)", name(layer), name(below)),
    }
}

/// The topmost layer beneath `layer` that says anything, if what it says is a whiteout.
fn deleted_beneath(row: &Row, layer: usize) -> Option<usize> {
    let beneath = row.cells.get(..layer)?;
    let says = beneath.iter().rposition(|&cell| cell != Cell::Absent)?;
    (beneath[says] == Cell::Whiteout).then_some(says)
}
