//! Copy-up: what causes it, what it takes along.

use std::io::Read as _;

use ufs::driver::{Follow, OpenHow};
use ufs::model::{LayerPath, Node};
use ufs::sys::Errno;

use super::super::case::Case;
use super::super::layers::long_ago;
use super::super::ops::NULL;
use super::{WRITE, is_root, with_mounts};

#[test]
fn the_first_write_to_a_lower_file_copies_it_up_whole() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("d/f", "lower");
                l.mode("d/f", 0o751);
                l.raw_xattr("d/f", "user.colour", "red");
            }],
        );
        assert_eq!(case.same(|h| h.append("d/f", "+")), Ok(()));
        assert_eq!(case.same(|h| h.read("d/f")), Ok("lower+".to_owned()));
        assert_eq!(case.same(|h| h.mode("d/f")), Ok(0o751));
        assert_eq!(case.same(|h| h.xattr("d/f", "user.colour")), Ok("red".to_owned()));
        assert_eq!(case.same(|h| h.stat("d/f")).unwrap().mtime, None);
        // the directory above was only copied: its times are the lower one's
        assert_eq!(case.same(|h| h.stat("d")).unwrap().mtime, Some(long_ago(0)));
        assert_eq!(case.end(), ["d dir", "d/f file"]);
    });
}

#[test]
fn opening_for_writing_copies_up_even_if_nothing_is_written() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("f", "lower")]);
        assert_eq!(case.same(|h| h.open("f", WRITE)), Ok(()));
        assert_eq!(case.same(|h| h.stat("f")).unwrap().mtime, Some(long_ago(0)));
        assert_eq!(case.end(), ["f file"]);
    });
}

#[test]
fn looking_copies_nothing_up() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("d/f", "lower");
                l.symlink("d", "s");
            }],
        );
        case.agree(|h| (h.read("s/f"), h.list("d"), h.stat("d/f"), h.xattrs("d"), h.read_link("s")));
        assert!(case.end().is_empty());
    });
}

#[test]
fn what_fails_copies_nothing_up() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("d/f", "lower");
                l.file("e/f", "lower");
            }],
        );
        assert_eq!(case.same(|h| h.create("d/f")), Err(Errno::EXIST));
        assert_eq!(case.same(|h| h.mkdir("d/f")), Err(Errno::EXIST));
        assert_eq!(case.same(|h| h.symlink("x", "d/f")), Err(Errno::EXIST));
        assert_eq!(case.same(|h| h.link("d/f", "e/f")), Err(Errno::EXIST));
        assert_eq!(case.same(|h| h.rmdir("d")), Err(Errno::NOTEMPTY));
        assert_eq!(case.same(|h| h.rmdir("d/f")), Err(Errno::NOTDIR));
        assert_eq!(case.same(|h| h.unlink("d")), Err(Errno::ISDIR));
        assert_eq!(case.same(|h| h.rename("d", "x")), Err(Errno::XDEV));
        assert_eq!(case.same(|h| h.rename("d/f", "e")), Err(Errno::ISDIR));
        assert_eq!(case.same(|h| h.rename_new("d/f", "e/f")), Err(Errno::EXIST));
        assert_eq!(case.same(|h| h.remove_xattr("d/f", "user.none")), Err(Errno::NODATA));
        assert_eq!(case.same(|h| h.open("d", WRITE)), Err(Errno::ISDIR));
        assert_eq!(case.same(|h| h.open("d/missing", WRITE)), Err(Errno::NOENT));
        assert_eq!(case.same(|h| h.truncate("d", 0)), Err(Errno::ISDIR));
        assert!(case.end().is_empty());
    });
}

#[test]
fn a_change_of_mode_copies_the_content_along() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("f", "lower")]);
        assert_eq!(case.same(|h| h.chmod("f", 0o600)), Ok(()));
        let raw = case.uppers().map(|upper| std::fs::read_to_string(upper.join("f")).unwrap());
        assert_eq!(raw, ["lower", "lower"]);
        assert_eq!(case.same(|h| h.stat("f")).unwrap().mtime, Some(long_ago(0)));
        case.end();
    });
}

#[test]
fn the_directories_above_are_copied_up_with_their_attributes() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("a/b/c/f", "lower");
                l.mode("a", 0o1777);
                l.mode("a/b", 0o2710);
                l.raw_xattr("a/b", "user.colour", "red");
                l.file("a/other", "stays");
            }],
        );
        assert_eq!(case.same(|h| h.append("a/b/c/f", "+")), Ok(()));
        assert_eq!(case.same(|h| (h.mode("a"), h.mode("a/b"))), (Ok(0o1777), Ok(0o2710)));
        assert_eq!(case.end(), ["a dir", "a/b dir", "a/b/c dir", "a/b/c/f file"]);
    });
}

#[test]
fn a_lower_file_cut_to_nothing_is_copied_up_without_content() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("f", "lower");
                l.file("g", "lower");
                l.file("h", "lower");
            }],
        );
        assert_eq!(case.same(|h| h.write("f", "x")), Ok(()));
        assert_eq!(case.same(|h| h.truncate("g", 0)), Ok(()));
        assert_eq!(case.same(|h| h.truncate("h", 7)), Ok(()));
        assert_eq!(case.same(|h| h.read("h")), Ok("lower\0\0".to_owned()));
        assert_eq!(case.end(), ["f file", "g file", "h file"]);
    });
}

#[test]
fn a_write_into_the_middle_leaves_the_rest() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("f", "0123456789")]);
        assert_eq!(case.same(|h| h.write_at("f", 3, "xyz")), Ok(()));
        assert_eq!(case.same(|h| h.write_at("f", 12, "end")), Ok(()));
        assert_eq!(case.same(|h| h.read("f")), Ok("012xyz6789\0\0end".to_owned()));
        case.end();
    });
}

#[test]
fn a_file_opened_before_its_copy_up_shows_the_copy_by_the_kernel_and_the_lower_one_by_the_union() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("f", "lower")]);
        let (kernel, union) = case.each(|h| {
            let mut before = h.0.open(&LayerPath::parse(b"f").unwrap(), OpenHow::READ).unwrap();
            h.write("f", "upper").unwrap();
            let mut text = String::new();
            before.read_to_string(&mut text).unwrap();
            (text, h.read("f"))
        });
        // the kernel's file finds the copy; ours is the lower file itself, opened
        assert_eq!(kernel, ("upper".to_owned(), Ok("upper".to_owned())));
        assert_eq!(union, ("lower".to_owned(), Ok("upper".to_owned())));
        case.end();
    });
}

#[test]
fn a_file_removed_while_it_is_open_can_still_be_read() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("f", "lower")]);
        let text = case.same(|h| {
            let mut open = h.0.open(&LayerPath::parse(b"f").unwrap(), OpenHow::READ).unwrap();
            h.unlink("f").unwrap();
            let mut text = String::new();
            open.read_to_string(&mut text).unwrap();
            text
        });
        assert_eq!(text, "lower");
        assert_eq!(case.end(), ["f whiteout"]);
    });
}

#[test]
fn copy_up_keeps_the_time_of_the_last_read() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("f", "lower")]);
        assert_eq!(case.same(|h| h.chmod("f", 0o600)), Ok(()));
        assert_eq!(case.same(|h| h.atime("f")), Ok(long_ago(0)));
        case.end();
    });
}

#[test]
fn symlinks_and_special_files_are_copied_up_as_themselves() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.symlink("/nowhere/\u{fc}", "s");
                l.mknod("fifo", &Node::Fifo);
                l.mknod("socket", &Node::Socket);
                if is_root() {
                    l.mknod("null", &NULL);
                }
            }],
        );
        assert_eq!(case.same(|h| h.set_time("s", 5)), Ok(()));
        assert_eq!(case.same(|h| h.read_link("s")), Ok("/nowhere/\u{fc}".as_bytes().to_vec()));
        assert_eq!(case.same(|h| h.chmod("fifo", 0o600)), Ok(()));
        assert_eq!(case.same(|h| h.chmod("socket", 0o600)), Ok(()));
        let mut upper = vec!["fifo fifo"];
        if is_root() {
            assert_eq!(case.same(|h| h.chmod("null", 0o600)), Ok(()));
            upper.push("null device");
        }
        upper.extend(["s symlink", "socket socket"]);
        assert_eq!(case.end(), upper);
    });
}

#[test]
fn holes_stay_holes() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("f", "start");
                let file = std::fs::File::options().write(true).open(l.path("f")).unwrap();
                file.set_len(64 << 20).unwrap();
            }],
        );
        assert_eq!(case.same(|h| h.append("f", "end")), Ok(()));
        let blocks = |h: &super::super::case::Hand<'_>| {
            h.0.stat(&LayerPath::parse(b"f").unwrap(), Follow::No).unwrap().blocks
        };
        let (kernel, union) = case.each(blocks);
        // of 131072; the kernel copies in pieces of a megabyte
        assert!(kernel < 4096 && union < 4096, "{kernel} and {union} blocks");
        case.end();
    });
}

#[test]
fn copy_up_breaks_a_hard_link_of_the_lower_layer() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| {
                l.file("a", "lower");
                l.link("a", "b");
            }],
        );
        assert_eq!(case.same(|h| (h.nlink("a"), h.nlink("b"))), (Ok(2), Ok(2)));
        assert_eq!(case.same(|h| h.append("a", "+")), Ok(()));
        // without `index=on` each name is copied up by itself
        assert_eq!(case.same(|h| h.read("b")), Ok("lower".to_owned()));
        assert_eq!(case.same(|h| (h.nlink("a"), h.nlink("b"))), (Ok(1), Ok(2)));
        assert_eq!(case.end(), ["a file"]);
    });
}

#[test]
fn a_hard_link_to_a_lower_file_copies_it_up_and_links_the_copy() {
    with_mounts(|scratch| {
        let mut case = Case::new(scratch, &[&|l| l.file("a", "lower")]);
        assert_eq!(case.same(|h| h.link("a", "b")), Ok(()));
        assert_eq!(case.same(|h| h.append("b", "+")), Ok(()));
        assert_eq!(case.same(|h| h.read("a")), Ok("lower+".to_owned()));
        assert_eq!(case.same(|h| (h.nlink("a"), h.nlink("b"))), (Ok(2), Ok(2)));
        // as a lower layer it is linked no more
        case.seal();
        assert_eq!(case.same(|h| h.append("a", "!")), Ok(()));
        assert_eq!(case.same(|h| h.read("b")), Ok("lower+".to_owned()));
        assert_eq!(case.end(), ["a file"]);
    });
}

#[test]
fn a_directory_cannot_be_linked() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.dir("d")]);
        assert_eq!(case.same(|h| h.link("d", "e")), Err(Errno::PERM));
        assert_eq!(case.same(|h| h.link("missing", "e")), Err(Errno::NOENT));
        assert!(case.end().is_empty());
    });
}
