//! The layer calls of the script API, each by a script that proves its meaning.

use std::process::Command;

use crate::program::{Place, holds};

fn runs(code: &str) {
    Place::new().code(code).ok();
}

#[test]
fn a_name_opens_a_layer_or_starts_a_draft() {
    runs(
        r#"
        let l = layer("base");
        assert(!l.sealed); assert_eq(l.name, "base"); assert_eq(l.id, ()); assert_eq(l.diff_id, ());
        l.write("/a", "1");
        assert(layer("base") == l); assert_eq(layer("base").read("/a"), "1");
        l.seal();
        assert(l.sealed && layer("base").sealed); assert(layer("base") == l); assert(layer("other") != l);
        "#,
    );
}

#[test]
fn a_draft_stays_from_run_to_run_until_it_is_sealed() {
    let place = Place::new();
    place.code("layer(\"d\").write(\"/a\", \"1\")").ok();
    place.code("assert(!layer(\"d\").sealed); layer(\"d\").append_to(\"/a\", \"2\")").ok();
    assert_eq!(place.code("layer(\"d\").read(\"/a\")").ok(), "12\n");
    place.code("layer(\"d\").seal(); ()").ok();
    assert_eq!(place.code("layer(\"d\").sealed").ok(), "true\n");
}

#[test]
fn a_name_begins_anew_though_a_handle_on_the_draft_that_had_it_is_there() {
    runs(
        r#"
        layer("d").write("/old", "1");
        let seen = layers();
        remove("d", true);
        let n = layer("d"); n.write("/new", "2"); assert_eq(n.ls("/"), ["new"]);
        seen = layers();
        let f = layer("d", #{ fresh: true }); f.write("/newer", "3"); assert_eq(layer("d").ls("/"), ["newer"]);
        "#,
    );
}

#[test]
fn a_draft_takes_every_kind_of_change() {
    runs(
        r#"
        let l = layer("l");
        l.write("/d/f", "one"); l.append_to("/d/f", " two"); l.mkdir("/empty/deep"); l.symlink("d/f", "/s");
        l.link("/d/f", "/hard"); l.mv("/hard", "/moved"); l.chmod("/d/f", "u+x,go="); l.chown("/d/f", 7, 8);
        l.set_xattr("/d/f", "user.colour", "red"); l.write("/gone", "x"); l.rm("/gone"); l.whiteout("/w"); l.opaque("/o");
        let e = #{}; for x in l.entries() { e[x.path] = x; }
        assert_eq(e.keys().len(), 8);
        assert_eq(e["/d/f"].kind, "file"); assert_eq(e["/d/f"].size, 7); assert_eq(e["/d/f"].mode, "0700");
        assert_eq(e["/d/f"].uid, 7); assert_eq(e["/d/f"].gid, 8); assert_eq(e["/d/f"].xattrs["user.colour"], "red");
        assert_eq(e["/s"].kind, "symlink"); assert_eq(e["/s"].target, "d/f"); assert_eq(e["/empty/deep"].kind, "dir");
        assert_eq(e["/moved"].size, 7); assert_eq(e["/w"].kind, "whiteout"); assert_eq(e["/o"].kind, "opaque");
        assert_eq(e["/d"].mtime, ()); assert_eq(e["/d"].mode, ()); assert(e["/empty/deep"].mtime > 0); assert(!l.exists("/gone")); assert(!l.exists("/w"));
        assert_eq(l.files, 3); assert_eq(l.size, 7); assert_eq(l.ls(), ["d", "empty", "moved", "o", "s"]);
        assert_eq(l.ls("/d"), ["f"]); assert_eq(l.stat("/d/f").uid, 7); assert_eq(l.read("d/f"), "one two");
        assert_eq(l.read_bytes("/moved").len(), 7); assert_eq(l.stat("/d/f").nlink, 2);
        "#,
    );
}

#[test]
fn rm_on_a_draft_takes_out_its_own_entry_and_whiteout_deletes_beneath() {
    runs(
        r#"
        layer("base").write("/a", "1"); layer("base").write("/b", "1");
        let top = layer("top"); top.write("/a", "2"); top.rm("/a"); top.whiteout("/b");
        mount_direct("base", top);
        assert_eq(ls(), ["a"]); assert_eq(read("/a"), "1");
        "#,
    );
}

#[test]
fn ids_are_those_of_the_canonical_tar() {
    let place = Place::new();
    let out = place
        .code("let l = layer(\"l\"); l.write(\"/a\", \"1\"); l.export_tar(\"l.tar\"); assert(l.sealed); l.diff_id")
        .ok();
    let sum = Command::new("sha256sum").arg(place.path().join("l.tar")).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(out.trim(), format!("sha256:{}", sum.split(' ').next().unwrap()));
    place.code("assert_eq(layer(\"l\").diff_id, \"sha256:\" + layer(\"l\").id)").ok();
}

#[test]
fn equal_content_is_one_layer_stored_once() {
    let place = Place::new().with("SOURCE_DATE_EPOCH", "1000000000");
    place
        .code(
            "for n in [\"one\", \"two\"] { let l = layer(n); l.write(\"/a\", \"1\"); l.seal(); } \
             assert_eq(layer(\"one\").id, layer(\"two\").id); assert(layer(\"one\") == layer(\"two\"));",
        )
        .ok();
    assert_eq!(std::fs::read_dir(place.store().join("layers/sha256")).unwrap().count(), 1);
}

#[test]
fn a_layer_is_found_by_its_id_and_by_any_beginning_that_is_its_alone() {
    runs(
        r#"
        let l = layer("l"); l.write("/a", "1"); l.seal();
        assert(layer(l.id) == l); assert(layer(l.id.sub_string(0, 12)) == l); assert(layer(l.diff_id) == l);
        mount_direct(l.id.sub_string(0, 6)); assert_eq(read("/a"), "1");
        assert_eq(layer(l.id).message, ()); assert_eq(layer(l.id).name, ());
        "#,
    );
    let err = Place::new().code("layer(\"0123456789abcdef\")").fails(1);
    holds(&err, &["no layer in the store has an ID that begins with `0123456789abcdef`", "hint: `layers()`"]);
}

#[test]
fn layers_are_listed_newest_first_and_removed_by_name() {
    runs(
        r#"
        layer("a").seal(); layer("b").seal(); layer("c");
        assert_eq(layers().map(|l| l.name), ["c", "b", "a"]);
        remove("b"); remove("c");
        assert_eq(layers().map(|l| l.name), ["a"]);
        try { remove("b"); fail("no"); } catch (e) { assert_eq(kind(e), "unknown_layer"); }
        "#,
    );
}

#[test]
fn what_nothing_names_is_collected_and_what_something_needs_is_kept() {
    runs(
        r#"
        let base = layer("base"); base.write("/a", "1"); mount_direct(base, #{ name: "m" });
        write("/b", "2"); commit("app"); remove("base");
        assert_eq(collect().layers, 0); assert_eq(layer("app").stack.len(), 2);
        use_mount("m").discard(); remove("app");
        assert_eq(collect().layers, 2); assert(check(#{ deep: true }).is_empty());
        "#,
    );
}

#[test]
fn a_fresh_layer_begins_anew_whatever_has_the_name() {
    let place = Place::new();
    place
        .code(
            r#"
            let old = layer("base"); old.write("/old", "1"); mount_direct("base", #{ name: "m" }); use_mount("m").write("/x", "1");
            let anew = layer("base", #{ fresh: true }); assert(!anew.sealed); assert_eq(anew.ls(), []);
            anew.write("/new", "2"); assert_eq(layer("base"), anew); assert_eq(use_mount("m").read("/old"), "1");
            anew = layer("base", #{ fresh: true }); assert_eq(anew.ls(), []); anew.write("/newer", "3");
            // a mount of the name takes the draft
            let m = mount_direct("base", #{ name: "m", fresh: true }); assert_eq(m.ls(), ["newer"]);
            assert_eq(old.ls(), ["old"]); assert_eq(layer("base").id, anew.id); assert(old.id != anew.id);
            assert_eq(layer("base", #{ fresh: false }), anew); assert_eq(layer("base", #{}), anew);
            for wrong in [|| layer("base", 1), || layer("base", #{ fresh: 1 }), || layer("base", #{ frsh: true })] {
                try { wrong.call(); fail("no"); } catch (e) { assert_eq(e.kind, "invalid_argument"); }
            }
            "#,
        )
        .ok();
    // one that was begun and not sealed hides nothing from later runs, and goes when it is begun again
    place.code("layer(\"base\", #{ fresh: true }).write(\"/lost\", \"4\");").ok();
    place.code("assert_eq(layer(\"base\").ls(), [\"newer\"]); mount_direct(\"base\"); ()").ok();
    place.code("let l = layer(\"base\", #{ fresh: true }); assert_eq(l.ls(), []); l.write(\"/a\", \"5\"); l.seal(); ()").ok();
    place.code("assert_eq(layer(\"base\").ls(), [\"a\"]); assert(check(#{ deep: true }).is_empty()); remove(\"base\"); assert_eq(layers(), []);").ok();
}

#[test]
fn a_host_directory_is_a_layer_in_place() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("host")).unwrap();
    std::fs::write(place.path().join("host/a"), "1").unwrap();
    place
        .code(
            r#"
            let l = layer_at("host"); assert_eq(l.read("/a"), "1"); assert_eq(l.id, ()); assert(!l.sealed);
            mount_direct(l); write("/a", "2"); write("/b", "3");
            try { l.write("/a", "x"); fail("no"); } catch (e) { assert_eq(e.kind, "wrong_layer"); }
            assert(layer_at("host") == l);
            "#,
        )
        .ok();
    assert_eq!(std::fs::read_to_string(place.path().join("host/a")).unwrap(), "1");
    assert!(!place.path().join("host/b").exists());
    place.code("layer_at(\"nowhere\")").fails(1);
    place.code("layer_at(\"host/a\")").fails(1);
}

#[test]
fn add_copies_files_directories_and_unpacks_tars() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().join("tree/sub")).unwrap();
    std::fs::write(place.path().join("tree/sub/f"), "content").unwrap();
    std::os::unix::fs::symlink("sub/f", place.path().join("tree/link")).unwrap();
    std::fs::hard_link(place.path().join("tree/sub/f"), place.path().join("tree/hard")).unwrap();
    let tar =
        Command::new("tar").args(["-cf", "t.tar", "-C", "tree", "."]).current_dir(place.path()).status();
    assert!(tar.unwrap().success());
    place
        .code(
            r#"
            let l = layer("l");
            l.add("tree"); l.add("tree", "/at"); l.add("tree/sub/f", "/name"); l.mkdir("/into"); l.add("tree/sub/f", "/into");
            l.add("t.tar", "/un"); l.add("t.tar", "/t.tar", #{ unpack: false });
            for dir in ["", "/at", "/un"] {
                assert_eq(l.read(dir + "/sub/f"), "content"); assert_eq(l.stat(dir + "/link").target, "sub/f");
                assert_eq(l.stat(dir + "/hard").nlink, 2);
            }
            assert_eq(l.read("/name"), "content"); assert_eq(l.read("/into/f"), "content"); assert_eq(l.stat("/t.tar").kind, "file");
            "#,
        )
        .ok();
    holds(
        &place.code("layer(\"l\").add(\"nowhere\")").fails(1),
        &["cannot add `nowhere`: it does not exist"],
    );
}

#[test]
fn names_that_are_not_utf8_come_back_as_blobs_and_are_taken_as_blobs() {
    runs(
        r#"
        let name = blob(2, 255); name[0] = 47;
        let l = layer("l"); l.write(name, blob(3, 254));
        assert_eq(type_of(l.ls()[0]), "blob"); assert_eq(l.read_bytes(name).len(), 3);
        mount_direct(l);
        assert_eq(type_of(find("*")[0]), "blob"); assert(exists(find("*")[0])); rm(find("*")[0]);
        assert_eq(diff()[0].kind, "deleted"); assert_eq(type_of(diff()[0].path), "blob");
        try { l.read(name); fail("no"); } catch (e) { assert(e.hint.contains("read_bytes")); }
        "#,
    );
    let out = Place::new()
        .code("let n = blob(1, 27); n += blob(1, 255); let l = layer(\"l\"); l.write(n, \"\"); tree(l)")
        .ok();
    assert!(out.is_ascii() && !out.contains('\u{1b}'), "{out:?}");
}

#[test]
fn what_is_made_in_a_layer_or_a_mount_has_its_mode_whatever_the_umask() {
    let code = r#"
        let modes = |x| ["/d", "/d/f", "/made/by/need", "/made/by", "/g"].map(|p| x.stat(p).mode);
        let fill = |x| { x.mkdir("/d"); x.write("/d/f", "1"); x.write("/made/by/need", "1"); x.append_to("/g", "1"); };
        let wanted = ["0755", "0644", "0644", "0755", "0644"];
        let l = layer("l"); fill.call(l); assert_eq(modes.call(l), wanted); l.seal(); assert_eq(modes.call(l), wanted);
        let base = layer("base"); base.seal();
        for make in [|| mount_direct(base), || mount_fuse(base), || mount_overlay(base)] {
            let m = (); try { m = make.call(); } catch (e) { continue; }
            fill.call(m); assert_eq(modes.call(m), wanted, m.driver); m.touch("/t"); assert_eq(m.stat("/t").mode, "0644");
            m.cp("/d", "/copy"); assert_eq(m.stat("/copy/f").mode, "0644");
            assert_eq(modes.call(m.commit()), wanted);
        }
    "#;
    let mut ids = Vec::new();
    for umask in ["022", "077", "000"] {
        let place = Place::new().with("SOURCE_DATE_EPOCH", "5");
        let mut shell = Command::new("sh");
        place.prepare(&mut shell, &[]);
        let line = format!("umask {umask}; exec \"$0\" -q -e \"$1\"");
        let code = format!("{code} print(layer(\"l\").id);");
        let output = shell.args(["-c", &line, env!("CARGO_BIN_EXE_ufs"), &code]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        ids.push(output.stdout);
    }
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[test]
fn all_that_is_added_gets_the_owner_that_is_asked_for() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("d")).unwrap();
    place.file("d/f", "1");
    std::os::unix::fs::symlink("f", place.path().join("d/s")).unwrap();
    place
        .code(
            r#"
            let l = layer("l"); l.add("d", #{ owner: "12:34" }); l.add("d/f", "/g", #{ owner: "0:7" }); l.seal();
            let seen = []; for e in l.entries() { seen.push(`${e.path} ${e.uid}:${e.gid}`); }
            assert(seen.filter(|s| s != "/ 12:34") == ["/f 12:34", "/g 0:7", "/s 12:34"], `${seen}`);
            l.export_tar("l.tar"); let t = layer("t"); t.add("l.tar", #{ owner: "5:6" }); t.seal();
            for e in t.entries() { assert_eq(`${e.uid}:${e.gid}`, "5:6", e.path); }
            for wrong in [0, "0", "root:root", "-1:0", "0:4294967295", "0:0:0", ""] {
                try { layer("w").add("d", #{ owner: wrong }); fail("no"); } catch (e) { assert_eq(e.kind, "invalid_argument", wrong.to_string()); }
            }
            "#,
        )
        .ok();
}

#[test]
fn a_file_on_the_host_gets_the_mode_that_the_umask_leaves_and_a_missing_directory_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let code = "layer(\"b\").export_tar(\"b.tar\")";
    // the last one replaces a file, whose mode it keeps
    for (umask, mode, new) in
        [("022", 0o644, true), ("077", 0o600, true), ("002", 0o664, true), ("077", 0o664, false)]
    {
        if new && place.path().join("b.tar").exists() {
            std::fs::remove_file(place.path().join("b.tar")).unwrap();
        }
        let mut command = Command::new("sh");
        place.prepare(&mut command, &[]);
        let line = format!("umask {umask}; exec \"$0\" -e '{code}'");
        let status = command.args(["-c", &line, env!("CARGO_BIN_EXE_ufs")]).status().unwrap();
        assert!(status.success());
        let found = std::fs::metadata(place.path().join("b.tar")).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "umask {umask}");
    }
    let err = place.code("layer(\"b\").export_tar(\"nowhere/b.tar\")").fails(1);
    holds(&err, &["cannot export to `nowhere/b.tar`: it does not exist"]);
}

#[test]
fn what_lies_in_a_directory_says_nothing_of_it_until_somebody_does() {
    runs(
        r#"
        let said = |l, path| { for e in l.entries() { if e.path == path { return e.mode; } } };
        let l = layer("l");
        for dir in ["a", "b", "c", "d", "e", "f"] { l.write(`/${dir}/f`, "1"); }
        l.mkdir("/a"); l.chmod("/b", "0711"); l.chown("/c", 0, 0); l.set_xattr("/d", "user.x", "1"); l.mv("/e", "/g");
        for dir in ["a", "c", "d", "g"] { assert_eq(said.call(l, `/${dir}`), "0755", dir); }
        assert_eq(said.call(l, "/b"), "0711"); assert_eq(said.call(l, "/f"), ());
        try { l.mkdir("/a"); fail("no"); } catch (e) { assert_eq(e.kind, "exists"); }
        l.seal();
        assert_eq(said.call(l, "/b"), "0711"); assert_eq(said.call(l, "/f"), ());
        "#,
    );
}

#[test]
fn a_layer_is_the_same_after_the_way_through_its_tar() {
    let place = Place::new();
    let code = r#"
        let a = layer("a"); a.write("/x/y/f", "1"); a.opaque("/x"); a.whiteout("/w/gone"); a.mkdir("/z");
        a.export_tar("a.tar");
        let b = layer("b"); b.add("a.tar"); b.seal(); assert_eq(b.id, a.id);
        // what the kernel keeps in its tree is no attribute of a file
        let g = layer("g"); g.mkdir("/w"); g.whiteout("/w/gone"); g.seal();
        let h = layer("h"); h.add(g.path); h.seal();
        assert_eq(h.stat("/w").mode, "0755"); for e in h.entries() { assert_eq(e.xattrs, #{}); }
        // again, on what is there
        let c = layer("c"); c.add("a.tar"); c.add("a.tar"); c.seal(); assert_eq(c.id, a.id);
    "#;
    place.code(code).ok();
}

#[test]
fn add_unpacks_what_is_a_tar_whatever_it_is_called_or_comes_from() {
    let place = Place::new();
    let sh = |command: &str| {
        let status = Command::new("sh").args(["-ec", command]).current_dir(place.path()).status();
        assert!(status.unwrap().success(), "{command}");
    };
    sh("mkdir d; echo hi >d/f; tar -cf t.tar -C d .; gzip <t.tar >name; ln -s t.tar link; mkfifo pipe");
    sh("head -c 1024 /dev/zero >empty; echo text | gzip >text.gz; cat t.tar >pipe &");
    place
        .code(
            r#"
            let want = layer("t"); want.add("t.tar"); want.seal();
            for from in ["name", "link", "pipe"] {
                let l = layer(from); l.add(from); l.seal(); assert_eq(l.diff_id, want.diff_id, from);
            }
            let e = layer("e"); e.add("empty"); assert_eq(e.ls(), []);
            let k = layer("k"); k.add("name", "/", #{ unpack: false }); k.add("text.gz"); assert_eq(k.ls(), ["name", "text.gz"]);
            "#,
        )
        .ok();
}

#[test]
fn add_names_an_archive_or_an_image_that_it_does_not_unpack() {
    let place = Place::new();
    let sh = |command: &str| {
        let status = Command::new("sh").args(["-ec", command]).current_dir(place.path()).status();
        assert!(status.unwrap().success(), "{command}");
    };
    sh(
        "mkdir -p oci/blobs; echo '{\"imageLayoutVersion\": \"1.0.0\"}' >oci/oci-layout; tar -cf oci.tar -C oci blobs oci-layout",
    );
    sh(
        "printf 'PK\\003\\004rest' >z; printf 070701rest | gzip >c; gzip <oci.tar | head -c 60 >cut; gzip <oci.tar >oci.gz",
    );
    for (name, what) in [
        ("z", "it is a zip archive"),
        ("c", "it is a cpio archive, in gzip"),
        ("cut", "gzip there cannot be read"),
        ("oci", "it is a whole image"),
        ("oci.tar", "it is a whole image"),
        ("oci.gz", "it is a whole image"),
    ] {
        let told = place.code(&format!("layer(\"l\").add(\"{name}\")")).fails(1);
        holds(&told, &[what, "unpack: false"]);
        place.code(&format!("layer(\"l\").add(\"{name}\", \"/{name}\", #{{ unpack: false }})")).ok();
    }
    // a pipe cannot be read twice; and not all that begins as an image is one
    sh("mkfifo p q r; cat oci.tar >p & gzip <oci.tar >q & tar -cf no.tar -C oci blobs; cat no.tar >r &");
    for pipe in ["p", "q"] {
        let told = place.code(&format!("layer(\"l\").add(\"{pipe}\")")).fails(1);
        holds(&told, &["it is a whole image", "unpack: false"]);
    }
    place
        .code(
            r#"let a = layer("a"); a.add("no.tar"); a.seal(); let b = layer("b"); b.add("r"); b.seal();
               assert_eq(a.diff_id, b.diff_id); assert_eq(b.ls(), ["blobs"]);"#,
        )
        .ok();
}

#[test]
fn what_a_tar_says_of_the_root_counts_also_where_it_is_what_every_new_root_is() {
    let place = Place::new();
    let make = "mkdir d && echo x >d/f && chmod 755 d && tar -cf says.tar --owner=0 --group=0 --mtime=@7 -C d . \
                && tar -cf silent.tar --owner=0 --group=0 --mtime=@7 -C d f";
    assert!(Command::new("sh").args(["-ec", make]).current_dir(place.path()).status().unwrap().success());
    place
        .code(
            r#"
            let base = layer("base"); base.write("/b", "1"); base.chmod("/", "0555"); base.seal();
            for of in [["says", "0755"], ["silent", "0555"]] {
                let l = layer(of[0]); l.add(of[0] + ".tar"); l.seal();
                for read_only in [false, true] {
                    let m = mount_direct("base", l, #{ read_only: read_only });
                    assert_eq(m.stat("/").mode, of[1]); m.unmount();
                }
                // it travels: squashed, and as a tar
                assert_eq(squash([l], of[0] + "-one").diff_id, l.diff_id);
                l.export_tar("again.tar"); let again = layer(of[0] + "-again"); again.add("again.tar"); again.seal();
                assert_eq(again.diff_id, l.diff_id);
                let both = squash(["base", l], of[0] + "-both");
                assert_eq(mount_direct(both).stat("/").mode, of[1]);
            }
            // what is told of a draft's root is said, too; a file in it says nothing of it
            let l = layer("told"); l.write("/f", "x"); l.chmod("/", "0755"); l.seal();
            assert_eq(mount_direct("base", l).stat("/").mode, "0755");
            let l = layer("untold"); l.write("/f", "x"); l.seal();
            assert_eq(mount_direct("base", l).stat("/").mode, "0555");
            "#,
        )
        .ok();
}
