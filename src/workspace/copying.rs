//! Copying a file or a whole directory from anywhere to anywhere.

use std::collections::HashMap;

use super::Act;
use super::error::Error;
use super::files::{child, make_parents, on, single};
use super::progress::Work;
use crate::driver::{DirItem, Files, Follow, OpenHow, Stat};
use crate::model::{Kind, LayerPath, Mode, names};
use crate::sys::Errno;

/// What a copy in the making allows its owner, whatever the original allows.
const OPEN_DIR: u32 = 0o700;
const OPEN_FILE: u32 = 0o600;

/// Copies a file or a whole directory with modes, owners, times, attributes and hard links.
pub(super) fn copy(
    source: &dyn Files,
    from: &LayerPath,
    target: &dyn Files,
    to: &LayerPath,
    work: &Work,
) -> Result<(), Error> {
    let stat = on(Act::Copy, from, source.stat(from, Follow::No))?;
    if std::ptr::addr_eq(source, target) && to.is_within(from) && stat.kind() == Kind::Dir {
        return on(Act::Copy, from, Err(Errno::INVAL));
    }
    make_parents(target, to)?;
    let ends = Ends { source: (source, from), target: (target, to), work };
    let paths = Paths { from: from.clone(), to: to.clone() };
    if stat.kind() == Kind::Dir { copy_dir(&ends, paths, stat) } else { ends.copy_node(&paths, &stat) }
}

/// Where something is copied from and to: each path in a root of its own.
#[derive(Clone, Copy)]
struct Ends<'a> {
    source: (&'a dyn Files, &'a LayerPath),
    target: (&'a dyn Files, &'a LayerPath),
    work: &'a Work,
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
    paths: Paths,
    stat: Stat,
    /// Whether the target was there before, so that it may hold anything.
    merges: bool,
    /// The names still to come.
    left: std::vec::IntoIter<DirItem>,
}

/// Copies a directory; however deep that is, it needs no more stack, and walks no path from the top twice.
fn copy_dir(ends: &Ends<'_>, paths: Paths, stat: Stat) -> Result<(), Error> {
    let outermost = ends.target.0;
    let mut links: HashMap<(u64, u64), LayerPath> = HashMap::new();
    let mut levels = vec![ends.enter(paths, stat)?];
    while let Some(level) = levels.last_mut() {
        let Some(item) = level.left.next() else {
            if let Some(done) = levels.pop() {
                done.leave(ends.work)?;
            }
            continue;
        };
        ends.work.done(1, 0)?;
        let at = single(&item.name)?;
        let paths =
            Paths { from: child(&level.paths.from, &item.name)?, to: child(&level.paths.to, &item.name)? };
        let stat = on(Act::Copy, &paths.from, level.source.stat(&at, Follow::No))?;
        let ends = Ends { source: (&*level.source, &at), target: (&*level.target, &at), work: ends.work };
        if stat.kind() == Kind::Dir {
            let deeper = ends.enter(paths, stat)?;
            levels.push(deeper);
            continue;
        }
        if stat.nlink > 1 {
            if let Some(first) = links.get(&(stat.dev, stat.ino)) {
                on(Act::Copy, &paths.to, outermost.link(first, &paths.to))?;
                continue;
            }
            links.insert((stat.dev, stat.ino), paths.to.clone());
        }
        // what a symlink leads to is not beneath its directory alone
        let through = level.merges && is(Kind::Symlink, ends.target.0, &at);
        let ends = if through { Ends { target: (outermost, &paths.to), ..ends } } else { ends };
        ends.copy_node(&paths, &stat)?;
    }
    Ok(())
}

impl Level {
    /// Gives the copy its metadata, once all is in it.
    fn leave(self, work: &Work) -> Result<(), Error> {
        let root = LayerPath::root();
        let ends = Ends { source: (&*self.source, &root), target: (&*self.target, &root), work };
        ends.copy_metadata(&self.paths, &self.stat)
    }
}

impl Ends<'_> {
    /// Makes a directory and lists what is to go into it.
    fn enter(&self, paths: Paths, stat: Stat) -> Result<Level, Error> {
        let ((source, from), (target, to)) = (self.source, self.target);
        let merges = match target.mkdir(to, Mode::new(stat.mode.bits() | OPEN_DIR)) {
            Err(Errno::EXIST) if to.is_root() || is(Kind::Dir, target, to) => true,
            other => on(Act::Copy, &paths.to, other).map(|()| false)?,
        };
        let source = on(Act::Copy, &paths.from, source.beneath(from))?;
        let target = on(Act::Copy, &paths.to, target.beneath(to))?;
        let left = on(Act::Copy, &paths.from, source.read_dir(&LayerPath::root()))?.into_iter();
        Ok(Level { source, target, paths, stat, merges, left })
    }

    /// Copies what is no directory.
    fn copy_node(&self, paths: &Paths, stat: &Stat) -> Result<(), Error> {
        let ((source, from), (target, to)) = (self.source, self.target);
        match stat.kind() {
            Kind::File => {
                let open = Mode::new(stat.mode.without_set_ids().bits() | OPEN_FILE);
                let mut reader = on(Act::Copy, &paths.from, source.content(from))?;
                let writer = on(Act::Copy, &paths.to, target.open(to, OpenHow::rewrite(open)))?;
                let told = &mut |bytes| self.work.bytes(bytes);
                on(Act::Copy, &paths.to, reader.copy_to(&writer, stat.size, told))?;
            }
            Kind::Symlink => {
                let link = on(Act::Copy, &paths.from, source.read_link(from))?;
                on(Act::Copy, &paths.to, target.symlink(&link, to))?;
            }
            _ => on(Act::Copy, &paths.to, target.mknod(to, &stat.node, stat.mode))?,
        }
        self.copy_metadata(paths, stat)
    }

    /// Gives a copy owner, attributes, mode and times, in the order in which none undoes another: a new owner takes
    /// capabilities, setuid and setgid away, and a mode is part of an access control list.
    fn copy_metadata(&self, paths: &Paths, stat: &Stat) -> Result<(), Error> {
        let (target, to) = self.target;
        match target.chown(to, stat.uid, stat.gid) {
            Err(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP) => {}
            other => on(Act::Copy, &paths.to, other)?,
        }
        self.copy_attributes(paths)?;
        if stat.kind() != Kind::Symlink {
            on(Act::Copy, &paths.to, target.chmod(to, stat.mode))?;
        }
        on(Act::Copy, &paths.to, target.set_times(to, Some(stat.atime), Some(stat.mtime)))
    }

    fn copy_attributes(&self, paths: &Paths) -> Result<(), Error> {
        let ((source, from), (target, to)) = (self.source, self.target);
        let mut attributes = on(Act::Copy, &paths.from, source.xattrs(from))?;
        for list in [names::ACCESS_LIST, names::DEFAULT_LIST] {
            // the copy has the one of the directory that it was made in
            if attributes.iter().all(|name| name != list) {
                match target.remove_xattr(to, list) {
                    Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS) => {}
                    other => on(Act::Copy, &paths.to, other)?,
                }
            }
        }
        // a list may forbid the others to the copy's owner
        attributes.sort_by_key(|name| name.starts_with(b"system."));
        for name in attributes {
            let value = match source.xattr(from, &name) {
                Err(Errno::NODATA) => continue,
                other => on(Act::Copy, &paths.from, other)?,
            };
            match target.set_xattr(to, &name, &value) {
                // the target's file system or our rights do not allow this attribute
                Err(Errno::OPNOTSUPP | Errno::PERM) => {}
                other => on(Act::Copy, &paths.to, other)?,
            }
        }
        Ok(())
    }
}

fn is(kind: Kind, files: &dyn Files, path: &LayerPath) -> bool {
    files.stat(path, Follow::No).is_ok_and(|stat| stat.kind() == kind)
}
