//! Attributes of a file: stat, mode, owner, times, size.

use std::fs::File;

use super::Union;
use super::lookup::{Found, Place, split};
use super::raise::Content;
use crate::model::{Kind, LayerPath, Mode, Timestamp, decode_xattrs, encode_owner, names};
use crate::overlay::Aspect;
use crate::sys::{Errno, OFlags, RawStat, xattr};

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
        (stat.uid, stat.gid) = self.options.identity.to_layer(stat.uid, stat.gid);
        if self.options.trust.counts(found.stat.uid) && matches!(stat.kind, Kind::File | Kind::Dir) {
            let kept = xattr::if_there(xattr::get_at(&found.place.dir, &found.place.name, names::OWNER))?;
            if let Some(owner) = kept.and_then(|value| decode_xattrs([(names::OWNER, &value[..])]).owner) {
                (stat.uid, stat.gid) = owner;
            }
        }
        if let Some((kind, device)) = self.stand_in(&found.place, &found.stat)? {
            stat.kind = kind;
            stat.rdev = device;
        }
        if let Some(dir) = &found.dir
            && dir.lowers.len() + usize::from(dir.upper().is_some()) > 1
        {
            stat.nlink = 1;
        }
        Ok(stat)
    }

    /// Runs a change of `what` on the upper's own file for `path`, copied up first.
    pub(super) fn change_file<T>(
        &self,
        path: &LayerPath,
        (what, content): (Aspect, Content),
        change: impl FnOnce(&Place, &Found) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let found = self.find(path)?;
        self.writable()?;
        let place = if path.is_root() {
            found.place.clone()
        } else {
            let (dir, name) = split(path.as_bytes());
            self.raise(&self.dir(dir)?, name, &found, content)?
        };
        let changed = change(&place, &found)?;
        self.tell_changed(path, &found, what);
        Ok(changed)
    }

    /// chmod(2); `EOPNOTSUPP` on a symlink.
    pub fn chmod(&self, path: &LayerPath, mode: Mode) -> Result<(), Errno> {
        let _changing = self.change();
        if self.find(path)?.stat.kind == Kind::Symlink {
            return Err(Errno::OPNOTSUPP);
        }
        self.change_file(path, (Aspect::Mode, Content::Copied), |place, _| place.dir.chmod(&place.name, mode))
    }

    /// lchown(2) to the layer's owner; `None` leaves a part as it is. What the host refuses is kept in
    /// `user.ufs.owner`, on files and directories; setuid and setgid of a file go either way.
    pub fn chown(&self, path: &LayerPath, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        let _changing = self.change();
        let found = self.find(path)?;
        let (host_uid, host_gid) = self.host_owner(&found.stat, uid, gid);
        if !found.in_upper && !matches!(found.stat.kind, Kind::File | Kind::Dir) {
            // it takes no attribute that would keep the owner, so what the host refuses must not be copied up for
            self.writable()?.building(|work, temporary| {
                work.create(temporary, Mode::new(0o600))?;
                work.chown(temporary, host_uid, host_gid)?;
                work.unlink(temporary)
            })?;
        }
        self.change_file(path, (Aspect::Owner, Content::Copied), |place, found| {
            match place.dir.chown(&place.name, host_uid, host_gid) {
                Ok(()) => match xattr::remove_at(&place.dir, &place.name, names::OWNER) {
                    Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => Ok(()),
                    Err(error) => Err(error),
                },
                Err(Errno::PERM | Errno::INVAL) if matches!(found.stat.kind, Kind::File | Kind::Dir) => {
                    let now = self.shown(found)?;
                    let owner = encode_owner(uid.unwrap_or(now.uid), gid.unwrap_or(now.gid));
                    xattr::set_at(&place.dir, &place.name, names::OWNER, &owner)?;
                    let mode = found.stat.mode;
                    let kept = mode.without_set_ids();
                    if found.stat.kind == Kind::File && kept != mode {
                        place.dir.chmod(&place.name, kept)?;
                    }
                    Ok(())
                }
                Err(error) => Err(error),
            }
        })
    }

    /// What the host is to be asked for, so that parts that are not given stay as they are there.
    pub(super) fn host_owner(&self, now: &RawStat, uid: Option<u32>, gid: Option<u32>) -> (u32, u32) {
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
        self.change_file(path, (Aspect::Time, Content::Copied), |place, _| {
            place.dir.set_times(&place.name, atime, mtime)
        })
    }

    /// truncate(2): `EISDIR` for a directory, `EINVAL` for anything but a regular file.
    pub fn truncate(&self, path: &LayerPath, size: u64) -> Result<(), Errno> {
        let _changing = self.change();
        match self.kind(&self.find(path)?)? {
            Kind::File => {}
            Kind::Dir => return Err(Errno::ISDIR),
            _ => return Err(Errno::INVAL),
        }
        let content = if size == 0 { Content::Dropped } else { Content::Copied };
        self.change_file(path, (Aspect::Content, content), |place, _| {
            let file = place.dir.open_raw(&place.name, OFlags::WRONLY, Mode::default())?;
            let told = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
            File::from(file).set_len(size).map_err(told)
        })
    }
}
