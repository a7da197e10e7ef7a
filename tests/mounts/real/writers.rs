//! What a file loses when somebody writes to it: setuid, setgid, capabilities.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::FallocateFlags;
use ufs::sys::xattr;

use super::{Done, User, as_user, told, with_mounts, with_pair};
use crate::semantics::{Rights, rights};

/// The group of all files here.
const GROUP: u32 = 5000;
/// The owner, who is not in it.
const OWNER: u32 = 4000;

/// Who writes: root, one of the group (by its first group, by a further one), one who is not, the owner.
const WRITERS: [Option<User>; 5] = [
    None,
    Some(User { uid: 4001, gid: GROUP, groups: &[] }),
    Some(User { uid: 4001, gid: 4001, groups: &[4002, GROUP] }),
    Some(User { uid: 4001, gid: 4001, groups: &[4002] }),
    Some(User { uid: OWNER, gid: 4001, groups: &[] }),
];

type Act = fn(&Path) -> Done;

fn writer(path: &Path) -> Done<File> {
    told(OpenOptions::new().read(true).write(true).open(path))
}

fn allocate(path: &Path, flags: FallocateFlags) -> Done {
    rustix::fs::fallocate(writer(path)?, flags, 0, 4096)
}

const ACTS: [(&str, Act); 11] = [
    ("write", |path| told(writer(path)?.write_all_at(b"x", 0))),
    ("append", |path| {
        told(std::io::Write::write_all(&mut told(OpenOptions::new().append(true).open(path))?, b"x"))
    }),
    ("truncate", |path| told(writer(path)?.set_len(2))),
    ("truncate by path", |path| {
        nix::unistd::truncate(path, 3).map_err(|errno| ufs::sys::Errno::from_raw_os_error(errno as i32))
    }),
    ("open to cut", |path| told(OpenOptions::new().write(true).truncate(true).open(path)).map(drop)),
    ("open", |path| writer(path).map(drop)),
    ("allocate", |path| allocate(path, FallocateFlags::empty())),
    ("allocate beyond the end", |path| allocate(path, FallocateFlags::KEEP_SIZE)),
    ("punch a hole", |path| allocate(path, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE)),
    ("copy_file_range", |path| {
        let from = told(File::open(path.parent().unwrap().join("source")))?;
        let (mut read_at, mut write_at) = (0, 0);
        rustix::fs::copy_file_range(&from, Some(&mut read_at), writer(path)?, Some(&mut write_at), 3)
            .map(drop)
    }),
    ("set times", |path| {
        let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
        rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty())
    }),
];

/// All may write; setuid and setgid with and without execution.
const MODES: [u32; 6] = [0o6777, 0o2777, 0o2767, 0o2666, 0o4666, 0o6666];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn writers_take_set_id_marks_away_as_by_the_kernel() {
    with_mounts(|scratch| {
        if rights() != Rights::Root {
            // nobody else is known here
            return;
        }
        let lower = |l: &crate::semantics::case::Lower| {
            l.file("source", "from");
            for (writer, act) in
                (0..WRITERS.len()).flat_map(|writer| (0..ACTS.len()).map(move |act| (writer, act)))
            {
                for bits in MODES {
                    let name = format!("{writer}-{act}-{bits:o}");
                    l.file(&name, "content");
                    l.owner(&name, OWNER, GROUP);
                    l.mode(&name, bits);
                }
            }
        };
        with_pair(scratch, &[&lower], |pair| {
            for (number, who) in WRITERS.into_iter().enumerate() {
                for (act, (what, run)) in ACTS.iter().enumerate() {
                    for bits in MODES {
                        let name = format!("{number}-{act}-{bits:o}");
                        // the first copies up, the second does not
                        for turn in ["lower", "upper"] {
                            let (kernel, fuse) = pair.each(|root| {
                                let path = root.join(&name);
                                (as_user(who, || run(&path)), mode(&path))
                            });
                            assert_eq!(kernel, fuse, "{what} by {who:?} on {bits:o} in the {turn}");
                            pair.each(|root| {
                                fs::set_permissions(root.join(&name), fs::Permissions::from_mode(bits))
                                    .unwrap();
                            });
                        }
                    }
                }
            }
            pair.end();
        });
    });
}

#[test]
fn new_owners_and_access_control_lists_take_set_id_marks_away_as_by_the_kernel() {
    with_mounts(|scratch| {
        if rights() != Rights::Root {
            return;
        }
        let lower = |l: &crate::semantics::case::Lower| {
            for (number, bits) in (0..WRITERS.len()).flat_map(|number| MODES.map(|bits| (number, bits))) {
                for act in ["group", "list", "mode"] {
                    let name = format!("{number}-{act}-{bits:o}");
                    l.file(&name, "content");
                    l.owner(&name, WRITERS[number].map_or(0, |user| user.uid), GROUP);
                    l.mode(&name, bits);
                }
            }
        };
        with_pair(scratch, &[&lower], |pair| {
            for (number, who) in WRITERS.into_iter().enumerate() {
                for bits in MODES {
                    let path = |root: &Path, act: &str| root.join(format!("{number}-{act}-{bits:o}"));
                    let (kernel, fuse) = pair.each(|root| {
                        let path = path(root, "group");
                        let own = who.map_or(0, |user| user.gid);
                        let done = as_user(who, || told(std::os::unix::fs::chown(&path, None, Some(own))));
                        (done, mode(&path))
                    });
                    assert_eq!(kernel, fuse, "a new group by {who:?} on {bits:o}");
                    let (kernel, fuse) = pair.each(|root| {
                        let path = path(root, "list");
                        let done = as_user(who, || {
                            let file = told(File::open(&path))?;
                            xattr::set(&file, b"system.posix_acl_access", &super::users::list(7, 4100))
                        });
                        (done, mode(&path))
                    });
                    assert_eq!(kernel, fuse, "an access control list by {who:?} on {bits:o}");
                    let (kernel, fuse) = pair.each(|root| {
                        let path = path(root, "mode");
                        let done = as_user(who, || {
                            told(fs::set_permissions(&path, fs::Permissions::from_mode(bits)))
                        });
                        (done, mode(&path))
                    });
                    assert_eq!(kernel, fuse, "a mode by {who:?} on {bits:o}");
                }
            }
            pair.end();
        });
    });
}

#[test]
fn every_write_takes_capabilities_away() {
    with_mounts(|scratch| {
        if rights() != Rights::Root {
            return;
        }
        // version 2, cap_net_raw permitted (Linux `struct vfs_cap_data`)
        let mut capability = 0x0200_0000_u32.to_le_bytes().to_vec();
        for word in [0x2000_u32, 0, 0, 0] {
            capability.extend(word.to_le_bytes());
        }
        let lower = |l: &crate::semantics::case::Lower| {
            l.file("source", "from");
            for number in 0..ACTS.len() * 2 {
                let name = number.to_string();
                l.file(&name, "content");
                l.mode(&name, 0o777);
                l.raw_xattr(&name, "security.capability", &capability);
            }
        };
        with_pair(scratch, &[&lower], |pair| {
            for (number, (what, run)) in ACTS.iter().enumerate() {
                for (turn, who) in [WRITERS[0], WRITERS[3]].into_iter().enumerate() {
                    let (kernel, fuse) = pair.each(|root| {
                        let path = root.join((number * 2 + turn).to_string());
                        let done = as_user(who, || run(&path));
                        (done, xattr::get(File::open(&path).unwrap(), b"security.capability"))
                    });
                    assert_eq!(kernel, fuse, "{what} by {who:?}");
                }
            }
            pair.end();
        });
    });
}
