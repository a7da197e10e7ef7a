//! One walk over a layer's tree on disk: every directory opened once, names sorted, symlinks never followed.
//!
//! Decodes what the kernel and we keep in the tree (whiteouts of both forms, opaque marks, stand-ins, owners)
//! into the model's words and hands it on in the order of the canonical tar: a directory, its whiteouts, then
//! each name in it. Holds the names of the directories on the way to where it is, one descriptor for each of these, and
//! each inode that has several names; however deep that is, it needs no more stack.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use super::barred::{Barred, Denied};
use super::error::{io, tree};
pub use super::how::ScanHow;
use super::seal::root_differs;
use super::{Error, place};
use crate::model::{
    Decoded, Entry, Identity, Kind, LayerPath, LinkGroup, Marks, Metadata, Node, Opaque, Trust,
    decode_xattrs, gives_rights, may_be_sealed, names,
};
use crate::sys::dir::{own_ids, set_times_fd, stat_fd};
use crate::sys::xattr::{self, RawXattrs};
use crate::sys::{Dir, Errno, RawItem, RawStat, signals};

/// The kernel's bookkeeping, which a sealed layer does not have; but see [`may_hold_whiteouts`].
const BOOKKEEPING: [&[u8]; 5] = [b"origin", b"impure", b"uuid", b"nlink", b"protattr"];

/// How owners are read here: root, in a user namespace or not, sees a layer's owners as they are; for anybody
/// else, who cannot give files away, the own IDs stand for 0.
pub(super) fn identity() -> Identity {
    match own_ids() {
        (0, _) => Identity::AsIs,
        (uid, gid) => Identity::OwnIsRoot { uid, gid },
    }
}

/// Takes what a walk finds.
pub(super) trait Visit {
    /// Whether files are opened, and the tree is brought to its sealed form on disk.
    const SEALS: bool;
    /// A directory with its whiteouts, in order.
    fn dir(&mut self, path: LayerPath, entry: Entry, whiteouts: Vec<LayerPath>) -> Result<(), Error>;
    /// Any other file; the first name of an inode comes with the open file when it is regular and [`Visit::SEALS`].
    fn file(
        &mut self,
        path: LayerPath,
        entry: Entry,
        content: Option<(&mut File, RawStat)>,
    ) -> Result<(), Error>;
    /// A further name of an inode.
    fn link(&mut self, path: LayerPath, entry: Entry, first: &LayerPath) -> Result<(), Error>;
}

/// Walks the tree `root`.
pub(super) fn walk<V: Visit>(root: &Dir, how: &ScanHow, visit: &mut V) -> Result<(), Error> {
    let owners = identity();
    let place = if how.sealed { root.host_path().unwrap_or_default() } else { PathBuf::new() };
    let barred = match how.denied {
        Denied::Stays => None,
        Denied::OpensUp { sync } => Some(Barred::new(root, sync)?),
    };
    let mut walker = Walker { how, owners, place, visit, links: HashMap::new(), barred };
    let top = LayerPath::root();
    let stat = root.stat_self().map_err(tree("look at", &top))?;
    let dir = root.duplicate().map_err(tree("open", &top))?;
    let mut levels = vec![walker.enter(dir, top, stat, false)?];
    while let Some(level) = levels.last_mut() {
        let Some((name, known)) = level.left.next() else {
            if let Some(done) = levels.pop() {
                walker.leave(&done)?;
            }
            continue;
        };
        let deeper = walker.name(level, &name, known)?;
        levels.extend(deeper);
    }
    Ok(())
}

/// The metadata of a tree's root alone.
pub(super) fn root_metadata(root: &Dir) -> Result<Metadata, Error> {
    let at = || root.host_path().unwrap_or_default();
    let stat = root.stat_self().map_err(|errno| io("look at", at())(errno))?;
    let raw = root.xattrs_self().map_err(|errno| io("read the attributes of", at())(errno))?;
    let decoded = decode(&raw);
    let (uid, gid) = decoded.owner.unwrap_or_else(|| identity().to_layer(stat.uid, stat.gid));
    Ok(Metadata { mode: stat.mode, uid, gid, mtime: stat.mtime, xattrs: decoded.xattrs })
}

fn decode(raw: &RawXattrs) -> Decoded {
    decode_xattrs(raw.iter().map(|(name, value)| (&name[..], &value[..])))
}

/// Whether an attribute is the kernel's bookkeeping.
pub(super) fn is_bookkeeping(name: &[u8]) -> bool {
    name.strip_prefix(names::OVERLAY).is_some_and(|rest| BOOKKEEPING.contains(&rest))
}

/// An inode with several names.
struct Linked {
    first: LayerPath,
    entry: Entry,
}

struct Walker<'a, V> {
    how: &'a ScanHow,
    owners: Identity,
    /// Where a sealed tree lies, for messages.
    place: PathBuf,
    visit: &'a mut V,
    links: HashMap<(u64, u64), Linked>,
    /// Where files may be opened up.
    barred: Option<Barred>,
}

/// A directory that the walk is in.
struct Level {
    dir: Dir,
    path: LayerPath,
    /// The names still to come, in order.
    left: std::vec::IntoIter<(Box<[u8]>, Option<RawStat>)>,
    /// Whether it was opened up.
    opened: bool,
    /// How many files were noted before those of this directory, if any of these is.
    noted: Option<usize>,
}

impl<V: Visit> Walker<'_, V> {
    /// What a file's owner must be allowed.
    fn needed(kind: Kind) -> u32 {
        match kind {
            Kind::Dir => 0o700,
            Kind::File if V::SEALS => 0o600,
            Kind::File => 0o400,
            _ => 0,
        }
    }

    /// Makes a file readable for its owner where that is needed to look at it; whether it was. It is noted together with all
    /// others in its directory that are to come.
    fn open_up(
        &mut self,
        level: &mut Level,
        name: &[u8],
        path: &LayerPath,
        stat: &RawStat,
    ) -> Result<bool, Error> {
        let denies = |stat: &RawStat| stat.mode.bits() & Self::needed(stat.kind) != Self::needed(stat.kind);
        let Some(barred) = self.barred.as_mut().filter(|_| denies(stat)) else { return Ok(false) };
        if level.noted.is_none() {
            let mut files = vec![(path.clone(), stat.mode, Self::needed(stat.kind))];
            for (name, known) in level.left.as_mut_slice() {
                if known.is_none() {
                    // one that is gone is told in its turn
                    *known = level.dir.stat(name).ok();
                }
                if let Some(stat) = known.filter(denies) {
                    files.push((join(&level.dir, &level.path, name)?, stat.mode, Self::needed(stat.kind)));
                }
            }
            level.noted = Some(barred.note(&files)?);
        }
        barred.open(&level.dir, name, stat.mode, Self::needed(stat.kind)).map_err(tree("open", path))?;
        Ok(true)
    }

    /// Gives a file its mode again, if it was opened up.
    fn close(&mut self, opened: bool, path: &LayerPath) -> Result<(), Error> {
        match self.barred.as_mut().filter(|_| opened) {
            Some(barred) => barred.close().map_err(tree("set the mode of", path)),
            None => Ok(()),
        }
    }

    fn leave(&mut self, level: &Level) -> Result<(), Error> {
        if let (Some(barred), Some(before)) = (&mut self.barred, level.noted) {
            barred.forget(before);
        }
        self.close(level.opened, &level.path)
    }

    /// Hands a directory on, and lists the names that are still to come.
    fn enter(&mut self, dir: Dir, path: LayerPath, mut stat: RawStat, opened: bool) -> Result<Level, Error> {
        let mut raw = dir.xattrs_self().map_err(tree("read the attributes of", &path))?;
        if V::SEALS {
            clean_attributes(&path, &dir, &mut raw)?;
        }
        self.drop_forged(&path, Some(dir.as_fd()), stat.uid, &mut raw)?;
        let decoded = decode(&raw);
        let marked = decoded.implied;
        let (mut items, mut whiteouts) = (Vec::new(), Vec::new());
        let mut sockets = Vec::new();
        let mut listed = self.listed(&dir, &path)?;
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for item in listed {
            go_on()?;
            let known = look_for_whiteout(&dir, &path, &item, decoded.opaque)?;
            match known {
                Known::Whiteout => whiteouts.push(join(&dir, &path, &item.name)?),
                Known::Stat(stat) if V::SEALS && stat.kind == Kind::Socket => sockets.push(item),
                Known::Stat(stat) => items.push((item.name, Some(stat))),
                Known::Nothing if V::SEALS && item.kind == Some(Kind::Socket) => sockets.push(item),
                Known::Nothing => items.push((item.name, None)),
            }
        }
        for socket in &sockets {
            let at = join(&dir, &path, &socket.name)?;
            self.visit.file(at.clone(), socket_entry(), None)?;
            dir.unlink(&socket.name).map_err(tree("remove the socket", &at))?;
        }
        if V::SEALS && !whiteouts.is_empty() {
            may_hold_whiteouts(&dir).map_err(tree("mark", &path))?;
        }
        let late = self.how.clamp.filter(|&limit| stat.mtime > limit);
        if V::SEALS && (late.is_some() || !sockets.is_empty()) {
            stat.mtime = late.unwrap_or(stat.mtime);
            dir.set_times_self(None, Some(stat.mtime)).map_err(tree("set the time of", &path))?;
        }
        let node = Node::Dir { opaque: decoded.opaque == Some(Opaque::Yes) };
        let mut entry = self.entry(&path, node, &stat, decoded);
        let implied = match &self.how.root {
            Some(beneath) if path.is_root() => !root_differs(&entry.meta, beneath),
            _ => marked,
        };
        if implied {
            entry = Entry::implied_dir(entry.is_opaque());
            if V::SEALS && self.how.draft {
                place::replace_metadata(&dir, b".", Kind::Dir, &entry.meta)
                    .map_err(tree("set the owner, mode or attributes of", &path))?;
            }
        }
        self.visit.dir(path.clone(), entry, whiteouts)?;
        Ok(Level { dir, path, left: items.into_iter(), opened, noted: None })
    }

    /// The names to look at in a directory: all, or the one on the way to the path that is asked for.
    fn listed(&self, dir: &Dir, path: &LayerPath) -> Result<Vec<RawItem>, Error> {
        let Some(only) = &self.how.only else { return dir.items().map_err(tree("list", path)) };
        let below = only.below(path);
        let Some(name) = below.as_ref().and_then(|below| below.components().next()) else {
            return Ok(Vec::new());
        };
        match dir.stat(name) {
            Ok(stat) => Ok(vec![RawItem { name: name.into(), ino: stat.ino, kind: Some(stat.kind) }]),
            Err(Errno::NOENT) => Ok(Vec::new()),
            Err(errno) => Err(tree("look at", &join(dir, path, name)?)(errno)),
        }
    }

    /// Hands one name on; gives the level to go through next where it is a directory.
    fn name(
        &mut self,
        level: &mut Level,
        name: &[u8],
        known: Option<RawStat>,
    ) -> Result<Option<Level>, Error> {
        go_on()?;
        let path = join(&level.dir, &level.path, name)?;
        let mut stat = match known {
            Some(stat) => stat,
            None => level.dir.stat(name).map_err(tree("look at", &path))?,
        };
        if stat.kind == Kind::Dir {
            let opened = self.open_up(level, name, &path, &stat)?;
            let inner = level.dir.dir(name).map_err(tree("open", &path))?;
            return self.enter(inner, path, stat, opened).map(Some);
        }
        let key = (stat.nlink > 1).then_some((stat.dev, stat.ino));
        if let Some(Linked { first, entry }) = key.and_then(|key| self.links.get(&key)) {
            return self.visit.link(path, entry.clone(), first).map(|()| None);
        }
        let opened = self.open_up(level, name, &path, &stat)?;
        let (dir, mode) = (&level.dir, stat.mode);
        let mut open = None;
        let raw = if V::SEALS && stat.kind == Kind::File {
            let file = dir.file(name).map_err(tree("open", &path))?;
            let mut raw = xattr::all_open(&file).map_err(tree("read the attributes of", &path))?;
            self.clean(&path, &file, &mut raw)?;
            self.drop_forged(&path, Some(file.as_fd()), stat.uid, &mut raw)?;
            stat = stat_fd(&file).map_err(tree("look at", &path))?;
            stat.mode = mode;
            open = Some(file);
            raw
        } else {
            let mut raw = xattr::all_at(dir, name).map_err(tree("read the attributes of", &path))?;
            self.drop_forged(&path, None, stat.uid, &mut raw)?;
            if V::SEALS && self.how.clamp.is_some_and(|limit| stat.mtime > limit) {
                dir.set_times(name, None, self.how.clamp).map_err(tree("set the time of", &path))?;
            }
            raw
        };
        let mut decoded = decode(&raw);
        let node = match stat.kind {
            Kind::Symlink => {
                Node::Symlink { target: dir.read_link(name).map_err(tree("read the symlink", &path))?.into() }
            }
            Kind::File => match decoded.node.take() {
                Some(node) if stat.size == 0 => node,
                _ => Node::File { size: stat.size },
            },
            Kind::Fifo => Node::Fifo,
            Kind::Socket => Node::Socket,
            Kind::CharDevice => Node::CharDevice(stat.rdev),
            Kind::BlockDevice => Node::BlockDevice(stat.rdev),
            Kind::Dir => return Err(Error::Changed { path }),
        };
        let mut entry = self.entry(&path, node, &stat, decoded);
        if let Some(key) = key {
            #[expect(clippy::cast_possible_truncation, reason = "a tree has fewer inodes than a u32 counts")]
            let group = LinkGroup(self.links.len() as u32);
            entry.link = Some(group);
            self.links.insert(key, Linked { first: path.clone(), entry: entry.clone() });
        }
        self.visit.file(path.clone(), entry, open.as_mut().map(|file| (file, stat)))?;
        self.close(opened, &path).map(|()| None)
    }

    /// Takes the marks out that count for nothing on this file; from the file itself, too, where it is sealed.
    fn drop_forged(
        &self,
        path: &LayerPath,
        file: Option<BorrowedFd<'_>>,
        uid: u32,
        raw: &mut RawXattrs,
    ) -> Result<(), Error> {
        if self.how.sealed
            && let Some((name, _)) = raw.iter().find(|(name, value)| !may_be_sealed(name, value))
        {
            let why = format!("{path:?} has the attribute `{}`, which no layer has", name.escape_ascii());
            return Err(Error::Damaged { path: self.place.clone(), why });
        }
        let trusted = self.how.trust.counts(uid);
        let goes = |name: &[u8]| match self.how.trust {
            _ if name == names::IMPLIED => !self.how.draft,
            _ if trusted => false,
            // a time gives nobody anything
            Trust::Nobody => name.starts_with(names::UFS) && name != names::TIME,
            Trust::FilesOf(_) => gives_rights(name),
        };
        for (name, _) in raw.extract_if(.., |(name, _)| goes(name)) {
            if let Some(file) = file.filter(|_| V::SEALS) {
                xattr::remove(file, &name).map_err(tree("clean the attributes of", path))?;
            }
        }
        Ok(())
    }

    /// Brings an open file to its sealed form: no bookkeeping, no late time.
    fn clean(&self, path: &LayerPath, file: &File, raw: &mut RawXattrs) -> Result<(), Error> {
        clean_attributes(path, file, raw)?;
        if let Some(limit) = self.how.clamp {
            let stat = stat_fd(file).map_err(tree("look at", path))?;
            if stat.mtime > limit {
                set_times_fd(file, None, Some(limit)).map_err(tree("set the time of", path))?;
            }
        }
        Ok(())
    }

    fn entry(&self, path: &LayerPath, node: Node, stat: &RawStat, decoded: Decoded) -> Entry {
        let kept = decoded.owner.or_else(|| match node {
            Node::File { .. } | Node::Dir { .. } => None,
            _ => self.how.kept.owners.get(path).copied(),
        });
        let time = decoded.time.or_else(|| self.how.kept.times.get(path).copied());
        let mtime = time.map_or(stat.mtime, |kept| kept.of(stat.mtime));
        let given = self.owners.to_layer(stat.uid, stat.gid);
        let special = !matches!(node, Node::File { .. } | Node::Dir { .. });
        let lost = || self.how.owner_beneath(path, &node).filter(|_| special && given == (0, 0));
        let (uid, gid) = kept.or_else(lost).unwrap_or(given);
        let mode = stat.mode;
        let meta = Metadata { mode, uid, gid, mtime, xattrs: decoded.xattrs };
        let mut entry = Entry::new(node, meta);
        if let Some(limit) = self.how.clamp {
            entry.clamp(limit);
        }
        entry
    }
}

/// Removes the attributes that a sealed layer does not have.
fn clean_attributes(path: &LayerPath, file: impl AsFd, raw: &mut RawXattrs) -> Result<(), Error> {
    for (name, _) in raw.extract_if(.., |(name, _)| is_bookkeeping(name)) {
        xattr::remove(&file, &name).map_err(tree("clean the attributes of", path))?;
    }
    Ok(())
}

/// Makes the kernel look for whiteouts in a directory wherever its layer is stacked.
///
/// It looks for them only where directories merge, and would list those that hide nothing as files: in the lowest layer,
/// in an opaque directory, in one that no other layer has. But a directory that was copied up may hold some, and this
/// says so without saying where from.
///
/// # Source
/// Linux `fs/overlayfs/inode.c`, `ovl_get_inode`, "non-merge dir that may have whiteouts".
fn may_hold_whiteouts(dir: &Dir) -> Result<(), Errno> {
    xattr::set(dir, Marks::User.origin(), b"")
}

/// Ends a walk at Ctrl-C.
fn go_on() -> Result<(), Error> {
    if signals::interrupted() { Err(Error::Interrupted) } else { Ok(()) }
}

/// Whether a listed name is a whiteout; looks only where it could be one.
fn look_for_whiteout(
    dir: &Dir,
    path: &LayerPath,
    item: &RawItem,
    opaque: Option<Opaque>,
) -> Result<Known, Error> {
    let attribute_form = opaque == Some(Opaque::Whiteouts);
    let possible = match item.kind {
        None | Some(Kind::CharDevice) => true,
        Some(Kind::File) => attribute_form,
        _ => false,
    };
    if !possible {
        return Ok(Known::Nothing);
    }
    let failed = |errno| match join(dir, path, &item.name) {
        Ok(at) => tree("look at", &at)(errno),
        Err(error) => error,
    };
    let stat = dir.stat(&item.name).map_err(failed)?;
    if stat.is_whiteout() {
        return Ok(Known::Whiteout);
    }
    if attribute_form && stat.kind == Kind::File && stat.size == 0 {
        match xattr::get_at(dir, &item.name, names::WHITEOUT) {
            Ok(_) => return Ok(Known::Whiteout),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    Ok(Known::Stat(stat))
}

/// What is known of a listed name before its turn comes.
enum Known {
    Whiteout,
    Stat(RawStat),
    Nothing,
}

fn socket_entry() -> Entry {
    Entry::new(Node::Socket, Metadata::default())
}

fn join(dir: &Dir, path: &LayerPath, name: &[u8]) -> Result<LayerPath, Error> {
    path.join(name).map_err(|source| Error::Path {
        name: name.to_vec(),
        dir: dir.host_path().unwrap_or_default(),
        source,
    })
}
