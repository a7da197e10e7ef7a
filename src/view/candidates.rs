//! What could be typed next: with signatures and summaries where there is room, else in columns, and never more than
//! the screen holds.

use super::escape::{fit, fit_end, name, prose, width};
use super::quantity::count;
use super::{Paint, Style};

/// One thing that could be typed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Candidate {
    /// What it is called, as it comes.
    pub name: Vec<u8>,
    /// How it is called in full: a signature. Empty where that is its name.
    pub call: String,
    /// A few words on it; may be empty.
    pub about: String,
}

/// Rows of the screen that stay for the line that is typed.
const LEFT: usize = 4;
/// Columns between two names.
const GAP: usize = 2;
/// The longest count of the rest.
const REST: usize = "... 10,000,000 more".len();

/// A text for each of as many as can be shown, and one that counts the rest, if there is a rest.
///
/// The line editor sets them in columns by itself, a gap apart, as wide as the widest of them.
pub fn candidates(all: &[Candidate], style: &Style) -> (Vec<String>, Option<String>) {
    let rows = style.height.saturating_sub(LEFT).max(1);
    if all.len() <= rows && all.iter().any(|candidate| !candidate.about.is_empty()) {
        return (described(all, style), None);
    }
    let room = style.width.saturating_sub(GAP).max(1);
    // a look at more than a screen can hold in the narrowest columns would be in vain
    let shown = all.iter().take(rows * style.width);
    let mut names: Vec<String> =
        shown.map(|candidate| fit(&name(&candidate.name, style), room, style)).collect();
    let widest = |names: &[String]| names.iter().map(|name| width(name)).max().unwrap_or(1);
    let most = |widest: usize| rows * (style.width / (widest + GAP).min(style.width)).max(1);
    if all.len() <= most(widest(&names)) {
        return (names, None);
    }
    // fewer may be narrower, but a list that grows as it is cut would never end
    names.truncate(most(widest(&names).max(REST)) - 1);
    let left = format!("{} {} more", style.signs().ellipsis, count((all.len() - names.len()) as u64));
    (names, Some(left))
}

/// One row each: how it is called, then what it is.
fn described(all: &[Candidate], style: &Style) -> Vec<String> {
    let columns = style.width.saturating_sub(1).max(2);
    let calls: Vec<String> = all
        .iter()
        .map(|candidate| match candidate.call.as_str() {
            "" => name(&candidate.name, style),
            call => prose(call, style),
        })
        .collect();
    let widest = calls.iter().map(|call| width(call)).max().unwrap_or(0).min(columns / 2);
    let room = columns.saturating_sub(widest + GAP);
    let row = |(candidate, call): (&Candidate, &String)| {
        let call = fit_end(call, widest, style);
        let about = fit_end(&prose(candidate.about.lines().next().unwrap_or_default(), style), room, style);
        let fill = " ".repeat(widest - width(&call) + GAP);
        // more than half of the screen is written to, so that nothing is set beside it
        let end = " ".repeat((columns / 2 + 1).saturating_sub(widest + GAP + width(&about)));
        format!("{call}{fill}{}{end}", style.paint(Paint::Dim, &about))
    };
    all.iter().zip(&calls).map(row).collect()
}
