//! The survey of an upper that the kernel's overlay writes: what every name in it is.

use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;

use super::FEW;
use crate::model::{Digest, Hasher, Kind, LayerPath, Marks, Mode, Timestamp};
use crate::sys::{Dir, Errno, RawStat, xattr};
use crate::workspace::Act;
use crate::workspace::error::Error;

/// What a name of the upper is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    /// A file or directory.
    Plain,
    /// One that was copied up.
    Copied,
    /// A directory that hides what lies beneath it.
    Opaque,
    /// A whiteout.
    Whiteout,
}

/// One name of the upper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub(super) mark: Mark,
    pub(super) kind: Kind,
    pub(super) inode: u64,
    pub(super) mode: Mode,
    pub(super) owner: (u32, u32),
    pub(super) links: u64,
    pub(super) size: u64,
    pub(super) mtime: Timestamp,
    pub(super) ctime: Timestamp,
    /// What stat(2) does not tell of a regular file.
    pub(super) inside: Inside,
}

/// What a regular file holds, as far as it was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Inside {
    /// Of its attributes.
    pub(super) attributes: Option<Digest>,
    /// Of its content.
    pub(super) content: Option<Digest>,
}

/// The content of a longer file is not read, in bytes.
const SMALL: u64 = 64 * 1024;

impl Inside {
    fn look(dir: &Dir, name: &[u8], stat: &RawStat) -> Result<Self, Errno> {
        let mut attributes = Hasher::default();
        for (name, value) in xattr::all_at(dir, name)? {
            for part in [name, value] {
                attributes.update(&part.len().to_le_bytes());
                attributes.update(&part);
            }
        }
        let content = if stat.size > SMALL { None } else { content(dir, name) };
        Ok(Self { attributes: Some(attributes.finish()), content })
    }
}

/// A small file's content; `None` where it cannot be read, or grew.
fn content(dir: &Dir, name: &[u8]) -> Option<Digest> {
    let mut bytes = Vec::new();
    dir.file(name).ok()?.take(SMALL + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= SMALL).then(|| Digest::of(&bytes))
}

/// Every name of an upper.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Survey(pub(super) BTreeMap<LayerPath, Seen>);

impl Seen {
    fn new(stat: &RawStat, mark: Mark, inside: Inside) -> Self {
        Self {
            mark,
            kind: stat.kind,
            inode: stat.ino,
            mode: stat.mode,
            owner: (stat.uid, stat.gid),
            links: stat.nlink,
            size: stat.size,
            mtime: stat.mtime,
            ctime: stat.ctime,
            inside,
        }
    }

    pub(super) fn is_dir(&self) -> bool {
        self.kind == Kind::Dir
    }

    /// Whether it is the same file under another name: an inode's number alone may have been given out again.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        let key =
            |seen: &Self| (seen.inode, seen.kind, seen.mtime, if seen.is_dir() { 0 } else { seen.size });
        self.mark != Mark::Whiteout && key(self) == key(other)
    }
}

impl Survey {
    /// Looks at every name; attributes and content are only read of what changed since `before`.
    pub(super) fn take(tree: &Dir, before: Option<&Self>) -> Result<Self, Error> {
        let mut survey = Self::default();
        let root = LayerPath::root();
        let stat = tree.stat_self().map_err(failed(&root))?;
        survey.0.insert(root.clone(), Seen::new(&stat, Mark::Plain, Inside::default()));
        let mut todo = vec![root];
        while let Some(at) = todo.pop() {
            match tree.beneath(&at) {
                Ok(dir) => survey.list(&dir, &at, before, &mut todo)?,
                // gone again, or out of reach for us
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => {}
                Err(errno) => return Err(failed(&at)(errno)),
            }
        }
        Ok(survey)
    }

    /// Looks at every name in a directory; directories among them are `todo`.
    fn list(
        &mut self,
        dir: &Dir,
        at: &LayerPath,
        before: Option<&Self>,
        todo: &mut Vec<LayerPath>,
    ) -> Result<(), Error> {
        for item in dir.items().map_err(failed(at))? {
            let Ok(path) = at.join(&item.name) else { continue };
            let looked = dir.stat(&item.name).and_then(|stat| {
                let known = before.and_then(|survey| survey.0.get(&path));
                let known = known.filter(|known| known.inode == stat.ino && known.ctime == stat.ctime);
                let mark = match known {
                    Some(known) => known.mark,
                    None => mark(dir, &item.name, &stat)?,
                };
                let inside = match known {
                    Some(known) => known.inside,
                    // looked into only where there are few
                    None if stat.kind == Kind::File && self.0.len() < FEW => {
                        Inside::look(dir, &item.name, &stat)?
                    }
                    None => Inside::default(),
                };
                Ok(Seen::new(&stat, mark, inside))
            });
            let seen = match looked {
                Ok(seen) => seen,
                // gone again, or out of reach for us
                Err(Errno::NOENT | Errno::ACCESS) => continue,
                Err(errno) => return Err(failed(&path)(errno)),
            };
            if seen.is_dir() {
                todo.push(path.clone());
            }
            self.0.insert(path, seen);
        }
        Ok(())
    }

    /// The directories in which nothing of the layers beneath shows, as they are opaque or lie in one that is.
    pub(super) fn cut_off(&self) -> HashSet<LayerPath> {
        let mut cut = HashSet::new();
        // a directory comes before what lies in it
        for (path, seen) in self.0.iter().filter(|(_, seen)| seen.is_dir()) {
            let within = || path.parent().is_some_and(|dir| cut.contains(&dir));
            if seen.mark == Mark::Opaque || !cut.is_empty() && within() {
                cut.insert(path.clone());
            }
        }
        cut
    }

    pub(super) fn holds_dir(&self, path: &LayerPath) -> bool {
        self.0.get(path).is_some_and(Seen::is_dir)
    }
}

fn failed(path: &LayerPath) -> impl Fn(Errno) -> Error {
    move |errno| Error::File { act: Act::List, path: path.clone(), errno }
}

fn mark(dir: &Dir, name: &[u8], stat: &RawStat) -> Result<Mark, Errno> {
    if stat.is_whiteout() {
        return Ok(Mark::Whiteout);
    }
    let is = |attribute: &[u8]| xattr::if_there(xattr::get_at(dir, name, attribute));
    if stat.kind == Kind::Dir && is(Marks::User.opaque())?.as_deref() == Some(b"y") {
        return Ok(Mark::Opaque);
    }
    Ok(if is(Marks::User.origin())?.is_some() { Mark::Copied } else { Mark::Plain })
}
