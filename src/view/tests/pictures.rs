//! The picture of `show()`.

use insta::assert_snapshot;

use super::super::stack;
use super::*;
use crate::view::Paint;

#[test]
fn the_picture_of_the_lesson() {
    let mut report = shown(&NAMES, &LESSON);
    report.layers[1].message = Some("add the app\n\nfor the lesson\n".to_owned());
    assert_snapshot!(stack(&report, &PLAIN), @r#"
    web  overlay  /store/mounts/web/merged           3 layers
    ▲ upper  rw  uncommitted                   +1 ~1 -1  20 B
    │ app    ro  a172cedcae47  "add the app…"  ~1        16 B
    ▼ base   ro  cae662172fd4                  +4        40 B

    merged                  upper   app   base
    ├─ 1             11 B     ●      ·     ○      upper hides base
    ├─ 2                      ✕      ·     ○      deleted: a whiteout hides base
    ├─ app/                   ·      ●     ∪
    │  └─ hello.txt  16 B     ·      ●     ○      app hides base
    └─ d              9 B     ●      ·     ·      new in upper
    ● supplies   ∪ merged in   ○ hidden   ✕ whiteout   · not here
    "#);
    assert_snapshot!(stack(&report, &ASCII), @r#"
    web  overlay  /store/mounts/web/merged           3 layers
    ^ upper  rw  uncommitted                   +1 ~1 -1  20 B
    | app    ro  a172cedcae47  "add the app~"  ~1        16 B
    v base   ro  cae662172fd4                  +4        40 B

    merged                  upper   app   base
    |- 1             11 B     *      .     o      upper hides base
    |- 2                      x      .     o      deleted: a whiteout hides base
    |- app/                   .      *     +
    |  `- hello.txt  16 B     .      *     o      app hides base
    `- d              9 B     *      .     .      new in upper
    * supplies   + merged in   o hidden   x whiteout   . not here
    "#);
    assert_snapshot!(visible(&stack(&report, &Style { color: true, ..PLAIN })), @r#"
    <b>web</>  overlay  /store/mounts/web/merged           3 layers
    <163>▲ upper</>  rw  uncommitted                   <28>+1</> <166>~1</> <160>-1</>  20 B
    <136>│ app</>    ro  a172cedcae47  "add the app…"  <166>~1</>        16 B
    <33>▼ base</>   ro  cae662172fd4                  <28>+4</>        40 B

    <b>merged</>                  <163>upper</>   <136>app</>   <33>base</>
    <243>├─ </><163>1</>             11 B     <163>●</>      <243>·</>     <33>○</>      <243>upper hides base</>
    <243>├─ </><160>2</>                      <160>✕</>      <243>·</>     <33>○</>      <160>deleted: a whiteout hides base</>
    <243>├─ </><136>app/</>                   <243>·</>      <136>●</>     <33>∪</>
    <243>│  └─ </><136>hello.txt</>  16 B     <243>·</>      <136>●</>     <33>○</>      <243>app hides base</>
    <243>└─ </><163>d</>              9 B     <163>●</>      <243>·</>     <243>·</>      <243>new in upper</>
    <243>●</> <243>supplies</>   <243>∪</> <243>merged in</>   <243>○</> <243>hidden</>   <160>✕</> <243>whiteout</>   <243>·</> <243>not here</>
    "#);
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let report = shown(&NAMES, &LESSON);
    let coloured = stack(&report, &Style { color: true, ..PLAIN });
    assert_ne!(coloured, stack(&report, &PLAIN));
    assert_eq!(stripped(&coloured), stack(&report, &PLAIN));
}

#[test]
fn names_in_columns_and_notes_are_as_short_as_they_can_be_told_apart() {
    let names = ["demo-overlayfs/base", "demo-overlayfs/app", "upper"];
    assert_snapshot!(stack(&shown(&names, &LESSON), &PLAIN), @r"
    web  overlay  /store/mounts/web/merged         3 layers
    ▲ upper                rw  uncommitted   +1 ~1 -1  20 B
    │ demo-overlayfs/app   ro  21cde005b1d4  ~1        16 B
    ▼ demo-overlayfs/base  ro  8764413d4f76  +4        40 B

    merged                 upper  …/app  …/base
    ├─ 1             11 B    ●      ·      ○       upper hides …/base
    ├─ 2                     ✕      ·      ○       deleted: a whiteout hides …/base
    ├─ app/                  ·      ●      ∪
    │  └─ hello.txt  16 B    ·      ●      ○       …/app hides …/base
    └─ d              9 B    ●      ·      ·       new in upper
    ● supplies   ∪ merged in   ○ hidden   ✕ whiteout   · not here
    ");
    assert_snapshot!(stack(&shown(&names, &LESSON), &ASCII), @r"
    web  overlay  /store/mounts/web/merged         3 layers
    ^ upper                rw  uncommitted   +1 ~1 -1  20 B
    | demo-overlayfs/app   ro  21cde005b1d4  ~1        16 B
    v demo-overlayfs/base  ro  8764413d4f76  +4        40 B

    merged                 upper  ...app  ...base
    |- 1             11 B    *      .        o       upper hides ...base
    |- 2                     x      .        o       deleted: a whiteout hides ...b~
    |- app/                  .      *        +
    |  `- hello.txt  16 B    .      *        o       ...app hides ...base
    `- d              9 B    *      .        .       new in upper
    * supplies   + merged in   o hidden   x whiteout   . not here
    ");
}

#[test]
fn a_name_that_is_the_end_of_another_stays_whole() {
    let report = shown(&["app", "team/app", "team/web/main", "team/db/main"], &["a=1", "b=1", "c=1", "d=1"]);
    assert_snapshot!(stack(&report, &PLAIN), @r"
    web  overlay  /store/mounts/web/merged  4 layers
    ▲ team/db/main   ro  6f0fea16b0f9  +1  1 B
    │ team/web/main  ro  c59004ec9a8b  +1  1 B
    │ team/app       ro  e46f7d747838  +1  1 B
    ▼ app            ro  a172cedcae47  +1  1 B

    merged        …/db/main   …/web/main   team/app   app
    ├─ a    1 B       ·           ·           ·        ●
    ├─ b    1 B       ·           ·           ●        ·     new in team/app
    ├─ c    1 B       ·           ●           ·        ·     new in …/web/main
    └─ d    1 B       ●           ·           ·        ·     new in …/db/main
    ● supplies   · not here
    ");
}

#[test]
fn columns_with_the_same_heading_are_numbered() {
    let names = [
        "service-frontend-of-the-shop-v1",
        "service-backend-for-the-shop-v1",
        "service-database-of-a-shop-v1",
    ];
    let report = shown(&names, &["a=1", "a=1", "a=1"]);
    let narrow = Style { width: 60, ..PLAIN };
    assert_snapshot!(stack(&report, &narrow), @r"
    web  overlay  /store/mounts/web/merged           3 layers
    ▲ 3 service-da…se-of-a-shop-v1  ro  ab12a44f7f1f  ~1  1 B
    │ 2 service-ba…for-the-shop-v1  ro  4c49be6ed8d5  ~1  1 B
    ▼ 1 service-fr…-of-the-shop-v1  ro  3955ed009100  +1  1 B

    merged        3 2 1
    └─ a    1 B   ● ○ ○    service-database-of-a-shop-v1 hides…
    ● supplies   ○ hidden
    ");
}

#[test]
fn opaque_directories_what_goes_with_a_parent_and_what_comes_back() {
    let texts = [
        "etc/motd=1 etc/issue=2 var/x=1 old=1 gone/a=1",
        "-old etc/issue=3 -gone",
        "etc!/ etc/motd=4 old=7 var=1",
    ];
    assert_snapshot!(stack(&shown(&NAMES, &texts), &PLAIN), @r"
    web  overlay  /store/mounts/web/merged  3 layers
    ▲ upper  rw  uncommitted   +1 ~2 -1  12 B
    │ app    ro  a172cedcae47  ~1 -2      3 B
    ▼ base   ro  cae662172fd4  +8         6 B

    merged             upper   app   base
    ├─ etc/              ⊘      ○     ○      upper cuts off app (opaque)
    │  ├─ issue          ·      ○     ○      gone with its parent in upper
    │  └─ motd   4 B     ●      ·     ○      new in upper
    ├─ gone/             ·      ✕     ○      deleted: a whiteout hides base
    │  └─ a              ·      ·     ○      gone with its parent in app
    ├─ old       7 B     ●      ✕     ○      back in upper: app had deleted it
    └─ var       1 B     ●      ·     ○      upper hides base
       └─ x              ·      ·     ○      gone with its parent in upper
    ● supplies   ○ hidden   ✕ whiteout   ⊘ opaque   · not here
    ");
}

#[test]
fn a_stack_that_is_not_mounted_and_one_that_holds_nothing() {
    let report = StackReport {
        driver: None,
        merged: None,
        host_path: None,
        title: "base".to_owned(),
        handle: Handle::Named,
        ..shown(&["base"], &["a=1 l>../to/there"])
    };
    assert_snapshot!(stack(&report, &PLAIN), @r"
    base  stack               1 layer
    ▼ base  ro  cae662172fd4  +2  1 B

    merged                     base
    ├─ a                 1 B    ●
    └─ l -> ../to/there         ●
    ● supplies
    ");
    let report = StackReport { mounted: false, ..shown(&["base", "upper"], &["", ""]) };
    assert_snapshot!(stack(&report, &PLAIN), @r"
    web  overlay  not mounted  /store/mounts/web/merged  2 layers
    ▲ upper  rw  uncommitted   no changes  0 B
    ▼ base   ro  cae662172fd4  no changes  0 B

    the union is empty: no layer holds anything
    ");
}

#[test]
fn a_mount_in_a_namespace_tells_where_it_is_found_from_outside() {
    let path = "/proc/4242/root/home/user/.local/share/ufs/mounts/web/merged";
    let host_path = Some(path.into());
    let report = StackReport { host_path, ..shown(&["base", "upper"], &["a=1", ""]) };
    assert_snapshot!(stack(&report, &PLAIN), @r"
    web  overlay  /store/mounts/web/merged  2 layers
    from another terminal: /proc/4242/root/home/user/.local/share/ufs/mounts/web/merged
    ▲ upper  rw  uncommitted   no changes  0 B
    ▼ base   ro  cae662172fd4  +1          1 B

    merged        upper   base
    └─ a    1 B     ·      ●
    ● supplies   · not here
    ");
    let narrow = stack(&report, &Style::plain(60));
    assert!(narrow.contains(&format!("from another terminal: {path}\n")), "whole, to be copied: {narrow}");
}

#[test]
fn two_host_directories_of_one_name_are_told_apart_by_their_paths() {
    let mut report = shown(&["etc", "etc"], &["a=1", "a=2"]);
    for (label, path) in report.layers.iter_mut().zip(["/srv/one/etc", "/srv/two/etc"]) {
        *label = LayerLabel { role: Role::Host, id: None, path: Some(path.into()), ..label.clone() };
    }
    assert_snapshot!(stack(&report, &PLAIN), @r"
    web  overlay  /store/mounts/web/merged  2 layers
    ▲ etc  ro  in place  /srv/two/etc  ~1  2 B
    ▼ etc  ro  in place  /srv/one/etc  +1  1 B

    merged        …/two/etc   …/one/etc
    └─ a    2 B       ●           ○        …/two/etc hides …/one/etc
    ● supplies   ○ hidden
    ");
}

#[test]
fn each_layer_has_a_colour_of_its_own_and_the_upper_always_the_same() {
    let of = |names: &[&str]| -> Vec<Paint> {
        let labels = labels(names);
        (0..labels.len()).map(|layer| Paint::of_layer(&labels, layer)).collect()
    };
    let two = of(&["a", "upper"]);
    let six = of(&["a", "b", "c", "d", "e", "f", "upper"]);
    assert_eq!(two[0], six[0]);
    assert_eq!(two[1], six[6]);
    let style = Style { color: true, ..PLAIN };
    let drawn: std::collections::BTreeSet<String> =
        six.iter().chain(&[Paint::Deleted]).map(|&paint| style.paint(paint, "x")).collect();
    assert_eq!(drawn.len(), 8, "{drawn:?}");
}
