//! Puts right what a check found, one finding at a time.
//!
//! Nothing is removed: what is taken out of its place is moved to `lost+found/`, under a name that says what it was. Each
//! step is one rename of something whole, in an order in which what is left after a kill is found again by the next check.
//! What other processes use is theirs: it is left, with the reason.

mod format;
mod layers;
mod records;

use std::path::Path;

use super::check::{Cure, Finding, Subject, closed};
use super::error::{io, own};
use super::format::PRIVATE;
use super::seal::Progress;
use super::{Error, Store};
use crate::model::{LayerName, LayerPath, Timestamp};
use crate::sys::{Dir, Errno, RenameFlags};

/// Where things are moved that were in the way, in the store's directory.
pub(super) const ASIDE: &str = "lost+found";

/// The longest part of a name that is kept for what is moved aside, in bytes.
const LONGEST: usize = 200;

/// Puts something into a directory, under this name.
type Placing<'a> = dyn Fn(&Dir, &[u8]) -> Result<(), Errno> + 'a;

/// What became of a finding.
#[derive(Debug)]
pub enum Mended {
    /// This was done.
    Done(String),
    /// The mount cannot be mounted again and must be put aside, once nothing of it is mounted.
    PutAside(LayerName),
    /// Nothing could be done.
    Left,
}

impl Store {
    /// Does what a finding's cure says. `now`: the time of names that are made.
    ///
    /// # Errors
    /// [`Error::Busy`] where another process uses it, [`Error::ReadOnly`], [`Error::Interrupted`], [`Error::Io`].
    pub fn mend(
        &self,
        finding: &Finding,
        now: Timestamp,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Mended, Error> {
        self.check_writable()?;
        match (finding.cure, &finding.subject) {
            (Cure::WriteSummary, Subject::Layer(id)) => self.mend_summary(*id),
            (Cure::WriteIndex, Subject::Layer(id)) => self.mend_index(*id, progress),
            (Cure::MendLayer, Subject::Layer(id)) => self.mend_layer(*id, progress),
            (Cure::MendName, Subject::Name(name)) => self.mend_name(name, now),
            (Cure::MendMount, Subject::Mount(name)) => self.mend_mount(name, &finding.path, now),
            (Cure::MendDraft, Subject::Draft(name)) => self.mend_draft(name),
            (Cure::DropIntent, Subject::Mount(name)) => self.drop_commit(name, now),
            (Cure::DropIntent, _) => {
                self.name_orphans(now)?;
                self.set_aside(&finding.path, "intent")
            }
            (Cure::MakeEmpty, Subject::Mount(name)) => self.refill_mount(name),
            (Cure::MakeEmpty, Subject::Draft(name)) => self.refill_draft(name),
            (Cure::MoveAside, _) => self.set_aside(&finding.path, "stray"),
            (Cure::Settle, Subject::Layer(id)) => {
                self.tree_dir(*id)?;
                Ok(Mended::Done("its files have their modes again".to_owned()))
            }
            (Cure::Close, _) => self.close_to_others(&finding.path),
            _ => Ok(Mended::Left),
        }
    }

    /// What lies in `lost+found/`, how many things.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn count_aside(&self) -> Result<usize, Error> {
        let path = self.path.join(ASIDE);
        match self.root()?.dir(ASIDE.as_bytes()) {
            Ok(dir) => Ok(dir.items().map_err(io("list", &path))?.len()),
            Err(Errno::NOENT) => Ok(0),
            Err(errno) => Err(own("open", path)(errno)),
        }
    }

    fn root(&self) -> Result<Dir, Error> {
        Dir::open(&self.path).map_err(io("open", &self.path))
    }

    /// The directory of a path in the store, and the last name.
    fn place_of(&self, path: &Path) -> Result<(Dir, Vec<u8>), Error> {
        use std::os::unix::ffi::OsStrExt as _;
        let inner = path.strip_prefix(&self.path).unwrap_or(Path::new(""));
        let Some(name) = inner.file_name() else { return Ok((self.root()?, b".".to_vec())) };
        let parent = inner.parent().unwrap_or(Path::new("")).as_os_str().as_bytes();
        let at = LayerPath::parse(parent).map_err(|source| Error::Path {
            name: parent.to_vec(),
            dir: self.path.clone(),
            source,
        })?;
        let dir = self.root()?.beneath(&at).map_err(own("open", path))?;
        Ok((dir, name.as_bytes().to_vec()))
    }

    /// Moves something out of its place; what is gone already is no error.
    fn set_aside(&self, path: &Path, what: &str) -> Result<Mended, Error> {
        let (dir, name) = self.place_of(path)?;
        Ok(match self.move_aside(&dir, &name, what, path)? {
            Some(at) => Mended::Done(format!("moved to `{at}`")),
            None => Mended::Done("it is gone already".to_owned()),
        })
    }

    /// Moves a name of a directory to `lost+found/`; gives where it lies from now on, in the store.
    fn move_aside(&self, from: &Dir, name: &[u8], what: &str, path: &Path) -> Result<Option<String>, Error> {
        self.place_aside(name, what, path, &|to, aside| from.rename(name, to, aside, RenameFlags::NOREPLACE))
    }

    /// Gives a file a second name in `lost+found/`, before it is replaced.
    fn keep_copy(&self, from: &Dir, name: &[u8], what: &str, path: &Path) -> Result<Option<String>, Error> {
        self.place_aside(name, what, path, &|to, aside| from.link(name, to, aside))
    }

    fn place_aside(
        &self,
        name: &[u8],
        what: &str,
        path: &Path,
        go: &Placing<'_>,
    ) -> Result<Option<String>, Error> {
        let (root, at) = (self.root()?, self.path.join(ASIDE));
        match root.mkdir(ASIDE.as_bytes(), PRIVATE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(io("make", at)(errno)),
        }
        let to = root.dir(ASIDE.as_bytes()).map_err(own("open", &at))?;
        let name = &name[..name.len().min(LONGEST)];
        for number in 1_u64.. {
            let aside = [what.as_bytes(), b"-", name, format!("-{number}").as_bytes()].concat();
            match go(&to, &aside) {
                Ok(()) => {
                    self.sync_dir(&to, &at)?;
                    return Ok(Some(format!("{ASIDE}/{}", aside.escape_ascii())));
                }
                Err(Errno::EXIST) => {}
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(io("move away", path)(errno)),
            }
        }
        Ok(None)
    }

    fn close_to_others(&self, path: &Path) -> Result<Mended, Error> {
        let (dir, name) = self.place_of(path)?;
        let mode = dir.stat(&name).map_err(io("look at", path))?.mode;
        let mode = closed(mode, path == self.path);
        dir.chmod(&name, mode).map_err(io("set the mode of", path))?;
        Ok(Mended::Done(format!("its mode is {mode} now")))
    }
}
