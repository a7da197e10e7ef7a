//! [`Files`] over layers that lie in blobs: what the union of them shows, read out of their tars. Nothing can be changed.
//!
//! Paths are resolved by the change sets alone, symlinks inside the union.

use std::fs::File;
use std::io;
use std::rc::Rc;

use crate::driver::{Content, DirItem, Files, Follow, OpenHow, RenameHow, Stat};
use crate::model::{Changeset, Entry, LayerPath, Mode, Node, PATH_MAX, Timestamp};
use crate::oci;
use crate::overlay::{self, Resolved};
use crate::sys::{Dir, Errno, file, signals};

/// The most symlinks on one way, as in Linux (`MAXSYMLINKS`).
const LINKS: usize = 40;
/// How much is read between two looks at Ctrl-C, in bytes.
const STEP: usize = 1 << 20;

/// The union of layers, bottom → top.
#[derive(Clone, Debug)]
pub(super) struct BlobFiles {
    layers: Rc<[Rc<oci::Layer>]>,
    /// What its users take for the root.
    root: LayerPath,
}

/// A path of the union, with what is there.
struct Found<'a> {
    path: LayerPath,
    layer: usize,
    entry: &'a Entry,
}

impl BlobFiles {
    /// Takes layers, bottom → top, all of which can be read.
    ///
    /// # Errors
    /// That of a layer that cannot.
    pub(super) fn new(layers: &[Rc<oci::Layer>]) -> Result<Self, oci::Error> {
        layers.iter().try_for_each(|layer| layer.opened().map(drop))?;
        Ok(Self { layers: layers.into(), root: LayerPath::root() })
    }

    fn opened(&self) -> Result<Vec<&oci::Opened>, Errno> {
        // they were opened before
        self.layers.iter().map(|layer| layer.opened().map_err(|_| Errno::IO)).collect()
    }

    /// What is at a path beneath the root, and where that really lies.
    fn find<'a>(
        &self,
        stack: &[&'a Changeset],
        path: &LayerPath,
        follow: Follow,
    ) -> Result<Found<'a>, Errno> {
        let look = |path: &LayerPath| overlay::resolve(stack, path).ok_or(Errno::NOENT);
        let names = |bytes: &[u8]| -> Vec<Box<[u8]>> {
            let whole = bytes.split(|&b| b == b'/').filter(|name| !matches!(*name, b"" | b"."));
            whole.rev().map(Into::into).collect()
        };
        let mut at = self.root.clone();
        let Resolved { mut layer, mut entry } = look(&at)?;
        // the next name last
        let mut left = names(path.as_bytes());
        let mut links = 0;
        while let Some(name) = left.pop() {
            if !entry.is_dir() {
                return Err(Errno::NOTDIR);
            }
            if *name == *b".." {
                if at != self.root {
                    at = at.parent().unwrap_or_default();
                }
                Resolved { layer, entry } = look(&at)?;
                continue;
            }
            let next = at.join(&name).map_err(|_| Errno::NAMETOOLONG)?;
            let found = look(&next)?;
            if let Node::Symlink { target } = &found.entry.node
                && (!left.is_empty() || follow == Follow::Yes)
            {
                links += 1;
                if links > LINKS || left.len() > PATH_MAX {
                    return Err(Errno::LOOP);
                }
                if target.starts_with(b"/") {
                    at = self.root.clone();
                    Resolved { layer, entry } = look(&at)?;
                }
                left.extend(names(target));
                continue;
            }
            at = next;
            Resolved { layer, entry } = found;
        }
        Ok(Found { path: at, layer, entry })
    }

    /// Does something with what is at a path.
    fn with<T>(
        &self,
        path: &LayerPath,
        follow: Follow,
        then: impl FnOnce(&[&oci::Opened], &[&Changeset], Found<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let opened = self.opened()?;
        let stack: Vec<&Changeset> = opened.iter().map(|layer| &*layer.changes).collect();
        let found = self.find(&stack, path, follow)?;
        then(&opened, &stack, found)
    }
}

impl Files for BlobFiles {
    fn beneath(&self, dir: &LayerPath) -> Result<Box<dyn Files>, Errno> {
        let root = self.with(dir, Follow::Yes, |_, _, found| {
            if found.entry.is_dir() { Ok(found.path) } else { Err(Errno::NOTDIR) }
        })?;
        Ok(Box::new(Self { root, ..self.clone() }))
    }

    fn stat(&self, path: &LayerPath, follow: Follow) -> Result<Stat, Errno> {
        self.with(path, follow, |opened, _, found| Ok(stat(opened[found.layer], &found)))
    }

    fn read_dir_from(&self, path: &LayerPath, begin: &[u8]) -> Result<Vec<DirItem>, Errno> {
        self.with(path, Follow::Yes, |_, stack, found| {
            let items = overlay::list(stack, &found.path).ok_or(Errno::NOTDIR)?;
            let item = |item: &overlay::TreeItem| {
                let name = item.path.file_name().filter(|name| name.starts_with(begin))?;
                Some(DirItem { name: name.into(), kind: item.entry.as_ref()?.node.kind() })
            };
            Ok(items.iter().filter_map(item).collect())
        })
    }

    fn tree(&self, _: &LayerPath) -> Result<Dir, Errno> {
        Err(Errno::OPNOTSUPP)
    }

    fn read_link(&self, path: &LayerPath) -> Result<Vec<u8>, Errno> {
        self.with(path, Follow::No, |_, _, found| match &found.entry.node {
            Node::Symlink { target } => Ok(target.to_vec()),
            _ => Err(Errno::INVAL),
        })
    }

    fn content(&self, path: &LayerPath) -> Result<Box<dyn Content + '_>, Errno> {
        let (layer, path) = self.with(path, Follow::Yes, |_, _, found| Ok((found.layer, found.path)))?;
        let opened = self.layers[layer].opened().map_err(|_| Errno::IO)?;
        opened.content(&path).map(|content| Box::new(content) as _).ok_or(Errno::INVAL)
    }

    fn open(&self, _: &LayerPath, how: OpenHow) -> Result<File, Errno> {
        // there is no file of it: its content is read by `content`
        Err(if how.write { Errno::ROFS } else { Errno::OPNOTSUPP })
    }

    fn xattr(&self, path: &LayerPath, name: &[u8]) -> Result<Vec<u8>, Errno> {
        self.with(path, Follow::No, |_, _, found| {
            found.entry.meta.xattrs.get(name).map(|value| value.to_vec()).ok_or(Errno::NODATA)
        })
    }

    fn xattrs(&self, path: &LayerPath) -> Result<Vec<Vec<u8>>, Errno> {
        self.with(path, Follow::No, |_, _, found| {
            Ok(found.entry.meta.xattrs.keys().map(|name| name.to_vec()).collect())
        })
    }

    fn mkdir(&self, _: &LayerPath, _: Mode) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
    fn mknod(&self, _: &LayerPath, _: &Node, _: Mode) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
    fn symlink(&self, _: &[u8], _: &LayerPath) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
    fn link(&self, _: &LayerPath, _: &LayerPath) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
    fn unlink(&self, _: &LayerPath) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
    fn rmdir(&self, _: &LayerPath) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
    fn rename(&self, _: &LayerPath, _: &LayerPath, _: RenameHow) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
    fn chmod(&self, _: &LayerPath, _: Mode) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
    fn chown(&self, _: &LayerPath, _: u32, _: u32) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
    fn set_times(&self, _: &LayerPath, _: Option<Timestamp>, _: Option<Timestamp>) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
    fn truncate(&self, _: &LayerPath, _: u64) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
    fn set_xattr(&self, _: &LayerPath, _: &[u8], _: &[u8]) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
    fn remove_xattr(&self, _: &LayerPath, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::ROFS)
    }
}

/// What stat(2) would say of it. There are no inodes: names of one file have one number, as others have one each.
fn stat(opened: &oci::Opened, found: &Found<'_>) -> Stat {
    let Entry { node, meta, link, .. } = found.entry;
    let layer = found.layer as u64 + 1;
    let (ino, nlink) = if let Some(group) = link {
        (layer << 32 | u64::from(group.0), opened.names_of(*group))
    } else {
        // FNV-1a of the path, apart from the numbers of groups
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        (found.path.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step) | 1 << 63, 1)
    };
    let size = found.entry.size();
    Stat {
        node: if found.entry.is_dir() { Node::Dir { opaque: false } } else { node.clone() },
        mode: meta.mode,
        uid: meta.uid,
        gid: meta.gid,
        nlink,
        size,
        blocks: size.div_ceil(512),
        dev: 0,
        ino,
        mtime: meta.mtime,
        atime: meta.mtime,
        ctime: meta.mtime,
    }
}

impl Content for oci::Content<'_> {
    fn copy_to(&mut self, to: &File, size: u64, told: &mut dyn FnMut(u64)) -> Result<(), Errno> {
        let failed = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
        let mut buffer = vec![0; STEP];
        for (start, length) in self.data() {
            let (mut at, end) = (start, start + length);
            while at < end {
                if signals::interrupted() {
                    return Err(Errno::INTR);
                }
                let most = usize::try_from(end - at).map_or(STEP, |left| left.min(STEP));
                let read = self.read_at(&mut buffer[..most], at).map_err(failed)?;
                let mut written = 0;
                while written < read {
                    written += file::write_at(to, &buffer[written..read], at + written as u64)?;
                }
                at += read as u64;
                told(read as u64);
            }
        }
        file::truncate(to, size)
    }
}
