//! Answers with their labels: what `show`, `tree`, `diff`, `explain`, `history`, `doctor` give to views and scripts.

use std::path::PathBuf;

use crate::driver::DriverKind;
use crate::model::{ChainId, Counts, DiffId, Digest, Timestamp, TreeId};
use crate::overlay::{Difference, Life, Matrix, TreeItem};
use crate::store::MountUser;
use crate::sys::process::User;

/// What part a layer plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The writable directory of a mount, uncommitted.
    Upper,
    /// A sealed layer.
    Layer,
    /// A layer still being written.
    Draft,
    /// A host directory used in place.
    Host,
    /// A layer of an image that was opened where it lies.
    Image,
}

/// How one layer of a stack is called in a view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LayerLabel {
    /// What part it plays.
    pub role: Role,
    /// The name for columns and sentences: the layer's name, else its short ID; `upper` for an upper.
    pub name: String,
    /// Its ID, when sealed.
    pub id: Option<TreeId>,
    /// Whether it is writable here.
    pub writable: bool,
    /// The message of its commit.
    pub message: Option<String>,
    /// When it was made, when known.
    pub created: Option<Timestamp>,
    /// Where it lies on the host.
    pub path: Option<PathBuf>,
    /// The diff ID of a layer of an image, by which it is known as others are by their ID.
    pub diff_id: Option<DiffId>,
}

/// By what a script gets at the subject of a picture again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handle {
    /// By nothing: it is the current mount.
    Current,
    /// By its name: it is another mount.
    Mount,
    /// By the name of its top, which stands for the whole stack.
    Named,
    /// By all of its layers: they are put together only here.
    Layers,
    /// By the image that was opened.
    Image,
}

/// The picture of a mount or of a bare stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackReport {
    /// The mount's name, or the stack's.
    pub title: String,
    /// How to ask again.
    pub handle: Handle,
    /// The driver, for a mount.
    pub driver: Option<DriverKind>,
    /// The merged directory, for a mount that has one.
    pub merged: Option<PathBuf>,
    /// Where another terminal finds that.
    pub host_path: Option<PathBuf>,
    /// Whether it is mounted now (`true` for a bare stack).
    pub mounted: bool,
    /// One label a layer, bottom → top; the upper last.
    pub layers: Vec<LayerLabel>,
    /// The rows.
    pub matrix: Matrix,
}

/// The union as a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreeReport {
    /// What it is a tree of.
    pub title: String,
    /// How to ask again.
    pub handle: Handle,
    /// One label a layer, bottom → top.
    pub layers: Vec<LayerLabel>,
    /// The paths shown, in path order; the first is the directory asked for.
    pub items: Vec<TreeItem>,
    /// How many more paths there are.
    pub left_out: u64,
}

/// Differences between two states.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiffReport {
    /// What is compared against: the older.
    pub before: String,
    /// What is compared: the newer.
    pub after: String,
    /// In path order.
    pub changes: Vec<Difference>,
}

/// One path's life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExplainReport {
    /// One label a layer, bottom → top.
    pub layers: Vec<LayerLabel>,
    /// What happened in each.
    pub life: Life,
}

/// One layer in a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryItem {
    /// The layer.
    pub label: LayerLabel,
    /// Its totals.
    pub counts: Counts,
    /// The chain ID of the stack that ends with it, when all of it is sealed.
    pub chain_id: Option<ChainId>,
    /// Of a step in the making of an image: what it made.
    pub made: Option<Made>,
}

/// What a step in the making of an image made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Made {
    /// A layer.
    Layer {
        /// The bytes of its blob, compressed where it is.
        blob: u64,
    },
    /// A change of the config alone.
    Nothing,
}

/// A stack, oldest first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryReport {
    /// What it is the history of.
    pub title: String,
    /// Now, for ages.
    pub now: Timestamp,
    /// Oldest first.
    pub items: Vec<HistoryItem>,
}

/// A layer's own line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LayerReport {
    /// Name, role, ID, message.
    pub label: LayerLabel,
    /// Diff ID, when sealed.
    pub diff_id: Option<DiffId>,
    /// Chain ID of its recorded stack, when sealed.
    pub chain_id: Option<ChainId>,
    /// How many layers its recorded stack has, itself included.
    pub depth: usize,
    /// Totals.
    pub counts: Counts,
}

/// An image's own lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageReport {
    /// Its name, else where it lies.
    pub title: String,
    /// The digest of its config.
    pub id: Digest,
    /// What machine it is for.
    pub platform: String,
    /// How many layers it has.
    pub layers: u64,
    /// Bytes of its files.
    pub size: u64,
    /// Bytes of its blobs.
    pub download_size: u64,
    /// When it was made, when known.
    pub created: Option<Timestamp>,
    /// Now, for its age.
    pub now: Timestamp,
}

/// A mount's own line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountReport {
    /// The mount's name.
    pub name: String,
    /// The driver.
    pub driver: DriverKind,
    /// Whether it is mounted now.
    pub mounted: bool,
    /// Whether it takes no changes.
    pub read_only: bool,
    /// The merged directory.
    pub merged: Option<PathBuf>,
    /// Where another terminal finds it.
    pub host_path: Option<PathBuf>,
    /// The upper's directory.
    pub upper: Option<PathBuf>,
    /// The kernel's scratch directory.
    pub work: Option<PathBuf>,
    /// One label a layer, bottom → top, the upper last.
    pub layers: Vec<LayerLabel>,
    /// Whether the upper holds changes that are not committed.
    pub dirty: bool,
    /// The process that uses it, if it is another one than this.
    pub user: Option<MountUser>,
    /// When it was made, or when something was committed in it last.
    pub since: Option<Timestamp>,
    /// Now, for its age.
    pub now: Timestamp,
}

/// One question to the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// What is asked, in a few words.
    pub what: String,
    /// Whether it is there.
    pub ok: bool,
    /// What was found: a version, a path, or the reason for the "no".
    pub found: String,
    /// For a "no": the package, command or setting that cures it.
    pub cure: Option<String>,
}

/// What this machine allows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DoctorReport {
    /// In the order of importance.
    pub checks: Vec<Check>,
    /// The driver that `mount()` would take, and why.
    pub best: Option<(DriverKind, String)>,
}

/// What kind of thing takes room in a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A name of a layer.
    Name,
    /// A sealed layer.
    Layer,
    /// A draft.
    Draft,
    /// A mount's upper.
    Upper,
    /// What a process left that is gone.
    LeftOver,
}

impl Part {
    /// As people and scripts read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Layer => "layer",
            Self::Draft => "draft",
            Self::Upper => "upper",
            Self::LeftOver => "left over",
        }
    }
}

/// Something that a collection frees, or would.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FreedItem {
    /// What kind of thing.
    pub part: Part,
    /// Its name, else its short ID, else where it lies in the store.
    pub name: String,
    /// A layer's ID.
    pub id: Option<TreeId>,
    /// Why it goes.
    pub why: String,
    /// What it takes on disk.
    pub bytes: u64,
}

/// What a collection freed, or would.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FreedReport {
    /// Whether it is gone.
    pub done: bool,
    /// The call that does it.
    pub how: String,
    /// What.
    pub items: Vec<FreedItem>,
    /// Layers that stay only as other processes use them, and those processes as far as they can be seen.
    pub in_use: (usize, Vec<User>),
}

impl FreedReport {
    /// How many things of a kind.
    pub fn count(&self, part: Part) -> u64 {
        self.items.iter().filter(|item| item.part == part).count() as u64
    }

    /// What they take on disk together.
    pub fn bytes(&self) -> u64 {
        self.items.iter().map(|item| item.bytes).sum()
    }
}

/// What one part of a store takes on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageItem {
    /// What kind of thing.
    pub part: Part,
    /// Its name, else its short ID, else where it lies in the store.
    pub name: String,
    /// The ID of a layer, or of the one that a name stands for.
    pub id: Option<TreeId>,
    /// Bytes on disk; of a name, those of its whole stack.
    pub bytes: u64,
    /// Those of them that others have too: a layer that several names or mounts stand on, and such layers of a name's
    /// stack.
    pub shared: u64,
    /// The names and mounts that stand on it.
    pub used_by: Vec<String>,
}

impl UsageItem {
    /// The bytes that nothing else has.
    pub fn own(&self) -> u64 {
        self.bytes - self.shared
    }
}

/// What a store takes on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageReport {
    /// Where it lies.
    pub store: PathBuf,
    /// Its layers, names, drafts, uppers and what was left over, in this order.
    pub items: Vec<UsageItem>,
    /// What all of it takes, each layer once.
    pub bytes: u64,
    /// What `gc()` would free.
    pub gc: u64,
    /// What `prune("0s")` would free: all that stands under no mount.
    pub prune: u64,
}
