//! The file calls of the script API, on the current mount and as methods.

use std::os::unix::fs::PermissionsExt as _;

use crate::program::{Place, holds};

fn on_a_mount(code: &str) {
    Place::new()
        .code(&format!(
            "let b = layer(\"b\"); b.write(\"/etc/motd\", \"hello\\n\"); b.write(\"/d/x\", \"1\"); b.write(\"/d/y\", \"22\"); \
             b.symlink(\"etc/motd\", \"/link\"); let m = mount_direct(b);\n{code}"
        ))
        .ok();
}

#[test]
fn files_are_written_and_read_as_text_and_as_bytes() {
    on_a_mount(
        r#"
        write("/new/deep/f", "text"); assert_eq(read("new/deep/f"), "text"); append_to("/new/deep/f", "+");
        assert_eq(m.read("/new/deep/f"), "text+"); m.write("/bytes", blob(4, 200)); assert_eq(read_bytes("/bytes"), blob(4, 200));
        append_to("/log", "first"); assert_eq(read("/log"), "first"); write("/etc/motd", ""); assert_eq(stat("/etc/motd").size, 0);
        assert_eq(read("/link"), ""); write("/link", "through"); assert_eq(read("/etc/motd"), "through");
        "#,
    );
}

#[test]
fn directories_are_listed_searched_made_and_removed() {
    on_a_mount(
        r#"
        assert_eq(ls(), ["d", "etc", "link"]); assert_eq(ls("/d"), ["x", "y"]); assert_eq(m.ls("d"), ["x", "y"]);
        assert_eq(find("*"), ["/d", "/d/x", "/d/y", "/etc", "/etc/motd", "/link"]);
        assert_eq(find("/d/*"), ["/d/x", "/d/y"]); assert_eq(find("mot?"), ["/etc/motd"]); assert_eq(find("/**/[xy]"), ["/d/x", "/d/y"]);
        assert_eq(find("{x,motd}"), ["/d/x", "/etc/motd"]); assert_eq(find("nothing"), []);
        mkdir("/n/e/w"); assert_eq(stat("/n/e/w").kind, "dir"); rm("/n/e/w"); assert(!exists("/n/e/w"));
        try { rm("/d"); fail("no"); } catch (e) { assert_eq(kind(e), "not_empty"); assert(e.hint.contains("rm_all")); }
        rm_all("/d"); assert(!exists("/d")); assert_eq(ls(), ["etc", "link", "n"]);
        try { mkdir("/etc"); fail("no"); } catch (e) { assert_eq(e.kind, "exists"); assert_eq(e.errno, "EEXIST"); }
        "#,
    );
}

#[test]
fn files_are_moved_copied_and_linked() {
    on_a_mount(
        r#"
        mv("/etc/motd", "/etc/new"); assert(!exists("/etc/motd")); assert_eq(read("/etc/new"), "hello\n");
        mv("/d", "/moved"); assert_eq(ls("/moved"), ["x", "y"]); assert(!exists("/d"));
        cp("/moved", "/copy"); assert_eq(read("/copy/y"), "22"); assert(exists("/moved/y"));
        m.link("/copy/x", "/hard"); assert_eq(stat("/hard").nlink, 2); write("/hard", "both"); assert_eq(read("/copy/x"), "both");
        symlink("nowhere", "/dangling"); assert_eq(readlink("/dangling"), "nowhere"); assert(exists("/dangling"));
        assert_eq(stat("/dangling").target, "nowhere");
        "#,
    );
}

#[test]
fn metadata_is_told_and_changed() {
    on_a_mount(
        r#"
        chmod("/etc/motd", "0600"); assert_eq(stat("/etc/motd").mode, "0600"); chmod("/etc/motd", "u+x,g=r"); assert_eq(stat("/etc/motd").mode, "0740");
        chown("/etc/motd", 5, 6); assert_eq(stat("/etc/motd").uid, 5); assert_eq(m.stat("/etc/motd").gid, 6);
        set_xattr("/etc/motd", "user.k", "v"); assert_eq(xattr("/etc/motd", "user.k"), "v"); rm_xattr("/etc/motd", "user.k");
        try { xattr("/etc/motd", "user.k"); fail("no"); } catch (e) { assert_eq(e.kind, "no_attribute"); }
        resize("/etc/motd", 2); assert_eq(read("/etc/motd"), "he"); resize("/etc/motd", 4); assert_eq(read_bytes("/etc/motd")[3], 0);
        touch("/made"); assert_eq(stat("/made").size, 0); let t = stat("/d/x").mtime; touch("/d/x"); assert(stat("/d/x").mtime >= t);
        let s = stat("/d"); assert_eq(s.kind, "dir"); assert(s.ino > 0 && s.nlink >= 1 && s.ctime > 0 && s.atime > 0);
        try { chmod("/etc/motd", 0644); fail("no"); } catch (e) { assert(e.message.contains("a mode is a string")); }
        try { chmod("/etc/motd", "rw"); fail("no"); } catch (e) { assert_eq(e.kind, "invalid_argument"); }
        "#,
    );
}

#[test]
fn files_are_copied_out_to_the_host() {
    let place = Place::new();
    let made = "let b = layer(\"b\"); b.write(\"/d/x\", \"1\"); b.chmod(\"/d/x\", \"0640\"); b.seal(); ()";
    place.code(made).ok();
    let copy = "mount_direct(\"b\"); copy_out(\"/d\", \"out\")";
    place.code(copy).ok();
    assert_eq!(std::fs::read_to_string(place.path().join("out/x")).unwrap(), "1");
    let mode = std::fs::metadata(place.path().join("out/x")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    holds(&place.code(copy).fails(1), &["cannot copy to `out`: it exists already"]);
}

#[test]
fn what_went_wrong_with_a_file_is_told_with_path_and_errno() {
    on_a_mount(
        r#"
        let tried = [
            [|| read("/no"), "not_found", "ENOENT", "/no"], [|| read("/d"), "is_a_directory", "EISDIR", "/d"],
            [|| ls("/etc/motd"), "not_a_directory", "ENOTDIR", "/etc/motd"], [|| write("/d", "x"), "is_a_directory", "EISDIR", "/d"],
            [|| rm("/no"), "not_found", "ENOENT", "/no"], [|| link("/no", "/l"), "not_found", "ENOENT", "/no"],
            [|| symlink("x", "/d"), "exists", "EEXIST", "/d"], [|| mv("/d", "/d/in"), "invalid_argument", "EINVAL", "/d"],
            [|| cp("/d", "/d/in"), "invalid_argument", "EINVAL", "/d"], [|| rm("/"), "busy", "EBUSY", "/"],
            [|| readlink("/d/x"), "invalid_argument", "EINVAL", "/d/x"], [|| write("/d/x/under", "1"), "not_a_directory", "ENOTDIR", "/d/x/under"],
        ];
        for t in tried {
            let caught = ();
            try { t[0].call(); } catch (e) { caught = e; }
            assert(caught != (), `${t[1]} did not fail`);
            assert_eq(caught.kind, t[1], caught.message); assert_eq(caught.errno, t[2], caught.message); assert_eq(caught.path, t[3]);
            assert_eq(caught.layer, ()); assert(caught.message.contains("cannot "));
        }
        "#,
    );
}

#[test]
fn a_copy_onto_a_symlink_goes_where_that_leads_from_the_root_on() {
    let code = r#"
        let b = layer("b"); b.write("/src/f", "new"); b.symlink("../y", "/dst/f"); b.symlink("/z", "/dst/g");
        b.write("/src/g", "new"); for path in ["/y", "/z", "/dst/y", "/dst/z"] { b.write(path, "old"); }
        mount_direct("b"); cp("/src", "/dst");
        assert_eq(["/y", "/z", "/dst/y", "/dst/z"].map(|path| read(path)), ["new", "new", "old", "old"]);
    "#;
    Place::new().code(code).ok();
}
