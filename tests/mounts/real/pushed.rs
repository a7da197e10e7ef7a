//! Reading here and there in a lower file, of which the kernel is given more than it asks for: whatever happens to the
//! file meanwhile, nothing that is read is older than what was written before.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::memory::Map;
use super::readers::writer;
use super::{with_mounts, with_pair};
use crate::semantics::case::Lower;

const PAGE: usize = 4096;
const PAGES: usize = 2048;
const NEW: u8 = 0xff;

/// The byte that fills a page of a lower file.
fn old(page: usize) -> u8 {
    u8::try_from(page % 251).unwrap()
}

fn place(page: usize) -> u64 {
    (page * PAGE) as u64
}

fn content() -> Vec<u8> {
    (0..PAGES).flat_map(|page| [old(page); PAGE]).collect()
}

/// Numbers that look like chance and are the same each time.
fn draw(seed: usize) -> impl Iterator<Item = usize> {
    let mut state = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).ok()
    })
}

/// What a writer has done for certain.
struct Done {
    written: Vec<AtomicBool>,
    /// The file's pages.
    length: AtomicUsize,
    /// The file's pages, once what is at work is done.
    soon: AtomicUsize,
}

impl Done {
    fn write(&self, page: usize, write: impl FnOnce()) {
        write();
        self.written[page].store(true, Ordering::SeqCst);
    }

    fn cut<T>(&self, length: usize, cut: impl FnOnce(u64) -> T) -> T {
        self.soon.store(length, Ordering::SeqCst);
        let done = cut(place(length));
        self.length.store(length, Ordering::SeqCst);
        done
    }
}

type Change = fn(&Path, &Done, usize);

const CHANGES: [(&str, Change); 5] = [
    ("written", |path, done, seed| {
        let file = writer(path);
        for page in draw(seed).take(300).map(|page| page % PAGES) {
            done.write(page, || file.write_all_at(&[NEW; PAGE], place(page)).unwrap());
        }
    }),
    ("written by memory", |path, done, seed| {
        let mut map = Map::new(&writer(path), PAGES * PAGE, true, true).unwrap();
        for page in draw(seed).take(300).map(|page| page % PAGES) {
            done.write(page, || (0..PAGE).for_each(|at| map.write(page * PAGE + at, NEW)));
        }
    }),
    ("cut by name", |path, done, _| {
        done.cut(PAGES / 2, |length| nix::unistd::truncate(path, length.try_into().unwrap()).unwrap());
    }),
    ("cut by a descriptor, and written", |path, done, seed| {
        let file = writer(path);
        done.cut(PAGES / 4, |length| file.set_len(length).unwrap());
        for page in draw(seed).take(100).map(|page| page % (PAGES / 4)) {
            done.write(page, || file.write_all_at(&[NEW; PAGE], place(page)).unwrap());
        }
    }),
    ("opened to be cut", |path, done, _| {
        done.cut(0, |_| File::create(path).unwrap());
    }),
];

const ROUNDS: usize = 4;

/// So many reads, each of another page as a rule.
const ASKED: usize = 200;

/// Reads here and there until `ended`.
fn read_about(file: &File, done: &Done, seed: usize, ended: &AtomicBool) {
    let mut data = [0; PAGE];
    for page in draw(seed).map(|page| page % PAGES) {
        let was_written = done.written[page].load(Ordering::SeqCst);
        let length = done.length.load(Ordering::SeqCst);
        let got = file.read_at(&mut data, place(page)).unwrap();
        if page >= length {
            assert_eq!(got, 0, "page {page} beyond {length}");
        } else if was_written && page < done.soon.load(Ordering::SeqCst) {
            assert!(data[..got].iter().all(|byte| *byte == NEW), "page {page} is old: {}", data[0]);
        } else if page < done.soon.load(Ordering::SeqCst) {
            assert!(data[..got].iter().all(|byte| [old(page), NEW].contains(byte)), "page {page}");
        }
        if ended.load(Ordering::SeqCst) {
            break;
        }
    }
}

#[test]
fn who_reads_here_and_there_sees_what_is_written() {
    with_mounts(|scratch| {
        let build = |l: &Lower| {
            let rounds = (0..ROUNDS).flat_map(|round| (0..CHANGES.len()).map(move |change| (round, change)));
            rounds.for_each(|(round, change)| l.file(format!("{round}-{change}"), content()));
        };
        with_pair(scratch, &[&build], |pair| {
            let (root, upper) = (pair.stage.target("fuse"), pair.stage.upper("fuse"));
            for round in 0..ROUNDS {
                for (number, (what, change)) in CHANGES.iter().enumerate() {
                    let name = format!("{round}-{number}");
                    let path = root.join(&name);
                    let done = Done {
                        written: (0..PAGES).map(|_| AtomicBool::new(false)).collect(),
                        length: AtomicUsize::new(PAGES),
                        soon: AtomicUsize::new(PAGES),
                    };
                    let ended = AtomicBool::new(false);
                    thread::scope(|scope| {
                        let (done, ended, path) = (&done, &ended, &path);
                        let readers = [1, 2, 3].map(|seed| {
                            scope.spawn(move || {
                                read_about(&File::open(path).unwrap(), done, seed * 100 + round, ended);
                            })
                        });
                        // each round begins at another moment of theirs
                        let reader = File::open(path).unwrap();
                        for page in draw(round).take(40 * round).map(|page| page % PAGES) {
                            reader.read_exact_at(&mut [0; PAGE], place(page)).unwrap();
                        }
                        change(path, done, round);
                        ended.store(true, Ordering::SeqCst);
                        for reader in readers {
                            reader.join().unwrap();
                        }
                    });
                    // what is in the cache is what is in the upper
                    let (shown, kept) = (fs::read(&path).unwrap(), fs::read(upper.join(&name)).unwrap());
                    assert_eq!(shown.len(), kept.len(), "{what}");
                    assert!(shown == kept, "{what}");
                }
            }
        });
    });
}

#[test]
fn more_than_was_asked_for_is_in_the_cache() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("f", content())], |pair| {
            let file = File::open(pair.stage.target("fuse").join("f")).unwrap();
            let map = Map::new(&file, PAGES * PAGE, true, false).unwrap();
            for page in draw(7).take(ASKED).map(|page| page % PAGES) {
                file.read_exact_at(&mut [0; PAGE], place(page)).unwrap();
            }
            // it comes from a thread that may lag behind
            let start = Instant::now();
            while map.resident() < 3 * ASKED {
                let resident = map.resident();
                assert!(start.elapsed() < Duration::from_secs(30), "{resident} pages after {ASKED} reads");
                thread::sleep(Duration::from_millis(1));
            }
            assert!(map.read() == content());
            pair.end();
        });
    });
}
