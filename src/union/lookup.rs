//! Finding: what the union shows under a name, and in a directory.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::sync::Arc;

use super::merged::{Merged, Part};
use super::{Union, by_name};
use crate::model::{Kind, LayerPath, Marks, NAME_MAX, Opaque, WhiteoutForm};
use crate::sys::{Dir, Errno, OFlags, RawItem, RawStat, xattr};

/// Where a file lies on the host: a directory held open, and a path beneath it that meets no symlink.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) dir: Arc<Dir>,
    pub(super) name: Vec<u8>,
    /// The layer that it is of (0 on top); `None` for the upper.
    pub(super) layer: Option<usize>,
}

/// What the upper itself holds under a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Slot {
    Empty,
    Whiteout,
    Held,
}

/// A file that the union shows.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The topmost file.
    pub(super) place: Place,
    /// Its raw attributes.
    pub(super) stat: RawStat,
    /// Whether `place` is in the upper.
    pub(super) in_upper: bool,
    /// Whether it is a file of the upper that may be a copy.
    pub(super) may_be_copy: bool,
    /// The parts of a directory.
    pub(super) dir: Option<Arc<Merged>>,
}

/// A name that a directory lists.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) item: RawItem,
    /// The layer that lists it (0 on top); `None` for the upper.
    pub(super) layer: Option<usize>,
}

/// What a name in one part of a directory says.
enum Says {
    Shown(RawItem),
    /// It is a whiteout.
    Deleted(Box<[u8]>),
    /// It went since it was listed.
    Nothing,
}

/// The answer to a lookup.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) slot: Slot,
    pub(super) found: Option<Found>,
}

impl Found {
    /// A lower layer's file that is no directory.
    fn in_layer(place: Place, stat: RawStat) -> Self {
        Self { place, stat, in_upper: false, may_be_copy: false, dir: None }
    }

    pub(super) fn is_dir(&self) -> bool {
        self.stat.kind == Kind::Dir
    }

    /// A directory that has lower parts, which cannot move without redirects.
    pub(super) fn is_bound(&self) -> bool {
        self.dir.as_ref().is_some_and(|dir| !dir.is_pure_upper())
    }
}

/// So many directories at the end of a way are remembered.
const KEPT: usize = 64;

/// Splits a path that is not the root into its directory and its last name.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&b| b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

impl Union {
    /// Looks a name up in a directory.
    pub(super) fn look(&self, dir: &Merged, name: &[u8]) -> Result<Look, Errno> {
        if name.len() > NAME_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        let path = dir.path_of(name);
        let mut slot = Slot::Empty;
        if self.is_kept(name) {
            return Ok(Look { slot, found: None });
        }
        let mut top: Option<(Place, RawStat)> = None;
        let mut upper = None;
        let mut open_below = true;
        if let Some(up) = dir.upper()
            && let Some(stat) = present(up.stat(name))?
        {
            let by_xattr = self.options.whiteouts == WhiteoutForm::Xattr && dir.upper_marked();
            if is_whiteout(self.options.marks, up, name, &stat, by_xattr)? {
                return Ok(Look { slot: Slot::Whiteout, found: None });
            }
            slot = Slot::Held;
            let place = Place { dir: Arc::clone(up), name: name.to_vec(), layer: None };
            if stat.kind != Kind::Dir {
                self.refuse_metacopy(up, name, &stat)?;
                let may_be_copy = self.may_hold_copies(dir, up)?;
                let found = Found { place, stat, in_upper: true, may_be_copy, dir: None };
                return Ok(Look { slot, found: Some(found) });
            }
            let mark = self.opaque_mark(up, name)?;
            open_below = mark != Some(Opaque::Yes);
            if open_below && !dir.lowers.is_empty() {
                self.refuse_redirect(up, name)?;
            }
            upper = Some((up.reach(name)?, mark == Some(Opaque::Whiteouts)));
            top = Some((place, stat));
        }
        if let Some(up) = dir.upper()
            && open_below
        {
            open_below = !self.hides(up, name)?;
        }
        let in_upper = top.is_some();
        let mut parts = Vec::new();
        let lowest = dir.lowers.last().map(|part| part.layer);
        let way = dir.way_to(&path);
        let below = &path[way.begin..];
        // a lower file with the attribute is a whiteout to every lookup; the directory's mark is for listings
        for part in dir.lowers.iter().filter(|_| open_below) {
            let base = way.base(part)?;
            let Some(stat) = present(base.stat(below))? else {
                if self.hides(base, below)? {
                    break;
                }
                continue;
            };
            if is_whiteout(self.options.marks, base, below, &stat, true)? {
                break;
            }
            let place = || Place { dir: Arc::clone(base), name: below.to_vec(), layer: Some(part.layer) };
            if stat.kind != Kind::Dir {
                if top.is_none() {
                    self.refuse_metacopy(base, below, &stat)?;
                    let found = Found::in_layer(place(), stat);
                    return Ok(Look { slot, found: Some(found) });
                }
                break;
            }
            let mark = self.opaque_mark(base, below)?;
            if mark != Some(Opaque::Yes) && Some(part.layer) != lowest {
                self.refuse_redirect(base, below)?;
            }
            parts.push(Part::new(part.layer, mark == Some(Opaque::Whiteouts), Arc::clone(base)));
            top.get_or_insert_with(|| (place(), stat));
            if mark == Some(Opaque::Yes) || self.hides(base, below)? {
                break;
            }
        }
        let begin = way.begin;
        let found = top.map(|(place, stat)| {
            let dir = Some(Arc::new(Merged::new((path.into(), begin), upper, parts)));
            Found { place, stat, in_upper, may_be_copy: false, dir }
        });
        Ok(Look { slot, found })
    }

    /// Whether a lower layer shows something under a name (which a removal must then hide).
    pub(super) fn below(&self, dir: &Merged, name: &[u8]) -> Result<bool, Errno> {
        Ok(self.holder(dir, name)?.is_some())
    }

    /// The topmost lower layer (0 on top) that shows something under a name.
    pub(super) fn holder(&self, dir: &Merged, name: &[u8]) -> Result<Option<usize>, Errno> {
        let path = dir.path_of(name);
        let way = dir.way_to(&path);
        let below = &path[way.begin..];
        for part in &dir.lowers {
            let base = way.base(part)?;
            if let Some(stat) = present(base.stat(below))? {
                let hidden = is_whiteout(self.options.marks, base, below, &stat, true)?;
                return Ok((!hidden).then_some(part.layer));
            }
            if self.hides(base, below)? {
                break;
            }
        }
        Ok(None)
    }

    /// The directory at a path.
    pub(super) fn dir(&self, path: &[u8]) -> Result<Arc<Merged>, Errno> {
        // of before the first look: what moves meanwhile makes all that is found on this way doubtful
        let epoch = self.dirs.epoch();
        if let Some(dir) = self.known_dir(path) {
            return Ok(dir);
        }
        let mut at = Arc::clone(&self.root);
        let mut rest = path;
        for end in path.iter().enumerate().rev().filter(|&(_, &b)| b == b'/').map(|(end, _)| end) {
            if let Some(dir) = self.dirs.get(&path[..end]) {
                at = dir;
                rest = &path[end + 1..];
                break;
            }
        }
        let names = rest.split(|&b| b == b'/');
        // of a long way only its end, so that two of them have room
        let passed = names.clone().count().saturating_sub(KEPT);
        for (level, name) in names.enumerate() {
            let dir = self.dir_in(&at, name)?;
            at = if level < passed { dir } else { self.dirs.keep(epoch, dir) };
        }
        Ok(at)
    }

    /// The directory at a path, if it was seen lately; the root always.
    pub(super) fn known_dir(&self, path: &[u8]) -> Option<Arc<Merged>> {
        if path.is_empty() { Some(Arc::clone(&self.root)) } else { self.dirs.get(path) }
    }

    fn dir_in(&self, dir: &Merged, name: &[u8]) -> Result<Arc<Merged>, Errno> {
        self.look(dir, name)?.found.ok_or(Errno::NOENT)?.dir.ok_or(Errno::NOTDIR)
    }

    /// Every directory on the way to one, from the root down and with it.
    pub(super) fn way(&self, path: &[u8]) -> Result<Vec<Arc<Merged>>, Errno> {
        let epoch = self.dirs.epoch();
        let mut way = vec![Arc::clone(&self.root)];
        let ends = path.iter().enumerate().filter(|&(_, &b)| b == b'/').map(|(end, _)| end);
        for end in ends.chain((!path.is_empty()).then_some(path.len())) {
            let above = way.last().unwrap_or(&self.root);
            let dir = match self.dirs.get(&path[..end]) {
                Some(dir) => dir,
                None => self.dirs.keep(epoch, self.dir_in(above, split(&path[..end]).1)?),
            };
            way.push(dir);
        }
        Ok(way)
    }

    /// The deepest directory on the way to a path that was seen lately; the root if there is none.
    pub fn remembered(&self, path: &LayerPath) -> LayerPath {
        let mut above = path.parent();
        while let Some(dir) = above {
            if self.known_dir(dir.as_bytes()).is_some() {
                return dir;
            }
            above = dir.parent();
        }
        LayerPath::root()
    }

    /// The file at a path.
    pub(super) fn find(&self, path: &LayerPath) -> Result<Found, Errno> {
        let bytes = path.as_bytes();
        if bytes.is_empty() {
            return self.find_root();
        }
        let (dir, name) = split(bytes);
        self.look(&*self.dir(dir)?, name)?.found.ok_or(Errno::NOENT)
    }

    fn find_root(&self) -> Result<Found, Errno> {
        let root = &self.root;
        let top = root.upper().or(self.lowers.first()).ok_or(Errno::NOENT)?;
        let layer = if root.upper().is_some() { None } else { Some(0) };
        let place = Place { dir: Arc::clone(top), name: b".".to_vec(), layer };
        let stat = top.stat(b".")?;
        let dir = Some(Arc::clone(root));
        Ok(Found { place, stat, in_upper: root.upper().is_some(), may_be_copy: false, dir })
    }

    /// Every name in a directory, in raw byte order; whiteouts are left out.
    ///
    /// `kind` is always known, a device that the host could not make is listed as a file; `ino` is the topmost file's.
    pub fn read_dir(&self, path: &LayerPath) -> Result<Vec<RawItem>, Errno> {
        self.read_dir_from(path, b"")
    }

    /// As [`Union::read_dir`], but only the names that begin so.
    pub fn read_dir_from(&self, path: &LayerPath, begin: &[u8]) -> Result<Vec<RawItem>, Errno> {
        let items = self.shown_items(&*self.dir(path.as_bytes())?, begin)?;
        Ok(items.into_iter().map(|listed| listed.item).collect())
    }

    /// The names that a directory shows and that begin so, in raw byte order.
    pub(super) fn shown_items(&self, dir: &Merged, begin: &[u8]) -> Result<Vec<Item>, Errno> {
        // asked once: a copy-up may give the directory an upper part at any time
        let (upper, by_name) = (dir.upper(), self.options.whiteouts_by_name);
        // nothing hides anything in one part alone: large directories are sorted once
        let lower;
        let (place, layer, by_xattr) = match (upper, &dir.lowers[..]) {
            (Some(up), []) if !by_name => (&**up, None, self.upper_takes_marks(dir)),
            (None, [part]) if !by_name => {
                lower = dir.open_part(part)?;
                (&lower, Some(part.layer), part.marked)
            }
            _ => return Ok(self.list_from(dir, begin)?.into_values().flatten().collect()),
        };
        let mut shown = Vec::new();
        for item in place.items_where(|name| name.starts_with(begin))? {
            if let Says::Shown(item) = self.read_item(place, item, by_xattr)? {
                shown.push(Item { item, layer });
            }
        }
        shown.sort_unstable_by(|a, b| a.item.name.cmp(&b.item.name));
        Ok(shown)
    }

    fn upper_takes_marks(&self, dir: &Merged) -> bool {
        self.options.whiteouts == WhiteoutForm::Xattr && dir.upper_marked()
    }

    /// Whether the union shows nothing in a directory, which is read up to the first name that it shows.
    pub(super) fn is_empty(&self, dir: &Merged) -> Result<bool, Errno> {
        let mut hidden = HashSet::new();
        if let Some(up) = dir.upper()
            && self.has_shown(up, self.upper_takes_marks(dir), &mut hidden)?
        {
            return Ok(false);
        }
        for part in &dir.lowers {
            if self.has_shown(&dir.open_part(part)?, part.marked, &mut hidden)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a part of a directory has a name that is shown beneath those `hidden`, which get what this part hides.
    fn has_shown(&self, part: &Dir, by_xattr: bool, hidden: &mut HashSet<Box<[u8]>>) -> Result<bool, Errno> {
        let mut hides = Vec::new();
        let shown = part.has(|item| {
            if self.is_kept(&item.name) {
                hides.extend(by_name::hidden_by(&item.name).map(Box::from));
                return Ok(false);
            }
            if hidden.contains(&item.name) {
                return Ok(false);
            }
            Ok(match self.read_item(part, item, by_xattr)? {
                Says::Shown(_) => true,
                Says::Deleted(name) => {
                    hides.push(name);
                    false
                }
                Says::Nothing => false,
            })
        })?;
        hidden.extend(hides);
        Ok(shown)
    }

    /// Every name any part speaks about that begins so; `None` where it is deleted.
    fn list_from(&self, dir: &Merged, begin: &[u8]) -> Result<BTreeMap<Box<[u8]>, Option<Item>>, Errno> {
        let mut merged = BTreeMap::new();
        if let Some(up) = dir.upper() {
            self.add_items(&mut merged, up, None, self.upper_takes_marks(dir), begin)?;
        }
        for part in &dir.lowers {
            let lower = dir.open_part(part)?;
            self.add_items(&mut merged, &lower, Some(part.layer), part.marked, begin)?;
        }
        Ok(merged)
    }

    /// Adds one part's names beneath those of the parts above it.
    fn add_items(
        &self,
        merged: &mut BTreeMap<Box<[u8]>, Option<Item>>,
        dir: &Dir,
        layer: Option<usize>,
        by_xattr: bool,
        begin: &[u8],
    ) -> Result<(), Errno> {
        let mut kept = Vec::new();
        // a name that is kept may be the whiteout of one that is asked for
        for item in dir.items_where(|name| name.starts_with(begin) || self.is_kept(name))? {
            if self.is_kept(&item.name) {
                kept.push(item.name);
                continue;
            }
            if merged.contains_key(&item.name) {
                continue;
            }
            match self.read_item(dir, item, by_xattr)? {
                Says::Shown(item) => drop(merged.insert(item.name.clone(), Some(Item { item, layer }))),
                Says::Deleted(name) => drop(merged.insert(name, None)),
                Says::Nothing => {}
            }
        }
        by_name::hide(merged, &kept);
        Ok(())
    }

    /// What a listed name says; one that is shown has its type afterwards.
    fn read_item(&self, dir: &Dir, mut item: RawItem, by_xattr: bool) -> Result<Says, Errno> {
        // only these types can be whiteouts; for the others the listing's word is enough
        let asks = match item.kind {
            None | Some(Kind::CharDevice) => true,
            Some(Kind::File) => by_xattr,
            Some(_) => false,
        };
        if asks {
            let Some(stat) = present(dir.stat(&item.name))? else { return Ok(Says::Nothing) };
            if is_whiteout(self.options.marks, dir, &item.name, &stat, by_xattr)? {
                return Ok(Says::Deleted(item.name));
            }
            item.kind = Some(stat.kind);
        }
        Ok(Says::Shown(item))
    }

    /// The target of a symlink; `EINVAL` for anything else.
    pub fn read_link(&self, path: &LayerPath) -> Result<Vec<u8>, Errno> {
        let found = self.find(path)?;
        if found.stat.kind != Kind::Symlink {
            return Err(Errno::INVAL);
        }
        found.place.dir.read_link(&found.place.name)
    }
}

impl Place {
    /// Opens the file; no symlink is followed.
    pub(super) fn open(&self, flags: OFlags) -> Result<File, Errno> {
        let path = LayerPath::parse(&self.name).map_err(|_| Errno::NAMETOOLONG)?;
        Ok(File::from(self.dir.open_beneath(&path, flags)?))
    }

    /// Opens a layer's file, which is not to remember that it was read: layers never change.
    pub(super) fn open_quietly(&self, flags: OFlags) -> Result<File, Errno> {
        match self.open(flags | OFlags::NOATIME) {
            // only its owner may ask for that
            Err(Errno::PERM) => self.open(flags),
            other => other,
        }
    }
}

/// A missing name is an answer, not an error.
pub(super) fn present(stat: Result<RawStat, Errno>) -> Result<Option<RawStat>, Errno> {
    match stat {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_whiteout(marks: Marks, dir: &Dir, name: &[u8], stat: &RawStat, by_xattr: bool) -> Result<bool, Errno> {
    if stat.is_whiteout() {
        return Ok(true);
    }
    if !by_xattr || stat.kind != Kind::File || stat.size != 0 {
        return Ok(false);
    }
    Ok(xattr::if_there(xattr::get_at(dir, name, marks.whiteout()))?.is_some())
}
