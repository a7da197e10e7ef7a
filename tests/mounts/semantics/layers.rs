//! Layers for the tests: what they hold as a value, building them on disk, reading them back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use ufs::model::{
    Change, Changeset, Device, Entry, Kind, LayerPath, LinkGroup, Metadata, Mode, Node, Opaque, Timestamp,
    WhiteoutForm, decode_xattrs, names,
};
use ufs::sys::{Dir, xattr};

/// What a layer holds at a path.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    Dir {
        opaque: bool,
        mode: u32,
    },
    File {
        content: Vec<u8>,
        mode: u32,
    },
    Symlink(&'static str),
    Fifo,
    Whiteout,
    /// A hard link to the file at that path, if the layer has one.
    Link(&'static str),
}

/// One layer: later entries give way to earlier ones that are in the way.
#[derive(Clone, Debug)]
pub(crate) struct LayerSpec {
    pub(crate) form: WhiteoutForm,
    pub(crate) entries: Vec<(&'static str, Made)>,
}

/// Every path that traces and layers use.
pub(crate) const PATHS: &[&str] = &[
    "a", "b", "c", "a/a", "a/b", "a/c", "b/a", "b/b", "b/c", "c/a", "c/b", "a/a/a", "a/a/b", "a/b/a",
    "b/a/a", "b/a/b", "b/b/c", "a/a/a/a",
];

/// Symlink targets.
pub(crate) const TARGETS: &[&str] = &["a", "/b", "../a", "b/a", "/a/b/", "../../c", "missing", "."];

pub(crate) fn a_path() -> impl Strategy<Value = &'static str> {
    prop::sample::select(PATHS)
}

pub(crate) fn a_mode() -> impl Strategy<Value = u32> {
    prop::sample::select(
        &[0o755_u32, 0o700, 0o644, 0o777, 0o600, 0o1777, 0o751, 0o2755, 0o4755, 0o2700, 0o6711][..],
    )
    .prop_map(|mode| mode | 0o700)
}

fn made() -> impl Strategy<Value = Made> {
    prop_oneof![
        4 => (prop::bool::weighted(0.25), a_mode()).prop_map(|(opaque, mode)| Made::Dir { opaque, mode }),
        4 => (prop::collection::vec(any::<u8>(), 0..20), a_mode())
            .prop_map(|(content, mode)| Made::File { content, mode }),
        1 => prop::sample::select(TARGETS).prop_map(Made::Symlink),
        1 => Just(Made::Fifo),
        3 => Just(Made::Whiteout),
        1 => a_path().prop_map(Made::Link),
    ]
}

/// One to three lower layers, bottom → top.
pub(crate) fn lowers(device: bool) -> impl Strategy<Value = Vec<LayerSpec>> {
    let form = if device {
        prop_oneof![Just(WhiteoutForm::Device), Just(WhiteoutForm::Xattr)].boxed()
    } else {
        Just(WhiteoutForm::Xattr).boxed()
    };
    let layer = (form, prop::collection::vec((a_path(), made()), 0..12))
        .prop_map(|(form, entries)| LayerSpec { form, entries });
    prop::collection::vec(layer, 1..=3)
}

/// A time long ago, so that what a test sets can be told from what happened during the test.
pub(crate) fn long_ago(number: usize) -> Timestamp {
    Timestamp { secs: 1_000_000 + number as i64, nanos: 120_000_000 }
}

/// `None` for a time during the test.
pub(crate) fn settled(time: Timestamp) -> Option<Timestamp> {
    (time.secs < 1_500_000_000).then_some(time)
}

/// Builds a layer in an empty directory.
///
/// `beneath`: the next lower layer, where the kernel is to read this one. In the lowest part of a directory the
/// kernel lists a whiteout of the attribute form as a file (`a_whiteout_that_hides_nothing_...` in `named.rs`),
/// so there such are left out unless the directory merges with something.
pub(crate) fn build(root: &Path, number: usize, spec: &LayerSpec, beneath: Option<&Path>) {
    let mut made: Vec<PathBuf> = Vec::new();
    for (path, what) in &spec.entries {
        let full = root.join(path);
        let mut parent = PathBuf::new();
        let parts: Vec<_> = Path::new(path).parent().unwrap().components().collect();
        for part in parts {
            parent.push(part);
            if fs::create_dir(root.join(&parent)).is_ok() {
                made.push(parent.clone());
            }
        }
        let is_real_dir = |path: &Path| fs::symlink_metadata(path).is_ok_and(|stat| stat.is_dir());
        let mut above = Path::new(path).ancestors().skip(1);
        if !above.all(|dir| is_real_dir(&root.join(dir))) || fs::symlink_metadata(&full).is_ok() {
            continue;
        }
        let in_dir = Dir::open(full.parent().unwrap()).unwrap();
        let name = full.file_name().unwrap().as_encoded_bytes();
        match what {
            Made::Dir { opaque, mode } => {
                in_dir.mkdir(name, Mode::new(*mode)).unwrap();
                if *opaque {
                    xattr::set_at(&in_dir, name, names::OPAQUE, b"y").unwrap();
                }
            }
            Made::File { content, mode } => {
                fs::write(&full, content).unwrap();
                fs::set_permissions(&full, fs::Permissions::from_mode(*mode)).unwrap();
                if content.len() % 3 == 0 {
                    xattr::set_at(&in_dir, name, b"user.a", content).unwrap();
                }
            }
            Made::Symlink(target) => in_dir.symlink(target.as_bytes(), name).unwrap(),
            Made::Fifo => in_dir.mknod(name, &Node::Fifo, Mode::new(0o644)).unwrap(),
            Made::Whiteout if spec.form == WhiteoutForm::Xattr && !merges(root, path, beneath) => continue,
            Made::Whiteout => put_whiteout(spec.form, &in_dir, name),
            Made::Link(to) => {
                let is_file = fs::symlink_metadata(root.join(to)).is_ok_and(|stat| stat.is_file());
                let marked = is_file
                    && xattr::list_at(Dir::open(root).unwrap(), to.as_bytes())
                        .unwrap()
                        .contains(&names::WHITEOUT.to_vec());
                if !is_file || marked {
                    continue;
                }
                fs::hard_link(root.join(to), &full).unwrap();
            }
        }
        made.push(PathBuf::from(path));
    }
    made.sort();
    let dir = Dir::open(root).unwrap();
    for (index, path) in made.iter().enumerate().rev() {
        let time = long_ago(number * 1000 + index);
        dir.set_times(path.as_os_str().as_encoded_bytes(), Some(time), Some(time)).unwrap();
    }
    let time = long_ago(number * 1000 + 999);
    dir.set_times(b".", Some(time), Some(time)).unwrap();
}

/// Whether the directory of `path` merges with the next lower layer's.
fn merges(root: &Path, path: &str, beneath: Option<&Path>) -> bool {
    let Some(beneath) = beneath else { return true };
    let dir = Dir::open(root).unwrap();
    let cut = |above: &Path| {
        let above = above.as_os_str().as_encoded_bytes();
        !above.is_empty() && xattr::get_at(&dir, above, names::OPAQUE).as_deref() == Ok(b"y")
    };
    let parent = Path::new(path).parent().unwrap();
    !Path::new(path).ancestors().skip(1).any(cut)
        && fs::symlink_metadata(beneath.join(parent)).is_ok_and(|stat| stat.is_dir())
}

/// Puts a whiteout, if it can be one here: in an opaque directory the attribute form would be a file.
pub(crate) fn put_whiteout(form: WhiteoutForm, dir: &Dir, name: &[u8]) {
    match form {
        WhiteoutForm::Device => dir.whiteout(name).unwrap(),
        WhiteoutForm::Xattr => {
            if xattr::get_at(dir, b".", names::OPAQUE).as_deref() == Ok(b"y") {
                dir.create(name, Mode::new(0o600)).unwrap();
                return;
            }
            xattr::set_at(dir, b".", names::OPAQUE, b"x").unwrap();
            let file = dir.create(name, Mode::new(0o600)).unwrap();
            xattr::set(&file, names::WHITEOUT, b"").unwrap();
        }
    }
}

/// Reads a layer's tree as a change set; times during the test become 0.
pub(crate) fn scan(root: &Path) -> Changeset {
    let mut scan = Scan { changes: Changeset::new(), inodes: BTreeMap::new() };
    let dir = Dir::open(root).unwrap();
    scan.put(&dir, b".", &LayerPath::root());
    scan.walk(&dir, &LayerPath::root());
    for (group, paths) in (0..).zip(scan.inodes.values().filter(|paths| paths.len() > 1)) {
        for path in paths {
            if let Some(Change::Put(mut entry)) = scan.changes.remove(path) {
                entry.link = Some(LinkGroup(group));
                scan.changes.insert(path.clone(), Change::Put(entry));
            }
        }
    }
    scan.changes
}

struct Scan {
    changes: Changeset,
    /// In the order of inode numbers, which differ between two runs: groups are named anew by their paths.
    inodes: BTreeMap<u64, Vec<LayerPath>>,
}

impl Scan {
    fn walk(&mut self, dir: &Dir, path: &LayerPath) {
        let marked = xattr::get_at(dir, b".", names::OPAQUE).as_deref() == Ok(b"x");
        for item in dir.items().unwrap() {
            let inner = path.join(&item.name).unwrap();
            let stat = dir.stat(&item.name).unwrap();
            let by_xattr = marked
                && stat.kind == Kind::File
                && stat.size == 0
                && xattr::get_at(dir, &item.name, names::WHITEOUT).is_ok();
            if stat.is_whiteout() || by_xattr {
                self.changes.insert(inner, Change::Whiteout);
                continue;
            }
            self.put(dir, &item.name, &inner);
            if stat.kind == Kind::Dir {
                self.walk(&dir.dir(&item.name).unwrap(), &inner);
            } else {
                self.inodes.entry(stat.ino).or_default().push(inner);
            }
        }
    }

    fn put(&mut self, dir: &Dir, name: &[u8], path: &LayerPath) {
        let stat = dir.stat(name).unwrap();
        let raw = xattr::all_at(dir, name).unwrap();
        let decoded = decode_xattrs(raw.iter().map(|(name, value)| (&name[..], &value[..])));
        let node = match stat.kind {
            Kind::Dir => Node::Dir { opaque: decoded.opaque == Some(Opaque::Yes) },
            Kind::File if stat.size == 0 && decoded.node.is_some() => decoded.node.unwrap(),
            Kind::File => Node::File { size: stat.size },
            Kind::Symlink => Node::Symlink { target: dir.read_link(name).unwrap().into() },
            Kind::Fifo => Node::Fifo,
            Kind::Socket => Node::Socket,
            Kind::CharDevice => Node::CharDevice(Device { ..stat.rdev }),
            Kind::BlockDevice => Node::BlockDevice(Device { ..stat.rdev }),
        };
        let (uid, gid) = decoded.owner.unwrap_or_else(|| super::ops::identity().to_layer(stat.uid, stat.gid));
        let meta = Metadata {
            mode: stat.mode,
            uid,
            gid,
            mtime: settled(stat.mtime).unwrap_or_default(),
            xattrs: decoded.xattrs,
        };
        self.changes.insert(path.clone(), Change::Put(Entry::new(node, meta)));
    }
}
