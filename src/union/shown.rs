//! Files as a driver with inodes of its own shows them: attributes, a lasting number, where they come from.

use std::os::fd::{AsFd, OwnedFd};

use super::lookup::{Found, Look, split};
use super::merged::{Merged, Part};
use super::{Union, Whereabouts};
use crate::model::{Kind, LayerPath};
use crate::sys::dir::stat_fd;
use crate::sys::{Errno, OFlags, RawStat};

/// A file of the union.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Its attributes as the host has them, marks of ours not looked at; `ino` is its lasting number.
    pub stat: RawStat,
    /// Whether it is in the upper.
    pub in_upper: bool,
    /// Whether its number stands for this file alone. Names of one lower file that has several share the number, and
    /// part when one of them is copied up.
    pub single: bool,
}

/// A name of a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The raw name.
    pub name: Box<[u8]>,
    /// Its type.
    pub kind: Kind,
    /// The file's lasting number.
    pub number: u64,
}

impl Union {
    /// The file at a path.
    pub fn look_up(&self, path: &LayerPath) -> Result<Shown, Errno> {
        match self.known_dir(path.as_bytes()) {
            Some(dir) => self.present_dir(&dir, stat_dir(&dir)?),
            None => self.present(&self.find(path)?),
        }
    }

    /// The file under a name of a directory.
    pub fn look_up_in(&self, dir: &LayerPath, name: &[u8]) -> Result<Shown, Errno> {
        let dir = self.dir(dir.as_bytes())?;
        self.present(&self.look(&dir, name)?.found.ok_or(Errno::NOENT)?)
    }

    pub(super) fn present(&self, found: &Found) -> Result<Shown, Errno> {
        if let Some(dir) = &found.dir {
            return self.present_dir(dir, found.stat);
        }
        let mut stat = found.stat;
        (stat.uid, stat.gid) = self.options.identity.to_layer(stat.uid, stat.gid);
        let single = found.in_upper || stat.nlink == 1;
        stat.ino = self.number(found)?;
        Ok(Shown { stat, in_upper: found.in_upper, single })
    }

    fn present_dir(&self, dir: &Merged, mut stat: RawStat) -> Result<Shown, Errno> {
        (stat.uid, stat.gid) = self.options.identity.to_layer(stat.uid, stat.gid);
        if self.options.static_links || dir.parts() > 1 {
            stat.nlink = 1;
        }
        stat.ino = self.number_of_dir(dir, &stat)?;
        Ok(Shown { stat, in_upper: dir.upper().is_some(), single: true })
    }

    /// The lasting number of a file.
    pub(super) fn number(&self, found: &Found) -> Result<u64, Errno> {
        let own = &found.stat;
        if let Some(dir) = &found.dir {
            return self.number_of_dir(dir, own);
        }
        if found.in_upper && found.may_be_copy {
            return self.number_of_copy(&found.place.dir, &found.place.name, (own.dev, own.ino));
        }
        Ok(if found.in_upper {
            self.numbers.of_upper(own.dev, own.ino)
        } else {
            self.numbers.of(own.dev, own.ino)
        })
    }

    fn number_of_dir(&self, dir: &Merged, own: &RawStat) -> Result<u64, Errno> {
        match (dir.upper(), dir.lowers.first()) {
            (Some(_), Some(part)) => dir.number(|| {
                let lower = stat_below(dir, part)?;
                Ok(self.numbers.of(lower.dev, lower.ino))
            }),
            (Some(_), None) => Ok(self.numbers.of_upper(own.dev, own.ino)),
            (None, _) => Ok(self.numbers.of(own.dev, own.ino)),
        }
    }

    /// An open file's attributes, whether it still has a name or not.
    pub fn look_at_open(&self, file: impl AsFd, in_upper: bool) -> Result<Shown, Errno> {
        let mut stat = stat_fd(&file)?;
        let single = in_upper || stat.nlink == 1;
        (stat.uid, stat.gid) = self.options.identity.to_layer(stat.uid, stat.gid);
        stat.ino = if in_upper {
            self.numbers.of_upper(stat.dev, stat.ino)
        } else {
            self.numbers.of(stat.dev, stat.ino)
        };
        Ok(Shown { stat, in_upper, single })
    }

    /// A hold on a file that outlives its names (`O_PATH`), and whether it is in the upper.
    pub fn hold(&self, path: &LayerPath) -> Result<(OwnedFd, bool), Errno> {
        let found = self.find(path)?;
        Ok((found.place.handle()?, found.in_upper))
    }

    /// Which layer supplies a file: `None` for the upper, else the layer's index, bottom → top.
    pub fn supplier(&self, path: &LayerPath) -> Result<Option<usize>, Errno> {
        let found = self.find(path)?;
        Ok(found.place.layer.map(|from_top| self.lowers.len() - 1 - from_top))
    }

    /// Where a layer (by its index, bottom → top) or the upper lies on the host.
    pub fn layer_path(&self, layer: Option<usize>) -> Result<std::path::PathBuf, Errno> {
        let place = match layer {
            Some(index) => self.lowers.len().checked_sub(index + 1).ok_or(Errno::NOENT)?,
            None => self.lowers.len(),
        };
        match self.whereabouts.get(place).ok_or(Errno::NOENT)? {
            Whereabouts::Itself => match self.lowers.get(place) {
                Some(lower) => lower.host_path(),
                None => self.root.upper().ok_or(Errno::NOENT)?.host_path(),
            },
            Whereabouts::Other(dir) => dir.host_path(),
            Whereabouts::Path(path) => Ok(path.clone()),
        }
    }

    /// Every name in a directory with its file's number; whiteouts are left out.
    pub fn list_numbered(&self, path: &LayerPath) -> Result<Vec<Listed>, Errno> {
        let dir = self.dir(path.as_bytes())?;
        let merged = !dir.is_pure_upper() && dir.upper().is_some();
        let copies = match dir.upper() {
            Some(up) if self.may_hold_copies(&dir, up)? => Some(up),
            _ => None,
        };
        let mut listed = Vec::new();
        for part in self.shown_items(&dir, b"")? {
            let kind = part.item.kind.unwrap_or(Kind::File);
            let number = match (part.layer, kind) {
                // the number is that of a lower part, if it has one
                (None, Kind::Dir) if merged => match self.look(&dir, &part.item.name) {
                    Ok(Look { found: Some(found), .. }) => self.number(&found)?,
                    Ok(Look { found: None, .. }) => continue,
                    // it is refused to whoever looks at it, and listed all the same
                    Err(Errno::PERM) => self.numbers.of_upper(self.device(None), part.item.ino),
                    Err(errno) => return Err(errno),
                },
                (None, kind)
                    if kind != Kind::Dir
                        && let Some(up) = copies =>
                {
                    self.number_of_copy(up, &part.item.name, (self.device(None), part.item.ino))?
                }
                (None, _) => self.numbers.of_upper(self.device(None), part.item.ino),
                (Some(layer), _) => self.numbers.of(self.device(Some(layer)), part.item.ino),
            };
            listed.push(Listed { name: part.item.name, kind, number });
        }
        Ok(listed)
    }

    /// The directory that holds a path; the root's is itself.
    pub fn look_up_parent(&self, path: &LayerPath) -> Result<Shown, Errno> {
        let (parent, _) = if path.is_root() { (&b""[..], &b""[..]) } else { split(path.as_bytes()) };
        let parent = LayerPath::parse(parent).map_err(|_| Errno::NAMETOOLONG)?;
        self.look_up(&parent)
    }

    /// The device of a layer (0 on top) or of the upper.
    fn device(&self, layer: Option<usize>) -> u64 {
        match layer {
            Some(layer) => self.devices[layer + 1],
            None => self.devices[0],
        }
    }
}

/// The raw attributes of a directory.
fn stat_dir(dir: &Merged) -> Result<RawStat, Errno> {
    match dir.upper() {
        Some(up) => up.stat_self(),
        None => stat_below(dir, dir.lowers.first().ok_or(Errno::NOENT)?),
    }
}

fn stat_below(dir: &Merged, part: &Part) -> Result<RawStat, Errno> {
    let (base, path) = dir.place_of(part);
    base.stat(path)
}

impl super::lookup::Place {
    /// An `O_PATH` handle on the file itself.
    pub(super) fn handle(&self) -> Result<OwnedFd, Errno> {
        self.dir.open_raw(&self.name, OFlags::PATH, crate::model::Mode::default())
    }
}
