//! Help texts: calls with what they do, and running text.

use super::escape::{fit_end, prose, width};
use super::line::{Line, paragraph};
use super::{Paint, Style};

/// The widest call that has its text beside it without pushing it aside.
const CALL: usize = 28;

/// Draws calls, one a line, each with what it does, in as many words as fit.
pub fn calls<'a>(rows: impl Iterator<Item = (String, &'a str)>, style: &Style) -> String {
    let mut out = String::new();
    for (call, summary) in rows {
        let mut line = Line::new(style);
        line.skip(2);
        line.put(Paint::Heading, &prose(&call, style));
        line.skip(2);
        line.pad_to(2 + CALL + 2);
        let room = style.width.saturating_sub(line.taken());
        line.put(Paint::Plain, &clause(&prose(summary, style), room, style));
        line.end(&mut out);
    }
    out
}

/// As much of a sentence as fits: up to a comma, a colon, a semicolon if that is not too little, else some words.
fn clause(sentence: &str, room: usize, style: &Style) -> String {
    let sentence = sentence.trim_end_matches('.');
    if width(sentence) <= room {
        return sentence.to_owned();
    }
    let ends = sentence.match_indices([',', ';', ':']).map(|(at, _)| at).filter(|&at| {
        let before = &sentence[..at];
        sentence[at + 1..].starts_with(' ')
            && before.matches('`').count().is_multiple_of(2)
            && before.matches('(').count() == before.matches(')').count()
    });
    let fitting = ends.map(|at| &sentence[..at]).take_while(|part| width(part) <= room).last();
    if let Some(part) = fitting.filter(|part| width(part) * 3 >= room) {
        return part.to_owned();
    }
    let gaps = sentence.match_indices(' ').map(|(at, _)| &sentence[..at]);
    match gaps.take_while(|words| width(words) < room).last() {
        Some(words) => format!("{words}{}", style.signs().ellipsis),
        None => fit_end(sentence, room, style),
    }
}

/// Draws running text: each of its lines set into lines of the screen, `indent` columns from the left.
pub fn words(paint: Paint, indent: usize, text: &str, style: &Style) -> String {
    let mut out = String::new();
    for part in text.split('\n') {
        if part.trim().is_empty() {
            out.push('\n');
        } else {
            paragraph(&mut out, style, paint, indent, &prose(part.trim_end(), style));
        }
    }
    out
}
