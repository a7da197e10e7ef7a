//! Copying a file or a whole directory from anywhere to anywhere, with all that is said of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::Act;
use super::error::Error;
use super::files::{child, make_parents, on, single};
use super::left_out::LeftOut;
use super::progress::Work;
use super::said::{Said, correct, straight};
use crate::driver::{DirItem, Files, Follow, OpenHow, Stat};
use crate::model::{KeptTime, Kind, LayerPath, Mode, Timestamp, Xattrs, escape_name, names};
use crate::sys::Errno;

/// What a copy in the making allows its owner, whatever the original allows.
const OPEN_DIR: u32 = 0o700;
const OPEN_FILE: u32 = 0o600;

/// Keeps what files that were copied to cannot have.
pub(super) trait Keeper {
    /// Keeps the time that a file is meant to have; whether that could be.
    fn keep_time(&self, at: &LayerPath, meant: Timestamp) -> bool;
    /// Keeps an attribute that was refused to a file; whether that could be.
    fn keep_attribute(&self, at: &LayerPath, name: &[u8], value: &[u8]) -> bool;
}

/// What is known of the two ends of a copy that their files themselves do not tell.
#[derive(Default)]
pub(super) struct Beyond<'a> {
    /// What the layers say of the originals.
    pub(super) said: Option<&'a Said>,
    /// Keeps in its upper what the files there cannot have.
    pub(super) keeper: Option<&'a dyn Keeper>,
    /// The path on the host that is copied to, for messages.
    pub(super) host: Option<&'a Path>,
    /// What was left out.
    pub(super) left_out: RefCell<LeftOut>,
}

/// Copies a file or a whole directory with modes, owners, times, attributes and hard links. What the target cannot have is
/// left out; devices beneath a directory, too, where this user cannot make them.
pub(super) fn copy(
    source: &dyn Files,
    from: &LayerPath,
    target: &dyn Files,
    to: &LayerPath,
    work: &Work,
    beyond: &Beyond<'_>,
) -> Result<(), Error> {
    let stat = on(Act::Copy, from, source.stat(from, Follow::No))?;
    if std::ptr::addr_eq(source, target) && to.is_within(from) && stat.kind() == Kind::Dir {
        return on(Act::Copy, from, Err(Errno::INVAL));
    }
    make_parents(target, to)?;
    let typed = Paths { from: from.clone(), to: to.clone() };
    let real = Paths { from: straight(source, from), to: straight(target, to) };
    let trip = Trip { typed, real, work, beyond };
    let ends = Ends { source: (source, from), target: (target, to), trip: &trip };
    let original = trip.look(Paths { from: from.clone(), to: to.clone() }, stat)?;
    if original.stat.kind() == Kind::Dir { copy_dir(&ends, original) } else { ends.copy_node(&original) }
}

/// One copy, whole.
struct Trip<'a> {
    /// Where it goes from and to as the user says it.
    typed: Paths,
    /// The same without symlinks on the way, as layers have it.
    real: Paths,
    work: &'a Work,
    beyond: &'a Beyond<'a>,
}

/// A file to copy.
struct Original {
    paths: Paths,
    stat: Stat,
    /// Attributes that its layer has and that the host may have refused to it.
    attributes: Xattrs,
}

impl Trip<'_> {
    /// Ties an errno to a path of the copy, as the user says it.
    fn on_copy<T>(&self, path: &LayerPath, result: Result<T, Errno>) -> Result<T, Error> {
        let Some(host) = self.beyond.host else { return on(Act::Copy, path, result) };
        result.map_err(|errno| {
            let below = path.below(&self.typed.to).unwrap_or_default();
            let beneath = || host.join(OsStr::from_bytes(below.as_bytes()));
            let path = if below.is_root() { host.to_owned() } else { beneath() };
            Error::Host { act: Act::CopyOut, path, errno }
        })
    }

    /// Adds what the layers say of a file.
    fn look(&self, paths: Paths, mut stat: Stat) -> Result<Original, Error> {
        let mut attributes = Xattrs::new();
        if let Some(said) = self.beyond.said
            && let Some(entry) = said.entry(&real(&self.real.from, &self.typed.from, &paths.from)?)?
        {
            correct(&mut stat, &entry);
            attributes = entry.meta.xattrs;
            attributes.retain(|name, _| !name.starts_with(b"user."));
        }
        Ok(Original { paths, stat, attributes })
    }

    /// A time that the copy does not have: in its place it is kept in a mark, or left out.
    fn keep_time(&self, original: &Original) -> Result<(), Error> {
        let to = real(&self.real.to, &self.typed.to, &original.paths.to)?;
        if !self.beyond.keeper.is_some_and(|keeper| keeper.keep_time(&to, original.stat.mtime)) {
            self.beyond.left_out.borrow_mut().time(&original.paths.from);
        }
        Ok(())
    }

    /// The same of an attribute.
    fn keep_attribute(&self, original: &Original, name: &[u8], value: &[u8]) -> Result<(), Error> {
        let to = real(&self.real.to, &self.typed.to, &original.paths.to)?;
        let kept = self.beyond.keeper.is_some_and(|keeper| keeper.keep_attribute(&to, name, value));
        // what a layer never carries is the machine's, not the file's
        if !kept && escape_name(name).is_some() {
            self.beyond.left_out.borrow_mut().attribute(&original.paths.from, name);
        }
        Ok(())
    }
}

/// A path beneath `typed` as one beneath `real`.
fn real(real: &LayerPath, typed: &LayerPath, path: &LayerPath) -> Result<LayerPath, Error> {
    child(real, path.below(typed).unwrap_or_default().as_bytes())
}

/// Where something is copied from and to: each path in a root of its own.
#[derive(Clone, Copy)]
struct Ends<'a> {
    source: (&'a dyn Files, &'a LayerPath),
    target: (&'a dyn Files, &'a LayerPath),
    trip: &'a Trip<'a>,
}

/// The same places as paths from the outermost roots, for messages.
struct Paths {
    from: LayerPath,
    to: LayerPath,
}

/// A directory that is being copied.
struct Level {
    source: Box<dyn Files>,
    target: Box<dyn Files>,
    original: Original,
    /// Whether the target was there before, so that it may hold anything.
    merges: bool,
    /// The names still to come.
    left: std::vec::IntoIter<DirItem>,
}

/// Copies a directory; however deep that is, it needs no more stack, and walks no path from the top twice.
fn copy_dir(ends: &Ends<'_>, original: Original) -> Result<(), Error> {
    let (outermost, trip) = (ends.target.0, ends.trip);
    let mut links: HashMap<(u64, u64), LayerPath> = HashMap::new();
    let mut levels = vec![ends.enter(original)?];
    while let Some(level) = levels.last_mut() {
        let Some(item) = level.left.next() else {
            if let Some(done) = levels.pop() {
                done.leave(trip)?;
            }
            continue;
        };
        trip.work.done(1, 0)?;
        let at = single(&item.name)?;
        let Paths { from, to } = &level.original.paths;
        let paths = Paths { from: child(from, &item.name)?, to: child(to, &item.name)? };
        let stat = on(Act::Copy, &paths.from, level.source.stat(&at, Follow::No))?;
        let original = trip.look(paths, stat)?;
        let ends = Ends { source: (&*level.source, &at), target: (&*level.target, &at), trip };
        let Original { paths, stat, .. } = &original;
        if stat.kind() == Kind::Dir {
            let deeper = ends.enter(original)?;
            levels.push(deeper);
            continue;
        }
        let link = (stat.nlink > 1).then_some((stat.dev, stat.ino));
        if let Some(first) = link.and_then(|link| links.get(&link)) {
            trip.on_copy(&paths.to, outermost.link(first, &paths.to))?;
            continue;
        }
        // what a symlink leads to is not beneath its directory alone
        let through = level.merges && is(Kind::Symlink, ends.target.0, &at);
        let ends = if through { Ends { target: (outermost, &paths.to), ..ends } } else { ends };
        match ends.copy_node(&original) {
            Err(Error::File { errno: Errno::PERM, .. } | Error::Host { errno: Errno::PERM, .. })
                if ends.cannot_have(stat) =>
            {
                trip.beyond.left_out.borrow_mut().device(&paths.from);
            }
            other => {
                other?;
                links.extend(link.map(|link| (link, paths.to.clone())));
            }
        }
    }
    Ok(())
}

impl Level {
    /// Gives the copy its metadata, once all is in it.
    fn leave(self, trip: &Trip<'_>) -> Result<(), Error> {
        let root = LayerPath::root();
        Ends { source: (&*self.source, &root), target: (&*self.target, &root), trip }
            .copy_metadata(&self.original)
    }
}

impl Ends<'_> {
    /// Makes a directory and lists what is to go into it.
    fn enter(&self, original: Original) -> Result<Level, Error> {
        let ((source, from), (target, to)) = (self.source, self.target);
        let Original { paths, stat, .. } = &original;
        let merges = match target.mkdir(to, Mode::new(stat.mode.bits() | OPEN_DIR)) {
            Err(Errno::EXIST) if to.is_root() || is(Kind::Dir, target, to) => true,
            other => self.trip.on_copy(&paths.to, other).map(|()| false)?,
        };
        let source = on(Act::Copy, &paths.from, source.beneath(from))?;
        let target = self.trip.on_copy(&paths.to, target.beneath(to))?;
        let left = on(Act::Copy, &paths.from, source.read_dir(&LayerPath::root()))?.into_iter();
        Ok(Level { source, target, original, merges, left })
    }

    /// Whether it is a device that was not made.
    fn cannot_have(&self, stat: &Stat) -> bool {
        let (target, to) = self.target;
        matches!(stat.kind(), Kind::CharDevice | Kind::BlockDevice)
            && matches!(target.stat(to, Follow::No), Err(Errno::NOENT))
    }

    /// Copies what is no directory.
    fn copy_node(&self, original: &Original) -> Result<(), Error> {
        let ((source, from), (target, to)) = (self.source, self.target);
        let Original { paths, stat, .. } = original;
        match stat.kind() {
            Kind::File => {
                let open = Mode::new(stat.mode.without_set_ids().bits() | OPEN_FILE);
                let mut reader = on(Act::Copy, &paths.from, source.content(from))?;
                let writer = self.trip.on_copy(&paths.to, target.open(to, OpenHow::rewrite(open)))?;
                let told = &mut |bytes| self.trip.work.bytes(bytes);
                self.trip.on_copy(&paths.to, reader.copy_to(&writer, stat.size, told))?;
            }
            Kind::Symlink => {
                let link = on(Act::Copy, &paths.from, source.read_link(from))?;
                self.trip.on_copy(&paths.to, target.symlink(&link, to))?;
            }
            _ => self.trip.on_copy(&paths.to, target.mknod(to, &stat.node, stat.mode))?,
        }
        self.copy_metadata(original)
    }

    /// Gives a copy owner, attributes, mode and times, in the order in which none undoes another: a new owner takes
    /// capabilities, setuid and setgid away, and a mode is part of an access control list.
    fn copy_metadata(&self, original: &Original) -> Result<(), Error> {
        let (target, to) = self.target;
        let Original { paths, stat, .. } = original;
        match target.chown(to, stat.uid, stat.gid) {
            Err(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) => {
                let has = self.trip.on_copy(&paths.to, target.stat(to, Follow::No))?;
                if (has.uid, has.gid) != (stat.uid, stat.gid) {
                    self.trip.beyond.left_out.borrow_mut().owner(&paths.from);
                }
            }
            other => self.trip.on_copy(&paths.to, other)?,
        }
        self.copy_attributes(original)?;
        if stat.kind() != Kind::Symlink {
            self.trip.on_copy(&paths.to, target.chmod(to, stat.mode))?;
        }
        self.trip.on_copy(&paths.to, target.set_times(to, Some(stat.atime), Some(stat.mtime)))?;
        if KeptTime::needs_none(stat.mtime)
            || self.trip.on_copy(&paths.to, target.stat(to, Follow::No))?.mtime == stat.mtime
        {
            return Ok(());
        }
        self.trip.keep_time(original)
    }

    fn copy_attributes(&self, original: &Original) -> Result<(), Error> {
        let ((source, from), (target, to)) = (self.source, self.target);
        let Original { paths, attributes: said, .. } = original;
        let mut attributes = on(Act::Copy, &paths.from, source.xattrs(from))?;
        let refused = said.keys().filter(|name| attributes.iter().all(|has| **has != ***name));
        let refused: Vec<Vec<u8>> = refused.map(|name| name.to_vec()).collect();
        attributes.extend(refused);
        for list in [names::ACCESS_LIST, names::DEFAULT_LIST] {
            // the copy has the one of the directory that it was made in
            if attributes.iter().all(|name| name != list) {
                match target.remove_xattr(to, list) {
                    Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => {}
                    other => self.trip.on_copy(&paths.to, other)?,
                }
            }
        }
        // a list may forbid the others to the copy's owner
        attributes.sort_by_key(|name| name.starts_with(b"system."));
        for name in attributes {
            let said = said.get(&name[..]);
            let value = match (source.xattr(from, &name), said) {
                (Err(Errno::NODATA | Errno::OPNOTSUPP), Some(said)) => said.to_vec(),
                (Err(Errno::NODATA), None) => continue,
                (other, _) => on(Act::Copy, &paths.from, other)?,
            };
            match target.set_xattr(to, &name, &value) {
                // the target's file system or our rights do not allow this attribute
                Err(Errno::OPNOTSUPP | Errno::PERM) => self.trip.keep_attribute(original, &name, &value)?,
                Err(Errno::INVAL) if said.is_some() => self.trip.keep_attribute(original, &name, &value)?,
                other => self.trip.on_copy(&paths.to, other)?,
            }
        }
        Ok(())
    }
}

fn is(kind: Kind, files: &dyn Files, path: &LayerPath) -> bool {
    files.stat(path, Follow::No).is_ok_and(|stat| stat.kind() == kind)
}
