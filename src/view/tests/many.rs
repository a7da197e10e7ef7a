//! Many layers and many paths: pictures stay bounded, and tell how to see the rest.

use insta::assert_snapshot;

use super::super::{escape, stack, tree};
use super::*;
use crate::model::Node;
use crate::overlay::tests::{entry, path};

/// A mount of so many layers, each with one file of its own and one that all have.
fn tower(count: usize) -> StackReport {
    let names: Vec<String> =
        (1..count).map(|layer| format!("app/layer-{layer}")).chain(["upper".into()]).collect();
    let texts: Vec<String> = (1..count)
        .map(|layer| format!("shared={layer} d{}/f{layer}=1", layer % 3))
        .chain(["-d1/f1".into()])
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    mounted(&layers(&texts), labels(&names), 12)
}

#[test]
fn seven_layers_have_numbered_columns() {
    assert_snapshot!(stack(&tower(7), &PLAIN), @r"
    web  overlay  /store/mounts/web/merged  7 layers
    ▲ 7 upper        rw  uncommitted   -1     0 B
    │ 6 app/layer-6  ro  eb361219af8e  +1 ~1  7 B
    │ 5 app/layer-5  ro  94b78ae696f5  +1 ~1  6 B
    │ 4 app/layer-4  ro  52d9395c1d0f  +1 ~1  5 B
    │ 3 app/layer-3  ro  a9c6294632cf  +2 ~1  4 B
    │ 2 app/layer-2  ro  e1d637c2ed34  +2 ~1  3 B
    ▼ 1 app/layer-1  ro  5e55e8f8cf65  +3     2 B

    merged           7 6 5 4 3 2 1
    ├─ d0/           · ● · · ∪ · ·
    │  ├─ f3   1 B   · · · · ● · ·    new in …/layer-3
    │  └─ f6   1 B   · ● · · · · ·    new in …/layer-6
    ├─ d1/           ● · · ∪ · · ∪
    │  ├─ f1         ✕ · · · · · ○    deleted: a whiteout hides …/layer-1
    │  └─ f4   1 B   · · · ● · · ·    new in …/layer-4
    ├─ d2/           · · ● · · ∪ ·
    │  ├─ f2   1 B   · · · · · ● ·    new in …/layer-2
    │  └─ f5   1 B   · · ● · · · ·    new in …/layer-5
    └─ shared  6 B   · ● ○ ○ ○ ○ ○    …/layer-6 hides …/layer-5
    ● supplies   ∪ merged in   ○ hidden   ✕ whiteout   · not here
    ");
}

#[test]
fn twenty_layers_have_columns_side_by_side() {
    assert_snapshot!(stack(&tower(20), &PLAIN), @r#"
    web  overlay  /store/mounts/web/merged  20 layers
    ▲ 20 upper         rw  uncommitted   -1      0 B
    │ 19 app/layer-19  ro  56a417d3fc81  +1 ~1  20 B
    │ 18 app/layer-18  ro  087dd4dbaf0b  +1 ~1  19 B
    │ 17 app/layer-17  ro  f9c83e440585  +1 ~1  18 B
    │ 16 app/layer-16  ro  309f2eff8281  +1 ~1  17 B
    │ 15 app/layer-15  ro  6ee466171ce0  +1 ~1  16 B
    │ 14 app/layer-14  ro  e570eb93273c  +1 ~1  15 B
    │ 13 app/layer-13  ro  5fa06ed52797  +1 ~1  14 B
    │ 12 app/layer-12  ro  86a92c9b3072  +1 ~1  13 B
    │ 11 app/layer-11  ro  5707d9ea57b7  +1 ~1  12 B
    │ 10 app/layer-10  ro  4277ee7a3120  +1 ~1  11 B
    │  9 app/layer-9   ro  816401fbcff0  +1 ~1  10 B
    │  8 app/layer-8   ro  34c5d3ae16ec  +1 ~1   9 B
    │  7 app/layer-7   ro  05c17d6121c3  +1 ~1   8 B
    │  6 app/layer-6   ro  eb361219af8e  +1 ~1   7 B
    │  5 app/layer-5   ro  94b78ae696f5  +1 ~1   6 B
    │  4 app/layer-4   ro  52d9395c1d0f  +1 ~1   5 B
    │  3 app/layer-3   ro  a9c6294632cf  +2 ~1   4 B
    │  2 app/layer-2   ro  e1d637c2ed34  +2 ~1   3 B
    ▼  1 app/layer-1   ro  5e55e8f8cf65  +3      2 B

                           21111111111
    merged                 09876543210987654321
    ├─ d0/                 ··●··∪··∪··∪··∪··∪··
    │  ├─ f12         1 B  ········●···········    new in …/layer-12
    │  ├─ f15         1 B  ·····●··············    new in …/layer-15
    │  ├─ f18         1 B  ··●·················    new in …/layer-18
    │  ├─ f3          1 B  ·················●··    new in …/layer-3
    │  ├─ f6          1 B  ··············●·····    new in …/layer-6
    │  └─ f9          1 B  ···········●········    new in …/layer-9
    ├─ d1/ … 5 more        ●∪··∪··∪··∪··∪··∪··∪
    │  ├─ f1               ✕··················○    deleted: a whiteout hides …/laye…
    │  └─ f10         1 B  ··········●·········    new in …/layer-10
    ├─ d2/ … 6 more        ···●··∪··∪··∪··∪··∪·
    └─ shared        19 B  ·●○○○○○○○○○○○○○○○○○○    …/layer-19 hides …/layer-18
    ● supplies   ∪ merged in   ○ hidden   ✕ whiteout   · not here
    11 of 23 paths are not shown: see them with ls("/d2") or find("/d2/**")
    "#);
}

#[test]
fn a_hundred_layers_are_named_where_they_count() {
    assert_snapshot!(stack(&tower(100), &PLAIN), @r#"
    web  overlay  /store/mounts/web/merged  100 layers
    ▲ 100 upper         rw  uncommitted   -1       0 B
    │  99 app/layer-99  ro  1670a6e2150e  +1 ~1  100 B
    │  98 app/layer-98  ro  6335f31563e7  +1 ~1   99 B
    │  97 app/layer-97  ro  48c747a19367  +1 ~1   98 B
    │  96 app/layer-96  ro  f16876f8aa39  +1 ~1   97 B
    │  95 app/layer-95  ro  3ba279aec690  +1 ~1   96 B
    │  94 app/layer-94  ro  066955cc5bb6  +1 ~1   95 B
    │  93 app/layer-93  ro  06760997b654  +1 ~1   94 B
    │  92 app/layer-92  ro  2d36c40cffc1  +1 ~1   93 B
    │  91 app/layer-91  ro  0850e697c697  +1 ~1   92 B
    │  90 app/layer-90  ro  5f02c01cee69  +1 ~1   91 B
    │  89 app/layer-89  ro  5f8ccc05cbc2  +1 ~1   90 B
    │ … 84 more layers: history() lists them
    │   4 app/layer-4   ro  52d9395c1d0f  +1 ~1    5 B
    │   3 app/layer-3   ro  a9c6294632cf  +2 ~1    4 B
    │   2 app/layer-2   ro  e1d637c2ed34  +2 ~1    3 B
    ▼   1 app/layer-1   ro  5e55e8f8cf65  +3       2 B

    merged                  from
    ├─ d0/ … 26 more        ● …/layer-99
    │  ├─ f12          1 B  ● …/layer-12    new
    │  ├─ f15          1 B  ● …/layer-15    new
    │  ├─ f18          1 B  ● …/layer-18    new
    │  ├─ f21          1 B  ● …/layer-21    new
    │  ├─ f24          1 B  ● …/layer-24    new
    │  ├─ f27          1 B  ● …/layer-27    new
    │  └─ f3           1 B  ● …/layer-3     new
    ├─ d1/ … 32 more        ● upper
    │  └─ f1                ✕ upper         deleted: a whiteout hides …/layer-1
    ├─ d2/ … 33 more        ● …/layer-98
    └─ shared         99 B  ● …/layer-99    hides …/layer-98
    ● supplies   ✕ whiteout
    91 of 103 paths are not shown: see them with ls("/d2") or find("/d2/**")
    "#);
}

#[test]
fn five_hundred_layers_fit_in_eighty_columns_and_a_screenful() {
    let drawn = stack(&tower(500), &PLAIN);
    assert!(drawn.lines().all(|line| escape::width(line) <= 80), "{drawn}");
    assert!(drawn.lines().count() < 40, "{drawn}");
    assert!(drawn.contains("… 484 more layers: history() lists them"), "{drawn}");
}

/// A base of 100 directories with 1,000 files each, and an upper that changes one.
fn huge() -> [Changeset; 2] {
    let mut base = crate::overlay::tests::layer("");
    for dir in 0..100 {
        base.insert(path(&format!("dir{dir:02}")), entry(Node::Dir { opaque: false }));
        for file in 0..1000 {
            base.insert(path(&format!("dir{dir:02}/f{file:03}")), entry(Node::File { size: 1 }));
        }
    }
    [base, crate::overlay::tests::layer("dir07/f500=2")]
}

#[test]
fn a_hundred_thousand_files_have_a_bounded_picture_that_tells_how_to_see_the_rest() {
    let report = mounted(&huge(), labels(&["base", "upper"]), 8);
    assert_snapshot!(stack(&report, &PLAIN), @r#"
    web  overlay  /store/mounts/web/merged  2 layers
    ▲ upper  rw  uncommitted   ~1             2 B
    ▼ base   ro  cae662172fd4  +100,100  97.7 KiB

    merged                        upper   base
    ├─ dir00/ … 1,000 more          ·      ●
    ├─ dir01/ … 1,000 more          ·      ●
    ├─ dir02/ … 1,000 more          ·      ●
    └─ dir07/ … 999 more            ●      ∪
       └─ f500              2 B     ●      ○      upper hides base
    ● supplies   ∪ merged in   ○ hidden   · not here
    100,095 of 100,100 paths are not shown: see them with ls("/dir02") or
      find("/dir02/**")
    "#);
    let ends = |handle: Handle, title: &str| {
        let report = StackReport { handle, title: title.to_owned(), ..report.clone() };
        stack(&report, &Style { width: 120, ..PLAIN }).lines().last().unwrap().to_owned()
    };
    assert_snapshot!(ends(Handle::Mount, "web"), @r#"100,095 of 100,100 paths are not shown: see them with use_mount("web").tree("/dir02")"#);
    assert_snapshot!(ends(Handle::Named, "demo/base"), @r#"100,095 of 100,100 paths are not shown: see them with tree("demo/base", "/dir02")"#);
    let stacked =
        StackReport { layers: labels(&["demo/base", "demo/app"]), handle: Handle::Layers, ..report.clone() };
    assert_snapshot!(stack(&stacked, &Style { width: 120, ..PLAIN }).lines().last().unwrap(), @r#"100,095 of 100,100 paths are not shown: see them with tree(["demo/base", "demo/app"], "/dir02")"#);
}

#[test]
fn a_directory_whose_name_is_no_text_is_not_proposed() {
    let mut layer = crate::overlay::tests::layer("aa/1=1 aa/2=1");
    let dir = crate::model::LayerPath::parse(b"b\xff").unwrap();
    layer.insert(dir.clone(), entry(Node::Dir { opaque: false }));
    for file in 0..9 {
        let name = [b"b\xff/", format!("{file}").as_bytes()].concat();
        layer.insert(crate::model::LayerPath::parse(&name).unwrap(), entry(Node::File { size: 1 }));
    }
    let report = mounted(&[layer], labels(&["base"]), 2);
    assert_snapshot!(stack(&report, &PLAIN), @r#"
    web  overlay  /store/mounts/web/merged  1 layer
    ▼ base  ro  cae662172fd4  +13  11 B

    merged               base
    ├─ aa/ … 2 more       ●
    └─ b\xff/ … 9 more    ●
    ● supplies
    11 of 13 paths are not shown: see them with ls("/aa") or find("/aa/**")
    "#);
}

#[test]
fn a_bounded_tree_tells_how_to_see_the_rest() {
    let text = "a/b/c/d=1 a/b/e=1 f/g=1 h/";
    let report = tree_of(&["base"], &[text], "", 6);
    assert_snapshot!(tree(&report, &PLAIN), @r#"
    web:/
    ├─ a/
    │  └─ b/
    ├─ f/
    │  └─ g   1 B
    └─ h/
    3 more paths are not shown: see what is in a directory with tree("web", "/a/b")
    "#);
}
