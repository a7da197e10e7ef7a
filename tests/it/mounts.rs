//! The mount calls of the script API.

use crate::program::{Place, holds, overlay_works};

fn runs(code: &str) {
    Place::new().code(code).ok();
}

#[test]
fn a_stack_is_given_as_names_ids_layers_an_array_or_up_to_15_arguments() {
    runs(
        r#"
        let names = [];
        for i in 0..15 { let l = layer(`l${i}`); l.write(`/f${i}`, "1"); l.write("/top", `${i}`); names.push(l.name); }
        for l in [mount_direct(names), mount_direct(names.map(|n| layer(n))),
                  mount_direct("l0","l1","l2","l3","l4","l5","l6","l7","l8","l9","l10","l11","l12","l13","l14")] {
            assert_eq(l.stack.len(), 15); assert_eq(l.read("/top"), "14"); assert_eq(l.ls().len(), 16);
        }
        let m = mount_direct("l3", layer("l4").id, layer("l5"), #{ name: "web" });
        assert_eq(m.name, "web"); assert_eq(m.stack.map(|l| l.name), ["l3", "l4", "l5"]);
        "#,
    );
}

#[test]
fn one_layer_alone_stands_for_its_recorded_stack_and_in_a_list_for_itself() {
    runs(
        r#"
        layer("base").write("/a", "1"); mount_direct("base"); write("/b", "2"); commit("app");
        assert_eq(layer("app").stack.map(|l| l.name), ["base", "app"]);
        assert_eq(mount_direct("app").ls(), ["a", "b"]);
        assert_eq(mount_direct(["app", "base"]).stack.map(|l| l.name), ["app", "base"]);
        layer("other").seal();
        assert_eq(mount_direct("other", "app").ls(), ["b"]);
        "#,
    );
}

#[test]
fn a_layer_twice_in_a_stack_counts_where_it_is_topmost() {
    runs(
        r#"
        for n in ["a", "b"] { layer(n).write("/who", n); }
        let m = mount_direct("a", "b", "a");
        assert_eq(m.stack.map(|l| l.name), ["b", "a"]); assert_eq(m.read("/who"), "a");
        "#,
    );
}

#[test]
fn a_mount_tells_what_it_is() {
    let place = Place::new();
    place
        .code(
            r#"
            let m = mount_direct(layer("b"), #{ name: "web" });
            assert_eq(m.path, ()); assert_eq(m.host_path, ()); assert_eq(m.driver, "direct"); assert(m.mounted);
            assert(!m.read_only); assert_eq(m.name, "web"); assert(m == use_mount("web"));
            assert(m.command().starts_with("mount -t overlay overlay -o ")); assert(m.work.ends_with("/mounts/web/work"));
            m.write("/a", "1");
            assert_eq(m.upper.read("/a"), "1"); assert_eq(m.upper.ls(), ["a"]); assert_eq(m.upper.stat("/a").size, 1);
            assert_eq(m.upper.entries().len(), 1); assert(m.upper.path.ends_with("/mounts/web/up/tree"));
            assert(m != mount_direct("b"));
            "#,
        )
        .ok();
}

#[test]
fn the_command_lists_layers_in_the_order_of_the_kernel() {
    runs(
        r#"
        for n in ["bottom", "top"] { layer(n).write("/who", n); }
        let m = mount_direct("bottom", "top");
        let c = m.command();
        assert(c.index_of(layer("top").id) < c.index_of(layer("bottom").id)); assert(c.contains("userxattr"));
        "#,
    );
}

#[test]
fn the_upper_outlives_unmount_and_goes_with_discard() {
    runs(
        r#"
        let m = mount_direct(layer("b")); m.write("/a", "1"); unmount();
        assert(!m.mounted); assert_eq(m.upper.read("/a"), "1"); assert_eq(mounts().len(), 1);
        try { m.read("/a"); fail("no"); } catch (e) { assert_eq(e.kind, "not_mounted"); }
        try { read("/a"); fail("no"); } catch (e) { assert_eq(e.kind, "no_mount"); }
        m.mount(); assert(m.mounted); assert_eq(read("/a"), "1");
        m.unmount(); use_mount(m); assert_eq(read("/a"), "1");
        m.discard(); assert_eq(mounts().len(), 0);
        for f in [|m| m.read("/a"), |m| m.driver, |m| m.stack, |m| m.discard(), |m| m.mount()] {
            try { f.call(m); fail("no"); } catch (e) { assert_eq(e.kind, "unknown_mount"); }
        }
        "#,
    );
}

#[test]
fn calls_without_a_mount_mean_the_current_one() {
    runs(
        r#"
        let one = mount_direct(layer("b"), #{ name: "one" }); let two = mount_direct("b", #{ name: "two" });
        write("/in", "two"); use_mount("one"); write("/in", "one");
        assert_eq(one.read("/in"), "one"); assert_eq(two.read("/in"), "two");
        one.unmount(); assert_eq(read("/in"), "two");
        "#,
    );
}

#[test]
fn a_mount_with_changes_is_resumed_in_a_later_run() {
    let place = Place::new();
    let ran = place.code("mount_direct(layer(\"b\"), #{ name: \"web\" }); write(\"/a\", \"1\");");
    assert_eq!(ran.code, 0);
    assert_eq!(
        ran.err,
        "`web` has uncommitted changes, kept in the store: `use_mount(\"web\")` goes on with them, \
         `use_mount(\"web\").commit(\"NAME\")` makes them a layer\n"
    );
    let err = place.code("mount_direct(\"b\", #{ name: \"web\" })").fails(1);
    holds(&err, &["a mount `web` exists already, with uncommitted changes", "use_mount(\"web\").discard()"]);
    assert_eq!(place.code("mounts().map(|m| [m.name, m.mounted])").ok(), "[[\"web\", false]]\n");
    assert_eq!(place.code("use_mount(\"web\"); read(\"/a\")").ok(), "1\n");
    holds(&place.code("use_mount(\"wbe\")").fails(1), &["there is no mount `wbe`", "did you mean `web`?"]);
    assert_eq!(place.code("use_mount(\"web\").discard(); mounts()").ok(), "[]\n");
}

#[test]
fn a_mount_without_changes_leaves_nothing() {
    let place = Place::new();
    let ran = place.code("mount_direct(layer(\"b\")); ()");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(std::fs::read_dir(place.store().join("mounts")).unwrap().count(), 0);
}

#[test]
fn a_read_only_mount_takes_no_changes() {
    runs(
        r#"
        layer("b").write("/a", "1"); let m = mount_direct("b", #{ read_only: true });
        assert(m.read_only); assert_eq(read("/a"), "1"); assert_eq(m.work, ());
        for f in [|| write("/a", "2"), || rm("/a"), || commit("c"), || reset(), || m.upper] {
            try { f.call(); fail("no"); } catch (e) { assert_eq(e.kind, "read_only"); assert(e.hint != ()); }
        }
        "#,
    );
}

#[test]
fn handles_work_as_constants_and_in_closures_that_their_own_call_chain_calls() {
    runs(
        r#"
        const l = layer("b"); l.write("/d/a", "1");
        const m = mount_direct(l); m.write("/f", "2");
        let k = m;
        assert_eq(k.find("*").map(|p| k.stat(p).kind), ["dir", "file", "file"]);
        assert_eq(k.find("*").filter(|p| k.stat(p).kind == "file").map(|p| k.read(p)), ["1", "2"]);
        let other = mount_direct(l); let f = || other.name; other = m;
        assert_eq(f.call(), m.name);
        "#,
    );
}

#[test]
fn mount_says_which_driver_it_took_and_why() {
    let ran = Place::new().code("mount(layer(\"b\")).driver");
    assert_eq!(ran.code, 0);
    holds(&ran.err, &[&format!("mounted by `{}`", ran.out.trim())]);
}

#[test]
fn wrong_mount_points_are_refused_by_every_driver() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().join("full/inner")).unwrap();
    std::fs::create_dir(place.path().join("lower")).unwrap();
    std::fs::create_dir(place.path().join("lower/point")).unwrap();
    let at = |code: &str| place.code(code).fails(1);
    holds(&at("mount(layer(\"b\"), #{ at: \"full\" })"), &["is not empty", "take an empty directory"]);
    holds(
        &at("mount(layer(\"b\"), #{ at: \"nowhere\" })"),
        &["cannot mount at `nowhere`", "mkdir -p nowhere"],
    );
    place.file("file", "");
    holds(
        &at("mount(layer(\"b\"), #{ at: \"file\" })"),
        &["cannot mount at `file`", "a mount point is a directory"],
    );
    holds(&at("mount(layer_at(\"lower\"), #{ at: \"lower/point\" })"), &["lies inside the layer"]);
    assert_eq!(place.code("mounts()").ok(), "[]\n");
}

#[test]
fn a_mount_is_seen_by_programs_at_its_own_place_and_at_a_given_one() {
    if !overlay_works() {
        return;
    }
    let place = Place::new();
    std::fs::create_dir(place.path().join("point")).unwrap();
    place
        .code(
            r#"
            layer("b").write("/a", "lower");
            let m = mount_overlay("b", #{ at: "point" });
            assert(m.path.ends_with("/point") && m.path.starts_with("/"));
            assert_eq(sh("cat a; pwd").out, "lower" + m.path + "\n");
            sh("echo changed > a; rm -f nothing; mkdir d");
            assert_eq(m.upper.read("/a"), "changed\n"); assert_eq(diff().map(|c| c.path), ["/a", "/d"]);
            m.unmount(); m.mount(); assert_eq(read("/a"), "changed\n");
            let own = mount_overlay("b");
            assert(own.path.ends_with("/mounts/m2/merged")); assert_eq(own.read("/a"), "lower");
            m.discard();
            "#,
        )
        .ok();
    assert_eq!(std::fs::read_dir(place.path().join("point")).unwrap().count(), 0);
}

#[test]
fn a_host_shell_gives_its_code_and_output_and_fails_unless_told_not_to() {
    if !overlay_works() {
        return;
    }
    let place = Place::new();
    let ran = place.code(
        r##"
        mount_overlay(layer("b"));
        let r = sh(#"printf 'a b' | awk '{print $2}'"#); assert_eq(r.out, "b\n"); assert_eq(r.code, 0);
        let r = sh("echo no >&2; exit 3", #{ check: false }); assert_eq(r.code, 3); assert_eq(r.err, "no\n");
        try { sh("exit 4"); fail("no"); } catch (e) { assert_eq(kind(e), "command_failed"); }
        try { sh("true", #{ chekc: false }); fail("no"); } catch (e) { assert(e.hint.contains("check")); }
        sh("echo last")
        "##,
    );
    assert_eq!(ran.out, "b\nlast\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    holds(
        &place.code("mount_overlay(layer(\"b\")); sh(\"echo why >&2; exit 4\")").fails(1),
        &["`echo why >&2; exit 4` ended with exit code 4", "it said: why"],
    );
    let json = place.run(&["--json", "-e", "mount_overlay(layer(\"b\")); sh(\"echo hi\")"]);
    holds(&json.err, &["hi\n"]);
    holds(&json.ok(), &["\"out\":\"hi\\n\""]);
}

#[test]
fn a_host_shell_needs_a_real_mount() {
    let err = Place::new().code("mount_direct(layer(\"b\")); sh(\"ls\")").fails(3);
    holds(&err, &["a host shell is not possible with the `direct` driver", "doctor()"]);
}
