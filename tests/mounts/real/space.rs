//! Space, holes, copies between files, and what a file system says of itself.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{FallocateFlags, SeekFrom};

use super::{Done, told, with_mounts, with_pair};
use crate::semantics::case::Lower;

const BLOCK: u64 = 4096;

/// Data, a hole of four blocks, data.
fn holed(path: &Path) {
    let file = File::create(path).unwrap();
    file.write_all_at("a".repeat(4096).as_bytes(), 0).unwrap();
    file.write_all_at("b".repeat(4096).as_bytes(), 5 * BLOCK).unwrap();
    file.set_len(8 * BLOCK).unwrap();
}

fn writer(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

/// Where data begins and ends.
fn extents(file: &File) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Ok(start) = rustix::fs::seek(file, SeekFrom::Data(at)) {
        at = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap();
        found.push((start, at));
    }
    found
}

#[test]
fn every_mode_of_fallocate_does_what_it_does_by_the_kernel() {
    with_mounts(|scratch| {
        let modes = [
            FallocateFlags::empty(),
            FallocateFlags::KEEP_SIZE,
            FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            FallocateFlags::PUNCH_HOLE,
            FallocateFlags::ZERO_RANGE,
            FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE,
            FallocateFlags::COLLAPSE_RANGE,
            FallocateFlags::INSERT_RANGE,
            FallocateFlags::UNSHARE_RANGE,
        ];
        with_pair(scratch, &[&|l| l.dir("d")], |pair| {
            pair.each(|root| (0..modes.len()).for_each(|number| holed(&root.join(number.to_string()))));
            for (number, mode) in modes.into_iter().enumerate() {
                for (offset, length) in
                    [(BLOCK, 2 * BLOCK), (5 * BLOCK + 100, 200), (20 * BLOCK, BLOCK), (0, 0)]
                {
                    let (kernel, fuse) = pair.each(|root| {
                        let file = writer(&root.join(number.to_string()));
                        let done = rustix::fs::fallocate(&file, mode, offset, length);
                        let stat = file.metadata().unwrap();
                        let data = fs::read(root.join(number.to_string())).unwrap();
                        (done, stat.len(), extents(&file), data)
                    });
                    assert!(
                        kernel == fuse,
                        "{mode:?} at {offset}: {:?} {:?}",
                        (kernel.0, kernel.1),
                        (fuse.0, fuse.1)
                    );
                }
            }
            pair.end();
        });
    });
}

#[test]
fn holes_are_found_before_and_after_a_copy_up() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| holed(&l.path("f"))], |pair| {
            let lower = pair.same(|root| extents(&File::open(root.join("f")).unwrap()));
            assert_eq!(lower, [(0, BLOCK), (5 * BLOCK, 6 * BLOCK)]);
            let (kernel, fuse) = pair.each(|root| {
                let file = writer(&root.join("f"));
                let places =
                    [SeekFrom::Data(9 * BLOCK), SeekFrom::Hole(9 * BLOCK), SeekFrom::Hole(8 * BLOCK)];
                (
                    places.map(|place| rustix::fs::seek(&file, place)),
                    file.metadata().unwrap().blocks(),
                    extents(&file),
                )
            });
            assert_eq!(kernel.0, fuse.0);
            // the kernel keeps holes of a mebibyte and more, we keep all
            assert_eq!((fuse.1, fuse.2), (16, lower));
            pair.agree(|root| fs::read(root.join("f")).unwrap());
            pair.end();
        });
    });
}

/// Copies, and tells what came of it.
fn copy(from: &Path, to: &Path, (read_at, write_at): (u64, u64), length: usize) -> (Done<usize>, Vec<u8>) {
    let (source, target) = (File::open(from).unwrap(), writer(to));
    let (mut from, mut at) = (read_at, write_at);
    let done = rustix::fs::copy_file_range(&source, Some(&mut from), &target, Some(&mut at), length);
    (done, fs::read(to).unwrap())
}

#[test]
fn ranges_are_copied_between_files_within_one_and_from_outside() {
    with_mounts(|scratch| {
        let outside = scratch.join("outside");
        fs::write(&outside, "outside of the mounts").unwrap();
        let build = |l: &Lower| {
            l.file("a", "0123456789");
            l.file("b", "lower b");
            holed(&l.path("holed"));
        };
        with_pair(scratch, &[&build], |pair| {
            let at = |root: &Path, name: &str| root.join(name);
            pair.agree(|root| copy(&at(root, "a"), &at(root, "new"), (2, 0), 5));
            pair.agree(|root| copy(&at(root, "a"), &at(root, "b"), (0, 3), 100));
            pair.agree(|root| copy(&at(root, "a"), &at(root, "a"), (0, 10), 10));
            pair.agree(|root| copy(&at(root, "a"), &at(root, "a"), (0, 2), 10));
            pair.agree(|root| copy(&at(root, "a"), &at(root, "new"), (100, 0), 10));
            pair.agree(|root| copy(&at(root, "holed"), &at(root, "copy"), (0, 0), 1 << 20));
            // the kernel's answer depends on who opened what: both answer the same
            pair.agree(|root| copy(&outside, &at(root, "new"), (0, 0), 7));
            pair.agree(|root| {
                let out = scratch.join("out");
                let done = copy(&at(root, "a"), &out, (0, 0), 7);
                fs::remove_file(&out).unwrap();
                done
            });
            pair.agree(|root| told(fs::copy(at(root, "holed"), at(root, "by-program"))));
            pair.agree(|root| {
                let (mut from, to) = (File::open(at(root, "a")).unwrap(), writer(&at(root, "sent")));
                told(std::io::copy(&mut from, &mut &to))
            });
            pair.end();
        });
    });
}

#[test]
fn a_mount_tells_the_space_of_the_uppers_file_system() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("d/f", "1")], |pair| {
            for name in ["", "d", "d/f"] {
                pair.agree(|root| {
                    let space = rustix::fs::statvfs(root.join(name)).unwrap();
                    (space.f_bsize, space.f_frsize, space.f_blocks, space.f_files, space.f_namemax)
                });
            }
            pair.end();
        });
    });
}

#[test]
fn files_and_directories_are_synced() {
    with_mounts(|scratch| {
        with_pair(scratch, &[&|l| l.file("d/f", "1")], |pair| {
            let done = pair.same(|root| {
                let (read, dir) =
                    (File::open(root.join("d/f")).unwrap(), File::open(root.join("d")).unwrap());
                let lower = [told(read.sync_all()), told(read.sync_data()), told(dir.sync_all())];
                let file = writer(&root.join("d/f"));
                file.write_all_at(b"2", 0).unwrap();
                let new = writer(&root.join("d/new"));
                let upper = [
                    told(file.sync_all()),
                    told(new.sync_data()),
                    told(dir.sync_all()),
                    rustix::fs::syncfs(&dir),
                ];
                fs::remove_file(root.join("d/new")).unwrap();
                (lower, upper, told(new.sync_all()))
            });
            assert_eq!(done, ([Ok(()); 3], [Ok(()); 4], Ok(())));
            pair.end();
        });
    });
}
