//! What happens in a watched mount, one line each; and the sum of what was too much for that.

use super::describe::{id, suffix};
use super::escape::{fit, path as escaped, prose, width};
use super::line::Line;
use super::names::full_name;
use super::quantity::{count, size};
use super::{Paint, Style};
use crate::model::{Kind, LayerPath};
use crate::workspace::{Event, Happening, Over, Scene, Tally, Told};

/// The columns that a path keeps, however long its line is.
const LEAST: usize = 12;

/// A part of a line: how it is painted, what it says, and whether it is a path, which gives way where room is short.
type Piece = (Paint, String, bool);

/// Draws one event.
pub fn watch(told: &Told, style: &Style) -> String {
    let sentence = Sentence { scene: &told.scene, style };
    let mut pieces =
        vec![(Paint::Dim, opening(told.among_several.then_some(&told.scene.mount), style), false)];
    pieces.extend(sentence.of(&told.event));
    set(pieces, style)
}

/// Draws the sum of what was not told one by one.
pub fn watch_more(more: &Tally, style: &Style) -> String {
    let counts: Vec<String> = more.counts().into_iter().map(|(kind, number)| counted(kind, number)).collect();
    let text = prose(&format!("… and {} more: {}", count(more.total()), counts.join(", ")), style);
    set(vec![(Paint::Dim, opening(None, style), false), (Paint::Plain, text, false)], style)
}

fn opening(mount: Option<&String>, style: &Style) -> String {
    mount.map_or("watch: ".to_owned(), |mount| format!("watch {}: ", prose(mount, style)))
}

fn counted(kind: Happening, number: u64) -> String {
    let word = match (kind, number) {
        (Happening::CopiedUp, _) => "copied up",
        (Happening::Created, _) => "created",
        (Happening::Changed, _) => "changed",
        (Happening::Whiteout, 1) => "whiteout",
        (Happening::Whiteout, _) => "whiteouts",
        (Happening::Opaque, 1) => "opaque directory",
        (Happening::Opaque, _) => "opaque directories",
        (Happening::Renamed, _) => "renamed",
        (Happening::Exchanged, _) => "exchanged",
        (Happening::Removed, _) => "removed",
    };
    format!("{} {word}", count(number))
}

/// Sets pieces into one line; the longest paths are cut in their middles where it would be too long.
fn set(mut pieces: Vec<Piece>, style: &Style) -> String {
    let taken = |cap: usize| -> usize {
        let columns = |(_, text, is_path): &Piece| if *is_path { width(text).min(cap) } else { width(text) };
        pieces.iter().map(columns).sum()
    };
    let cap = (LEAST..=style.width).rev().find(|&cap| taken(cap) <= style.width).unwrap_or(LEAST);
    for (_, text, _) in pieces.iter_mut().filter(|(.., is_path)| *is_path) {
        *text = fit(text, cap, style);
    }
    let mut out = String::new();
    let mut line = Line::new(style);
    for (paint, text, _) in &pieces {
        line.put(*paint, text);
    }
    line.end(&mut out);
    out
}

struct Sentence<'a> {
    scene: &'a Scene,
    style: &'a Style,
}

impl Sentence<'_> {
    fn of(&self, event: &Event) -> Vec<Piece> {
        match event {
            Event::CopiedUp { path, kind, from, bytes } => {
                let mut pieces =
                    vec![word(Paint::Changed, "copied up "), self.path(path, *kind), plain(" from ")];
                pieces.extend(self.layer_and_id(*from));
                pieces.push(match kind {
                    Kind::File => plain(&format!(", {}", size(*bytes))),
                    Kind::Dir => plain(", the directory alone"),
                    _ => plain(&format!(", a {}", kind.word())),
                });
                pieces
            }
            Event::Created { path, kind, over } => {
                let mut pieces = vec![word(Paint::Added, "created "), self.path(path, *kind)];
                match over {
                    Over::Nothing => {}
                    Over::Whiteout => pieces.push(plain(", in the place of its whiteout")),
                    Over::Layer(layer) => pieces.extend(self.hides(Some(*layer), ", hides ")),
                }
                pieces
            }
            Event::Changed { path, kind, what, copied_up } => {
                let how = if *copied_up { "" } else { " in place" };
                let what = format!("{how}: {}", what.word());
                vec![word(Paint::Changed, "changed "), self.path(path, *kind), plain(&what)]
            }
            Event::Whiteout { path, hides } => {
                let mut pieces = vec![word(Paint::Deleted, "whiteout "), self.path(path, Kind::File)];
                pieces.extend(self.hides(*hides, " hides "));
                if hides.is_none() {
                    pieces.push(plain(" hides nothing"));
                }
                pieces
            }
            Event::Opaque { path, hides, made } => self.opaque(path, *hides, *made),
            Event::Renamed { from, to, kind, hides } => {
                let arrow = format!(" {} ", self.style.signs().arrow);
                let mut pieces =
                    vec![word(Paint::Changed, "renamed "), self.path(from, *kind), plain(&arrow)];
                pieces.push(self.path(to, *kind));
                pieces.extend(self.hides(*hides, ", hides "));
                pieces
            }
            Event::Exchanged { from, to } => vec![
                word(Paint::Changed, "exchanged "),
                self.path(from, Kind::File),
                plain(" and "),
                self.path(to, Kind::File),
            ],
            Event::Removed { path, kind } => vec![
                word(Paint::Deleted, "removed "),
                self.path(path, *kind),
                plain(", which the upper alone held"),
            ],
        }
    }

    fn opaque(&self, path: &LayerPath, hides: Option<usize>, made: bool) -> Vec<Piece> {
        let mut pieces = vec![word(Paint::Opaque, "opaque "), self.path(path, Kind::Dir)];
        let made = if made { "made anew, " } else { "" };
        match hides {
            Some(layer) => {
                pieces.push(plain(&format!(": {made}nothing of ")));
                pieces.push(self.layer(layer));
                pieces.push(plain(" shows through"));
            }
            None => pieces.push(plain(&format!(": {made}nothing beneath shows through"))),
        }
        pieces
    }

    fn path(&self, path: &LayerPath, kind: Kind) -> Piece {
        let kind = if path.is_root() { "" } else { suffix(kind) };
        (Paint::Plain, escaped(path, self.style) + kind, true)
    }

    fn layer(&self, layer: usize) -> Piece {
        let layers = &self.scene.layers;
        // a stack may have grown meanwhile
        let name =
            if layer < layers.len() { full_name(layers, layer, self.style) } else { "a lower".to_owned() };
        (Paint::of_layer(layers, layer), name, false)
    }

    /// A layer by its name and, unless it is called so, its ID.
    fn layer_and_id(&self, layer: usize) -> Vec<Piece> {
        let mut pieces = vec![self.layer(layer)];
        if let Some(label) = self.scene.layers.get(layer) {
            let id = id(label);
            if !id.is_empty() && id != label.name {
                pieces.push(plain(&format!(" ({id})")));
            }
        }
        pieces
    }

    fn hides(&self, layer: Option<usize>, words: &str) -> Vec<Piece> {
        let hidden = |layer| vec![plain(words), self.layer(layer), plain("'s")];
        layer.map_or_else(Vec::new, hidden)
    }
}

fn word(paint: Paint, text: &str) -> Piece {
    (paint, text.to_owned(), false)
}

fn plain(text: &str) -> Piece {
    (Paint::Plain, text.to_owned(), false)
}
