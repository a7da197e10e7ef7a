//! Users who are not root: permissions, sticky directories, access control lists.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ufs::sys::{Errno, xattr};

use super::{Done, User, as_user, told, with_mounts, with_pair};
use crate::host::access_list;
use crate::semantics::case::Lower;
use crate::semantics::{Rights, rights};

const MINE: User = User { uid: 4001, gid: 4001, groups: &[4002] };

/// `user::rw-, user:UID:rights, group::r--, mask::rw-, other::---`.
pub(super) fn list(rights: u16, uid: u32) -> Vec<u8> {
    access_list([6, rights, 4, 6, 0], uid)
}

fn write(path: &Path) -> Done {
    told(
        OpenOptions::new()
            .append(true)
            .open(path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, b"x")),
    )
}

fn build(l: &Lower) {
    for (name, uid, gid, mode) in [
        ("secret", 0, 0, 0o600),
        ("group", 0, 4002, 0o640),
        ("group-writes", 0, 4002, 0o660),
        ("mine", 4001, 4001, 0o600),
        ("not-even-mine", 4001, 4001, 0o066),
        ("listed", 0, 0, 0o600),
        ("shut/inside", 4001, 4001, 0o666),
        ("through/inside", 0, 0, 0o644),
        ("blind/inside", 4001, 4001, 0o644),
        ("sticky/theirs", 4100, 4100, 0o666),
        ("sticky/mine", 4001, 4001, 0o666),
        ("open/theirs", 4100, 4100, 0o600),
        ("own/theirs", 4100, 4100, 0o600),
        ("read-only/mine", 4001, 4001, 0o600),
        ("defaults/old", 0, 0, 0o644),
        ("setgid/old", 0, 0, 0o644),
    ] {
        l.file(name, "content");
        l.owner(name, uid, gid);
        l.mode(name, mode);
    }
    l.raw_xattr("listed", "system.posix_acl_access", list(6, 4001));
    for (name, uid, gid, mode) in [
        ("shut", 0, 0, 0o700),
        ("through", 0, 0, 0o711),
        ("blind", 0, 0, 0o733),
        ("sticky", 0, 0, 0o1777),
        ("open", 0, 0, 0o777),
        ("own", 4001, 4001, 0o755),
        ("read-only", 0, 0, 0o755),
        ("defaults", 0, 0, 0o777),
        ("setgid", 0, 4200, 0o2777),
    ] {
        l.owner(name, uid, gid);
        l.mode(name, mode);
    }
    l.raw_xattr("defaults", "system.posix_acl_default", list(6, 4001));
}

#[test]
fn others_may_do_what_the_kernel_lets_them() {
    with_mounts(|scratch| {
        if rights() != Rights::Root {
            return;
        }
        with_pair(scratch, &[&build], |pair| {
            let files = [
                "secret",
                "group",
                "group-writes",
                "mine",
                "not-even-mine",
                "listed",
                "shut/inside",
                "through/inside",
                "blind/inside",
                "sticky/theirs",
                "open/theirs",
                "read-only/mine",
            ];
            for name in files {
                for turn in ["first", "again"] {
                    let (kernel, fuse) = pair.each(|root| {
                        let path = root.join(name);
                        as_user(Some(MINE), || {
                            (
                                told(fs::read(&path)),
                                write(&path),
                                told(fs::metadata(&path)).map(|stat| stat.len()),
                                told(fs::set_permissions(
                                    &path,
                                    std::os::unix::fs::PermissionsExt::from_mode(0o644),
                                )),
                                told(std::os::unix::fs::chown(&path, None, Some(4002))),
                                told(std::os::unix::fs::chown(&path, Some(4100), None)),
                                File::open(&path).map(|file| xattr::set(&file, b"user.a", b"1")).ok(),
                                told(
                                    File::open(&path)
                                        .and_then(|file| file.set_modified(std::time::UNIX_EPOCH)),
                                ),
                                told(fs::hard_link(
                                    &path,
                                    root.join("open").join(format!("{turn}-{}", name.replace('/', "-"))),
                                )),
                            )
                        })
                    });
                    assert_eq!(kernel, fuse, "{name}, {turn}");
                }
            }
            pair.end();
        });
    });
}

#[test]
fn directories_let_others_do_what_the_kernel_says() {
    with_mounts(|scratch| {
        if rights() != Rights::Root {
            return;
        }
        with_pair(scratch, &[&build], |pair| {
            for dir in
                ["shut", "through", "blind", "sticky", "open", "own", "read-only", "defaults", "setgid"]
            {
                let (kernel, fuse) = pair.each(|root| {
                    let root = root.join(dir);
                    let at = |name: &str| root.join(name);
                    as_user(Some(MINE), || {
                        let list = told(fs::read_dir(&root)).map(Iterator::count);
                        (
                            list,
                            told(fs::write(at("new"), "1")),
                            told(fs::create_dir(at("new-dir"))),
                            told(std::os::unix::fs::symlink("x", at("link"))),
                            told(fs::rename(at("theirs"), at("moved"))),
                            told(fs::rename(at("mine"), at("theirs"))),
                            told(fs::remove_file(at("theirs"))),
                            told(fs::remove_file(at("inside"))),
                            told(fs::remove_file(at("mine"))),
                            told(fs::remove_dir(at("new-dir"))),
                            told(fs::create_dir(at("old"))),
                        )
                    })
                });
                assert_eq!(kernel, fuse, "{dir}");
                let stat = |root: &Path, name: &str| {
                    use std::os::unix::fs::MetadataExt as _;
                    let path = root.join(dir).join(name);
                    let list = File::open(&path).map(|file| xattr::get(&file, b"system.posix_acl_access"));
                    told(fs::symlink_metadata(&path))
                        .map(|stat| (stat.uid(), stat.gid(), stat.mode(), list.ok()))
                };
                for name in ["new", "link", "new-dir", "moved"] {
                    pair.agree(|root| stat(root, name));
                }
            }
            pair.end();
        });
    });
}

#[test]
fn what_is_made_over_a_whiteout_belongs_to_its_maker_and_inherits() {
    with_mounts(|scratch| {
        if rights() != Rights::Root {
            return;
        }
        with_pair(scratch, &[&build], |pair| {
            for dir in ["open", "defaults", "setgid"] {
                for (name, make) in [("file", false), ("dir", true)] {
                    let (kernel, fuse) = pair.each(|root| {
                        use std::os::unix::fs::MetadataExt as _;
                        let path = root.join(dir).join("old");
                        fs::remove_file(&path)
                            .or_else(|_| fs::write(&path, "").and_then(|()| fs::remove_file(&path)))
                            .unwrap();
                        let made = as_user(Some(MINE), || {
                            told(if make { fs::create_dir(&path) } else { fs::write(&path, "1") })
                        });
                        let stat = fs::metadata(&path).unwrap();
                        let lists = ["system.posix_acl_access", "system.posix_acl_default"]
                            .map(|list| xattr::get(File::open(&path).unwrap(), list.as_bytes()));
                        if make {
                            fs::remove_dir(&path).unwrap();
                        }
                        (made, stat.uid(), stat.gid(), stat.mode(), lists)
                    });
                    assert_eq!(kernel, fuse, "a {name} in {dir}");
                    assert_eq!((kernel.0, kernel.1), (Ok(()), 4001));
                }
            }
            pair.end();
        });
    });
}

#[test]
fn a_refused_name_tells_nothing_of_what_is_behind_it() {
    with_mounts(|scratch| {
        if rights() != Rights::Root {
            return;
        }
        with_pair(scratch, &[&build], |pair| {
            let seen = pair.same(|root| {
                as_user(Some(MINE), || {
                    ["shut/inside", "shut/missing", "through/missing", "secret/x"]
                        .map(|name| told(fs::metadata(root.join(name))).map(|_| ()))
                })
            });
            assert_eq!(seen, [Err(Errno::ACCESS), Err(Errno::ACCESS), Err(Errno::NOENT), Err(Errno::NOTDIR)]);
            pair.end();
        });
    });
}

#[test]
fn marks_that_a_file_s_owner_has_set_give_it_no_rights() {
    with_mounts(|scratch| {
        if rights() != Rights::Root {
            return;
        }
        let forge = |l: &Lower| {
            l.file("owned", "content");
            l.file("device", "");
            for (name, mark, value) in
                [("owned", "user.ufs.owner", "0:0"), ("device", "user.ufs.node", "block:8:0")]
            {
                l.raw_xattr(name, mark, value.as_bytes());
                l.owner(name, 4001, 4001);
                l.mode(name, 0o4755);
            }
        };
        with_pair(scratch, &[&forge], |pair| {
            for name in ["owned", "device"] {
                let looked = pair.same(|root| {
                    told(
                        fs::symlink_metadata(root.join(name))
                            .map(|found| (found.uid(), found.mode(), found.rdev())),
                    )
                });
                assert_eq!(looked, Ok((4001, 0o104_755, 0)), "{name}");
            }
            pair.end();
        });
    });
}
