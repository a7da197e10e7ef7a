//! A file's content from its beginning, its holes as zeros that the disk is not asked for.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};

use crate::sys::dir::stat_fd;
use crate::sys::{Errno, file};

/// Reads a file that is at its beginning.
#[derive(Debug)]
pub(super) struct Filled<F> {
    file: F,
    size: u64,
    at: u64,
    run: Run,
}

/// What comes next, and where it ends.
#[derive(Clone, Copy, Debug)]
enum Run {
    /// So far nothing is known.
    Unknown,
    Data(u64),
    Hole(u64),
    /// The rest is read as it comes.
    Rest,
}

impl<F: Borrow<File>> Filled<F> {
    /// Looks whether the file has holes at all.
    pub(super) fn new(file: F) -> Result<Self, Errno> {
        let stat = stat_fd(file.borrow())?;
        let dense = stat.blocks.saturating_mul(512) >= stat.size;
        let run = if dense { Run::Rest } else { Run::Unknown };
        Ok(Self { file, size: stat.size, at: 0, run })
    }

    /// Finds out what comes next, and puts the file there if it is data.
    fn look(&mut self) -> io::Result<Run> {
        let mut file: &File = self.file.borrow();
        let run = match file::next_data(file, self.at) {
            Ok(data) if data > self.at => return Ok(Run::Hole(data)),
            Ok(_) => Run::Data(file::next_hole(file, self.at)?),
            // the last hole; what comes after the end, should the file have grown, is data
            Err(Errno::NXIO) if self.at < self.size => return Ok(Run::Hole(self.size)),
            Err(_) => Run::Rest,
        };
        file.seek(SeekFrom::Start(self.at))?;
        Ok(run)
    }
}

impl<F: Borrow<File>> Read for Filled<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if matches!(self.run, Run::Unknown | Run::Data(_) | Run::Hole(_)) && self.run.end() <= self.at {
            self.run = self.look()?;
        }
        let most =
            |end: u64| usize::try_from(end - self.at).map_or(buffer.len(), |left| left.min(buffer.len()));
        let mut file: &File = self.file.borrow();
        let read = match self.run {
            Run::Hole(end) => {
                let zeros = most(end);
                buffer[..zeros].fill(0);
                zeros
            }
            Run::Data(end) => {
                let most = most(end);
                file.read(&mut buffer[..most])?
            }
            Run::Unknown | Run::Rest => file.read(buffer)?,
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl Run {
    fn end(self) -> u64 {
        match self {
            Self::Unknown => 0,
            Self::Data(end) | Self::Hole(end) => end,
            Self::Rest => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn holes_read_as_zeros_wherever_they_are() {
        for pieces in [&[(0, 3)][..], &[], &[(1 << 20, 5)], &[(0, 70_000), (1 << 20, 5), (5 << 20, 1 << 20)]]
        {
            let mut file = tempfile::tempfile().unwrap();
            for &(at, length) in pieces {
                file.seek(SeekFrom::Start(at)).unwrap();
                file.write_all(&vec![7; length]).unwrap();
            }
            file.set_len(8 << 20).unwrap();
            let (mut plain, mut filled) = (Vec::new(), Vec::new());
            file.rewind().unwrap();
            (&file).read_to_end(&mut plain).unwrap();
            file.rewind().unwrap();
            Filled::new(&file).unwrap().read_to_end(&mut filled).unwrap();
            assert!(plain == filled, "{pieces:?}");
        }
    }

    #[test]
    fn what_a_file_grew_by_is_read_too() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        let mut filled = Filled::new(&file).unwrap();
        let mut start = vec![1; 1 << 20];
        filled.read_exact(&mut start).unwrap();
        (&file).seek(SeekFrom::Start(1 << 20)).unwrap();
        (&file).write_all(b"more").unwrap();
        let mut rest = Vec::new();
        filled.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"more");
        assert!(start.iter().all(|&byte| byte == 0));
    }
}
