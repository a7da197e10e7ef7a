//! Errors about paths on the host: whichever command reads or writes there, they name the path as it was typed.

use crate::program::{Place, driver_works};

/// What is there to go wrong: a directory that is missing, a file in the place of a directory, a symlink that leads
/// nowhere, a name that is too long.
const PATHS: [&str; 5] = ["no/such", "./file/under", "gone/../x/y", "lost/under", "LONG"];

#[test]
fn an_error_names_the_host_path_as_it_was_typed() {
    let place = Place::new();
    place.file("file", "text");
    std::os::unix::fs::symlink("nowhere", place.path().join("lost")).unwrap();
    let mut calls = vec![
        r#"layer("t").add(p)"#,
        r#"layer("t").add(p, "/x", #{ unpack: false })"#,
        r#"layer_at(p).ls("/")"#,
        r#"m.copy_out("/d/f", p)"#,
        r#"m.copy_out("/d", p)"#,
        "s.export_tar(p)",
    ];
    if driver_works("overlay") {
        calls.push(r#"mount_overlay("s", #{ at: p })"#);
    }
    for path in PATHS {
        let path = path.replace("LONG", &"n".repeat(300));
        for call in &calls {
            let ran = place.code(&format!(
                r#"let m = mount_direct(layer("l", #{{ fresh: true }}), #{{ name: "m", fresh: true }}); m.write("/d/f", "x");
                let s = layer("s", #{{ fresh: true }}); s.write("/f", "x"); s.seal();
                let p = "{path}"; let said = ();
                try {{ {call}; }} catch (e) {{ said = e; }}
                assert(said != (), "no error"); assert_eq(said.path, p);
                assert(said.message.contains("`" + p + "`"), said.message);
                assert(["not_found", "not_a_directory", "name_too_long"].contains(said.kind), said.kind);
                m.discard();"#
            ));
            assert_eq!(ran.code, 0, "{call} of {path}: {}", ran.err);
        }
    }
}

#[test]
fn a_path_that_is_taken_is_named_as_it_was_typed() {
    let place = Place::new();
    place.file("file", "text");
    std::fs::create_dir(place.path().join("full")).unwrap();
    place.file("full/x", "text");
    let mut cases = vec![
        (r#"m.copy_out("/d", p)"#, "./file", "exists"),
        (r#"m.copy_out("/d/f", p)"#, "full/../file", "exists"),
        ("s.export_tar(p)", "./full", "is_a_directory"),
        ("layer_at(p)", "./file", "not_a_directory"),
    ];
    if driver_works("overlay") {
        cases.push((r#"mount_overlay("s", #{ at: p })"#, "./full", "not_empty"));
    }
    for (call, path, kind) in cases {
        let ran = place.code(&format!(
            r#"let m = mount_direct(layer("l", #{{ fresh: true }}), #{{ name: "m", fresh: true }}); m.write("/d/f", "x");
            let s = layer("s", #{{ fresh: true }}); s.write("/f", "x"); s.seal();
            let p = "{path}"; let said = ();
            try {{ {call}; }} catch (e) {{ said = e; }}
            assert(said != (), "no error"); assert_eq([said.path, said.kind], [p, "{kind}"]);
            assert(said.message.contains("`" + p + "`"), said.message);
            m.discard();"#
        ));
        assert_eq!(ran.code, 0, "{call} of {path}: {}", ran.err);
    }
}
