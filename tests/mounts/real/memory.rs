//! mmap(2), which no safe crate has.
#![expect(unsafe_code, reason = "mmap")]

use std::fs::File;
use std::os::fd::AsRawFd as _;

pub(super) struct Map(*mut u8, usize);

impl Map {
    pub(super) fn new(file: &File, length: usize, shared: bool, writes: bool) -> std::io::Result<Self> {
        let rights = if writes { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let how = if shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE };
        // SAFETY: a new mapping, wherever the kernel puts it.
        let at = unsafe { libc::mmap(std::ptr::null_mut(), length, rights, how, file.as_raw_fd(), 0) };
        if at == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Self(at.cast(), length))
    }

    pub(super) fn read(&self) -> Vec<u8> {
        // SAFETY: within the mapping and the file; another program may change it meanwhile, so each byte is read
        // once and kept.
        (0..self.1).map(|at| unsafe { self.0.add(at).read_volatile() }).collect()
    }

    pub(super) fn write(&mut self, at: usize, byte: u8) {
        assert!(at < self.1);
        // SAFETY: within the mapping, which may be written.
        unsafe { self.0.add(at).write_volatile(byte) };
    }

    /// How many of its pages are in the kernel's cache.
    pub(super) fn resident(&self) -> usize {
        let mut pages = vec![0; self.1.div_ceil(4096)];
        // SAFETY: the whole mapping, and a byte for each of its pages.
        let told = unsafe { libc::mincore(self.0.cast(), self.1, pages.as_mut_ptr()) };
        assert_eq!(told, 0, "mincore");
        pages.iter().filter(|page| **page & 1 == 1).count()
    }

    pub(super) fn sync(&self) -> std::io::Result<()> {
        // SAFETY: the whole mapping.
        match unsafe { libc::msync(self.0.cast(), self.1, libc::MS_SYNC) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, which nobody uses any more.
        unsafe { libc::munmap(self.0.cast(), self.1) };
    }
}
