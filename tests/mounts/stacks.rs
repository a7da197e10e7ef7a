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
                assert_eq(m.stack.len(), 3); let line = m.command();
                assert(!line.contains(layer("base").path)); assert(line.contains(layer("top").path));
                assert_eq(tree(m).paths, ["/", "/d", "/d/new", "/more"]);
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

/// Three directories that are not as the usual ones, and layers that have something in them without a word on them.
const IMPLIED: &str = r#"
    fn look(at) {
        let own = stat(at);
        if use_mount("m").driver != "direct" {
            let told = sh("stat -c '%a %u %g %Y' ." + at).out;
            assert_eq(told.split()[0].parse_int(8), own.mode.parse_int(8));
            assert_eq(told.split()[1], `${own.uid}`); assert_eq(told.split()[3], `${own.mtime.to_int()}`);
        }
        `${own.mode} ${own.uid}`
    }
    let base = layer("base");
    base.write("/root/old", "1"); base.write("/home/u/old", "1"); base.mkdir("/tmp");
    base.chmod("/root", "0700"); base.chmod("/tmp", "1777"); base.chown("/home/u", 7, 8);
    base.set_xattr("/root", "user.colour", "red");
    let top = layer("top");
    top.write("/root/new", "1"); top.write("/tmp/new", "1"); top.write("/home/u/new/deep", "1"); top.write("/own/f", "1");
"#;

#[test]
fn an_implied_directory_is_as_the_ones_beneath() {
    if ufs::sys::dir::own_ids().0 != 0 {
        return; // only root gives files to others
    }
    with_mounts(|scratch| {
        on_every_driver(
            scratch,
            &[
                IMPLIED,
                r#"
                let m = mount(["base", "top"], #{ name: "m" });
                let time = layer("base").stat("/root").mtime;
                assert_eq(look("/root"), "0700 0"); assert_eq(look("/tmp"), "1777 0");
                assert_eq(look("/home/u"), "0755 7"); assert_eq(look("/home"), "0755 0");
                assert_eq(look("/own"), "0755 0"); assert_eq(look("/home/u/new"), "0755 0");
                assert_eq(stat("/root").mtime, time); assert_eq(xattr("/root", "user.colour"), "red");
                assert_eq(ls("/root"), ["new", "old"]);
                assert_eq(m.stack.len(), 2); assert_eq(history(m).len(), 3); assert(!m.command().contains("dirs"));
                assert_eq(diff().len(), 0);
                assert_eq(diff("base", ["base", "top"]).filter(|c| c.kind != "added").len(), 0);
                let life = explain("/root");
                assert_eq(life.steps[1].what, "merged"); assert_eq(life.steps[1].changed, []);
                assert_eq(life.shown.layer, "base"); assert_eq(life.shown.entry.mode, "0700");
                // the upper's copy is a real one, and the same file
                let inode = stat("/root").ino;
                m.unmount(); m.mount(); assert_eq(stat("/root").ino, inode);
                write("/root/mine", "1"); rm("/tmp/new");
                if m.driver != "direct" {
                    assert_eq(stat("/root").ino, inode);
                    m.unmount(); m.mount(); assert_eq(stat("/root").ino, inode);
                }
                assert_eq(look("/root"), "0700 0"); assert_eq(look("/tmp"), "1777 0");
                let c = commit("c");
                assert_eq(c.stat("/root").mode, "0700"); assert_eq(look("/root"), "0700 0"); assert_eq(look("/home/u"), "0755 7");
                m.unmount(); m.mount(); assert_eq(look("/home/u"), "0755 7"); assert_eq(look("/tmp"), "1777 0");
                m.discard();
                // the layer alone, in another stack, above one that has the last word
                mount("top", #{ name: "m" }); assert_eq(look("/root"), "0755 0"); use_mount("m").discard();
                let last = layer("last"); last.mkdir("/root"); last.chmod("/root", "0711");
                mount(["base", "top", "last"], #{ name: "m", read_only: true });
                assert_eq(look("/root"), "0711 0"); assert_eq(look("/tmp"), "1777 0");
                "#,
            ]
            .concat(),
        );
    });
}

#[test]
fn an_implied_directory_over_a_deleted_one_is_a_new_one() {
    if ufs::sys::dir::own_ids().0 != 0 {
        return; // only root gives files to others
    }
    with_mounts(|scratch| {
        on_every_driver(
            scratch,
            &[
                IMPLIED,
                r#"
                let gone = layer("gone"); gone.whiteout("/root"); gone.opaque("/home"); gone.write("/tmp", "a file");
                mount(["base", "gone", "top"], #{ name: "m" });
                assert_eq(look("/root"), "0755 0"); assert_eq(look("/tmp"), "0755 0"); assert_eq(look("/home/u"), "0755 0");
                assert_eq(ls("/root"), ["new"]); assert_eq(ls("/home/u"), ["new"]);
                "#,
            ]
            .concat(),
        );
    });
}

#[test]
fn an_implied_directory_over_a_host_directory_is_as_that_one() {
    with_mounts(|scratch| {
        let host = scratch.join("host");
        std::fs::create_dir_all(host.join("secret/within")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode;
        std::fs::set_permissions(host.join("secret"), mode(0o750)).unwrap();
        std::fs::set_permissions(&host, mode(0o711)).unwrap();
        on_every_driver(
            scratch,
            r#"
            layer("top").write("/secret/within/f", "1");
            mount([layer_at(env("SCRATCH") + "/host"), "top"]);
            assert_eq(stat("/secret").mode, "0750"); assert_eq(stat("/").mode, "0711");
            mount([layer_at(env("SCRATCH") + "/host"), "top"], #{ read_only: true });
            assert_eq(stat("/secret").mode, "0750"); assert_eq(stat("/").mode, "0711");
            "#,
        );
    });
}

#[test]
fn what_is_watched_is_told_of_the_layers_of_the_stack() {
    with_mounts(|scratch| {
        let code = r#"
            layer("low").write("/x", "1");
            let cut = layer("cut"); cut.opaque("/"); cut.mkdir("/secret"); cut.chmod("/secret", "0700"); cut.write("/old", "1");
            layer("top").write("/secret/g", "1");
            mount(["low", "cut", "top"]); watch(true); chmod("/secret/g", "0600"); rm("/old");
        "#;
        for driver in DRIVERS {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ufs"));
            command.args(["--ephemeral", "--quiet", "--driver", driver, "-e", code]);
            let output = command.current_dir(scratch).stdin(Stdio::null()).output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            let words: Vec<String> =
                told.lines().map(|line| line.split(" (").next().unwrap().to_owned()).collect();
            let wanted = [
                "watch: copied up /secret/ from cut",
                "watch: copied up /secret/g from top",
                "watch: changed /secret/g: mode",
                "watch: whiteout /old hides cut's",
            ];
            assert_eq!(words, wanted, "{driver}: {told}");
        }
    });
}
