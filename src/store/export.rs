//! Files that we make on the host: whole or not at all, also after a power cut, and with the mode that the user's umask
//! leaves.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::publish::publish;
use super::{Error, Progress, Store};
use crate::model::TreeId;
use crate::sys::{self, Dir, Errno};

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
        write_host_file(host, 0o666, Present::Replace, |out| self.export_tar(id, out, progress))
    }
}

/// Makes a file on the host of what `fill` writes.
///
/// # Errors
/// [`Error::Io`] with the host path; those of `fill`.
pub fn write_host_file(
    host: &Path,
    mode: u32,
    present: Present,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<(), Error>,
) -> Result<(), Error> {
    let failed = |error: io::Error| Error::Io { what: "write", path: host.to_owned(), errno: errno(&error) };
    let dir = host.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::Builder::new()
        .prefix(".ufs-export-")
        .permissions(Permissions::from_mode(sys::host_mode(mode)))
        .tempfile_in(dir)
        .map_err(failed)?;
    let mut out = BufWriter::with_capacity(BUFFER, file.as_file());
    fill(&mut out)?;
    out.flush().map_err(failed)?;
    drop(out);
    let whole = file.as_file().try_clone().map_err(failed)?;
    let names = match Dir::open(dir) {
        Ok(names) => Some(names),
        // it may be written and not be read
        Err(Errno::ACCESS) => None,
        Err(errno) => return Err(failed(errno.into())),
    };
    let rename = || {
        let kept = match present {
            Present::Replace => file.persist(host),
            Present::Keep => file.persist_noclobber(host),
        };
        kept.map(drop).map_err(|error| self::errno(&error.error))
    };
    publish(&whole, names.as_ref(), true, rename).map_err(|errno| failed(errno.into()))
}

/// The system's answer; tempfile leaves of it what kind of error it is.
fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(match error.kind() {
        io::ErrorKind::NotFound => Errno::NOENT,
        io::ErrorKind::PermissionDenied => Errno::ACCESS,
        io::ErrorKind::NotADirectory => Errno::NOTDIR,
        io::ErrorKind::ReadOnlyFilesystem => Errno::ROFS,
        io::ErrorKind::StorageFull => Errno::NOSPC,
        io::ErrorKind::AlreadyExists => Errno::EXIST,
        _ => Errno::IO,
    })
}
