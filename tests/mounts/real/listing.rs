//! Directories that are read while they change.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{told, with_mounts, with_pair};
use crate::semantics::case::Lower;

fn build(l: &Lower) {
    for number in 0..300 {
        l.file(format!("d/lower-{number:03}"), "1");
    }
    l.file([b"d/".as_slice(), b"\xff\xfe\x80"].concat(), "1");
    for number in 0..40 {
        l.file(format!("tree/{number}/a/b/f"), "1");
    }
}

fn upper(root: &Path) {
    for number in 0..300 {
        fs::write(root.join(format!("d/upper-{number:03}")), "1").unwrap();
    }
}

/// All names from where the reader is.
fn names(reader: &mut places::Reader) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| reader.next()).collect()
}

#[test]
fn a_listing_has_each_name_once_however_it_is_read() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&build], |pair| {
            pair.each(upper);
            let listed = pair.same(|root| {
                let mut found = names(&mut places::Reader::new(&root.join("d")));
                found.sort();
                found
            });
            assert_eq!(listed.len(), 603);
            pair.agree(|root| {
                // twice by one handle, from the start again
                let mut reader = places::Reader::new(&root.join("d"));
                let start = reader.place();
                let first: BTreeSet<_> = names(&mut reader).into_iter().collect();
                fs::write(root.join("d/between"), "").unwrap();
                reader.seek(start);
                let second: BTreeSet<_> = names(&mut reader).into_iter().collect();
                (first.len(), second.len(), second.difference(&first).cloned().collect::<Vec<_>>())
            });
            let odd = OsString::from_vec(b"\xff\xfe\x80".to_vec());
            pair.agree(|root| told(fs::rename(root.join("d").join(&odd), root.join(&odd))));
            pair.agree(|root| told(fs::read(root.join(&odd))));
            pair.end();
        });
    });
}

/// telldir(3) and seekdir(3), which no safe crate has.
mod places {
    #![expect(unsafe_code, reason = "telldir and seekdir")]

    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    pub(super) struct Reader(*mut libc::DIR);

    impl Reader {
        pub(super) fn new(path: &Path) -> Self {
            let path = CString::new(path.as_os_str().as_bytes()).unwrap();
            // SAFETY: the path ends with a zero byte.
            let stream = unsafe { libc::opendir(path.as_ptr()) };
            assert!(!stream.is_null());
            Self(stream)
        }

        pub(super) fn next(&mut self) -> Option<Vec<u8>> {
            // SAFETY: the stream is open, and the entry is copied before the next call.
            unsafe {
                let entry = libc::readdir(self.0);
                (!entry.is_null())
                    .then(|| std::ffi::CStr::from_ptr((*entry).d_name.as_ptr()).to_bytes().to_vec())
            }
        }

        pub(super) fn place(&self) -> libc::c_long {
            // SAFETY: the stream is open.
            unsafe { libc::telldir(self.0) }
        }

        pub(super) fn seek(&mut self, place: libc::c_long) {
            // SAFETY: the stream is open, and the place came from it.
            unsafe { libc::seekdir(self.0, place) }
        }
    }

    impl Drop for Reader {
        fn drop(&mut self) {
            // SAFETY: the stream is open, and nobody uses it any more.
            unsafe { libc::closedir(self.0) };
        }
    }
}

#[test]
fn a_place_in_a_listing_stays_while_entries_come_and_go() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&build], |pair| {
            pair.each(upper);
            pair.each(|root| {
                let dir = root.join("d");
                let mut reader = places::Reader::new(&dir);
                let mut seen: Vec<(Vec<u8>, libc::c_long)> = Vec::new();
                for _ in 0..100 {
                    let name = reader.next().unwrap();
                    seen.push((name, reader.place()));
                }
                let place = seen[49].1;
                // names before and behind the place go, new ones come
                for number in [1, 150, 299] {
                    fs::remove_file(dir.join(format!("lower-{number:03}"))).unwrap();
                    fs::remove_file(dir.join(format!("upper-{number:03}"))).unwrap();
                    fs::write(dir.join(format!("late-{number:03}")), "").unwrap();
                }
                fs::rename(dir.join("upper-010"), dir.join("renamed")).unwrap();
                reader.seek(place);
                let mut rest = Vec::new();
                while let Some(name) = reader.next() {
                    rest.push(name);
                }
                // what was there all the time is listed exactly once in all
                let before: BTreeSet<_> = seen[..50].iter().map(|(name, _)| name.clone()).collect();
                let after: BTreeSet<_> = rest.iter().cloned().collect();
                assert_eq!(after.len(), rest.len(), "a name twice");
                assert_eq!(before.intersection(&after).count(), 0, "a name from before the place");
                for number in (0..300).filter(|number| ![1, 150, 299, 10].contains(number)) {
                    for side in ["lower", "upper"] {
                        let name = format!("{side}-{number:03}").into_bytes();
                        assert!(before.contains(&name) || after.contains(&name), "{number} is missed");
                    }
                }
            });
            pair.end();
        });
    });
}

#[test]
fn entries_can_be_removed_while_they_are_listed() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&build], |pair| {
            pair.each(upper);
            pair.agree(|root| {
                let dir = root.join("d");
                let mut reader = places::Reader::new(&dir);
                let mut gone = 0;
                while let Some(name) = reader.next() {
                    if name != b"." && name != b".." {
                        fs::remove_file(dir.join(OsString::from_vec(name))).unwrap();
                        gone += 1;
                    }
                }
                drop(reader);
                (gone, told(fs::remove_dir(&dir)))
            });
            pair.end();
        });
    });
}

#[test]
fn a_tree_that_others_change_is_removed_whole_once_they_stop() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&build], |pair| {
            pair.each(|root| {
                let tree = root.join("tree");
                let stop = AtomicBool::new(false);
                std::thread::scope(|scope| {
                    for worker in 0..3 {
                        let (tree, stop) = (&tree, &stop);
                        scope.spawn(move || {
                            for round in 0.. {
                                if stop.load(Ordering::Relaxed) {
                                    return;
                                }
                                // each of these may fail, as the tree is being removed
                                let dir = tree.join(format!("{}", round % 40));
                                drop(fs::create_dir_all(dir.join(format!("new-{worker}"))));
                                drop(fs::write(dir.join(format!("new-{worker}/f")), "1"));
                                drop(fs::rename(dir.join("a/b/f"), dir.join(format!("f-{worker}"))));
                                drop(fs::remove_file(dir.join(format!("f-{}", (worker + 1) % 3))));
                            }
                        });
                    }
                    for _ in 0..5 {
                        drop(fs::remove_dir_all(&tree));
                    }
                    stop.store(true, Ordering::Relaxed);
                });
                // nobody changes it now: nothing stale makes it seem not empty
                if tree.exists() {
                    fs::remove_dir_all(&tree).unwrap();
                }
                assert!(!tree.exists());
                fs::create_dir(&tree).unwrap();
                assert_eq!(fs::read_dir(&tree).unwrap().count(), 0);
            });
            pair.end();
        });
    });
}

/// More names than one call of getdents(2) or one answer of a server holds.
const MANY: usize = 4000;

fn many(l: &Lower) {
    for number in 0..MANY {
        l.file(format!("d/a-name-that-makes-the-listing-long-{number:04}"), "1");
    }
}

/// Lets the kernel drop what it keeps of a directory's names.
fn drop_pages(dir: &Path) {
    let dir = fs::File::open(dir).unwrap();
    rustix::fs::fadvise(&dir, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// Removes each name that a reader tells of; at some of them something else happens.
fn remove_all(dir: &Path, mut at: impl FnMut(usize, &mut places::Reader)) -> (usize, usize) {
    let mut reader = places::Reader::new(dir);
    let mut gone = 0;
    while let Some(name) = reader.next() {
        if name == b"." || name == b".." {
            continue;
        }
        fs::remove_file(dir.join(OsString::from_vec(name))).unwrap();
        gone += 1;
        at(gone, &mut reader);
    }
    (gone, fs::read_dir(dir).unwrap().count())
}

#[test]
fn no_name_is_skipped_when_another_reads_the_directory_meanwhile() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&many], |pair| {
            for again in [false, true] {
                pair.agree(|root| {
                    let dir = root.join("d");
                    if again {
                        // whose names lower layers do not have any more
                        for number in 0..MANY {
                            fs::write(dir.join(format!("another-name-that-makes-it-long-{number:04}")), "")
                                .unwrap();
                        }
                    }
                    // the kernel knows all of them
                    assert_eq!((0..2).map(|_| fs::read_dir(&dir).unwrap().count()).max(), Some(MANY));
                    let mut other = places::Reader::new(&dir);
                    let start = other.place();
                    other.next();
                    let removed = remove_all(&dir, |gone, _| match gone {
                        700 => drop(fs::read_dir(&dir).unwrap().count()),
                        1400 => {
                            other.seek(start);
                            assert!(names(&mut other).len() < MANY);
                        }
                        2100 => drop_pages(&dir),
                        _ => {}
                    });
                    assert_eq!(removed, (MANY, 0));
                });
            }
            pair.end();
        });
    });
}

#[test]
fn no_name_is_skipped_when_the_kernel_forgets_what_it_was_told() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&many], |pair| {
            pair.agree(|root| {
                let dir = root.join("d");
                assert_eq!((0..2).map(|_| fs::read_dir(&dir).unwrap().count()).max(), Some(MANY));
                remove_all(&dir, |gone, _| {
                    if gone % 500 == 0 {
                        drop_pages(&dir);
                    }
                })
            });
            pair.end();
        });
    });
}

#[test]
fn a_rewound_reader_sees_the_present_and_its_places_are_of_that() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&many], |pair| {
            pair.each(|root| {
                let dir = root.join("d");
                let mut reader = places::Reader::new(&dir);
                let start = reader.place();
                // not to the end: what the kernel keeps of it is a part
                let first: Vec<_> = (0..MANY / 2).map(|_| reader.next().unwrap()).collect();
                for name in first.iter().filter(|name| name.len() > 2).take(300) {
                    fs::remove_file(dir.join(OsString::from_vec(name.clone()))).unwrap();
                }
                reader.seek(start);
                let mut seen = Vec::new();
                loop {
                    let place = reader.place();
                    let Some(name) = reader.next() else { break };
                    seen.push((place, name));
                }
                assert_eq!(seen.len(), MANY + 2 - 300);
                for at in [1, 50, MANY / 3, MANY - 400] {
                    reader.seek(seen[at].0);
                    let rest: BTreeSet<_> = names(&mut reader).into_iter().collect();
                    let expected: BTreeSet<_> = seen[at..].iter().map(|(_, name)| name.clone()).collect();
                    assert_eq!(rest, expected, "from the place of name {at} on");
                }
            });
        });
    });
}

#[test]
fn a_listing_and_stat_give_each_name_of_a_lower_file_the_same_number() {
    with_mounts(|scratch| {
        let build = |l: &Lower| {
            l.file("one", "1");
            l.link("one", "two");
            l.link("one", "d/three");
        };
        with_pair(scratch, &[&build], |pair| {
            let numbers = |root: &Path| {
                let listed = fs::read_dir(root).unwrap().map(|item| {
                    let item = item.unwrap();
                    let stat = fs::symlink_metadata(item.path()).unwrap();
                    (
                        item.file_name(),
                        item.ino() == stat.ino(),
                        stat.ino() == fs::metadata(root.join("one")).unwrap().ino(),
                    )
                });
                let mut listed: Vec<_> = listed.collect();
                listed.sort();
                listed
            };
            pair.agree(numbers);
            pair.agree(numbers);
            // one of them goes its own way
            pair.each(|root| fs::write(root.join("two"), "2").unwrap());
            pair.agree(numbers);
            pair.agree(|root| told(fs::remove_file(root.join("one"))));
            pair.end();
        });
    });
}
