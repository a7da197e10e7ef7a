//! Mounts without syncs: mounted again, and after the machine stopped.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::host::{skip, with_mounts};

/// `ufs ARGS` as it is, or as root of a user namespace.
fn ufs(in_namespace: bool, args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_ufs");
    let mut command = if in_namespace { Command::new("unshare") } else { Command::new(program) };
    if in_namespace {
        command.args(["--user", "--map-root-user", "--mount", program]);
    }
    command.args(args).stdin(Stdio::null()).output().unwrap()
}

fn on_store(scratch: &Path, code: &str) -> Output {
    ufs(false, &["--store", scratch.join("store").to_str().unwrap(), "-e", code])
}

fn said(output: &Output) -> &str {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::str::from_utf8(&output.stdout).unwrap().trim_end()
}

const AGAIN: &str = r#"
    let base = layer("base"); base.write("old", "o"); base.seal();
    let m = mount("base", #{ name: "m", volatile: true });
    write("a", "1"); m.unmount(); m.mount();
    write("b", read("a") + "2"); let web = commit("web"); m.unmount(); m.mount();
    write("c", read("b") + "3"); m.unmount(); m.mount(); print(read("c"));
    reset(); m.unmount(); m.mount(); print(exists("b") && !exists("c"));
"#;

#[test]
fn a_mount_without_syncs_is_mounted_again_as_often_as_wanted() {
    with_mounts(|scratch| {
        let mut drivers = vec!["overlay", "direct"];
        match ufs::sys::probe::fuse_device() {
            Ok(_) => drivers.push("fuse"),
            Err(no) => skip(&no.reason),
        }
        for in_namespace in [false, true] {
            if in_namespace && !ufs(true, &["-e", "1"]).status.success() {
                skip("no user namespace inside this one");
                continue;
            }
            for driver in &drivers {
                let store = scratch.join(format!("store-{driver}-{in_namespace}"));
                for place in [&["--ephemeral"][..], &["--store", store.to_str().unwrap()]] {
                    let output = ufs(in_namespace, &[place, &["--driver", driver, "-e", AGAIN]].concat());
                    assert_eq!(said(&output), "123\ntrue", "{driver} {in_namespace}");
                }
            }
        }
    });
}

const MADE: &str = r#"let base = layer("base"); if !base.sealed { base.write("old", "o"); base.seal(); }
    mount_overlay("base", #{ name: "m", volatile: true }); write("new", "n");"#;

/// Makes it look as if the machine had stopped since the upper was written.
fn stop_the_machine(mark: &Path) {
    let told = fs::read_to_string(mark).unwrap();
    let (before, rest) = told.split_once("\"boot\":\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    // as an earlier version wrote it, without a checksum
    let (after, _) = after.split_once(",\"check\"").unwrap();
    fs::write(mark, format!("{before}\"boot\":\"an earlier one\"{after}}}")).unwrap();
}

#[test]
fn an_upper_that_was_not_synced_when_the_machine_stopped_is_not_trusted() {
    with_mounts(|scratch| {
        let mark = scratch.join("store/mounts/m/unsynced");
        let named = |rest: &str| format!("let m = mounts().find(|m| m.name == \"m\"); {rest}");
        // a process that dies alone takes nothing with it
        on_store(scratch, &format!("{MADE} sh(\"kill -9 $PPID\");"));
        assert!(mark.exists());
        let code = named("print(use_mount(m).read(\"new\")); write(\"more\", \"\"); sh(\"kill -9 $PPID\");");
        assert_eq!(String::from_utf8_lossy(&on_store(scratch, &code).stdout), "n\n");

        stop_the_machine(&mark);
        let tried = named(
            "for act in [|| use_mount(m), || m.commit(\"web\")] { try { act.call(); } catch (e) { print(e.kind); } }",
        );
        let output = on_store(scratch, &tried);
        assert_eq!(said(&output), "unsynced\nunsynced");
        let notes = String::from_utf8_lossy(&output.stderr);
        assert!(notes.contains("may be damaged"), "{notes}");
        // the mark stays until somebody decides
        let output = on_store(scratch, "use_mount(\"m\")");
        assert!(!output.status.success());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(&format!("remove `{}`", mark.display())), "{told}");
        said(&on_store(scratch, &named("m.discard();")));
        assert_eq!(said(&on_store(scratch, "mounts().len()")), "0");

        // to empty it makes it good
        on_store(scratch, &format!("{MADE} sh(\"kill -9 $PPID\");"));
        stop_the_machine(&mark);
        let code = named("reset(m); print(use_mount(m).exists(\"new\"));");
        assert_eq!(said(&on_store(scratch, &code)), "false");
    });
}

#[test]
fn a_run_that_ends_in_order_syncs_what_it_keeps() {
    with_mounts(|scratch| {
        let mark = scratch.join("store/mounts/m/unsynced");
        said(&on_store(scratch, MADE));
        assert!(!mark.exists());
        let code = format!(
            "use_mount(\"m\"); print(exists(\"new\")); sh(\"test -e {} && echo marked\");",
            mark.display()
        );
        assert_eq!(said(&on_store(scratch, &code)), "true\nmarked");
        assert!(!mark.exists());
        assert_eq!(said(&on_store(scratch, "use_mount(\"m\").commit(\"web\").read(\"new\")")), "n");
    });
}
