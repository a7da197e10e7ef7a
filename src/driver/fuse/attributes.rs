//! Attributes: what a node's file is, and changes of it.

use std::os::fd::AsFd as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo, TimeOrNow};

use super::nodes::ROOT;
use super::served::Adapter;
use crate::model::{Kind, LayerPath, Mode, Timestamp};
use crate::sys::{self, Errno, RawStat};
use crate::union::{Shown, Writer};

/// How long the kernel may take for granted what only we can change.
pub(super) const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);
/// setuid and setgid.
pub(super) const SET_IDS: u32 = 0o6000;
/// What the kernel must ask for each time.
pub(super) const NEVER: Duration = Duration::ZERO;

/// What a change of a lower layer's file gives once its name is gone: there is no name to copy it up to. The kernel's
/// overlay says the same.
pub(super) const NAMELESS: Errno = Errno::EXIST;

/// What is to be changed of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) atime: Option<TimeOrNow>,
    pub(super) mtime: Option<TimeOrNow>,
    /// Whoever changes it.
    pub(super) by: Writer,
}

/// Where a node's file is found.
#[derive(Debug)]
pub(super) enum Spot {
    /// Under a name.
    Path(LayerPath),
    /// By a descriptor, as it has no name any more; whether it is the upper's.
    Open(std::os::fd::OwnedFd, bool),
}

pub(super) fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::Dir => FileType::Directory,
        Kind::File => FileType::RegularFile,
        Kind::Symlink => FileType::Symlink,
        Kind::Fifo => FileType::NamedPipe,
        Kind::Socket => FileType::Socket,
        Kind::CharDevice => FileType::CharDevice,
        Kind::BlockDevice => FileType::BlockDevice,
    }
}

fn time(time: Timestamp) -> SystemTime {
    let nanos = Duration::from_nanos(u64::from(time.nanos));
    let secs = Duration::from_secs(time.secs.unsigned_abs());
    if time.secs >= 0 { UNIX_EPOCH + secs + nanos } else { UNIX_EPOCH - secs + nanos }
}

/// A time as the crate took it from a request: of one before 1970 it subtracts seconds and nanoseconds both.
fn timestamp(time: TimeOrNow) -> Timestamp {
    let at = match time {
        TimeOrNow::Now => return sys::now_as_stamped(),
        TimeOrNow::SpecificTime(at) => at,
    };
    let whole = |secs: u64| i64::try_from(secs).unwrap_or(i64::MAX);
    match at.duration_since(UNIX_EPOCH) {
        Ok(after) => Timestamp { secs: whole(after.as_secs()), nanos: after.subsec_nanos() },
        Err(before) => {
            let before = before.duration();
            Timestamp { secs: -whole(before.as_secs()), nanos: before.subsec_nanos() }
        }
    }
}

/// A device number as the protocol has it (Linux `new_encode_dev`).
fn device(stat: &RawStat) -> u32 {
    let (major, minor) = (stat.rdev.major, stat.rdev.minor);
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// The attributes of a file, with `number` as its inode's.
pub(super) fn of(shown: &Shown, number: u64) -> FileAttr {
    let stat = &shown.stat;
    FileAttr {
        ino: INodeNo(number),
        size: stat.size,
        blocks: stat.blocks,
        atime: time(stat.atime),
        mtime: time(stat.mtime),
        ctime: time(stat.ctime),
        crtime: UNIX_EPOCH,
        kind: file_type(stat.kind),
        perm: u16::try_from(stat.mode.bits()).unwrap_or(0),
        nlink: u32::try_from(stat.nlink).unwrap_or(u32::MAX),
        uid: stat.uid,
        gid: stat.gid,
        rdev: if matches!(stat.kind, Kind::CharDevice | Kind::BlockDevice) { device(stat) } else { 0 },
        blksize: 4096,
        flags: 0,
    }
}

/// How long the kernel may take a file's attributes for granted: names of one lower file part when one of them is opened
/// for writing, which no answer tells; and who writes to a file takes its set-ID marks away, of which the kernel hears
/// nothing but what it asks.
pub(super) fn lasts(shown: &Shown) -> Duration {
    let is_marked = shown.stat.kind == Kind::File && shown.stat.mode.bits() & SET_IDS != 0;
    if shown.single && !is_marked { FOREVER } else { NEVER }
}

/// The same of a file that may be mapped past what the kernel keeps.
pub(super) fn lasts_of(shown: &Shown, mapped: bool) -> Duration {
    if mapped { NEVER } else { lasts(shown) }
}

/// What stands for a name that is not there.
pub(super) fn nothing() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: FileType::RegularFile,
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 0,
        flags: 0,
    }
}

impl Adapter {
    /// How long the kernel may take a node's attributes for granted: memory of a file that it reads and writes by itself
    /// changes the file's times, and nothing that it keeps.
    pub(super) fn lasts(&self, node: u64, shown: &Shown) -> Duration {
        lasts_of(shown, self.nodes.may_be_mapped(node))
    }

    /// Makes the kernel ask for a node's attributes again.
    pub(super) fn let_ask_again(&self, node: u64) {
        // a place before the file's begin: its content stays
        if let Some(Err(error)) = self.notifier.get().map(|to| to.inval_inode(INodeNo(node), -1, 0)) {
            log::debug!("the kernel keeps what it knows of {node}: {error}");
        }
    }

    /// Makes a change, whose copy-ups may give directories another size and time: the kernel is to ask for them again before
    /// the change is answered.
    pub(super) fn telling_touched<T>(&self, change: impl FnOnce() -> T) -> T {
        let done = change();
        for path in self.union.touched() {
            let mut names = path.as_bytes().split(|&b| b == b'/').filter(|name| !name.is_empty());
            let node = names.try_fold(ROOT, |node, name| self.nodes.child(node, name));
            if let Some(node) = node {
                self.let_ask_again(node);
            }
        }
        done
    }

    /// Where a node's file is.
    pub(super) fn spot(&self, node: u64) -> Result<Spot, Errno> {
        if let Some(path) = self.nodes.path(node) {
            return Ok(Spot::Path(path));
        }
        if let Some(hold) = self.nodes.hold(node) {
            return Ok(Spot::Open(sys::file::duplicate(&hold.fd)?, hold.in_upper));
        }
        let open = self.handles.any_of(node).ok_or(Errno::STALE)?;
        let file = open.file().ok_or(Errno::STALE)?;
        Ok(Spot::Open(sys::file::duplicate(file.as_fd())?, open.in_upper()))
    }

    /// The attributes of a node's file.
    pub(super) fn look_at(&self, node: u64) -> Result<Shown, Errno> {
        match self.spot(node)? {
            Spot::Path(path) => match self.union.look_up(&path) {
                // its name went meanwhile
                Err(Errno::NOENT) if node != ROOT => match self.spot(node)? {
                    Spot::Open(file, in_upper) => self.union.look_at_open(file, in_upper),
                    Spot::Path(_) => Err(Errno::NOENT),
                },
                other => other,
            },
            Spot::Open(file, in_upper) => self.union.look_at_open(file, in_upper),
        }
    }

    /// Changes attributes; gives them all.
    pub(super) fn change(&self, node: u64, change: &Change, handle: Option<u64>) -> Result<Shown, Errno> {
        match self.spot(node)? {
            Spot::Path(path) => {
                let changed = self.change_at(&path, change, handle);
                // of several changes some may have been made
                if changed.is_ok() || self.union.look_up(&path).is_ok_and(|shown| shown.in_upper) {
                    self.raised(node, &path);
                }
                changed?;
            }
            Spot::Open(_, false) => return Err(NAMELESS),
            Spot::Open(file, true) => self.change_open(&file, change, handle)?,
        }
        self.look_at(node)
    }

    fn change_at(&self, path: &LayerPath, change: &Change, handle: Option<u64>) -> Result<(), Errno> {
        if let Some(size) = change.size {
            match handle {
                Some(handle) => self.resize_open(handle, size, change.by)?,
                None => self.resize(path, size, change.by)?,
            }
        }
        if change.uid.is_some() || change.gid.is_some() {
            self.union.chown_for(path, (change.uid, change.gid), change.by)?;
        }
        if let Some(mode) = change.mode {
            self.union.chmod(path, Mode::new(mode))?;
        }
        if change.atime.is_some() || change.mtime.is_some() {
            self.union.set_times(path, change.atime.map(timestamp), change.mtime.map(timestamp))?;
        }
        Ok(())
    }

    fn resize(&self, path: &LayerPath, size: u64, by: Writer) -> Result<(), Errno> {
        self.union.truncate(path, size)?;
        self.union.after_write(self.union.hold(path)?.0, by)
    }

    fn resize_open(&self, handle: u64, size: u64, by: Writer) -> Result<(), Errno> {
        let file = self.file_of(handle)?;
        self.union.truncate_open(&*file, size)?;
        self.union.after_write(&*file, by)
    }

    fn change_open(
        &self,
        file: &std::os::fd::OwnedFd,
        change: &Change,
        handle: Option<u64>,
    ) -> Result<(), Errno> {
        if let Some(size) = change.size {
            if let Some(handle) = handle {
                self.resize_open(handle, size, change.by)?;
            } else {
                let file = sys::file::reopen(file, sys::OFlags::WRONLY | sys::OFlags::NONBLOCK)?;
                self.union.truncate_open(&file, size)?;
                self.union.after_write(&file, change.by)?;
            }
        }
        if change.uid.is_some() || change.gid.is_some() {
            self.union.chown_open_for(file, (change.uid, change.gid), change.by)?;
        }
        if let Some(mode) = change.mode {
            self.union.chmod_open(file, Mode::new(mode))?;
        }
        if change.atime.is_some() || change.mtime.is_some() {
            self.union.set_times_open(file, change.atime.map(timestamp), change.mtime.map(timestamp))?;
        }
        Ok(())
    }

    /// After a change by name: if it copied the file up, whoever has it open goes on with the copy.
    pub(super) fn raised(&self, node: u64, path: &LayerPath) {
        if self.nodes.note_raised(node) {
            // of names of one lower file a copy has a number of its own
            if let Some(dir) = self.nodes.lists_by_number(node) {
                self.listings.renew(dir);
            }
            self.handles.raise(node, |flags| {
                let flags = flags.difference(sys::OFlags::TRUNC);
                self.union.open_existing(path, flags).map(|(file, _)| file)
            });
        }
    }
}
