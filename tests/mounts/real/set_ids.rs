//! Set-ID marks: whoever may not keep them takes them away by writing, at once and for everybody.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use ufs::sys::file::{self, FallocateFlags};

use super::{User, as_user, told, with_mounts, with_pair};
use crate::semantics::case::Lower;
use crate::semantics::{Rights, rights};

const OTHER: User = User { uid: 4001, gid: 4001, groups: &[] };

/// The ways to write, by what is opened.
const WAYS: [&str; 6] = ["append", "direct", "resize", "allocate", "copy", "cut"];

fn build(l: &Lower) {
    for way in WAYS {
        for name in [way.to_owned(), format!("{way}-read"), format!("{way}-written")] {
            l.file(&name, "x".repeat(8192));
        }
    }
    l.file("from", "content");
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode()
}

/// Opens a file as somebody else and changes it in one way.
fn change(at: &Path, name: &str, way: &str) -> Result<(), ufs::sys::Errno> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match way {
        "append" => drop(options.append(true)),
        "direct" => drop(options.custom_flags(rustix::fs::OFlags::DIRECT.bits().cast_signed())),
        "cut" => drop(options.truncate(true)),
        _ => {}
    }
    let mut opened = told(options.open(at.join(name)))?;
    match way {
        "append" => told(opened.write_all(b"more")),
        "direct" => {
            // an aligned block
            let block = vec![b'y'; 3 * 4096];
            let start = block.as_ptr().align_offset(4096);
            told(opened.write_all_at(&block[start..start + 4096], 0))
        }
        "resize" => file::truncate(&opened, 5),
        "allocate" => file::allocate(&opened, FallocateFlags::empty(), 0, 20_000),
        "copy" => {
            let from = told(File::open(at.join("from")))?;
            file::copy_range(&from, 0, &opened, 0, 7).map(|_| ())
        }
        _ => Ok(()),
    }
}

#[test]
fn who_writes_takes_set_ids_away_for_everybody() {
    with_mounts(|scratch| {
        if rights() != Rights::Root {
            return;
        }
        with_pair(scratch, &[&build], |pair| {
            for bits in [0o4777, 0o2777, 0o6767, 0o2767] {
                for way in WAYS {
                    for kind in ["", "-read", "-written"] {
                        // one that nobody executes with it stays, where the kernel writes by itself
                        if !kind.is_empty() && bits & 0o2010 == 0o2000 {
                            continue;
                        }
                        let name = format!("{way}{kind}");
                        let seen = pair.same(|at| {
                            let path = at.join(&name);
                            // somebody has it open already: read by the kernel alone, or written so
                            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
                            let held = match kind {
                                "-read" => Some(File::open(&path).unwrap()),
                                "-written" => Some(OpenOptions::new().append(true).open(&path).unwrap()),
                                _ => None,
                            };
                            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
                            let before = mode(&path);
                            let done = as_user(Some(OTHER), || change(at, &name, way));
                            drop(held);
                            (before, done, mode(&path))
                        });
                        assert_eq!((seen.0 & 0o7777, seen.1), (bits, Ok(())), "{name}");
                        assert_eq!(seen.2 & 0o4000, 0, "{name}: setuid");
                    }
                }
            }
        });
    });
}

#[test]
fn root_keeps_set_ids() {
    with_mounts(|scratch| {
        if rights() != Rights::Root {
            return;
        }
        with_pair(scratch, &[&build], |pair| {
            for way in WAYS {
                let seen = pair.same(|at| {
                    fs::set_permissions(at.join(way), fs::Permissions::from_mode(0o6777)).unwrap();
                    (change(at, way, way), mode(&at.join(way)) & 0o7777)
                });
                assert_eq!(seen.0, Ok(()), "{way}");
            }
        });
    });
}

#[test]
fn a_descriptor_of_before_takes_them_away_too() {
    with_mounts(|scratch| {
        if rights() != Rights::Root {
            return;
        }
        with_pair(scratch, &[&build], |pair| {
            let seen = pair.same(|at| {
                let path = at.join("append");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
                // once in the upper it is written by the kernel alone
                OpenOptions::new().append(true).open(&path).unwrap().write_all(b"root").unwrap();
                let open = || OpenOptions::new().append(true).open(&path).unwrap();
                let mut held = as_user(Some(OTHER), open);
                fs::set_permissions(&path, fs::Permissions::from_mode(0o4777)).unwrap();
                as_user(Some(OTHER), || held.write_all(b"other").unwrap());
                mode(&path) & 0o7777
            });
            assert_eq!(seen, 0o777);
        });
    });
}
