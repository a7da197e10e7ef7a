//! Lookups and the merge of directories.

use ufs::model::LayerPath;
use ufs::sys::Errno;

use super::super::case::Case;
use super::with_mounts;

#[test]
fn a_directory_lists_each_name_of_its_layers_once() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[
                &|l| ["a", "b", "c"].iter().for_each(|name| l.file(format!("d/{name}"), "1")),
                &|l| {
                    l.file("d/b", "2");
                    l.dir("d/e");
                },
                &|l| l.whiteout("d/c"),
            ],
        );
        assert_eq!(case.same(|h| h.write("d/a", "upper")), Ok(()));
        assert_eq!(case.same(|h| h.write("d/f", "upper")), Ok(()));
        assert_eq!(case.same(|h| h.list("d")).unwrap(), ["a", "b", "e", "f"]);
        assert_eq!(case.same(|h| h.read("d/b")), Ok("2".to_owned()));
        case.end();
    });
}

#[test]
fn thousands_of_names_are_merged() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[
                &|l| (0..1500).for_each(|n| l.file(format!("d/{n}"), "")),
                &|l| (1000..2500).for_each(|n| l.file(format!("d/{n}"), "x")),
                &|l| (0..500).for_each(|n| l.whiteout(format!("d/{n}"))),
            ],
        );
        assert_eq!(case.same(|h| h.write("d/new", "")), Ok(()));
        assert_eq!(case.same(|h| h.list("d")).unwrap().len(), 2001);
        case.end();
    });
}

#[test]
fn a_listing_tells_the_type_of_the_topmost() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[
                &|l| {
                    l.file("a", "1");
                    l.dir("b");
                },
                &|l| {
                    l.dir("a");
                    l.symlink("a", "b");
                },
            ],
        );
        case.agree(|h| {
            let mut items = h.0.read_dir(&LayerPath::root()).unwrap();
            items.sort_by(|a, b| a.name.cmp(&b.name));
            items
        });
        case.end();
    });
}

#[test]
fn the_attributes_of_a_merged_directory_are_the_topmost_ones() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[
                &|l| {
                    l.file("d/a", "1");
                    l.mode("d", 0o700);
                    l.raw_xattr("d", "user.low", "1");
                },
                &|l| {
                    l.file("d/b", "1");
                    l.mode("d", 0o751);
                    l.raw_xattr("d", "user.high", "1");
                },
            ],
        );
        assert_eq!(case.same(|h| h.mode("d")), Ok(0o751));
        assert_eq!(case.same(|h| h.xattrs("d")).unwrap(), ["user.high"]);
        assert_eq!(case.same(|h| h.write("d/c", "1")), Ok(()));
        assert_eq!(case.same(|h| h.mode("d")), Ok(0o751));
        assert_eq!(case.same(|h| h.xattrs("d")).unwrap(), ["user.high"]);
        case.end();
    });
}

#[test]
fn a_merged_directory_has_a_link_count_of_one() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.dir("d/a"), &|l| l.dir("d/b")]);
        assert_eq!(case.same(|h| h.nlink("d")), Ok(1));
        case.end();
    });
}

#[test]
fn symlinks_lead_through_layers_and_never_out_of_the_root() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| l.file("d/f", "1"), &|l| {
                l.symlink("/d", "absolute");
                l.symlink("../../../d/f", "up");
                l.symlink("loop", "loop");
                l.symlink("/d/f/", "slash");
                l.symlink("/d/made", "makes");
                l.symlink("/d/dir/", "makes-dir");
            }],
        );
        assert_eq!(case.same(|h| h.read("absolute/f")), Ok("1".to_owned()));
        assert_eq!(case.same(|h| h.read("up")), Ok("1".to_owned()));
        assert_eq!(case.same(|h| h.read("loop")), Err(Errno::LOOP));
        assert_eq!(case.same(|h| h.read("slash")), Err(Errno::NOTDIR));
        assert_eq!(case.same(|h| h.write("makes", "2")), Ok(()));
        // a name with a slash behind it is a directory's
        assert_eq!(case.same(|h| h.write("makes-dir", "2")), Err(Errno::ISDIR));
        assert_eq!(case.same(|h| h.create("makes")), Err(Errno::EXIST));
        assert_eq!(case.end(), ["d dir", "d/made file"]);
    });
}
