//! Owners that the host cannot give, on real mounts.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::process::{Command, Output, Stdio};

use ufs::sys::{Dir, dir::own_ids, xattr};

use crate::host::{skip, with_mounts};
use crate::semantics::{Rights, rights};

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

/// The program as a user of the machine without any rights, with nothing in the environment.
fn as_user(code: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "12345", "--regid", "12345", "--clear-groups", env!("CARGO_BIN_EXE_ufs")]);
    command.args(code).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").stdin(Stdio::null());
    command
}

/// Whether a user can run the program here, in a user namespace.
fn users_can_run() -> bool {
    if rights() != Rights::Root {
        return false; // only root can run it as somebody else
    }
    let ran = own_ids().0 == 0
        && as_user(&["--ephemeral", "-e", "layers()"]).output().is_ok_and(|output| output.status.success());
    if !ran {
        skip("no other user can run the program here");
    }
    ran
}

#[test]
fn owners_of_what_a_user_adds_are_told_where_they_are_not_the_hosts() {
    with_mounts(|scratch| {
        if !users_can_run() {
            return;
        }
        let open = fs::Permissions::from_mode(0o755);
        let (host, home) = (scratch.join("host"), scratch.join("home"));
        for dir in [&host, &home] {
            fs::create_dir(dir).unwrap();
            chown(dir, Some(12345), Some(12345)).unwrap();
        }
        for (name, owner) in [("mine", 12345), ("theirs", 777), ("roots", 0)] {
            fs::write(host.join(name), name).unwrap();
            chown(host.join(name), Some(owner), Some(owner)).unwrap();
        }
        fs::set_permissions(scratch, open).unwrap();
        let run = |mut command: Command, options: &str| {
            let code = format!(
                "let l = layer(\"l\"); l.add(\"{}\"{options}); l.add(\"{}\", \"/again\"{options}); l.seal();
                 print(l.entries().to_array().filter(|e| e.path == \"/mine\" || e.path == \"/theirs\")
                     .map(|e| `${{e.uid}}:${{e.gid}}`)); print(l.id);",
                host.display(),
                host.display()
            );
            let output = command.env("HOME", &home).args(["--ephemeral", "-e", &code]).output().unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert!(output.status.success(), "{}", text(&output.stderr));
            (text(&output.stdout), text(&output.stderr))
        };
        let (out, err) = run(as_user(&[]), "");
        assert!(out.starts_with("[\"0:0\", \"65534:65534\"]"), "{out}");
        assert_eq!(
            err.matches("files of yours (12345:12345) have the owner 0:0 in the layer").count(),
            1,
            "{err}"
        );
        assert_eq!(err.matches("the owners of 2 files").count(), 2, "{err}");
        assert!(err.contains("owner: \"0:0\""), "{err}");
        // without a namespace the others are known
        let (out, err) = run(as_user(&["--no-userns"]), "");
        assert!(out.starts_with("[\"0:0\", \"777:777\"]"), "{out}");
        assert!(err.contains("files of yours (12345:12345)") && !err.contains("cannot be known"), "{err}");
        // with one owner for all the layer is everybody's
        let root = || Command::new(env!("CARGO_BIN_EXE_ufs"));
        let all = ", #{ owner: \"0:0\" }";
        let (as_root, err) = run(root(), all);
        assert!(!err.contains("owner"), "{err}");
        for command in [as_user(&[]), as_user(&["--no-userns"])] {
            let (out, err) = run(command, all);
            assert_eq!(out, as_root);
            assert!(!err.contains("owner"), "{err}");
        }
        let (out, err) = run(root(), "");
        assert!(out.starts_with("[\"12345:12345\", \"777:777\"]") && !err.contains("owner"), "{out}{err}");
    });
}

#[test]
fn a_user_without_a_home_in_the_environment_is_never_taken_for_root() {
    with_mounts(|_| {
        if !users_can_run() {
            return;
        }
        let told = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
        for set in [None, Some("")] {
            let with_home =
                |mut command: Command| command.envs(set.map(|home| ("HOME", home))).output().unwrap();
            // there is no such user, so no home either
            let output = with_home(as_user(&["-e", "layers()"]));
            assert_eq!(output.status.code(), Some(2), "{}", told(&output));
            assert!(told(&output).contains("there is no home directory"), "{}", told(&output));
            // one that is known
            let Some(home) = fs::read_to_string("/etc/passwd").unwrap().lines().find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                (fields[2] == "1").then(|| fields[5].to_owned())
            }) else {
                return skip("no user has the number 1");
            };
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "1", "--regid", "1", "--clear-groups", env!("CARGO_BIN_EXE_ufs")]);
            command.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
            command.args([
                "--ephemeral",
                "-q",
                "-e",
                "mount(layer(\"l\")); print(env(\"HOME\")); sh(\"echo ~\");",
            ]);
            let output = with_home(command);
            assert_eq!(
                String::from_utf8_lossy(&output.stdout),
                format!("{home}\n{home}\n"),
                "{}",
                told(&output)
            );
        }
    });
}

#[test]
fn root_leaves_a_users_store_alone_unless_told_otherwise() {
    with_mounts(|scratch| {
        if !users_can_run() {
            return;
        }
        fs::set_permissions(scratch, fs::Permissions::from_mode(0o755)).unwrap();
        let home = scratch.join("home");
        fs::create_dir(&home).unwrap();
        chown(&home, Some(12345), Some(12345)).unwrap();
        let ran = |mut command: Command, store: &str, code: &str| {
            let output =
                command.arg("--store").arg(home.join(store)).args(["-q", "-e", code]).output().unwrap();
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let root = || Command::new(env!("CARGO_BIN_EXE_ufs"));
        let user = |how: &[&str]| as_user(how);
        let made = "layer(\"b\").write(\"/f\", \"1\"); mount_direct(\"b\", #{ name: \"m\" }); write(\"/mine\", \"1\");";
        assert_eq!(ran(user(&[]), "store", made).0, Some(0));
        fs::create_dir(home.join("empty")).unwrap();
        chown(home.join("empty"), Some(12345), Some(12345)).unwrap();
        for store in ["store", "empty"] {
            let (code, err) = ran(root(), store, "layers()");
            assert_eq!(code, Some(1), "{err}");
            assert!(err.contains("belongs to another user (12345)") && err.contains("--as-root"), "{err}");
        }
        assert_eq!(fs::read_dir(home.join("empty")).unwrap().count(), 0);
        let mut told = root();
        told.arg("--as-root");
        let (code, err) = ran(told, "store", "assert_eq(layer(\"b\").read(\"/f\"), \"1\");");
        assert_eq!(code, Some(0), "{err}");
        // its owner goes on with it, in a namespace or not
        let on = "use_mount(\"m\").commit(\"c\"); collect(); remove(\"c\"); assert(check(#{ deep: true }).is_empty());";
        assert_eq!(ran(user(&[]), "store", on), (Some(0), String::new()));
        assert_eq!(ran(user(&["--no-userns"]), "store", "layers(); collect();"), (Some(0), String::new()));
        // what the system lets a user use is theirs to use, whoever owns the directory
        let shared = scratch.join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
        let mut command = as_user(&[]);
        let output =
            command.arg("--store").arg(&shared).args(["-e", "layer(\"x\").seal(); ()"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}
