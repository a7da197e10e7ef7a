//! File content from one descriptor to another: shared, copied in the kernel, or read and written; holes stay holes.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use rustix::fs::{copy_file_range, fstat, ftruncate, ioctl_ficlone, seek};

use super::{Errno, signals};

/// How much is copied between two looks at the interrupt flag, in bytes.
const STEP: u64 = 1 << 20;

/// Up to here a file without holes is copied at once, in bytes.
const SMALL: u64 = 64 << 10;

/// Copies all `size` bytes of `from` into the empty file `to`; tells how many bytes went over, step by step.
///
/// # Errors
/// `EINTR` at Ctrl-C; the copy is then incomplete.
pub fn contents(from: &File, to: &File, size: u64, progress: &mut dyn FnMut(u64)) -> Result<(), Errno> {
    if size == 0 {
        return Ok(());
    }
    // nothing is gained by sharing or by looking for holes in what is copied in one step
    let dense = size <= SMALL && fstat(from).is_ok_and(|stat| stat.st_blocks.cast_unsigned() * 512 >= size);
    if dense {
        return extent(from, to, 0, size, progress);
    }
    if ioctl_ficlone(to, from).is_ok() {
        progress(size);
        return Ok(());
    }
    let mut at = 0;
    while at < size {
        let (start, end) = match seek(from, rustix::fs::SeekFrom::Data(at)) {
            Ok(start) => (start, seek(from, rustix::fs::SeekFrom::Hole(start))?.min(size)),
            // only a hole is left
            Err(Errno::NXIO) => break,
            // no hole detection here: one extent
            Err(Errno::INVAL) => (at, size),
            Err(errno) => return Err(errno),
        };
        extent(from, to, start, end, progress)?;
        at = end.max(start + 1);
    }
    ftruncate(to, size)
}

fn extent(from: &File, to: &File, start: u64, end: u64, progress: &mut dyn FnMut(u64)) -> Result<(), Errno> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        if signals::interrupted() {
            return Err(Errno::INTR);
        }
        let want = usize::try_from((end - read_at).min(STEP)).unwrap_or(usize::MAX);
        match copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), want) {
            Ok(0) => return by_hand(from, to, read_at, end, progress),
            Ok(done) => progress(done as u64),
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                return by_hand(from, to, read_at, end, progress);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn by_hand(
    mut from: &File,
    mut to: &File,
    start: u64,
    end: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Errno> {
    let told = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    from.seek(SeekFrom::Start(start)).map_err(told)?;
    to.seek(SeekFrom::Start(start)).map_err(told)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut left = end - start;
    while left > 0 {
        if signals::interrupted() {
            return Err(Errno::INTR);
        }
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let got = match from.read(&mut buffer[..want]) {
            Ok(0) => break,
            Ok(got) => got,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(told(error)),
        };
        to.write_all(&buffer[..got]).map_err(told)?;
        left -= got as u64;
        progress(got as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn a_copy_has_the_same_bytes_and_keeps_holes() {
        let mut from = tempfile::tempfile().unwrap();
        from.write_all(b"start").unwrap();
        from.seek(SeekFrom::Start(4 << 20)).unwrap();
        from.write_all(b"end").unwrap();
        from.set_len(8 << 20).unwrap();
        let mut to = tempfile::tempfile().unwrap();
        let mut told = 0;
        contents(&from, &to, 8 << 20, &mut |bytes| told += bytes).unwrap();
        let (mut a, mut b) = (Vec::new(), Vec::new());
        from.rewind().unwrap();
        to.rewind().unwrap();
        from.read_to_end(&mut a).unwrap();
        to.read_to_end(&mut b).unwrap();
        assert!(a == b);
        assert!(told > 0);
        assert!(to.metadata().unwrap().blocks() <= from.metadata().unwrap().blocks() + 16);
    }
}
