//! Between a layer and the host: copying in, unpacking a tar, exporting one, copying out.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::copying;
use super::error::{Act, Error};
use super::files;
use super::opening::total_of;
use super::progress::Total;
use super::{AddOptions, Workspace};
use crate::driver::{Files, HostDir};
use crate::model::{LayerPath, TreeId};
use crate::store::{self, Draft, Present, write_host_file};
use crate::sys::dir::own_ids;
use crate::sys::namespace::State;
use crate::sys::{Dir, Errno};

/// The block of a tar, in bytes (POSIX `ustar`).
const BLOCK: usize = 512;

/// Copies a host file or directory into a draft; a tar is unpacked unless that is turned off.
pub(super) fn add(
    workspace: &Workspace,
    draft: &Draft,
    host: &Path,
    at: &LayerPath,
    options: AddOptions,
) -> Result<(), Error> {
    let told = |cause: &io::Error| Error::host(Act::Add, host, cause);
    let kind = host.metadata().map_err(|cause| told(&cause))?;
    let tar = options.unpack && kind.is_file() && is_tar(host).map_err(|cause| told(&cause))?;
    let work = workspace.work(|| {
        // a tar is little more than its files
        let total =
            if kind.is_file() { Total::of_bytes(kind.len()) } else { Total::of_tree(Dir::open(host)) };
        (format!("adding {}", host.display()), total)
    });
    let mut progress = work.watch();
    let result = if tar {
        let file = File::open(host).map_err(|cause| told(&cause))?;
        let reader = BufReader::with_capacity(1 << 18, file);
        workspace.store()?.add_tar(draft, at, reader, options.owner, &mut progress)
    } else {
        workspace.store()?.add_host(draft, at, host, options.owner, &mut progress)
    };
    drop(work);
    let notes = result.map_err(|error| match error {
        // what the host refuses is no fault of the store's
        store::Error::Io { path, errno, .. } if path.starts_with(host) => {
            Error::Host { act: Act::Add, path, errno }
        }
        other => other.into(),
    })?;
    for note in notes {
        match note {
            store::Note::Own => workspace.note_own_files(),
            note => workspace.note(note.to_string()),
        }
    }
    Ok(())
}

/// Whether a file is a tar by its first header's checksum.
fn is_tar(host: &Path) -> io::Result<bool> {
    let mut file = File::open(host)?;
    let mut header = [0; BLOCK];
    match file.read_exact(&mut header) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        other => other?,
    }
    Ok(crate::tar::is_header(&header))
}

/// Writes a sealed layer's canonical tar to a host file, whole or not at all.
pub(super) fn export(workspace: &Workspace, id: TreeId, host: &Path) -> Result<(), Error> {
    if host.is_dir() {
        return Err(Error::Host { act: Act::Export, path: host.to_owned(), errno: Errno::ISDIR });
    }
    let store = workspace.store()?;
    let work = workspace
        .work(|| (format!("exporting to {}", host.display()), Total::of_bytes(total_of(store, id).bytes)));
    Ok(store.export_tar_to(id, host, &mut work.watch())?)
}

impl Workspace {
    /// Tells once that a user's own files are root's in a layer, where they are somebody else's on the host.
    fn note_own_files(&self) {
        let own = match &self.0.options.namespace {
            State::Root => return,
            State::Entered { uid, gid } => (*uid, *gid),
            State::Refused { .. } | State::Off => own_ids(),
        };
        if own.0 != 0 && !self.0.told_own_files.replace(true) {
            self.note(format!("files of yours ({}:{}) have the owner 0:0 in the layer", own.0, own.1));
        }
    }

    /// Writes a script to a host file, whole or not at all; whether one that is there is replaced is for the caller.
    ///
    /// # Errors
    /// [`Error::Host`].
    pub fn write_script(&self, host: &Path, text: &[u8], replace: bool) -> Result<(), Error> {
        let told = |errno| Error::Host { act: Act::Write, path: host.to_owned(), errno };
        if host.is_dir() {
            return Err(told(Errno::ISDIR));
        }
        let present = if replace { Present::Replace } else { Present::Keep };
        let written = write_host_file(host, 0o777, present, |out| {
            out.write_all(text).map_err(|error| store::Error::Io {
                what: "write",
                path: host.to_owned(),
                errno: Errno::from_io_error(&error).unwrap_or(Errno::IO),
            })
        });
        written.map_err(|error| match error {
            store::Error::Io { errno, .. } => told(errno),
            other => other.into(),
        })
    }
}

/// Copies a file or a directory out to a host path that must not exist.
pub(super) fn copy_out(
    workspace: &Workspace,
    files: &dyn Files,
    at: &LayerPath,
    host: &Path,
) -> Result<(), Error> {
    let told = |errno| Error::Host { act: Act::Copy, path: host.to_owned(), errno };
    if host.symlink_metadata().is_ok() {
        return Err(told(Errno::EXIST));
    }
    let parent = host.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = host.file_name().ok_or_else(|| told(Errno::INVAL))?;
    let target = Dir::open(parent).map_err(told)?;
    let target = HostDir::host(std::rc::Rc::new(target), workspace.identity());
    let to = files::path(name.as_bytes())?;
    let work = workspace.work(|| files::about("copying", files, at));
    copying::copy(files, at, &target, &to, &work)
}
