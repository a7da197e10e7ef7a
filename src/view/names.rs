//! Layer names in columns and notes: as short as they can be told apart.
//!
//! The layers' own lines have the full names.

use super::Style;
use super::escape::{fit, host_path, prose, suffix, width};
use crate::workspace::{LayerLabel, Role};

/// For each layer the shortest end of its name, from a `/` on, that no other layer's name has: `…/app`.
pub(super) fn short_names(layers: &[LayerLabel], style: &Style) -> Vec<String> {
    let full: Vec<String> = (0..layers.len()).map(|at| full_name(layers, at, style)).collect();
    let rooted: Vec<String> = full.iter().map(|name| format!("/{}", name.trim_start_matches('/'))).collect();
    let shorten = |(at, name): (usize, &String)| {
        let unique = |end: &str| {
            rooted.iter().enumerate().all(|(other, rooted)| other == at || !rooted.ends_with(end))
        };
        let mut ends = rooted[at].rmatch_indices('/').map(|(from, _)| &rooted[at][from..]);
        let end = ends.find(|end| unique(end));
        match end.map(|end| format!("{}{}", style.signs().above, &end[1..])) {
            Some(short) if width(&short) < width(name) => short,
            _ => name.clone(),
        }
    };
    full.iter().enumerate().map(shorten).collect()
}

/// A layer's name; of host directories with the same name their paths.
pub(super) fn full_name(layers: &[LayerLabel], at: usize, style: &Style) -> String {
    let label = &layers[at];
    let twice = || layers.iter().enumerate().any(|(other, known)| other != at && known.name == label.name);
    match &label.path {
        Some(path) if label.role == Role::Host && twice() => host_path(path, style),
        _ => prose(&label.name, style),
    }
}

/// A short name cut to `room` columns: what is left of its path goes first.
pub(super) fn fit_name(short: &str, room: usize, style: &Style) -> String {
    match short.strip_prefix(style.signs().above) {
        Some(end) if width(short) > room && room > 1 => {
            format!("{}{}", style.signs().ellipsis, suffix(end, room - 1))
        }
        _ => fit(short, room, style),
    }
}
