//! What the layers of a mount, or one alone, say of a file where the file itself cannot: a time that no file system holds,
//! an attribute or an owner that the host refuses. Programs in a mount see what the host has in its place.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::error::Error;
use crate::driver::{Files, Follow, Stat};
use crate::model::{Change, Changeset, Entry, KeptTime, Kind, LayerPath};
use crate::overlay;
use crate::store::{ScanHow, scan};
use crate::sys::{Dir, Errno};

/// As many symlinks as the kernel follows (`path_resolution(7)`).
const SYMLINKS: usize = 40;

/// A stack's words about its files.
pub(super) struct Said {
    /// Bottom → top; a mount's upper last.
    parts: Vec<Part>,
}

/// One layer of them, read once something is asked.
pub(super) struct Part {
    read: Box<dyn Fn() -> Result<Words, Error>>,
    words: OnceCell<Words>,
}

/// What a layer's words are read from.
#[derive(Clone)]
pub(super) enum Words {
    /// A sealed layer's index.
    Index(Rc<Changeset>),
    /// Any other layer's tree, of which single paths are read.
    Tree(Rc<Dir>, ScanHow),
}

impl Part {
    pub(super) fn new(read: impl Fn() -> Result<Words, Error> + 'static) -> Self {
        Self { read: Box::new(read), words: OnceCell::new() }
    }

    /// What it says of a path and of the directories above it, at least.
    fn at(&self, path: &LayerPath) -> Result<Rc<Changeset>, Error> {
        if self.words.get().is_none() {
            let words = (self.read)()?;
            self.words.get_or_init(|| words);
        }
        match self.words.get() {
            None => Ok(Rc::default()),
            Some(Words::Index(changes)) => Ok(Rc::clone(changes)),
            Some(Words::Tree(tree, how)) => {
                let how = ScanHow { only: Some(path.clone()), ..how.clone() };
                Ok(Rc::new(scan(tree, &how)?.changes))
            }
        }
    }
}

impl Said {
    /// By layers, bottom → top.
    pub(super) fn by(parts: impl IntoIterator<Item = Part>) -> Self {
        Self { parts: parts.into_iter().collect() }
    }

    /// What is said of a path without symlinks on the way; `None` for a directory that is only implied, and where the
    /// layers show nothing.
    pub(super) fn entry(&self, at: &LayerPath) -> Result<Option<Entry>, Error> {
        let mut words = Vec::new();
        for part in self.parts.iter().rev() {
            let word = part.at(at)?;
            let said = matches!(word.get(at), Some(Change::Put(entry)) if !entry.implied);
            words.push(word);
            if said {
                break;
            }
        }
        let stack: Vec<&Changeset> = words.iter().rev().map(|word| &**word).collect();
        let shown = overlay::resolve(&stack, at).map(|shown| shown.entry);
        Ok(shown.filter(|entry| !entry.implied).cloned())
    }

    /// An attribute that is said of a file.
    pub(super) fn xattr(&self, at: &LayerPath, name: &[u8]) -> Result<Option<Box<[u8]>>, Error> {
        Ok(self.entry(at)?.and_then(|mut entry| entry.meta.xattrs.remove(name)))
    }

    /// The names of the attributes that are said of a file beside those that it has: the host refuses them. It has every
    /// `user.*` attribute that it can have.
    pub(super) fn refused(&self, at: &LayerPath, has: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Error> {
        let said = self.entry(at)?.map(|entry| entry.meta.xattrs).unwrap_or_default();
        let refused = |name: &[u8]| !name.starts_with(b"user.") && has.iter().all(|has| **has != *name);
        Ok(said.into_keys().filter(|name| refused(name)).map(Vec::from).collect())
    }

    /// A file's attributes with all that the layers say of it.
    pub(super) fn complete(&self, files: &dyn Files, at: &LayerPath, mut stat: Stat) -> Result<Stat, Error> {
        if is_doubtful(&stat)
            && let Some(entry) = self.entry(&straight(files, at))?
        {
            correct(&mut stat, &entry);
        }
        Ok(stat)
    }
}

/// Whether a file may be meant to have another time or owner than it has: what is no file or directory keeps no marks.
pub(super) fn is_doubtful(stat: &Stat) -> bool {
    KeptTime::is_possible(stat.mtime) || !matches!(stat.kind(), Kind::File | Kind::Dir)
}

/// Puts what a layer says in the place of what its file has.
pub(super) fn correct(stat: &mut Stat, entry: &Entry) {
    if entry.node.kind() != stat.kind() {
        // it was replaced meanwhile
        return;
    }
    if KeptTime::is_possible(stat.mtime) {
        stat.mtime = entry.meta.mtime;
    }
    if !matches!(stat.kind(), Kind::File | Kind::Dir) {
        (stat.uid, stat.gid) = (entry.meta.uid, entry.meta.gid);
    }
}

/// The same file by a path without symlinks on the way (at the end there may be one); the path itself where it leads nowhere.
pub(super) fn straight(files: &dyn Files, path: &LayerPath) -> LayerPath {
    resolved(files, path).unwrap_or_else(|_| path.clone())
}

fn resolved(files: &dyn Files, path: &LayerPath) -> Result<LayerPath, Errno> {
    let mut todo: VecDeque<Box<[u8]>> = path.components().map(Box::from).collect();
    let (mut at, mut links) = (LayerPath::root(), 0);
    while let Some(name) = todo.pop_front() {
        if *name == *b".." {
            at = at.parent().unwrap_or_default();
            continue;
        }
        let next = at.join(&name).map_err(|_| Errno::NAMETOOLONG)?;
        if todo.is_empty() || files.stat(&next, Follow::No)?.kind() != Kind::Symlink {
            at = next;
            continue;
        }
        links += 1;
        if links > SYMLINKS {
            return Err(Errno::LOOP);
        }
        let target = files.read_link(&next)?;
        if target.first() == Some(&b'/') {
            at = LayerPath::root();
        }
        let names = target.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
        for name in names.rev() {
            todo.push_front(name.into());
        }
    }
    Ok(at)
}
