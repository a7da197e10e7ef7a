//! Who has a lower layer's file open, or mapped, when it is copied up: nothing that they see may be old.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, FlockOperation, flock, inotify};

use super::memory::Map;
use super::{Done, told, with_mounts, with_pair};
use crate::semantics::case::Lower;

/// As large as what the kernel was once let read by itself, and larger than what it reads ahead.
const SIZES: [usize; 3] = [100, 200_000, 5 << 20];

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| b'a' + u8::try_from(at % 23).unwrap()).collect()
}

pub(super) fn writer(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

/// An open file by a path of its own.
fn by_number(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// All of a file, or its errno.
fn all(file: &File) -> Done<(u64, Vec<u8>)> {
    let length = told(file.metadata())?.len();
    let mut data = vec![0; usize::try_from(length).unwrap() + 10];
    let got = told(file.read_at(&mut data, 0))?;
    data.truncate(got);
    Ok((length, data))
}

type Change = fn(&Path, &File);

/// Ways to change a file, given a reader of it.
const CHANGES: [(&str, Change); 13] = [
    ("write", |path, _| writer(path).write_all_at(b"UPPER", 3).unwrap()),
    ("append", |path, _| {
        OpenOptions::new().append(true).open(path).unwrap().write_all(b"UPPER").unwrap();
    }),
    ("write beyond the end", |path, _| {
        let file = writer(path);
        file.write_all_at(b"UPPER", file.metadata().unwrap().len() + 5000).unwrap();
    }),
    ("cut by a descriptor", |path, _| writer(path).set_len(50).unwrap()),
    ("cut by name", |path, _| nix::unistd::truncate(path, 60).unwrap()),
    ("cut and lengthened", |path, _| {
        let file = writer(path);
        file.set_len(10).unwrap();
        file.set_len(90).unwrap();
    }),
    ("opened to cut", |path, _| fs::write(path, "UPPER").unwrap()),
    ("written by memory", |path, _| {
        let mut map = Map::new(&writer(path), 50, true, true).unwrap();
        (7..).zip(b"UPPER").for_each(|(at, byte)| map.write(at, *byte));
    }),
    ("changed mode, then write", |path, _| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        writer(path).write_all_at(b"UPPER", 0).unwrap();
    }),
    ("hole", |path, _| {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(writer(path), flags, 4, 40).unwrap();
    }),
    ("copy_file_range", |path, _| {
        let (file, mut from, mut to) = (writer(path), 0, 50);
        rustix::fs::copy_file_range(&file, Some(&mut from), &file, Some(&mut to), 30).unwrap();
    }),
    ("write through the reader's number", |_, reader| {
        writer(&by_number(reader)).write_all_at(b"UPPER", 2).unwrap();
    }),
    ("append through the reader's number", |_, reader| {
        OpenOptions::new().append(true).open(by_number(reader)).unwrap().write_all(b"UPPER").unwrap();
    }),
];

/// One file for each change, of each size.
fn build(l: &Lower) {
    for size in SIZES {
        for change in 0..CHANGES.len() {
            l.file(format!("{change}-{size}"), content(size));
        }
    }
}

#[test]
fn whoever_opened_a_file_before_its_copy_up_sees_the_copy() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&build], |pair| {
            for size in SIZES {
                for (number, (what, change)) in CHANGES.iter().enumerate() {
                    let seen = pair.same(|root| {
                        let path = root.join(format!("{number}-{size}"));
                        let open = || File::open(&path).unwrap();
                        let (whole, part, never) = (open(), open(), open());
                        all(&whole).unwrap();
                        part.read_exact_at(&mut [0; 5], 0).unwrap();
                        change(&path, &whole);
                        let after = open();
                        let seen = [&whole, &part, &never, &after].map(all);
                        // and once more, with the readers from before still there
                        writer(&path).write_all_at(b"again", 1).unwrap();
                        let again = [&whole, &part, &never, &after].map(all);
                        drop((part, never, after));
                        let last = writer(&path);
                        last.write_all_at(b"last", 20).unwrap();
                        (seen, again, all(&whole), fs::read(&path).unwrap())
                    });
                    let [first, rest @ ..] = &seen.0;
                    assert!(rest.iter().all(|other| other == first), "{what} on {size} bytes");
                    assert_ne!(first.as_ref().unwrap().1, content(size), "{what} on {size} bytes");
                }
            }
            pair.end();
        });
    });
}

#[test]
fn whoever_opens_a_file_while_it_is_written_sees_every_write() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&build], |pair| {
            for size in SIZES {
                for (number, (what, change)) in CHANGES.iter().enumerate() {
                    let (kernel, fuse) = pair.each(|root| {
                        let path = root.join(format!("{number}-{size}"));
                        let early = writer(&path);
                        let reader = File::open(&path).unwrap();
                        let before = all(&reader);
                        early.write_all_at(b"early", 0).unwrap();
                        let between = all(&reader);
                        change(&path, &reader);
                        let map = Map::new(&reader, 5, true, false).unwrap();
                        early.write_all_at(b"last", 0).unwrap();
                        (before, between, all(&reader), all(&early), map.read(), fs::read(&path).unwrap())
                    });
                    assert_eq!(kernel, fuse, "{what} on {size} bytes");
                }
            }
            pair.end();
        });
    });
}

#[test]
fn a_reader_goes_on_where_it_was_as_more_is_appended() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("log", content(200_000))], |pair| {
            let seen = pair.same(|root| {
                let path = root.join("log");
                let mut reader = File::open(&path).unwrap();
                let mut text = Vec::new();
                reader.read_to_end(&mut text).unwrap();
                let mut log = OpenOptions::new().append(true).open(&path).unwrap();
                (0..50)
                    .map(|line| {
                        writeln!(log, "line {line}").unwrap();
                        let mut more = String::new();
                        reader.read_to_string(&mut more).unwrap();
                        (more, reader.metadata().unwrap().len())
                    })
                    .collect::<Vec<_>>()
            });
            assert_eq!(seen[49], ("line 49\n".to_owned(), 200_390));
            pair.end();
        });
    });
}

#[test]
fn a_reader_keeps_a_file_that_another_is_moved_over() {
    with_mounts(|scratch| {
        let build = |l: &Lower| SIZES.iter().for_each(|size| l.file(size.to_string(), content(*size)));
        with_pair(scratch, &[&build], |pair| {
            for size in SIZES {
                pair.agree(|root| {
                    let path = root.join(size.to_string());
                    let (read, unread) = (File::open(&path).unwrap(), File::open(&path).unwrap());
                    all(&read).unwrap();
                    fs::write(root.join("new"), "new").unwrap();
                    fs::rename(root.join("new"), &path).unwrap();
                    let after = (all(&read), all(&unread), fs::read(&path).unwrap());
                    writer(&path).write_all_at(b"N", 0).unwrap();
                    let links = read.metadata().unwrap().nlink();
                    (after, all(&read), all(&unread), links, fs::read(&path).unwrap())
                });
            }
            pair.end();
        });
    });
}

#[test]
fn locks_and_watches_of_a_reader_count_after_the_copy_up() {
    with_mounts(|scratch| {
        let build = |l: &Lower| SIZES.iter().for_each(|size| l.file(size.to_string(), content(*size)));
        with_pair(scratch, &[&build], |pair| {
            for size in SIZES {
                let seen = pair.same(|root| {
                    let path = root.join(size.to_string());
                    let reader = File::open(&path).unwrap();
                    let number = reader.metadata().unwrap().ino();
                    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
                    inotify::add_watch(&watch, &path, inotify::WatchFlags::ALL_EVENTS).unwrap();
                    flock(&reader, FlockOperation::NonBlockingLockShared).unwrap();
                    let writer = writer(&path);
                    let refused = flock(&writer, FlockOperation::NonBlockingLockExclusive);
                    writer.write_all_at(b"UPPER", 0).unwrap();
                    flock(&reader, FlockOperation::Unlock).unwrap();
                    let taken = flock(&writer, FlockOperation::NonBlockingLockExclusive);
                    let refused_in_turn = flock(&reader, FlockOperation::NonBlockingLockShared);
                    drop(writer);
                    let mut buffer = [MaybeUninit::uninit(); 4096];
                    let mut events = inotify::Reader::new(&watch, &mut buffer);
                    let heard: Vec<_> =
                        std::iter::from_fn(|| events.next().ok().map(|e| e.events().bits())).collect();
                    let same = reader.metadata().unwrap().ino() == number
                        && fs::metadata(&path).unwrap().ino() == number;
                    ((refused, taken, refused_in_turn), heard, same)
                });
                assert_eq!(seen.0.1, Ok(()));
                assert!(seen.1.contains(&inotify::ReadFlags::MODIFY.bits()));
            }
            pair.end();
        });
    });
}

#[test]
fn memory_of_a_lower_file_is_not_lost_by_a_copy_up() {
    with_mounts(|scratch| {
        let build = |l: &Lower| SIZES.iter().for_each(|size| l.file(size.to_string(), content(*size)));
        with_pair(scratch, &[&build], |pair| {
            for size in SIZES {
                let (kernel, fuse) = pair.each(|root| {
                    let path = root.join(size.to_string());
                    let reader = File::open(&path).unwrap();
                    let shared = Map::new(&reader, 50, true, false).unwrap();
                    let private = Map::new(&reader, 50, false, true).unwrap();
                    let before = (shared.read(), private.read());
                    drop(reader);
                    writer(&path).write_all_at(b"UPPER", 0).unwrap();
                    (before, shared.read(), private.read(), fs::read(&path).unwrap())
                });
                assert_eq!((&kernel.0, &kernel.3), (&fuse.0, &fuse.3), "{size} bytes");
                // the kernel's overlay goes on with the lower file here; by the page cache of FUSE it is one file
                assert_eq!((&kernel.1[..5], &kernel.2[..5]), (&b"abcde"[..], &b"abcde"[..]));
                assert_eq!((&fuse.1[..5], &fuse.2[..5]), (&b"UPPER"[..], &b"UPPER"[..]));
            }
            pair.end();
        });
    });
}
