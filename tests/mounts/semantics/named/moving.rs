//! Renames, without redirects.

use ufs::model::Node;
use ufs::sys::Errno;

use super::super::case::Case;
use super::super::layers::long_ago;
use super::{is_root, with_mounts};

#[test]
fn a_directory_with_a_lower_part_cannot_be_renamed() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("lower/f", "1");
                l.file("merged/f", "1");
            }],
        );
        assert_eq!(case.same(|h| h.write("merged/g", "2")), Ok(()));
        assert_eq!(case.same(|h| h.mkdir("upper")), Ok(()));
        assert_eq!(case.same(|h| h.rename("lower", "new")), Err(Errno::XDEV));
        assert_eq!(case.same(|h| h.rename("merged", "new")), Err(Errno::XDEV));
        assert_eq!(case.same(|h| h.exchange("upper", "lower")), Err(Errno::XDEV));
        assert_eq!(case.same(|h| h.rename("upper", "new")), Ok(()));
        // whatever the name hid in lower layers, it goes on hiding
        assert_eq!(case.end(), ["merged dir", "merged/g file", "new opaque dir"]);
    });
}

#[test]
fn a_renamed_lower_file_is_copied_up_and_leaves_a_whiteout() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("a/f", "lower");
                l.dir("b");
                l.symlink("x", "s");
                l.mknod("p", &Node::Fifo);
            }],
        );
        assert_eq!(case.same(|h| h.rename("a/f", "b/g")), Ok(()));
        assert_eq!(case.same(|h| (h.rename("s", "t"), h.rename("p", "q"))), (Ok(()), Ok(())));
        assert_eq!(case.same(|h| h.read("b/g")), Ok("lower".to_owned()));
        assert_eq!(case.same(|h| h.stat("b/g")).unwrap().mtime, Some(long_ago(0)));
        assert_eq!(case.same(|h| (h.stat("a").unwrap().mtime, h.stat("b").unwrap().mtime)), (None, None));
        let upper =
            ["a dir", "a/f whiteout", "b dir", "b/g file", "p whiteout", "q fifo", "s whiteout", "t symlink"];
        assert_eq!(case.end(), upper);
    });
}

#[test]
fn a_renamed_upper_file_leaves_nothing() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.dir("d")]);
        assert_eq!(case.same(|h| (h.write("f", "1"), h.rename("f", "d/g"))), (Ok(()), Ok(())));
        assert_eq!(case.end(), ["d dir", "d/g file"]);
    });
}

#[test]
fn a_rename_over_a_lower_file_hides_it() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("a", "a");
                l.file("b", "b");
            }],
        );
        assert_eq!(case.same(|h| h.rename("a", "b")), Ok(()));
        assert_eq!(case.same(|h| h.read("b")), Ok("a".to_owned()));
        assert_eq!(case.same(|h| h.unlink("b")), Ok(()));
        assert_eq!(case.end(), ["a whiteout", "b whiteout"]);
    });
}

#[test]
fn a_file_moved_away_and_back_hides_its_lower_one() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("a", "lower")]);
        assert_eq!(case.same(|h| (h.rename("a", "b"), h.rename("b", "a"))), (Ok(()), Ok(())));
        assert_eq!(case.same(|h| h.list("")).unwrap(), ["a"]);
        assert_eq!(case.end(), ["a file"]);
    });
}

#[test]
fn a_directory_moved_to_where_one_was_deleted_is_opaque() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("old/f", "1")]);
        assert_eq!(case.same(|h| (h.unlink("old/f"), h.rmdir("old"))), (Ok(()), Ok(())));
        assert_eq!(case.same(|h| (h.mkdir("new"), h.write("new/g", "2"))), (Ok(()), Ok(())));
        assert_eq!(case.same(|h| h.rename("new", "old")), Ok(()));
        assert_eq!(case.same(|h| h.list("old")).unwrap(), ["g"]);
        assert_eq!(case.end(), ["old opaque dir", "old/g file"]);
    });
}

#[test]
fn a_directory_moved_over_an_emptied_one_shows_none_of_it() {
    with_mounts(|scratch| {
        let mut case = Case::new(scratch, &[&|l| l.file("old/f", "1"), &|l| l.file("old/g", "1")]);
        assert_eq!(case.same(|h| (h.mkdir("new"), h.write("new/x", "2"))), (Ok(()), Ok(())));
        assert_eq!(case.same(|h| h.rename("new", "old")), Err(Errno::NOTEMPTY));
        assert_eq!(case.same(|h| (h.unlink("old/f"), h.unlink("old/g"))), (Ok(()), Ok(())));
        assert_eq!(case.same(|h| h.rename("new", "old")), Ok(()));
        assert_eq!(case.same(|h| h.list("old")).unwrap(), ["x"]);
        case.seal();
        assert_eq!(case.same(|h| h.list("old")).unwrap(), ["x"]);
        assert_eq!(case.same(|h| h.stat("new")), Err(Errno::NOENT));
        assert!(case.end().is_empty());
    });
}

#[test]
fn files_and_directories_do_not_replace_each_other() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("f", "1");
                l.dir("empty");
            }],
        );
        assert_eq!(case.same(|h| h.mkdir("d")), Ok(()));
        assert_eq!(case.same(|h| h.rename("d", "f")), Err(Errno::NOTDIR));
        assert_eq!(case.same(|h| h.rename("f", "d")), Err(Errno::ISDIR));
        assert_eq!(case.same(|h| h.rename("f", "empty")), Err(Errno::ISDIR));
        assert_eq!(case.same(|h| h.rename("d", "d/in")), Err(Errno::INVAL));
        assert_eq!(case.same(|h| h.rename("missing", "x")), Err(Errno::NOENT));
        assert_eq!(case.end(), ["d dir"]);
    });
}

#[test]
fn noreplace_refuses_what_any_layer_shows_and_takes_what_is_deleted() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("a", "a");
                l.file("b", "b");
            }],
        );
        assert_eq!(case.same(|h| h.rename_new("a", "b")), Err(Errno::EXIST));
        assert_eq!(case.same(|h| h.unlink("b")), Ok(()));
        assert_eq!(case.same(|h| h.rename_new("a", "b")), Ok(()));
        assert_eq!(case.same(|h| h.read("b")), Ok("a".to_owned()));
        assert_eq!(case.end(), ["a whiteout", "b file"]);
    });
}

#[test]
fn exchange_swaps_lower_files_and_upper_directories() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("a", "a");
                l.file("d/b", "b");
            }],
        );
        assert_eq!(case.same(|h| h.exchange("a", "d/b")), Ok(()));
        assert_eq!(case.same(|h| (h.read("a"), h.read("d/b"))), (Ok("b".to_owned()), Ok("a".to_owned())));
        assert_eq!(case.same(|h| (h.mkdir("x"), h.write("x/f", "1"))), (Ok(()), Ok(())));
        assert_eq!(case.same(|h| h.exchange("x", "a")), Ok(()));
        assert_eq!(case.same(|h| (h.read("a/f"), h.read("x"))), (Ok("1".to_owned()), Ok("b".to_owned())));
        assert_eq!(case.same(|h| h.exchange("a", "missing")), Err(Errno::NOENT));
        assert_eq!(case.end(), ["a opaque dir", "a/f file", "d dir", "d/b file", "x file"]);
    });
}

#[test]
fn a_rename_onto_another_name_of_the_same_file_does_nothing() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("a", "1")]);
        assert_eq!(case.same(|h| h.link("a", "b")), Ok(()));
        // in a user namespace the kernel has lost sight of what the two are
        let kernel = if is_root() { Ok(()) } else { Err(Errno::STALE) };
        assert_eq!(case.each(|h| h.rename("a", "b")), (kernel, Ok(())));
        assert_eq!(case.same(|h| h.list("")).unwrap(), ["a", "b"]);
        assert_eq!(case.same(|h| h.rename("a", "a")), Ok(()));
        assert_eq!(case.end(), ["a file", "b file"]);
    });
}

#[test]
fn lower_hard_links_are_two_files_to_a_rename() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("a", "1");
                l.link("a", "b");
            }],
        );
        assert_eq!(case.same(|h| h.rename("a", "b")), Ok(()));
        assert_eq!(case.same(|h| h.list("")).unwrap(), ["b"]);
        assert_eq!(case.end(), ["a whiteout", "b file"]);
    });
}
