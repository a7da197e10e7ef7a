//! Times of reading, as the options of a mount have them: beside the kernel's overlay.

use std::fs::{self, File, FileTimes};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use super::stack::{Stack, WRITABLE, on_stack, with_stack};

/// More than a page, and more than what goes by the kernel's cache where a lower file may be read by passthrough.
const LENGTH: usize = 100_000;

/// What is read, in a lower layer and in the upper; of each two files one was last read long before it was changed.
const FILES: [&str; 4] = ["base/low-old", "base/low-recent", "upper/up-old", "upper/up-recent"];
const DIRS: [&str; 2] = ["base/low-dir", "upper/up-dir"];

fn prepare(stack: &Stack) {
    let day = Duration::from_hours(24);
    let now = SystemTime::now();
    for name in FILES.into_iter().chain(DIRS) {
        let path = stack.at(name);
        if DIRS.contains(&name) {
            fs::create_dir_all(path.join("inner")).unwrap();
        } else {
            fs::write(&path, vec![7; LENGTH]).unwrap();
        }
        let read = if name.ends_with("recent") { now - day / 24 } else { now - 9 * day };
        let times = FileTimes::new().set_accessed(read).set_modified(now - 8 * day);
        File::open(&path).unwrap().set_times(times).unwrap();
    }
}

/// Which of them remember that they were read through the mount.
fn remembered(stack: &Stack) -> Vec<&'static str> {
    let times = |name: &str| {
        let found = fs::metadata(stack.at(name)).unwrap();
        (found.atime(), found.atime_nsec())
    };
    let every = || FILES.into_iter().chain(DIRS);
    let before: Vec<_> = every().map(times).collect();
    for name in every() {
        let merged = stack.at("merged").join(name.split_once('/').unwrap().1);
        if !merged.exists() {
            // an upper that is not part of this mount
            continue;
        }
        if DIRS.contains(&name) {
            assert_eq!(fs::read_dir(merged).unwrap().count(), 1);
        } else {
            let mut data = Vec::new();
            File::open(merged).unwrap().read_to_end(&mut data).unwrap();
            assert_eq!(data.len(), LENGTH);
        }
    }
    every().zip(before).filter(|(name, before)| times(name) != *before).map(|(name, _)| name).collect()
}

#[test]
fn only_the_upper_remembers_reading_and_only_as_the_options_say() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            for times in ["relatime", "noatime", "strictatime", "nodiratime", "strictatime,nodiratime"] {
                for layers in [WRITABLE, "lowerdir=top:base"] {
                    let options = format!("{layers},{times}");
                    prepare(&stack);
                    stack.mount_by_the_kernel(&options).ok();
                    let mut kernel = remembered(&stack);
                    // ours lists directories without a trace
                    kernel.retain(|name| !DIRS.contains(name));
                    stack.umount();
                    prepare(&stack);
                    stack.mount(&options).ok();
                    let ours = remembered(&stack);
                    stack.umount();
                    assert_eq!(kernel, ours, "{options}");
                }
            }
        });
    });
}
