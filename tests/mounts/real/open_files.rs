//! Open files: memory, several handles on one file, files without a name, times of reading.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use ufs::sys::Errno;

use super::memory::Map;
use super::{Done, told, with_mounts, with_pair};
use crate::semantics::case::Lower;

fn writer(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn shared_memory_reaches_the_file_and_private_memory_does_not() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("f", "0123456789")], |pair| {
            let seen = pair.same(|root| {
                let path = root.join("f");
                let file = writer(&path);
                let (mut shared, mut private) =
                    (Map::new(&file, 10, true, true).unwrap(), Map::new(&file, 10, false, true).unwrap());
                shared.write(0, b'A');
                private.write(1, b'B');
                let by_memory = (shared.read(), private.read()[1]);
                shared.sync().unwrap();
                let by_read = text(&path);
                // what is written by a descriptor is in shared memory, and in private memory that was not written
                file.write_all_at(b"Z", 9).unwrap();
                (by_memory, by_read, shared.read()[9])
            });
            assert_eq!(seen, ((b"A123456789".to_vec(), b'B'), "A123456789".to_owned(), b'Z'));
            pair.agree(|root| {
                let file = writer(&root.join("new"));
                file.set_len(10).unwrap();
                let mut map = Map::new(&file, 10, true, true).unwrap();
                drop(file);
                map.write(5, b'x');
                drop(map);
                fs::read(root.join("new")).unwrap()
            });
            // memory of a file that was removed
            pair.agree(|root| {
                let file = writer(&root.join("new"));
                let mut map = Map::new(&file, 10, true, true).unwrap();
                fs::remove_file(root.join("new")).unwrap();
                drop(file);
                map.write(0, b'y');
                map.read()
            });
            // a read-only descriptor gives no shared memory to write to
            pair.agree(|root| {
                let file = File::open(root.join("f")).unwrap();
                told(Map::new(&file, 10, true, true)).map(drop)
            });
            pair.end();
        });
    });
}

#[test]
fn memory_of_a_lower_file_stays_when_it_is_copied_up() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("f", "lower")], |pair| {
            let (kernel, fuse) = pair.each(|root| {
                let file = File::open(root.join("f")).unwrap();
                let map = Map::new(&file, 5, true, false).unwrap();
                let before = map.read();
                let upper = writer(&root.join("f"));
                upper.write_all_at(b"UPPER", 0).unwrap();
                (before, map.read(), text(&root.join("f")))
            });
            assert_eq!(kernel, (b"lower".to_vec(), b"lower".to_vec(), "UPPER".to_owned()));
            // by the page cache of FUSE, where the kernel does not read the lower file by itself, it shows the copy
            assert!([b"lower", b"UPPER"].contains(&fuse.1.first_chunk().unwrap()));
            assert_eq!((kernel.0, kernel.2), (fuse.0, fuse.2));
            pair.end();
        });
    });
}

#[test]
fn files_without_a_name_have_no_links_and_go_on() {
    with_mounts(|scratch| {
        let names = ["unlinked", "renamed-over", "linked"];
        with_pair(scratch, &[&|l| names.iter().for_each(|name| l.file(name, "lower"))], |pair| {
            for from in ["lower", "upper", "new"] {
                for write in [false, true] {
                    for name in names {
                        let (kernel, fuse) = pair.each(|root| {
                            let path = root.join(if from == "new" {
                                format!("new-{name}")
                            } else {
                                name.to_owned()
                            });
                            if from != "lower" {
                                fs::write(&path, "upper").unwrap();
                            }
                            let file = if write { writer(&path) } else { File::open(&path).unwrap() };
                            let other = root.join("other");
                            match name {
                                "unlinked" => fs::remove_file(&path).unwrap(),
                                "renamed-over" => {
                                    fs::write(&other, "other").unwrap();
                                    fs::rename(&other, &path).unwrap();
                                }
                                _ => {
                                    fs::hard_link(&path, &other).unwrap();
                                    fs::remove_file(&path).unwrap();
                                }
                            }
                            let links = file.metadata().unwrap().nlink();
                            let mut data = vec![0; 9];
                            let length = file.read_at(&mut data, 0).unwrap();
                            data.truncate(length);
                            let changed = write.then(|| {
                                file.write_all_at(b"!", 0).unwrap();
                                file.set_len(3).unwrap();
                                (
                                    told(file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(
                                        0o640,
                                    ))),
                                    file.metadata().unwrap().mode(),
                                    file.metadata().unwrap().len(),
                                )
                            });
                            let again = told(fs::read(&path));
                            drop((fs::remove_file(&other), fs::remove_file(&path)));
                            fs::write(&path, "once more").unwrap();
                            (links, data, changed, again, text(&path))
                        });
                        assert_eq!(kernel, fuse, "{name} of the {from}, to write: {write}");
                    }
                }
            }
            pair.end();
        });
    });
}

/// Bytes at an address that direct reads and writes can use.
#[repr(align(4096))]
struct Aligned([u8; 4096]);

#[test]
fn buffered_reads_see_what_another_handle_wrote_directly() {
    with_mounts(|scratch| {
        let content = "b".repeat(8192);
        with_pair(scratch, &[&|l| l.file("f", &content)], |pair| {
            let seen = pair.same(|root| {
                let path = root.join("f");
                let mut first = [0; 4];
                writer(&path).read_exact_at(&mut first, 4096).unwrap();
                let direct =
                    OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(&path);
                let direct = told(direct)?;
                let buffered = File::open(&path).unwrap();
                buffered.read_exact_at(&mut first, 4096).unwrap();
                told(direct.write_all_at(&Aligned([b'd'; 4096]).0, 4096))?;
                let mut then = [0; 4];
                buffered.read_exact_at(&mut then, 4096).unwrap();
                // and the other way round
                writer(&path).write_all_at(b"buffered", 0).unwrap();
                let mut block = Aligned([0; 4096]);
                told(direct.read_exact_at(&mut block.0, 0))?;
                Ok::<_, Errno>((first, then, block.0[..8].to_vec()))
            });
            assert_eq!(seen, Ok((*b"bbbb", *b"dddd", b"buffered".to_vec())));
            pair.end();
        });
    });
}

#[test]
fn handles_that_append_do_not_write_over_each_other() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("f", "")], |pair| {
            pair.agree(|root| {
                std::thread::scope(|scope| {
                    for worker in 0..4 {
                        scope.spawn(move || {
                            let mut file = OpenOptions::new().append(true).open(root.join("f")).unwrap();
                            for _ in 0..100 {
                                file.write_all(format!("{worker}").repeat(9).as_bytes()).unwrap();
                            }
                        });
                    }
                });
                let data = text(&root.join("f"));
                let whole = data.as_bytes().chunks(9).all(|chunk| chunk.iter().all(|byte| *byte == chunk[0]));
                (data.len(), whole)
            });
            // an append with a place in it goes to the end all the same
            pair.agree(|root| {
                let file = OpenOptions::new().append(true).open(root.join("g")).or_else(|_| {
                    fs::write(root.join("g"), "start").unwrap();
                    OpenOptions::new().append(true).open(root.join("g"))
                });
                file.unwrap().write_all_at(b"+", 0).unwrap();
                text(&root.join("g"))
            });
        });
    });
}

fn open(path: &Path, flags: i32) -> Done {
    told(OpenOptions::new().read(true).write(true).custom_flags(flags).mode(0o600).open(path)).map(drop)
}

#[test]
fn flags_of_open_mean_what_they_do_by_the_kernel() {
    with_mounts(|scratch| {
        let build = |l: &crate::semantics::case::Lower| {
            l.file("f", "content");
            l.dir("d");
            l.symlink("f", "s");
            l.symlink("missing", "dangling");
        };
        with_pair(scratch, &[&build], |pair| {
            for name in ["f", "d", "s", "dangling", "missing", "f/x"] {
                for flags in [
                    libc::O_EXCL | libc::O_CREAT,
                    libc::O_NOFOLLOW,
                    libc::O_DIRECTORY,
                    libc::O_SYNC,
                    libc::O_DSYNC,
                    libc::O_NOATIME,
                    libc::O_NONBLOCK,
                    libc::O_TRUNC | libc::O_APPEND,
                    libc::O_CREAT | libc::O_TRUNC | libc::O_NOFOLLOW,
                ] {
                    let given =
                        pair.each(|root| (open(&root.join(name), flags), told(fs::read(root.join("f")))));
                    assert_eq!(given.0, given.1, "{name} with {flags:o}");
                }
            }
            pair.end();
        });
    });
}

#[test]
fn a_file_that_never_has_a_name_is_refused_in_the_way_that_programs_know() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.dir("d")], |pair| {
            // the crate that speaks the protocol has no such request; tempfile(3) and the like make a name instead
            let given = pair.each(|root| open(&root.join("d"), libc::O_TMPFILE));
            assert_eq!(given, (Ok(()), Err(Errno::OPNOTSUPP)));
        });
    });
}

#[test]
fn nothing_tells_when_a_file_was_born() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("f", "lower")], |pair| {
            // the crate that speaks the protocol has no such request, and the kernel takes no such answer for another
            let (kernel, fuse) = pair.each(|root| fs::metadata(root.join("f")).unwrap().created().is_ok());
            assert_eq!((kernel, fuse), (true, false));
        });
    });
}

#[test]
fn reading_leaves_a_trace_in_the_upper_alone() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("d/f", "lower")], |pair| {
            let old = filetime();
            let (kernel, fuse) = pair.each(|root| {
                let path = root.join("d/f");
                let time = || fs::metadata(&path).unwrap().atime();
                let read = || {
                    let mut data = String::new();
                    File::open(&path).unwrap().read_to_string(&mut data).unwrap();
                };
                let before = time();
                read();
                let lower = time() == before;
                let file = writer(&path);
                let copied = time() == before;
                // relatime: a read counts where the file changed since the last one
                file.set_times(old).unwrap();
                file.write_all_at(b"x", 0).unwrap();
                read();
                let counted = time() > 1_500_000_000;
                file.set_times(old).unwrap();
                let quiet = OpenOptions::new().read(true).custom_flags(libc::O_NOATIME).open(&path).unwrap();
                let mut byte = [0];
                quiet.read_exact_at(&mut byte, 0).unwrap();
                (lower, copied, counted, time())
            });
            assert_eq!((kernel.0, kernel.1, kernel.2), (true, true, true));
            // what the page cache of FUSE answers leaves no trace
            assert_eq!(kernel.3, fuse.3);
            pair.end();
        });
    });
}

/// Times long ago.
fn filetime() -> fs::FileTimes {
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    fs::FileTimes::new().set_accessed(long_ago).set_modified(long_ago)
}

#[test]
fn more_files_of_a_layer_may_be_open_than_the_server_may_have() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    with_mounts(|scratch| {
        const FILES: usize = 1500;
        let build =
            |l: &Lower| (0..FILES).for_each(|number| l.file(format!("f{number}"), number.to_string()));
        let limit = |most| Rlimit { current: Some(most), maximum: Some(most) };
        // what serves the mount has the limit that it was started with
        if setrlimit(Resource::Nofile, limit(500)).is_err() {
            return;
        }
        with_pair(scratch, &[&build], |pair| {
            if setrlimit(Resource::Nofile, limit(8000)).is_err() {
                return;
            }
            pair.each(|root| {
                let files: Vec<File> =
                    (0..FILES).map(|number| File::open(root.join(format!("f{number}"))).unwrap()).collect();
                fs::rename(root.join("f1"), root.join("moved")).unwrap();
                fs::remove_file(root.join("f2")).unwrap();
                fs::write(root.join("f3"), "changed").unwrap();
                for _ in 0..2 {
                    for (number, file) in files.iter().enumerate() {
                        // not what the kernel kept of it
                        rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
                        let mut content = [0; 16];
                        let length = file.read_at(&mut content, 0).unwrap();
                        if number != 3 {
                            assert_eq!(content[..length], *number.to_string().as_bytes());
                        }
                    }
                }
            });
            pair.end();
        });
    });
}
