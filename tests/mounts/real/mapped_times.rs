//! Times of files that are written by shared memory: whoever asks for them, by name or descriptor, hears of it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::memory::Map;
use super::{with_mounts, with_pair};
use crate::semantics::case::Lower;

/// Changes a file by memory after its times were put back, looking at them before and after; tells which changed.
fn write_mapped(path: &Path, writer: &File, also_closed: bool) -> (bool, bool, bool) {
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    writer.set_modified(old).unwrap();
    let before = fs::metadata(path).unwrap();
    assert_eq!(before.mtime(), 1_000_000_000);
    {
        let mut map = Map::new(writer, 4096, true, true).unwrap();
        map.write(5, b'!');
        map.sync().unwrap();
    }
    let by_name = fs::metadata(path).unwrap();
    let by_descriptor = writer.metadata().unwrap();
    let after = if also_closed { fs::metadata(path).unwrap() } else { writer.metadata().unwrap() };
    let changed = |found: &fs::Metadata| found.mtime() != before.mtime();
    (changed(&by_name), changed(&by_descriptor), changed(&after))
}

#[test]
fn a_mapped_write_changes_the_times_that_everybody_sees() {
    with_mounts(|scratch| {
        let build = |l: &Lower| {
            l.file("lower", "x".repeat(200_000));
        };
        with_pair(scratch, &[&build], |pair| {
            for name in ["lower", "new", "again"] {
                let seen = pair.same(|at| {
                    let path = at.join(name);
                    if name != "lower" {
                        fs::write(&path, vec![b'x'; 200_000]).unwrap();
                    }
                    // known before it is opened, and looked at in between
                    fs::metadata(&path).unwrap();
                    let mut options = OpenOptions::new();
                    let writer = options.read(true).write(true).open(&path).unwrap();
                    let first = write_mapped(&path, &writer, false);
                    let second = write_mapped(&path, &writer, true);
                    drop(writer);
                    (first, second, fs::metadata(&path).unwrap().mtime() != 1_000_000_000)
                });
                assert_eq!(seen, ((true, true, true), (true, true, true), true), "{name}");
            }
            // one that is made and mapped at once
            let made = pair.same(|at| {
                let path = at.join("made");
                let mut options = OpenOptions::new();
                let writer = options.read(true).write(true).create_new(true).open(&path).unwrap();
                writer.set_len(8192).unwrap();
                write_mapped(&path, &writer, true)
            });
            assert_eq!(made, (true, true, true));
            // memory outlives the descriptor that it was made of
            let closed = pair.same(|at| {
                let path = at.join("made");
                let writer = OpenOptions::new().read(true).write(true).open(&path).unwrap();
                let mut map = Map::new(&writer, 4096, true, true).unwrap();
                writer.set_modified(SystemTime::UNIX_EPOCH).unwrap();
                drop(writer);
                assert_eq!(fs::metadata(&path).unwrap().mtime(), 0);
                map.write(9, b'?');
                map.sync().unwrap();
                fs::metadata(&path).unwrap().mtime() != 0
            });
            assert!(closed);
        });
    });
}
