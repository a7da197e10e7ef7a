//! Any value as JSON: one document a line with `--json`.

use rhai::{Array, Blob, Dynamic, Map};
use serde_json::{Number, Value, json};

use super::values::{self, Change, Doctor, Entries, Explanation, Generation, Picture, Stat, Text, Union};
use crate::overlay::Cell;
use crate::workspace::{Layer, Mount};

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

/// A value as JSON: our values as maps of their properties, bytes that are not UTF-8 as `{"bytes": [...]}`.
pub(super) fn of(value: &Dynamic) -> Value {
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
        return Some(values::layer_map(&layer));
    }
    if let Some(mount) = value.read_lock::<Mount>() {
        return Some(values::mount_map(&mount));
    }
    macro_rules! maps {
        ($($kind:ty)*) => {$(
            if let Some(found) = value.read_lock::<$kind>() {
                return Some(found.map());
            }
        )*};
    }
    maps!(Change Generation Stat Union Explanation Doctor Picture);
    None
}
