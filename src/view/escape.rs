//! Untrusted bytes → text that a terminal only shows, and how wide that is.
//!
//! Escaped are: control characters (C0, DEL, C1), everything that turns the writing direction, everything
//! that takes no room or is blank without being a space, and bytes that are not UTF-8. A backslash in a name
//! is doubled, so that each name has one picture and no two names share it: `\n`, `\x1b` (a byte), `\u{202e}`
//! (a character), `\\`. Characters that terminals draw together with the one before them, or in one column
//! or two as they like, are escaped too: how wide a text is must not be a matter of opinion.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use unicode_width::UnicodeWidthChar as _;

use super::Style;
use crate::model::LayerPath;

/// A file name, a path or a target. Spaces at its ends are escaped too.
pub fn name(bytes: &[u8], style: &Style) -> String {
    let start = bytes.iter().take_while(|&&byte| byte == b' ').count();
    let rest = &bytes[start..];
    let end = rest.iter().rev().take_while(|&&byte| byte == b' ').count();
    let mut text = "\\x20".repeat(start);
    escape(&mut text, &rest[..rest.len() - end], style, Kind::Name);
    text.push_str(&"\\x20".repeat(end));
    text
}

/// A path inside a layer, from its root on: `/etc/motd`; the root is `/`.
pub fn path(path: &LayerPath, style: &Style) -> String {
    let mut whole = Vec::with_capacity(path.as_bytes().len() + 1);
    whole.push(b'/');
    whole.extend_from_slice(path.as_bytes());
    name(&whole, style)
}

/// A path of the host.
pub fn host_path(path: &Path, style: &Style) -> String {
    name(path.as_os_str().as_bytes(), style)
}

/// Text in words (a message, a reason): as a name, but backslashes and spaces stay as they are, and our own
/// typographic signs get their ASCII forms where there is no Unicode.
pub fn prose(text: &str, style: &Style) -> String {
    let mut escaped = String::with_capacity(text.len());
    if style.unicode || text.is_ascii() {
        escape(&mut escaped, text.as_bytes(), style, Kind::Prose);
    } else {
        let text = text.replace('…', "...").replace('→', "->").replace('×', "x").replace(['–', '—'], "-");
        escape(&mut escaped, text.as_bytes(), style, Kind::Prose);
    }
    escaped
}

/// A whole text for people, such as a file's: its lines and tabs stay, all else is as in [`prose`]. It ends in a newline.
pub fn text(text: &str, style: &Style) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        for (at, part) in line.split('\t').enumerate() {
            if at > 0 {
                out.push('\t');
            }
            escape(&mut out, part.as_bytes(), style, Kind::Prose);
        }
        out.push('\n');
    }
    out
}

/// A string as a script writes it, in quotes.
///
/// # Source
/// The Rhai book, "Literals", strings: `\xHH`, `\uHHHH`, `\UHHHHHHHH`.
pub fn literal(text: &str, style: &Style) -> String {
    let mut escaped = String::with_capacity(text.len() + 2);
    escaped.push('"');
    escape(&mut escaped, text.as_bytes(), style, Kind::Literal);
    escaped.push('"');
    escaped
}

/// How backslashes and characters that are not shown are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    Prose,
    Literal,
}

/// The most combining characters that may stand on one another: more are drawn over the lines around them.
const COMBINED: usize = 4;

fn escape(out: &mut String, bytes: &[u8], style: &Style, kind: Kind) {
    // how many combining characters may still follow
    let mut carries = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let zero = c.width() == Some(0);
            let shown = match c {
                '\\' => kind == Kind::Prose,
                '"' => kind != Kind::Literal,
                ' '..='~' => true,
                _ => style.unicode && !is_invisible(c) && (carries > 0 || !zero),
            };
            carries = match (shown, zero) {
                (false, _) => 0,
                (true, false) => COMBINED,
                (true, true) => carries - 1,
            };
            if shown {
                out.push(c);
            } else {
                write_escape(out, c, kind);
            }
        }
        for byte in chunk.invalid() {
            carries = 0;
            hex(out, *byte);
        }
    }
}

fn write_escape(out: &mut String, c: char, kind: Kind) {
    match c {
        '\\' => out.push_str("\\\\"),
        '"' => out.push_str("\\\""),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if c.is_ascii() => hex(out, c as u8),
        c if kind != Kind::Literal => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
    }
}

fn hex(out: &mut String, byte: u8) {
    out.push_str(&format!("\\x{byte:02x}"));
}

/// Whether a character cannot be seen, or changes others: controls, formats, blanks, selectors, fillers, skin
/// tones, the letters that flags are made of.
///
/// # Source
/// Unicode 16: general categories Cc, Cf, Zs, Zl, Zp, and the properties `Default_Ignorable_Code_Point`,
/// `Emoji_Modifier`, `Regional_Indicator`.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || c.is_whitespace() && c != ' '
        || c.width().is_none()
        || matches!(u32::from(c),
            0xad | 0x34f | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2
            | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f
            | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
            | 0x110bd | 0x110cd | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
            | 0x1f1e6..=0x1f1ff | 0x1f3fb..=0x1f3ff | 0xe0000..=0xe0fff)
}

/// How many columns escaped text takes: combining characters none, wide ones two.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().map(columns).sum() }
}

/// How many rows of a screen a drawn text takes, colours left aside.
pub fn rows(text: &str, width: usize) -> usize {
    text.lines().map(|line| drawn_width(line).div_ceil(width.max(1)).max(1)).sum()
}

/// How many columns a drawn line takes: what colours it takes none.
fn drawn_width(line: &str) -> usize {
    let mut parts = line.split("\x1b[");
    let first = parts.next().map_or(0, width);
    first + parts.map(|part| part.split_once('m').map_or(0, |(_, text)| width(text))).sum::<usize>()
}

/// A drawn text without its colours.
pub fn uncoloured(drawn: &str) -> String {
    let mut parts = drawn.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Escaped text cut in the middle to at most `room` columns.
pub fn fit(text: &str, room: usize, style: &Style) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let Some(rest) = room.checked_sub(1) else { return String::new() };
    // the end of a name tells more (`.tar.gz`), and gets the odd column
    let head = prefix(text, rest / 2);
    let tail = suffix(text, rest - width(head));
    format!("{head}{}{tail}", style.signs().ellipsis)
}

/// Escaped text cut at its end to at most `room` columns.
pub fn fit_end(text: &str, room: usize, style: &Style) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let Some(rest) = room.checked_sub(1) else { return String::new() };
    format!("{}{}", prefix(text, rest).trim_end(), style.signs().ellipsis)
}

/// The longest start of at most `room` columns; combining characters stay with what they combine with.
fn prefix(text: &str, room: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += columns(c);
        if used > room {
            return &text[..at];
        }
    }
    text
}

/// The longest end of at most `room` columns that does not begin with a combining character.
pub(super) fn suffix(text: &str, room: usize) -> &str {
    let (mut used, mut start) = (0, text.len());
    for (at, c) in text.char_indices().rev() {
        used += columns(c);
        if used > room {
            break;
        }
        if columns(c) > 0 {
            start = at;
        }
    }
    &text[start..]
}

/// Words set into lines of at most `room` columns. Code in backticks and an amount with its unit stay together
/// where they fit in a line; a word that is too long for one is cut.
pub(super) fn wrap(text: &str, room: usize, style: &Style) -> Vec<String> {
    set(text, room, |word| fit(word, room, style))
}

/// Words set into lines of at most `room` columns, as all texts of ours; a word or a command that is too long for one is
/// left to the terminal, so that it can be copied.
pub fn wrap_whole(text: &str, room: usize) -> Vec<String> {
    set(text, room, str::to_owned)
}

/// Sets words into lines; `fitted` makes a word fit that begins one.
fn set(text: &str, room: usize, fitted: impl Fn(&str) -> String) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in pieces(text, room) {
        let columns = width(word);
        let Some(line) = lines.last_mut() else { break };
        if used > 0 && used + 1 + columns <= room {
            line.push(' ');
            line.push_str(word);
            used += 1 + columns;
        } else {
            let word = fitted(word);
            if used == 0 {
                line.push_str(&word);
            } else {
                lines.push(word);
            }
            used = columns.min(room);
        }
    }
    // where a line ends among several spaces
    for line in &mut lines {
        line.truncate(line.trim_end_matches(' ').len());
    }
    lines
}

/// A text in pieces between which a line may end.
fn pieces(text: &str, room: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let ends = || rest.match_indices(' ').map(|(at, _)| at).chain([rest.len()]);
        let word = ends().next().unwrap_or(rest.len());
        let whole = ends().find(|&end| is_whole(&rest[..end], &rest[end..])).unwrap_or(word);
        let end = if width(&rest[..whole]) <= room { whole } else { word };
        pieces.push(&rest[..end]);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    pieces
}

/// Whether a line may end between two parts of a text.
fn is_whole(before: &str, after: &str) -> bool {
    let unit = |word: &str| {
        matches!(word.trim_end_matches([',', ';', '.', ')']), "B" | "KiB" | "MiB" | "GiB" | "TiB")
    };
    let next = after.trim_start_matches(' ').split(' ').next().unwrap_or_default();
    before.matches('`').count().is_multiple_of(2)
        && !(before.ends_with(|c: char| c.is_ascii_digit()) && unit(next))
}
