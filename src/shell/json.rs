//! Any value as JSON: one document a line with `--json`.
//!
//! | value | JSON |
//! | --- | --- |
//! | `()`, bools, numbers, strings, arrays, maps | `null` and the like; a float that is no number: `null` |
//! | a path, a target, a blob | a string where it is UTF-8, else `{"bytes": [255, ...]}` |
//! | a value of ours | an object with the keys that its properties have; `help()` of the command names them |
//! | `show()` | an object, see [`Picture::map`] |
//! | an image | [`handle_maps::image_map`] |
//! | `l.entries()` | an array of all changes |
//! | a text (`help()`) | a string |
//!
//! Keys are sorted. Characters that a terminal would obey or not show are written as `\uXXXX`.

use rhai::{Array, Blob, Dynamic, Map};
use serde_json::{Number, Value, json};

use super::disk::{DiskUsage, Freed};
use super::finding::Finding;
use super::handle_maps;
use super::values::{Change, Doctor, Entries, Explanation, Generation, Picture, Stat, Text, Union};
use crate::overlay::Cell;
use crate::view::escape::is_invisible;
use crate::workspace::{Image, Layer, Mount};

/// The word for a cell of the picture.
pub(super) fn cell(cell: Cell) -> &'static str {
    match cell {
        Cell::Absent => "absent",
        Cell::Supplies => "supplies",
        Cell::Merges => "merges",
        Cell::Hidden => "hidden",
        Cell::Whiteout => "whiteout",
        Cell::Opaque => "opaque",
    }
}

/// A value as one line of JSON, without its newline.
pub(super) fn line(value: &Dynamic) -> String {
    let text = of(value).to_string();
    let shown = |c: char| c.is_ascii() && c != '\x7f' || !is_invisible(c);
    if text.chars().all(shown) {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if shown(c) {
            safe.push(c);
        } else {
            // outside of strings there is nothing but ASCII
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
        }
    }
    safe
}

/// A value as JSON: our values as maps of their properties, bytes that are not UTF-8 as `{"bytes": [...]}`.
fn of(value: &Dynamic) -> Value {
    if value.is_unit() {
        return Value::Null;
    }
    if let Ok(flag) = value.as_bool() {
        return Value::Bool(flag);
    }
    if let Ok(number) = value.as_int() {
        return json!(number);
    }
    if let Ok(number) = value.as_float() {
        return Number::from_f64(number).map_or(Value::Null, Value::Number);
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Value::String(text.to_string());
    }
    if let Ok(c) = value.as_char() {
        return Value::String(c.to_string());
    }
    if let Some(array) = value.read_lock::<Array>() {
        return Value::Array(array.iter().map(of).collect());
    }
    if let Some(blob) = value.read_lock::<Blob>() {
        return match std::str::from_utf8(&blob) {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => json!({ "bytes": &*blob }),
        };
    }
    if let Some(map) = value.read_lock::<Map>() {
        return of_map(&map);
    }
    if let Some(entries) = value.read_lock::<Entries>() {
        return Value::Array(entries.clone().map(|map| of_map(&map)).collect());
    }
    if let Some(text) = value.read_lock::<Text>() {
        return Value::String(text.0.to_string());
    }
    match properties(value) {
        Some(map) => of_map(&map),
        None => Value::String(value.to_string()),
    }
}

fn of_map(map: &Map) -> Value {
    Value::Object(map.iter().map(|(key, value)| (key.to_string(), of(value))).collect())
}

/// The properties of one of our values.
fn properties(value: &Dynamic) -> Option<Map> {
    if let Some(layer) = value.read_lock::<Layer>() {
        return Some(handle_maps::layer_map(&layer));
    }
    if let Some(mount) = value.read_lock::<Mount>() {
        return Some(handle_maps::mount_map(&mount));
    }
    if let Some(image) = value.read_lock::<Image>() {
        return Some(handle_maps::image_map(&image));
    }
    macro_rules! maps {
        ($($kind:ty)*) => {$(
            if let Some(found) = value.read_lock::<$kind>() {
                return Some(found.map());
            }
        )*};
    }
    maps!(Change Finding Generation Stat Union Explanation Doctor Freed DiskUsage Picture);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_utf_8_stay_what_they_are() {
        let names: Array = vec![Dynamic::from_blob(vec![b'/', 0xff]), Dynamic::from_blob(b"/a".to_vec())];
        assert_eq!(line(&names.into()), r#"[{"bytes":[47,255]},"/a"]"#);
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_in_ascii_and_read_back_the_same() {
        let name = "a\x1b[31m\u{9b}2J\x7f\n\t\"\\\u{202e}\u{200b}\u{e0041}漢é";
        let written = line(&name.into());
        assert_eq!(written, r#""a\u001b[31m\u009b2J\u007f\n\t\"\\\u202e\u200b\udb40\udc41漢é""#);
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), name);
    }

    #[test]
    fn one_document_is_one_line() {
        let mut map = Map::new();
        map.insert("text".into(), "a\nb".into());
        map.insert("none".into(), Dynamic::UNIT);
        map.insert("float".into(), f64::NAN.into());
        assert_eq!(line(&map.into()), r#"{"float":null,"none":null,"text":"a\nb"}"#);
    }
}
