//! A stack on disk, opened by our union and by the kernel, and the model of it.

use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ufs::driver::{self, DriverKind, MountSpec, Mounted};
use ufs::model::{Changeset, LayerPath, Timestamp, Trust, WhiteoutForm};
use ufs::overlay;
use ufs::sys::Dir;

use super::layers::{self, LayerSpec};
use super::model::Model;
use super::ops::identity;

/// A stack in a directory of its own.
pub(crate) struct Stage {
    dir: tempfile::TempDir,
    layers: usize,
    /// Layers beneath that lie elsewhere.
    elsewhere: Vec<PathBuf>,
    /// How many uppers of each name became lowers.
    sealed: usize,
}

/// The times of a fresh upper's root.
pub(crate) const FRESH: Timestamp = Timestamp { secs: 1_900_000, nanos: 0 };

impl Stage {
    /// Builds lower layers, bottom → top; `for_kernel`: such that the kernel shows them without its oddities.
    pub(crate) fn new(parent: &Path, lowers: &[LayerSpec], for_kernel: bool) -> Self {
        ufs::sys::clear_umask();
        let stage = Self {
            dir: tempfile::tempdir_in(parent).unwrap(),
            layers: lowers.len(),
            elsewhere: Vec::new(),
            sealed: 0,
        };
        for (number, spec) in lowers.iter().enumerate() {
            let root = stage.lower(number);
            fs::create_dir(&root).unwrap();
            // beneath the lowest lies nothing
            let beneath = number.checked_sub(1).map_or(PathBuf::from("/nothing"), |below| stage.lower(below));
            layers::build(&root, number, spec, for_kernel.then_some(&*beneath));
        }
        stage
    }

    pub(crate) fn lower(&self, number: usize) -> PathBuf {
        self.dir.path().join(format!("lower{number}"))
    }

    pub(crate) fn upper(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("upper-{name}"))
    }

    /// Takes layers that are there, bottom → top.
    pub(crate) fn over(parent: &Path, layers: &[PathBuf]) -> Self {
        Self { elsewhere: layers.to_vec(), ..Self::new(parent, &[], true) }
    }

    /// Makes the directory of one more lower layer.
    pub(crate) fn add_lower(&mut self) -> PathBuf {
        let root = self.lower(self.layers);
        fs::create_dir(&root).unwrap();
        self.layers += 1;
        root
    }

    /// Makes the mount point that the next mount of that name uses.
    pub(crate) fn add_target(&self, name: &str) {
        fs::create_dir(self.target(name)).unwrap();
    }

    /// Makes an upper that the next mount of that name uses.
    pub(crate) fn add_upper(&self, name: &str) {
        let (upper, work, target) =
            (self.upper(name), self.dir.path().join(format!("work-{name}")), self.target(name));
        for dir in [&upper, &work, &target] {
            fs::create_dir(dir).unwrap();
        }
        fs::set_permissions(&upper, fs::Permissions::from_mode(0o755)).unwrap();
        Dir::open(&upper).unwrap().set_times(b".", Some(FRESH), Some(FRESH)).unwrap();
    }

    /// Makes uppers (unmounted, with equal content) the topmost lowers, each one's that of the next name, with fresh
    /// uppers on top.
    pub(crate) fn seal(&mut self, names: &[&str]) {
        for (index, name) in names.iter().enumerate() {
            let to = names[(index + 1) % names.len()];
            fs::rename(self.upper(name), self.sealed(to, self.sealed)).unwrap();
        }
        self.sealed += 1;
        for name in names {
            let dir = Dir::open(self.dir.path()).unwrap();
            for part in ["work", "merged"] {
                dir.remove_tree(format!("{part}-{name}").as_bytes()).unwrap();
            }
            self.add_upper(name);
        }
    }

    fn sealed(&self, name: &str, number: usize) -> PathBuf {
        self.dir.path().join(format!("sealed-{name}-{number}"))
    }

    /// The lower layers under the upper of that name, bottom → top.
    fn lowers(&self, name: &str) -> Vec<PathBuf> {
        let made = (0..self.layers).map(|number| self.lower(number));
        let elsewhere = self.elsewhere.iter().cloned();
        elsewhere.chain(made).chain((0..self.sealed).map(|number| self.sealed(name, number))).collect()
    }

    pub(crate) fn target(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("merged-{name}"))
    }

    /// Mounts the lowers with the upper of that name, read-only without one.
    pub(crate) fn mount(&self, kind: DriverKind, upper: &str, form: WhiteoutForm) -> Box<dyn Mounted> {
        let lowers: Vec<Dir> = self.lowers(upper).iter().map(|lower| Dir::open(lower).unwrap()).collect();
        let open = |name: String| Dir::open(&self.dir.path().join(name)).unwrap();
        let upper_dirs = self
            .upper(upper)
            .exists()
            .then(|| (open(format!("upper-{upper}")), open(format!("work-{upper}"))));
        std::fs::create_dir_all(self.dir.path().join("empty")).unwrap();
        let empty = open("empty".to_owned());
        let spec = MountSpec {
            lowers: lowers.iter().map(|dir| dir.as_fd()).collect(),
            upper: upper_dirs.as_ref().map(|(upper, work)| (upper.as_fd(), work.as_fd())),
            empty: Some(empty.as_fd()),
            target: Some(self.target(upper)),
            read_only: upper_dirs.is_none(),
            volatile: false,
            whiteouts: form,
            identity: identity(),
            trust: Trust::FilesOf(ufs::sys::dir::own_ids().0),
        };
        driver::mount(kind, &spec).unwrap()
    }

    /// The lowers under the upper of that name as change sets.
    pub(crate) fn scan_lowers(&self, name: &str) -> Vec<Changeset> {
        self.lowers(name).iter().map(|lower| layers::scan(lower)).collect()
    }

    /// The model of the stack under a fresh upper.
    pub(crate) fn model(&self) -> Model {
        let lowers: Vec<Changeset> =
            (0..self.layers).map(|number| layers::scan(&self.lower(number))).collect();
        let stack: Vec<&Changeset> = lowers.iter().collect();
        let (tree, left_out) = overlay::tree(&stack, &LayerPath::root(), usize::MAX);
        assert_eq!(left_out, 0);
        let host = |path: &LayerPath, layer: usize| {
            self.lower(layer).join(std::str::from_utf8(path.as_bytes()).unwrap())
        };
        let links = |path: &LayerPath, layer: usize| {
            use std::os::unix::fs::MetadataExt as _;
            fs::symlink_metadata(host(path, layer)).unwrap().nlink()
        };
        let mut model = Model::new(&tree, |path, layer| fs::read(host(path, layer)).unwrap(), links);
        model.set_root(0o755, FRESH);
        model
    }
}

/// Whether whiteouts can be devices here.
pub(crate) fn takes_devices(parent: &Path) -> bool {
    let dir = tempfile::tempdir_in(parent).unwrap();
    Dir::open(dir.path()).unwrap().whiteout(b"probe").is_ok()
}
