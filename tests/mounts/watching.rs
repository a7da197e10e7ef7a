//! `watch` on real mounts: what other programs do, in order, and too much of it.

use std::path::Path;
use std::process::Command;

use ufs::sys::probe;

use crate::host::{skip, with_mounts};

/// Three layers' worth of files in one base, by `ufs -e CODE`; what it says on stdout and stderr together.
fn told(scratch: &Path, code: &str) -> Vec<String> {
    let base = r#"let base = layer("base"); if !base.sealed { base.write("/old/a", "1234"); base.write("/old/b", "12");
        base.write("/c", ""); base.seal(); }"#;
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" 2>&1", "sh", env!("CARGO_BIN_EXE_ufs"), "--quiet", "--store"]);
    command.arg(scratch.join("store")).args(["-e", &format!("{base}{code}")]).env("LC_ALL", "C.UTF-8");
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let id = |line: &str| {
        line.split_once(" (").zip(line.split_once(')')).map(|((a, _), (_, b))| format!("{a}{b}"))
    };
    text.lines().map(|line| id(line).unwrap_or_else(|| line.to_owned())).collect()
}

fn fuse_works() -> bool {
    match probe::fuse_device() {
        Ok(_) => true,
        Err(no) => {
            skip(&no.reason);
            false
        }
    }
}

const OTHERS: &str = r##"
    watch(true);
    sh(#"echo more >>old/a; chmod 600 old/b; mkdir n; echo x >n/f; mv n/f n/g; ln n/g n/h; rm n/h; rm c"#);
    print("sh is done");
    print(commit("top").name);
    sh("rm old/a; mkdir c; touch c/d");
"##;

#[test]
fn what_other_programs_do_on_fuse_is_told_as_they_do_it() {
    with_mounts(|scratch| {
        if !fuse_works() {
            return;
        }
        let lines = told(scratch, &format!("mount_fuse(base); {OTHERS}"));
        let wanted = [
            "watch: copied up /old/ from base, the directory alone",
            "watch: copied up /old/a from base, 4 B",
            "watch: copied up /old/b from base, 2 B",
            "watch: changed /old/b: mode",
            "watch: created /n/",
            "watch: created /n/f",
            "watch: renamed /n/f → /n/g",
            "watch: created /n/h",
            "watch: removed /n/h, which the upper alone held",
            "watch: whiteout /c hides base's",
            "sh is done",
            "top",
            "watch: copied up /old/ from top, the directory alone",
            "watch: whiteout /old/a hides top's",
            "watch: created /c/",
            "watch: created /c/d",
        ];
        assert_eq!(lines, wanted, "\n{}\n", lines.join("\n"));
    });
}

#[test]
fn what_other_programs_did_on_the_kernels_overlay_is_told_after_the_call() {
    with_mounts(|scratch| {
        let lines = told(scratch, &format!("mount_overlay(base); {OTHERS}"));
        let wanted = [
            "watch: whiteout /c hides base's",
            "watch: created /n/",
            "watch: created /n/g",
            "watch: copied up /old/ from base, the directory alone",
            "watch: copied up /old/a from base, 4 B",
            "watch: copied up /old/b from base, 2 B",
            "watch: changed /old/b: mode",
            "sh is done",
            "top",
            "watch: created /c/",
            "watch: created /c/d",
            "watch: copied up /old/ from top, the directory alone",
            "watch: whiteout /old/a hides top's",
        ];
        assert_eq!(lines, wanted, "\n{}\n", lines.join("\n"));
    });
}

#[test]
fn a_storm_is_summed_up_and_nothing_of_it_is_lost() {
    with_mounts(|scratch| {
        if !fuse_works() {
            return;
        }
        let code = "mount_fuse(base); watch(true); \
                    sh(\"i=0; while [ $i -lt 2500 ]; do : >f$i; i=$((i+1)); done; rm f*; rm -r old c\"); print(\"calm\");";
        let lines = told(scratch, code);
        // 2,500 created, 2,500 removed, a directory copied up, whiteouts of it, of the two files in it, and of `c`
        let mut sum = 0;
        for line in &lines {
            match line.strip_prefix("watch: … and ").and_then(|rest| rest.split_once(" more: ")) {
                Some((count, _)) => sum += count.replace(',', "").parse::<usize>().unwrap(),
                None => sum += usize::from(line.starts_with("watch: ")),
            }
        }
        assert_eq!(sum, 5005, "\n{}\n", lines.join("\n"));
        assert_eq!(lines.last().unwrap(), "calm", "all of it is told before the next answer");
        assert!(lines.len() < 2500, "most of it is summed up");
    });
}
