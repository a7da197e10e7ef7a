//! Long names and long paths.

use std::ffi::{CString, OsStr};
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, XattrFlags};
use ufs::sys::Errno;

use super::{Done, told, with_mounts, with_pair};

/// Every operation that takes a name, on a name.
fn all(path: &Path, good: &Path) -> Vec<(&'static str, Done)> {
    let times = rustix::fs::Timestamps {
        last_access: rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 },
        last_modification: rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 },
    };
    let mut buffer = [0; 64];
    vec![
        ("open", told(File::open(path)).map(drop)),
        ("create", told(OpenOptions::new().write(true).create(true).truncate(false).open(path)).map(drop)),
        ("create new", told(OpenOptions::new().write(true).create_new(true).open(path)).map(drop)),
        ("mkdir", told(fs::create_dir(path))),
        ("mknod", rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0)),
        ("symlink", told(std::os::unix::fs::symlink("x", path))),
        ("link from", told(fs::hard_link(path, good.with_extension("link")))),
        ("link to", told(fs::hard_link(good, path))),
        ("rename from", told(fs::rename(path, good.with_extension("moved")))),
        ("rename to", told(fs::rename(good, path))),
        ("exchange", rustix::fs::renameat_with(CWD, good, CWD, path, RenameFlags::EXCHANGE)),
        ("rename to a new one", rustix::fs::renameat_with(CWD, good, CWD, path, RenameFlags::NOREPLACE)),
        ("unlink", told(fs::remove_file(path))),
        ("rmdir", told(fs::remove_dir(path))),
        ("stat", told(fs::metadata(path)).map(drop)),
        ("lstat", told(fs::symlink_metadata(path)).map(drop)),
        ("access", rustix::fs::access(path, rustix::fs::Access::READ_OK)),
        ("chmod", told(fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)))),
        ("chown", told(std::os::unix::fs::chown(path, Some(0), None))),
        ("truncate", nix::unistd::truncate(path, 0).map_err(|errno| Errno::from_raw_os_error(errno as i32))),
        ("times", rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)),
        ("readlink", told(fs::read_link(path)).map(drop)),
        ("read dir", told(fs::read_dir(path)).map(drop)),
        ("statfs", rustix::fs::statfs(path).map(drop)),
        ("get an attribute", rustix::fs::lgetxattr(path, c"user.a", &mut buffer).map(drop)),
        ("set an attribute", rustix::fs::lsetxattr(path, c"user.a", b"1", XattrFlags::empty())),
        ("remove an attribute", rustix::fs::lremovexattr(path, c"user.a")),
        ("list attributes", rustix::fs::llistxattr(path, &mut buffer).map(drop)),
    ]
}

#[test]
fn a_name_that_is_too_long_is_refused_by_every_operation() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("d/good", "1")], |pair| {
            let long = "n".repeat(256);
            for dir in ["", "d", "missing"] {
                let given = pair.same(|root| all(&root.join(dir).join(&long), &root.join("d/good")));
                let errno = if dir == "missing" { Errno::NOENT } else { Errno::NAMETOOLONG };
                for (what, done) in given {
                    assert_eq!(done, Err(errno), "{what} in {dir:?}");
                }
            }
            // on the way, too
            pair.agree(|root| all(&root.join("d").join(&long).join("x"), &root.join("d/good")));
            pair.end();
        });
    });
}

#[test]
fn a_name_of_full_length_takes_every_operation() {
    with_mounts(|scratch| {
        let full = "\u{e9}".repeat(127) + "n";
        with_pair(scratch, &[&|l| l.file("d/good", "1"), &|l| l.file(&full, "1")], |pair| {
            pair.agree(|root| all(&root.join(&full), &root.join("d/good")));
            pair.agree(|root| all(&root.join("d").join(&full), &root.join("d/good")));
            pair.end();
        });
    });
}

#[test]
fn symlinks_lead_as_far_as_a_path_may_be_long() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.symlink(&"t/".repeat(2047), "lower")], |pair| {
            for length in [4094, 4095, 4096] {
                let (made, read) = pair.same(|root| {
                    let path = root.join(format!("s{length}"));
                    let made = told(std::os::unix::fs::symlink("t".repeat(length), &path));
                    (made, told(fs::read_link(&path)).map(|target| target.as_os_str().len()))
                });
                assert_eq!((made.is_ok(), read.is_ok()), (length < 4096, length < 4096));
            }
            assert_eq!(pair.same(|root| fs::read_link(root.join("lower")).unwrap().as_os_str().len()), 4094);
            pair.end();
        });
    });
}

/// Goes down by names of `length` bytes, made where they are missing, and makes a file at the bottom.
fn dig(root: &Path, length: usize, depth: usize) -> Done<Vec<u8>> {
    let mut at = rustix::fs::open(root, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    let name = CString::new("n".repeat(length)).unwrap();
    for _ in 0..depth {
        match rustix::fs::mkdirat(&at, &name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        at = rustix::fs::openat(&at, &name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    }
    let file = rustix::fs::openat(&at, c"f", OFlags::RDWR | OFlags::CREATE, Mode::from_raw_mode(0o644))?;
    rustix::io::write(&file, b"deep")?;
    rustix::fs::renameat(&at, c"f", &at, c"g")?;
    // over what a lower layer has there, if it has
    let mut data = vec![0; 10];
    let read = rustix::io::pread(&file, &mut data, 0)?;
    data.truncate(read);
    Ok(data)
}

#[test]
fn paths_of_4095_bytes_in_the_mount_are_reached() {
    with_mounts(|scratch| {
        let deep = format!("{}f", "n".repeat(240) + "/").repeat(16);
        let deep = deep.replace("/f", "/");
        let build = |l: &crate::semantics::case::Lower| l.file(format!("{}f", &deep), "lower");
        with_pair(scratch, &[&build], |pair| {
            // 16 × 241 + 238 + 1 = 4095 with the last name
            let data = pair.same(|root| {
                let top = dig(root, 240, 16)?;
                let base = std::env::current_dir().unwrap();
                std::env::set_current_dir(root).unwrap();
                let path = format!("{}{}", &deep, "m".repeat(4095 - deep.len()));
                assert_eq!(path.len(), 4095);
                let made = told(fs::write(OsStr::from_bytes(path.as_bytes()), "1"));
                let read = told(fs::read(&path));
                std::env::set_current_dir(base).unwrap();
                made?;
                Ok::<_, Errno>((top, read?))
            });
            assert_eq!(data, Ok((b"deepr".to_vec(), b"1".to_vec())));
            pair.end();
        });
    });
}

fn open_dir(at: impl AsFd, name: impl rustix::path::Arg) -> Done<OwnedFd> {
    rustix::fs::openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())
}

/// The names in each directory of so many levels, from the topmost down.
fn seen(mut at: OwnedFd, name: &str, levels: usize) -> Done<Vec<Vec<String>>> {
    let mut seen = Vec::new();
    for _ in 0..levels {
        at = open_dir(&at, name)?;
        let items = rustix::fs::Dir::read_from(&at)?;
        let mut items = items
            .map(|item| Ok(item?.file_name().to_string_lossy().into_owned()))
            .collect::<Done<Vec<_>>>()?;
        items.sort();
        seen.push(items);
    }
    Ok(seen)
}

/// Renames the directory that lies so many levels down, and gives what lies beneath it then.
fn rename_within(root: &Path, name: &str, level: usize) -> Done<Vec<Vec<String>>> {
    let mut at = open_dir(CWD, root)?;
    for _ in 0..level {
        at = open_dir(&at, name)?;
    }
    rustix::fs::renameat(&at, name, &at, "renamed")?;
    seen(open_dir(&at, "renamed")?, name, 3)
}

/// What `rm -rf` ends with, and whether it is still there.
fn removed(path: &Path) -> (Option<i32>, bool) {
    let ended = Command::new("rm").arg("-rf").arg(path).status().unwrap().code();
    (ended, path.exists())
}

#[test]
fn trees_longer_than_a_path_are_made_read_renamed_and_removed_step_by_step() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.dir("d")], |pair| {
            let name = "n".repeat(200);
            assert_eq!(pair.same(|root| dig(root, 200, 300)), Ok(b"deep".to_vec()));
            let listed = pair.same(|root| seen(open_dir(CWD, root)?, &name, 300));
            assert_eq!(listed.unwrap().last().unwrap(), &[".", "..", "g"]);
            let renamed = pair.same(|root| rename_within(root, &name, 150));
            assert_eq!(renamed, Ok(vec![vec![".".to_owned(), "..".to_owned(), name.clone()]; 3]));
            assert_eq!(pair.same(|root| removed(&root.join(&name))), (Some(0), false));
            pair.end();
        });
    });
}

#[test]
fn a_layers_tree_longer_than_a_path_is_changed_at_its_bottom_and_removed() {
    with_mounts(|scratch| {
        let build = |l: &crate::semantics::case::Lower| {
            l.dir("d");
            dig(&l.path("d"), 200, 60).unwrap();
        };
        with_pair(scratch, &[&build, &|l| l.dir("d/beside"), &build], |pair| {
            let name = "n".repeat(200);
            // what is there is opened, so every directory above is copied up; it is bound to its layers
            assert_eq!(pair.same(|root| dig(&root.join("d"), 200, 60)), Ok(b"deep".to_vec()));
            let listed = pair.same(|root| seen(open_dir(CWD, root.join("d"))?, &name, 60));
            assert_eq!(listed.unwrap().last().unwrap(), &[".", "..", "g"]);
            assert_eq!(pair.same(|root| rename_within(&root.join("d"), &name, 30)), Err(Errno::XDEV));
            assert_eq!(pair.same(|root| removed(&root.join("d"))), (Some(0), false));
            pair.end();
        });
    });
}
