//! Every code block of README.md runs, and prints what the README says.
//!
//! `rhai` is a script on an empty store, a `text` behind it what it prints; `sh` must succeed; in `console`, lines
//! with `$` are commands and the others what they print.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use ufs::sys::dir::own_ids;
use ufs::sys::probe;

use crate::image_files::{Made, index, layout, named, three_layers};

struct Block {
    line: usize,
    language: String,
    text: String,
}

fn blocks(readme: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in readme.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(language) if !open => {
                found.push(Block { line: number + 1, language: language.to_owned(), text: String::new() });
                open = true;
            }
            Some(_) => open = false,
            None if open => {
                let block = found.last_mut().unwrap();
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    found
}

/// A directory with `ufs`, and with a `cargo` that stands for cargo where that would build us again.
fn programs(dir: &Path) {
    symlink(env!("CARGO_BIN_EXE_ufs"), dir.join("ufs")).unwrap();
    let cargo = dir.join("cargo");
    let script = "#!/bin/sh\ncase \"$*\" in\n'run --release -- '*) shift 3; exec ufs \"$@\";;\n\
                  test|'run --example layers') exit 0;;\n*) echo \"cargo $*: not in this test\" >&2; exit 9;;\nesac\n";
    fs::write(&cargo, script).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    // the images that it tells of
    let made = Made::of(&three_layers());
    fs::write(dir.join("app.tar"), made.docker_archive(&["app:1"])).unwrap();
    layout(&dir.join("build"), &index(&[made.descriptor(&named("app"))]), &made.parts());
}

fn run(program: &str, args: &[&str], home: &Path) -> Output {
    let path = std::env::var("PATH").unwrap();
    Command::new(program)
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .env("PATH", format!("{}:{path}", home.display()))
        .env("HOME", home)
        .env("TMPDIR", home)
        .env("LC_ALL", "C.UTF-8")
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .unwrap()
}

/// Runs the commands of a block one after another in a mount namespace of their own; gives them with what they print.
fn in_own_namespace(block: &Block, home: &Path) -> String {
    let mut script = String::from("set -e\n");
    for command in block.text.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let quoted = command.replace('\'', r"'\''");
        writeln!(script, "printf '%s\\n' '$ {quoted}'\n{command}").unwrap();
    }
    let namespace: &[&str] = if own_ids().0 == 0 { &["--mount"] } else { &["--mount", "--map-root-user"] };
    let arguments = [namespace, &["sh", "-c", &script]].concat();
    succeeded(&run("unshare", &arguments, home), block)
}

fn skip(reason: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "with CI=true nothing is skipped: {reason}"
    );
    eprintln!("skipped: {reason}");
}

#[track_caller]
fn succeeded(output: &Output, block: &Block) -> String {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "README.md:{}: {}\n{err}", block.line, output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The picture's first line names a place that differs from machine to machine: only its ends count.
fn without_places(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if let Some(first) = lines.first_mut()
        && ["  overlay  ", "  fuse  ", "  direct  "].iter().any(|driver| first.contains(driver))
    {
        let words: Vec<&str> = first.split_whitespace().collect();
        *first = format!("{} … {}", words[0], words[words.len() - 2..].join(" "));
    }
    // told where the mount is in a namespace of its own
    lines.retain(|line| !line.starts_with("from another terminal: "));
    lines.join("\n")
}

#[test]
fn every_block_of_the_readme_does_what_it_says() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let home = tempfile::tempdir().unwrap();
    programs(home.path());
    let mut printed: Option<String> = None;
    let blocks = blocks(&readme);
    assert!(blocks.len() > 8, "the blocks are found");
    for block in &blocks {
        let before = printed.take();
        match block.language.as_str() {
            "rhai" => {
                let output = run("ufs", &["-q", "--ephemeral", "-e", &block.text], home.path());
                printed = Some(succeeded(&output, block));
            }
            "text" => {
                let Some(before) = before else { panic!("README.md:{}: text of no script", block.line) };
                assert_eq!(without_places(&before), without_places(&block.text), "README.md:{}", block.line);
            }
            "sh" => {
                succeeded(&run("sh", &["-euc", &block.text], home.path()), block);
            }
            "console" if block.text.contains("$ ufs mount ") => match probe::fuse_device() {
                Ok(_) => {
                    assert_eq!(in_own_namespace(block, home.path()), block.text, "README.md:{}", block.line);
                }
                Err(no) => skip(&no.reason),
            },
            "console" => {
                let mut said = String::new();
                for command in block.text.lines().filter_map(|line| line.strip_prefix("$ ")) {
                    said.push_str("$ ");
                    said.push_str(command);
                    said.push('\n');
                    said.push_str(&succeeded(&run("sh", &["-c", command], home.path()), block));
                }
                assert_eq!(said, block.text, "README.md:{}", block.line);
            }
            other => panic!("README.md:{}: no test runs a block of `{other}`", block.line),
        }
    }
}

#[test]
fn the_scripts_of_the_readme_run_one_after_another_and_again() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let home = tempfile::tempdir().unwrap();
    programs(home.path());
    let scripts: Vec<Block> = blocks(&readme).into_iter().filter(|block| block.language == "rhai").collect();
    assert!(scripts.len() > 3);
    let store = home.path().join("store");
    let args = |code| ["-q", "--store", store.to_str().unwrap(), "-e", code].map(str::to_owned);
    // in one process, then each as a script of its own, twice on what the others have left
    let all: String = scripts.iter().map(|block| block.text.as_str()).collect();
    let first = Block { line: 1, language: "rhai".to_owned(), text: all };
    for block in [&first].into_iter().chain(&scripts).chain([&first]).chain(&scripts) {
        let args = args(&block.text);
        succeeded(&run("ufs", &args.each_ref().map(String::as_str), home.path()), block);
    }
}

#[test]
fn the_demos_run_again_on_a_store_that_they_have_used() {
    let home = tempfile::tempdir().unwrap();
    programs(home.path());
    let root = home.path().join("root");
    for number in 0..120 {
        fs::create_dir_all(root.join(format!("usr/share/doc/{number}"))).unwrap();
        fs::write(root.join(format!("usr/share/doc/{number}/copyright")), "free\n").unwrap();
    }
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\n").unwrap();
    let store = home.path().join("store");
    for script in ["overlayfs.rhai", "unionfs.rhai", "docker_commit.rhai", "real_rootfs.rhai"] {
        let path = format!("scripts/{script}");
        let mut args = vec!["-q", "--store", store.to_str().unwrap(), &path];
        if script == "real_rootfs.rhai" {
            args.push(root.to_str().unwrap());
        }
        let runs = [run("ufs", &args, home.path()), run("ufs", &args, home.path())];
        let told = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
        match runs[0].status.code() {
            // it says what the machine lacks
            Some(3) => skip(&told(&runs[0])),
            _ => assert!(runs.iter().all(|ran| ran.status.success()), "{script}: {}", told(&runs[1])),
        }
    }
}

#[test]
fn the_two_commands_stand_in_the_readme_as_users_type_them() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for command in ["cargo run --release -- scripts/overlayfs.rhai", "cargo test"] {
        assert!(readme.lines().any(|line| line == command), "{command}");
    }
}
