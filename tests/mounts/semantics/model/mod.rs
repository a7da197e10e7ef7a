//! A pure model of the union: POSIX files in memory, and the few things that an overlay does differently.
//!
//! Those are: a directory with lower parts cannot be renamed (`EXDEV`), and hard links of a lower layer are
//! separate files that only look linked until one is changed. Whiteouts and copies are no part of it.

mod names;

use std::collections::BTreeMap;

use ufs::driver::Follow;
use ufs::model::{Kind, LayerPath, Mode, Node, Timestamp};
use ufs::overlay::TreeItem;
use ufs::sys::Errno;

use super::layers::long_ago;
use super::ops::{Op, Outcome, Rights, Seen, Snapshot, is_special, path, rights};

#[derive(Clone, Debug)]
enum Body {
    Dir { names: BTreeMap<Vec<u8>, usize>, parent: usize, bound: bool },
    File(Vec<u8>),
    Symlink(Vec<u8>),
    Special(Node),
}

#[derive(Clone, Debug)]
struct Inode {
    body: Body,
    mode: Mode,
    owner: (u32, u32),
    /// The group that the host gave it, which others inherit.
    group: u32,
    mtime: Option<Timestamp>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    links: u64,
    /// The link count of the lower file, until it is copied up.
    lower_links: Option<u64>,
}

/// The tree.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    inodes: Vec<Inode>,
}

const ROOT: usize = 0;

/// The state of a walk along a path.
struct Walk {
    /// Symlinks met.
    links: u32,
    /// The last name is made if it is not there, so it cannot be written with a slash.
    makes: bool,
}

impl Model {
    /// The merged tree of the lower layers, its contents by path, and each file's link count in its layer.
    pub(crate) fn new(
        tree: &[TreeItem],
        content: impl Fn(&LayerPath, usize) -> Vec<u8>,
        links: impl Fn(&LayerPath, usize) -> u64,
    ) -> Self {
        let mut model = Self { inodes: Vec::new() };
        for item in tree {
            let Some(entry) = &item.entry else { continue };
            let parent = item.path.parent().map_or(ROOT, |dir| model.exact(&dir));
            let body = match &entry.node {
                Node::Dir { .. } => Body::Dir { names: BTreeMap::new(), parent, bound: true },
                Node::File { .. } => Body::File(content(&item.path, item.layer)),
                Node::Symlink { target } => Body::Symlink(target.to_vec()),
                special => Body::Special(special.clone()),
            };
            let meta = &entry.meta;
            let is_dir = matches!(body, Body::Dir { .. });
            model.inodes.push(Inode {
                body,
                mode: meta.mode,
                owner: (meta.uid, meta.gid),
                group: meta.gid,
                mtime: super::layers::settled(meta.mtime),
                xattrs: meta.xattrs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
                links: 1,
                lower_links: (!is_dir).then(|| links(&item.path, item.layer)),
            });
            let number = model.inodes.len() - 1;
            if let Some(name) = item.path.file_name() {
                model.names(parent).unwrap().insert(name.to_vec(), number);
            }
        }
        model
    }

    /// The root of a fresh upper has attributes of its own.
    pub(crate) fn set_root(&mut self, mode: u32, mtime: Timestamp) {
        let owner = (0, 0);
        let root = &mut self.inodes[ROOT];
        root.group = 0;
        (root.mode, root.mtime, root.owner, root.xattrs) =
            (Mode::new(mode), Some(mtime), owner, BTreeMap::new());
    }

    /// Everything lies in lower layers now: directories cannot move, names of one file go ways of their own.
    fn seal(&mut self) {
        let mut todo = vec![ROOT];
        while let Some(number) = todo.pop() {
            let Body::Dir { names, bound, .. } = &mut self.inodes[number].body else { continue };
            *bound = true;
            for (name, inner) in names.clone() {
                if self.is_dir(inner) {
                    todo.push(inner);
                    continue;
                }
                let mut own = self.inodes[inner].clone();
                own.lower_links = own.lower_links.or(Some(own.links));
                own.links = 1;
                self.inodes.push(own);
                let own = self.inodes.len() - 1;
                self.names(number).unwrap().insert(name, own);
            }
        }
    }

    fn exact(&self, path: &LayerPath) -> usize {
        path.components().fold(ROOT, |at, name| self.child(at, name).unwrap().unwrap())
    }

    fn names(&mut self, dir: usize) -> Result<&mut BTreeMap<Vec<u8>, usize>, Errno> {
        match &mut self.inodes[dir].body {
            Body::Dir { names, .. } => Ok(names),
            _ => Err(Errno::NOTDIR),
        }
    }

    fn child(&self, dir: usize, name: &[u8]) -> Result<Option<usize>, Errno> {
        match &self.inodes[dir].body {
            Body::Dir { names, .. } => Ok(names.get(name).copied()),
            _ => Err(Errno::NOTDIR),
        }
    }

    fn is_dir(&self, number: usize) -> bool {
        matches!(self.inodes[number].body, Body::Dir { .. })
    }

    fn is_bound(&self, number: usize) -> bool {
        matches!(self.inodes[number].body, Body::Dir { bound: true, .. })
    }

    /// Walks to the directory that holds a path's last name, and to what is under it.
    fn walk(&self, path: &[u8], follow: Follow) -> Result<(usize, Vec<u8>, Option<usize>), Errno> {
        let mut walk = Walk { links: 0, makes: false };
        self.walk_from(ROOT, path, follow, &mut walk)
    }

    fn walk_from(
        &self,
        from: usize,
        path: &[u8],
        follow: Follow,
        walk: &mut Walk,
    ) -> Result<(usize, Vec<u8>, Option<usize>), Errno> {
        let mut at = if path.first() == Some(&b'/') { ROOT } else { from };
        let names: Vec<&[u8]> =
            path.split(|&b| b == b'/').filter(|name| !matches!(*name, b"" | b".")).collect();
        let slash = path.last() == Some(&b'/');
        let mut here = (at, b".".to_vec(), Some(at));
        for (index, name) in names.iter().enumerate() {
            let last = index + 1 == names.len();
            if *name == b".." {
                let Body::Dir { parent, .. } = self.inodes[at].body else { return Err(Errno::NOTDIR) };
                at = parent;
                here = (at, b".".to_vec(), Some(at));
                continue;
            }
            let found = self.child(at, name)?;
            if last && slash && walk.makes {
                return Err(Errno::ISDIR);
            }
            here = (at, name.to_vec(), found);
            match found.map(|number| (number, &self.inodes[number].body)) {
                Some((_, Body::Symlink(target))) if !last || follow == Follow::Yes || slash => {
                    walk.links += 1;
                    if walk.links > 40 {
                        return Err(Errno::LOOP);
                    }
                    let makes = walk.makes;
                    walk.makes &= last;
                    here = self.walk_from(at, target, Follow::Yes, walk)?;
                    walk.makes = makes;
                    if !last {
                        at = here.2.ok_or(Errno::NOENT)?;
                    }
                }
                None if !last => return Err(Errno::NOENT),
                Some((number, _)) if !last => at = number,
                _ => {}
            }
            if (!last || slash) && here.2.is_some_and(|number| !self.is_dir(number)) {
                return Err(Errno::NOTDIR);
            }
        }
        Ok(here)
    }

    fn find(&self, at: &str, follow: Follow) -> Result<usize, Errno> {
        self.walk(at.as_bytes(), follow)?.2.ok_or(Errno::NOENT)
    }

    /// A place where something new may go.
    fn vacant(&self, at: &str) -> Result<(usize, Vec<u8>), Errno> {
        match self.walk(at.as_bytes(), Follow::No)? {
            (_, _, Some(_)) => Err(Errno::EXIST),
            (dir, name, None) => Ok((dir, name)),
        }
    }

    fn add(&mut self, dir: usize, name: Vec<u8>, body: Body, mode: u32) -> usize {
        let above = &self.inodes[dir];
        let group = if above.mode.bits() & 0o2000 == 0 { 0 } else { above.group };
        let inode = Inode {
            body,
            mode: Mode::new(mode),
            owner: (0, group),
            group,
            mtime: None,
            xattrs: BTreeMap::new(),
            links: 1,
            lower_links: None,
        };
        self.inodes.push(inode);
        let number = self.inodes.len() - 1;
        self.insert(dir, name, number);
        number
    }

    fn insert(&mut self, dir: usize, name: Vec<u8>, number: usize) {
        self.names(dir).unwrap().insert(name, number);
        self.inodes[dir].mtime = None;
        if let Body::Dir { parent, .. } = &mut self.inodes[number].body {
            *parent = dir;
        }
    }

    fn take(&mut self, dir: usize, name: &[u8]) {
        self.names(dir).unwrap().remove(name).unwrap();
        self.inodes[dir].mtime = None;
    }

    /// A changed file of a lower layer becomes one of its own.
    fn change(&mut self, number: usize) -> &mut Inode {
        let inode = &mut self.inodes[number];
        inode.lower_links = None;
        inode
    }

    fn open_for_writing(&mut self, at: &str, create: bool) -> Result<usize, Errno> {
        let mut walk = Walk { links: 0, makes: create };
        let (dir, name, found) = self.walk_from(ROOT, at.as_bytes(), Follow::Yes, &mut walk)?;
        match found {
            None if create => Ok(self.add(dir, name, Body::File(Vec::new()), 0o644)),
            None => Err(Errno::NOENT),
            Some(number) if self.is_dir(number) => Err(Errno::ISDIR),
            Some(number) if matches!(self.inodes[number].body, Body::Special(_)) => Err(Errno::NXIO),
            Some(number) => {
                self.change(number);
                Ok(number)
            }
        }
    }

    fn content(&mut self, number: usize) -> &mut Vec<u8> {
        let inode = &mut self.inodes[number];
        inode.mtime = None;
        if rights() != Rights::Root {
            inode.mode = inode.mode.without_set_ids();
        }
        match &mut inode.body {
            Body::File(content) => content,
            other => panic!("{other:?} has no content"),
        }
    }

    fn seen(&self, number: usize) -> Seen {
        let inode = &self.inodes[number];
        let node = match &inode.body {
            Body::Dir { .. } => Node::Dir { opaque: false },
            Body::File(content) => Node::File { size: content.len() as u64 },
            Body::Symlink(target) => Node::Symlink { target: target.clone().into() },
            Body::Special(node) => node.clone(),
        };
        let nlink = (!self.is_dir(number)).then(|| inode.lower_links.unwrap_or(inode.links));
        Seen { node, mode: inode.mode, uid: inode.owner.0, gid: inode.owner.1, nlink, mtime: inode.mtime }
    }

    fn list(&self, number: usize) -> Result<Vec<(Vec<u8>, Kind)>, Errno> {
        let Body::Dir { names, .. } = &self.inodes[number].body else { return Err(Errno::NOTDIR) };
        let listed = |inner: usize| match self.seen(inner).node {
            Node::CharDevice(_) if rights() != Rights::Root => Kind::File,
            node => node.kind(),
        };
        Ok(names.iter().map(|(name, &inner)| (name.clone(), listed(inner))).collect())
    }

    /// Does one operation.
    pub(crate) fn apply(&mut self, op: &Op) -> Outcome {
        self.attempt(op).unwrap_or_else(Outcome::Failed)
    }

    fn attempt(&mut self, op: &Op) -> Result<Outcome, Errno> {
        if let Some(at) = op.opened()
            && let Ok(number) = self.find(at, Follow::Yes)
            && matches!(&self.inodes[number].body, Body::Special(node) if is_special(node))
        {
            return Ok(Outcome::Skipped);
        }
        match op {
            Op::Write(at, data) => {
                let number = self.open_for_writing(at, true)?;
                self.content(number).clone_from(data);
            }
            Op::Append(at, data) => {
                let number = self.open_for_writing(at, true)?;
                self.content(number).extend(data);
            }
            Op::WriteAt(at, offset, data) => {
                let number = self.open_for_writing(at, false)?;
                let content = self.content(number);
                let start = usize::try_from(*offset).unwrap();
                content.resize(content.len().max(start + data.len()), 0);
                content[start..start + data.len()].copy_from_slice(data);
            }
            Op::Touch(at) => {
                self.open_for_writing(at, false)?;
            }
            Op::Create(at) => {
                let (dir, name) = self.vacant(at)?;
                self.add(dir, name, Body::File(Vec::new()), 0o644);
            }
            Op::Truncate(at, size) => {
                let number = self.open_for_writing(at, false).map_err(|errno| match errno {
                    Errno::NXIO => Errno::INVAL,
                    errno => errno,
                })?;
                self.content(number).resize(usize::try_from(*size).unwrap(), 0);
            }
            Op::Mkdir(at, mode) => {
                let (dir, name) = self.vacant(at)?;
                self.add(dir, name, Body::Dir { names: BTreeMap::new(), parent: dir, bound: false }, *mode);
            }
            Op::Symlink(target, at) => {
                let (dir, name) = self.vacant(at)?;
                self.add(dir, name, Body::Symlink(target.as_bytes().to_vec()), 0o777);
            }
            Op::Mknod(at, node) => {
                let (dir, name) = self.vacant(at)?;
                self.add(dir, name, Body::Special(node.clone()), 0o644);
            }
            Op::Rmdir(at) => self.rmdir(at)?,
            Op::Unlink(at) => self.unlink(at)?,
            Op::Link(old, new) => self.link(old, new)?,
            Op::Rename(from, to, how) => self.rename(&path(from), &path(to), *how)?,
            Op::Chmod(at, mode) => {
                let number = self.find(at, Follow::Yes)?;
                self.change(number).mode = Mode::new(*mode);
            }
            Op::Chown(at, uid, gid) => {
                let number = self.find(at, Follow::No)?;
                self.chown(number, *uid, *gid)?;
            }
            Op::SetTime(at, number) => {
                let time = long_ago(500_000 + number);
                let number = self.find(at, Follow::No)?;
                self.change(number).mtime = Some(time);
            }
            Op::SetXattr(at, name, value) => {
                let number = self.find(at, Follow::No)?;
                takes_name(name)?;
                self.takes_attributes(number, Errno::PERM)?;
                self.change(number).xattrs.insert(name.as_bytes().to_vec(), value.clone());
            }
            Op::RemoveXattr(at, name) => {
                let number = self.find(at, Follow::No)?;
                takes_name(name).map_err(|_| Errno::NODATA)?;
                self.takes_attributes(number, Errno::PERM)?;
                if !self.inodes[number].xattrs.contains_key(name.as_bytes()) {
                    return Err(Errno::NODATA);
                }
                self.change(number).xattrs.remove(name.as_bytes());
            }
            Op::Remount => {}
            Op::Seal => self.seal(),
            Op::Xattr(..) | Op::Stat(..) | Op::Read(_) | Op::ReadDir(_) | Op::ReadLink(_) => {
                return self.look(op);
            }
        }
        Ok(Outcome::Done)
    }

    /// Does an operation that changes nothing.
    fn look(&self, op: &Op) -> Result<Outcome, Errno> {
        match op {
            Op::Xattr(at, name) => {
                let number = self.find(at, Follow::No)?;
                let value = self.inodes[number].xattrs.get(name.as_bytes());
                Ok(Outcome::Bytes(value.ok_or(Errno::NODATA)?.clone()))
            }
            Op::Stat(at, follow) => Ok(Outcome::Stat(self.seen(self.find(at, *follow)?))),
            Op::Read(at) => match &self.inodes[self.find(at, Follow::Yes)?].body {
                Body::File(content) => Ok(Outcome::Bytes(content.clone())),
                Body::Special(_) => Err(Errno::NXIO),
                _ => Err(Errno::ISDIR),
            },
            Op::ReadDir(at) => self.list(self.find(at, Follow::Yes)?).map(Outcome::Names),
            Op::ReadLink(at) => match &self.inodes[self.find(at, Follow::No)?].body {
                Body::Symlink(target) => Ok(Outcome::Bytes(target.clone())),
                _ => Err(Errno::INVAL),
            },
            _ => Ok(Outcome::Done),
        }
    }

    fn chown(&mut self, number: usize, uid: u32, gid: u32) -> Result<(), Errno> {
        // without the right to make devices they are files
        let takes_mark = matches!(
            self.inodes[number].body,
            Body::Dir { .. } | Body::File(_) | Body::Special(Node::CharDevice(_))
        );
        let gives = rights() == Rights::Root || (uid, gid) == (0, 0);
        if !gives && !takes_mark {
            return Err(if rights() == Rights::User { Errno::PERM } else { Errno::INVAL });
        }
        let inode = self.change(number);
        inode.owner = (uid, gid);
        inode.group = if gives { gid } else { 0 };
        if !matches!(inode.body, Body::Dir { .. }) {
            inode.mode = inode.mode.without_set_ids();
        }
        Ok(())
    }

    /// The whole tree.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut found = Snapshot::new();
        let mut todo = vec![(LayerPath::root(), ROOT)];
        while let Some((at, number)) = todo.pop() {
            let inode = &self.inodes[number];
            let mut data = Vec::new();
            match &inode.body {
                Body::Dir { names, .. } => {
                    todo.extend(names.iter().map(|(name, &inner)| (at.join(name).unwrap(), inner)));
                }
                Body::File(content) => data.clone_from(content),
                _ => {}
            }
            found.insert(at.as_bytes().to_vec(), (self.seen(number), data, inode.xattrs.clone()));
        }
        found
    }
}

/// Our own attributes are out of reach.
fn takes_name(name: &str) -> Result<(), Errno> {
    if name.starts_with("user.ufs.") { Err(Errno::OPNOTSUPP) } else { Ok(()) }
}
