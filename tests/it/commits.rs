//! Upper to layer: commit, reset, squash, and that sealed layers never change.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::program::{Place, holds, overlay_works};

/// All that a tree is: kinds, modes, owners, sizes, times (the inode's too) and content of every file.
fn fingerprint(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        let meta = path.symlink_metadata().unwrap();
        let what = if meta.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|item| item.unwrap().path()));
            String::new()
        } else if meta.is_file() {
            String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
        } else {
            format!("{:?} {}", std::fs::read_link(&path).ok(), meta.rdev())
        };
        let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
        let told =
            format!("{:o} {}:{} {} {times:?} {what}", meta.mode(), meta.uid(), meta.gid(), meta.nlink());
        all.insert(path.strip_prefix(dir).unwrap().to_owned(), told);
    }
    all
}

#[test]
fn a_commit_without_a_name_remembers_its_stack_as_long_as_anything_reaches_it() {
    let place = Place::new();
    place
        .code(
            r#"
            layer("base").write("/a", "1"); let m = mount_direct("base", #{ name: "m" });
            m.write("/b", "2"); let one = m.commit(); m.write("/c", "3"); let two = m.commit();
            assert_eq(one.name, ()); assert_eq(one.stack.len(), 2); assert_eq(two.stack.map(|l| l.id), [layer("base").id, one.id, two.id]);
            assert_eq(m.stack.map(|l| l.stack.len()), [1, 2, 3]); assert_eq(layer(one.id).stack, one.stack);
            assert_eq(collect().layers, 0);
            let again = mount_direct(two); assert_eq(again.ls(), ["a", "b", "c"]); again.discard();
            // a handle is enough
            m.discard(); assert_eq(collect().layers, 0); assert_eq(mount_direct(one, #{ name: "o" }).ls(), ["a", "b"]);
            use_mount("o").discard();
            one = (); two = (); again = (); assert_eq(collect().layers, 2);
            "#,
        )
        .ok();
}

#[test]
fn commits_without_a_name_are_kept_from_run_to_run() {
    let place = Place::new();
    let made = "layer(\"base\").write(\"/a\", \"1\"); mount_direct(\"base\", #{ name: \"m\" }); write(\"/b\", \"2\"); commit();";
    holds(&place.code(made).err, &["`m` has commits without a name"]);
    for _ in 0..2 {
        // gone on with, and left as it was
        let ran = place
            .code("collect(); assert_eq(use_mount(\"m\").stack.len(), 2); assert_eq(ls(), [\"a\", \"b\"]);");
        holds(&ran.err, &["`m` has commits without a name"]);
        ran.ok();
    }
    place.code("let l = use_mount(\"m\").commit(\"app\"); assert_eq(l.stack.len(), 2); assert_eq(l.name, \"app\");").ok();
    assert_eq!(place.code("mounts().len() + collect().layers + layer(\"app\").stack.len()").ok(), "2\n");
    // mounted by its ID alone, it is nobody's commit
    place.code("let id = layer(\"app\").id; remove(\"app\"); mount_direct(id); ()").ok();
    assert_eq!(place.code("mounts().len()").ok(), "0\n");
}

fn fifty_commits(mount: &str) {
    let place = Place::new();
    place
        .code(&format!(
            "let b = layer(\"base\"); b.write(\"/log\", \"\"); b.write(\"/d/keep\", \"k\"); {mount}(b, #{{ name: \"m\" }}); \
             for i in 0..25 {{ append_to(\"/log\", `${{i}};`); write(`/f${{i}}`, `${{i}}`); if i > 0 {{ rm(`/f${{i - 1}}`); }} \
             commit(`c${{i}}`, `change ${{i}}`); }} ()"
        ))
        .ok();
    let layers = place.store().join("layers");
    let before = fingerprint(&layers);
    place
        .code(&format!(
            "{mount}(\"c24\"); let where = use_mount(mounts()[0]); for i in 25..50 {{ append_to(\"/log\", `${{i}};`); \
             write(`/f${{i}}`, `${{i}}`); rm(`/f${{i - 1}}`); assert_eq(commit(`c${{i}}`, `change ${{i}}`).stack.len(), i + 2); }} \
             assert_eq(read(\"/log\").split(\";\").len(), 51); assert_eq(ls(), [\"d\", \"f49\", \"log\"]); assert(check(#{{ deep: true }}).is_empty());"
        ))
        .ok();
    let after = fingerprint(&layers);
    for (path, told) in &before {
        // the directory that all layers lie in has more of them now
        if path.components().count() > 1 {
            assert_eq!(after.get(path), Some(told), "{}", path.display());
        }
    }
    assert!(after.len() > before.len());
    place
        .code(
            "let h = history(\"c49\"); assert_eq(h.len(), 51); assert_eq(h[0].name, \"base\"); \
             for i in 0..50 { let c = layer(`c${i}`); assert_eq(c.message, `change ${i}`); assert_eq(h[i + 1].id, c.id); \
             assert_eq(h[i + 1].message, `change ${i}`); assert_eq(h[i + 1].chain_id, c.chain_id); assert_eq(c.stack.len(), i + 2); \
             assert_eq(c.read(`/f${i}`), `${i}`); assert(c.created > 0); }",
        )
        .ok();
}

#[test]
fn fifty_commits_in_a_row_leave_all_older_layers_as_they_are() {
    fifty_commits("mount_direct");
}

#[test]
fn fifty_commits_in_a_row_at_one_mount_point_of_the_kernel() {
    if overlay_works() {
        fifty_commits("mount_overlay");
    }
}

#[test]
fn a_commit_gives_the_new_layer_and_a_fresh_upper_at_the_same_place() {
    Place::new()
        .code(
            r#"
            layer("base").write("/a", "1"); let m = mount_direct("base"); let id = layer("base").id;
            write("/b", "2"); rm("/a");
            let app = commit("app", "add b");
            assert_eq(app.name, "app"); assert_eq(app.message, "add b"); assert(app.sealed); assert_eq(app.files, 1);
            assert_eq(app.stack.map(|l| l.name), ["base", "app"]); assert_eq(app.entries().to_array().map(|e| e.kind), ["whiteout", "file"]);
            assert_eq(diff(), []); assert_eq(m.upper.entries().len(), 0); assert_eq(m.stack.len(), 2); assert_eq(ls(), ["b"]);
            assert_eq(layer("base").id, id); assert_eq(layer("base").read("/a"), "1");
            assert(app.chain_id != app.diff_id); assert(layer("base").chain_id == layer("base").diff_id);
            "#,
        )
        .ok();
}

#[test]
fn a_commit_without_changes_gives_the_top_layer_with_a_note() {
    let ran = Place::new().code(
        "layer(\"b\").write(\"/a\", \"1\"); let m = mount_direct(\"b\"); assert(commit() == layer(\"b\")); \
         let other = m.commit(\"other\"); assert(other == layer(\"b\")); assert_eq(other.name, \"other\");",
    );
    holds(&ran.err, &["`m1` has no changes: the top layer stays as it is"]);
    ran.ok();
}

#[test]
fn a_name_that_moves_to_another_layer_is_told_and_a_drafts_name_is_refused() {
    let place = Place::new();
    let ran = place.code("let b = layer(\"b\"); mount_direct(b); write(\"/a\", \"1\"); commit(\"b\"); print(b.id.sub_string(0, 12));");
    holds(&ran.err, &["`b` stood for layer ", ran.out.trim()]);
    ran.ok();
    place.code("layer(\"draft\").write(\"/x\", \"1\")").ok();
    let err =
        place.code("mount_direct(\"b\", #{ name: \"w\" }); write(\"/c\", \"1\"); commit(\"draft\")").fails(1);
    holds(&err, &["layer `draft` is a draft", "remove(\"draft\")", "`w` has uncommitted changes"]);
}

#[test]
fn equal_commits_are_stored_once() {
    let place = Place::new().with("SOURCE_DATE_EPOCH", "1000000000");
    place
        .code(
            "layer(\"b\").write(\"/a\", \"1\"); for n in [\"x\", \"y\"] { mount_direct(\"b\"); write(\"/new\", \"same\"); commit(n); } \
             assert_eq(layer(\"x\").id, layer(\"y\").id);",
        )
        .ok();
    assert_eq!(std::fs::read_dir(place.store().join("layers/sha256")).unwrap().count(), 2);
}

#[test]
fn reset_empties_the_upper() {
    Place::new()
        .code(
            r#"
            layer("b").write("/a", "1"); let m = mount_direct("b");
            write("/a", "2"); write("/n", "3"); m.reset();
            assert_eq(read("/a"), "1"); assert_eq(ls(), ["a"]); assert_eq(diff(), []); write("/after", "1"); assert(exists("/after"));
            "#,
        )
        .ok();
}

#[test]
fn squash_makes_one_layer_that_shows_the_same() {
    Place::new()
        .code(
            r#"
            layer("b").write("/a", "1"); layer("b").write("/gone", "1"); mount_direct("b"); write("/b", "2"); rm("/gone"); symlink("a", "/s");
            link("/b", "/hard"); chown("/b", 3, 4); commit("app");
            let one = squash("app", "one");
            assert_eq(one.stack.len(), 1); assert_eq(one.ls(), ["a", "b", "hard", "s"]); assert_eq(diff("app", "one"), []);
            assert(one.entries().to_array().all(|e| e.kind != "whiteout")); assert_eq(one.stat("b").uid, 3); assert_eq(one.stat("b").nlink, 2);
            try { squash("app", "one"); fail("no"); } catch (e) { assert_eq(e.kind, "wrong_layer"); assert(e.hint.contains("remove")); }
            "#,
        )
        .ok();
}

#[test]
fn a_commit_is_refused_while_somebody_writes_and_names_who() {
    if !overlay_works() {
        return;
    }
    let ran = Place::new().code(
        r#"
        let m = mount_overlay(layer("b"));
        write("/log", "before ");
        let pid = sh("sleep 600 >> log 2> /dev/null & until grep -q sleep /proc/$!/comm; do :; done; echo $!").out; pid.trim();
        for f in [|| commit("c"), || reset(), || unmount()] {
            try { f.call(); fail("it was not refused"); }
            catch (e) { assert_eq(e.kind, "busy"); assert(e.message.contains(`sleep (process ${pid})`), e.message); assert(e.hint != ()); }
        }
        write("/still", "works");
        sh(`kill ${pid}; while kill -0 ${pid} 2>/dev/null; do sleep 0.01; done`);
        assert_eq(commit("c").files, 2);
        "#,
    );
    ran.ok();
}

#[test]
fn a_shell_that_stands_in_the_mount_cannot_change_the_sealed_layer() {
    if !overlay_works() {
        return;
    }
    let place = Place::new();
    place
        .code(
            r##"
            let m = mount_overlay(layer("b")); write("/f", "sealed");
            sh(#"(while [ ! -e "$TMPDIR/go" ]; do sleep 0.01; done; echo no > f; echo no > new; rm f; echo "wrote: $?"; cat f; cd .; ls; touch "$TMPDIR/done") > "$TMPDIR/said" 2>&1 &"#);
            let c = commit("c"); let before = c.id;
            sh(#"touch "$TMPDIR/go"; while [ ! -e "$TMPDIR/done" ]; do sleep 0.01; done"#);
            assert_eq(c.read("/f"), "sealed"); assert_eq(c.ls(), ["f"]); assert(check(#{ deep: true }).is_empty());
            assert_eq(read("/f"), "sealed"); assert_eq(diff(), []);
            "##,
        )
        .ok();
    let said = std::fs::read_to_string(place.path().join("said")).unwrap();
    holds(&said, &["Read-only file system", "wrote: 1", "sealed"]);
}

#[test]
fn squash_keeps_what_may_hide_something_beneath() {
    Place::new().code(
        r#"
        let base = layer("base"); base.write("/a", "1"); base.write("/d/old", "1"); base.write("/d/more", "1"); base.write("/e/f", "1"); base.write("/e/gone", "1");
        base.chmod("/e", "0700"); base.mkdir("/d");
        mount_direct("base", #{ name: "m" });
        rm("/a"); rm_all("/d"); write("/d/new", "1"); chmod("/e", "0500"); let one = commit("one");
        rm("/d/new"); chmod("/e", "0700"); write("/e/g", "1"); rm("/e/gone"); chmod("/e", "0500"); let two = commit("two");
        let range = squash([one, two], "range");
        assert_eq(range.entries().to_array().map(|e| `${e.path} ${e.kind}`), ["/a whiteout", "/d opaque", "/e dir", "/e/g file", "/e/gone whiteout"]);
        assert_eq(tree([base, range]).paths, tree(two).paths);
        assert_eq(diff([base, range], two), []);
        let whole = squash(two, "whole");
        assert_eq(whole.entries().to_array().map(|e| `${e.path} ${e.kind}`), ["/d dir", "/e dir", "/e/f file", "/e/g file"]);
        assert_eq(diff(whole, two), []);
        // by its ID alone one layer tells nothing of what it stands on, but the store knows
        let by_id = squash([layer(one.id), layer(two.id)], "by-id"); assert_eq(by_id.id, range.id);
        "#,
    )
    .ok();
}

#[test]
fn squash_says_nothing_of_directories_of_which_no_layer_says_anything() {
    Place::new()
        .code(
            r#"
        layer("a").write("/d/x", "1"); layer("b").write("/d/y", "1"); layer("b").write("/e/y", "1");
        let c = layer("c"); c.mkdir("/e"); c.chmod("/e", "0711"); layer("d").write("/e/z", "1");
        let one = squash(["a", "b", "c", "d"], "one");
        let said = #{}; for e in one.entries() { said[e.path] = e.mode; }
        assert_eq(said["/d"], ()); assert_eq(said["/e"], "0711");
        let secret = layer("secret"); secret.mkdir("/d"); secret.chmod("/d", "0700");
        mount_direct([secret, one]); assert_eq(stat("/d").mode, "0700");
        "#,
        )
        .ok();
}
