//! Trees of many levels: no call needs more stack for them than for a flat one.

use std::process::{Command, Stdio};

use crate::program::{Place, Ran};

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
