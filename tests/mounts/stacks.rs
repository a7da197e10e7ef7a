//! What layers mean in a stack: the same by every driver, and by the kernel as any program sees it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::host::with_mounts;

const DRIVERS: [&str; 3] = ["overlay", "fuse", "direct"];

/// Runs a script by each driver; it fails where an assertion does.
fn on_every_driver(dir: &Path, code: &str) {
    for driver in DRIVERS {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ufs"));
        command.args(["--ephemeral", "--quiet", "--driver", driver, "-e", code]);
        let output = command.current_dir(dir).env("SCRATCH", dir).stdin(Stdio::null()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{driver}: {told}");
    }
}

/// Lists a directory as any program would, where there is a mount.
const LIST: &str = r#"
    fn names(at) {
        let own = ls(at);
        if use_mount("m").driver != "direct" {
            assert_eq(sh("ls -A ." + at).out, own.reduce(|all, name| all + name + "\n", ""));
            sh("cp -a ." + at + " " + env("SCRATCH") + "/copy && rm -r " + env("SCRATCH") + "/copy");
        }
        own
    }
"#;

#[test]
fn an_opaque_root_hides_all_that_lies_beneath() {
    with_mounts(|scratch| {
        on_every_driver(
            scratch,
            &[
                LIST,
                r#"
                layer("base").write("/old", "1"); layer("base").write("/d/old", "1");
                let top = layer("top"); top.opaque("/"); top.write("/d/new", "1");
                layer("more").write("/more", "1");
                let m = mount(["base", "top", "more"], #{ name: "m" });
                assert_eq(names("/"), ["d", "more"]); assert_eq(names("/d"), ["new"]);
                assert_eq(m.stack.len(), 3); assert_eq(tree(m).paths, ["/", "/d", "/d/new", "/more"]);
                assert_eq(explain("/old").shown, ());
                write("/d/again", "1"); let c = commit("c"); assert_eq(c.stack.len(), 4);
                assert_eq(names("/d"), ["again", "new"]);
                m.unmount(); assert_eq(squash("c", "one").ls("/d"), ["again", "new"]);
                mount_direct(["base", "one"]); assert_eq(ls("/"), ["d", "more", "old"]);
                "#,
            ]
            .concat(),
        );
    });
}

#[test]
fn whiteouts_that_hide_nothing_are_not_there() {
    with_mounts(|scratch| {
        on_every_driver(
            scratch,
            &[
                LIST,
                r#"
                let base = layer("base"); base.write("/d/f", "1"); base.whiteout("/gone"); base.whiteout("/d/gone");
                let top = layer("top"); top.write("/o/f", "1"); top.write("/o/e/f", "1"); top.write("/only/f", "1");
                for dir in ["/o", "/o/e", "/only"] { top.whiteout(dir + "/gone"); }
                top.opaque("/o");
                mount("base", #{ name: "m" });
                assert_eq(names("/"), ["d"]); assert_eq(names("/d"), ["f"]);
                write("/d/g", "1"); assert_eq(names("/d"), ["f", "g"]);
                use_mount("m").discard();
                mount(["base", "top"], #{ name: "m" });
                assert_eq(names("/"), ["d", "o", "only"]); assert_eq(names("/o"), ["e", "f"]);
                assert_eq(names("/o/e"), ["f"]); assert_eq(names("/only"), ["f"]);
                rm("/o/e/f"); rm("/o/e"); commit("c");
                assert_eq(names("/o"), ["f"]);
                "#,
            ]
            .concat(),
        );
    });
}
