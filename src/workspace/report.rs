//! Answers with their labels: what `show`, `tree`, `diff`, `explain`, `history`, `doctor` give to views and scripts.

use std::path::PathBuf;

use crate::driver::DriverKind;
use crate::model::{ChainId, Counts, DiffId, Timestamp, TreeId};
use crate::overlay::{Difference, Life, Matrix, TreeItem};
use crate::store::MountUser;

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
