//! The protocol: decodes a request, calls the operation, replies once, decides nothing.
//!
//! Operations are methods of `Adapter` in the files beside this one, a family each; they return
//! `Result<T, Errno>`. Absent, and answered by the kernel itself: locks, `access`, `flush`, `ioctl`, `poll`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use fuser::{
    BsdFileFlags, CopyFileRangeFlags, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr,
    Request, TimeOrNow, WriteFlags,
};

use super::attributes::{self, Change, FOREVER, NEVER};
use super::data::may_change;
use super::replies::{answer, code, created, empty, entry, opened, written};
use super::served::Adapter;
use super::work::{Paths, Protocol};
use crate::sys::{Errno, OFlags};
use crate::union::{Maker, Writer};

/// What the kernel is asked to do or to leave to us; each only where it can.
const WANTED: [InitFlags; 13] = [
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_ATOMIC_O_TRUNC,
    InitFlags::FUSE_DONT_MASK,
    InitFlags::FUSE_POSIX_ACL,
    InitFlags::FUSE_HANDLE_KILLPRIV_V2,
    InitFlags::FUSE_EXPLICIT_INVAL_DATA,
    InitFlags::FUSE_ASYNC_DIO,
    InitFlags::FUSE_NO_EXPORT_SUPPORT,
    InitFlags::FUSE_SPLICE_READ,
    InitFlags::FUSE_MAX_PAGES,
];

/// So much is read or written by one thread while another takes the next request, in bytes.
const LARGE: u32 = 64 << 10;

/// Whether what is read stays in the kernel's cache.
fn is_cached(flags: OpenFlags) -> bool {
    !OFlags::from_bits_truncate(flags.0.cast_unsigned()).contains(OFlags::DIRECT)
}

fn maker(request: &Request, umask: u32) -> Maker {
    Maker { uid: request.uid(), gid: request.gid(), umask }
}

fn writer(request: &Request) -> Writer {
    Writer { pid: request.pid(), gid: request.gid() }
}

impl Filesystem for Protocol {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for wanted in WANTED {
            if wanted == InitFlags::FUSE_POSIX_ACL && !self.manner.acl {
                continue;
            }
            if let Err(missing) = config.add_capabilities(wanted) {
                log::debug!("this kernel's FUSE lacks {missing:?}");
            }
        }
        let straight = config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok()
            && config.set_max_stack_depth(1).is_ok();
        self.handles.passthrough.store(straight, Ordering::Relaxed);
        for set in [config.set_max_background(64), config.set_congestion_threshold(48)] {
            if let Err(nearest) = set {
                log::debug!("the queue's limit stays at {nearest}");
            }
        }
        Ok(())
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let _still = self.still(request);
        match self.look_up(parent.0, name.as_bytes()) {
            // only we make names, so what is not there stays so
            Ok(None) => reply.entry_with_ttls(&NEVER, &FOREVER, &attributes::nothing(), Generation(0)),
            Ok(Some(named)) => entry(reply, Ok(named)),
            Err(errno) => entry(reply, Err(errno)),
        }
    }

    fn forget(&self, _: &Request, ino: INodeNo, nlookup: u64) {
        let _turn = self.turns.begin();
        if self.nodes.forget(ino.0, nlookup) {
            self.listings.forget(ino.0);
        }
    }

    fn getattr(&self, request: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let _still = self.still(request);
        match self.look_at(ino.0) {
            Ok(shown) => {
                reply.attr(&self.lasts(ino.0, &shown), &attributes::of(&shown, shown.stat.ino));
            }
            Err(errno) => reply.error(code(errno)),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        fh: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let change = Change { mode, uid, gid, size, atime, mtime, by: writer(request) };
        let work = move |adapter: &Adapter, _: &ReplyAttr| {
            let shown = adapter.change(ino.0, &change, fh.map(|handle| handle.0))?;
            Ok((adapter.lasts(ino.0, &shown), shown))
        };
        let quiet = size.map(|_| self.pushes.quiet(ino.0));
        self.quietly(request, (Paths::Stay, quiet), reply, work, |reply, done| match done {
            Ok((lasts, shown)) => reply.attr(&lasts, &attributes::of(&shown, shown.stat.ino)),
            Err(errno) => reply.error(code(errno)),
        });
    }

    fn readlink(&self, request: &Request, ino: INodeNo, reply: ReplyData) {
        let _still = self.still(request);
        match self.link_target(ino.0) {
            Ok(target) => reply.data(&target),
            Err(errno) => reply.error(code(errno)),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let _still = self.still(request);
        entry(reply, self.make_node(parent.0, name.as_bytes(), (mode, rdev), maker(request, umask)));
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let _still = self.still(request);
        entry(reply, self.make_dir(parent.0, name.as_bytes(), mode, maker(request, umask)));
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let _still = self.still(request);
        empty(reply, self.remove(parent.0, name.as_bytes()));
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let _moving = self.moving(request);
        empty(reply, self.remove_dir(parent.0, name.as_bytes()));
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let _still = self.still(request);
        let target = target.as_os_str().as_bytes();
        entry(reply, self.make_symlink(parent.0, name.as_bytes(), target, maker(request, 0)));
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (name, newname) = (name.to_owned(), newname.to_owned());
        let work = move |adapter: &Adapter, _: &ReplyEmpty| {
            let (from, to) = ((parent.0, name.as_bytes()), (newparent.0, newname.as_bytes()));
            adapter.move_name(from, to, flags.bits())
        };
        self.patiently(request, Paths::Change, reply, work, empty);
    }

    fn link(&self, request: &Request, ino: INodeNo, newparent: INodeNo, newname: &OsStr, reply: ReplyEntry) {
        let name = newname.to_owned();
        let work =
            move |adapter: &Adapter, _: &ReplyEntry| adapter.link_name(ino.0, newparent.0, name.as_bytes());
        self.patiently(request, Paths::Stay, reply, work, entry);
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let (flags, by) = (flags.0, writer(request));
        let work = move |adapter: &Adapter, reply: &ReplyOpen| {
            adapter.open_node(ino.0, flags, by, |file| reply.open_backing(file))
        };
        let quiet = may_change(flags).then(|| self.pushes.quiet(ino.0));
        self.quietly(request, (Paths::Stay, quiet), reply, work, opened);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let (name, whose) = (name.to_owned(), (maker(request, umask), writer(request)));
        let work = move |adapter: &Adapter, reply: &ReplyCreate| {
            let back = |file: &std::fs::File| reply.open_backing(file);
            adapter.create_file(parent.0, name.as_bytes(), (mode, flags), whose, back)
        };
        self.patiently(request, Paths::Stay, reply, work, created);
    }

    fn read(
        &self,
        request: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let turn = self.turns.begin();
        if size >= LARGE {
            turn.pass_on();
            if self.carry_open(request.unique().0, fh.0, offset, size as usize) {
                // The crate knows of no answer but its own. What is lost is its count of who holds the device, which is
                // closed when the server ends.
                return std::mem::forget(reply);
            }
        }
        self.read_open(fh.0, offset, size as usize, |done| match done {
            Ok(data) => reply.data(data),
            Err(errno) => reply.error(code(errno)),
        });
        if size < LARGE && is_cached(flags) {
            self.note_read(fh.0, offset);
        }
    }

    fn write(
        &self,
        request: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let turn = self.turns.begin();
        if data.len() >= LARGE as usize {
            turn.pass_on();
        }
        let by = write_flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID).then(|| writer(request));
        written(reply, self.write_open(fh.0, offset, data, by));
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        let _turn = self.turns.begin();
        // each write was answered when it was done: the kernel need not ask again
        reply.error(fuser::Errno::ENOSYS);
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        let _turn = self.turns.begin();
        self.handles.release(fh.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, fh: FileHandle, datasync: bool, reply: ReplyEmpty) {
        let turn = self.turns.begin();
        turn.pass_on();
        // the kernel does not ask again
        let done = if self.union.is_volatile() { Err(Errno::NOSYS) } else { self.sync_open(fh.0, datasync) };
        empty(reply, done);
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let _turn = self.turns.begin();
        let open = self.listings.open(ino.0);
        let mut flags = FopenFlags::empty();
        flags.set(FopenFlags::FOPEN_CACHE_DIR, open.cached);
        flags.set(FopenFlags::FOPEN_KEEP_CACHE, open.keeps);
        reply.opened(FileHandle(open.handle), flags);
    }

    fn readdir(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let _still = self.still(request);
        match self.read_dir(ino.0, fh.0, offset, &mut reply) {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(code(errno)),
        }
    }

    fn readdirplus(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let _still = self.still(request);
        match self.read_dir_with_attributes(ino.0, fh.0, offset, &mut reply) {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(code(errno)),
        }
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        let _turn = self.turns.begin();
        self.listings.release(fh.0);
        reply.ok();
    }

    fn fsyncdir(&self, request: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let _still = self.still(request);
        let done = if self.union.is_volatile() { Err(Errno::NOSYS) } else { self.sync_dir(ino.0) };
        empty(reply, done);
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let _turn = self.turns.begin();
        let name_max = u32::try_from(crate::model::NAME_MAX).unwrap_or(u32::MAX);
        match self.union.space() {
            Ok(space) => reply.statfs(
                space.blocks,
                space.free,
                space.available,
                space.files,
                space.files_free,
                space.block_size,
                name_max,
                space.fragment_size,
            ),
            Err(errno) => reply.error(code(errno)),
        }
    }

    fn setxattr(
        &self,
        request: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let (name, value, by) = (name.to_owned(), value.to_owned(), writer(request));
        let work = move |adapter: &Adapter, _: &ReplyEmpty| {
            adapter.set_xattr(ino.0, name.as_bytes(), (&value, flags), by)
        };
        self.patiently(request, Paths::Stay, reply, work, empty);
    }

    fn getxattr(&self, request: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let _still = self.still(request);
        answer(reply, size, self.xattr(ino.0, name.as_bytes(), request.pid()));
    }

    fn listxattr(&self, request: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let _still = self.still(request);
        answer(reply, size, self.xattrs(ino.0, request.pid()));
    }

    fn removexattr(&self, request: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (name, by) = (name.to_owned(), writer(request));
        let work = move |adapter: &Adapter, _: &ReplyEmpty| adapter.remove_xattr(ino.0, name.as_bytes(), by);
        self.patiently(request, Paths::Stay, reply, work, empty);
    }

    fn fallocate(
        &self,
        request: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let turn = self.turns.begin();
        turn.pass_on();
        empty(reply, self.allocate_open(fh.0, (offset, length), mode, writer(request)));
    }

    fn lseek(&self, _: &Request, _: INodeNo, fh: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        let _turn = self.turns.begin();
        match self.seek_open(fh.0, offset, whence) {
            Ok(offset) => reply.offset(offset),
            Err(errno) => reply.error(code(errno)),
        }
    }

    fn copy_file_range(
        &self,
        request: &Request,
        _: INodeNo,
        fh_in: FileHandle,
        offset_in: u64,
        _: INodeNo,
        fh_out: FileHandle,
        offset_out: u64,
        len: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        let turn = self.turns.begin();
        turn.pass_on();
        let (from, to) = ((fh_in.0, offset_in), (fh_out.0, offset_out));
        written(reply, self.copy_range(from, to, len, writer(request)));
    }
}
