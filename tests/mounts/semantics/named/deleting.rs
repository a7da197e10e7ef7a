//! Whiteouts and opaque directories.

use ufs::model::{Device, Node};
use ufs::sys::Errno;

use super::super::case::Case;
use super::super::ops::snapshot;
use super::with_mounts;

#[test]
fn a_removed_lower_file_leaves_a_whiteout_and_a_removed_upper_file_nothing() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("lower", "1")]);
        assert_eq!(case.same(|h| h.write("upper", "2")), Ok(()));
        assert_eq!(case.same(|h| (h.unlink("lower"), h.unlink("upper"))), (Ok(()), Ok(())));
        assert_eq!(case.same(|h| h.stat("lower")), Err(Errno::NOENT));
        assert_eq!(case.same(|h| h.list("")), Ok(vec![]));
        assert_eq!(case.same(|h| h.unlink("lower")), Err(Errno::NOENT));
        assert_eq!(case.end(), ["lower whiteout"]);
    });
}

#[test]
fn a_removed_file_of_both_layers_leaves_a_whiteout() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("f", "1")]);
        assert_eq!(case.same(|h| h.append("f", "2")), Ok(()));
        assert_eq!(case.same(|h| h.unlink("f")), Ok(()));
        assert_eq!(case.end(), ["f whiteout"]);
    });
}

#[test]
fn the_directory_of_a_whiteout_changes_and_those_above_it_do_not() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("a/b/f", "1")]);
        assert_eq!(case.same(|h| h.unlink("a/b/f")), Ok(()));
        assert_eq!(case.same(|h| h.stat("a/b")).unwrap().mtime, None);
        assert!(case.same(|h| h.stat("a")).unwrap().mtime.is_some());
        assert_eq!(case.end(), ["a dir", "a/b dir", "a/b/f whiteout"]);
    });
}

#[test]
fn a_whiteout_in_the_middle_hides_what_is_beneath_and_not_what_is_above() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[
                &|l| {
                    l.file("f", "bottom");
                    l.file("g", "bottom");
                    l.file("d/x", "bottom");
                },
                &|l| {
                    l.whiteout("f");
                    l.whiteout("g");
                    l.whiteout("d");
                },
                &|l| {
                    l.file("g", "top");
                    l.file("d/y", "top");
                },
            ],
        );
        assert_eq!(case.same(|h| h.read("f")), Err(Errno::NOENT));
        assert_eq!(case.same(|h| h.read("g")), Ok("top".to_owned()));
        assert_eq!(case.same(|h| h.list("d")), Ok(vec!["y".to_owned()]));
        assert_eq!(case.same(|h| h.read("d/x")), Err(Errno::NOENT));
        // a whiteout beneath the upper hides already, so none is needed above it
        assert_eq!(case.same(|h| h.write("f", "new")), Ok(()));
        assert_eq!(case.same(|h| h.unlink("f")), Ok(()));
        assert_eq!(case.same(|h| h.unlink("g")), Ok(()));
        assert_eq!(case.end(), ["g whiteout"]);
    });
}

#[test]
fn a_whiteout_of_nothing_shows_nothing() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("d/f", "1"), &|l| l.whiteout("d/none")]);
        assert_eq!(case.same(|h| h.list("d")), Ok(vec!["f".to_owned()]));
        assert_eq!(case.same(|h| h.stat("d/none")), Err(Errno::NOENT));
        case.end();
    });
}

#[test]
fn a_whiteout_in_a_directory_of_one_layer_is_listed_by_the_kernel() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.whiteout("d/none")]);
        // the kernel lists the real directory then, whose whiteouts nobody can look up; we leave them out
        assert_eq!(case.each(|h| h.list("d").unwrap()), (vec!["none".to_owned()], vec![]));
        assert_eq!(case.same(|h| h.stat("d/none")), Err(Errno::NOENT));
        assert_eq!(case.same(|h| h.rmdir("d")), Ok(()));
        assert_eq!(case.end(), ["d whiteout"]);
    });
}

#[test]
fn what_is_made_over_a_whiteout_takes_its_place() {
    with_mounts(|scratch| {
        let names = ["create", "write", "link", "symlink", "fifo", "rename"];
        let case = Case::new(
            scratch,
            &[&|l| {
                for name in &names {
                    l.file(name, "lower");
                }
                l.file("other", "lower");
            }],
        );
        case.agree(|h| names.map(|name| h.unlink(name).unwrap()));
        assert_eq!(case.same(|h| h.create("create")), Ok(()));
        assert_eq!(case.same(|h| h.write("write", "new")), Ok(()));
        assert_eq!(case.same(|h| h.link("write", "link")), Ok(()));
        assert_eq!(case.same(|h| h.symlink("write", "symlink")), Ok(()));
        assert_eq!(case.same(|h| h.mknod("fifo", &Node::Fifo)), Ok(()));
        assert_eq!(case.same(|h| h.rename("other", "rename")), Ok(()));
        let upper = [
            "create file",
            "fifo fifo",
            "link file",
            "other whiteout",
            "rename file",
            "symlink symlink",
            "write file",
        ];
        assert_eq!(case.end(), upper);
    });
}

#[test]
fn a_directory_made_over_a_whiteout_is_opaque() {
    with_mounts(|scratch| {
        let mut case = Case::new(scratch, &[&|l| l.file("d/old", "1")]);
        assert_eq!(case.same(|h| (h.unlink("d/old"), h.rmdir("d"), h.mkdir("d"))), (Ok(()), Ok(()), Ok(())));
        assert_eq!(case.same(|h| h.list("d")), Ok(vec![]));
        assert_eq!(case.same(|h| h.write("d/new", "2")), Ok(()));
        assert_eq!(case.same(|h| h.read("d/old")), Err(Errno::NOENT));
        case.seal();
        assert_eq!(case.same(|h| h.list("d")), Ok(vec!["new".to_owned()]));
        assert_eq!(case.same(|h| h.write("d/old", "3")), Ok(()));
        assert_eq!(case.end(), ["d dir", "d/old file"]);
    });
}

#[test]
fn a_directory_made_where_no_layer_has_one_is_not_opaque() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.dir("d")]);
        assert_eq!(case.same(|h| h.mkdir("d/new")), Ok(()));
        assert_eq!(case.end(), ["d dir", "d/new dir"]);
    });
}

#[test]
fn an_opaque_directory_in_the_middle_cuts_off_what_is_beneath() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[
                &|l| {
                    l.file("d/bottom", "1");
                    l.file("d/in/bottom", "1");
                },
                &|l| {
                    l.opaque("d");
                    l.file("d/middle", "2");
                    l.file("d/in/middle", "2");
                },
                &|l| l.file("d/top", "3"),
            ],
        );
        assert_eq!(case.same(|h| h.list("d")).unwrap(), ["in", "middle", "top"]);
        assert_eq!(case.same(|h| h.list("d/in")).unwrap(), ["middle"]);
        // nothing beneath it shows, so nothing needs a whiteout
        assert_eq!(case.same(|h| (h.write("d/bottom", "new"), h.unlink("d/bottom"))), (Ok(()), Ok(())));
        assert_eq!(case.end(), ["d dir"]);
    });
}

#[test]
fn a_file_hides_a_directory_beneath_and_a_directory_hides_a_file() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[
                &|l| {
                    l.file("a/bottom", "1");
                    l.file("b", "1");
                    l.file("c/bottom", "1");
                },
                &|l| {
                    l.file("a", "2");
                    l.file("b/middle", "2");
                    l.symlink("a", "c");
                },
                &|l| l.file("c/top", "3"),
            ],
        );
        assert_eq!(case.same(|h| h.read("a")), Ok("2".to_owned()));
        assert_eq!(case.same(|h| h.stat("a/bottom")), Err(Errno::NOTDIR));
        assert_eq!(case.same(|h| h.list("b")).unwrap(), ["middle"]);
        // what is not a directory ends the merge
        assert_eq!(case.same(|h| h.list("c")).unwrap(), ["top"]);
        assert_eq!(case.same(|h| (h.unlink("a"), h.mkdir("a"), h.list("a"))), (Ok(()), Ok(()), Ok(vec![])));
        assert_eq!(case.end(), ["a opaque dir"]);
    });
}

#[test]
fn an_opaque_mark_on_a_layers_root_cuts_off_nothing() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("f", "1"), &|l| l.opaque("")]);
        assert_eq!(case.same(|h| h.list("")).unwrap(), ["f"]);
        case.end();
    });
}

#[test]
fn a_directory_is_empty_when_all_it_holds_are_whiteouts() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("d/a", "1");
                l.file("d/b", "1");
            }],
        );
        assert_eq!(case.same(|h| h.unlink("d/a")), Ok(()));
        assert_eq!(case.same(|h| h.rmdir("d")), Err(Errno::NOTEMPTY));
        assert_eq!(case.same(|h| h.unlink("d/b")), Ok(()));
        assert_eq!(case.same(|h| h.rmdir("d")), Ok(()));
        assert_eq!(case.end(), ["d whiteout"]);
    });
}

#[test]
fn removing_a_whole_tree_leaves_one_whiteout() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("d/a/b/f", "1");
                l.file("d/a/g", "1");
            }],
        );
        assert_eq!(case.same(|h| h.write("d/a/b/new", "2")), Ok(()));
        for file in ["d/a/b/new", "d/a/b/f", "d/a/g"] {
            assert_eq!(case.same(|h| h.unlink(file)), Ok(()));
        }
        for dir in ["d/a/b", "d/a", "d"] {
            assert_eq!(case.same(|h| h.rmdir(dir)), Ok(()));
        }
        assert_eq!(case.end(), ["d whiteout"]);
    });
}

#[test]
fn a_whiteout_cannot_be_made_by_hand() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("f", "1")]);
        let whiteout = Node::CharDevice(Device { major: 0, minor: 0 });
        assert_eq!(case.same(|h| h.mknod("new", &whiteout)), Err(Errno::PERM));
        assert_eq!(case.same(|h| h.mknod("f", &whiteout)), Err(Errno::EXIST));
        assert!(case.end().is_empty());
    });
}

#[test]
fn the_root_can_be_emptied_and_never_removed() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("f", "1")]);
        assert_eq!(case.same(|h| h.unlink("f")), Ok(()));
        assert_eq!(case.same(|h| h.rmdir("")), Err(Errno::BUSY));
        assert_eq!(case.same(|h| h.unlink("")), Err(Errno::ISDIR));
        assert_eq!(case.same(|h| snapshot(h.0).len()), 1);
        assert_eq!(case.end(), ["f whiteout"]);
    });
}
