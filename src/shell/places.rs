//! The texts of earlier entries of the prompt that functions still stand in, found again by an error's line.
//!
//! Rhai tells an error's line, but not in which text: each text with functions is parsed as if it began at a line of
//! its own, beyond [`FIRST`], so that a line stands for one text only.

use rhai::Position;

use super::render::Text;

/// Lines up to this one belong to the text that runs.
const FIRST: usize = 1000;
/// The last line that Rhai can tell.
const LAST: usize = u16::MAX as usize;

/// The texts, in the order of their lines.
#[derive(Default)]
pub(super) struct Places(Vec<Place>);

struct Place {
    /// The line before its first.
    before: usize,
    lines: usize,
    text: Text,
}

impl Places {
    /// Gives a text lines of its own; what stands in front of it must be so many empty lines.
    ///
    /// None where there is no room: then errors in its functions have no line.
    pub(super) fn add(&mut self, text: &Text) -> Option<usize> {
        let lines = text.source.split('\n').count();
        let mut before = FIRST;
        let mut index = 0;
        for place in &self.0 {
            if place.before - before >= lines {
                break;
            }
            before = place.before + place.lines;
            index += 1;
        }
        if before + lines > LAST {
            return None;
        }
        self.0.insert(index, Place { before, lines, text: text.clone() });
        Some(before)
    }

    /// Whether a text is so long that it needs lines of its own, whatever it holds.
    pub(super) fn is_long(text: &str) -> bool {
        text.split('\n').count() > FIRST
    }

    /// The text that a position is in, and the position there.
    pub(super) fn find(&self, position: Position) -> Option<(&Text, Position)> {
        let line = position.line()?;
        let index = self.0.partition_point(|place| place.before < line).checked_sub(1)?;
        let place = &self.0[index];
        let inside = line - place.before;
        let line = u16::try_from(inside).ok().filter(|_| inside <= place.lines)?;
        Some((&place.text, Position::new(line, column(position))))
    }

    /// Forgets all texts that hold none of these positions.
    pub(super) fn keep(&mut self, positions: impl Iterator<Item = Position>) {
        let mut used: Vec<usize> = positions.filter_map(Position::line).collect();
        used.sort_unstable();
        self.0.retain(|place| {
            let next = used.partition_point(|line| *line <= place.before);
            used.get(next).is_some_and(|line| *line <= place.before + place.lines)
        });
    }

    /// How many texts there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Rhai has none at the start of a line.
fn column(position: Position) -> u16 {
    position.position().and_then(|column| u16::try_from(column).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, lines: usize) -> Text {
        Text { name: name.into(), source: vec!["x"; lines].join("\n").into() }
    }

    #[test]
    fn a_line_stands_for_one_text_and_room_is_used_again() {
        let mut places = Places::default();
        let a = places.add(&text("a", 3)).unwrap();
        let b = places.add(&text("b", 1)).unwrap();
        let c = places.add(&text("c", 2)).unwrap();
        let found = |places: &Places, line: usize| {
            let position = Position::new(u16::try_from(line).unwrap(), 7);
            places.find(position).map(|(text, position)| (text.name.to_string(), position.line().unwrap()))
        };
        assert_eq!((a, b, c), (FIRST, FIRST + 3, FIRST + 4));
        assert_eq!(found(&places, a + 3), Some(("a".to_owned(), 3)));
        assert_eq!(found(&places, b + 1), Some(("b".to_owned(), 1)));
        assert_eq!(found(&places, c + 2), Some(("c".to_owned(), 2)));
        assert_eq!((found(&places, 1), found(&places, c + 3)), (None, None));
        let at = |line: usize| Position::new(u16::try_from(line).unwrap(), 1);
        places.keep([at(a + 2), at(c + 1), at(1)].into_iter());
        assert_eq!((found(&places, b + 1), places.len()), (None, 2));
        assert_eq!(places.add(&text("d", 2)), Some(c + 2));
        assert_eq!(places.add(&text("e", 1)), Some(b));
        assert_eq!(found(&places, b + 1), Some(("e".to_owned(), 1)));
    }

    #[test]
    fn where_there_are_no_lines_left_nothing_is_placed() {
        let mut places = Places::default();
        assert!(places.add(&text("long", LAST - FIRST - 1)).is_some());
        assert!(places.add(&text("b", 2)).is_none());
        assert!(places.add(&text("c", 1)).is_some());
    }
}
