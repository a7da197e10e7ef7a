//! Between a layer and the host: copying in, unpacking a tar, exporting one, copying out.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::Act;
use super::copying::{self, Beyond};
use super::error::Error;
use super::files;
use super::incoming;
use super::opening::total_of;
use super::progress::Total;
use super::said::Said;
use super::{AddOptions, ToWrite, Workspace};
use crate::driver::{Files, HostDir};
use crate::model::{LayerPath, TreeId};
use crate::store::{self, Draft, Present, write_host_file};
use crate::sys::dir::own_ids;
use crate::sys::namespace::State;
use crate::sys::{Dir, Errno};

/// Copies a host file or directory into a draft; a tar, compressed or not, is unpacked unless that is turned off.
pub(super) fn add(
    workspace: &Workspace,
    draft: &Draft,
    host: &Path,
    at: &LayerPath,
    options: AddOptions,
) -> Result<(), Error> {
    let kind = host.metadata().map_err(|cause| Error::host(Act::Add, host, &cause))?;
    let tar = if options.unpack { incoming::tar(host, &kind)? } else { None };
    let work = workspace.work(|| {
        let total = match &tar {
            Some(tar) if !tar.is_plain() => Total::Unknown,
            // a tar is little more than its files
            _ if kind.is_file() => Total::of_bytes(kind.len()),
            _ => Total::of_tree(Dir::open(host)),
        };
        (format!("adding {}", host.display()), total)
    });
    let mut progress = work.watch();
    let notes = if let Some(mut tar) = tar {
        let added = workspace.store()?.add_tar(draft, at, &mut tar, options.owner, &mut progress);
        let added = added.map_err(Error::from).and_then(|notes| tar.finish().map(|()| notes));
        if tar.was_stopped() { Err(Error::Interrupted) } else { added }
    } else {
        let added = workspace.store()?.add_host(draft, at, host, options.owner, &mut progress);
        added.map_err(|error| match error {
            // what the host refuses is no fault of the store's
            store::Error::Io { path, errno, .. } if path.starts_with(host) => {
                Error::Host { act: Act::Add, path, errno }
            }
            other => other.into(),
        })
    };
    drop(work);
    for note in notes? {
        match note {
            store::Note::Own => workspace.note_own_files(),
            note => workspace.note(note.to_string()),
        }
    }
    Ok(())
}

/// Writes a sealed layer's canonical tar to a host file, whole or not at all.
pub(super) fn export(workspace: &Workspace, id: TreeId, host: &Path) -> Result<(), Error> {
    let told = |errno| Error::Host { act: Act::Export, path: host.to_owned(), errno };
    if host.is_dir() {
        return Err(told(Errno::ISDIR));
    }
    let store = workspace.store()?;
    let work = workspace
        .work(|| (format!("exporting to {}", host.display()), Total::of_bytes(total_of(store, id).bytes)));
    store.export_tar_to(id, host, &mut work.watch()).map_err(|error| match error {
        store::Error::Io { path, errno, .. } if path == host => told(errno),
        other => other.into(),
    })
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
    pub fn write_script(&self, host: &ToWrite, text: &[u8], replace: bool) -> Result<(), Error> {
        let host = host.path();
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
    (files, said): (&dyn Files, Option<&Said>),
    at: &LayerPath,
    host: &Path,
) -> Result<(), Error> {
    let told = |errno| Error::Host { act: Act::CopyOut, path: host.to_owned(), errno };
    if host.symlink_metadata().is_ok() {
        return Err(told(Errno::EXIST));
    }
    let parent = host.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = host.file_name().ok_or_else(|| told(Errno::INVAL))?;
    let target = Dir::open(parent).map_err(told)?;
    let target = HostDir::host(std::rc::Rc::new(target), workspace.identity());
    // no other fault of a single name is possible
    let to = files::path(name.as_bytes()).map_err(|_| told(Errno::NAMETOOLONG))?;
    let work = workspace.work(|| files::about("copying", files, at));
    let beyond = Beyond { said, host: Some(host), ..Beyond::default() };
    let copied = copying::copy(files, at, &target, &to, &work, &beyond);
    drop(work);
    if let Some(left_out) = beyond.left_out.take().say() {
        workspace.note(format!("not on the host, which does not take it: {left_out}"));
    }
    copied
}
