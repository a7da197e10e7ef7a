//! The union as a tree, each name in the colour of the layer that supplies it.

use super::branches::branches;
use super::describe::{amount, suffix};
use super::escape::{fit, name, path, prose, width};
use super::line::{Line, paragraph};
use super::quantity::count;
use super::{Paint, Style};
use crate::model::{LayerPath, Node};
use crate::overlay::TreeItem;
use crate::workspace::{LayerLabel, TreeReport};

/// Draws a merged tree; with several layers, the one that supplies a path stands beside it.
pub fn tree(report: &TreeReport, style: &Style) -> String {
    let mut out = String::new();
    let Some((root, items)) = report.items.split_first() else {
        paragraph(&mut out, style, Paint::Dim, 0, &format!("{}: nothing", prose(&report.title, style)));
        return out;
    };
    let branches = branches(&root.path, items.iter().map(|item| &item.path));
    let names: Vec<(String, String, String)> = std::iter::once((String::new(), head(report, root, style)))
        .chain(items.iter().zip(&branches).map(|(item, branch)| {
            // as much of the branches as leaves room for a name
            let lines = branch.draw(style.width / 3, style.signs());
            (lines, name(branch.rest.as_bytes(), style) + suffix(item.entry.node.kind()))
        }))
        .zip(&report.items)
        .map(|((lines, name), item)| (lines, name, target(item, style)))
        .collect();

    let layer_width = if report.layers.len() > 1 {
        let used = report.items.iter().map(|item| width(&layer_name(&report.layers, item.layer, style)));
        used.max().unwrap_or(0).min(style.width / 4)
    } else {
        0
    };
    let size_width = report.items.iter().map(|item| width(&amount(&item.entry))).max().unwrap_or(0);
    let right = [size_width, layer_width].iter().filter(|&&width| width > 0).map(|width| width + 2).sum();
    let natural = names.iter().map(|(lines, name, target)| width(lines) + width(name) + width(target)).max();
    let left = natural.unwrap_or(0).min(style.width.saturating_sub(right));

    for ((lines, name, target), item) in names.iter().zip(&report.items) {
        let mut line = Line::new(style);
        line.put(Paint::Dim, lines);
        let room = left.saturating_sub(width(lines));
        let shown = fit(name, room, style);
        line.put(Paint::of_layer(&report.layers, item.layer), &shown);
        let room = room - width(&shown);
        if room > 6 {
            line.put(Paint::Dim, &fit(target, room, style));
        }
        let amount = amount(&item.entry);
        if size_width > 0 {
            line.pad_to(left + 2 + size_width - width(&amount));
            line.put(Paint::Size, &amount);
        }
        if layer_width > 0 {
            line.pad_to(left + right - layer_width);
            let layer = fit(&layer_name(&report.layers, item.layer, style), layer_width, style);
            line.put(Paint::of_layer(&report.layers, item.layer), &layer);
        }
        line.end(&mut out);
    }
    if report.left_out > 0 {
        let text = format!(
            "{} more paths are not shown: name a directory beneath, as in tree(x, \"dir\")",
            count(report.left_out)
        );
        paragraph(&mut out, style, Paint::Hint, 0, &text);
    }
    out
}

/// The first line: what it is a tree of.
fn head(report: &TreeReport, root: &TreeItem, style: &Style) -> String {
    let title = prose(&report.title, style);
    let at = if root.path == LayerPath::root() {
        "/".to_owned()
    } else {
        format!("/{}{}", path(&root.path, style), suffix(root.entry.node.kind()))
    };
    format!("{title}:{at}")
}

fn target(item: &TreeItem, style: &Style) -> String {
    match &item.entry.node {
        Node::Symlink { target } => format!(" -> {}", name(target, style)),
        _ => String::new(),
    }
}

fn layer_name(layers: &[LayerLabel], layer: usize, style: &Style) -> String {
    layers.get(layer).map_or_else(String::new, |label| prose(&label.name, style))
}
