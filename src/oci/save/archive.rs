//! A tar of files whose sizes and names are known only once they are written.
//!
//! A header is left out and written when its file is whole, so that no layer is written twice. Nobody sees that: the
//! archive gets its name at the end.
//!
//! # Source
//! POSIX.1-2017 `pax` (ustar); GNU tar manual, "Extensions to the Standard Format", for sizes from 8 GiB on.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Error;
use super::layout::{aside, publish};
use crate::model::Timestamp;
use crate::oci::blob::{self, Extent, Plain as _};

const BLOCK: usize = 512;
/// How much is written at once, in bytes.
const BUFFER: usize = 256 * 1024;
/// The first size that 11 octal digits do not say.
const TOO_LARGE: u64 = 1 << 33;

/// An archive that is written.
pub(super) struct Archive {
    out: BufWriter<File>,
    file: tempfile::NamedTempFile,
    path: PathBuf,
    time: u64,
    /// Where the header of the current file is to be.
    header: u64,
    /// Bytes of the current file.
    size: u64,
}

impl Archive {
    /// Begins one, whose files have this time, in seconds since 1970.
    pub(super) fn new(path: &Path, time: Option<Timestamp>) -> Result<Self, Error> {
        let failed = Error::io("write", path);
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let file = aside(dir).map_err(&failed)?;
        let out = BufWriter::with_capacity(BUFFER, file.as_file().try_clone().map_err(&failed)?);
        let time = time.map_or(0, |time| u64::try_from(time.secs).unwrap_or(0)).min(TOO_LARGE - 1);
        Ok(Self { out, file, path: path.to_owned(), time, header: 0, size: 0 })
    }

    /// Begins a file; what is written from now on is in it.
    pub(super) fn start(&mut self) -> Result<(), Error> {
        let start = |archive: &mut Self| {
            archive.header = archive.out.stream_position()?;
            archive.size = 0;
            archive.out.write_all(&[0; BLOCK])
        };
        start(self).map_err(Error::io("write", &self.path))
    }

    /// Ends the file, which is called so.
    pub(super) fn end(&mut self, name: &str) -> Result<(), Error> {
        let end = |archive: &mut Self| {
            let padding = archive.size.next_multiple_of(BLOCK as u64) - archive.size;
            archive.out.write_all(&[0; BLOCK][..usize::try_from(padding).unwrap_or(0)])?;
            let behind = archive.out.stream_position()?;
            archive.out.seek(SeekFrom::Start(archive.header))?;
            archive.out.write_all(&header(name, (b"0000644\0", b'0'), archive.size, archive.time))?;
            archive.out.seek(SeekFrom::Start(behind)).map(drop)
        };
        end(self).map_err(Error::io("write", &self.path))
    }

    /// Takes the file back.
    pub(super) fn undo(&mut self) -> Result<(), Error> {
        let undo = |archive: &mut Self| {
            archive.out.seek(SeekFrom::Start(archive.header))?;
            archive.out.get_ref().set_len(archive.header)
        };
        undo(self).map_err(Error::io("write", &self.path))
    }

    /// Writes a directory. Readers make those that have no entry as root's, which an ordinary user's skopeo cannot.
    pub(super) fn directory(&mut self, name: &str) -> Result<(), Error> {
        let header = header(name, (b"0000755\0", b'5'), 0, self.time);
        self.out.write_all(&header).map_err(Error::io("write", &self.path))
    }

    /// Writes a whole file.
    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.start()?;
        self.write_all(bytes).map_err(Error::io("write", &self.path))?;
        self.end(name)
    }

    /// Ends the archive, and puts it in its place.
    pub(super) fn finish(self) -> Result<(), Error> {
        let Self { mut out, file, path, .. } = self;
        let finish = || {
            out.write_all(&[0; 2 * BLOCK])?;
            out.flush()?;
            drop(out);
            publish(file, &path)
        };
        finish().map_err(Error::io("write", &path))
    }
}

impl Write for Archive {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The header of something of root's: its mode in octal digits, and the letter of its kind.
fn header(name: &str, (mode, kind): (&[u8; 8], u8), size: u64, time: u64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &name.as_bytes()[..name.len().min(100)]);
    put(100, mode);
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if size < TOO_LARGE {
        put(124, format!("{size:011o}\0").as_bytes());
    } else {
        put(124, &[0x80, 0, 0, 0]);
        put(128, &size.to_be_bytes());
    }
    put(136, format!("{time:011o}\0").as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// Copies a blob as it lies there.
pub(super) fn copy(blob: &Extent, out: &mut dyn Write) -> Result<(), Error> {
    let mut buffer = vec![0; BUFFER];
    let mut at = 0;
    while at < blob.len() {
        match blob.read_at(&mut buffer, at).map_err(|source| blob::Error::Read { at, source })? {
            0 => return Err(blob::Error::Short { found: at, expected: blob.len() }.into()),
            read => out.write_all(&buffer[..read]).map_err(|source| Error::Write { source })?,
        }
        at += buffer.len() as u64;
    }
    Ok(())
}
