//! What a run leaves behind that was killed, or that left processes in its mount.

use std::path::Path;
use std::process::{Command, Output, Stdio};

const MADE: &str = r#"let base = layer("base"); if !base.sealed { base.write("old", "old"); base.seal(); }
    mount_overlay("base", #{ name: "m" });"#;

/// `ufs -e CODE` on a store in `scratch`.
fn start(scratch: &Path, code: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ufs"));
    command.arg("--store").arg(scratch.join("store")).args(["-e", code]).stdin(Stdio::null());
    command
}

fn run(scratch: &Path, code: &str) -> Output {
    start(scratch, code).output().unwrap()
}

/// What a run that must work says on stdout.
fn said(scratch: &Path, code: &str) -> String {
    let output = run(scratch, code);
    assert!(output.status.success(), "{code}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn is_mounted(scratch: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.contains(&format!("{}/store/mounts", scratch.display()))
}

/// The number that a command wrote to a file.
fn number(file: &Path) -> i32 {
    std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

fn end(process: i32) {
    use nix::sys::signal::{Signal, kill};
    kill(nix::unistd::Pid::from_raw(process), Signal::SIGKILL).unwrap();
    // it is nobody's child any more, so its end cannot be waited for
    let stat = format!("/proc/{process}/stat");
    while std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
        std::thread::yield_now();
    }
}

/// A shell command that leaves a process behind with a file of the mount open for writing, and its number in `pid`.
/// It ends once the file is open: the process is `sleep` only then.
fn holding(pid: &Path) -> String {
    format!(
        "sleep 1000 >held 2>/dev/null & until grep -q sleep /proc/$!/comm; do :; done; echo $! >{}",
        pid.display()
    )
}

#[test]
fn runs_that_start_together_after_a_kill_all_work() {
    crate::host::with_mounts(|scratch| {
        for write in ["", "write(\"new\", \"n\");"] {
            for _ in 0..5 {
                run(scratch, &format!("{MADE}{write} sh(\"kill -9 $PPID\");"));
                assert!(is_mounted(scratch));
                let runs: Vec<_> = (0..4)
                    .map(|_| {
                        let mut command = start(scratch, "1");
                        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
                    })
                    .collect();
                for run in runs {
                    let output = run.wait_with_output().unwrap();
                    assert!(output.status.success(), "{}", told(&output));
                }
                assert!(!is_mounted(scratch));
                assert_eq!(said(scratch, "mounts().len()"), if write.is_empty() { "0" } else { "1" });
                said(scratch, "for m in mounts() { m.discard(); }");
            }
        }
    });
}

#[test]
fn a_commit_without_a_name_outlives_a_kill() {
    crate::host::with_mounts(|scratch| {
        run(scratch, &format!("{MADE} write(\"new\", \"n\"); commit(); sh(\"kill -9 $PPID\");"));
        let code = "collect(); let m = use_mount(\"m\"); print(m.read(\"new\")); m.discard();";
        assert_eq!(said(scratch, code), "n");
    });
}

#[test]
fn a_dead_mount_that_is_written_in_waits_and_holds_nobody_up() {
    crate::host::with_mounts(|scratch| {
        let pid = scratch.join("pid");
        let command = format!("{}; kill -9 $PPID", holding(&pid));
        run(scratch, &format!("{MADE} write(\"new\", \"n\"); sh(\"{command}\");"));
        let process = number(&pid);
        let output = run(scratch, "1");
        assert!(output.status.success(), "{}", told(&output));
        assert!(told(&output).contains(&format!("sleep (process {process})")), "{}", told(&output));
        let output = run(scratch, "use_mount(\"m\")");
        assert!(!output.status.success());
        assert!(told(&output).contains(&format!("sleep (process {process})")), "{}", told(&output));
        end(process);
        assert_eq!(said(scratch, "print(use_mount(\"m\").read(\"new\"))"), "n");
        assert!(!is_mounted(scratch));
    });
}

#[test]
fn an_upper_that_a_process_left_behind_still_writes_is_not_used_again() {
    crate::host::with_mounts(|scratch| {
        let pid = scratch.join("pid");
        let command = holding(&pid);
        // the run ends in order, so its mount is detached; only the process has it still
        let output = run(scratch, &format!("{MADE} write(\"new\", \"n\"); sh(\"{command}\");"));
        assert!(told(&output).contains("is in use by sleep"), "{}", told(&output));
        assert!(!is_mounted(scratch));
        let process = number(&pid);
        let output = run(scratch, "use_mount(\"m\").commit(\"c\")");
        assert!(!output.status.success());
        assert!(told(&output).contains("still in use"), "{}", told(&output));
        end(process);
        let code =
            "print(use_mount(\"m\").commit(\"c\").read(\"new\")); assert(check(#{ deep: true }).is_empty());";
        assert_eq!(said(scratch, code), "n");
    });
}

#[test]
fn the_commit_that_would_be_one_layer_too_many_is_refused_before_it_seals() {
    crate::host::with_mounts(|scratch| {
        let code = "for i in 0..499 { write(\"f\" + i, \"x\"); commit(); } write(\"last\", \"x\");
            try { commit(\"no\"); print(\"sealed\"); } catch (e) { print(e.kind); }
            write(\"last\", \"y\"); print(read(\"last\")); let m = mounts()[0]; print(m.stack.len()); m.discard();";
        assert_eq!(said(scratch, &format!("{MADE} {code}")), "invalid_argument\ny\n500");
    });
}

#[test]
fn damage_ends_the_program_with_4() {
    crate::host::with_mounts(|scratch| {
        said(scratch, MADE);
        std::fs::write(scratch.join("store/names/base"), "{").unwrap();
        let output = run(scratch, "layer(\"base\")");
        assert_eq!(output.status.code(), Some(4), "{}", told(&output));
        std::fs::write(scratch.join("store/format"), "{").unwrap();
        assert_eq!(run(scratch, "layers()").status.code(), Some(4));
    });
}

#[test]
fn a_throw_away_store_of_a_killed_run_goes_with_its_mounts() {
    crate::host::with_mounts(|scratch| {
        let temporary = scratch.join("tmp");
        std::fs::create_dir(&temporary).unwrap();
        std::fs::create_dir(scratch.join("at")).unwrap();
        let ephemeral = |code: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ufs"));
            command.env("TMPDIR", &temporary).args(["--ephemeral", "-e", code]).stdin(Stdio::null());
            command.output().unwrap()
        };
        let at = scratch.join("at");
        ephemeral(&format!(
            "layer(\"b\").write(\"/f\", \"1\"); mount_overlay(\"b\"); mount_overlay(\"b\", #{{ read_only: true }});
             mount_overlay(\"b\", #{{ at: \"{}\" }}); write(\"/g\", \"2\"); sh(\"kill -9 $PPID\");",
            at.display()
        ));
        let mounts = || std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(mounts().contains(temporary.to_str().unwrap()) && at.join("g").exists());
        let output = ephemeral("layers()");
        assert!(output.status.success(), "{output:?}");
        assert!(!mounts().contains(temporary.to_str().unwrap()) && !at.join("g").exists());
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    });
}

#[test]
fn what_another_store_has_mounted_since_at_the_same_place_stays() {
    crate::host::with_mounts(|scratch| {
        let at = scratch.join("at");
        std::fs::create_dir(&at).unwrap();
        for how in ["", ", read_only: true"] {
            let made = |layer: &str| {
                format!(
                    "let l = layer(\"{layer}\"); if !l.sealed {{ l.write(\"f\", \"{layer}\"); }}
                     mount_overlay([\"{layer}\"], #{{ at: \"{}\"{how} }});",
                    at.display()
                )
            };
            run(scratch, &format!("{} sh(\"kill -9 $PPID\");", made("old")));
            assert_eq!(std::fs::read_to_string(at.join("f")).unwrap(), "old");
            // as after the machine was started again
            nix::mount::umount2(&at, nix::mount::MntFlags::MNT_DETACH).unwrap();
            let other = scratch.join("other");
            std::fs::create_dir_all(&other).unwrap();
            let code = format!(
                "{} sh(\"touch here; until test -e {}/go; do sleep 0.01; done\");",
                made("new"),
                scratch.display()
            );
            let code = code.replace("touch here;", &format!("touch {}/here;", scratch.display()));
            let mut living = start(&other, &code).spawn().unwrap();
            while !scratch.join("here").exists() {
                assert!(living.try_wait().unwrap().is_none());
                std::thread::yield_now();
            }
            said(scratch, "mounts()");
            let found = std::fs::read_to_string(at.join("f"));
            std::fs::write(scratch.join("go"), "").unwrap();
            assert!(living.wait().unwrap().success());
            assert_eq!(found.unwrap(), "new");
            for name in ["go", "here"] {
                std::fs::remove_file(scratch.join(name)).unwrap();
            }
        }
    });
}
