//! Files that we write on the host: whole or not at all, also after a power cut, and with the mode that the user's umask
//! leaves.
//!
//! What is there already is treated as by a shell's `>`: symlinks are followed, a device or a pipe is written to, and a
//! file that is replaced keeps its mode and owner.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::error::errno_of;
use super::publish::publish;
use super::{Error, Progress, Store};
use crate::model::TreeId;
use crate::sys::step::step;
use crate::sys::{self, Dir, Errno, file, signals};

/// How much is written at once, in bytes.
const BUFFER: usize = 256 * 1024;

/// What is to happen to a file that is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Present {
    /// It is replaced, at the end.
    Replace,
    /// It stays; making the new one fails.
    Keep,
}

impl Store {
    /// Writes a layer's canonical tar to a host file; one that is there is replaced at the end.
    ///
    /// # Errors
    /// [`Error::Io`] with the host path; those of [`Store::export_tar`].
    pub fn export_tar_to(
        &self,
        id: TreeId,
        host: &Path,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<(), Error> {
        let _step = step("write the tar", || host.display().to_string());
        write_host_file(host, 0o666, Present::Replace, |out| self.export_tar(id, out, progress))
    }
}

/// Writes to a file on the host what `fill` writes. A device, a pipe or what a process has open (`/dev/stdout`) gets it
/// at once; `present` is about files only.
///
/// # Errors
/// [`Error::Io`] with the host path, [`Error::Interrupted`] while a pipe waits for its reader; those of `fill`.
pub fn write_host_file(
    host: &Path,
    mode: u32,
    present: Present,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<(), Error> {
    let failed = |errno| Error::Io { what: "write", path: host.to_owned(), errno };
    let target = match target(host).map_err(failed)? {
        Target::Stream => return write_stream(host, fill),
        // a symlink is a name that is taken, wherever it leads
        Target::File(path) if present == Present::Keep && path != host => return Err(failed(Errno::EXIST)),
        Target::File(path) => path,
    };
    write_whole(&target, mode, present, fill, failed)
}

/// Where a path leads.
enum Target {
    /// To a regular file or to nothing yet, by this path.
    File(PathBuf),
    /// To what is written as it comes.
    Stream,
}

fn target(host: &Path) -> Result<Target, Errno> {
    /// As many symlinks as the kernel follows (`path_resolution(7)`).
    const MOST: usize = 40;
    let mut path = host.to_owned();
    for _ in 0..MOST {
        match path.symlink_metadata() {
            Ok(found) if found.is_symlink() => {
                let dir = holder(&path).to_owned();
                // these lead to open files, whatever they say
                if dir.canonicalize().map_err(|error| errno_of(&error))?.starts_with("/proc") {
                    return Ok(Target::Stream);
                }
                path = dir.join(path.read_link().map_err(|error| errno_of(&error))?);
            }
            Ok(found) if is_stream(&found) => return Ok(Target::Stream),
            Ok(_) => return Ok(Target::File(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Target::File(path)),
            Err(error) => return Err(errno_of(&error)),
        }
    }
    Err(Errno::LOOP)
}

fn is_stream(found: &Metadata) -> bool {
    let kind = found.file_type();
    kind.is_char_device() || kind.is_block_device() || kind.is_fifo() || kind.is_socket()
}

/// The directory that holds a path's last name.
fn holder(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes to what is there, as it comes.
fn write_stream(host: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<(), Error>) -> Result<(), Error> {
    let failed = |errno| match errno {
        Errno::INTR => Error::Interrupted,
        errno => Error::Io { what: "write", path: host.to_owned(), errno },
    };
    let file = file::open_to_write(host).map_err(failed)?;
    let mut out = BufWriter::with_capacity(BUFFER, Stoppable(&file));
    let filled = fill(&mut out).and_then(|()| out.flush().map_err(|error| failed(errno_of(&error))));
    // nothing of what is left is written any more
    drop(out.into_parts());
    match filled {
        Err(_) if signals::interrupted() => Err(Error::Interrupted),
        other => other,
    }
}

/// A file whose writes end at Ctrl-C, also where nobody reads.
struct Stoppable<'a>(&'a File);

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted && signals::interrupted() => {
                Err(io::Error::other("interrupted"))
            }
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a file aside and puts it in its place.
fn write_whole(
    target: &Path,
    mode: u32,
    present: Present,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
    told: impl Fn(Errno) -> Error,
) -> Result<(), Error> {
    let failed = |error: io::Error| told(errno_of(&error));
    let dir = holder(target);
    let earlier = match target.symlink_metadata() {
        Ok(found) => Some(found).filter(Metadata::is_file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    let mode = earlier.as_ref().map_or_else(|| sys::host_mode(mode), |found| found.mode() & 0o777);
    let mut refused = None;
    let mut make = |path: &Path| {
        let made = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path);
        made.inspect_err(|error| refused = Errno::from_io_error(error))
    };
    let made = tempfile::Builder::new().prefix(".ufs-export-").make_in(dir, &mut make);
    // of the system's answer tempfile leaves only what kind of error it is
    let file = made.map_err(|error| told(refused.unwrap_or_else(|| errno_of(&error))))?;
    if let Some(found) = earlier {
        keep_owner(file.as_file(), &found, mode).map_err(&told)?;
    }
    let mut out = BufWriter::with_capacity(BUFFER, file.as_file());
    fill(&mut out)?;
    out.flush().map_err(failed)?;
    drop(out);
    let whole = file.as_file().try_clone().map_err(failed)?;
    let names = match Dir::open(dir) {
        Ok(names) => Some(names),
        // it may be written and not be read
        Err(Errno::ACCESS) => None,
        Err(errno) => return Err(told(errno)),
    };
    let rename = || {
        let kept = match present {
            Present::Replace => file.persist(target),
            Present::Keep => file.persist_noclobber(target),
        };
        kept.map(drop).map_err(|error| errno_of(&error.error))
    };
    publish(&whole, names.as_ref(), true, rename).map_err(told)
}

/// Gives a new file the owner of the one that it replaces, as far as this user may, and exactly its mode.
fn keep_owner(file: &File, earlier: &Metadata, mode: u32) -> Result<(), Errno> {
    let made = file.metadata().map_err(|error| errno_of(&error))?;
    if (made.uid(), made.gid()) != (earlier.uid(), earlier.gid()) {
        match file::chown(file, earlier.uid(), earlier.gid()) {
            // it is then this user's, as every file that they replace
            Err(Errno::PERM | Errno::INVAL) => {}
            other => other?,
        }
    }
    file.set_permissions(Permissions::from_mode(mode)).map_err(|error| errno_of(&error))
}
