//! Files that deny their owner to read them, opened up for a moment by chmod(2): all that a user without privilege and without
//! a namespace can do to read their content or attributes.
//!
//! Whoever does that holds the lock of the tree's root meanwhile, so that no two do it in one tree at once, and writes first,
//! to a note beside the tree, which modes it is about to change. Where a process was ended before it had set them right, the
//! note says what they were: whoever uses the tree next sets them right by it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use super::error::{io, own, tree as of_tree};
use super::publish::replace_json_beside;
use super::record::{VERSION, hex, read_json, unhex};
use crate::model::{Kind, LayerPath, Mode};
use crate::sys::dir::{chmod_fd, path_of};
use crate::sys::lock::{self, Lock};
use crate::sys::{Dir, Errno, RawStat};

/// The note's name, beside the tree.
pub(super) const NOTE: &str = "barred.json";

/// What is done about a file that denies its owner what is needed to look at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Denied {
    /// It is an error.
    #[default]
    Stays,
    /// It is opened up for a moment; only in trees of the store. `sync`: the note outlives a power cut.
    OpensUp {
        /// Whether the note is synced.
        sync: bool,
    },
}

#[derive(Serialize, Deserialize)]
struct NoteJson {
    version: u32,
    files: Vec<FileJson>,
}

#[derive(Serialize, Deserialize)]
struct FileJson {
    /// In hex.
    path: String,
    was: u32,
    opened: u32,
}

/// A tree of which files may be opened up. What is still open is set right when it is dropped.
pub(super) struct Barred {
    /// The directory that holds the tree, and the note.
    holder: Dir,
    at: PathBuf,
    sync: bool,
    noted: Vec<FileJson>,
    is_noted: bool,
    /// `O_PATH`.
    open: Vec<(OwnedFd, Mode)>,
    _lock: Lock,
}

impl Barred {
    /// Waits until no other process does the same in this tree, and sets right what an earlier one left.
    pub(super) fn new(tree: &Dir, sync: bool) -> Result<Self, Error> {
        let at = tree.host_path().unwrap_or_default();
        let lock = lock::exclusive_dir(tree).map_err(|errno| match errno {
            Errno::INTR => Error::Interrupted,
            errno => io("lock", &at)(errno),
        })?;
        let at = at.parent().map(Path::to_owned).unwrap_or_default();
        let holder = tree.dir(b"..").map_err(io("open", &at))?;
        set_right(&holder, tree, &at)?;
        Ok(Self { holder, at, sync, noted: Vec::new(), is_noted: false, open: Vec::new(), _lock: lock })
    }

    /// Notes files that are about to be opened up, and what each needs; gives how many the note had before.
    pub(super) fn note(&mut self, files: &[(LayerPath, Mode, u32)]) -> Result<usize, Error> {
        let before = self.noted.len();
        self.noted.extend(files.iter().map(|(path, was, needed)| FileJson {
            path: hex(path.as_bytes()),
            was: was.bits(),
            opened: was.bits() | needed,
        }));
        let files = std::mem::take(&mut self.noted);
        let json = NoteJson { version: VERSION, files };
        let written = replace_json_beside(&self.holder, NOTE, &json, &self.at, self.sync);
        self.noted = json.files;
        self.is_noted = true;
        written.map(|()| before)
    }

    /// Need not note any more what came after so many files.
    pub(super) fn forget(&mut self, after: usize) {
        self.noted.truncate(after);
    }

    /// Opens up a file that is noted.
    pub(super) fn open(&mut self, dir: &Dir, name: &[u8], was: Mode, needed: u32) -> Result<(), Errno> {
        let file = dir.handle(name)?;
        chmod_fd(&file, Mode::new(was.bits() | needed))?;
        self.open.push((file, was));
        Ok(())
    }

    /// Opens a file for reading, with what is in the way of that opened up meanwhile.
    pub(super) fn file(&mut self, tree: &Dir, path: &LayerPath) -> Result<File, Error> {
        let mut dir = tree.duplicate().map_err(of_tree("open", path))?;
        let (mut at, mut names) = (LayerPath::root(), path.components().peekable());
        let mut file = Err(Errno::ISDIR);
        while let Some(name) = names.next() {
            at = at.join(name).map_err(|source| Error::Path {
                name: name.to_vec(),
                dir: self.at.clone(),
                source,
            })?;
            let stat = dir.stat(name).map_err(of_tree("look at", &at))?;
            let needed = if stat.kind == Kind::Dir { 0o500 } else { 0o400 };
            if stat.mode.bits() & needed != needed && matches!(stat.kind, Kind::Dir | Kind::File) {
                self.note(&[(at.clone(), stat.mode, needed)])?;
                self.open(&dir, name, stat.mode, needed).map_err(of_tree("open", &at))?;
            }
            if names.peek().is_some() {
                dir = dir.dir(name).map_err(of_tree("open", &at))?;
            } else {
                file = dir.file(name);
            }
        }
        while !self.open.is_empty() {
            self.close().map_err(of_tree("set the mode of", path))?;
        }
        file.map_err(of_tree("open", path))
    }

    /// Gives the file that was opened up last its mode again.
    pub(super) fn close(&mut self) -> Result<(), Errno> {
        let Some((file, mode)) = self.open.pop() else { return Ok(()) };
        chmod_fd(&file, mode).inspect_err(|_| self.open.push((file, mode)))
    }
}

impl Drop for Barred {
    fn drop(&mut self) {
        let mut is_right = true;
        for (file, mode) in self.open.drain(..).rev() {
            if let Err(errno) = chmod_fd(&file, mode) {
                is_right = false;
                let path = path_of(&file).unwrap_or_default();
                log::warn!("the mode of `{}` stays opened up until the next start: {errno}", path.display());
            }
        }
        // a note that stays does no harm: what is not opened up is left as it is
        if self.is_noted
            && is_right
            && let Err(errno) = self.holder.unlink(NOTE.as_bytes())
        {
            log::debug!("{} stays: {errno}", self.at.join(NOTE).display());
        }
    }
}

/// Sets right what a process that was ended left opened up in `holder`'s tree; one that is at work there is let be.
pub(super) fn settle(holder: &Dir, at: &Path) -> Result<(), Error> {
    if !has_note(holder, at)? {
        return Ok(());
    }
    let tree = holder.dir(b"tree").map_err(own("open", at.join("tree")))?;
    match lock::try_dir(&tree, true).map_err(io("lock", at.join("tree")))? {
        Some(_alone) => set_right(holder, &tree, at),
        None => Ok(()),
    }
}

fn has_note(holder: &Dir, at: &Path) -> Result<bool, Error> {
    match holder.stat(NOTE.as_bytes()) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(io("look at", at.join(NOTE))(errno)),
    }
}

/// Whether a process was ended that had files of `holder`'s tree opened up, and has not set them right.
pub(super) fn is_left(holder: &Dir, at: &Path) -> Result<bool, Error> {
    if read_json::<NoteJson>(holder, NOTE, at)?.is_none() {
        return Ok(false);
    }
    let tree = holder.dir(b"tree").map_err(own("open", at.join("tree")))?;
    let alone = lock::try_dir(&tree, false).map_err(io("lock", at.join("tree")))?;
    // who had it may have been about to remove it
    Ok(alone.is_some() && has_note(holder, at)?)
}

/// Does what the note says; only under the lock of the tree's root.
fn set_right(holder: &Dir, tree: &Dir, at: &Path) -> Result<(), Error> {
    let Some(note) = read_json::<NoteJson>(holder, NOTE, at)? else { return Ok(()) };
    let damaged = |why: String| Error::Damaged { path: at.join(NOTE), why };
    let read = |file: &FileJson| {
        let path = unhex(&file.path).and_then(|raw| LayerPath::parse(&raw).ok());
        let path = path.ok_or_else(|| damaged(format!("`{}` is no path in hex", file.path)))?;
        Ok((path, Mode::new(file.was), Mode::new(file.opened)))
    };
    let files: Vec<_> = note.files.iter().map(read).collect::<Result<_, Error>>()?;
    // A directory stands before what lies in it. All are opened first, as one that is right already hides what is not.
    for (path, was, opened) in &files {
        change(tree, path, *was, *opened, &[Kind::Dir])?;
    }
    for (path, was, opened) in files.iter().rev() {
        change(tree, path, *opened, *was, &[Kind::Dir, Kind::File])?;
    }
    match holder.unlink(NOTE.as_bytes()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(io("remove", at.join(NOTE))(errno)),
    }
}

/// Changes the mode of one file, if it has the one that is expected.
fn change(tree: &Dir, path: &LayerPath, from: Mode, to: Mode, kinds: &[Kind]) -> Result<(), Error> {
    let Some((parent, name)) = path.parent().zip(path.file_name()) else { return Ok(()) };
    let gone = |errno| matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP);
    let look = || -> Result<(Dir, RawStat), Errno> {
        let dir = tree.beneath(&parent)?;
        let stat = dir.stat(name)?;
        Ok((dir, stat))
    };
    match look() {
        Ok((dir, stat)) if stat.mode == from && kinds.contains(&stat.kind) => {
            dir.chmod(name, to).map_err(of_tree("set the mode of", path))
        }
        Ok(_) => Ok(()),
        Err(errno) if gone(errno) => Ok(()),
        Err(errno) => Err(of_tree("look at", path)(errno)),
    }
}
