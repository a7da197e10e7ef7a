//! Renames. Without redirects a directory with lower parts cannot move: `EXDEV`, and the caller copies.

use std::sync::Arc;

use super::Union;
use super::events::Event;
use super::lookup::{Found, Slot, split};
use super::merged::Merged;
use super::raise::Content;
use crate::model::{Kind, LayerPath, Opaque, WhiteoutForm};
use crate::sys::{Dir, Errno, RenameFlags};

/// One end of a rename.
struct End<'a> {
    dir: Arc<Merged>,
    name: &'a [u8],
    slot: Slot,
    found: Option<Found>,
}

impl Union {
    fn end<'a>(&self, path: &'a LayerPath) -> Result<End<'a>, Errno> {
        let (parent, name) = split(path.as_bytes());
        let dir = self.dir(parent)?;
        Ok(End { dir, name, slot: Slot::Empty, found: None })
    }

    fn fill(&self, end: &mut End<'_>) -> Result<(), Errno> {
        let look = self.look(&end.dir, end.name)?;
        end.slot = look.slot;
        end.found = look.found;
        Ok(())
    }

    /// renameat2(2); of `flags` `NOREPLACE` and `EXCHANGE` are known, `EINVAL` for others.
    pub fn rename(&self, from: &LayerPath, to: &LayerPath, flags: RenameFlags) -> Result<(), Errno> {
        let exchange = flags == RenameFlags::EXCHANGE;
        let only_new = flags == RenameFlags::NOREPLACE;
        if !exchange && !only_new && !flags.is_empty() {
            return Err(Errno::INVAL);
        }
        let _changing = self.change();
        if from.is_root() || to.is_root() {
            return Err(Errno::BUSY);
        }
        let mut old_end = self.end(from)?;
        let mut new_end = self.end(to)?;
        self.writable()?;
        self.fill(&mut old_end)?;
        let old = old_end.found.clone().ok_or(Errno::NOENT)?;
        self.fill(&mut new_end)?;
        let new = new_end.found.clone();
        match &new {
            Some(_) if only_new => return Err(Errno::EXIST),
            None if exchange => return Err(Errno::NOENT),
            None if self.is_kept(new_end.name) => return Err(Errno::PERM),
            _ => {}
        }
        if from == to {
            return Ok(());
        }
        if to.is_within(from) && old.is_dir() {
            return Err(Errno::INVAL);
        }
        if from.is_within(to) {
            return Err(if exchange { Errno::INVAL } else { Errno::NOTEMPTY });
        }
        if let Some(new) = &new {
            let one = (old.stat.dev, old.stat.ino) == (new.stat.dev, new.stat.ino);
            if one && old.in_upper && new.in_upper {
                return Ok(());
            }
            match (old.is_dir(), new.is_dir()) {
                (true, false) if !exchange => return Err(Errno::NOTDIR),
                (false, true) if !exchange => return Err(Errno::ISDIR),
                _ => {}
            }
        }
        if old.is_bound() || exchange && new.as_ref().is_some_and(Found::is_bound) {
            return Err(Errno::XDEV);
        }
        match &new {
            Some(new) if exchange => {
                self.exchange(&old_end, &old, &new_end, new)?;
                self.tell(|| Some(Event::Exchanged { from: from.clone(), to: to.clone() }));
            }
            _ => {
                self.replace(&old_end, &old, &new_end)?;
                self.tell_moved((&old_end.dir, from), (&new_end.dir, to), old.stat.kind);
            }
        }
        if old.is_dir() || new.as_ref().is_some_and(Found::is_dir) {
            self.dirs.forget(from.as_bytes());
            self.dirs.forget(to.as_bytes());
        }
        Ok(())
    }

    /// Cuts a moved directory off from what its new place has in lower layers.
    fn cut_off(&self, moved: &Found, into: &Merged) -> Result<(), Errno> {
        let place = &moved.place;
        if !moved.is_dir()
            || into.is_pure_upper()
            || self.opaque_mark(&place.dir, &place.name)? == Some(Opaque::Yes)
        {
            return Ok(());
        }
        self.make_opaque(&place.dir, &place.name)?;
        self.tell(|| {
            let path = LayerPath::parse(&moved.dir.as_ref()?.path).ok()?;
            Some(Event::Opaque { path, hides: None, made: false })
        });
        Ok(())
    }

    fn exchange(&self, old_end: &End<'_>, old: &Found, new_end: &End<'_>, new: &Found) -> Result<(), Errno> {
        let from = self.raise(&old_end.dir, old_end.name, old, Content::Copied)?;
        let to = self.raise(&new_end.dir, new_end.name, new, Content::Copied)?;
        self.cut_off(old, &new_end.dir)?;
        self.cut_off(new, &old_end.dir)?;
        self.mark_impure_for(&from, old.stat.kind, &new_end.dir, &to.dir)?;
        self.mark_impure_for(&to, new.stat.kind, &old_end.dir, &from.dir)?;
        from.dir.rename(&from.name, &to.dir, &to.name, RenameFlags::EXCHANGE)
    }

    fn replace(&self, old_end: &End<'_>, old: &Found, new_end: &End<'_>) -> Result<(), Errno> {
        let target = new_end.found.as_ref().filter(|new| new.is_bound());
        if let Some(dir) = target.and_then(|new| new.dir.as_ref())
            && !self.is_empty(dir)?
        {
            return Err(Errno::NOTEMPTY);
        }
        let covers = self.below(&old_end.dir, old_end.name)?;
        let from = self.raise(&old_end.dir, old_end.name, old, Content::Copied)?;
        let to = self.raise_dir(&new_end.dir)?;
        if let Some(new) = target.filter(|new| new.in_upper)
            && !to.reach(new_end.name)?.is_vacant()?
        {
            self.clear(&to, new_end.name, new)?;
        }
        self.cut_off(old, &new_end.dir)?;
        self.mark_impure_for(&from, old.stat.kind, &new_end.dir, &to)?;
        let over_whiteout = new_end.slot == Slot::Whiteout;
        if covers {
            self.allow_whiteouts(&old_end.dir, &from.dir)?;
            if over_whiteout {
                // the whiteout goes where it is needed now
                return from.dir.rename(&from.name, &to, new_end.name, RenameFlags::EXCHANGE);
            }
            return self.move_leaving_whiteout(old_end, &from.dir, &to, new_end.name);
        }
        if over_whiteout && old.is_dir() {
            from.dir.rename(&from.name, &to, new_end.name, RenameFlags::EXCHANGE)?;
            return from.dir.unlink(&from.name);
        }
        from.dir.rename(&from.name, &to, new_end.name, RenameFlags::empty())
    }

    fn move_leaving_whiteout(
        &self,
        old_end: &End<'_>,
        from: &Dir,
        to: &Dir,
        new_name: &[u8],
    ) -> Result<(), Errno> {
        if self.options.whiteouts == WhiteoutForm::Device {
            match from.rename(old_end.name, to, new_name, RenameFlags::WHITEOUT) {
                // not on this file system
                Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => {}
                other => return other,
            }
        }
        // two steps: a crash between them leaves both names, never neither
        from.rename(old_end.name, to, new_name, RenameFlags::empty())?;
        self.put_whiteout(&old_end.dir, from, old_end.name, None::<Kind>)
    }
}
