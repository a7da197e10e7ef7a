//! One stack by each driver: what each does, side by side.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ufs::driver::{DriverKind, Files, Follow, Mounted, OpenHow, RenameHow};
use ufs::model::{Change, Changeset, Kind, LayerPath, Mode, Node, Timestamp, WhiteoutForm, names};
use ufs::sys::{Dir, Errno, probe, xattr};

use super::layers::{self, long_ago};
use super::ops::{self, Seen, Snapshot};
use super::stage::Stage;

/// What an operation gives.
pub(crate) type Done<T = ()> = Result<T, Errno>;

/// A stack, mounted by the kernel and opened by our union, each with an upper of its own; and by our union behind FUSE,
/// where the machine lets us.
pub(crate) struct Case {
    stage: Stage,
    kernel: Option<Box<dyn Mounted>>,
    union: Option<Box<dyn Mounted>>,
    fuse: Option<Box<dyn Mounted>>,
    with_fuse: bool,
}

/// What builds a lower layer.
pub(crate) type Build<'a> = &'a dyn Fn(&Lower);

impl Case {
    /// Builds the lower layers, bottom → top.
    pub(crate) fn new(scratch: &Path, lowers: &[Build<'_>]) -> Self {
        let mut case = Self::unmounted(scratch, lowers);
        case.stage.add_upper("kernel");
        case.stage.add_upper("union");
        case.stage.add_upper("fuse");
        case.mount();
        case
    }

    /// The same without an upper.
    pub(crate) fn read_only(scratch: &Path, lowers: &[Build<'_>]) -> Self {
        let mut case = Self::unmounted(scratch, lowers);
        case.stage.add_target("kernel");
        case.stage.add_target("fuse");
        case.mount();
        case
    }

    fn unmounted(scratch: &Path, lowers: &[Build<'_>]) -> Self {
        let mut stage = Stage::new(scratch, &[], true);
        for (number, build) in lowers.iter().enumerate() {
            Lower::make(stage.add_lower(), number, build);
        }
        let fuse = probe::fuse_device();
        if let Err(no) = &fuse {
            crate::host::skip(&no.reason);
        }
        Self { stage, kernel: None, union: None, fuse: None, with_fuse: fuse.is_ok() }
    }

    fn mount(&mut self) {
        self.kernel = Some(self.stage.mount(DriverKind::Overlay, "kernel", WhiteoutForm::Device));
        self.union = Some(self.stage.mount(DriverKind::Direct, "union", WhiteoutForm::Device));
        if self.with_fuse {
            self.fuse = Some(self.stage.mount(DriverKind::Fuse, "fuse", WhiteoutForm::Device));
        }
    }

    fn unmount(&mut self) {
        drop((self.kernel.take(), self.union.take(), self.fuse.take()));
    }

    /// Runs the same by the kernel, by the union, and by FUSE.
    fn all<T>(&self, act: impl Fn(&Hand<'_>) -> T) -> (T, T, Option<T>) {
        let by =
            |mounted: &Option<Box<dyn Mounted>>| mounted.as_ref().map(|mounted| act(&Hand(mounted.files())));
        (by(&self.kernel).unwrap(), by(&self.union).unwrap(), by(&self.fuse))
    }

    /// Runs the same by all; what it gives by the kernel and by the union.
    pub(crate) fn each<T>(&self, act: impl Fn(&Hand<'_>) -> T) -> (T, T) {
        let (kernel, union, _) = self.all(act);
        (kernel, union)
    }

    /// Runs the same by all, which give the same.
    pub(crate) fn same<T: PartialEq + Debug>(&self, act: impl Fn(&Hand<'_>) -> T) -> T {
        let (kernel, union, fuse) = self.all(act);
        assert_eq!(kernel, union, "kernel and union");
        if let Some(fuse) = fuse {
            assert_eq!(kernel, fuse, "kernel and FUSE");
        }
        kernel
    }

    /// Runs the same by both, which give the same, whatever that is.
    pub(crate) fn agree<T: PartialEq + Debug>(&self, act: impl Fn(&Hand<'_>) -> T) {
        drop(self.same(act));
    }

    /// What both show.
    pub(crate) fn shown(&self) -> Snapshot {
        self.same(|hand| ops::snapshot(hand.0))
    }

    /// The directory of the kernel's upper, and of the union's.
    pub(crate) fn uppers(&self) -> [PathBuf; 2] {
        [self.stage.upper("kernel"), self.stage.upper("union")]
    }

    /// Makes the uppers lower layers, each driver's the other's, and goes on with fresh ones.
    pub(crate) fn seal(&mut self) {
        self.unmount();
        if self.with_fuse {
            self.stage.seal(&["kernel", "union", "fuse"]);
        } else {
            self.stage.seal(&["kernel", "union"]);
        }
        self.mount();
    }

    /// Both show the same, left the same upper, and read each other's; what is in it, but for the root.
    pub(crate) fn end(mut self) -> Vec<String> {
        let shown = self.shown();
        self.unmount();
        let [kernel, union] = self.uppers().map(|upper| layers::scan(&upper));
        assert_eq!(kernel, union, "the kernel's upper and the union's");
        let by_union = self.stage.mount(DriverKind::Direct, "kernel", WhiteoutForm::Device);
        assert_eq!(shown, ops::snapshot(by_union.files()), "the kernel's upper in the union");
        let by_kernel = self.stage.mount(DriverKind::Overlay, "union", WhiteoutForm::Device);
        assert_eq!(shown, ops::snapshot(by_kernel.files()), "the union's upper in the kernel");
        if self.with_fuse {
            assert_eq!(kernel, layers::scan(&self.stage.upper("fuse")), "the kernel's upper and FUSE's");
            drop((by_union, by_kernel));
            let by_fuse = self.stage.mount(DriverKind::Fuse, "kernel", WhiteoutForm::Device);
            assert_eq!(shown, ops::snapshot(by_fuse.files()), "the kernel's upper by FUSE");
            let by_kernel = self.stage.mount(DriverKind::Overlay, "fuse", WhiteoutForm::Device);
            assert_eq!(shown, ops::snapshot(by_kernel.files()), "FUSE's upper in the kernel");
        }
        summary(&kernel)
    }
}

/// A layer's changes in words, without the root.
pub(crate) fn summary(changes: &Changeset) -> Vec<String> {
    let word = |change: &Change| match change {
        Change::Whiteout => "whiteout",
        Change::Put(entry) => match &entry.node {
            Node::Dir { opaque: true } => "opaque dir",
            Node::Dir { opaque: false } => "dir",
            Node::File { .. } => "file",
            Node::Symlink { .. } => "symlink",
            Node::Fifo => "fifo",
            Node::Socket => "socket",
            Node::CharDevice(_) | Node::BlockDevice(_) => "device",
        },
    };
    let mine = changes.iter().filter(|(path, _)| !path.is_root());
    mine.map(|(path, change)| format!("{} {}", path.as_bytes().escape_ascii(), word(change))).collect()
}

/// A lower layer in the making. Directories above a name are made with it.
pub(crate) struct Lower {
    root: PathBuf,
}

impl Lower {
    /// Builds the layer of that number in an empty directory.
    pub(crate) fn make(root: PathBuf, number: usize, build: Build<'_>) {
        let lower = Self { root };
        build(&lower);
        lower.settle(number);
    }

    pub(crate) fn path(&self, at: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root.join(OsStr::from_bytes(at.as_ref()));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn place(&self, at: impl AsRef<[u8]>) -> (Dir, Vec<u8>) {
        let path = self.path(at);
        (Dir::open(path.parent().unwrap()).unwrap(), path.file_name().unwrap().as_bytes().to_vec())
    }

    pub(crate) fn dir(&self, at: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(at)).unwrap();
    }

    pub(crate) fn file(&self, at: impl AsRef<[u8]>, content: impl AsRef<[u8]>) {
        fs::write(self.path(at), content).unwrap();
    }

    pub(crate) fn symlink(&self, target: &str, at: impl AsRef<[u8]>) {
        std::os::unix::fs::symlink(target, self.path(at)).unwrap();
    }

    pub(crate) fn link(&self, old: &str, new: &str) {
        fs::hard_link(self.path(old), self.path(new)).unwrap();
    }

    pub(crate) fn mknod(&self, at: &str, node: &Node) {
        let (dir, name) = self.place(at);
        dir.mknod(&name, node, Mode::new(0o640)).unwrap();
    }

    pub(crate) fn mode(&self, at: &str, mode: u32) {
        fs::set_permissions(self.path(at), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn owner(&self, at: &str, uid: u32, gid: u32) {
        let (dir, name) = self.place(at);
        dir.chown(&name, uid, gid).unwrap();
    }

    /// Sets an attribute as it is on disk.
    pub(crate) fn raw_xattr(&self, at: &str, name: &str, value: impl AsRef<[u8]>) {
        let (dir, last) = self.place(at);
        xattr::set_at(&dir, &last, name.as_bytes(), value.as_ref()).unwrap();
    }

    pub(crate) fn whiteout(&self, at: impl AsRef<[u8]>) {
        let (dir, name) = self.place(at);
        dir.whiteout(&name).unwrap();
    }

    /// A whiteout of the form that needs no device.
    pub(crate) fn xattr_whiteout(&self, at: &str) {
        let (dir, name) = self.place(at);
        layers::put_whiteout(WhiteoutForm::Xattr, &dir, &name);
    }

    pub(crate) fn opaque(&self, at: &str) {
        self.dir(at);
        let (dir, name) = self.place(at);
        xattr::set_at(&dir, &name, names::OPAQUE, b"y").unwrap();
    }

    /// Gives everything times long ago.
    fn settle(&self, number: usize) {
        fn walk(dir: &Dir, time: Timestamp) {
            for item in dir.items().unwrap() {
                if dir.stat(&item.name).unwrap().kind == Kind::Dir {
                    walk(&dir.dir(&item.name).unwrap(), time);
                }
                dir.set_times(&item.name, Some(time), Some(time)).unwrap();
            }
        }
        let dir = Dir::open(&self.root).unwrap();
        walk(&dir, long_ago(number));
        dir.set_times(b".", Some(long_ago(number)), Some(long_ago(number))).unwrap();
    }
}

/// One driver's files.
pub(crate) struct Hand<'a>(pub(crate) &'a dyn Files);

fn at(text: impl AsRef<[u8]>) -> LayerPath {
    LayerPath::parse(text.as_ref()).unwrap()
}

fn told(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap()
}

/// The mode of what is made.
const MADE: Mode = Mode::new(0o644);

impl Hand<'_> {
    pub(crate) fn write(&self, path: impl AsRef<[u8]>, data: &str) -> Done {
        let mut file = self.0.open(&at(path), OpenHow::rewrite(MADE))?;
        file.write_all(data.as_bytes()).map_err(|error| told(&error))
    }

    pub(crate) fn append(&self, path: impl AsRef<[u8]>, data: &str) -> Done {
        let mut file = self.0.open(&at(path), OpenHow::append(MADE))?;
        file.write_all(data.as_bytes()).map_err(|error| told(&error))
    }

    pub(crate) fn write_at(&self, path: &str, offset: u64, data: &str) -> Done {
        let mut file = self.0.open(&at(path), OpenHow { write: true, ..OpenHow::READ })?;
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.write_all(data.as_bytes()).map_err(|error| told(&error))
    }

    /// Opens and closes.
    pub(crate) fn open(&self, path: impl AsRef<[u8]>, how: OpenHow) -> Done {
        self.0.open(&at(path), how).map(drop)
    }

    /// Opens with `O_CREAT | O_EXCL`.
    pub(crate) fn create(&self, path: impl AsRef<[u8]>) -> Done {
        self.open(path, OpenHow { write: true, create: true, exclusive: true, mode: MADE, ..OpenHow::READ })
    }

    pub(crate) fn read(&self, path: impl AsRef<[u8]>) -> Done<String> {
        let mut text = String::new();
        let mut file = self.0.open(&at(path), OpenHow::READ)?;
        file.read_to_string(&mut text).map_err(|error| told(&error))?;
        Ok(text)
    }

    pub(crate) fn truncate(&self, path: &str, size: u64) -> Done {
        self.0.truncate(&at(path), size)
    }

    pub(crate) fn mkdir(&self, path: impl AsRef<[u8]>) -> Done {
        self.0.mkdir(&at(path), Mode::new(0o755))
    }

    pub(crate) fn rmdir(&self, path: impl AsRef<[u8]>) -> Done {
        self.0.rmdir(&at(path))
    }

    pub(crate) fn unlink(&self, path: impl AsRef<[u8]>) -> Done {
        self.0.unlink(&at(path))
    }

    pub(crate) fn rename(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Done {
        self.0.rename(&at(from), &at(to), RenameHow::Replace)
    }

    pub(crate) fn rename_new(&self, from: &str, to: &str) -> Done {
        self.0.rename(&at(from), &at(to), RenameHow::NoReplace)
    }

    pub(crate) fn exchange(&self, from: &str, to: &str) -> Done {
        self.0.rename(&at(from), &at(to), RenameHow::Exchange)
    }

    pub(crate) fn link(&self, old: &str, new: &str) -> Done {
        self.0.link(&at(old), &at(new))
    }

    pub(crate) fn symlink(&self, target: &str, path: impl AsRef<[u8]>) -> Done {
        self.0.symlink(target.as_bytes(), &at(path))
    }

    pub(crate) fn mknod(&self, path: &str, node: &Node) -> Done {
        self.0.mknod(&at(path), node, MADE)
    }

    pub(crate) fn chmod(&self, path: &str, mode: u32) -> Done {
        self.0.chmod(&at(path), Mode::new(mode))
    }

    pub(crate) fn chown(&self, path: &str, uid: u32, gid: u32) -> Done {
        self.0.chown(&at(path), uid, gid)
    }

    /// Sets the time of the last change.
    pub(crate) fn set_time(&self, path: &str, number: usize) -> Done {
        self.0.set_times(&at(path), None, Some(long_ago(number)))
    }

    pub(crate) fn set_xattr(&self, path: &str, name: &str, value: impl AsRef<[u8]>) -> Done {
        self.0.set_xattr(&at(path), name.as_bytes(), value.as_ref())
    }

    pub(crate) fn remove_xattr(&self, path: &str, name: &str) -> Done {
        self.0.remove_xattr(&at(path), name.as_bytes())
    }

    pub(crate) fn xattr(&self, path: &str, name: &str) -> Done<String> {
        Ok(String::from_utf8(self.0.xattr(&at(path), name.as_bytes())?).unwrap())
    }

    /// The names of the users' own attributes, sorted.
    pub(crate) fn xattrs(&self, path: &str) -> Done<Vec<String>> {
        let mut found: Vec<String> =
            self.0.xattrs(&at(path))?.into_iter().map(|name| String::from_utf8(name).unwrap()).collect();
        found.retain(|name| name.starts_with("user."));
        found.sort();
        Ok(found)
    }

    /// lstat(2).
    pub(crate) fn stat(&self, path: impl AsRef<[u8]>) -> Done<Seen> {
        ops::seen(self.0, &at(path), Follow::No)
    }

    pub(crate) fn mode(&self, path: &str) -> Done<u32> {
        Ok(self.stat(path)?.mode.bits())
    }

    /// The link count as stat(2) gives it, of directories too.
    pub(crate) fn nlink(&self, path: &str) -> Done<u64> {
        Ok(self.0.stat(&at(path), Follow::No)?.nlink)
    }

    pub(crate) fn atime(&self, path: &str) -> Done<Timestamp> {
        Ok(self.0.stat(&at(path), Follow::No)?.atime)
    }

    /// Every name as the driver lists it, sorted; one that is listed twice is there twice.
    pub(crate) fn list(&self, path: impl AsRef<[u8]>) -> Done<Vec<String>> {
        let items = self.0.read_dir(&at(path))?;
        let mut found: Vec<String> = items.iter().map(|item| item.name.escape_ascii().to_string()).collect();
        found.sort();
        Ok(found)
    }

    pub(crate) fn read_link(&self, path: &str) -> Done<Vec<u8>> {
        self.0.read_link(&at(path))
    }
}
