//! What holds for any names, layers and widths.

use proptest::prelude::*;

use super::super::escape::{name, width};
use super::super::{diff, entries, explain, history, stack, tree};
use super::*;
use crate::model::{Change, LayerPath, Metadata, Mode, Node};
use crate::overlay;
use crate::workspace::{ExplainReport, HistoryItem, HistoryReport};

/// Names of any bytes, with what is hard among them: escapes, wide and combining characters, broken UTF-8.
fn any_name() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-z. -]{1,8}".prop_map(String::into_bytes),
        2 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
        2 => proptest::sample::select(vec![
            "\x1b[31m", "\n", "\u{9b}", "漢字", "e\u{301}", "\u{301}", "\u{202e}", "\u{200d}", "👩‍👩", "\\", "🇩🇪",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 1..4),
        1 => Just(vec![b'x'; 200]),
    ];
    proptest::collection::vec(piece, 1..5).prop_map(|pieces| {
        let mut name: Vec<u8> =
            pieces.concat().into_iter().filter(|byte| !matches!(byte, 0 | b'/')).collect();
        name.truncate(255);
        if name.is_empty() || name == b"." || name == b".." { b"_".to_vec() } else { name }
    })
}

/// One word of a layer: how deep, which names, and what is there.
fn any_layer(names: Vec<Vec<u8>>) -> impl Strategy<Value = Changeset> {
    let word = (proptest::collection::vec(0..names.len(), 1..4), 0..5_u8, any::<u32>());
    proptest::collection::vec(word, 0..8).prop_map(move |words| {
        let mut layer = Changeset::new();
        let dir = Node::Dir { opaque: false };
        let put = |node: Node, mode| {
            let meta = Metadata { mode: Mode::new(mode), ..Metadata::default() };
            Change::Put(crate::model::Entry::new(node, meta))
        };
        layer.insert(LayerPath::root(), put(dir.clone(), 0o755));
        for (indices, kind, number) in words {
            let parts: Vec<&[u8]> = indices.iter().map(|&index| &names[index][..]).collect();
            let path = LayerPath::parse(&parts.join(&b'/')).unwrap();
            let above: Vec<LayerPath> = path.ancestors().collect();
            if above.iter().any(|dir| {
                layer.entry(dir).is_some_and(|entry| !entry.is_dir())
                    || layer.get(dir) == Some(&Change::Whiteout)
            }) {
                continue;
            }
            for parent in above {
                if layer.get(&parent).is_none() {
                    layer.insert(parent, put(dir.clone(), 0o755));
                }
            }
            if layer.get(&path).is_some() {
                continue;
            }
            let change = match kind {
                0 => Change::Whiteout,
                1 => put(Node::Dir { opaque: true }, 0o700),
                2 => put(Node::Symlink { target: names[number as usize % names.len()][..].into() }, 0o777),
                _ => put(Node::File { size: u64::from(number) }, number & 0o7777),
            };
            layer.insert(path, change);
        }
        layer
    })
}

/// Stacks whose layers talk about the same names.
fn any_stack() -> impl Strategy<Value = (Vec<Changeset>, Vec<String>)> {
    proptest::collection::vec(any_name(), 1..6).prop_flat_map(|names| {
        let layer = any_layer(names).boxed();
        let layer_name = "[A-Za-z0-9][A-Za-z0-9._-]{0,20}(/[A-Za-z0-9._-]{1,20}){0,2}";
        (1..30_usize).prop_flat_map(move |count| {
            (proptest::collection::vec(layer.clone(), count), proptest::collection::vec(layer_name, count))
        })
    })
}

fn any_style() -> impl Strategy<Value = Style> {
    (60..180_usize, any::<bool>(), any::<bool>()).prop_map(|(width, unicode, color)| Style {
        color,
        unicode,
        width,
        height: 24,
    })
}

/// Every line fits, ends in no space, and holds nothing that a terminal obeys but our own colours.
fn is_tame(drawn: &str, style: &Style) -> Result<(), TestCaseError> {
    prop_assert!(drawn.ends_with('\n'), "{drawn:?}");
    for line in drawn.strip_suffix('\n').unwrap().split('\n') {
        let plain = stripped(line);
        prop_assert!(style.color || plain == line, "colour in {line:?}");
        prop_assert!(!plain.contains(char::is_control), "control in {line:?}");
        prop_assert!(style.unicode || plain.is_ascii(), "not ASCII: {line:?}");
        prop_assert!(width(&plain) <= style.width, "{} > {}: {plain:?}", width(&plain), style.width);
        prop_assert!(!plain.ends_with(' '), "space at the end of {plain:?}");
    }
    Ok(())
}

/// The columns at which any of these signs stands.
fn columns_of(line: &str, signs: &[char]) -> Vec<usize> {
    line.char_indices().filter(|(_, c)| signs.contains(c)).map(|(at, _)| width(&line[..at])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_view_breaks_its_frame_or_lets_a_name_through(
        (layers, names) in any_stack(),
        style in any_style(),
        limit in 0..40_usize,
    ) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let report = mounted(&layers, labels(&names), limit);
        is_tame(&stack(&report, &style), &style)?;

        let (items, left_out) = overlay::tree(&super::stack(&layers), &LayerPath::root(), limit);
        let report = TreeReport { title: "web".into(), handle: Handle::Current, layers: labels(&names), items, left_out };
        is_tame(&tree(&report, &style), &style)?;

        let all = super::stack(&layers);
        let found = overlay::diff(&all[..1], &all, &mut |_, _, _| false);
        is_tame(&diff("a", "b", &found.iter().collect::<Vec<_>>(), &style), &style)?;

        for path in layers.iter().flat_map(|layer| layer.iter().map(|(path, _)| path)).take(5) {
            let report = ExplainReport { layers: labels(&names), life: overlay::explain(&all, path, &mut |_, _, _| true) };
            is_tame(&explain(&report, &style), &style)?;
        }
        is_tame(&entries(layers[0].iter(), layers[0].len(), &style), &style)?;

        let items = labels(&names).into_iter().map(|label| HistoryItem { label, counts: layers[0].counts(), chain_id: None, made: None });
        let report = HistoryReport { title: "web".into(), now: NOW, items: items.collect() };
        is_tame(&history(&report, &style), &style)?;
    }

    #[test]
    fn each_layer_has_its_column_from_the_first_row_to_the_last((layers, names) in any_stack(), width in 60..180_usize) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let report = mounted(&layers, labels(&names), 40);
        let drawn = stack(&report, &Style::plain(width));
        let signs = ['●', '∪', '○', '✕', '⊘', '·'];
        // rows are between the heading and the legend; a name may hold such signs, but not as many
        let rows: Vec<&str> = drawn.lines().filter(|line| line.starts_with(['├', '└', '│', '…', ' ']) && line.contains("─ ")).collect();
        prop_assert_eq!(rows.len(), report.matrix.rows.len());
        let last = |row: &str| {
            let columns = columns_of(row, &signs);
            columns[columns.len().saturating_sub(names.len())..].to_vec()
        };
        if let Some((first, others)) = rows.split_first() {
            for row in others {
                prop_assert_eq!(last(row), last(first), "{}", drawn);
            }
        }
    }

    #[test]
    fn names_that_differ_look_different(a in any_name(), b in any_name()) {
        for style in [PLAIN, ASCII] {
            prop_assert_eq!(a == b, name(&a, &style) == name(&b, &style));
        }
    }
}
