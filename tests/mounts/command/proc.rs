//! Where `/proc` is not mounted, or is that of another PID namespace.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::stack::{Ran, WRITABLE, on_stack, ufs, with_stack};
use crate::semantics::{Rights, rights};

const REASON: &str = "no `/proc` is mounted that shows this process";
const CURE: &str = "`mount -t proc proc /proc`";

/// Runs something while an empty directory covers `/proc`.
fn without_proc<T>(run: impl FnOnce() -> T) -> T {
    mount(Some("none"), "/proc", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    let ran = run();
    umount2("/proc", MntFlags::MNT_DETACH).unwrap();
    ran
}

#[test]
fn without_proc_a_mount_is_refused_with_the_cure() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let ran = without_proc(|| stack.mount(WRITABLE));
            ran.refused(3, &["cannot serve a mount", REASON, CURE]);
            assert!(!stack.is_mounted());
            stack.mount(WRITABLE).ok();
            stack.umount();
        });
    });
}

#[test]
fn without_proc_no_store_is_opened_and_the_cure_is_told() {
    on_stack(|scratch| {
        let run = |words: &[&str]| -> Ran {
            let store = scratch.join("store");
            without_proc(|| ufs().arg("--store").arg(store).args(words).output().unwrap()).into()
        };
        for driver in ["overlay", "fuse", "direct"] {
            let ran = run(&["--driver", driver, "-e", "mounts()"]);
            ran.refused(3, &["cannot work with a store", REASON, CURE]);
        }
        let told = run(&["doctor"]).ok().out;
        for words in [REASON, CURE, "cannot read /proc/filesystems", "mount() finds no driver"] {
            assert!(told.contains(words), "`{words}` in {told}");
        }
    });
}

#[test]
fn whoever_has_the_number_of_a_writer_elsewhere_does_not_answer_for_him() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            if rights() != Rights::Root {
                return;
            }
            fs::set_permissions(stack.at("base/d/deep"), fs::Permissions::from_mode(0o4777)).unwrap();
            // the first numbers belong to root's processes outside, and `/proc` is still theirs
            let script = "\"$0\" mount -o \"$1\" merged && \
                          setpriv --reuid=4001 --regid=4001 --clear-groups sh -c 'echo more >>merged/d/deep'; \
                          umount merged";
            let words = ["--pid", "--fork", "sh", "-c", script, env!("CARGO_BIN_EXE_ufs"), WRITABLE];
            let ran = Command::new("unshare").args(words).current_dir(&stack.dir).output().unwrap();
            Ran::from(ran).ok();
            assert_eq!(mode(&stack.at("upper/d/deep")), 0o777);
        });
    });
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
