//! Directories that change by the copy-up of what they hold: nobody keeps what it was told of them before.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use ufs::sys::xattr;

use super::{Pair, with_mounts, with_pair};
use crate::semantics::case::Lower;

fn build(lower: &Lower) {
    lower.dir("d");
    lower.dir("d/e");
    lower.dir("d/e/g");
    for name in ["append", "cut", "mode", "attribute", "link", "move", "gone", "e/g/deep", "e/g/deeper"] {
        lower.file(format!("d/{name}"), "lower");
    }
    lower.dir("d/e/alone");
}

type Change = (&'static str, fn(&Path));

/// Each copies something up, and the last ones directories alone.
const CHANGES: [Change; 12] = [
    ("append", |d| OpenOptions::new().append(true).open(d.join("append")).unwrap().write_all(b"x").unwrap()),
    ("cut", |d| drop(OpenOptions::new().write(true).truncate(true).open(d.join("cut")).unwrap())),
    ("mode", |d| fs::set_permissions(d.join("mode"), fs::Permissions::from_mode(0o600)).unwrap()),
    ("attribute", |d| {
        xattr::set(fs::File::open(d.join("attribute")).unwrap(), b"user.x", b"1").unwrap();
    }),
    ("link", |d| fs::hard_link(d.join("link"), d.join("link too")).unwrap()),
    ("move", |d| fs::rename(d.join("move"), d.join("e/moved")).unwrap()),
    ("gone", |d| fs::remove_file(d.join("gone")).unwrap()),
    ("deep", |d| fs::write(d.join("e/g/deep"), "content").unwrap()),
    ("made", |d| fs::create_dir(d.join("e/g/new")).unwrap()),
    ("linked", |d| symlink("target", d.join("e/alone/symlink")).unwrap()),
    ("taken away", |d| fs::remove_file(d.join("e/g/deeper")).unwrap()),
    ("mode of a directory", |d| {
        fs::set_permissions(d.join("e/alone"), fs::Permissions::from_mode(0o700)).unwrap();
    }),
];

fn compare(pair: Pair) {
    let dirs = ["", "d", "d/e", "d/e/g", "d/e/alone"];
    let times = |root: &Path| {
        dirs.map(|dir| {
            let found = fs::metadata(root.join(dir)).unwrap();
            ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()))
        })
    };
    for (name, change) in CHANGES {
        let seen = pair.each(|root| {
            let before = times(root);
            // longer than the clock of file systems needs to go on
            let start = ufs::sys::now_as_stamped();
            while ufs::sys::now_as_stamped() == start {
                std::thread::yield_now();
            }
            change(&root.join("d"));
            let after = times(root);
            let changed = std::array::from_fn::<_, 5, _>(|at| {
                (before[at].0 != after[at].0, before[at].1 != after[at].1)
            });
            let sizes = dirs.map(|dir| {
                let found = fs::metadata(root.join(dir)).unwrap();
                (found.size(), found.blocks(), found.nlink())
            });
            (changed, sizes)
        });
        assert_eq!(seen.0, seen.1, "{name}");
    }
    pair.end();
}

#[test]
fn a_copy_up_shows_in_the_directory_that_it_is_made_in() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&build], compare);
    });
}
