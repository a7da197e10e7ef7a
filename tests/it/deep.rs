//! Trees of many levels: no call needs more stack for them than for a flat one.

use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};

use crate::program::{Place, Ran, fuse_works, overlay_works};

const LEVELS: usize = 400;
/// In KiB: the program has room, a call of its own for each level of directories would not.
const STACK: usize = 1024;

#[test]
fn a_deep_tree_is_added_sealed_squashed_copied_moved_and_removed_on_a_small_stack() {
    let place = Place::new();
    let deep: std::path::PathBuf = std::iter::repeat_n("d", LEVELS).collect();
    std::fs::create_dir_all(place.path().join("host").join(&deep)).unwrap();
    std::fs::write(place.path().join("host").join(&deep).join("f"), "bottom").unwrap();
    let script = place.file(
        "deep.rhai",
        &format!(
            r#"
            let deep = ""; for i in 0..{LEVELS} {{ deep += "d/"; }} deep += "f";
            let l = layer("deep"); l.add("host", "/"); l.seal(); let t = layer("top"); t.write("x", "y"); t.seal();
            let one = squash(["deep", "top"], "one"); assert_eq(one.read(deep), "bottom"); assert_eq(diff(one, ["deep", "top"]), []);
            one.export_tar("one.tar"); let again = layer("again"); again.opaque("/d"); again.add("one.tar"); again.opaque("/d");
            let m = mount_direct("one"); watch(true); m.append_to(deep, "!"); watch(false);
            assert_eq(diff().len(), 1); assert_eq(find("f"), ["/" + deep]);
            cp("d", "e"); mv("d", "g"); assert_eq(read("g" + deep.sub_string(1)), "bottom!"); assert_eq(read("e" + deep.sub_string(1)), "bottom!");
            rm_all("e"); copy_out("g", "out"); let c = commit("c"); c.read("g" + deep.sub_string(1)); rm_all("g"); reset(); m.discard();
            "#
        ),
    );
    let mut command = Command::new("sh");
    place.prepare(&mut command, &[("PROGRAM", env!("CARGO_BIN_EXE_ufs"))]);
    let limited = format!("ulimit -s {STACK} && exec \"$PROGRAM\" --limit-stack {STACK}K \"$1\"");
    command.args(["-c", &limited, "sh"]).arg(script);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    Ran::of(child.unwrap()).ok();
}

/// A host tree whose paths are longer than the system takes.
fn dig(place: &Place) {
    let root = place.path().join("host");
    std::fs::create_dir(&root).unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut at = rustix::fs::open(&root, flags, Mode::empty()).unwrap();
    let name = "n".repeat(200);
    for _ in 0..25 {
        rustix::fs::mkdirat(&at, &name, Mode::from_raw_mode(0o755)).unwrap();
        at = rustix::fs::openat(&at, &name, flags, Mode::empty()).unwrap();
    }
    let file = rustix::fs::openat(&at, "f", OFlags::WRONLY | OFlags::CREATE, Mode::from_raw_mode(0o644));
    rustix::io::write(file.unwrap(), b"bottom").unwrap();
}

/// What every driver does alike with a tree that is longer than a path; `mount` is the call that mounts.
fn long(mount: &str) {
    let place = Place::new();
    dig(&place);
    let script = r#"
        let n = ""; for i in 0..200 { n += "n"; }
        let dir = ""; for i in 0..25 { dir += "/" + n; } let deep = dir + "/f";
        let l = layer("deep"); l.add("host", "/"); l.seal(); assert_eq(check().len(), 0);
        assert_eq(l.read(deep), "bottom"); assert_eq(l.entries().len(), 26);
        l.export_tar("deep.tar"); let again = layer("again"); again.add("deep.tar"); again.seal(); assert_eq(again.diff_id, l.diff_id);
        let t = layer("top"); t.write("x", "y"); t.write(dir + "/g", "2"); t.seal();
        let m = MOUNT(["deep", "top"]);
        assert_eq(read(deep), "bottom"); assert_eq(ls(dir), ["f", "g"]); assert_eq(find("f"), [deep]);
        watch(true); append_to(deep, "!"); mkdir(dir + "/new"); rm(dir + "/g"); symlink("f", dir + "/s"); watch(false);
        assert_eq(read(deep), "bottom!"); assert_eq(readlink(dir + "/s"), "f"); chmod(deep, "0600"); assert_eq(stat(deep).mode, "0600");
        mv(deep, dir + "/moved"); assert(!exists(deep));
        let paths = []; for d in diff() { paths.push(d.path); } assert_eq(paths.len(), 5);
        show(); tree(m); explain(dir + "/moved");
        copy_out("/" + n, "out"); cp("/" + n, "/copy");
        let c = commit("c"); assert_eq(c.read(dir + "/moved"), "bottom!");
        assert_eq(find("moved").len(), 2); rm_all("/" + n); assert(!exists("/" + n)); assert_eq(ls(), ["copy", "x"]);
        commit("gone"); m.discard();
        let one = squash(["deep", "top", "c", "gone"], "one"); assert_eq(one.ls(), ["copy", "x"]);
        assert_eq(check().len(), 0); collect();
    "#;
    place.script(&script.replace("MOUNT", mount), &[]).ok();
}

#[test]
fn a_tree_longer_than_a_path_is_worked_on_without_a_mount() {
    long("mount_direct");
}

#[test]
fn a_tree_longer_than_a_path_is_worked_on_through_the_kernel() {
    if overlay_works() {
        long("mount_overlay");
    }
}

#[test]
fn a_tree_longer_than_a_path_is_worked_on_through_fuse() {
    if fuse_works() {
        long("mount_fuse");
    }
}
