//! Whiteouts and opaque directories: reading the marks, and putting them into the upper.

use std::sync::Arc;

use super::lookup::{Found, Place};
use super::make::hands_down;
use super::merged::Merged;
use super::{Union, discard};
use crate::model::{Kind, Marks, Mode, Opaque, WhiteoutForm};
use crate::sys::{Dir, Errno, RawStat, RenameFlags, xattr};

/// The unit of a file's blocks (stat(2)), in bytes.
const BLOCK: u64 = 512;

fn refuse(dir: &Dir, name: &[u8], mark: &[u8]) -> Result<(), Errno> {
    match xattr::if_there(xattr::get_at(dir, name, mark))? {
        Some(_) => Err(Errno::PERM),
        None => Ok(()),
    }
}

/// The opaque mark of a directory.
pub(super) fn opaque_mark(marks: Marks, dir: &Dir, name: &[u8]) -> Result<Option<Opaque>, Errno> {
    Ok(match xattr::if_there(xattr::get_at(dir, name, marks.opaque()))?.as_deref() {
        Some(b"y") => Some(Opaque::Yes),
        Some(b"x") => Some(Opaque::Whiteouts),
        _ => None,
    })
}

impl Union {
    /// Refuses a file whose content lies in another layer; such a one has no blocks of its own. The kernel's overlay,
    /// too, answers `EPERM` where it is not told to look there.
    pub(super) fn refuse_metacopy(&self, dir: &Dir, name: &[u8], stat: &RawStat) -> Result<(), Errno> {
        if stat.kind != Kind::File || stat.blocks.saturating_mul(BLOCK) >= stat.size {
            return Ok(());
        }
        refuse(dir, name, self.options.marks.metacopy())
    }

    /// Refuses a directory whose parts beneath have another name, in the same way.
    pub(super) fn refuse_redirect(&self, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
        refuse(dir, name, self.options.marks.redirect())
    }

    /// Marks a directory opaque.
    pub(super) fn make_opaque(&self, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
        xattr::set_at(dir, name, self.options.marks.opaque(), b"y")
    }

    /// Puts a whiteout at a name of the upper, in the place of what is there (`held`: its type).
    pub(super) fn put_whiteout(
        &self,
        dir: &Merged,
        up: &Dir,
        name: &[u8],
        held: Option<Kind>,
    ) -> Result<(), Errno> {
        let upper = self.writable()?;
        self.allow_whiteouts(dir, up)?;
        upper.building(|work, temporary| {
            self.make_whiteout(work, temporary)?;
            if held == Some(Kind::Dir) {
                swap_out(up, name, work, temporary)
            } else {
                work.rename(temporary, up, name, RenameFlags::empty())
            }
        })
    }

    /// Puts a whiteout at a name that the upper does not hold.
    pub(super) fn put_new_whiteout(&self, dir: &Merged, up: &Dir, name: &[u8]) -> Result<(), Errno> {
        let in_one_step = self.options.whiteouts == WhiteoutForm::Device && !hands_down(dir, up)?;
        if in_one_step { up.whiteout(name) } else { self.put_whiteout(dir, up, name, None) }
    }

    /// Makes a whiteout of this union's form.
    pub(super) fn make_whiteout(&self, dir: &Dir, name: &[u8]) -> Result<(), Errno> {
        match self.options.whiteouts {
            WhiteoutForm::Device => dir.whiteout(name),
            WhiteoutForm::Xattr => {
                let file = dir.create(name, Mode::new(0o600))?;
                xattr::set(&file, self.options.marks.whiteout(), b"")
            }
        }
    }

    /// Prepares a directory of the upper for whiteouts, where their form asks for it.
    pub(super) fn allow_whiteouts(&self, dir: &Merged, up: &Dir) -> Result<(), Errno> {
        if self.options.whiteouts == WhiteoutForm::Xattr {
            let dir = self.dir(&dir.path)?;
            if !dir.upper_marked() {
                // never on an opaque one: nothing shows through there, so nothing in it needs a whiteout
                xattr::set_at(up, b".", self.options.marks.opaque(), b"x")?;
                dir.mark_upper();
            }
        }
        Ok(())
    }

    /// Replaces an empty merged directory's upper part, which holds whiteouts, by an opaque one without.
    pub(super) fn clear(&self, up: &Dir, name: &[u8], found: &Found) -> Result<(), Errno> {
        let upper = self.writable()?;
        let from = Place { dir: Arc::clone(&found.place.dir), name: name.to_vec(), layer: None };
        upper.building(|work, temporary| {
            work.mkdir(temporary, Mode::new(0o700))?;
            self.make_opaque(work, temporary)?;
            self.copy_attributes(&from, &found.stat, work, temporary)?;
            swap_out(up, name, work, temporary)
        })
    }
}

/// Swaps `name` of the upper with `temporary` of the work directory, and drops what was at `name`.
pub(super) fn swap_out(up: &Dir, name: &[u8], work: &Dir, temporary: &[u8]) -> Result<(), Errno> {
    let swap = || work.rename(temporary, up, name, RenameFlags::EXCHANGE);
    match swap() {
        Ok(()) => {}
        // a directory that its owner may not write cannot change parents; it is on its way out
        Err(Errno::ACCESS) => {
            up.chmod(name, Mode::new(0o700))?;
            swap()?;
        }
        // no exchange on this file system: not atomic, but right
        Err(Errno::INVAL | Errno::NOSYS) => {
            up.remove_tree(name)?;
            return work.rename(temporary, up, name, RenameFlags::empty());
        }
        Err(error) => return Err(error),
    }
    discard(work, temporary);
    Ok(())
}
