//! The overlay rules, each as a sentence.

use super::super::{Aspect, StepKind, TreeItem, corrections, diff, effects, explain, list, resolve, tree};
use super::{entry, layer, layers, name, path, stack};
use crate::model::{Change, LayerPath, Mode, Node};

/// The union as words: `path` and the layer that supplies it.
fn union(texts: &[&str]) -> String {
    let layers = layers(texts);
    let (items, left_out) = tree(&stack(&layers), &LayerPath::root(), usize::MAX);
    assert_eq!(left_out, 0);
    let words: Vec<String> =
        items.iter().skip(1).map(|item| format!("{}:{}", name(&item.path), item.layer)).collect();
    words.join(" ")
}

#[test]
fn the_topmost_file_wins() {
    assert_eq!(union(&["a=1 b=1", "b=2 c=2"]), "a:0 b:1 c:1");
}

#[test]
fn a_whiteout_hides_the_file_beneath() {
    assert_eq!(union(&["a=1 b=1", "-a"]), "b:0");
}

#[test]
fn a_whiteout_hides_a_whole_directory() {
    assert_eq!(union(&["d/a=1 d/b/c=1 e=1", "-d"]), "e:0");
}

#[test]
fn a_name_comes_back_over_its_whiteout() {
    assert_eq!(union(&["a=1", "-a", "a=3"]), "a:2");
    assert_eq!(union(&["d/x=1", "-d", "d/y=3"]), "d:2 d/y:2");
}

#[test]
fn a_whiteout_in_the_bottom_layer_is_nothing() {
    assert_eq!(union(&["-a b=1", "c=1"]), "b:0 c:1");
    assert_eq!(union(&["-a", "a=1"]), "a:1");
}

#[test]
fn directories_merge_and_the_topmost_gives_the_metadata() {
    assert_eq!(union(&["d/a=1", "d/b=1", "d/c=1"]), "d:2 d/a:0 d/b:1 d/c:2");
}

#[test]
fn an_opaque_directory_cuts_off_what_lies_beneath() {
    assert_eq!(union(&["d/a=1 d/s/x=1", "d!/ d/b=1 d/s/"]), "d:1 d/b:1 d/s:1");
}

#[test]
fn merging_goes_on_above_an_opaque_directory() {
    assert_eq!(union(&["d/a=1", "d!/ d/b=1", "d/c=1"]), "d:2 d/b:1 d/c:2");
}

#[test]
fn a_file_over_a_directory_hides_it_all() {
    assert_eq!(union(&["d/a=1", "d=5"]), "d:1");
}

#[test]
fn a_directory_over_a_file_over_a_directory_does_not_merge_with_the_lowest() {
    assert_eq!(union(&["d/a=1", "d=5", "d/b=1"]), "d:2 d/b:2");
}

#[test]
fn a_hidden_directory_of_a_middle_layer_stays_hidden_beneath_a_merged_one() {
    // the middle layer's d/s is cut off by the top's whiteout; the bottom's too
    assert_eq!(union(&["d/s/a=1", "d/s/b=1 d/t=1", "d/ -d/s"]), "d:2 d/t:1");
}

#[test]
fn an_opaque_root_makes_its_layer_the_lowest() {
    let (base, more) = (layer("a=1 d/x=1"), layer("c=1"));
    let mut top = layer("b=1 d/y=1");
    top.insert(LayerPath::root(), entry(Node::Dir { opaque: true }));
    let all = [&base, &top, &more];
    assert_eq!(resolve(&all, &path("a")), None);
    let names: Vec<String> =
        list(&all, &LayerPath::root()).unwrap().iter().map(|item| name(&item.path)).collect();
    assert_eq!(names, ["b", "c", "d"]);
    let life = |at: &str| {
        explain(&all, &path(at), &mut |_, _, _| true)
            .steps
            .into_iter()
            .map(|step| step.kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(life("")[1], StepKind::MadeOpaque);
    assert_eq!(life("a"), [StepKind::Created, StepKind::HiddenWithParent { parent: LayerPath::root() }]);
    assert_eq!(life("d"), [StepKind::Created, StepKind::Replaced { aspects: vec![] }]);
    let gone: Vec<String> = diff(&all[..1], &all[..2], &mut |_, _, _| true)
        .iter()
        .map(|row| format!("{}{}", row.kind.letter(), name(&row.path)))
        .collect();
    assert_eq!(gone, ["Da", "Ab", "Dd/x", "Ad/y"]);
    assert_eq!(effects(&all)[1].deleted, 2);
}

/// The mode that the union shows, and the layer that it comes from.
fn mode(texts: &[&str], at: &str) -> (String, usize) {
    let layers = layers(texts);
    let found = resolve(&stack(&layers), &path(at)).unwrap();
    (found.entry.meta.mode.to_string(), found.layer)
}

#[test]
fn an_implied_directory_is_as_the_ones_beneath() {
    let is = |mode: &str, layer| (mode.to_owned(), layer);
    assert_eq!(mode(&["d@0700/", "d?/ d/f=1"], "d"), is("0700", 0));
    assert_eq!(mode(&["d@0700/", "e=1", "d?/ d/f=1", "d?/ d/g=1"], "d"), is("0700", 0));
    assert_eq!(mode(&["d@0700/", "d@0711/", "d?/ d/f=1"], "d"), is("0711", 1));
    assert_eq!(mode(&["d?/ d/f=1", "d@0700/"], "d"), is("0700", 1));
    // nothing beneath: the lowest has it
    assert_eq!(mode(&["e=1", "d?/ d/f=1", "d?/ d/g=1"], "d"), is("0755", 1));
    // what hides a directory hides its metadata
    assert_eq!(mode(&["d@0700/", "-d", "d?/ d/f=1"], "d"), is("0755", 2));
    assert_eq!(mode(&["d@0700/", "d=1", "d?/ d/f=1"], "d"), is("0755", 2));
    assert_eq!(mode(&["d/e@0700/", "d!/ d/e?/ d/e/f=1"], "d/e"), is("0755", 1));
    // an opaque directory hides what is in the ones beneath, not what they are
    assert_eq!(mode(&["d@0700/ d/a=1", "d?!/ d/f=1"], "d"), is("0700", 0));
    assert_eq!(union(&["d@0700/ d/a=1", "d?!/ d/f=1"]), "d:0 d/f:1");
    assert_eq!(union(&["d@0700/ d/a=1", "d?/ d/f=1"]), "d:0 d/a:0 d/f:1");
}

#[test]
fn implying_a_directory_again_changes_nothing_of_it() {
    let layers = layers(&["d@0700/ d/a=1", "d?/ d/f=1"]);
    let all = stack(&layers);
    let rows = diff(&all[..1], &all, &mut |_, _, _| true);
    assert_eq!(rows.iter().map(|row| name(&row.path)).collect::<Vec<_>>(), ["d/f"]);
    assert_eq!((effects(&all)[1].added, effects(&all)[1].changed), (1, 0));
    let life = explain(&all, &path("d"), &mut |_, _, _| true);
    assert_eq!(life.steps[1].kind, StepKind::Merged { aspects: vec![] });
    assert_eq!(life.shown.unwrap().0, 0);
}

#[test]
fn what_must_be_put_right_comes_with_the_directories_above() {
    let corrected = |texts: &[&str]| {
        let layers = layers(texts);
        let found = corrections(&stack(&layers)).into_iter();
        found
            .map(|(path, dir)| format!("{}:{}:{}", name(&path), dir.meta.mode, dir.layer))
            .collect::<Vec<_>>()
    };
    assert_eq!(corrected(&["a/ a/d@0700/", "a?/ a/d?/ a/d/f=1"]), [":0755:1", "a:0755:0", "a/d:0700:0"]);
    assert_eq!(corrected(&["d@0700/", "d?/ d/f=1", "d@0711/"]), Vec::<String>::new());
    assert_eq!(corrected(&["d@0700/", "d?/ d/f=1", "-d"]), Vec::<String>::new());
    assert_eq!(corrected(&["d?/ d/f=1", "d?/ d/g=1"]), Vec::<String>::new());
}

#[test]
fn names_that_sort_between_a_directory_and_its_children_do_no_harm() {
    assert_eq!(union(&["a/x=1 a.b=1 a-b/c=1", "a/ -a/x -a-b"]), "a:1 a.b:0");
}

#[test]
fn a_directory_lists_its_direct_names_only() {
    let layers = layers(&["d/a=1 d/s/x=1 d/z=1 e=1", "d/ -d/z d/b=1"]);
    let stack = stack(&layers);
    let names: Vec<String> = list(&stack, &path("d")).unwrap().iter().map(|item| name(&item.path)).collect();
    assert_eq!(names, ["d/a", "d/b", "d/s"]);
    assert_eq!(list(&stack, &path("e")), None);
    assert_eq!(list(&stack, &path("none")), None);
    assert_eq!(list(&stack, &LayerPath::root()).unwrap().len(), 2);
}

#[test]
fn a_tree_of_one_layer_has_its_whiteouts() {
    let words = |texts: &[&str]| {
        let layers = layers(texts);
        let (items, _) = tree(&stack(&layers), &LayerPath::root(), usize::MAX);
        let word =
            |item: &TreeItem| format!("{}{}", if item.entry.is_some() { "" } else { "-" }, name(&item.path));
        items.iter().skip(1).map(word).collect::<Vec<_>>()
    };
    assert_eq!(words(&["a=1 -gone d/ -d/x"]), ["a", "d", "-d/x", "-gone"]);
    assert_eq!(words(&["b=1", "a=1 -gone d/ -d/x"]), ["a", "b", "d"]);
}

#[test]
fn a_bounded_tree_keeps_the_upper_levels() {
    let layers = layers(&["a/b/c/d=1 a/e=1 f=1 g/h=1"]);
    let (items, left_out) = tree(&stack(&layers), &LayerPath::root(), 6);
    let names: Vec<String> = items.iter().map(|item| name(&item.path)).collect();
    assert_eq!(names, ["", "a", "a/b", "a/e", "f", "g"]);
    assert_eq!(left_out, 3);
    let (items, left_out) = tree(&stack(&layers), &path("a/b"), 10);
    assert_eq!((items.len(), left_out), (3, 0));
    assert_eq!(tree(&stack(&layers), &path("a/e"), 10).0.len(), 1);
    assert_eq!(tree(&stack(&layers), &path("a/x"), 10), (vec![], 0));
}

/// The steps of a path's life, as short words.
fn life(texts: &[&str], at: &str) -> Vec<String> {
    let layers = layers(texts);
    let life = explain(&stack(&layers), &path(at), &mut |_, _, _| true);
    life.steps
        .iter()
        .map(|step| {
            let word = match &step.kind {
                StepKind::Created => "created".to_owned(),
                StepKind::Merged { .. } => "merged".to_owned(),
                StepKind::Replaced { aspects } => aspects
                    .iter()
                    .fold("replaced".to_owned(), |text, aspect| format!("{text} {}", aspect.word())),
                StepKind::MadeOpaque => "opaque".to_owned(),
                StepKind::Deleted => "deleted".to_owned(),
                StepKind::DeletedNothing => "deleted nothing".to_owned(),
                StepKind::HiddenWithParent { parent } => format!("hidden with {}", name(parent)),
            };
            format!("{} {word}", step.layer)
        })
        .collect()
}

#[test]
fn a_files_life_is_told_layer_by_layer() {
    let stack = ["a=1 d/x=1", "a=2", "-a", "-a", "a=9", "b=1"];
    assert_eq!(
        life(&stack, "a"),
        ["0 created", "1 replaced content", "2 deleted", "3 deleted nothing", "4 created"]
    );
    assert_eq!(life(&["d/x=1", "-d", "d/x=2"], "d/x"), ["0 created", "1 hidden with d", "2 created"]);
    assert_eq!(life(&["d/s/x=1", "d!/", "d/s/x=1"], "d/s/x"), ["0 created", "1 hidden with d", "2 created"]);
    assert_eq!(life(&["d/x=1", "d=1", "d/"], "d/x"), ["0 created", "1 hidden with d"]);
    assert_eq!(life(&["d/x=1", "d/", "d!/"], "d"), ["0 created", "1 merged", "2 opaque"]);
    assert_eq!(life(&["d/x=1", "d!/ d/x=4"], "d/x"), ["0 created", "1 replaced content"]);
    assert_eq!(life(&["d/x=1"], "none"), Vec::<String>::new());
}

#[test]
fn a_copy_up_for_a_mode_alone_is_told_as_such() {
    let base = layer("a=1");
    let mut top = layer("a=1");
    if let Some(Change::Put(mut entry)) = top.remove(&path("a")) {
        entry.meta.mode = Mode::new(0o600);
        top.insert(path("a"), Change::Put(entry));
    }
    let life = explain(&[&base, &top], &path("a"), &mut |_, _, _| true);
    assert_eq!(life.steps[1].kind, StepKind::Replaced { aspects: vec![Aspect::Mode] });
    assert_eq!(life.shown.unwrap().0, 1);
}
