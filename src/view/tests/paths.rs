//! `tree`, `diff`, `explain`: what is said of paths.

use insta::assert_snapshot;

use super::super::{diff, entries, explain, tree};
use super::*;
use crate::model::{Change, Mode};
use crate::overlay::tests::path;
use crate::overlay::{self, Difference};
use crate::workspace::ExplainReport;

#[test]
fn the_tree_of_the_lesson() {
    assert_snapshot!(tree(&tree_of(&NAMES, &LESSON, "", 100), &PLAIN), @r"
    web:/                  upper
    ├─ 1             11 B  upper
    ├─ app/                app
    │  └─ hello.txt  16 B  app
    └─ d              9 B  upper
    ");
    assert_snapshot!(tree(&tree_of(&NAMES, &LESSON, "app", 100), &ASCII), @r"
    web:/app/           app
    `- hello.txt  16 B  app
    ");
    let color = Style { color: true, ..PLAIN };
    assert_snapshot!(visible(&tree(&tree_of(&NAMES, &LESSON, "", 100), &color)), @r"
    <163>web:/</>                  <163>upper</>
    <243>├─ </><163>1</>             11 B  <163>upper</>
    <243>├─ </><136>app/</>                <136>app</>
    <243>│  └─ </><136>hello.txt</>  16 B  <136>app</>
    <243>└─ </><163>d</>              9 B  <163>upper</>
    ");
}

#[test]
fn a_tree_of_one_layer_does_not_name_it_at_each_path() {
    let report = tree_of(&["base"], &["a/b=1 a/l>../../elsewhere c/"], "a", 100);
    assert_snapshot!(tree(&report, &PLAIN), @r"
    web:/a/
    ├─ b                     1 B
    └─ l -> ../../elsewhere
    ");
}

#[test]
fn a_tree_of_one_layer_shows_what_it_deletes() {
    assert_snapshot!(tree(&tree_of(&["top"], &["a=1 -gone d!/ d/x=1 -d/y"], "", 100), &PLAIN), @r"
    web:/
    ├─ a                 1 B
    ├─ d/  opaque
    │  ├─ x              1 B
    │  └─ y  ✕ whiteout
    └─ gone  ✕ whiteout
    ");
}

#[test]
fn long_layer_names_are_short_in_a_tree() {
    let names = ["a-project-with-a-long-name/base", "a-project-with-a-long-name/app", "upper"];
    assert_snapshot!(tree(&tree_of(&names, &LESSON, "", 100), &PLAIN), @r"
    web:/                  upper
    ├─ 1             11 B  upper
    ├─ app/                …/app
    │  └─ hello.txt  16 B  …/app
    └─ d              9 B  upper
    ");
}

fn differences(texts: &[&str], edit: impl FnOnce(&mut Vec<Changeset>)) -> Vec<Difference> {
    let mut layers = layers(texts);
    edit(&mut layers);
    let stack = stack(&layers);
    // of one size, these alone hold the same bytes
    overlay::diff(&stack[..stack.len() - 1], &stack, &mut |path, _, _| path.as_bytes() == b"etc/host")
}

fn edit_entry(layer: &mut Changeset, at: &str, edit: impl FnOnce(&mut crate::model::Entry)) {
    let Some(Change::Put(mut entry)) = layer.remove(&path(at)) else { panic!("{at}") };
    edit(&mut entry);
    layer.insert(path(at), Change::Put(entry));
}

#[test]
fn differences_one_a_line_with_what_changed_and_their_sums() {
    let texts = [
        "etc/passwd=839 etc/motd=26 etc/host=3 doc/a=1 doc/b=1 bin/tool=2048 l>old",
        "etc/passwd=848 etc/motd=26 srv/www/index=15 -doc bin/tool=2048 l>new p>etc/motd etc/host=3",
    ];
    let found = differences(&texts, |layers| {
        edit_entry(&mut layers[1], "bin/tool", |entry| {
            entry.meta.mode = Mode::new(0o4755);
            entry.meta.uid = 33;
            entry.meta.xattrs.insert(b"user.\x1b"[..].into(), b"1"[..].into());
            entry.meta.mtime = NOW;
        });
        edit_entry(&mut layers[0], "etc/host", |entry| entry.meta.mtime = MADE);
        edit_entry(&mut layers[1], "etc/host", |entry| entry.meta.mtime = NOW);
    });
    let all: Vec<&Difference> = found.iter().collect();
    assert_snapshot!(diff("web without its upper", "with it", &all, &PLAIN), @r"
    web without its upper → with it
    C  /bin/tool       content (size still 2.0 KiB)        copied up 2.0 KiB
                       mode 0644 → 4755, owner 0:0 → 33:0
                       xattr user.\x1b
    D  /doc/           and 2 paths beneath it
    C  /etc/host       time 02:13:20Z → 05:39:05Z          copied up 3 B
    C  /etc/motd       content (size still 26 B)           copied up 26 B
    C  /etc/passwd     content 839 B → 848 B               copied up 839 B
    C  /l              target old → new
    A  /p -> etc/motd
    A  /srv/
    A  /srv/www/
    A  /srv/www/index  15 B
    4 added, 5 changed, 1 deleted; 2.8 KiB copied up
    ");
    assert_snapshot!(diff("web without its upper", "with it", &all, &Style { width: 60, ..ASCII }), @r"
    web without its upper -> with it
    C  /bin/tool       content (size still 2~  copied up 2.0 KiB
                       mode 0644 -> 4755
                       owner 0:0 -> 33:0
                       xattr user.\x1b
    D  /doc/           and 2 paths beneath it
    C  /etc/host       time 02:13:20Z -> 05:~  copied up 3 B
    C  /etc/motd       content (size still 2~  copied up 26 B
    C  /etc/passwd     content 839 B -> 848 B  copied up 839 B
    C  /l              target old -> new
    A  /p -> etc/motd
    A  /srv/
    A  /srv/www/
    A  /srv/www/index  15 B
    4 added, 5 changed, 1 deleted; 2.8 KiB copied up
    ");
    let color = Style { color: true, ..PLAIN };
    assert_snapshot!(visible(&diff("base", "app", &all[..2], &color)), @r"
    <b>base → app</>
    <166>C</>  <166>/bin/tool</>  content (size still 2.0 KiB), mode 0644 → 4755  copied up 2.0 KiB
                  owner 0:0 → 33:0, xattr user.\x1b
    <160>D</>  <160>/doc/</>      and 2 paths beneath it
    <243>1 changed, 1 deleted; 2.0 KiB copied up</>
    ");
    assert_snapshot!(diff("base", "app", &[], &PLAIN), @"no differences between base and app");
}

#[test]
fn many_differences_are_bounded_and_summed_up_whole() {
    let text = (0..1234).map(|file| format!("f{file:04}=1")).collect::<Vec<_>>().join(" ");
    let found = differences(&["", &text], |_| ());
    let drawn = diff("base", "app", &found.iter().collect::<Vec<_>>(), &PLAIN);
    let lines: Vec<&str> = drawn.lines().collect();
    assert_eq!(lines.len(), 1 + 200 + 2);
    assert_snapshot!(lines[200..].join("\n"), @r"
    A  /f0199  1 B
    1,234 added
    1,034 of 1,234 changes are not shown: the array that `diff` gives has all
    ");
}

fn life(names: &[&str], texts: &[&str], at: &str) -> ExplainReport {
    let layers = layers(texts);
    ExplainReport {
        layers: labels(names),
        life: overlay::explain(&stack(&layers), &path(at), &mut |_, _, _| true),
    }
}

#[test]
fn the_life_of_a_path_in_words() {
    assert_snapshot!(explain(&life(&NAMES, &LESSON, "1"), &PLAIN), @r"
    /1
    1. base creates it: a file of 11 B; mode 0644, owner 0:0
    2. upper copies it up to change it; the one in base is hidden
    The union shows: a file of 11 B, from upper; mode 0644, owner 0:0
    ");
    assert_snapshot!(explain(&life(&NAMES, &LESSON, "2"), &PLAIN), @r"
    /2
    1. base creates it: a file of 14 B; mode 0644, owner 0:0
    2. upper deletes it: a whiteout hides the one in base
    The union shows: nothing; it is deleted in upper
    ");
    assert_snapshot!(explain(&life(&NAMES, &LESSON, "app"), &PLAIN), @r"
    /app
    1. base creates it: a directory; mode 0755, owner 0:0
    2. app has this directory too: both merge
    The union shows: a directory, from app; mode 0755, owner 0:0
    ");
    assert_snapshot!(explain(&life(&NAMES, &LESSON, "nothing"), &PLAIN), @r"
    /nothing
    The union shows: nothing; no layer ever held it
    ");
    let texts = ["etc/motd=1", "-etc", "etc!/"];
    assert_snapshot!(explain(&life(&NAMES, &texts, "etc/motd"), &ASCII), @r"
    /etc/motd
    1. base creates it: a file of 1 B; mode 0644, owner 0:0
    2. app takes it away with its parent /etc
    The union shows: nothing; it went with /etc in app
    ");
    assert_snapshot!(explain(&life(&NAMES, &texts, "etc"), &PLAIN), @r"
    /etc
    1. base creates it: a directory; mode 0755, owner 0:0
    2. app deletes it: a whiteout hides the one in base
    3. upper creates it: a directory; mode 0755, owner 0:0
    The union shows: a directory, from upper; mode 0755, owner 0:0
    ");
    let color = Style { color: true, ..PLAIN };
    assert_snapshot!(visible(&explain(&life(&NAMES, &LESSON, "2"), &color)), @r"
    <b>/2</>
    <243>1. </><33>base</> creates it: a file of 14 B; mode 0644, owner 0:0
    <243>2. </><163>upper</> deletes it: a whiteout hides the one in base
    <b>The union shows:</> nothing; it is deleted in upper
    ");
}

#[test]
fn long_sentences_go_on_under_their_first_word() {
    let names = ["a-project-with-a-long-name/base", "a-project-with-a-long-name/app", "upper"];
    assert_snapshot!(explain(&life(&names, &LESSON, "app/hello.txt"), &Style { width: 60, ..PLAIN }), @r"
    /app/hello.txt
    1. a-project-with…-long-name/base creates it: a file of
       15 B; mode 0644, owner 0:0
    2. a-project-with-a-long-name/app has its own copy: content
       15 B → 16 B; the one in a-project-with-a-long-name/base
       is hidden
    The union shows: a file of 16 B, from
      a-project-with-a-long-name/app; mode 0644, owner 0:0
    ");
}

#[test]
fn the_entries_of_a_layer_as_a_long_listing() {
    let mut layer = crate::overlay::tests::layer("a=20480 d/ e!/ l>/to/there -gone");
    edit_entry(&mut layer, "a", |entry| {
        entry.meta.uid = 1000;
        entry.meta.xattrs.insert(b"user.x"[..].into(), b"1"[..].into());
    });
    let changes = || layer.iter().filter(|(path, _)| !path.is_root());
    assert_snapshot!(entries(changes(), changes().count(), &PLAIN), @r"
    kind      mode  owner       size  path
    file      0644  1000:0  20.0 KiB  /a               1 xattr
    dir       0755  0:0               /d
    opaque    0755  0:0               /e
    whiteout                          /gone
    symlink   0644  0:0               /l -> /to/there
    ");
    assert_snapshot!(entries(std::iter::empty(), 0, &PLAIN), @"no changes");
    let many = (0..300).map(|file| format!("f{file}=1")).collect::<Vec<_>>().join(" ");
    let layer = crate::overlay::tests::layer(&many);
    let changes = layer.iter().filter(|(path, _)| !path.is_root());
    assert_snapshot!(entries(changes, 300, &PLAIN).lines().last().unwrap(), @"100 of 300 changes are not shown: a `for` over `entries()` goes through all");
}
