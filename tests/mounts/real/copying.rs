//! Large files that are copied up while others work in the mount.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{told, with_mounts, with_pair};
use crate::semantics::case::Lower;

/// More than what is copied without being put off, in bytes.
const LARGE: usize = 8 << 20;

/// What somebody does to a file.
type Change = fn(&Path);

fn build(l: &Lower) {
    l.file("large", vec![b'x'; LARGE]);
    l.file("other", vec![b'y'; LARGE]);
    l.file("d/large", vec![b'z'; LARGE]);
    l.file("small", "1");
}

fn append(path: &Path) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"!").unwrap();
}

/// What a file begins with, how long it is and what it ends with.
fn told_of(path: &Path) -> (Option<u8>, usize, Option<u8>) {
    let content = fs::read(path).unwrap();
    (content.first().copied(), content.len(), content.last().copied())
}

#[test]
fn many_may_need_the_copy_of_one_file() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&build], |pair| {
            pair.agree(|root| {
                std::thread::scope(|scope| {
                    for _ in 0..12 {
                        scope.spawn(|| append(&root.join("large")));
                        scope.spawn(|| append(&root.join("other")));
                    }
                });
                let copies = [told_of(&root.join("large")), told_of(&root.join("other"))];
                assert_eq!(copies[0].1, LARGE + 12);
                copies
            });
            pair.end();
        });
    });
}

#[test]
fn every_change_of_a_large_lower_file_copies_it_whole() {
    with_mounts(|scratch| {
        let changes: [(&str, Change); 6] = [
            ("mode", |path| {
                fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            }),
            ("rename", |path| fs::rename(path, path.with_extension("moved")).unwrap()),
            ("link", |path| fs::hard_link(path, path.with_extension("link")).unwrap()),
            ("cut", |path| OpenOptions::new().write(true).open(path).unwrap().set_len(5_000_000).unwrap()),
            ("attribute", |path| {
                rustix::fs::lsetxattr(path, c"user.a", b"1", rustix::fs::XattrFlags::empty()).unwrap();
            }),
            ("exchange", |path| {
                let (cwd, other) = (rustix::fs::CWD, path.with_file_name("small"));
                rustix::fs::renameat_with(cwd, path, cwd, &other, rustix::fs::RenameFlags::EXCHANGE).unwrap();
            }),
        ];
        for (name, change) in changes {
            let below = scratch.join(name);
            fs::create_dir(&below).unwrap();
            with_pair(&below, &[&build], |pair| {
                pair.each(|root| change(&root.join("large")));
                pair.agree(|root| {
                    let names: Vec<_> =
                        fs::read_dir(root).unwrap().map(|item| item.unwrap().path()).collect();
                    let mut files: Vec<_> = names.iter().filter(|path| path.is_file()).collect();
                    files.sort();
                    files.into_iter().map(|path| told_of(path)).collect::<Vec<_>>()
                });
                pair.end();
            });
        }
    });
}

#[test]
fn names_may_change_while_their_files_are_copied() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&build], |pair| {
            pair.each(|root| {
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        for _ in 0..20 {
                            // each may find the name gone
                            drop(told(OpenOptions::new().append(true).open(root.join("d/large"))));
                            drop(told(OpenOptions::new().append(true).open(root.join("large"))));
                        }
                    });
                    scope.spawn(|| {
                        for round in 0..20 {
                            fs::write(root.join(format!("new-{round}")), "").unwrap();
                            fs::create_dir(root.join("dir")).unwrap();
                            fs::remove_dir(root.join("dir")).unwrap();
                        }
                        fs::rename(root.join("d/large"), root.join("moved")).unwrap();
                        fs::remove_file(root.join("large")).unwrap();
                    });
                });
                assert_eq!(told_of(&root.join("moved")), (Some(b'z'), LARGE, Some(b'z')));
                assert!(!root.join("large").exists() && !root.join("d/large").exists());
            });
            pair.end();
        });
    });
}

#[test]
fn whoever_is_killed_while_it_waits_for_a_copy_leaves_nothing_half_done() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("large", vec![b'x'; 32 * LARGE])], |pair| {
            pair.each(|root| {
                let mut child = Command::new("sh");
                child.args(["-c", "echo; : >>large"]).current_dir(root).stdout(Stdio::piped());
                let mut child = child.spawn().unwrap();
                let mut out = child.stdout.take().unwrap();
                // it is about to begin
                std::io::Read::read_exact(&mut out, &mut [0]).unwrap();
                child.kill().unwrap();
                let ended = child.wait().unwrap();
                assert!(ended.signal() == Some(9) || ended.success());
                assert_eq!(told_of(&root.join("large")), (Some(b'x'), 32 * LARGE, Some(b'x')));
                append(&root.join("large"));
                assert_eq!(told_of(&root.join("large")), (Some(b'x'), 32 * LARGE + 1, Some(b'!')));
            });
            pair.end();
        });
    });
}
