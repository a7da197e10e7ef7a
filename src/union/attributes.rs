//! Attributes of a file: stat, mode, owner, times, size.

use std::fs::File;
use std::os::fd::BorrowedFd;

use super::Union;
use super::lookup::{Found, Place, split};
use super::raise::Content;
use crate::model::{Kind, LayerPath, Mode, Timestamp, decode_xattrs, encode_owner, names};
use crate::overlay::Aspect;
use crate::sys::dir::chmod_fd;
use crate::sys::{Errno, OFlags, RawStat, file, xattr};

/// A file whose owner is read or changed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a> {
    Named(&'a Place),
    /// By any descriptor.
    Open(BorrowedFd<'a>),
}

impl Target<'_> {
    fn mark(self, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
        xattr::if_there(match self {
            Self::Named(place) => xattr::get_at(&place.dir, &place.name, name),
            Self::Open(fd) => xattr::get(fd, name),
        })
    }

    fn set_mark(self, value: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Named(place) => xattr::set_at(&place.dir, &place.name, names::OWNER, value),
            Self::Open(fd) => xattr::set(fd, names::OWNER, value),
        }
    }

    fn remove_mark(self) -> Result<(), Errno> {
        let removed = match self {
            Self::Named(place) => xattr::remove_at(&place.dir, &place.name, names::OWNER),
            Self::Open(fd) => xattr::remove(fd, names::OWNER),
        };
        match removed {
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => Ok(()),
            other => other,
        }
    }

    fn chown(self, uid: u32, gid: u32) -> Result<(), Errno> {
        match self {
            Self::Named(place) => place.dir.chown(&place.name, uid, gid),
            Self::Open(fd) => file::chown(fd, uid, gid),
        }
    }

    fn chmod(self, mode: Mode) -> Result<(), Errno> {
        match self {
            Self::Named(place) => place.dir.chmod(&place.name, mode),
            Self::Open(fd) => chmod_fd(fd, mode),
        }
    }
}

/// Whether a file can have a mark that keeps its owner.
fn keeps_owner(kind: Kind) -> bool {
    matches!(kind, Kind::File | Kind::Dir)
}

impl Union {
    /// lstat(2). Owners are the layer's; a device that the host could not make is shown as the device.
    ///
    /// A directory merged of several parts has a link count of 1, as with the kernel.
    pub fn stat(&self, path: &LayerPath) -> Result<RawStat, Errno> {
        self.shown(&self.find(path)?)
    }

    /// What the union says of a file.
    pub(super) fn shown(&self, found: &Found) -> Result<RawStat, Errno> {
        let mut stat = found.stat;
        (stat.uid, stat.gid) = self.owner(Target::Named(&found.place), &stat)?;
        if let Some((kind, device)) = self.stand_in(&found.place, &found.stat)? {
            stat.kind = kind;
            stat.rdev = device;
        }
        if let Some(dir) = &found.dir
            && dir.parts() > 1
        {
            stat.nlink = 1;
        }
        Ok(stat)
    }

    /// The layer's owner of a file, whose raw attributes are known.
    fn owner(&self, of: Target<'_>, stat: &RawStat) -> Result<(u32, u32), Errno> {
        let counts = self.options.trust.counts(stat.uid) && keeps_owner(stat.kind);
        let kept = if counts { of.mark(names::OWNER)? } else { None };
        let kept = kept.and_then(|value| decode_xattrs([(names::OWNER, &value[..])]).owner);
        Ok(kept.unwrap_or_else(|| self.options.identity.to_layer(stat.uid, stat.gid)))
    }

    /// Runs a change of `what` on the upper's own file for what was found at `path`, copied up first.
    pub(super) fn change_file<T>(
        &self,
        path: &LayerPath,
        found: &Found,
        (what, content): (Aspect, Content),
        change: impl FnOnce(&Place) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.writable()?;
        let place = if path.is_root() {
            found.place.clone()
        } else {
            let (dir, name) = split(path.as_bytes());
            self.raise(&self.dir(dir)?, name, found, content)?
        };
        let changed = change(&place)?;
        self.tell_changed(path, found, what);
        Ok(changed)
    }

    /// chmod(2); `EOPNOTSUPP` on a symlink.
    pub fn chmod(&self, path: &LayerPath, mode: Mode) -> Result<(), Errno> {
        let _changing = self.change();
        let found = self.find(path)?;
        if found.stat.kind == Kind::Symlink {
            return Err(Errno::OPNOTSUPP);
        }
        self.change_file(path, &found, (Aspect::Mode, Content::Copied), |place| {
            place.dir.chmod(&place.name, mode)
        })
    }

    /// lchown(2) to the layer's owner; `None` leaves a part as it is. What the host refuses is kept in
    /// `user.ufs.owner`, on files and directories; setuid and setgid of a file go either way.
    pub fn chown(&self, path: &LayerPath, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        let _changing = self.change();
        self.chown_found(path, &self.find(path)?, uid, gid)
    }

    /// The same of what was found, with all changes held off.
    pub(super) fn chown_found(
        &self,
        path: &LayerPath,
        found: &Found,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<(), Errno> {
        if !found.in_upper && !keeps_owner(found.stat.kind) {
            // it takes no attribute that would keep the owner, so what the host refuses must not be copied up for
            let (host_uid, host_gid) = self.host_owner(&found.stat, uid, gid);
            self.writable()?.building(|work, temporary| {
                work.create(temporary, Mode::new(0o600))?;
                work.chown(temporary, host_uid, host_gid)?;
                work.unlink(temporary)
            })?;
        }
        self.change_file(path, found, (Aspect::Owner, Content::Copied), |place| {
            self.give_owner(Target::Named(place), &found.stat, uid, gid)
        })
    }

    /// Gives a file of the upper, whose raw attributes are known, to the layer's owner.
    pub(super) fn give_owner(
        &self,
        target: Target<'_>,
        stat: &RawStat,
        uid: Option<u32>,
        gid: Option<u32>,
    ) -> Result<(), Errno> {
        let (host_uid, host_gid) = self.host_owner(stat, uid, gid);
        let may_stand_in = stat.kind == Kind::File && stat.size == 0 && self.options.trust.counts(stat.uid);
        let given = if may_stand_in && target.mark(names::NODE)?.is_some() {
            // what it stands for counts on a file of ours only
            Err(Errno::PERM)
        } else {
            target.chown(host_uid, host_gid)
        };
        match given {
            Ok(()) if keeps_owner(stat.kind) => target.remove_mark(),
            Err(Errno::PERM | Errno::INVAL) if keeps_owner(stat.kind) => {
                let now = self.owner(target, stat)?;
                target.set_mark(&encode_owner(uid.unwrap_or(now.0), gid.unwrap_or(now.1)))?;
                let kept = stat.mode.without_set_ids();
                if stat.kind == Kind::File && kept != stat.mode { target.chmod(kept) } else { Ok(()) }
            }
            done => done,
        }
    }

    /// What the host is to be asked for, so that parts that are not given stay as they are there.
    fn host_owner(&self, now: &RawStat, uid: Option<u32>, gid: Option<u32>) -> (u32, u32) {
        let (new_uid, new_gid) = self.options.identity.to_host(uid.unwrap_or(0), gid.unwrap_or(0));
        (uid.map_or(now.uid, |_| new_uid), gid.map_or(now.gid, |_| new_gid))
    }

    /// utimensat(2) of the file itself; `None` leaves a time as it is.
    pub fn set_times(
        &self,
        path: &LayerPath,
        atime: Option<Timestamp>,
        mtime: Option<Timestamp>,
    ) -> Result<(), Errno> {
        let _changing = self.change();
        let found = self.find(path)?;
        self.change_file(path, &found, (Aspect::Time, Content::Copied), |place| {
            place.dir.set_times(&place.name, atime, mtime)
        })
    }

    /// truncate(2): `EISDIR` for a directory, `EINVAL` for anything but a regular file.
    pub fn truncate(&self, path: &LayerPath, size: u64) -> Result<(), Errno> {
        let _changing = self.change();
        let found = self.find(path)?;
        match self.kind(&found)? {
            Kind::File => {}
            Kind::Dir => return Err(Errno::ISDIR),
            _ => return Err(Errno::INVAL),
        }
        let content = if size == 0 { Content::Dropped } else { Content::Copied };
        self.change_file(path, &found, (Aspect::Content, content), |place| {
            let file = place.dir.open_raw(&place.name, OFlags::WRONLY, Mode::default())?;
            let told = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
            File::from(file).set_len(size).map_err(told)
        })
    }
}
