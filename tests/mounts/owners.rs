//! Owners that the host cannot give, on real mounts.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::{Command, Output, Stdio};

use ufs::sys::{Dir, dir::own_ids, xattr};

use crate::host::{skip, with_mounts};

/// The program as root of a user namespace.
fn in_namespace(driver: &str, code: &str) -> Output {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", env!("CARGO_BIN_EXE_ufs"), "--ephemeral"]);
    command.args(["--driver", driver, "-e", code]).stdin(Stdio::null()).output().unwrap()
}

const SYMLINK: &str = r#"
    let base = layer("base"); base.symlink("there", "/link"); base.chown("/link", 12, 34); base.seal();
    mount("base"); touch("/link");
    let changes = diff(); assert_eq(changes.len(), 1);
    print(`${changes[0].what} ${commit("web").stat("/link").uid}`);
"#;

#[test]
fn the_copy_of_a_symlink_whose_owner_only_the_index_has_is_no_change_of_its_owner() {
    with_mounts(|_| {
        if !in_namespace("direct", "1").status.success() {
            return skip("no user namespace inside this one");
        }
        for driver in ["overlay", "direct"] {
            let output = in_namespace(driver, SYMLINK);
            assert!(output.status.success(), "{driver}: {}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(String::from_utf8_lossy(&output.stdout), "[\"time\"] 12\n", "{driver}");
        }
    });
}

#[test]
fn a_copy_does_not_make_marks_count_that_somebody_else_has_set() {
    if own_ids().0 != 0 {
        // only root can give a file to somebody else
        return;
    }
    with_mounts(|scratch| {
        if !in_namespace("direct", "1").status.success() {
            return skip("no user namespace inside this one");
        }
        let lower = scratch.join("lower");
        fs::create_dir(&lower).unwrap();
        let dir = Dir::open(&lower).unwrap();
        for (name, mark, value) in
            [("program", &b"user.ufs.owner"[..], &b"0:0"[..]), ("empty", b"user.ufs.node", b"block:8:0")]
        {
            fs::write(lower.join(name), if name == "empty" { "" } else { "x" }).unwrap();
            xattr::set_at(&dir, name.as_bytes(), mark, value).unwrap();
            chown(lower.join(name), Some(12345), Some(12345)).unwrap();
            fs::set_permissions(lower.join(name), fs::Permissions::from_mode(0o4755)).unwrap();
        }
        fs::set_permissions(scratch, fs::Permissions::from_mode(0o755)).unwrap();
        let code = format!(
            r#"mount(layer_at("{}"));
            for name in ["program", "empty"] {{
                let before = stat(name); touch(name); let after = stat(name);
                assert(before.uid != 0); assert_eq(after.uid, before.uid); assert_eq(after.kind, "file");
            }}
            let web = commit("web"); print(`${{web.stat("program").uid != 0}} ${{web.stat("empty").kind}}`);"#,
            lower.display()
        );
        let output = in_namespace("direct", &code);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "true file\n");
    });
}
