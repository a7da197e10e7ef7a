//! Layers that the kernel's overlay wrote with features that neither mount has here, and attributes that are not
//! everybody's.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;

use ufs::sys::{Errno, process, xattr};

use super::{Done, User, as_user, told, with_mounts, with_pair};
use crate::semantics::case::Lower;

/// A file that has its content elsewhere.
fn hollow(path: &Path) {
    let file = File::create(path).unwrap();
    file.set_len(4).unwrap();
    xattr::set(&file, b"user.overlay.metacopy", b"").unwrap();
}

/// What is seen of a name, without and with its content.
fn seen(path: &Path) -> (Done, Done) {
    (told(fs::symlink_metadata(path)).map(drop), told(File::open(path)).map(drop))
}

fn names(dir: &Path) -> Done<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in told(fs::read_dir(dir))? {
        names.push(told(entry)?.file_name());
    }
    names.sort();
    Ok(names)
}

#[test]
fn a_file_that_has_its_content_elsewhere_is_refused() {
    with_mounts(|scratch| {
        let base = |l: &Lower| {
            for name in ["d/low", "d/up", "d/whole"] {
                l.file(name, "real");
            }
        };
        let top = |l: &Lower| {
            l.dir("d");
            hollow(&l.path("d/low"));
        };
        with_pair(scratch, &[&base, &top], |mut pair| {
            pair.change_uppers(|upper| {
                fs::create_dir(upper.join("d")).unwrap();
                hollow(&upper.join("d/up"));
            });
            for name in ["d/low", "d/up"] {
                assert_eq!(pair.same(|root| seen(&root.join(name))), (Err(Errno::PERM), Err(Errno::PERM)));
            }
            assert_eq!(pair.same(|root| fs::read(root.join("d/whole")).unwrap()), b"real");
            // it is in the way of nobody else
            assert_eq!(pair.same(|root| names(&root.join("d"))).unwrap().len(), 3);
            pair.agree(|root| told(fs::remove_dir_all(root.join("d"))));
        });
    });
}

#[test]
fn a_directory_that_has_another_name_beneath_is_refused() {
    with_mounts(|scratch| {
        let mark = |path: &Path| {
            fs::create_dir(path).unwrap();
            xattr::set(File::open(path).unwrap(), b"user.overlay.redirect", b"/other").unwrap();
        };
        let base = |l: &Lower| {
            for name in ["low/in", "up/in", "other/in"] {
                l.file(name, "1");
            }
            // nothing lies beneath it
            l.dir("alone");
            l.raw_xattr("alone", "user.overlay.redirect", "/other");
        };
        let top = |l: &Lower| mark(&l.path("low"));
        with_pair(scratch, &[&base, &top], |mut pair| {
            pair.change_uppers(|upper| mark(&upper.join("up")));
            for name in ["low", "up"] {
                assert_eq!(pair.same(|root| seen(&root.join(name))), (Err(Errno::PERM), Err(Errno::PERM)));
                pair.agree(|root| told(fs::read(root.join(name).join("in"))));
            }
            assert_eq!(pair.same(|root| seen(&root.join("alone"))), (Ok(()), Ok(())));
            assert_eq!(pair.same(names).unwrap(), ["alone", "low", "other", "up"]);
        });
    });
}

#[test]
fn attributes_of_the_trusted_kind_are_listed_to_root_alone() {
    with_mounts(|scratch| {
        if !process::reaches_trusted() {
            return;
        }
        let build = |l: &Lower| {
            l.file("f", "1");
            l.raw_xattr("f", "trusted.t", "1");
            l.raw_xattr("f", "user.u", "1");
        };
        with_pair(scratch, &[&build], |pair| {
            let list = |root: &Path, user| {
                as_user(user, || {
                    let file = File::open(root.join("f")).unwrap();
                    let mut names = xattr::list(&file).unwrap();
                    names.sort();
                    (names, xattr::get(&file, b"trusted.t"))
                })
            };
            let own = |names: &[&str]| names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>();
            for copied in [false, true] {
                assert_eq!(pair.same(|root| list(root, None)).0, own(&["trusted.t", "user.u"]));
                let other = Some(User { uid: 4001, gid: 4001, groups: &[] });
                assert_eq!(
                    pair.same(|root| list(root, other)),
                    (own(&["user.u"]), Err(Errno::NODATA)),
                    "{copied}"
                );
                pair.agree(|root| told(fs::write(root.join("f"), "2")));
            }
            pair.end();
        });
    });
}
