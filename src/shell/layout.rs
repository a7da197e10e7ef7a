//! Arrays and maps set into lines of the screen: as a script would write them, in one line where that is wide enough,
//! else one item a line, nested; maps of the same keys as a table. Long ones are bounded, with a count of the rest.

use rhai::{Array, Dynamic, Map};

use super::draw::{key_of, written};
use crate::view::escape::width;
use crate::view::quantity::count;
use crate::view::{self, Field, Paint, Style};

/// Columns that what is nested stands further right.
const INDENT: usize = 2;
/// The most items of an array or a map inside another.
const INSIDE: usize = 40;
/// What is nested deeper is written in one line.
const DEEPEST: usize = 6;

/// An array or a map, with its closing newline.
pub(super) fn value(value: &Dynamic, style: &Style) -> String {
    if let Some(array) = value.read_lock::<Array>()
        && let Some(table) = table(&array, style)
    {
        return table;
    }
    let mut page = Page { style, text: String::new() };
    page.put(0, "", value, "");
    let mut text = page.text;
    if let Some(array) = value.read_lock::<Array>() {
        text += &view::rest_of_items(array.len(), style);
    }
    text
}

struct Page<'a> {
    style: &'a Style,
    text: String,
}

impl Page<'_> {
    /// Puts a value: in one line where it fits, else over several.
    fn put(&mut self, depth: usize, before: &str, value: &Dynamic, after: &str) {
        let room = self.style.width.saturating_sub(depth * INDENT + width(before) + width(after));
        if depth >= DEEPEST || fits(value, room, most(depth)) {
            let line = written(value, self.style);
            if depth >= DEEPEST || width(&line) <= room || !(value.is_array() || value.is_map()) {
                return self.line(depth, &format!("{before}{line}{after}"));
            }
        }
        if let Some(array) = value.read_lock::<Array>() {
            self.line(depth, &format!("{before}["));
            self.items(depth + 1, &array, most(depth));
            self.line(depth, &format!("]{after}"));
        } else if let Some(map) = value.read_lock::<Map>() {
            self.line(depth, &format!("{before}#{{"));
            let most = most(depth);
            for (key, value) in map.iter().take(most) {
                self.put(depth + 1, &format!("{}: ", key_of(key, self.style)), value, ",");
            }
            self.rest(depth + 1, map.len(), most);
            self.line(depth, &format!("}}{after}"));
        } else {
            let line = written(value, self.style);
            self.line(depth, &format!("{before}{line}{after}"));
        }
    }

    /// The items of an array: short ones beside each other, others one a line.
    fn items(&mut self, depth: usize, array: &Array, most: usize) {
        let shown = &array[..array.len().min(most)];
        let room = self.style.width.saturating_sub(depth * INDENT).max(20);
        let short = |item: &Dynamic| !(item.is_array() || item.is_map()) && fits(item, room / 3, 1);
        let texts = || shown.iter().map(|item| written(item, self.style));
        if shown.iter().all(short) && texts().all(|text| width(&text) < room / 3) {
            let mut line = String::new();
            for text in texts().collect::<Vec<_>>() {
                if !line.is_empty() && width(&line) + 1 + width(&text) + 1 > room {
                    self.line(depth, &std::mem::take(&mut line));
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line += &text;
                line.push(',');
            }
            self.line(depth, &line);
        } else {
            for item in shown {
                self.put(depth, "", item, ",");
            }
        }
        if depth > 1 {
            self.rest(depth, array.len(), most);
        }
    }

    fn rest(&mut self, depth: usize, all: usize, most: usize) {
        if all > most {
            let more = format!(
                "{} {} more",
                if self.style.unicode { "…" } else { "..." },
                count((all - most) as u64)
            );
            let more = self.style.paint(Paint::Dim, &more);
            self.line(depth, &more);
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        self.text.extend(std::iter::repeat_n(' ', depth * INDENT));
        self.text += text;
        self.text.push('\n');
    }
}

/// How many items of an array or a map are shown.
fn most(depth: usize) -> usize {
    if depth == 0 { view::ROWS } else { INSIDE }
}

/// Whether a value might be written in so many columns, by how much there is in it: each item takes three at the least.
fn fits(value: &Dynamic, room: usize, most: usize) -> bool {
    fn count(value: &Dynamic, left: &mut usize) -> bool {
        let one = |left: &mut usize, by: usize| match left.checked_sub(by) {
            Some(less) => {
                *left = less;
                true
            }
            None => false,
        };
        if let Some(array) = value.read_lock::<Array>() {
            return one(left, 2) && array.iter().all(|item| count(item, left));
        }
        if let Some(map) = value.read_lock::<Map>() {
            return one(left, 3) && map.values().all(|item| one(left, 2) && count(item, left));
        }
        let length = value.as_immutable_string_ref().map_or(1, |text| text.chars().take(1 << 16).count());
        one(left, length)
    }
    let many = value.read_lock::<Array>().is_some_and(|array| array.len() > most);
    !many && count(value, &mut room.clone())
}

/// An array of maps that all have the same keys, with plain values, as a table.
fn table(array: &Array, style: &Style) -> Option<String> {
    let first = array.first()?.read_lock::<Map>()?;
    let names: Vec<String> = first.keys().map(ToString::to_string).collect();
    if array.len() < 2 || names.is_empty() {
        return None;
    }
    let mut rows = Vec::with_capacity(array.len());
    for item in array {
        let map = item.read_lock::<Map>()?;
        if map.len() != names.len() || !names.iter().all(|name| map.contains_key(name.as_str())) {
            return None;
        }
        rows.push(map.values().map(|value| field(value, style)).collect::<Option<Vec<_>>>()?);
    }
    Some(view::records(&names, &rows, style))
}

fn field(value: &Dynamic, style: &Style) -> Option<Field> {
    let empty = value.read_lock::<Map>().is_some_and(|map| map.is_empty())
        || value.read_lock::<Array>().is_some_and(|array| array.is_empty());
    if value.is_unit() || empty {
        return Some(Field::Nothing);
    }
    if value.is_map() || value.is_array() {
        return None;
    }
    if value.is_int() || value.is_float() {
        return Some(Field::Number(written(value, style)));
    }
    Some(Field::Text(match value.as_immutable_string_ref() {
        Ok(text) => text.to_string(),
        Err(_) => written(value, style),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(script: &str, columns: usize) -> String {
        let engine = rhai::Engine::new();
        value(&engine.eval::<Dynamic>(script).unwrap(), &Style::plain(columns))
    }

    #[test]
    fn what_fits_in_a_line_is_written_in_one() {
        assert_eq!(drawn("[1, \"a\", ()]", 80), "[1, \"a\", ()]\n");
        assert_eq!(drawn("#{ a: 1, \"b c\": [2] }", 80), "#{ a: 1, \"b c\": [2] }\n");
        assert_eq!(drawn("[]", 80), "[]\n");
    }

    #[test]
    fn what_does_not_is_set_into_lines() {
        assert_eq!(
            drawn(
                "#{ name: \"a long name\", list: [1, 2], deep: #{ one: \"twenty columns wide\", two: 2 } }",
                40
            ),
            "#{\n  deep: #{\n    one: \"twenty columns wide\",\n    two: 2,\n  },\n  list: [1, 2],\n  name: \"a long name\",\n}\n"
        );
        let filled = drawn("let a = []; for i in 0..30 { a.push(i) } a", 40);
        assert_eq!(filled.lines().count(), 5, "{filled}");
        assert!(filled.lines().all(|line| line.len() <= 40) && filled.ends_with("29,\n]\n"), "{filled}");
        let sentences = drawn("[\"a sentence of some length\", \"another one of the same\"]", 40);
        assert_eq!(sentences, "[\n  \"a sentence of some length\",\n  \"another one of the same\",\n]\n");
    }

    #[test]
    fn what_is_long_is_bounded_wherever_it_is() {
        let long = drawn("let a = []; for i in 0..100000 { a.push(`item ${i}`) } a", 80);
        assert!(long.lines().count() < 60, "{long}");
        assert!(long.contains("99,800 of 100,000 items are not shown"), "{long}");
        let nested =
            drawn("let a = []; for i in 0..5000 { a.push(i) } #{ a: a, b: [a, [[[[[[[[1]]]]]]]]] }", 80);
        assert!(nested.contains("… 4,960 more") && nested.lines().count() < 40, "{nested}");
    }

    #[test]
    fn maps_of_the_same_keys_are_a_table() {
        let text = drawn("[#{ n: 1, path: \"/a\", x: () }, #{ n: 20, path: \"/b\\u001bc\", x: () }]", 80);
        assert_eq!(text, " n  path\n 1  /a\n20  /b\\x1bc\n");
        assert_eq!(drawn("[#{ n: 1 }, #{ m: 1 }]", 80), "[#{ n: 1 }, #{ m: 1 }]\n");
        assert_eq!(drawn("[#{ n: [1] }, #{ n: [2] }]", 80), "[#{ n: [1] }, #{ n: [2] }]\n");
    }
}
