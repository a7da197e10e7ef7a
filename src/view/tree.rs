//! The union as a tree, each name in the colour of the layer that supplies it.

use super::branches::branches;
use super::call;
use super::describe::{amount, suffix};
use super::escape::{fit, name, path, prose, width};
use super::line::{Line, advice, paragraph};
use super::names::{fit_name, short_names};
use super::quantity::count;
use super::{Paint, Style};
use crate::model::{Entry, LayerPath, Node};
use crate::overlay::TreeItem;
use crate::workspace::TreeReport;

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
            (lines, name(branch.rest.as_bytes(), style) + kind_suffix(item))
        }))
        .zip(&report.items)
        .map(|((lines, name), item)| (lines, name, target(item, report.layers.len() == 1, style)))
        .collect();

    let layers = layer_names(report, style);
    let amount = |item: &TreeItem| item.entry.as_ref().map(amount).unwrap_or_default();
    let layer_name = |item: &TreeItem| layers.get(item.layer).map_or("", String::as_str);
    let layer_width = report.items.iter().map(|item| width(layer_name(item))).max();
    let layer_width = layer_width.unwrap_or(0).min(style.width / 4);
    let size_width = report.items.iter().map(|item| width(&amount(item))).max().unwrap_or(0);
    let right = [size_width, layer_width].iter().filter(|&&width| width > 0).map(|width| width + 2).sum();
    let natural = names.iter().map(|(lines, name, target)| width(lines) + width(name) + width(target)).max();
    let left = natural.unwrap_or(0).min(style.width.saturating_sub(right));

    for ((lines, name, target), item) in names.iter().zip(&report.items) {
        let mut line = Line::new(style);
        line.put(Paint::Dim, lines);
        let room = left.saturating_sub(width(lines));
        let shown = fit(name, room, style);
        let paint = match &item.entry {
            None => Paint::Deleted,
            Some(_) => Paint::of_layer(&report.layers, item.layer),
        };
        line.put(paint, &shown);
        let room = room - width(&shown);
        if room > 6 {
            line.put(Paint::Dim, &fit(target, room, style));
        }
        let amount = amount(item);
        if size_width > 0 {
            line.pad_to(left + 2 + size_width - width(&amount));
            line.put(Paint::Size, &amount);
        }
        if layer_width > 0 {
            line.pad_to(left + right - layer_width);
            let layer = fit_name(layer_name(item), layer_width, style);
            line.put(Paint::of_layer(&report.layers, item.layer), &layer);
        }
        line.end(&mut out);
    }
    if report.left_out > 0 {
        left_out(report, style, &mut out);
    }
    out
}

/// The first line: what it is a tree of.
fn head(report: &TreeReport, root: &TreeItem, style: &Style) -> String {
    let title = prose(&report.title, style);
    let kind = if root.path.is_root() { "" } else { kind_suffix(root) };
    format!("{title}:{}{kind}", path(&root.path, style))
}

fn kind_suffix(item: &TreeItem) -> &'static str {
    item.entry.as_ref().map_or("", |entry| suffix(entry.node.kind()))
}

/// What stands behind a name: where a symlink leads; `alone`: what one layer says of those beneath.
fn target(item: &TreeItem, alone: bool, style: &Style) -> String {
    match item.entry.as_ref().map(|entry| &entry.node) {
        Some(Node::Symlink { target }) => format!(" -> {}", name(target, style)),
        Some(Node::Dir { opaque: true }) if alone => "  opaque".to_owned(),
        None => format!("  {} whiteout", style.signs().whiteout),
        _ => String::new(),
    }
}

/// The names beside the paths: in full where there is room; none where there is but one layer.
fn layer_names(report: &TreeReport, style: &Style) -> Vec<String> {
    if report.layers.len() < 2 {
        return Vec::new();
    }
    let full: Vec<String> = report.layers.iter().map(|label| prose(&label.name, style)).collect();
    let fits = |item: &TreeItem| full.get(item.layer).is_none_or(|name| width(name) <= style.width / 4);
    if report.items.iter().all(fits) { full } else { short_names(&report.layers, style) }
}

/// How many paths are not shown, and the call that goes on where the picture ends: at one of the deepest
/// directories of which nothing is shown.
fn left_out(report: &TreeReport, style: &Style, out: &mut String) {
    let text = format!("{} more paths are not shown", count(report.left_out));
    let followers = report.items.iter().skip(1).map(Some).chain([None]);
    let closed = report.items.iter().zip(followers).filter(|(item, next)| {
        item.entry.as_ref().is_some_and(Entry::is_dir)
            && !item.path.is_root()
            && next.is_none_or(|next| !next.path.is_within(&item.path))
    });
    let depth = |path: &LayerPath| path.ancestors().count();
    // the first of those that are equally deep
    let typed = closed.filter(|(item, _)| call::can_be_typed(&item.path));
    match typed.min_by_key(|(item, _)| std::cmp::Reverse(depth(&item.path))) {
        Some((item, _)) => {
            let calls = call::beneath(report.handle, &report.title, &report.layers, &item.path, style);
            advice(out, style, &format!("{text}: see what is in a directory with"), &calls);
        }
        None => paragraph(out, style, Paint::Hint, 0, &text),
    }
}
