//! Any value as text for people: our values by their views.

use rhai::{Array, Blob, Dynamic, Map};

use super::disk::{DiskUsage, Freed};
use super::finding::Finding;
use super::values::{Change, Doctor, Entries, Explanation, Generation, Picture, Stat, Text, Union};
use super::{is_word, layout};
use crate::overlay::Difference;
use crate::view::{self, Style};
use crate::workspace::{Image, Layer, Mount};

/// A value as it is printed, with its closing newline.
pub(super) fn value(value: &Dynamic, style: &Style) -> String {
    if let Some(text) = ours(value, style) {
        return text;
    }
    if let Some(array) = value.read_lock::<Array>()
        && let Some(text) = array_of_ours(&array, style)
    {
        return text;
    }
    if value.is_array() || value.is_map() {
        return layout::value(value, style);
    }
    if let Some(blob) = value.read_lock::<Blob>() {
        return view::bytes(&blob, style);
    }
    if value.is_string() || value.is_char() {
        return format!("{value}\n");
    }
    format!("{}\n", written(value, style))
}

/// A value in the middle of a text: a layer or a mount by its name, a change by letter and path. A text has no colours.
pub(super) fn inline(value: &Dynamic, style: &Style) -> String {
    let style = &Style { color: false, ..*style };
    if let Some(text) = value.read_lock::<Text>() {
        return view::escape::uncoloured(&text.0).trim_end().to_owned();
    }
    if let Some(layer) = value.read_lock::<Layer>() {
        return layer.title();
    }
    if let Some(mount) = value.read_lock::<Mount>() {
        return mount.name();
    }
    if let Some(image) = value.read_lock::<Image>() {
        return view::escape::prose(&image.title(), style);
    }
    if let Some(generation) = value.read_lock::<Generation>() {
        return generation.item().map_or_else(String::new, |item| item.label.name.clone());
    }
    if let Some(finding) = value.read_lock::<Finding>() {
        return view::escape::prose(&finding.0.finding.to_string(), style);
    }
    if let Some(change) = value.read_lock::<Change>() {
        let text = |change: &Difference| {
            format!("{} {}", change.kind.letter(), view::escape::path(&change.path, style))
        };
        return change.difference().map_or_else(String::new, text);
    }
    self::value(value, style).trim_end().to_owned()
}

fn ours(value: &Dynamic, style: &Style) -> Option<String> {
    if let Some(text) = value.read_lock::<Text>() {
        return Some(text.0.to_string());
    }
    if let Some(picture) = value.read_lock::<Picture>() {
        return Some(view::stack(&picture.0, style));
    }
    if let Some(union) = value.read_lock::<Union>() {
        return Some(view::tree(&union.0, style));
    }
    if let Some(explanation) = value.read_lock::<Explanation>() {
        return Some(view::explain(&explanation.0, style));
    }
    if let Some(doctor) = value.read_lock::<Doctor>() {
        return Some(view::doctor(&doctor.0, style));
    }
    if let Some(freed) = value.read_lock::<Freed>() {
        return Some(view::freed(&freed.0, style));
    }
    if let Some(usage) = value.read_lock::<DiskUsage>() {
        return Some(view::usage(&usage.0, style));
    }
    if let Some(stat) = value.read_lock::<Stat>() {
        return Some(view::stat(&stat.0, style));
    }
    if let Some(change) = value.read_lock::<Change>() {
        return Some(changes(std::slice::from_ref(&*change), style));
    }
    if let Some(finding) = value.read_lock::<Finding>() {
        return Some(view::findings(&[&*finding.0], style));
    }
    if let Some(layer) = value.read_lock::<Layer>() {
        return Some(match layer.report() {
            Ok(report) => view::layer(&report, style),
            Err(error) => untold(value, &error, style),
        });
    }
    if let Some(mount) = value.read_lock::<Mount>() {
        return Some(match mount.report() {
            Ok(report) => view::mount(&report, style),
            Err(error) => untold(value, &error, style),
        });
    }
    if let Some(image) = value.read_lock::<Image>() {
        return Some(match image.report() {
            Ok(report) => view::image(&report, style),
            Err(error) => untold(value, &error, style),
        });
    }
    if let Some(entries) = value.read_lock::<Entries>() {
        return Some(view::entries(entries.rest(), entries.rest().count(), style));
    }
    if let Some(generation) = value.read_lock::<Generation>() {
        return Some(generations(std::slice::from_ref(&*generation), style));
    }
    None
}

/// An array whose items are all of one kind of ours is a table.
fn array_of_ours(array: &Array, style: &Style) -> Option<String> {
    fn all<T: Clone + 'static>(array: &Array) -> Option<Vec<T>> {
        array.iter().map(|item| item.clone().try_cast::<T>()).collect()
    }
    if array.is_empty() {
        return None;
    }
    if let Some(found) = all::<Change>(array) {
        return Some(changes(&found, style));
    }
    if let Some(found) = all::<Finding>(array) {
        let found: Vec<_> = found.iter().map(|finding| &*finding.0).collect();
        return Some(view::findings(&found, style));
    }
    if let Some(found) = all::<Generation>(array) {
        return Some(generations(&found, style));
    }
    if let Some(found) = all::<Layer>(array) {
        return Some(table(&found, Layer::report, view::layers, style));
    }
    if let Some(found) = all::<Image>(array) {
        return Some(table(&found, Image::report, view::images, style));
    }
    if let Some(found) = all::<Mount>(array) {
        return Some(table(&found, Mount::report, view::mounts, style));
    }
    None
}

/// A table of what can be told; what cannot has a line of its own beneath.
fn table<T: Clone + 'static, R>(
    found: &[T],
    report: fn(&T) -> Result<R, crate::workspace::Error>,
    draw: fn(&[R], &Style) -> String,
    style: &Style,
) -> String {
    let (mut reports, mut failed) = (Vec::new(), String::new());
    for item in found {
        match report(item) {
            Ok(report) => reports.push(report),
            Err(error) => failed += &untold(&Dynamic::from(item.clone()), &error, style),
        }
    }
    let drawn = if reports.is_empty() { String::new() } else { draw(&reports, style) };
    drawn + failed.as_str()
}

fn untold(value: &Dynamic, error: &crate::workspace::Error, style: &Style) -> String {
    let line = format!("{}: {}", debug(value), super::errors::message(error));
    format!("{}\n", view::escape::prose(&line, style))
}

fn changes(found: &[Change], style: &Style) -> String {
    let Some(first) = found.first() else { return String::new() };
    let picked: Vec<&Difference> = found.iter().filter_map(Change::difference).collect();
    view::diff(&first.report.before, &first.report.after, &picked, style)
}

fn generations(found: &[Generation], style: &Style) -> String {
    let Some(first) = found.first() else { return String::new() };
    let picked = found.iter().filter_map(|generation| generation.item().cloned()).collect();
    let report = crate::workspace::HistoryReport {
        title: first.report.title.clone(),
        now: first.report.now,
        items: picked,
    };
    view::history(&report, style)
}

/// A value as it would be written in a script, as far as that is possible.
pub(super) fn debug(value: &Dynamic) -> String {
    written(value, &Style::plain(usize::MAX))
}

pub(super) fn written(value: &Dynamic, style: &Style) -> String {
    if let Some(layer) = value.read_lock::<Layer>() {
        return format!("layer({})", view::escape::literal(&layer.title(), style));
    }
    if let Some(mount) = value.read_lock::<Mount>() {
        return format!("mount {}", view::escape::literal(&mount.name(), style));
    }
    if let Some(image) = value.read_lock::<Image>() {
        return format!("image {}", view::escape::literal(&image.title(), style));
    }
    if let Some(change) = value.read_lock::<Change>() {
        return written(&Dynamic::from_map(change.map()), style);
    }
    if let Some(finding) = value.read_lock::<Finding>() {
        return written(&Dynamic::from_map(finding.map()), style);
    }
    if let Some(generation) = value.read_lock::<Generation>() {
        return written(&Dynamic::from_map(generation.map()), style);
    }
    if let Some(stat) = value.read_lock::<Stat>() {
        return written(&Dynamic::from_map(stat.map()), style);
    }
    if let Some(text) = value.read_lock::<Text>() {
        return view::escape::literal(&text.0, style);
    }
    if let Some(array) = value.read_lock::<Array>() {
        return list(&array, style);
    }
    if let Some(map) = value.read_lock::<Map>() {
        let items: Vec<String> = map
            .iter()
            .map(|(key, value)| format!("{}: {}", key_of(key, style), written(value, style)))
            .collect();
        return if items.is_empty() { "#{}".to_owned() } else { format!("#{{ {} }}", items.join(", ")) };
    }
    if value.is_unit() {
        return "()".to_owned();
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return view::escape::literal(&text, style);
    }
    match value.type_name() {
        name if name.starts_with("ufs::") => {
            format!("<{}>", name.rsplit("::").next().unwrap_or(name).to_lowercase())
        }
        _ => format!("{value:?}"),
    }
}

fn list(items: &[Dynamic], style: &Style) -> String {
    let items: Vec<String> = items.iter().map(|item| written(item, style)).collect();
    format!("[{}]", items.join(", "))
}

/// A map's key: in quotes where it is no word.
pub(super) fn key_of(key: &str, style: &Style) -> String {
    if is_word(key) { key.to_owned() } else { view::escape::literal(key, style) }
}
