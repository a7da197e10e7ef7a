//! What a file loses when somebody changes it: setuid and setgid, which whoever may not keep them takes away.
//!
//! This process may have rights that the one it works for lacks, so the host does not do it. Capabilities are gone
//! already: the host takes them from every file that is written, whoever writes.
//!
//! # Source
//! Linux `fs/attr.c` (`setattr_should_drop_suidgid`), `fs/open.c` (`chown_common`), `fs/overlayfs/inode.c`
//! (`ovl_set_or_remove_acl`).

use std::os::fd::AsFd;

use super::Union;
use super::attributes::Target;
use crate::model::{Kind, LayerPath, Mode};
use crate::sys::dir::stat_fd;
use crate::sys::process::{self, Credentials};
use crate::sys::{Errno, RawStat};

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const GROUP_EXECUTES: u32 = 0o010;

/// A process (or thread) on whose behalf a file is changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Writer {
    /// Its number, as this process sees it; 0 for one that it does not see.
    pub pid: u32,
    /// Its group.
    pub gid: u32,
}

impl Writer {
    fn credentials(self) -> Credentials {
        let seen = process::credentials(self.pid);
        let mut seen =
            seen.unwrap_or(Credentials { groups: Vec::new(), keeps_set_ids: false, reaches_trusted: false });
        seen.groups.push(self.gid);
        seen
    }
}

impl Union {
    /// After the content of a file was changed.
    pub fn after_write(&self, to: impl AsFd, by: Writer) -> Result<(), Errno> {
        let stat = stat_fd(&to)?;
        if stat.kind != Kind::File || stat.mode.bits() & (SETUID | SETGID) == 0 {
            return Ok(());
        }
        let writer = by.credentials();
        if writer.keeps_set_ids {
            return Ok(());
        }
        let mut lost = SETUID;
        if stat.mode.bits() & GROUP_EXECUTES != 0 || !self.is_member(&writer, &stat) {
            lost |= SETGID;
        }
        self.take(to, &stat, lost)
    }

    /// [`Union::chown`] on somebody's behalf.
    pub fn chown_for(
        &self,
        path: &LayerPath,
        (uid, gid): (Option<u32>, Option<u32>),
        by: Writer,
    ) -> Result<(), Errno> {
        let _changing = self.change();
        let found = self.find(path)?;
        self.chown_found(path, &found, uid, gid)?;
        if may_lose_group(&found.stat) {
            self.leave_group(self.hold(path)?.0, &found.stat, by)
        } else {
            Ok(())
        }
    }

    /// The same by any descriptor of an upper's file.
    pub fn chown_open_for(
        &self,
        of: impl AsFd,
        (uid, gid): (Option<u32>, Option<u32>),
        by: Writer,
    ) -> Result<(), Errno> {
        self.writable()?;
        let before = stat_fd(&of)?;
        self.give_owner(Target::Open(of.as_fd()), &before, uid, gid)?;
        if may_lose_group(&before) { self.leave_group(of, &before, by) } else { Ok(()) }
    }

    /// After a file's access control list was set or removed.
    pub fn after_access_list(&self, of: impl AsFd, by: Writer) -> Result<(), Errno> {
        let stat = stat_fd(&of)?;
        if stat.mode.bits() & SETGID == 0 { Ok(()) } else { self.leave_group(of, &stat, by) }
    }

    /// Takes setgid from a file whose group (`before`) is not its changer's.
    fn leave_group(&self, of: impl AsFd, before: &RawStat, by: Writer) -> Result<(), Errno> {
        let changer = by.credentials();
        if changer.keeps_set_ids || self.is_member(&changer, before) {
            return Ok(());
        }
        let now = stat_fd(&of)?;
        self.take(of, &now, SETGID)
    }

    fn is_member(&self, writer: &Credentials, of: &RawStat) -> bool {
        writer.groups.contains(&self.options.identity.to_layer(of.uid, of.gid).1)
    }

    fn take(&self, of: impl AsFd, stat: &RawStat, lost: u32) -> Result<(), Errno> {
        let kept = Mode::new(stat.mode.bits() & !lost);
        if kept == stat.mode { Ok(()) } else { self.chmod_open(of, kept) }
    }
}

/// Whether a file may lose setgid by another owner: of those that can be executed the host takes it, whoever asks.
fn may_lose_group(before: &RawStat) -> bool {
    before.kind != Kind::Dir && before.mode.bits() & SETGID != 0
}
