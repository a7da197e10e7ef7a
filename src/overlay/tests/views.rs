//! The matrix, the effects and the differences, on stacks written down as text.

use super::super::{Aspect, Cell, DiffKind, Difference, LayerEffect, Matrix, RowNote, diff, effects, matrix};
use super::{entry, layer, layers, name, path, stack};
use crate::model::{Change, Changeset, LayerPath, Mode, Node, Timestamp};

/// Rows as `path cells note`, one sign a layer, bottom → top.
fn picture(matrix: &Matrix) -> Vec<String> {
    let row = |row: &super::super::Row| {
        let cells: String = row
            .cells
            .iter()
            .map(|cell| match cell {
                Cell::Absent => '.',
                Cell::Supplies => 'S',
                Cell::Merges => 'm',
                Cell::Hidden => 'h',
                Cell::Whiteout => 'x',
                Cell::Opaque => 'o',
            })
            .collect();
        let note = match row.note {
            RowNote::Only { layer } => format!("only {layer}"),
            RowNote::Hides { layer, below } => format!("{layer} hides {below}"),
            RowNote::Deletes { layer, below: Some(below) } => format!("{layer} deletes {below}"),
            RowNote::Deletes { layer, below: None } => format!("{layer} deletes nothing"),
            RowNote::HiddenBeneath { layer } => format!("beneath {layer}"),
            RowNote::Merged => "merged".to_owned(),
            RowNote::CutsOff { layer, below } => format!("{layer} cuts off {below}"),
        };
        let folded = row.folded.map_or(String::new(), |count| format!(" +{count}"));
        assert_eq!(row.entry.is_some(), cells.contains(['S', 'o']), "{row:?}");
        format!("{} {cells} {note}{folded}", name(&row.path))
    };
    matrix.rows.iter().map(row).collect()
}

fn full(texts: &[&str]) -> Vec<String> {
    let layers = layers(texts);
    let matrix = matrix(&stack(&layers), usize::MAX);
    assert_eq!((matrix.left_out, matrix.total), (0, matrix.rows.len() as u64));
    picture(&matrix)
}

#[test]
fn the_picture_shows_who_supplies_hides_and_deletes() {
    assert_eq!(
        full(&["1=1 app/ 2=1 app/hello.txt=2", "app/hello.txt=3", "1=9 d=1 -2"]),
        [
            "1 h.S 2 hides 0",
            "2 h.x 2 deletes 0",
            "app mS. merged",
            "app/hello.txt hS. 1 hides 0",
            "d ..S only 2",
        ]
    );
}

#[test]
fn the_picture_shows_what_goes_with_a_parent() {
    assert_eq!(
        full(&["d/a=1 d/b=1 e/x=1", "d!/ d/b=2 -e", "f=1"]),
        [
            "d ho. 1 cuts off 0",
            "d/a h.. beneath 1",
            "d/b hS. only 1",
            "e hx. 1 deletes 0",
            "e/x h.. beneath 1",
            "f ..S only 2",
        ]
    );
}

#[test]
fn a_directory_over_a_file_over_a_directory() {
    assert_eq!(
        full(&["d/a=1", "d=1", "d/b=1", "d/"]),
        ["d hhmS merged", "d/a h... beneath 1", "d/b ..S. only 2"]
    );
    assert_eq!(full(&["-a", "-b", "b!/"]), ["a x.. 0 deletes nothing", "b .xo only 2"]);
}

#[test]
fn a_big_picture_keeps_what_tells_something() {
    let base: String = (0..10).flat_map(|d| (0..20).map(move |f| format!("dir{d}/f{f}=1 "))).collect();
    let layers = layers(&[&base, "app/x=1 app/y=1", "dir3/f4=2 -dir5/f6"]);
    let bounded = matrix(&stack(&layers), 20);
    assert_eq!((bounded.total, bounded.left_out), (213, 198));
    let picture = picture(&bounded);
    assert_eq!(picture.len(), 15);
    for row in [
        "dir0 S.. only 0 +20",
        "dir3 m.S merged +19",
        "dir3/f4 h.S 2 hides 0",
        "dir5/f6 h.x 2 deletes 0",
        "app/x .S. only 1",
    ] {
        assert!(picture.iter().any(|line| line == row), "{row} in {picture:?}");
    }
    // what one layer alone supplies is unfolded whole or not at all
    let tight = matrix(&stack(&layers), 14);
    assert!(tight.rows.iter().any(|row| row.path == path("app") && row.folded == Some(2)));
}

#[test]
fn a_single_big_layer_unfolds_the_directories_that_fit() {
    let text: String =
        (0..50).map(|f| format!("big/f{f}=1 ")).chain(["small/a=1 small/b=1 top=1".to_owned()]).collect();
    let layers = layers(&[&text]);
    let bounded = matrix(&stack(&layers), 10);
    assert_eq!(
        picture(&bounded),
        ["big S only 0 +50", "small S only 0", "small/a S only 0", "small/b S only 0", "top S only 0"]
    );
    assert_eq!(bounded.left_out, 50);
    assert_eq!(matrix(&stack(&layers), 0).left_out, 55);
}

#[test]
fn more_names_in_the_root_than_room_leave_half_of_it_to_what_tells_something() {
    let text: String = (0..50).map(|f| format!("f{f:02}=1 ")).chain(["zz/a=1".to_owned()]).collect();
    let layers = layers(&[&text, "zz/a=2"]);
    let bounded = matrix(&stack(&layers), 10);
    let picture = picture(&bounded);
    assert!(picture.contains(&"zz/a hS 1 hides 0".to_owned()), "{picture:?}");
    assert!(picture.len() <= 10 && picture.len() >= 6);
}

#[test]
fn effects_count_what_a_layer_does_to_the_ones_beneath() {
    let layers = layers(&["a=1 b=2 d/x=1 d/y=1 e/z/q=1 s/1=1", "a=3 -b c=1 d!/ d/x=5 -e -nothing s=1"]);
    let effects = effects(&stack(&layers));
    assert_eq!((effects[0].added, effects[0].changed, effects[0].deleted), (10, 0, 0));
    // changed: a, d/x, s; deleted: b, d/y, e
    assert_eq!((effects[1].added, effects[1].changed, effects[1].deleted), (1, 3, 3));
    assert_eq!(effects[1].counts, layers[1].counts());
    assert_eq!(super::super::effects(&[]), Vec::<LayerEffect>::new());
}

fn rows(differences: &[Difference]) -> Vec<String> {
    let row = |d: &Difference| {
        let mut text = format!("{} {}", d.kind.letter(), name(&d.path));
        for aspect in &d.aspects {
            text = text + " " + aspect.word();
        }
        if d.copied_up > 0 {
            text = format!("{text} up {}", d.copied_up);
        }
        if d.beneath > 0 {
            text = format!("{text} beneath {}", d.beneath);
        }
        text
    };
    differences.iter().map(row).collect()
}

#[test]
fn an_upper_against_what_lies_beneath() {
    let layers =
        layers(&["a=1 b=1 d/x=1 d/s/y=1 e/1=1 e/2=1 f/1=1", "q=1", "a=5 -d n/m=1 e!/ e/2=1 f=3 q>t"]);
    let stack = stack(&layers);
    let found = diff(&stack[..2], &stack, &mut |_, _, _| true);
    assert_eq!(
        rows(&found),
        ["C a content up 1", "D d beneath 3", "D e/1", "C f type mode beneath 1", "A n", "A n/m", "C q type"]
    );
    let found = diff(&stack[..2], &stack, &mut |_, _, _| false);
    assert!(rows(&found).contains(&"C e/2 content up 1".to_owned()));
}

#[test]
fn the_other_way_round_everything_comes_back() {
    let layers = layers(&["a=1 d/x=1 d/s/y=1", "-d"]);
    let stack = stack(&layers);
    assert_eq!(rows(&diff(&stack, &stack[..1], &mut |_, _, _| true)), ["A d", "A d/s", "A d/s/y", "A d/x"]);
    assert_eq!(diff(&stack, &stack, &mut |_, _, _| false), vec![]);
    assert_eq!(
        rows(&diff(&[], &stack[..1], &mut |_, _, _| true)),
        ["A ", "A a", "A d", "A d/s", "A d/s/y", "A d/x"]
    );
}

#[test]
fn content_is_asked_for_only_at_equal_sizes_in_different_layers() {
    let layers = layers(&["a=1 b=1 c=1", "a=1 b=2", "a=1"]);
    let stack = stack(&layers);
    let mut asked = Vec::new();
    let found = diff(&stack[..1], &[stack[0], stack[1]], &mut |path, (old, _), (new, _)| {
        asked.push((name(path), old, new));
        false
    });
    assert_eq!(asked, [("a".to_owned(), 0, 1)]);
    assert_eq!(rows(&found), ["C a content up 1", "C b content up 1"]);
    let mut asked = Vec::new();
    diff(&[stack[0], stack[1]], &[stack[0], stack[2]], &mut |path, (old, _), (new, _)| {
        asked.push((name(path), old, new));
        true
    });
    // b: 2 bytes before, 1 after, so nothing to read
    assert_eq!(asked, [("a".to_owned(), 1, 1)]);
}

fn change(layer: &mut Changeset, at: &str, edit: impl FnOnce(&mut crate::model::Entry)) {
    let Some(Change::Put(mut entry)) = layer.remove(&path(at)) else { panic!("{at}") };
    edit(&mut entry);
    layer.insert(path(at), Change::Put(entry));
}

#[test]
fn metadata_differ_one_by_one_and_a_directorys_time_does_not_count() {
    let base = layer("a=1 b=1 d/ l>x");
    let mut top = layer("a=1 b=1 d/ l>y");
    change(&mut top, "a", |entry| entry.meta.mtime = Timestamp { secs: 9, nanos: 1 });
    change(&mut top, "b", |entry| {
        entry.meta.mtime = Timestamp { secs: 9, nanos: 1 };
        entry.meta.mode = Mode::new(0o600);
        entry.meta.uid = 7;
        entry.meta.xattrs.insert(b"user.a"[..].into(), b"1"[..].into());
    });
    change(&mut top, "d", |entry| entry.meta.mtime = Timestamp { secs: 9, nanos: 1 });
    let found = diff(&[&base], &[&base, &top], &mut |_, _, _| true);
    assert_eq!(rows(&found), ["C a time up 1", "C b mode owner xattr up 1", "C l content"]);
    assert_eq!(found[0].aspects, [Aspect::Time]);
    change(&mut top, "", |entry| entry.meta.mode = Mode::new(0o700));
    let found = diff(&[&base], &[&base, &top], &mut |_, _, _| true);
    assert_eq!((&found[0].path, found[0].kind), (&LayerPath::root(), DiffKind::Changed));
}

#[test]
fn a_small_upper_over_a_huge_layer_asks_for_little() {
    let mut base = layer("");
    for dir in 0..100 {
        base.insert(path(&format!("d{dir:03}")), entry(Node::Dir { opaque: false }));
        for file in 0..200 {
            base.insert(path(&format!("d{dir:03}/f{file}")), entry(Node::File { size: 1 }));
        }
    }
    let top = layer("d050/f7=2 -d099 new=1");
    let found = diff(&[&base], &[&base, &top], &mut |_, _, _| true);
    assert_eq!(rows(&found), ["C d050/f7 content up 1", "D d099 beneath 200", "A new"]);
}

#[test]
fn five_hundred_layers_merge() {
    let layers: Vec<Changeset> = (0..500).map(|n| layer(&format!("shared=1 d/f{n}=1 own{n}/x=1"))).collect();
    let matrix = matrix(&stack(&layers), 100);
    assert_eq!(matrix.total, 1 + 1 + 500 + 1000);
    assert_eq!(matrix.rows.len() as u64 + matrix.left_out, matrix.total);
    assert_eq!(matrix.layers[499].added, 3);
    let found = diff(&stack(&layers[..499]), &stack(&layers), &mut |_, _, _| true);
    // another instance of each layer: nothing is shared, the answer is the same but for `copied_up`
    let copies = layers.clone();
    let apart = diff(&stack(&copies[..499]), &stack(&layers), &mut |_, _, _| true);
    assert_eq!(rows(&found), rows(&apart));
    assert_eq!(rows(&found), ["A d/f499", "A own499", "A own499/x"]);
}
