//! Extended attributes, modes, owners, times.

use ufs::driver::Follow;
use ufs::model::LayerPath;
use ufs::sys::{Dir, Errno, xattr};

use super::super::case::Case;
use super::super::layers::long_ago;
use super::{is_root, with_mounts};
use crate::host::access_list;

#[test]
fn attributes_of_a_lower_file_are_seen_changed_and_removed() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("f", "1");
                l.raw_xattr("f", "user.a", "1");
                l.raw_xattr("f", "user.b", "2");
            }],
        );
        assert_eq!(case.same(|h| h.xattr("f", "user.a")), Ok("1".to_owned()));
        assert_eq!(case.same(|h| h.remove_xattr("f", "user.a")), Ok(()));
        assert_eq!(case.same(|h| h.set_xattr("f", "user.b", "changed")), Ok(()));
        assert_eq!(case.same(|h| h.set_xattr("f", "user.c", "")), Ok(()));
        assert_eq!(case.same(|h| h.xattr("f", "user.a")), Err(Errno::NODATA));
        assert_eq!(case.same(|h| h.xattrs("f")).unwrap(), ["user.b", "user.c"]);
        assert_eq!(case.end(), ["f file"]);
    });
}

#[test]
fn a_users_own_overlay_attribute_is_escaped_and_marks_nothing() {
    with_mounts(|scratch| {
        let mut case = Case::new(scratch, &[&|l| l.file("d/f", "1")]);
        for name in ["user.overlay.opaque", "user.overlay.overlay.x", "user.overlay.whiteout"] {
            assert_eq!(case.same(|h| h.set_xattr("d", name, "y")), Ok(()));
            assert_eq!(case.same(|h| h.xattr("d", name)), Ok("y".to_owned()));
        }
        assert_eq!(case.same(|h| h.list("d")).unwrap(), ["f"]);
        let listed = ["user.overlay.opaque", "user.overlay.overlay.x", "user.overlay.whiteout"];
        assert_eq!(case.same(|h| h.xattrs("d")).unwrap(), listed);
        for upper in case.uppers() {
            let dir = Dir::open(&upper).unwrap();
            assert_eq!(xattr::get_at(&dir, b"d", b"user.overlay.overlay.opaque").unwrap(), b"y");
            assert_eq!(xattr::get_at(&dir, b"d", b"user.overlay.overlay.overlay.x").unwrap(), b"y");
        }
        case.seal();
        assert_eq!(case.same(|h| h.list("d")).unwrap(), ["f"]);
        assert_eq!(case.same(|h| h.chmod("d", 0o700)), Ok(()));
        assert_eq!(case.same(|h| h.xattrs("d")).unwrap(), listed);
        assert_eq!(case.same(|h| h.remove_xattr("d", "user.overlay.opaque")), Ok(()));
        assert_eq!(case.end(), ["d dir"]);
    });
}

#[test]
fn bookkeeping_in_a_layer_is_out_of_reach() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("f", "1");
                l.raw_xattr("f", "user.overlay.origin", "1");
                l.raw_xattr("f", "user.overlay.nlink", "U+1");
                l.opaque("d");
            }],
        );
        assert_eq!(case.same(|h| h.xattrs("f")), Ok(vec![]));
        assert_eq!(case.same(|h| h.xattr("f", "user.overlay.origin")), Err(Errno::NODATA));
        assert_eq!(case.same(|h| h.remove_xattr("d", "user.overlay.opaque")), Err(Errno::NODATA));
        assert_eq!(case.same(|h| h.append("f", "2")), Ok(()));
        assert_eq!(case.same(|h| h.xattrs("f")), Ok(vec![]));
        assert_eq!(case.end(), ["f file"]);
    });
}

#[test]
fn what_is_no_file_and_no_directory_takes_no_user_attribute() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.symlink("x", "s");
                l.mknod("p", &ufs::model::Node::Fifo);
            }],
        );
        for name in ["s", "p"] {
            assert_eq!(case.same(|h| h.set_xattr(name, "user.a", "1")), Err(Errno::PERM));
            assert_eq!(case.same(|h| h.remove_xattr(name, "user.a")), Err(Errno::PERM));
            assert_eq!(case.same(|h| h.xattr(name, "user.a")), Err(Errno::NODATA));
        }
        assert!(case.end().is_empty());
    });
}

#[test]
fn attributes_have_limits() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("f", "1")]);
        let long = |length: usize| format!("user.{}", "n".repeat(length - 5));
        assert_eq!(case.same(|h| h.set_xattr("f", "", "1")), Err(Errno::RANGE));
        assert_eq!(case.same(|h| h.set_xattr("f", &long(256), "1")), Err(Errno::RANGE));
        assert_eq!(case.same(|h| h.xattr("f", &long(256))), Err(Errno::RANGE));
        assert_eq!(case.same(|h| h.set_xattr("f", "user.a", vec![0; 65537])), Err(Errno::TOOBIG));
        assert!(case.uppers().iter().all(|upper| !upper.join("f").exists()));
        // the kernel asks the upper's file system, once the file is there
        assert_eq!(case.same(|h| h.set_xattr("f", "none.a", "1")), Err(Errno::OPNOTSUPP));
        assert_eq!(case.end(), ["f file"]);
    });
}

#[test]
fn names_of_full_length_are_kept_and_escaped_ones_have_less_room() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("f", "1")]);
        let full = format!("user.{}", "n".repeat(250));
        assert_eq!(case.same(|h| h.set_xattr("f", &full, "1")), Ok(()));
        assert_eq!(case.same(|h| h.xattr("f", &full)), Ok("1".to_owned()));
        // `overlay.` is put into it, which does not fit
        let escaped = format!("user.overlay.{}", "n".repeat(242));
        assert_eq!(case.same(|h| h.set_xattr("f", &escaped, "1")), Err(Errno::OPNOTSUPP));
        assert_eq!(case.same(|h| h.xattr("f", &escaped)), Err(Errno::OPNOTSUPP));
        assert_eq!(case.same(|h| h.remove_xattr("f", &escaped)), Err(Errno::OPNOTSUPP));
        case.end();
    });
}

#[test]
fn modes_are_taken_whole() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("f", "1");
                l.dir("d");
            }],
        );
        for mode in [0o7777, 0o4755, 0o2755, 0o1777, 0] {
            assert_eq!(case.same(|h| (h.chmod("f", mode), h.chmod("d", mode | 0o700))), (Ok(()), Ok(())));
            assert_eq!(case.same(|h| (h.mode("f"), h.mode("d"))), (Ok(mode), Ok(mode | 0o700)));
        }
        assert_eq!(case.same(|h| h.chmod("", 0o750)), Ok(()));
        assert_eq!(case.same(|h| h.mode("")), Ok(0o750));
        case.end();
    });
}

#[test]
fn a_setgid_directory_hands_its_group_on_over_whiteouts_too() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                for name in ["f", "d", "s"] {
                    l.file(format!("group/{name}"), "1");
                }
                if is_root() {
                    l.owner("group", 7, 8);
                }
                l.mode("group", 0o2775);
            }],
        );
        for name in ["group/f", "group/d", "group/s"] {
            assert_eq!(case.same(|h| h.unlink(name)), Ok(()));
        }
        assert_eq!(case.same(|h| (h.write("group/f", "2"), h.mkdir("group/d"))), (Ok(()), Ok(())));
        assert_eq!(case.same(|h| (h.symlink("x", "group/s"), h.mkdir("group/new"))), (Ok(()), Ok(())));
        let group = if is_root() { 8 } else { 0 };
        for name in ["group/f", "group/d", "group/s", "group/new"] {
            assert_eq!(case.same(|h| h.stat(name)).unwrap().gid, group);
        }
        // `mkdir` makes exactly the mode that was asked for
        assert_eq!(case.same(|h| (h.mode("group/d"), h.mode("group/new"))), (Ok(0o755), Ok(0o755)));
        case.end();
    });
}

#[test]
fn a_write_takes_setuid_away_unless_root_writes() {
    with_mounts(|scratch| {
        let names = ["append", "truncate", "rewrite", "open"];
        let case = Case::new(
            scratch,
            &[&|l| {
                for name in names {
                    l.file(name, "12345");
                    l.mode(name, 0o6755);
                }
            }],
        );
        assert_eq!(case.same(|h| h.append("append", "+")), Ok(()));
        assert_eq!(case.same(|h| h.truncate("truncate", 2)), Ok(()));
        assert_eq!(case.same(|h| h.write("rewrite", "new")), Ok(()));
        assert_eq!(case.same(|h| h.open("open", super::WRITE)), Ok(()));
        let after = if is_root() { 0o6755 } else { 0o755 };
        for name in ["append", "truncate", "rewrite"] {
            assert_eq!(case.same(|h| h.mode(name)), Ok(after));
        }
        assert_eq!(case.same(|h| h.mode("open")), Ok(0o6755));
        case.end();
    });
}

#[test]
fn a_change_of_owner_takes_setuid_away_from_files() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                for name in ["program", "mark"] {
                    l.file(name, "1");
                }
                l.mode("program", 0o6755);
                l.mode("mark", 0o2644);
                l.dir("d");
                l.mode("d", 0o2755);
            }],
        );
        for name in ["program", "mark", "d"] {
            assert_eq!(case.same(|h| h.chown(name, 7, 8)), Ok(()));
            assert_eq!(case.same(|h| h.stat(name).map(|seen| (seen.uid, seen.gid))), Ok((7, 8)));
        }
        // setgid without execution for the group was a mark for locks, and stays
        assert_eq!(
            case.same(|h| ["program", "mark", "d"].map(|name| h.mode(name).unwrap())),
            [0o755, 0o2644, 0o2755]
        );
        case.end();
    });
}

#[test]
fn a_refused_change_of_owner_copies_nothing_up() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.symlink("x", "s")]);
        let done = case.same(|h| h.chown("s", 7, 8));
        if is_root() {
            assert_eq!((done, case.end()), (Ok(()), vec!["s symlink".to_owned()]));
        } else {
            // there is no such owner in the namespace
            assert_eq!((done, case.end()), (Err(Errno::INVAL), vec![]));
        }
    });
}

#[test]
fn times_are_set_on_the_file_itself_and_one_can_be_left_alone() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("d/f", "1");
                l.symlink("d/f", "s");
            }],
        );
        for name in ["d", "d/f", "s", ""] {
            assert_eq!(case.same(|h| h.set_time(name, 77)), Ok(()));
            assert_eq!(case.same(|h| h.stat(name)).unwrap().mtime, Some(long_ago(77)));
        }
        assert_eq!(case.same(|h| (h.atime("d/f"), h.atime("d"))).0, Ok(long_ago(0)));
        assert_eq!(case.same(|h| h.stat("d/f")).unwrap().mtime, Some(long_ago(77)));
        case.end();
    });
}

/// `user::rwx, user:0:rwx, group::r-x, mask::rwx, other::r-x`.
fn acl() -> Vec<u8> {
    access_list([7, 7, 5, 7, 5], 0)
}

#[test]
fn access_control_lists_are_copied_up_and_handed_on() {
    with_mounts(|scratch| {
        const ACCESS: &str = "system.posix_acl_access";
        const DEFAULT: &str = "system.posix_acl_default";
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("f", "1");
                l.file("d/old", "1");
                l.file("d/dir", "1");
                l.raw_xattr("f", ACCESS, acl());
                l.raw_xattr("d", DEFAULT, acl());
            }],
        );
        let raw = |h: &super::super::case::Hand<'_>, path: &str, name: &str| {
            h.0.xattr(&LayerPath::parse(path.as_bytes()).unwrap(), name.as_bytes())
        };
        assert_eq!(case.same(|h| raw(h, "f", ACCESS)), Ok(acl()));
        assert_eq!(case.same(|h| h.append("f", "2")), Ok(()));
        assert_eq!(case.same(|h| raw(h, "f", ACCESS)), Ok(acl()));
        assert_eq!(case.same(|h| (h.unlink("d/old"), h.unlink("d/dir"))), (Ok(()), Ok(())));
        for name in ["d/new", "d/old"] {
            assert_eq!(case.same(|h| h.write(name, "2")), Ok(()));
            case.agree(|h| (raw(h, name, ACCESS), h.mode(name)));
        }
        for name in ["d/new-dir", "d/dir"] {
            assert_eq!(case.same(|h| h.mkdir(name)), Ok(()));
            case.agree(|h| (raw(h, name, ACCESS), raw(h, name, DEFAULT), h.mode(name)));
        }
        case.end();
    });
}

#[test]
fn the_size_and_the_type_follow_symlinks_only_where_asked() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("f", "12345");
                l.symlink("f", "s");
            }],
        );
        let size = |follow| {
            move |h: &super::super::case::Hand<'_>| {
                h.0.stat(&LayerPath::parse(b"s").unwrap(), follow).unwrap().size
            }
        };
        assert_eq!(case.same(size(Follow::Yes)), 5);
        assert_eq!(case.same(size(Follow::No)), 1);
        case.end();
    });
}
