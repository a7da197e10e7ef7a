//! One operation on a tree of files, and what came of it.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::OnceLock;

use proptest::prelude::*;
use ufs::driver::{Files, Follow, OpenHow, RenameHow};
use ufs::model::{Device, Identity, Kind, LayerPath, Mode, Node, Timestamp};
use ufs::sys::Errno;

use super::layers::{TARGETS, a_mode, a_path, long_ago, settled};

/// One step of a trace.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Write(&'static str, Vec<u8>),
    Append(&'static str, Vec<u8>),
    /// Overwrites from an offset on.
    WriteAt(&'static str, u64, Vec<u8>),
    /// Opens for writing and writes nothing: copies up all the same.
    Touch(&'static str),
    /// Opens with `O_CREAT | O_EXCL`.
    Create(&'static str),
    Truncate(&'static str, u64),
    Mkdir(&'static str, u32),
    Rmdir(&'static str),
    Unlink(&'static str),
    Rename(&'static str, &'static str, RenameHow),
    Link(&'static str, &'static str),
    Symlink(&'static str, &'static str),
    /// Makes a special file.
    Mknod(&'static str, Node),
    Chmod(&'static str, u32),
    Chown(&'static str, u32, u32),
    SetTime(&'static str, usize),
    SetXattr(&'static str, &'static str, Vec<u8>),
    RemoveXattr(&'static str, &'static str),
    Xattr(&'static str, &'static str),
    Stat(&'static str, Follow),
    Read(&'static str),
    ReadDir(&'static str),
    ReadLink(&'static str),
    /// Unmounts and mounts again.
    Remount,
    /// The upper becomes the topmost lower layer, beneath a fresh one; kernel and union change theirs.
    Seal,
}

/// What an operation gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Done,
    Bytes(Vec<u8>),
    Names(Vec<(Vec<u8>, Kind)>),
    Stat(Seen),
    Failed(Errno),
    /// What opening a special file does is no business of the union.
    Skipped,
}

/// A file as a user sees it, without what legitimately differs between two runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) node: Node,
    pub(crate) mode: Mode,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Of a directory it depends on the file system.
    pub(crate) nlink: Option<u64>,
    /// `None`: during the test.
    pub(crate) mtime: Option<Timestamp>,
}

/// A whole tree: path → file, content, attributes.
pub(crate) type Snapshot = BTreeMap<Vec<u8>, (Seen, Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>)>;

impl Op {
    /// The path that is opened, and may be opened through a symlink.
    pub(crate) fn opened(&self) -> Option<&'static str> {
        match self {
            Self::Write(at, _)
            | Self::Append(at, _)
            | Self::WriteAt(at, ..)
            | Self::Touch(at)
            | Self::Truncate(at, _)
            | Self::Read(at) => Some(at),
            _ => None,
        }
    }
}

/// Whether opening it leads out of the file system; a file that only stands for a device cannot be opened.
pub(crate) fn is_special(node: &Node) -> bool {
    match node {
        Node::Dir { .. } | Node::File { .. } | Node::Symlink { .. } => false,
        Node::CharDevice(_) => rights() == Rights::Root,
        _ => true,
    }
}

fn a_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        &[
            "user.a",
            "user.b",
            "user.overlay.opaque",
            "user.overlay.whiteout",
            "user.overlay.overlay.x",
            "user.ufs.owner",
        ][..],
    )
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..12)
}

/// An operation on the paths that layers use.
pub(crate) fn an_op() -> impl Strategy<Value = Op> {
    let how = prop_oneof![3 => Just(RenameHow::Replace), 1 => Just(RenameHow::NoReplace), 1 => Just(RenameHow::Exchange)];
    let follow = prop_oneof![Just(Follow::Yes), Just(Follow::No)];
    let owner = prop_oneof![Just((0, 0)), Just((7, 8))];
    let dir = prop_oneof![1 => Just(""), 4 => a_path()];
    let special = prop_oneof![2 => Just(Node::Fifo), 1 => Just(Node::Socket), 1 => Just(NULL)];
    prop_oneof![
        4 => (a_path(), bytes()).prop_map(|(path, data)| Op::Write(path, data)),
        2 => (a_path(), bytes()).prop_map(|(path, data)| Op::Append(path, data)),
        2 => (a_path(), 0_u64..30, bytes()).prop_map(|(path, at, data)| Op::WriteAt(path, at, data)),
        1 => a_path().prop_map(Op::Touch),
        1 => a_path().prop_map(Op::Create),
        1 => (a_path(), 0_u64..30).prop_map(|(path, size)| Op::Truncate(path, size)),
        5 => (a_path(), a_mode()).prop_map(|(path, mode)| Op::Mkdir(path, mode)),
        6 => a_path().prop_map(Op::Rmdir),
        6 => a_path().prop_map(Op::Unlink),
        9 => (a_path(), a_path(), how).prop_map(|(from, to, how)| Op::Rename(from, to, how)),
        3 => (a_path(), a_path()).prop_map(|(old, new)| Op::Link(old, new)),
        2 => (prop::sample::select(TARGETS), a_path()).prop_map(|(target, path)| Op::Symlink(target, path)),
        2 => (a_path(), special).prop_map(|(path, node)| Op::Mknod(path, node)),
        3 => (dir.clone(), a_mode()).prop_map(|(path, mode)| Op::Chmod(path, mode)),
        2 => (dir.clone(), owner).prop_map(|(path, (uid, gid))| Op::Chown(path, uid, gid)),
        2 => (dir.clone(), 0_usize..50).prop_map(|(path, number)| Op::SetTime(path, number)),
        3 => (dir.clone(), a_name(), bytes()).prop_map(|(path, name, value)| Op::SetXattr(path, name, value)),
        2 => (dir.clone(), a_name()).prop_map(|(path, name)| Op::RemoveXattr(path, name)),
        2 => (dir.clone(), a_name()).prop_map(|(path, name)| Op::Xattr(path, name)),
        2 => (dir.clone(), follow).prop_map(|(path, follow)| Op::Stat(path, follow)),
        2 => a_path().prop_map(Op::Read),
        2 => dir.prop_map(Op::ReadDir),
        1 => a_path().prop_map(Op::ReadLink),
        1 => Just(Op::Remount),
        1 => Just(Op::Seal),
    ]
}

/// What the host's owners mean to this process.
pub(crate) fn identity() -> Identity {
    let stat = ufs::sys::Dir::open(std::path::Path::new("/proc/self")).unwrap().stat_self().unwrap();
    match stat.uid {
        0 => Identity::AsIs,
        uid => Identity::OwnIsRoot { uid, gid: stat.gid },
    }
}

/// What this process may do with owners.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rights {
    /// Everything.
    Root,
    /// Root of a user namespace that knows no other owner.
    Namespace,
    /// An ordinary user's.
    User,
}

/// This process's rights.
pub(crate) fn rights() -> Rights {
    static RIGHTS: OnceLock<Rights> = OnceLock::new();
    *RIGHTS.get_or_init(|| {
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
        let count: u64 = map.split_whitespace().nth(2).unwrap().parse().unwrap();
        match identity() {
            Identity::AsIs if count > 1000 => Rights::Root,
            Identity::AsIs => Rights::Namespace,
            Identity::OwnIsRoot { .. } | Identity::Shown(_) => Rights::User,
        }
    })
}

/// `/dev/null`.
pub(crate) const NULL: Node = Node::CharDevice(Device { major: 1, minor: 3 });

pub(crate) fn path(text: &str) -> LayerPath {
    LayerPath::parse(text.as_bytes()).unwrap()
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap()
}

fn write(files: &dyn Files, at: &str, how: OpenHow, data: &[u8]) -> Result<Outcome, Errno> {
    files.open(&path(at), how)?.write_all(data).map_err(|error| errno(&error))?;
    Ok(Outcome::Done)
}

pub(crate) fn seen(files: &dyn Files, at: &LayerPath, follow: Follow) -> Result<Seen, Errno> {
    let stat = files.stat(at, follow)?;
    let is_dir = matches!(stat.node, Node::Dir { .. });
    Ok(Seen {
        nlink: (!is_dir).then_some(stat.nlink),
        node: stat.node,
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        mtime: settled(stat.mtime),
    })
}

fn content(files: &dyn Files, at: &LayerPath) -> Result<Vec<u8>, Errno> {
    let mut data = Vec::new();
    files.open(at, OpenHow::READ)?.read_to_end(&mut data).map_err(|error| errno(&error))?;
    Ok(data)
}

/// The names in a directory, sorted.
///
/// Where a directory has a single layer the kernel lists the whiteouts in it too, though none can be looked
/// up (`a_whiteout_that_hides_nothing_is_listed_by_the_kernel`); such are left out here.
pub(crate) fn names(files: &dyn Files, at: &LayerPath) -> Result<Vec<(Vec<u8>, Kind)>, Errno> {
    let mut found = Vec::new();
    for item in files.read_dir(at)? {
        let inner = at.join(&item.name).unwrap();
        let ghost = matches!(item.kind, Kind::CharDevice | Kind::File)
            && files.stat(&inner, Follow::No) == Err(Errno::NOENT);
        if !ghost {
            found.push((item.name.to_vec(), item.kind));
        }
    }
    found.sort();
    Ok(found)
}

/// Does one operation.
pub(crate) fn apply(files: &dyn Files, op: &Op) -> Outcome {
    attempt(files, op).unwrap_or_else(Outcome::Failed)
}

fn attempt(files: &dyn Files, op: &Op) -> Result<Outcome, Errno> {
    if let Some(at) = op.opened()
        && files.stat(&path(at), Follow::Yes).is_ok_and(|stat| is_special(&stat.node))
    {
        return Ok(Outcome::Skipped);
    }
    let mode = Mode::new(0o644);
    match op {
        Op::Write(at, data) => return write(files, at, OpenHow::rewrite(mode), data),
        Op::Append(at, data) => return write(files, at, OpenHow::append(mode), data),
        Op::WriteAt(at, offset, data) => {
            let mut file = files.open(&path(at), OpenHow { read: true, write: true, ..OpenHow::READ })?;
            file.seek(SeekFrom::Start(*offset)).unwrap();
            file.write_all(data).map_err(|error| errno(&error))?;
        }
        Op::Touch(at) => drop(files.open(&path(at), OpenHow { write: true, ..OpenHow::READ })?),
        Op::Create(at) => {
            let how = OpenHow { write: true, create: true, exclusive: true, mode, ..OpenHow::READ };
            drop(files.open(&path(at), how)?);
        }
        Op::Truncate(at, size) => files.truncate(&path(at), *size)?,
        Op::Mkdir(at, mode) => files.mkdir(&path(at), Mode::new(*mode))?,
        Op::Rmdir(at) => files.rmdir(&path(at))?,
        Op::Unlink(at) => files.unlink(&path(at))?,
        Op::Rename(from, to, how) => files.rename(&path(from), &path(to), *how)?,
        Op::Link(old, new) => files.link(&path(old), &path(new))?,
        Op::Symlink(target, at) => files.symlink(target.as_bytes(), &path(at))?,
        Op::Mknod(at, node) => files.mknod(&path(at), node, mode)?,
        Op::Chmod(at, mode) => files.chmod(&path(at), Mode::new(*mode))?,
        Op::Chown(at, uid, gid) => files.chown(&path(at), *uid, *gid)?,
        Op::SetTime(at, number) => files.set_times(&path(at), None, Some(long_ago(500_000 + number)))?,
        Op::SetXattr(at, name, value) => files.set_xattr(&path(at), name.as_bytes(), value)?,
        Op::RemoveXattr(at, name) => files.remove_xattr(&path(at), name.as_bytes())?,
        Op::Xattr(at, name) => return files.xattr(&path(at), name.as_bytes()).map(Outcome::Bytes),
        Op::Stat(at, follow) => return seen(files, &path(at), *follow).map(Outcome::Stat),
        Op::Read(at) => return content(files, &path(at)).map(Outcome::Bytes),
        Op::ReadDir(at) => return names(files, &path(at)).map(Outcome::Names),
        Op::ReadLink(at) => return files.read_link(&path(at)).map(Outcome::Bytes),
        Op::Remount | Op::Seal => panic!("not on files alone"),
    }
    Ok(Outcome::Done)
}

/// Takes a whole tree down.
pub(crate) fn snapshot(files: &dyn Files) -> Snapshot {
    let mut found = Snapshot::new();
    let mut todo = vec![LayerPath::root()];
    while let Some(at) = todo.pop() {
        let file = seen(files, &at, Follow::No).unwrap_or_else(|errno| panic!("{at:?} is listed: {errno}"));
        let mut data = Vec::new();
        match file.node {
            Node::Dir { .. } => {
                todo.extend(names(files, &at).unwrap().iter().map(|(name, _)| at.join(name).unwrap()));
            }
            Node::File { .. } => data = content(files, &at).unwrap(),
            _ => {}
        }
        let mut attributes = BTreeMap::new();
        for name in files.xattrs(&at).unwrap() {
            let value = files.xattr(&at, &name).unwrap();
            attributes.insert(name, value);
        }
        // the host's own labels are no business of the union
        attributes.retain(|name, _| name.starts_with(b"user."));
        found.insert(at.as_bytes().to_vec(), (file, data, attributes));
    }
    found
}
