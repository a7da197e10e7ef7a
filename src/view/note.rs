//! The words behind a row of the picture: why it looks as it does.

use crate::overlay::{Cell, Row, RowNote};

/// The note of a row; empty where the picture says it all. `named`: the picture has no columns, but names the
/// topmost layer that speaks in each row.
pub(super) fn note(row: &Row, names: &[String], named: bool) -> String {
    let name = |layer: usize| names.get(layer).map_or("?", String::as_str);
    match row.note {
        RowNote::Only { layer: 0 } | RowNote::Merged => String::new(),
        RowNote::Only { layer } => match (deleted_beneath(row, layer), named) {
            (Some(deleter), false) => format!("new in {}: {} had deleted it", name(layer), name(deleter)),
            (Some(deleter), true) => format!("new: {} had deleted it", name(deleter)),
            (None, false) => format!("new in {}", name(layer)),
            (None, true) => "new".to_owned(),
        },
        RowNote::Hides { layer, below } => match deleted_beneath(row, layer).filter(|&by| by > below) {
            Some(deleter) if named => format!("back: {} had deleted it", name(deleter)),
            Some(deleter) => format!("back in {}: {} had deleted it", name(layer), name(deleter)),
            None if named => format!("hides {}", name(below)),
            None => format!("{} hides {}", name(layer), name(below)),
        },
        RowNote::Deletes { below: Some(below), .. } => {
            format!("deleted: a whiteout hides {}", name(below))
        }
        RowNote::Deletes { below: None, .. } => "a whiteout with nothing beneath".to_owned(),
        RowNote::HiddenBeneath { layer } => format!("gone with its parent in {}", name(layer)),
        RowNote::CutsOff { below, .. } if named => format!("cuts off {} (opaque)", name(below)),
        RowNote::CutsOff { layer, below } => format!("{} cuts off {} (opaque)", name(layer), name(below)),
    }
}

/// The topmost layer beneath `layer` that says anything, if what it says is a whiteout.
fn deleted_beneath(row: &Row, layer: usize) -> Option<usize> {
    let beneath = row.cells.get(..layer)?;
    let says = beneath.iter().rposition(|&cell| cell != Cell::Absent)?;
    (beneath[says] == Cell::Whiteout).then_some(says)
}
