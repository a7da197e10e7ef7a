//! Host files into a draft, with all that the host says of them.
//!
//! Nothing on the host is trusted to be a mark: its own `user.overlay.*` attributes stay attributes. Symlinks are
//! copied, never followed. A file that is there already is replaced; a directory is merged with the one there.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::changes::{descend, is_whiteout, mark_opaque, put_whiteout, say};
use super::error::{io, tree as failed};
use super::seal::Progress;
use super::walk::{identity, is_bookkeeping};
use super::{Draft, Error, Kept, Store, place};
use crate::model::{Identity, Kind, LayerPath, Metadata, Node, WhiteoutForm, Xattrs, decode_xattrs, names};
use crate::sys::step::step;
use crate::sys::{Dir, Errno, RawItem, RawStat, copy, process, xattr};
use crate::tar;

/// One remark on what was added to a draft.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// A socket was left out: no layer can hold one.
    Socket(LayerPath),
    /// A character device 0:0 was taken as the whiteout that it is to the kernel.
    Whiteout(LayerPath),
    /// An attribute was left out: neither the host nor our own attributes could keep it.
    Attribute {
        /// The file.
        path: LayerPath,
        /// The attribute.
        name: Box<[u8]>,
    },
    /// Files of the user's own have the owner 0 in the layer.
    Own,
    /// The owner of files could not be known: the user namespace does not show it.
    Owner {
        /// The first of them.
        path: LayerPath,
        /// How many they are.
        count: u64,
        /// What stands in the place of their owners.
        shown: (u32, u32),
    },
    /// A remark on the tar.
    Tar(tar::Note),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "left out the socket {path:?}"),
            Self::Whiteout(path) => write!(f, "took the device 0:0 at {path:?} as a whiteout"),
            Self::Attribute { path, name } => {
                write!(f, "left out the attribute `{}` of {path:?}", name.escape_ascii())
            }
            Self::Own => f.write_str("files of yours have the owner 0:0 in the layer"),
            Self::Owner { path, count, shown: (uid, gid) } => write!(
                f,
                "the owners of {count} files, {path:?} first, cannot be known in this user namespace and are {uid}:{gid} \
                 there: the option `owner: \"0:0\"` gives all one"
            ),
            Self::Tar(note) => note.fmt(f),
        }
    }
}

/// What adding to a draft gathers.
pub(super) struct Adding<'a> {
    pub(super) tree: Dir,
    pub(super) form: WhiteoutForm,
    pub(super) kept: Kept,
    /// What was kept before.
    before: Kept,
    /// The owner of all, whatever they have.
    pub(super) owner: Option<(u32, u32)>,
    pub(super) notes: Vec<Note>,
    pub(super) done: Progress,
    pub(super) progress: &'a mut dyn FnMut(Progress) -> bool,
}

impl<'a> Adding<'a> {
    pub(super) fn start(
        store: &Store,
        draft: &Draft,
        owner: Option<(u32, u32)>,
        progress: &'a mut dyn FnMut(Progress) -> bool,
    ) -> Result<Self, Error> {
        let kept = draft.kept()?;
        Ok(Self {
            tree: draft.tree()?,
            form: store.whiteout_form(),
            before: kept.clone(),
            kept,
            owner,
            notes: Vec::new(),
            done: Progress::default(),
            progress,
        })
    }

    pub(super) fn finish(self, draft: &Draft) -> Result<Vec<Note>, Error> {
        if self.kept != self.before {
            draft.set_kept(&self.kept)?;
        }
        Ok(self.notes)
    }

    pub(super) fn tick(&mut self, entries: u64, bytes: u64) -> Result<(), Error> {
        self.done.entries += entries;
        self.done.bytes += bytes;
        if (self.done.entries.is_multiple_of(64) || bytes > 0) && !(self.progress)(self.done) {
            return Err(Error::Interrupted);
        }
        Ok(())
    }

    /// Gives a file just made its metadata, and remembers what it could not take.
    pub(super) fn metadata(
        &mut self,
        dir: &Dir,
        name: &[u8],
        path: &LayerPath,
        kind: Kind,
        meta: &Metadata,
    ) -> Result<(), Error> {
        self.give(path, meta, |meta| {
            if kind == Kind::Dir {
                say(dir, name).and_then(|()| place::replace_metadata(dir, name, Kind::Dir, meta))
            } else {
                place::set_metadata(dir, name, kind, meta)
            }
        })
    }

    /// As [`Adding::metadata`], of a regular file that is open still.
    pub(super) fn file_metadata(
        &mut self,
        dir: &Dir,
        name: &[u8],
        path: &LayerPath,
        file: &File,
        meta: &Metadata,
    ) -> Result<(), Error> {
        self.give(path, meta, |meta| place::set_new_file(dir, name, file, meta))
    }

    fn give(
        &mut self,
        path: &LayerPath,
        meta: &Metadata,
        set: impl FnOnce(&Metadata) -> Result<place::LeftOver, Errno>,
    ) -> Result<(), Error> {
        let owned = self.owner.map(|(uid, gid)| Metadata { uid, gid, ..meta.clone() });
        let meta = owned.as_ref().unwrap_or(meta);
        can_be_listed(path, &meta.xattrs)?;
        let left = set(meta).map_err(failed("set the owner, mode or attributes of", path))?;
        self.kept.set(path, left.owner, left.time);
        self.notes.extend(left.xattrs.into_iter().map(|name| Note::Attribute { path: path.clone(), name }));
        Ok(())
    }
}

/// Refuses attributes whose names Linux would keep, but never list again, so that the layer could not be sealed.
///
/// # Source
/// Linux `include/uapi/linux/limits.h`, `XATTR_LIST_MAX`.
fn can_be_listed(path: &LayerPath, xattrs: &Xattrs) -> Result<(), Error> {
    const LISTED: usize = 65_536;
    /// Room for marks of our own, in bytes.
    const SPARE: usize = 1024;
    let stored =
        |name: &[u8]| name.len() + 1 + if name.starts_with(b"user.") { 0 } else { names::XATTR.len() };
    let bytes: usize = xattrs.keys().map(|name| stored(name)).sum();
    if bytes <= LISTED - SPARE {
        return Ok(());
    }
    Err(Error::Attributes { path: path.clone(), count: xattrs.len(), bytes, limit: LISTED - SPARE })
}

impl Store {
    /// Copies a host file or directory into a draft. A directory becomes `at`, merged with what is there; a file
    /// becomes `at` too, but goes into it under its own name where `at` is a directory. All get `owner`, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`] with the host path, [`Error::Tree`] with the path in the draft, [`Error::NotADirectory`],
    /// [`Error::Interrupted`]. What was copied before stays in the draft.
    pub fn add_host(
        &self,
        draft: &Draft,
        at: &LayerPath,
        host: &Path,
        owner: Option<(u32, u32)>,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Vec<Note>, Error> {
        let _step = step("copy into a draft", || host.display().to_string());
        let mut copier = Copier {
            adding: Adding::start(self, draft, owner, progress)?,
            identity: identity(),
            unknown: process::unknown_owner(),
            own: false,
            unseen: None,
            links: HashMap::new(),
            into: draft.tree()?.stat_self().map_err(failed("look at", &LayerPath::root()))?,
        };
        let copied = copier.start(at, host);
        // what is in the draft already keeps its owners, also when the rest failed
        copier.note_owners();
        let finished = copier.adding.finish(draft);
        copied.and(finished)
    }
}

struct Copier<'a> {
    adding: Adding<'a>,
    identity: Identity,
    /// The IDs that stand for all that this process's user namespace does not show.
    unknown: (Option<u32>, Option<u32>),
    /// Whether a file was this user's own.
    own: bool,
    /// The first file whose owner is not known, and how many there were.
    unseen: Option<(LayerPath, u64)>,
    /// Inodes with several names → the first path in the draft.
    links: HashMap<(u64, u64), LayerPath>,
    /// The draft's own root, which must not be copied into itself.
    into: RawStat,
}

/// A host directory that is being copied.
struct Level {
    source: Dir,
    stat: RawStat,
    /// The directory of the draft that holds the copy.
    holder: Rc<Dir>,
    /// The copy.
    target: Rc<Dir>,
    path: LayerPath,
    host: PathBuf,
    /// The names still to come.
    left: std::vec::IntoIter<RawItem>,
}

impl Copier<'_> {
    /// Looks whose a file is that is copied.
    fn look_at_owner(&mut self, stat: &RawStat, path: &LayerPath) {
        if self.unknown.0 == Some(stat.uid) || self.unknown.1 == Some(stat.gid) {
            self.unseen.get_or_insert_with(|| (path.clone(), 0)).1 += 1;
        }
        // root's are root's in the layer, too
        let is_root = self.identity == Identity::AsIs && self.unknown.0.is_none();
        self.own |= !is_root && stat.uid == crate::sys::dir::own_ids().0;
    }

    /// Remarks on owners that are not as the host has them.
    fn note_owners(&mut self) {
        if self.adding.owner.is_some() {
            return;
        }
        if self.own {
            self.adding.notes.push(Note::Own);
        }
        if let Some((path, count)) = self.unseen.take() {
            let shown = (self.unknown.0.unwrap_or(0), self.unknown.1.unwrap_or(0));
            self.adding.notes.push(Note::Owner { path, count, shown });
        }
    }

    fn start(&mut self, at: &LayerPath, host: &Path) -> Result<(), Error> {
        let look = std::fs::symlink_metadata(host);
        let is_dir = look.map_err(|error| io("find", host)(super::error::errno_of(&error)))?.is_dir();
        if is_dir {
            let source = Dir::open(host).map_err(io("open", host))?;
            return self.dir(source, at, host);
        }
        // a path such as `dir/..` is a directory, so a file has both
        let (parent, name) = (host.parent().unwrap_or(Path::new("")), host.file_name().unwrap_or_default());
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let source = Dir::open(parent).map_err(io("open", parent))?;
        let into_dir = at.is_root() || beneath_if_there(&self.adding.tree, at)?.is_some();
        let target = if into_dir { join(at, name.as_bytes(), host)? } else { at.clone() };
        let above = target.parent().unwrap_or_default();
        let dir = descend(&self.adding.tree, &above, &target, &mut |_, _| {})?;
        let found = self.name(&source, name.as_bytes(), &Rc::new(dir), target, host.to_owned())?;
        // it has become one since it was looked at
        found.map_or(Ok(()), |level| self.merge(level))
    }

    /// Copies a directory's metadata and all beneath it to `path`.
    fn dir(&mut self, source: Dir, path: &LayerPath, host: &Path) -> Result<(), Error> {
        let stat = source.stat_self().map_err(io("look at", host))?;
        if (stat.dev, stat.ino) == (self.into.dev, self.into.ino) {
            return Err(io("copy into itself", host)(Errno::INVAL));
        }
        let holder = match path.parent() {
            Some(parent) => descend(&self.adding.tree, &parent, path, &mut |_, _| {})?,
            None => self.adding.tree.duplicate().map_err(failed("open", path))?,
        };
        self.merge(Self::enter(source, stat, &Rc::new(holder), path.clone(), host.to_owned())?)
    }

    /// Copies all beneath a directory; however deep that is, it needs no more stack.
    fn merge(&mut self, top: Level) -> Result<(), Error> {
        let mut levels = vec![top];
        while let Some(level) = levels.last_mut() {
            let Some(item) = level.left.next() else {
                if let Some(done) = levels.pop() {
                    self.leave(&done)?;
                }
                continue;
            };
            let path = join(&level.path, &item.name, &level.host)?;
            let host = level.host.join(std::ffi::OsStr::from_bytes(&item.name));
            let deeper = self.name(&level.source, &item.name, &level.target, path, host)?;
            levels.extend(deeper);
        }
        Ok(())
    }

    /// Makes a directory and lists what is to go into it.
    fn enter(
        source: Dir,
        stat: RawStat,
        holder: &Rc<Dir>,
        path: LayerPath,
        host: PathBuf,
    ) -> Result<Level, Error> {
        let name = path.file_name().unwrap_or(b".");
        let target = Rc::new(ready_dir(holder, name, &path)?);
        let left = source.items().map_err(io("list", &host))?.into_iter();
        Ok(Level { source, stat, holder: Rc::clone(holder), target, path, host, left })
    }

    /// Gives a directory its metadata, once all is in it.
    fn leave(&mut self, level: &Level) -> Result<(), Error> {
        self.look_at_owner(&level.stat, &level.path);
        let raw = level.source.xattrs_self().map_err(io("read the attributes of", &level.host))?;
        let meta = self.read_metadata(&level.stat, &raw);
        let name = level.path.file_name().unwrap_or(b".");
        self.adding.metadata(&level.holder, name, &level.path, Kind::Dir, &meta)?;
        self.adding.tick(1, 0)
    }

    /// Copies one name; gives the level to go through next where it is a directory.
    fn name(
        &mut self,
        source: &Dir,
        name: &[u8],
        target: &Rc<Dir>,
        path: LayerPath,
        host: PathBuf,
    ) -> Result<Option<Level>, Error> {
        let stat = source.stat(name).map_err(io("look at", &host))?;
        if stat.kind == Kind::Dir {
            let inner = source.dir(name).map_err(io("open", &host))?;
            if (stat.dev, stat.ino) == (self.into.dev, self.into.ino) {
                return Err(io("copy into itself", &host)(Errno::INVAL));
            }
            return Self::enter(inner, stat, target, path, host).map(Some);
        }
        self.file(source, name, &stat, target, &path, &host).map(|()| None)
    }

    /// Copies one name that is no directory.
    fn file(
        &mut self,
        source: &Dir,
        name: &[u8],
        stat: &RawStat,
        target: &Dir,
        path: &LayerPath,
        host: &Path,
    ) -> Result<(), Error> {
        let new = path.file_name().unwrap_or(name);
        if stat.kind == Kind::Socket {
            self.adding.notes.push(Note::Socket(path.clone()));
            return Ok(());
        }
        if stat.is_whiteout() {
            self.adding.notes.push(Note::Whiteout(path.clone()));
            return put_whiteout(&self.adding.tree, path, self.adding.form);
        }
        let key = (stat.nlink > 1).then_some((stat.dev, stat.ino));
        if let Some(first) = key.and_then(|key| self.links.get(&key)).cloned() {
            self.link(&first, target, new, path)?;
            return self.adding.tick(1, 0);
        }
        self.look_at_owner(stat, path);
        target.remove_tree(new).map_err(failed("replace", path))?;
        let raw = xattr::all_at(source, name).map_err(io("read the attributes of", host))?;
        let meta = self.read_metadata(stat, &raw);
        let node = match stat.kind {
            Kind::Symlink => {
                Node::Symlink { target: source.read_link(name).map_err(io("read the symlink", host))?.into() }
            }
            Kind::Fifo => Node::Fifo,
            Kind::CharDevice => Node::CharDevice(stat.rdev),
            Kind::BlockDevice => Node::BlockDevice(stat.rdev),
            Kind::File | Kind::Dir | Kind::Socket => Node::File { size: stat.size },
        };
        if let Node::File { .. } = node {
            let from = source.file(name).map_err(io("open", host))?;
            let to = target.create(new, crate::model::Mode::new(0o600)).map_err(failed("make", path))?;
            // whether to stop, the copy looks for itself
            let mut told = |bytes| self.adding.tick(0, bytes).unwrap_or_default();
            let contents = copy::contents(&from, &to, stat.size, &mut told);
            contents.map_err(|errno| match errno {
                Errno::INTR => Error::Interrupted,
                errno => failed("write", path)(errno),
            })?;
            self.adding.tick(0, 0)?;
            self.adding.file_metadata(target, new, path, &to, &meta)?;
        } else {
            place::make(target, new, &node).map_err(failed("make", path))?;
            // a stand-in for a device is a file
            let kind = target.stat(new).map_err(failed("look at", path))?.kind;
            self.adding.metadata(target, new, path, kind, &meta)?;
        }
        if let Some(key) = key {
            self.links.insert(key, path.clone());
        }
        self.adding.tick(1, 0)
    }

    fn link(&mut self, first: &LayerPath, target: &Dir, new: &[u8], path: &LayerPath) -> Result<(), Error> {
        if first == path {
            return Ok(());
        }
        target.remove_tree(new).map_err(failed("replace", path))?;
        link(&self.adding.tree, first, target, new).map_err(failed("link", path))?;
        self.adding.kept.copy(first, path);
        Ok(())
    }

    fn read_metadata(&self, stat: &RawStat, raw: &xattr::RawXattrs) -> Metadata {
        let (uid, gid) = self.identity.to_layer(stat.uid, stat.gid);
        Metadata { mode: stat.mode, uid, gid, mtime: stat.mtime, xattrs: plain_xattrs(raw) }
    }
}

/// The attributes of a host file, none of them taken for a mark. What the kernel keeps for itself, in the upper of a
/// mount or in a sealed layer, is nobody's attribute.
fn plain_xattrs(raw: &xattr::RawXattrs) -> Xattrs {
    let mut plain = Xattrs::new();
    for (name, value) in raw {
        if is_bookkeeping(name) {
            continue;
        }
        if name.starts_with(names::OVERLAY) {
            plain.insert(name.clone().into(), value.clone().into());
        } else if !name.starts_with(names::UFS) && !name.starts_with(b"trusted.") {
            plain.extend(decode_xattrs([(&name[..], &value[..])]).xattrs);
        }
    }
    plain
}

/// Links a file that is in the tree under a further name.
pub(super) fn link(tree: &Dir, first: &LayerPath, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
    let (Some(parent), Some(old)) = (first.parent(), first.file_name()) else { return Err(Errno::PERM) };
    tree.beneath(&parent)?.link(old, dir, name)
}

/// Makes sure that a name is a directory that can be written into; opaque where a whiteout was.
pub(super) fn ready_dir(holder: &Dir, name: &[u8], path: &LayerPath) -> Result<Dir, Error> {
    match holder.dir(name) {
        Ok(dir) => return Ok(dir),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
        Err(errno) => return Err(failed("open", path)(errno)),
    }
    let opaque = is_whiteout(holder, name).map_err(failed("look at", path))?;
    holder.remove_tree(name).map_err(failed("replace", path))?;
    let made = holder.mkdir(name, crate::model::Mode::new(0o700)).and_then(|()| holder.dir(name));
    let dir = made.map_err(failed("make", path))?;
    if opaque {
        mark_opaque(&dir, path)?;
    }
    Ok(dir)
}

fn join(path: &LayerPath, name: &[u8], host: &Path) -> Result<LayerPath, Error> {
    path.join(name).map_err(|source| Error::Path { name: name.to_vec(), dir: PathBuf::from(host), source })
}

/// The directory at a path of a tree; `None` where there is none.
pub(super) fn beneath_if_there(tree: &Dir, path: &LayerPath) -> Result<Option<Dir>, Error> {
    match tree.beneath(path) {
        Ok(dir) => Ok(Some(dir)),
        // something else may lie there, or on the way
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(errno) => Err(failed("open", path)(errno)),
    }
}
