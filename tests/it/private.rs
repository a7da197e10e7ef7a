//! Nobody else gets in: what is made is private whatever the umask, and what others planted is neither followed nor used.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Place, Ran};

const WORK: &str = "let b = layer(\"b\", #{ fresh: true }); b.write(\"/f\", \"1\"); b.symlink(\"f\", \"/s\"); b.chown(\"/s\", 5, 6); b.seal(); \
    let m = mount_direct(b, #{ name: \"m\", fresh: true }); m.write(\"/x\", \"2\"); m.commit(\"c\"); m.write(\"/y\", \"3\"); \
    layer(\"d\", #{ fresh: true }).write(\"/q\", \"4\"); squash([\"b\", \"c\"], \"flat\"); ";

/// Runs code with no umask at all.
fn open_handed(place: &Place, words: &[&str]) -> Ran {
    let mut command = Command::new("sh");
    place.prepare(&mut command, &[]);
    command.args(["-c", "umask 0; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_ufs")]).args(words);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    Ran::of(command.spawn().unwrap())
}

/// What others may write, but for what users put into layers, and what they may enter at all at the top.
fn open_to_others(dir: &Path) -> Vec<(PathBuf, u32)> {
    let (mut found, mut waiting) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = waiting.pop() {
        for item in fs::read_dir(&dir).unwrap() {
            let item = item.unwrap();
            let meta = item.metadata().unwrap();
            if meta.is_symlink() || item.file_name() == "tree" {
                continue;
            }
            if meta.mode() & 0o022 != 0 {
                found.push((item.path(), meta.mode() & 0o7777));
            }
            if meta.is_dir() {
                waiting.push(item.path());
            }
        }
    }
    found
}

#[test]
fn a_store_is_private_whatever_the_umask() {
    let place = Place::new();
    open_handed(&place, &["-q", "-e", WORK]).ok();
    assert_eq!(fs::metadata(place.store()).unwrap().mode() & 0o7777, 0o700);
    assert_eq!(open_to_others(&place.store()), []);
    assert_eq!(place.run(&["check", "--deep"]).ok(), "[]\n");
}

#[test]
fn a_throw_away_store_is_private_whatever_the_umask() {
    let place = Place::new();
    let look = "let h = layer_at(\".\"); for n in h.ls(\"/\") { if `${n}`.starts_with(\"ufs-\") { print(`${h.stat(`${n}`).mode} ${n}`); } }";
    let code = format!("{WORK} {look}");
    let ran = open_handed(&place, &["-q", "--ephemeral", "-e", &code]);
    let out = ran.ok();
    let modes: Vec<&str> =
        out.lines().filter_map(|line| line.split_once(" ufs-")).map(|(mode, _)| mode).collect();
    assert_eq!(modes, ["0700"], "{out}");
}

#[test]
fn what_others_planted_for_temporary_files_is_neither_followed_nor_used() {
    let place = Place::new();
    let shared = place.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
    let victim = place.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("ephemeral"), "").unwrap();
    fs::write(victim.join("kept"), "kept").unwrap();
    fs::set_permissions(&victim, Permissions::from_mode(0o700)).unwrap();
    // a symlink to something that looks like one that was left, a directory that others may enter, a file, a pipe
    symlink(&victim, shared.join("ufs-link")).unwrap();
    for (name, mode) in [("ufs-open", 0o777), ("ufs-foreign", 0o700), ("ufs-marked", 0o755)] {
        fs::create_dir(shared.join(name)).unwrap();
        fs::write(shared.join(name).join("kept"), "kept").unwrap();
        symlink(victim.join("kept"), shared.join(name).join("ephemeral")).unwrap();
        fs::set_permissions(shared.join(name), Permissions::from_mode(mode)).unwrap();
    }
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        fs::remove_file(shared.join("ufs-foreign/ephemeral")).unwrap();
        fs::write(shared.join("ufs-foreign/ephemeral"), "").unwrap();
        std::os::unix::fs::chown(shared.join("ufs-foreign"), Some(65534), Some(65534)).unwrap();
    }
    fs::write(shared.join("ufs-file"), "kept").unwrap();
    assert!(Command::new("mkfifo").arg(shared.join("ufs-pipe")).status().unwrap().success());
    let mut before: Vec<_> = fs::read_dir(&shared).unwrap().map(|item| item.unwrap().file_name()).collect();
    before.sort();
    let place = place.with("TMPDIR", shared.to_str().unwrap());
    open_handed(&place, &["-q", "--ephemeral", "-e", WORK]).ok();
    let mut after: Vec<_> = fs::read_dir(&shared).unwrap().map(|item| item.unwrap().file_name()).collect();
    // the program's own may go on being removed
    after.retain(|name| !name.as_encoded_bytes().ends_with(b".going"));
    after.sort();
    assert_eq!(after, before);
    for at in [
        victim.join("kept"),
        shared.join("ufs-open/kept"),
        shared.join("ufs-foreign/kept"),
        shared.join("ufs-file"),
    ] {
        assert_eq!(fs::read_to_string(&at).unwrap(), "kept", "{}", at.display());
    }
}
