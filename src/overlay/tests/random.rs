//! Random small stacks against a naive oracle that follows the rules name by name.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{
    Cell, DiffKind, Difference, RowNote, StepKind, corrections, diff, effects, explain, list, matrix,
    resolve, squash, tree,
};
use super::{entry, stack};
use crate::model::{Change, Changeset, Entry, Kind, LayerPath, Metadata, Mode, Node};

/// What may lie at a name.
#[derive(Clone, Debug)]
enum Thing {
    File(u64),
    Whiteout,
    Dir(Change, Vec<(char, Thing)>),
}

fn thing() -> impl Strategy<Value = Thing> {
    let leaf = prop_oneof![(1_u64..3).prop_map(Thing::File), Just(Thing::Whiteout)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        (dir(0.3), prop::collection::vec((names(), inner), 0..4))
            .prop_map(|(dir, children)| Thing::Dir(dir, children))
    })
}

/// A directory: implied, with the usual mode or with another.
fn dir(opaque: f64) -> impl Strategy<Value = Change> {
    (prop::bool::weighted(opaque), 0..3).prop_map(|(opaque, look)| match look {
        0 => Change::Put(Entry::implied_dir(opaque)),
        1 => entry(Node::Dir { opaque }),
        _ => Change::Put(Entry::new(
            Node::Dir { opaque },
            Metadata { mode: Mode::new(0o700), ..Metadata::default() },
        )),
    })
}

fn names() -> impl Strategy<Value = char> {
    prop::sample::select(vec!['a', 'b', '.'])
}

fn random_layer() -> impl Strategy<Value = Changeset> {
    (dir(0.1), prop::collection::vec((names(), thing()), 0..4)).prop_map(|(root, children)| {
        let mut layer = Changeset::new();
        layer.insert(LayerPath::root(), root);
        put(&mut layer, &LayerPath::root(), children);
        layer
    })
}

fn put(layer: &mut Changeset, dir: &LayerPath, children: Vec<(char, Thing)>) {
    for (name, thing) in children {
        // `.x` for `.`: sorts before the separator
        let at = dir.join(if name == '.' { b"a.x".to_vec() } else { vec![name as u8] }.as_slice()).unwrap();
        if layer.get(&at).is_some() {
            continue;
        }
        match thing {
            Thing::File(size) => drop(layer.insert(at, entry(Node::File { size }))),
            Thing::Whiteout => drop(layer.insert(at, Change::Whiteout)),
            Thing::Dir(dir, children) => {
                layer.insert(at.clone(), dir);
                put(layer, &at, children);
            }
        }
    }
}

fn random_stack() -> impl Strategy<Value = Vec<Changeset>> {
    prop::collection::vec(random_layer(), 1..5)
}

type Naive = BTreeMap<LayerPath, (usize, Entry)>;

/// Takes implied directories out of a layer that nothing needs, as sealing does.
fn drop_idle(layer: &mut Changeset) {
    let implied: Vec<LayerPath> = layer.implied().cloned().collect();
    for path in implied.iter().rev() {
        if layer.within(path).count() == 1 && !layer.entry(path).unwrap().is_opaque() {
            layer.remove(path);
        }
    }
}

/// What the layers that take part in a directory, topmost first, show under one of its names; and those of them that take
/// part beneath it.
fn meet(stack: &[&Changeset], path: &LayerPath, layers: &[usize]) -> (Vec<usize>, Option<(usize, Entry)>) {
    let (mut part, mut found, mut open) = (Vec::new(), None, true);
    for &layer in layers {
        match stack[layer].get(path) {
            None => {}
            Some(Change::Put(entry)) if entry.is_dir() => {
                if open {
                    part.push(layer);
                }
                // who only implies it leaves its metadata to the ones beneath
                let is_said =
                    |found: &Option<(usize, Entry)>| found.as_ref().is_some_and(|(_, entry)| !entry.implied);
                if !is_said(&found) && (open || !entry.implied) {
                    found = Some((layer, entry.clone()));
                }
                open &= !entry.is_opaque();
            }
            Some(Change::Whiteout) => break,
            Some(Change::Put(entry)) => {
                found = found.or_else(|| Some((layer, entry.clone())));
                break;
            }
        }
    }
    (part, found)
}

/// The merged tree, name by name: `layers` are the ones that take part at `dir`, topmost first.
fn naive(stack: &[&Changeset], dir: &LayerPath, layers: &[usize], out: &mut Naive) {
    let (part, found) = meet(stack, dir, layers);
    let Some(found) = found else { return };
    out.insert(dir.clone(), found);
    let mut names: Vec<&LayerPath> = Vec::new();
    for &layer in &part {
        names.extend(
            stack[layer].iter().map(|(path, _)| path).filter(|path| path.parent().as_ref() == Some(dir)),
        );
    }
    names.sort();
    names.dedup();
    for path in names {
        naive(stack, path, &part, out);
    }
}

fn oracle(stack: &[&Changeset]) -> Naive {
    let mut out = Naive::new();
    let layers: Vec<usize> = (0..stack.len()).rev().collect();
    naive(stack, &LayerPath::root(), &layers, &mut out);
    out
}

/// Differences of two merged trees, path by path; contents of equal size count as equal only if `same`.
fn naive_diff(
    old: &Naive,
    new: &Naive,
    same: &dyn Fn(&LayerPath) -> bool,
) -> Vec<(LayerPath, DiffKind, u64)> {
    let mut rows: Vec<(LayerPath, DiffKind, u64)> = Vec::new();
    let paths: std::collections::BTreeSet<&LayerPath> = old.keys().chain(new.keys()).collect();
    for path in paths {
        let beneath = || old.keys().filter(|other| *other != path && other.is_within(path)).count() as u64;
        match (old.get(path), new.get(path)) {
            (None, Some(_)) => rows.push((path.clone(), DiffKind::Added, 0)),
            (Some(_), None) => {
                let left = |dir: LayerPath| new.get(&dir).is_some_and(|(_, entry)| entry.is_dir());
                let parent_left = path.parent().is_none_or(left);
                if parent_left {
                    rows.push((path.clone(), DiffKind::Deleted, beneath()));
                }
            }
            (Some((_, a)), Some((_, b))) => {
                let equal = a.is_dir() && b.is_dir() && a.meta == b.meta
                    || a.node == b.node && !a.is_dir() && same(path);
                if !equal {
                    rows.push((path.clone(), DiffKind::Changed, if b.is_dir() { 0 } else { beneath() }));
                }
            }
            (None, None) => {}
        }
    }
    rows
}

fn plain(rows: Vec<Difference>) -> Vec<(LayerPath, DiffKind, u64)> {
    rows.into_iter().map(|row| (row.path, row.kind, row.beneath)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_merge_agrees_with_the_oracle(layers in random_stack()) {
        let stack = stack(&layers);
        let expected = oracle(&stack);
        let (items, left_out) = tree(&stack, &LayerPath::root(), usize::MAX);
        prop_assert_eq!(left_out, 0);
        let found: Naive = items.iter().filter_map(|item| Some((item.path.clone(), (item.layer, item.entry.clone()?)))).collect();
        prop_assert_eq!(&found, &expected);
        prop_assert!(items.is_sorted_by(|a, b| a.path < b.path));

        let all: std::collections::BTreeSet<&LayerPath> =
            layers.iter().flat_map(|layer| layer.iter().map(|(path, _)| path)).collect();
        for path in all {
            let one = resolve(&stack, path).map(|found| (found.layer, found.entry.clone()));
            prop_assert_eq!(&one, &expected.get(path).cloned());
            prop_assert_eq!(&explain(&stack, path, &mut |_, _, _| false).shown, &one);
            let names = list(&stack, path);
            prop_assert_eq!(names.is_some(), one.as_ref().is_some_and(|(_, entry)| entry.is_dir()));
            for item in names.unwrap_or_default() {
                prop_assert_eq!(expected.get(&item.path), Some(&(item.layer, item.entry.unwrap())));
            }
            let (within, _) = tree(&stack, path, usize::MAX);
            let within = within.iter().filter(|item| item.entry.is_some()).count();
            prop_assert_eq!(within, expected.keys().filter(|other| other.is_within(path)).count());
        }
    }

    #[test]
    fn the_matrix_says_what_the_oracle_says(layers in random_stack()) {
        let stack = stack(&layers);
        let expected = oracle(&stack);
        let matrix = matrix(&stack, usize::MAX);
        prop_assert_eq!(matrix.rows.iter().filter(|row| row.entry.is_some()).count() + 1, expected.len());
        for row in &matrix.rows {
            let shown = expected.get(&row.path);
            prop_assert_eq!(row.entry.as_ref(), shown.map(|(_, entry)| entry));
            for (layer, cell) in row.cells.iter().enumerate() {
                let word = stack[layer].get(&row.path);
                let fits = match cell {
                    Cell::Absent => word.is_none(),
                    Cell::Whiteout => word == Some(&Change::Whiteout),
                    Cell::Hidden => stack[layer].entry(&row.path).is_some(),
                    Cell::Supplies => shown.is_some_and(|(top, _)| *top == layer),
                    Cell::Merges => shown.is_some_and(|(top, entry)| *top != layer && entry.is_dir()),
                    Cell::Opaque => stack[layer].entry(&row.path).is_some_and(Entry::is_opaque),
                };
                prop_assert!(fits, "{:?} {} {:?}", row, layer, cell);
                // taking a hidden layer's word away changes nothing at this path
                if *cell == Cell::Hidden && shown.is_none_or(|(top, _)| *top != layer) {
                    let mut without = layers.clone();
                    let beneath: Vec<LayerPath> =
                        layers[layer].within(&row.path).map(|(path, _)| path.clone()).collect();
                    for path in &beneath {
                        without[layer].remove(path);
                    }
                    let tree_without = oracle(&without.iter().collect::<Vec<_>>());
                    let keep = |tree: &Naive| -> Naive {
                        tree.iter().filter(|(path, _)| path.is_within(&row.path)).map(|(p, e)| (p.clone(), e.clone())).collect()
                    };
                    // a file between two directories is hidden and still cuts off the lower one
                    if matches!(word, Some(Change::Put(entry)) if entry.is_dir()) {
                        prop_assert_eq!(keep(&tree_without), keep(&expected));
                    }
                }
            }
            if let RowNote::HiddenBeneath { layer } = row.note {
                let top = row.cells.iter().rposition(|cell| *cell != Cell::Absent).unwrap();
                prop_assert!(layer > top);
            }
        }
    }

    #[test]
    fn a_bounded_matrix_is_part_of_the_whole(layers in random_stack(), limit in 0_usize..20) {
        let stack = stack(&layers);
        let whole = matrix(&stack, usize::MAX);
        let part = matrix(&stack, limit);
        prop_assert!(part.rows.len() <= limit);
        prop_assert_eq!(part.rows.len() as u64 + part.left_out, whole.total);
        prop_assert_eq!(&part.layers, &whole.layers);
        prop_assert!(part.rows.is_sorted_by(|a, b| a.path < b.path));
        let folded: u64 = part.rows.iter().filter_map(|row| row.folded).sum();
        let outside = whole.rows.iter().filter(|row| {
            !part.rows.iter().any(|shown| row.path.is_within(&shown.path))
        });
        prop_assert_eq!(folded + outside.count() as u64, part.left_out);
        for row in &part.rows {
            for dir in row.path.ancestors().skip(1) {
                prop_assert!(part.rows.iter().any(|other| other.path == dir));
            }
            let mut same = row.clone();
            same.folded = None;
            prop_assert!(whole.rows.contains(&same));
        }
    }

    #[test]
    fn differences_agree_with_the_oracle(layers in random_stack(), cut in 0_usize..4, tops in prop::collection::vec(random_layer(), 0..3), same: bool) {
        let all = stack(&layers);
        let shared = &all[..cut.min(all.len())];
        let other: Vec<&Changeset> = shared.iter().copied().chain(&tops).collect();
        let (old, new) = (oracle(&all), oracle(&other));
        // the file that both take from the same layer is never asked about
        let literally_same = |path: &LayerPath| {
            matches!((old.get(path), new.get(path)), (Some((a, _)), Some((b, _))) if a == b && *a < shared.len())
        };
        let expected = naive_diff(&old, &new, &|path| same || literally_same(path));
        let found = plain(diff(&all, &other, &mut |_, _, _| same));
        prop_assert_eq!(&found, &expected);
        // and the other way round
        let expected = naive_diff(&new, &old, &|path| same || literally_same(path));
        let found = plain(diff(&other, &all, &mut |_, _, _| same));
        prop_assert_eq!(&found, &expected);
    }

    #[test]
    fn effects_and_lives_agree_with_differences(layers in random_stack()) {
        let stack = stack(&layers);
        for (layer, effect) in effects(&stack).iter().enumerate() {
            let rows = diff(&stack[..layer], &stack[..=layer], &mut |_, _, _| false);
            let counts = |row: &&Difference| row.kind != DiffKind::Added || !row.path.is_root();
            let count = |kind| rows.iter().filter(counts).filter(|row| row.kind == kind).count() as u64;
            prop_assert_eq!(effect.added, count(DiffKind::Added));
            prop_assert_eq!(effect.changed, count(DiffKind::Changed));
            prop_assert_eq!(effect.deleted, count(DiffKind::Deleted));
            for row in rows {
                let life = explain(&stack, &row.path, &mut |_, _, _| false);
                let step = life.steps.iter().find(|step| step.layer == layer).unwrap();
                let fits = match row.kind {
                    DiffKind::Added => step.kind == StepKind::Created,
                    DiffKind::Changed => match &step.kind {
                        StepKind::Merged { aspects } => !aspects.is_empty(),
                        kind => matches!(kind, StepKind::Replaced { .. } | StepKind::MadeOpaque),
                    },
                    DiffKind::Deleted => {
                        matches!(step.kind, StepKind::Deleted | StepKind::HiddenWithParent { .. })
                    }
                };
                prop_assert!(fits, "{:?} {:?}", row, step);
            }
        }
    }

    #[test]
    fn one_layer_of_many_shows_the_same_on_whatever_lies_beneath(
        beneath in prop::collection::vec(random_layer(), 0..3),
        mut layers in random_stack(),
    ) {
        layers.iter_mut().for_each(drop_idle);
        let below: Vec<&Changeset> = beneath.iter().collect();
        let all: Vec<&Changeset> = below.iter().copied().chain(&layers).collect();
        let one = squash(&stack(&layers), false);
        let squashed: Vec<&Changeset> = below.iter().copied().chain([&one]).collect();
        let seen = |stack: &[&Changeset]| -> Vec<(LayerPath, Entry)> {
            let plain = |entry: Entry| match entry.node {
                Node::Dir { .. } => Entry::new(Node::Dir { opaque: false }, entry.meta),
                _ => entry,
            };
            oracle(stack).into_iter().map(|(path, (_, entry))| (path, plain(entry))).collect()
        };
        prop_assert_eq!(seen(&squashed), seen(&all));
        let lowest = squash(&stack(&layers), true);
        prop_assert_eq!(seen(&[&lowest]), seen(&stack(&layers)));
        let counts = lowest.counts();
        prop_assert_eq!((counts.whiteouts, counts.opaques), (0, 0));
        // nothing is left out when it is sealed
        for layer in [&one, &lowest] {
            for dir in layer.implied() {
                let is_needed = layer.within(dir).count() > 1 || layer.entry(dir).unwrap().is_opaque();
                prop_assert!(is_needed, "{:?}", dir);
            }
        }
    }

    #[test]
    fn with_the_corrections_on_top_the_topmost_directory_is_right(layers in random_stack()) {
        let laid: Changeset = corrections(&stack(&layers))
            .into_iter()
            .map(|(path, dir)| (path, Change::Put(Entry::new(Node::Dir { opaque: false }, dir.meta))))
            .collect();
        // as the layers' trees are on disk
        let on_disk = |change: Change| match change {
            Change::Put(entry) if entry.implied => Change::Put(Entry { implied: false, ..entry }),
            other => other,
        };
        let trees = layers.iter().map(|layer| layer.clone().into_iter().map(|(path, change)| (path, on_disk(change))).collect());
        let mut trees: Vec<Changeset> = trees.collect();
        if !laid.is_empty() {
            trees.push(laid);
        }
        let seen = |stack: &[&Changeset]| -> Vec<(LayerPath, Kind, Metadata)> {
            let tree = oracle(stack).into_iter().filter(|(path, _)| !path.is_root());
            tree.map(|(path, (_, entry))| (path, entry.node.kind(), entry.meta)).collect()
        };
        prop_assert_eq!(seen(&stack(&trees)), seen(&stack(&layers)));
    }
}
