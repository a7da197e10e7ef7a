//! Names, depths, numbers of layers, and mounts that take no changes.

use std::fs;

use ufs::model::Node;
use ufs::sys::Errno;

use super::super::case::{Build, Case, Lower};
use super::{WRITE, with_mounts};

#[test]
fn names_are_any_bytes() {
    with_mounts(|scratch| {
        let names: [&[u8]; 5] = [b"\xff\xfe", b"a\nb", b" ", b"caf\xe9", b".wh.x"];
        let case = Case::new(
            scratch,
            &[&|l| names.iter().for_each(|name| l.file([b"lower/", *name].concat(), "1"))],
        );
        assert_eq!(case.same(|h| h.list("lower")).unwrap().len(), 5);
        for name in names {
            let (lower, upper) = ([b"lower/", name].concat(), [b"upper-", name].concat());
            assert_eq!(case.same(|h| h.append(&lower, "2")), Ok(()));
            assert_eq!(case.same(|h| h.read(&lower)), Ok("12".to_owned()));
            assert_eq!(case.same(|h| h.rename(&lower, &upper)), Ok(()));
            assert_eq!(case.same(|h| h.symlink("x", &lower)), Ok(()));
        }
        assert_eq!(case.end().len(), 11);
    });
}

#[test]
fn a_name_has_255_bytes_at_most() {
    with_mounts(|scratch| {
        let (full, long) = ("n".repeat(255), "n".repeat(256));
        let case = Case::new(scratch, &[&|l| l.file(&full, "1")]);
        assert_eq!(case.same(|h| h.append(&full, "2")), Ok(()));
        assert_eq!(case.same(|h| h.unlink(&full)), Ok(()));
        assert_eq!(case.same(|h| h.mkdir(&full)), Ok(()));
        assert_eq!(case.same(|h| h.rename(&full, "m".repeat(255))), Ok(()));
        // a path with a longer one is no path at all here; the kernel refuses it with the same errno
        assert!(ufs::model::LayerPath::parse(long.as_bytes()).is_err());
        case.end();
    });
}

#[test]
fn a_symlink_to_a_name_that_is_too_long_leads_nowhere() {
    with_mounts(|scratch| {
        let long = "n".repeat(256);
        let case = Case::new(scratch, &[&|l| l.symlink(&long, "s")]);
        assert_eq!(case.same(|h| h.read("s")), Err(Errno::NAMETOOLONG));
        assert_eq!(case.same(|h| h.write("s", "1")), Err(Errno::NAMETOOLONG));
        assert!(case.end().is_empty());
    });
}

#[test]
fn deep_paths_are_reached_and_copied_up() {
    with_mounts(|scratch| {
        let deep = "deep/".repeat(200) + "f";
        let case = Case::new(scratch, &[&|l| l.file(&deep, "lower")]);
        assert_eq!(case.same(|h| h.append(&deep, "+")), Ok(()));
        assert_eq!(case.same(|h| h.read(&deep)), Ok("lower+".to_owned()));
        assert_eq!(case.end().len(), 201);
    });
}

#[test]
fn five_hundred_layers_are_one_tree() {
    with_mounts(|scratch| {
        ufs::sys::raise_file_limit();
        let build = |number: usize| {
            move |l: &Lower| {
                l.file("top", number.to_string());
                l.file(format!("d/{number}"), "1");
                if number > 250 {
                    l.whiteout(format!("d/{}", number - 251));
                }
            }
        };
        let builds: Vec<_> = (0..500).map(build).collect();
        let layers: Vec<Build<'_>> = builds.iter().map(|build| build as Build<'_>).collect();
        let case = Case::new(scratch, &layers);
        assert_eq!(case.same(|h| h.read("top")), Ok("499".to_owned()));
        assert_eq!(case.same(|h| h.list("d")).unwrap().len(), 251);
        assert_eq!(case.same(|h| h.append("top", "+")), Ok(()));
        assert_eq!(case.same(|h| h.unlink("d/300")), Ok(()));
        assert_eq!(case.end(), ["d dir", "d/300 whiteout", "top file"]);
    });
}

#[test]
fn a_mount_without_an_upper_shows_one_layer_or_more_and_takes_no_changes() {
    with_mounts(|scratch| {
        let bottom: Build<'_> = &|l| {
            l.file("d/f", "1");
            l.file("gone", "1");
        };
        let top: Build<'_> = &|l| l.whiteout("gone");
        for layers in [&[bottom][..], &[bottom, top][..]] {
            let case = Case::read_only(scratch, layers);
            assert_eq!(case.shown().len(), 5 - layers.len());
            assert_eq!(case.same(|h| h.read("d/f")), Ok("1".to_owned()));
            assert_eq!(case.same(|h| h.open("d/f", WRITE)), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.write("new", "1")), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.create("d/f")), Err(Errno::EXIST));
            assert_eq!(case.same(|h| h.mkdir("new")), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.mkdir("d")), Err(Errno::EXIST));
            assert_eq!(case.same(|h| h.symlink("x", "new")), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.link("d/f", "new")), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.mknod("new", &Node::Fifo)), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.unlink("d/f")), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.unlink("missing")), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.rmdir("d")), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.rename("d/f", "g")), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.chmod("d/f", 0o600)), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.chown("d/f", 0, 0)), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.set_time("d/f", 1)), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.truncate("d/f", 0)), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.set_xattr("d/f", "user.a", "1")), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.remove_xattr("d/f", "user.a")), Err(Errno::ROFS));
            assert_eq!(case.same(|h| h.write("missing/new", "1")), Err(Errno::NOENT));
        }
    });
}

#[test]
fn a_lower_layer_is_never_written_to() {
    with_mounts(|scratch| {
        let whole = std::cell::RefCell::new(std::path::PathBuf::new());
        let case = Case::new(
            scratch,
            &[&|l| {
                whole.replace(l.path("d").parent().unwrap().to_owned());
                l.file("d/f", "lower");
                l.file("g", "lower");
            }],
        );
        let before = super::super::layers::scan(&whole.borrow());
        case.agree(|h| (h.append("d/f", "+"), h.unlink("g"), h.chmod("", 0o700), h.set_time("d", 9)));
        assert_eq!(before, super::super::layers::scan(&whole.borrow()));
        assert_eq!(fs::read_to_string(whole.borrow().join("d/f")).unwrap(), "lower");
        case.end();
    });
}
