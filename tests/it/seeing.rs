//! The views as values that a script decides on, and control.

use crate::program::{Place, holds};

fn runs(code: &str) {
    Place::new().code(code).ok();
}

const MADE: &str = r#"
    let b = layer("base"); b.write("/a", "1"); b.write("/d/x", "22"); b.write("/gone", "3"); b.write("/same", "4");
    let m = mount_direct(b); write("/a", "changed"); write("/new", "5"); rm("/gone"); chmod("/d/x", "0600");
"#;

#[test]
fn diff_tells_every_change_and_what_it_cost() {
    runs(&format!(
        "{MADE} let d = #{{}}; for c in diff() {{ d[c.path] = c; }}
        assert_eq(d.keys().len(), 4);
        assert_eq(d[\"/a\"].kind, \"changed\"); assert(\"content\" in d[\"/a\"].what);
        assert_eq(d[\"/new\"].kind, \"added\"); assert_eq(d[\"/new\"].before, ()); assert_eq(d[\"/new\"].after.size, 1);
        assert_eq(d[\"/gone\"].kind, \"deleted\"); assert_eq(d[\"/gone\"].after, ()); assert_eq(d[\"/gone\"].letter, \"D\");
        assert_eq(d[\"/d/x\"].what, [\"mode\"]); assert_eq(d[\"/d/x\"].bytes, 2); assert_eq(m.diff().len(), 4);
        let c = commit(\"c\"); assert_eq(diff(\"base\", \"c\").len(), 4); assert_eq(diff(\"c\", \"c\"), []);
        assert_eq(diff(c, \"base\").filter(|c| c.kind == \"added\").map(|c| c.path), [\"/gone\"]);
        assert_eq(diff([\"base\"], m).len(), 4);"
    ));
}

#[test]
fn explain_tells_a_paths_life() {
    runs(&format!(
        "{MADE} let e = explain(\"/a\"); assert_eq(e.path, \"/a\"); assert_eq(e.steps.map(|s| s.what), [\"created\", \"replaced\"]);
        assert_eq(e.steps.map(|s| s.layer), [\"base\", \"upper\"]); assert_eq(e.shown.layer, \"upper\"); assert_eq(e.shown.entry.size, 7);
        assert_eq(m.explain(\"/gone\").shown, ()); assert_eq(explain(\"/gone\").steps[1].what, \"deleted\");
        assert_eq(explain(\"/never\").steps, []); assert_eq(explain(\"/a\", \"base\").steps.len(), 1);"
    ));
    let out = Place::new().code(&format!("{MADE} explain(\"/gone\")")).ok();
    holds(&out, &["gone", "base", "upper"]);
}

#[test]
fn tree_and_history_tell_where_things_come_from() {
    runs(&format!(
        "{MADE} let t = tree(); assert_eq(t.paths, [\"/\", \"/a\", \"/d\", \"/d/x\", \"/new\", \"/same\"]); assert_eq(t.left_out, 0);
        assert_eq(t.layers[1], \"upper\"); assert_eq(t.layers[5], \"base\"); assert_eq(tree(m, \"/d\").paths, [\"/d\", \"/d/x\"]);
        assert_eq(tree(\"base\").paths.len(), 6); assert_eq(m.tree(\"/d\").paths.len(), 2);
        commit(\"c\", \"why\"); let h = history(\"c\"); assert_eq(h.map(|g| g.name), [\"base\", \"c\"]); assert_eq(h[1].message, \"why\");
        assert_eq(h[0].chain_id, layer(\"base\").chain_id); assert_eq(h[1].id, layer(\"c\").id); assert_eq(h[0].files, 4);
        assert_eq(layer(\"c\").history().len(), 2); assert_eq(history()[2].name, \"upper\");
        try {{ tree(m, \"/nothing\"); fail(\"no\"); }} catch (e) {{ assert_eq(e.kind, \"not_found\"); }}"
    ));
}

#[test]
fn show_prints_the_picture_of_anything_and_gives_nothing() {
    let out = Place::new()
        .code(&format!(
            "{MADE} assert_eq(show(), ()); show(m); show(b); show([b, layer(\"x\")]); show(5); b.show()"
        ))
        .ok();
    holds(&out, &["m1  direct", "deleted", "new in upper", "5\n"]);
    assert_eq!(out.matches("m1  direct").count(), 2);
}

#[test]
fn values_are_printed_as_their_views() {
    let place = Place::new();
    let out = place
        .code(&format!(
            "{MADE} print(m); print(b); print(mounts()); print(layers()); print(diff()); print(stat(\"/a\"));"
        ))
        .ok();
    holds(&out, &["driver", "uncommitted", "diff ID", "modified", "base"]);
    assert_eq!(place.code("print([1, \"a\", #{ k: blob(1, 255) }])").ok(), "[1, \"a\", #{ k: [ff] }]\n");
    assert_eq!(Place::new().code("print(layers()); print(`${layers()}`)").ok(), "[]\n[]\n");
}

#[test]
fn variables_of_the_environment_are_told() {
    let place = Place::new().with("MINE", "value");
    place.code("assert_eq(env(\"MINE\"), \"value\"); assert_eq(env(\"UNSET\"), ()); assert_eq(env(\"\"), ()); assert_eq(env(\"A=B\"), ());").ok();
    place.code("assert(version().len() > 2); sleep(0.001); sleep(0); assert_eq(args(), []);").ok();
}

#[test]
fn raw_strings_and_backticks_are_rhais() {
    let place = Place::new();
    assert_eq!(place.code(r##"print(#"a "quoted" \n"#); print(`${1 + 1}`)"##).ok(), "a \"quoted\" \\n\n2\n");
}

#[test]
fn a_path_that_leads_through_a_symlink_is_explained_by_where_it_leads() {
    let place = Place::new();
    let code = "let b = layer(\"b\"); b.write(\"/usr/bin/sh\", \"1\"); b.symlink(\"usr/bin\", \"/bin\");\n\
                b.symlink(\"../usr/./bin\", \"/usr/loop\"); b.symlink(\"/bin\", \"/abs\"); mount_direct(b);\n";
    for (path, link, there) in [
        ("/bin/sh", "/bin", "/usr/bin/sh"),
        ("/usr/loop/sh", "/usr/loop", "/usr/bin/sh"),
        ("/abs/x/y", "/abs", "/bin/x/y"),
    ] {
        let out = place.run(&["--ephemeral", "-q", "-e", &format!("{code} print(explain(\"{path}\"))")]).ok();
        holds(&out, &[&format!("{link} is a symlink: see explain(\"{there}\")")]);
    }
    // a link that was deleted leads nowhere
    let out =
        place.run(&["--ephemeral", "-q", "-e", &format!("{code} rm(\"/bin\"); print(explain(\"/bin/sh\"))")]);
    assert!(!out.ok().contains("is a symlink"));
}

#[test]
fn explain_and_diff_agree_on_content_that_has_the_same_size_and_time() {
    let code = r#"layer("b").write("/f", "aaa"); mount_direct("b"); write("/f", "bbb");
        assert_eq(diff()[0].what, ["content"]); assert_eq(explain("/f").steps[1].changed, ["content"]);
        reset(); chmod("/f", "0600"); assert_eq(explain("/f").steps[1].changed, ["mode"]);
        layer("c").write("/f", "aaa"); layer("c").write("/g", "1"); layer("c").seal(); assert_eq(explain("/f", ["b", "c"]).steps[1].changed, []);"#;
    Place::new().with("SOURCE_DATE_EPOCH", "0").code(code).ok();
}

#[test]
fn a_tree_of_one_layer_has_its_whiteouts() {
    let code = r#"let l = layer("l"); l.write("/d/f", "1"); l.whiteout("/d/gone");
        assert_eq(tree(l).paths, ["/", "/d", "/d/f"]); assert_eq(tree(l).deleted, ["/d/gone"]);
        assert_eq(tree(["b", l]).deleted, []); print(tree(l));"#;
    let out = Place::new().code(&format!("layer(\"b\").write(\"/x\", \"1\"); {code}")).ok();
    holds(&out, &["gone", "whiteout"]);
}

#[test]
fn show_takes_names_and_its_json_is_whole() {
    let place = Place::new();
    let made = "let a = layer(\"one\"); for i in 0..100 { a.write(`f${i}`, \"x\"); } a.seal(); \
                layer(\"two\").write(\"g\", \"y\");";
    for (call, layers) in [("show(\"one\")", 1), ("show([\"one\", \"two\"])", 2), ("show([a, \"two\"])", 2)] {
        let out = place
            .run(&[
                "--json",
                "-e",
                &format!("{} {call}", made.replace("layer(\"one\")", "layer(\"one\", #{ fresh: true })")),
            ])
            .ok();
        assert_eq!(out.matches("\"writable\"").count(), layers, "{call}: {out}");
        assert!(out.contains("\"/f99\"") && out.contains("\"left_out\":0"), "{call}: {out}");
    }
    assert_eq!(
        Place::new().code("show(\"no such name\"); show([\"a\", \"b\"]);").ok(),
        "no such name\n[\"a\", \"b\"]\n"
    );
}
