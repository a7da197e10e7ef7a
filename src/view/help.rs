//! Help texts: calls with what they do, and running text.

use super::escape::{fit_end, prose, width, wrap};
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

/// The column that the names of a group begin at, and the meanings of terms.
const NAMES: usize = 13;
/// The same for long terms.
const MEANING: usize = 20;

/// Draws a heading with names beside it, as many a line as fit.
pub fn names<'a>(heading: &str, items: impl IntoIterator<Item = &'a str>, style: &Style) -> String {
    let mut out = String::new();
    let mut line = Line::new(style);
    line.put(Paint::Heading, &prose(heading, style));
    line.pad_to(NAMES);
    for item in items {
        let item = prose(item, style);
        if line.taken() > NAMES && line.taken() + width(&item) > style.width {
            std::mem::replace(&mut line, Line::new(style)).end(&mut out);
            line.pad_to(NAMES);
        }
        line.put(Paint::Plain, &item);
        line.skip(2);
    }
    line.end(&mut out);
    out
}

/// Draws words with their meanings beside them.
pub fn terms<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str)>, style: &Style) -> String {
    let mut out = String::new();
    for (term, meaning) in rows {
        let room = style.width.saturating_sub(MEANING).max(20);
        let mut line = Line::new(style);
        line.skip(2);
        line.put(Paint::Heading, &prose(term, style));
        line.skip(2);
        for part in wrap(&prose(meaning, style), room, style) {
            line.pad_to(MEANING);
            line.put(Paint::Plain, &part);
            std::mem::replace(&mut line, Line::new(style)).end(&mut out);
        }
    }
    out
}

/// As much of a sentence as fits: up to a colon or a semicolon, so that no list is cut in its middle; else up to a comma
/// if that is not too little, else some words.
fn clause(sentence: &str, room: usize, style: &Style) -> String {
    let sentence = sentence.trim_end_matches('.');
    if width(sentence) <= room {
        return sentence.to_owned();
    }
    let is_end = |at: usize| {
        let before = &sentence[..at];
        sentence[at + 1..].starts_with(' ')
            && before.matches('`').count().is_multiple_of(2)
            && before.matches('(').count() == before.matches(')').count()
    };
    for marks in [&[';', ':'] as &[char], &[',']] {
        let ends = sentence.match_indices(marks).map(|(at, _)| at).filter(|&at| is_end(at));
        let fitting = ends.map(|at| &sentence[..at]).take_while(|part| width(part) <= room).last();
        if let Some(part) = fitting.filter(|part| width(part) * 3 >= room) {
            return part.to_owned();
        }
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
