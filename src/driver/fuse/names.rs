//! Names: looking up, making, removing, linking, moving.

use std::time::Duration;

use fuser::{BackingId, FileAttr};

use super::attributes::{self, NEVER, Spot};
use super::data::{Opened, flags_of, may_change};
use super::nodes::{Entered, Hold};
use super::pushes::Quiet;
use super::served::Adapter;
use crate::model::{Device, LayerPath, Mode, Node};
use crate::sys::{Errno, RenameFlags};
use crate::union::{Maker, Shown, Writer};

/// A name's file and its node, once the kernel is told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    shown: Shown,
    entered: Entered,
}

impl Named {
    /// The attributes as an entry carries them, which has the node's ID for the number.
    pub(super) fn attributes(&self) -> FileAttr {
        attributes::of(&self.shown, self.entered.id)
    }

    /// How long they count: where the ID is not the number, the kernel asks for the number.
    pub(super) fn lasts(&self) -> Duration {
        if self.is_known_by_number() { attributes::lasts_of(&self.shown, self.entered.mapped) } else { NEVER }
    }

    /// Whether the node's ID is the file's number.
    pub(super) fn is_known_by_number(&self) -> bool {
        self.entered.id == self.shown.stat.ino
    }

    pub(super) fn generation(&self) -> u64 {
        self.entered.generation
    }

    pub(super) fn id(&self) -> u64 {
        self.entered.id
    }
}

/// The type bits of a raw mode (Linux `S_IFMT`).
fn node_of(mode: u32, rdev: u32) -> Result<Node, Errno> {
    let device = Device {
        // Linux `new_decode_dev`
        major: (rdev & 0xfff00) >> 8,
        minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00),
    };
    match mode & 0o170_000 {
        0 | 0o100_000 => Ok(Node::File { size: 0 }),
        0o010_000 => Ok(Node::Fifo),
        0o140_000 => Ok(Node::Socket),
        0o020_000 => Ok(Node::CharDevice(device)),
        0o060_000 => Ok(Node::BlockDevice(device)),
        _ => Err(Errno::INVAL),
    }
}

impl Adapter {
    pub(super) fn entered(&self, dir: u64, name: &[u8], shown: Shown) -> Named {
        Named { shown, entered: self.nodes.enter(dir, name, &shown) }
    }

    /// The same name once its file was opened, which may have let somebody map it.
    fn reopened(&self, mut named: Named) -> Named {
        named.entered.mapped = self.nodes.may_be_mapped(named.entered.id);
        named
    }

    /// What a name leads to; `None` if nothing.
    pub(super) fn look_up(&self, dir: u64, name: &[u8]) -> Result<Option<Named>, Errno> {
        let path = self.nodes.path_in(dir, name)?;
        match self.union.look_up(&path) {
            Ok(shown) => Ok(Some(self.entered(dir, name, shown))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    pub(super) fn make_node(
        &self,
        dir: u64,
        name: &[u8],
        (mode, rdev): (u32, u32),
        maker: Maker,
    ) -> Result<Named, Errno> {
        let path = self.nodes.path_in(dir, name)?;
        let node = node_of(mode, rdev)?;
        let shown =
            self.telling_touched(|| self.union.make_node_for(&path, &node, Mode::new(mode), maker))?;
        Ok(self.entered(dir, name, shown))
    }

    pub(super) fn make_dir(&self, dir: u64, name: &[u8], mode: u32, maker: Maker) -> Result<Named, Errno> {
        let path = self.nodes.path_in(dir, name)?;
        let shown = self.telling_touched(|| self.union.make_dir_for(&path, Mode::new(mode), maker))?;
        Ok(self.entered(dir, name, shown))
    }

    pub(super) fn make_symlink(
        &self,
        dir: u64,
        name: &[u8],
        target: &[u8],
        maker: Maker,
    ) -> Result<Named, Errno> {
        let path = self.nodes.path_in(dir, name)?;
        let shown = self.telling_touched(|| self.union.make_symlink_for(target, &path, maker))?;
        Ok(self.entered(dir, name, shown))
    }

    pub(super) fn create_file(
        &self,
        dir: u64,
        name: &[u8],
        (mode, flags): (u32, i32),
        (maker, by): (Maker, Writer),
        back: impl Fn(&std::fs::File) -> std::io::Result<BackingId>,
    ) -> Result<(Named, Opened), Errno> {
        let path = self.nodes.path_in(dir, name)?;
        let named = match self.union.create(&path, flags_of(flags), Mode::new(mode), maker) {
            Ok((file, shown)) => {
                let named = self.entered(dir, name, shown);
                let changes = self.nodes.attributes();
                if self.union.is_bare(&file) {
                    self.nodes.note_bare(named.id(), changes);
                }
                let opened = self.admit(named.id(), flags_of(flags), (file, true), Some(shown.stat), &back);
                return Ok((self.reopened(named), opened.ok_or(Errno::STALE)?));
            }
            Err(Errno::EXIST) if flags_of(flags).contains(crate::sys::OFlags::EXCL) => {
                return Err(Errno::EXIST);
            }
            Err(Errno::EXIST) => self.look_up(dir, name)?.ok_or(Errno::NOENT)?,
            Err(errno) => return Err(errno),
        };
        // it was made meanwhile; the kernel looks it up and opens it then
        let quiet = may_change(flags).then(|| self.pushes.quiet(named.id()));
        let opened = if quiet.as_ref().is_some_and(Quiet::is_busy) {
            Err(Errno::STALE)
        } else {
            self.open_node(named.id(), flags, by, back)
        };
        match opened {
            Ok(opened) => Ok((self.reopened(named), opened)),
            Err(errno) => {
                self.nodes.forget(named.id(), 1);
                Err(errno)
            }
        }
    }

    /// What leads to a file whose last known name is about to go.
    fn hold_for(&self, dir: u64, name: &[u8], path: &LayerPath) -> Option<Hold> {
        if !self.nodes.is_last_name(dir, name) {
            return None;
        }
        let (fd, in_upper) = self.union.hold(path).ok()?;
        Some(Hold { fd, in_upper })
    }

    pub(super) fn remove(&self, dir: u64, name: &[u8]) -> Result<(), Errno> {
        let path = self.nodes.path_in(dir, name)?;
        let is_last = self.nodes.is_last_name(dir, name);
        let hold = self.telling_touched(|| self.union.unlink_holding(&path, is_last))?;
        self.nodes.unname(dir, name, hold.map(|(fd, in_upper)| Hold { fd, in_upper }));
        Ok(())
    }

    pub(super) fn remove_dir(&self, dir: u64, name: &[u8]) -> Result<(), Errno> {
        let path = self.nodes.path_in(dir, name)?;
        let hold = self.hold_for(dir, name, &path);
        self.telling_touched(|| self.union.rmdir(&path))?;
        self.nodes.unname(dir, name, hold);
        Ok(())
    }

    /// `flags` as renameat2(2) has them.
    pub(super) fn move_name(&self, from: (u64, &[u8]), to: (u64, &[u8]), flags: u32) -> Result<(), Errno> {
        let (old, new) = (self.nodes.path_in(from.0, from.1)?, self.nodes.path_in(to.0, to.1)?);
        let flags = RenameFlags::from_bits(flags).ok_or(Errno::INVAL)?;
        let moved = self.nodes.child(from.0, from.1);
        let target = self.nodes.child(to.0, to.1);
        if moved.is_some() && moved == target {
            // two names of one file: nothing happens
            return self.union.rename(&old, &new, flags);
        }
        let exchange = flags.contains(RenameFlags::EXCHANGE);
        let hold = if exchange { None } else { self.hold_for(to.0, to.1, &new) };
        self.union.rename(&old, &new, flags)?;
        if exchange {
            self.nodes.exchange(from, to);
        } else {
            self.nodes.rename(from, to, hold);
        }
        for (node, path) in [(moved, &new), (target.filter(|_| exchange), &old)] {
            if let Some(node) = node {
                self.raised(node, path);
            }
        }
        Ok(())
    }

    pub(super) fn link_name(&self, node: u64, dir: u64, name: &[u8]) -> Result<Named, Errno> {
        let new = self.nodes.path_in(dir, name)?;
        let Spot::Path(old) = self.spot(node)? else { return Err(Errno::NOENT) };
        self.union.link(&old, &new)?;
        self.raised(node, &old);
        let shown = self.union.look_up(&new)?;
        // its number may lead elsewhere, if it was one name of several of a lower file
        let entered =
            self.nodes.enter_as(node, dir, name).unwrap_or_else(|| self.nodes.enter(dir, name, &shown));
        Ok(Named { shown, entered })
    }

    pub(super) fn link_target(&self, node: u64) -> Result<Vec<u8>, Errno> {
        match self.spot(node)? {
            Spot::Path(path) => self.union.read_link(&path),
            Spot::Open(file, _) => crate::sys::Dir::link_target(file),
        }
    }
}
