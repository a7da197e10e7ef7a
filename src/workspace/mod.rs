//! The façade: everything that a user can do, as methods. No Rhai, no terminal.
//!
//! A [`Workspace`] is one store with the mounts of this process. Handles ([`Layer`], [`Mount`], [`Stack`]) are
//! cheap clones that share it. Everything is for one thread.

mod act;
mod add;
mod blob_files;
mod checking;
mod committing;
mod content;
mod copying;
mod doctor;
mod error;
mod files;
mod freeing;
mod gate;
mod how_added;
mod image;
mod incoming;
mod known;
mod layer;
mod left_out;
mod losing;
mod lowers;
mod mount;
mod mounting;
mod opening;
mod progress;
mod report;
mod said;
mod saving;
mod seeing;
mod shell_command;
mod squashing;
mod stack;
mod standing;
mod usage;
mod watching;
mod words;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

pub use act::Act;
pub use checking::Repaired;
pub use error::Error;
pub use freeing::Freeing;
pub use gate::{Sandbox, ToRead, ToWrite, Want};
pub use how_added::AddOptions;
pub use image::Image;
pub use known::Known;
pub use layer::Layer;
pub use losing::{Loss, Lost};
pub use mount::Mount;
pub use mounting::MountOptions;
pub use progress::{Amount, Count, Progress, Quiet, Total};
pub use report::*;
pub use saving::{Destination, SaveOptions};
pub use seeing::Subject;
pub use shell_command::{ShellResult, Stream};
pub use stack::{Stack, StackItem, nearest};
pub use watching::{Happening, Moment, Scene, Tally, Told, Watcher};

use crate::driver::DriverKind;
pub use crate::driver::{Event, Over};
use crate::model::{LayerName, Timestamp};
pub use crate::oci::Offer;
pub use crate::oci::blob::Compression;
use crate::store::Store;
pub use crate::store::{Finding, MountUser};
use crate::sys;
use crate::sys::namespace;

/// Where the store is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StorePlace {
    /// In this directory, made when it is first needed.
    Dir(PathBuf),
    /// The same, also where another user owns it and this one is root.
    DirOfAnybody(PathBuf),
    /// In this directory, whoever owns it: it is looked at only, and nothing in it is changed, nor anything that an earlier
    /// run left half done.
    ToRead(PathBuf),
    /// In a temporary directory that is gone at the end.
    Ephemeral,
}

/// How a workspace is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the store is.
    pub store: StorePlace,
    /// Whether what is told to be done in a store that stays outlives a power cut.
    pub sync: bool,
    /// The driver for `mount()`, where the user chose one.
    pub driver: Option<DriverKind>,
    /// Whether mounts outlive this process.
    pub keep: bool,
    /// The time that replaces the clock (`SOURCE_DATE_EPOCH`).
    pub epoch: Option<Timestamp>,
    /// What entering a user namespace gave.
    pub namespace: namespace::State,
    /// What scripts may reach of the host, where that is not all that the user may.
    pub sandbox: Option<Sandbox>,
}

/// One store and the mounts of this process; a cheap handle.
#[derive(Clone)]
pub struct Workspace(Rc<Inner>);

struct Inner {
    options: Options,
    progress: Rc<dyn Progress>,
    store: OnceCell<Store>,
    notes: RefCell<Vec<String>>,
    live: RefCell<BTreeMap<LayerName, mount::Live>>,
    current: RefCell<Option<LayerName>>,
    drafts: RefCell<BTreeMap<LayerName, Layer>>,
    /// Drafts that were only looked at: another process may have them once no handle lives.
    seen: RefCell<BTreeMap<LayerName, layer::WeakLayer>>,
    handles: RefCell<standing::Handles>,
    told_own_files: Cell<bool>,
    closed: Cell<bool>,
    watching: watching::Watching,
}

impl Workspace {
    /// Opens a workspace. A store that exists is recovered at once: mounts of dead processes are cleaned up.
    ///
    /// # Errors
    /// Those of the store: not ours, from a newer version, damaged.
    pub fn open(options: Options, progress: Rc<dyn Progress>) -> Result<Self, Error> {
        let exists =
            matches!(&options.store, StorePlace::Dir(dir) | StorePlace::DirOfAnybody(dir) if dir.exists());
        let workspace = Self(Rc::new(Inner {
            options,
            progress,
            store: OnceCell::new(),
            notes: RefCell::default(),
            live: RefCell::default(),
            current: RefCell::default(),
            drafts: RefCell::default(),
            seen: RefCell::default(),
            handles: RefCell::default(),
            told_own_files: Cell::new(false),
            closed: Cell::new(false),
            watching: watching::Watching::default(),
        }));
        if exists && !workspace.has_damaged_format() {
            workspace.store()?;
        }
        Ok(workspace)
    }

    /// How it was opened.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// The clock, or what replaces it.
    pub fn now(&self) -> Timestamp {
        self.0.options.epoch.unwrap_or_else(sys::now)
    }

    /// Takes what should be told beside the answers: recovered mounts, the driver chosen, a commit without changes.
    pub fn notes(&self) -> Vec<String> {
        self.0.notes.take()
    }

    pub(self) fn note(&self, text: String) {
        self.0.notes.borrow_mut().push(text);
    }
}
