//! Nodes, links and attributes that are no plain file's.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, RenameFlags, XattrFlags};
use ufs::model::Node;
use ufs::sys::{Dir, Errno, handle};

use super::{Done, told, with_mounts, with_pair};
use crate::semantics::case::Lower;
use crate::semantics::{Rights, rights};

fn renamed(root: &Path, from: &str, to: &str, flags: RenameFlags) -> Done {
    rustix::fs::renameat_with(CWD, root.join(from), CWD, root.join(to), flags)
}

/// What is under a name.
fn seen(path: &Path) -> Done<(u32, u64, u64)> {
    told(fs::symlink_metadata(path)).map(|stat| (stat.mode(), stat.rdev(), stat.nlink()))
}

#[test]
fn nodes_are_moved_as_any_file() {
    with_mounts(|scratch| {
        let root = rights() == Rights::Root;
        let build = |l: &Lower| {
            l.mknod("fifo", &Node::Fifo);
            l.mknod("socket", &Node::Socket);
            l.file("file", "1");
            l.dir("d");
            l.symlink("file", "link");
            if root {
                l.mknod("null", &Node::CharDevice(ufs::model::Device { major: 1, minor: 3 }));
                l.mknod("ram", &Node::BlockDevice(ufs::model::Device { major: 1, minor: 0 }));
                l.mknod("wide", &Node::CharDevice(ufs::model::Device { major: 300, minor: 70000 }));
            }
        };
        with_pair(scratch, &[&build], |pair| {
            let names = ["fifo", "socket", "null", "ram", "wide", "link"];
            for name in names {
                for flags in [
                    RenameFlags::empty(),
                    RenameFlags::NOREPLACE,
                    RenameFlags::EXCHANGE,
                    RenameFlags::WHITEOUT,
                ] {
                    for to in ["d/moved", "file", "d"] {
                        let given = pair.each(|root| {
                            let done = renamed(root, name, to, flags);
                            let after = (seen(&root.join(name)), seen(&root.join(to)));
                            if done.is_ok() {
                                renamed(
                                    root,
                                    to,
                                    name,
                                    if flags == RenameFlags::EXCHANGE { flags } else { RenameFlags::empty() },
                                )
                                .unwrap();
                                if to == "file" && !root.join("file").exists() {
                                    fs::write(root.join("file"), "2").unwrap();
                                }
                            }
                            (done, after)
                        });
                        assert_eq!(given.0, given.1, "{name} to {to} with {flags:?}");
                    }
                }
            }
            for (name, kind) in [
                ("f", FileType::Fifo),
                ("s", FileType::Socket),
                ("c", FileType::CharacterDevice),
                ("b", FileType::BlockDevice),
            ] {
                for device in [0, rustix::fs::makedev(1, 3), rustix::fs::makedev(300, 70000)] {
                    let given = pair.each(|root| {
                        let path = root.join(format!("{name}{device}"));
                        (
                            rustix::fs::mknodat(CWD, &path, kind, Mode::from_raw_mode(0o640), device),
                            seen(&path),
                        )
                    });
                    // the device 0:0 is a whiteout, which cannot be made
                    if !(device == 0 && kind == FileType::CharacterDevice) {
                        assert_eq!(given.0, given.1, "{kind:?} {device}");
                    }
                }
            }
            pair.agree(|root| {
                let listener = std::os::unix::net::UnixListener::bind(root.join("bound"));
                told(listener)
                    .map(|_| fs::symlink_metadata(root.join("bound")).unwrap().file_type().is_socket())
            });
            pair.end();
        });
    });
}

#[test]
fn an_attribute_of_a_symlink_is_its_own() {
    with_mounts(|scratch| {
        let build = |l: &Lower| {
            l.file("file", "1");
            l.symlink("file", "link");
            l.symlink("file", "dangling");
            l.symlink(".", "round");
        };
        with_pair(scratch, &[&build], |pair| {
            for name in ["link", "dangling", "round", "new"] {
                let given = pair.each(|root| {
                    let path = root.join(name);
                    if name == "new" {
                        std::os::unix::fs::symlink("link", &path).unwrap();
                    }
                    let mut value = [0; 16];
                    let set = [c"user.a", c"trusted.a", c"security.a"].map(|attribute| {
                        rustix::fs::lsetxattr(&path, attribute, b"value", XattrFlags::empty())
                    });
                    let read = [c"user.a", c"trusted.a", c"security.a"]
                        .map(|attribute| rustix::fs::lgetxattr(&path, attribute, &mut value));
                    let mut names = [0; 256];
                    let length = rustix::fs::llistxattr(&path, &mut names);
                    let removed = rustix::fs::lremovexattr(&path, c"trusted.a");
                    let target = rustix::fs::getxattr(root.join("file"), c"trusted.a", &mut value);
                    (set, read, length, removed, target)
                });
                assert_eq!(given.0, given.1, "{name}");
            }
            // owner and times of the link itself
            pair.agree(|root| {
                let path = root.join("link");
                let owned = told(std::os::unix::fs::lchown(&path, Some(0), Some(0)));
                let time = rustix::fs::Timespec { tv_sec: 77, tv_nsec: 5 };
                let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
                let timed = rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW);
                let stat = fs::symlink_metadata(&path).unwrap();
                (owned, timed, stat.mtime(), stat.mtime_nsec(), fs::metadata(&path).unwrap().mtime() == 77)
            });
            pair.end();
        });
    });
}

const ATTRIBUTES: [&str; 15] = [
    "user.a",
    "user.",
    "trusted.a",
    "trusted.overlay.opaque",
    "security.a",
    "security.capability",
    "system.a",
    "system.posix_acl_access",
    "system.posix_acl_default",
    "user.overlay.opaque",
    "user.overlay.origin",
    "user.overlay.overlay.b",
    "user.overlay.overlay.overlay.c",
    "nothing",
    "user",
];

#[test]
fn attributes_of_the_kernels_kinds_are_kept_or_refused_alike() {
    with_mounts(|scratch| {
        with_pair(
            scratch,
            &[&|l| {
                l.file("file", "1");
                l.dir("d");
            }],
            |pair| {
                for (name, attribute) in
                    ["file", "d"].into_iter().flat_map(|name| ATTRIBUTES.map(|attribute| (name, attribute)))
                {
                    let given = pair.each(|root| {
                        let path = root.join(name);
                        let mut value = [0; 64];
                        let set = [
                            XattrFlags::REPLACE,
                            XattrFlags::CREATE,
                            XattrFlags::CREATE,
                            XattrFlags::empty(),
                            XattrFlags::CREATE | XattrFlags::REPLACE,
                        ]
                        .map(|how| rustix::fs::setxattr(&path, attribute, b"value", how));
                        let length = rustix::fs::getxattr(&path, attribute, &mut value);
                        let short = rustix::fs::getxattr(&path, attribute, &mut value[..2]);
                        let sized = rustix::fs::getxattr(&path, attribute, &mut value[..0]);
                        let mut names = [0; 1024];
                        let listed = rustix::fs::listxattr(&path, &mut names).map(|length| {
                            let mut names: Vec<Vec<u8>> =
                                names[..length].split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
                            names.sort();
                            names
                        });
                        let removed = [(); 2].map(|()| rustix::fs::removexattr(&path, attribute));
                        let both = XattrFlags::CREATE | XattrFlags::REPLACE;
                        let removed = (removed, rustix::fs::setxattr(&path, attribute, b"value", both));
                        (set, length, short, sized, listed, removed)
                    });
                    assert_eq!(given.0, given.1, "{attribute} of {name}");
                }
                pair.end();
            },
        );
    });
}

#[test]
fn files_have_no_handles_as_by_the_kernel() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("file", "1")], |pair| {
            let given = pair.same(|root| {
                fs::write(root.join("new"), "1").unwrap();
                let dir = Dir::open(root).unwrap();
                ["file", "new", "."].map(|name| handle::of_name(&dir, name.as_bytes()))
            });
            assert_eq!(given, [const { Err(Errno::OPNOTSUPP) }; 3]);
            pair.end();
        });
    });
}

#[test]
fn one_of_several_lower_names_is_one_file_with_the_names_that_it_gets() {
    with_mounts(|scratch| {
        let build = |l: &Lower| {
            l.file("a", "lower");
            l.link("a", "b");
            l.dir("d");
        };
        with_pair(scratch, &[&build], |pair| {
            let seen = pair.same(|root| {
                let at = |name: &str| root.join(name);
                fs::write(at("b"), "copy").unwrap();
                fs::hard_link(at("b"), at("d/c")).unwrap();
                let links = ["a", "b", "d/c"].map(|name| fs::metadata(at(name)).unwrap().nlink());
                let before = fs::read(at("b")).unwrap();
                fs::write(at("d/c"), "by the other name").unwrap();
                (links, before, ["a", "b", "d/c"].map(|name| fs::read_to_string(at(name)).unwrap()))
            });
            assert_eq!(seen.0, [2, 2, 2]);
            assert_eq!(seen.2, ["lower", "by the other name", "by the other name"]);
            pair.end();
        });
    });
}

#[test]
fn times_before_1970_are_what_was_set() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("file", "1")], |pair| {
            for (tv_sec, tv_nsec) in [(-1, 0), (-1, 999_999_999), (-7, 5), (-7, 0), (0, 5), (1 << 33, 5)] {
                let given = pair.same(|root| {
                    let path = root.join("file");
                    let time = rustix::fs::Timespec { tv_sec, tv_nsec };
                    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
                    rustix::fs::utimensat(CWD, &path, &times, AtFlags::empty()).unwrap();
                    let stat = fs::metadata(&path).unwrap();
                    [(stat.atime(), stat.atime_nsec()), (stat.mtime(), stat.mtime_nsec())]
                });
                assert_eq!(given, [(tv_sec, tv_nsec); 2]);
            }
            pair.end();
        });
    });
}
