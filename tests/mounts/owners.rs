//! Owners that the host cannot give, on real mounts.

use std::process::{Command, Stdio};

use crate::host::{skip, with_mounts};

const SYMLINK: &str = r#"
    let base = layer("base"); base.symlink("there", "/link"); base.chown("/link", 12, 34); base.seal();
    mount("base"); touch("/link");
    let changes = diff(); assert_eq(changes.len(), 1);
    print(`${changes[0].what} ${commit("web").stat("/link").uid}`);
"#;

#[test]
fn the_copy_of_a_symlink_whose_owner_only_the_index_has_is_no_change_of_its_owner() {
    with_mounts(|_| {
        let ufs = |driver: &str, code: &str| {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "--mount", env!("CARGO_BIN_EXE_ufs"), "--ephemeral"]);
            command.args(["--driver", driver, "-e", code]).stdin(Stdio::null()).output().unwrap()
        };
        if !ufs("direct", "1").status.success() {
            return skip("no user namespace inside this one");
        }
        for driver in ["overlay", "direct"] {
            let output = ufs(driver, SYMLINK);
            assert!(output.status.success(), "{driver}: {}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(String::from_utf8_lossy(&output.stdout), "[\"time\"] 12\n", "{driver}");
        }
    });
}
