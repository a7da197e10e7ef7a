//! Replacements in the text of an entry, collected first and made in one pass.

/// A replacement: the bytes from `start` to `end` of a text become `text`.
#[derive(Clone)]
pub(super) struct Edit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) text: String,
}

/// Returns the text with each edit made: its bytes from `start` to `end` are replaced. Edits must not overlap.
pub(super) fn apply(source: &str, edits: &[Edit]) -> String {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let mut text = String::with_capacity(source.len());
    let mut at = 0;
    for edit in edits {
        text += &source[at..edit.start];
        text += &edit.text;
        at = edit.end;
    }
    text + &source[at..]
}
