//! Whole pictures that a reader can check by eye, from reports made by hand; properties for any names.

mod lists;
mod many;
mod paths;
mod pictures;
mod properties;
mod texts;
mod watching;

use super::Style;
use crate::driver::DriverKind;
use crate::model::{ChainId, Changeset, Digest, Timestamp, TreeId};
use crate::overlay::tests::{layers, stack};
use crate::overlay::{matrix, tree};
use crate::workspace::{Handle, LayerLabel, Role, StackReport, TreeReport};

/// A terminal of 80 columns with Unicode, without colours.
const PLAIN: Style = Style::plain(80);
/// The same without Unicode.
const ASCII: Style = Style { unicode: false, ..PLAIN };

/// A moment some time before [`NOW`].
const MADE: Timestamp = Timestamp { secs: 1_795_400_000, nanos: 0 };
const NOW: Timestamp = Timestamp { secs: 1_795_412_345, nanos: 0 };

fn id(of: &str) -> TreeId {
    TreeId(Digest::of(of.as_bytes()))
}

fn chain(of: &str) -> ChainId {
    ChainId(Digest::of(of.as_bytes()))
}

/// Sealed layers by name, bottom → top; `upper` is an upper.
fn labels(names: &[&str]) -> Vec<LayerLabel> {
    let label = |name: &&str| match *name {
        "upper" => LayerLabel {
            diff_id: None,
            role: Role::Upper,
            name: "upper".to_owned(),
            id: None,
            writable: true,
            message: None,
            created: None,
            path: Some("/store/mounts/web/up/tree".into()),
        },
        name => LayerLabel {
            diff_id: None,
            role: Role::Layer,
            name: name.to_owned(),
            id: Some(id(name)),
            writable: false,
            message: None,
            created: Some(MADE),
            path: None,
        },
    };
    names.iter().map(label).collect()
}

/// The report behind `show()` of a mount of these layers, with at most `limit` rows.
fn mounted(layers: &[Changeset], labels: Vec<LayerLabel>, limit: usize) -> StackReport {
    StackReport {
        title: "web".to_owned(),
        handle: Handle::Current,
        driver: Some(DriverKind::Overlay),
        merged: Some("/store/mounts/web/merged".into()),
        host_path: Some("/store/mounts/web/merged".into()),
        mounted: true,
        layers: labels,
        matrix: matrix(&stack(layers), limit),
    }
}

/// The same, of layers written down as text.
fn shown(names: &[&str], texts: &[&str]) -> StackReport {
    mounted(&layers(texts), labels(names), 60)
}

/// The report behind `tree()`.
fn tree_of(names: &[&str], texts: &[&str], dir: &str, limit: usize) -> TreeReport {
    let layers = layers(texts);
    let (items, left_out) = tree(&stack(&layers), &crate::overlay::tests::path(dir), limit);
    TreeReport { title: "web".to_owned(), handle: Handle::Named, layers: labels(names), items, left_out }
}

/// The stack of the lesson: a base, an application, and an upper that changes, adds and deletes.
const NAMES: [&str; 3] = ["base", "app", "upper"];
const LESSON: [&str; 3] = ["1=11 2=14 app/hello.txt=15", "app/hello.txt=16", "1=11 d=9 -2"];

/// Escape codes as readable marks: `<163>` for a colour, `<b>` for bold, `</>` for the end.
fn visible(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, code)) = rest.split_once("\x1b[") {
        let (code, after) = code.split_once('m').unwrap();
        out.push_str(before);
        let color = code.split("38;5;").nth(1).and_then(|color| color.split(';').next());
        let bold = code.split(';').next_back() == Some("1");
        match (code, color) {
            ("0", _) => out.push_str("</>"),
            (_, Some(color)) => out.push_str(&format!("<{color}{}>", if bold { " b" } else { "" })),
            ("1", None) => out.push_str("<b>"),
            _ => panic!("{code:?}"),
        }
        rest = after;
    }
    out + rest
}

/// The text without escape codes.
fn stripped(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').unwrap().1)
}
