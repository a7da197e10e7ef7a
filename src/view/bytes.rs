//! Bytes as a hex dump, bounded.

use super::line::Line;
use super::quantity::{count, counted};
use super::{Paint, Style};

/// The most lines shown.
const LINES: usize = 16;

/// Draws bytes: offset, hex, and the ASCII among them; at most 256 (128 on a narrow terminal).
pub fn bytes(data: &[u8], style: &Style) -> String {
    let mut out = String::new();
    // offset 8, hex 3 each and a gap, text, four frames
    let each = if style.width >= 78 { 16 } else { 8 };
    let shown = data.len().min(each * LINES);
    for (at, part) in data[..shown].chunks(each).enumerate() {
        let mut line = Line::new(style);
        line.put(Paint::Dim, &format!("{:08x}", at * each));
        line.skip(1);
        for (place, byte) in part.iter().enumerate() {
            line.skip(if place % 8 == 0 && place > 0 { 2 } else { 1 });
            line.put(Paint::Plain, &format!("{byte:02x}"));
        }
        line.pad_to(9 + 3 * each + each / 8 - 1 + 2);
        let text: String = part
            .iter()
            .map(|&byte| if (b' '..=b'~').contains(&byte) { char::from(byte) } else { '.' })
            .collect();
        line.put(Paint::Dim, "|");
        line.put(Paint::Plain, &text);
        line.put(Paint::Dim, "|");
        line.end(&mut out);
    }
    let mut line = Line::new(style);
    let total = counted(data.len() as u64, "byte");
    match data.len() - shown {
        0 => line.put(Paint::Dim, &total),
        more => line
            .put(Paint::Dim, &format!("{} {} more of {total}", style.signs().ellipsis, count(more as u64))),
    }
    line.end(&mut out);
    out
}
