//! Tells the program which commit it was built from; `ufs --version` says it.
//!
//! `UFS_COMMIT` of the environment is taken as it is. Without it git is asked, for release builds alone: a debug build is
//! not linked again after each commit. What cargo made of a packaged crate is found in `.cargo_vcs_info.json`.

use std::path::Path;
use std::process::Command;

/// The output of a git command in this tree, if it worked.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

/// The commit in the file that `cargo package` adds: the hexadecimal digits after `"sha1": "`.
fn packaged() -> Option<String> {
    let info = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = info.split_once("\"sha1\": \"")?;
    Some(rest.chars().take_while(char::is_ascii_hexdigit).take(12).collect())
}

/// This tree's own commit; a tree that merely lies somewhere in another repository has none.
fn committed() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn main() {
    println!("cargo::rerun-if-env-changed=UFS_COMMIT");
    println!("cargo::rerun-if-changed=src/build.rs");
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let asked = || if is_release { packaged().or_else(committed) } else { None };
    if let Some(commit) = std::env::var("UFS_COMMIT").ok().or_else(asked) {
        println!("cargo::rustc-env=UFS_COMMIT={commit}");
    }
}
