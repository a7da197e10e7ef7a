//! An error as a block: what failed, what caused it, what to do. The source line and its caret are not drawn here.

use super::escape::{prose, wrap_whole};
use super::line::Line;
use super::{Paint, Style};

/// Draws an error. Causes are given outermost first; one that the text before it already ends with is left out.
pub fn error(message: &str, causes: &[String], hint: Option<&str>, style: &Style) -> String {
    let mut out = String::new();
    block(&mut out, style, Paint::Error, "error:", message);
    let mut said = message;
    for cause in causes {
        if !said.ends_with(cause.as_str()) {
            block(&mut out, style, Paint::Dim, "  caused by:", cause);
        }
        said = cause;
    }
    if let Some(hint) = hint {
        block(&mut out, style, Paint::Hint, "  hint:", hint);
    }
    out
}

/// A word, then text; further lines of the text stand beneath its first. Commands in it are never broken, so that they
/// can be copied.
fn block(out: &mut String, style: &Style, paint: Paint, word: &str, text: &str) {
    let wide = Style { width: usize::MAX, ..*style };
    let indent = word.len() + 1;
    let room = style.width.saturating_sub(indent).max(20);
    let parts = text.trim_end().split('\n').flat_map(|part| wrap_whole(&prose(part, style), room));
    for (at, part) in parts.enumerate() {
        let mut line = Line::new(&wide);
        if at == 0 {
            line.put(paint, word);
        }
        line.pad_to(indent);
        line.put(if paint == Paint::Error { Paint::Heading } else { Paint::Plain }, &part);
        line.end(out);
    }
}
