//! Faults of the program itself, asked for in debug builds: nothing stays mounted, and nobody waits.
#![cfg(debug_assertions)]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ufs::sys::{mountinfo, probe};

use crate::host::{skip, with_mounts};

fn ufs(scratch: &Path, fault: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ufs"));
    command.args(words).env("UFS_STORE", scratch.join("store")).env("UFS_FAULT", fault);
    command.env_remove("RUST_BACKTRACE").current_dir(scratch).stdin(Stdio::null());
    command
}

fn mounts_in(scratch: &Path) -> usize {
    let all = mountinfo::all().unwrap().into_iter();
    all.filter(|mount| mount.point.starts_with(scratch) && mount.point != scratch).count()
}

/// Whether any process has this among its arguments, or within one.
fn runs_with(argument: &str) -> bool {
    let argument = argument.as_bytes();
    std::fs::read_dir("/proc").unwrap().flatten().any(|process| {
        std::fs::read(process.path().join("cmdline"))
            .is_ok_and(|line| line.windows(argument.len()).any(|part| part == argument))
    })
}

#[track_caller]
fn apologizes(scratch: &Path, output: &Output) {
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(70), "{err}");
    assert!(err.contains("that is a fault in ufs"), "{err}");
    assert_eq!(mounts_in(scratch), 0, "mounts are left");
}

#[test]
fn a_fault_in_a_script_leaves_no_mount() {
    with_mounts(|scratch| {
        let kinds = if probe::fuse_device().is_ok() { &["overlay", "fuse"][..] } else { &["overlay"] };
        for kind in kinds {
            let code = format!(
                "layer(\"{kind}\").write(\"/f\", \"1\"); mount_{kind}(\"{kind}\"); write(\"/f\", \"2\"); ()"
            );
            let output = ufs(scratch, "script", &["-q", "--no-userns", "-e", &code]).output().unwrap();
            apologizes(scratch, &output);
        }
    });
}

#[test]
fn a_program_that_runs_too_long_is_ended_and_the_mount_with_it() {
    with_mounts(|scratch| {
        let kinds = if probe::fuse_device().is_ok() { &["overlay", "fuse"][..] } else { &["overlay"] };
        for kind in kinds {
            // an argument that no other process has
            let long = format!("97.{}", std::process::id());
            let code = format!(
                "layer(\"{kind}\").write(\"/f\", \"1\"); mount_{kind}(\"{kind}\"); \
                 sh(\"(sleep {long}) & trap '' INT; sleep {long}; sleep {long}\")"
            );
            let words = ["-q", "--json", "--no-userns", "--limit-time", "500ms", "-e", &code];
            let output = ufs(scratch, "", &words).output().unwrap();
            let err = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{err}");
            assert!(err.contains("\"kind\":\"limit\"") && err.contains("longer than 500ms"), "{err}");
            assert_eq!(mounts_in(scratch), 0, "mounts are left");
            // Nothing of the program goes on. One that did would stand in a mount that has no path any more, so it is looked
            // for by its arguments; one that was killed may take a moment to end.
            let start = Instant::now();
            while runs_with(&long) {
                assert!(start.elapsed() < Duration::from_secs(20), "a `sleep` goes on");
                std::thread::yield_now();
            }
        }
    });
}

#[test]
fn a_fault_in_the_server_of_a_mount_ends_it_at_once() {
    with_mounts(|scratch| {
        if let Err(no) = probe::fuse_device() {
            return skip(&no.reason);
        }
        let code = "layer(\"b\").write(\"/f\", \"1\"); mount_fuse(\"b\"); sh(\"cat f; echo 2 >g\", #{ check: false }); ()";
        let start = Instant::now();
        let output = ufs(scratch, "server", &["-q", "--no-userns", "-e", code]).output().unwrap();
        apologizes(scratch, &output);
        assert!(start.elapsed() < Duration::from_secs(20));
    });
}

#[test]
fn a_fault_in_the_server_of_the_mount_command_unmounts() {
    with_mounts(|scratch| {
        if let Err(no) = probe::fuse_device() {
            return skip(&no.reason);
        }
        for dir in ["base", "up", "work", "merged"] {
            std::fs::create_dir(scratch.join(dir)).unwrap();
        }
        let layers = "lowerdir=base,upperdir=up,workdir=work";
        for (fault, act) in [("server", "ready"), ("patience", "serve")] {
            let mut served = ufs(scratch, fault, &["mount", "-f", "-o", layers, "merged"])
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let merged = scratch.join("merged");
            let is_mounted = || mountinfo::all().unwrap().into_iter().any(|mount| mount.point == merged);
            while !is_mounted() && served.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
            // a rename may have to wait for content
            let made = std::fs::create_dir(merged.join("d"))
                .and_then(|()| std::fs::rename(merged.join("d"), merged.join("e")));
            if made.is_ok() {
                served.kill().unwrap();
            }
            let output = served.wait_with_output().unwrap();
            assert!(act == "ready" || made.is_err());
            apologizes(scratch, &output);
        }
    });
}
