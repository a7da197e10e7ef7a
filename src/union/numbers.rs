//! Inode numbers that stay: what stat(2) and readdir(3) say of a file for as long as the union is open.
//!
//! As the kernel's overlay with `xino`: a file keeps the number of the layer's file that it came from, also when it is
//! copied up; a merged directory has that of its topmost lower part. The upper's file system gives its numbers as they
//! are; each other file system's get a mark in the highest byte, so that no two files share one.
//!
//! # Source
//! Kernel `Documentation/filesystems/overlayfs.rst`, "Inode properties".

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};

/// Numbers from here on carry a mark, in bits 56 to 62.
const MARK: u32 = 56;
/// Numbers that could not be marked are counted from here on.
const COUNTED: u64 = 1 << 63;

/// The numbering of one union.
#[derive(Debug)]
pub(super) struct Numbers {
    /// The device numbers of the layers' file systems, each once; that of the upper first.
    devices: Box<[u64]>,
    /// What copies in the upper are called, by their own number there.
    kept: RwLock<HashMap<u64, u64>>,
    /// Those of devices or sizes that cannot be marked.
    odd: Mutex<HashMap<(u64, u64), u64>>,
}

impl Numbers {
    /// Numbers the file systems that hold the layers, the upper's first.
    pub(super) fn new(devices: impl IntoIterator<Item = u64>) -> Self {
        let mut once: Vec<u64> = Vec::new();
        for device in devices {
            if !once.contains(&device) {
                once.push(device);
            }
        }
        Self { devices: once.into(), kept: RwLock::default(), odd: Mutex::default() }
    }

    /// The number of a layer's file.
    pub(super) fn of(&self, device: u64, number: u64) -> u64 {
        let place = self.devices.iter().position(|&known| known == device);
        match place.map(|place| place as u64) {
            Some(place) if number >> MARK == 0 && place < 128 => number | place << MARK,
            _ => {
                let mut odd = self.odd.lock().unwrap_or_else(PoisonError::into_inner);
                let next = COUNTED | odd.len() as u64;
                *odd.entry((device, number)).or_insert(next)
            }
        }
    }

    /// The number of the upper's own file: that of the file it was copied from, if it was.
    pub(super) fn of_upper(&self, device: u64, number: u64) -> u64 {
        self.kept(number).unwrap_or_else(|| self.of(device, number))
    }

    /// What a file of the upper is called, if it is known as a copy.
    pub(super) fn kept(&self, number: u64) -> Option<u64> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).get(&number).copied()
    }

    /// Remembers what a copy is called.
    pub(super) fn keep(&self, upper: u64, called: u64) {
        self.kept.write().unwrap_or_else(PoisonError::into_inner).insert(upper, called);
    }

    /// A new file in the upper may have the number of one that is gone.
    pub(super) fn forget(&self, upper: u64) {
        if !self.kept.read().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.kept.write().unwrap_or_else(PoisonError::into_inner).remove(&upper);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_its_number_until_another_file_takes_its_place() {
        let numbers = Numbers::new([7, 8, 7]);
        assert_eq!(numbers.of(7, 5), 5);
        assert_eq!(numbers.of(8, 5), 5 | 1 << MARK);
        numbers.keep(9, numbers.of(8, 5));
        assert_eq!(numbers.of_upper(7, 9), 5 | 1 << MARK);
        numbers.forget(9);
        assert_eq!(numbers.of_upper(7, 9), 9);
    }

    #[test]
    fn files_of_unknown_devices_have_numbers_of_their_own() {
        let numbers = Numbers::new([7]);
        let first = numbers.of(99, 5);
        assert_ne!(first, numbers.of(99, 6));
        assert_eq!(first, numbers.of(99, 5));
        assert_ne!(first, numbers.of(7, 5));
    }
}
