//! Watching: what happens to the layers of a mount, told while it happens.
//!
//! Our own union tells each change as it is made, from whatever program. The kernel's overlay tells nothing: there the
//! upper is surveyed and compared with the survey before, when [`Workspace::tell_changes`] asks for it.

mod beneath;
mod compare;
mod survey;
mod tally;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use self::beneath::Lowers;
use self::compare::compare;
use self::survey::Survey;
pub use self::tally::{Happening, Tally};
use super::error::Error;
use super::lowers::Origins;
use super::report::LayerLabel;
use super::{Layer, Mount, Workspace};
use crate::driver::{DriverKind, Event, Listener};
use crate::model::LayerName;

/// An upper of more names than this is not looked through after every call.
const FEW: usize = 1000;
/// It is again after a call when this many times the time has passed that it took.
const PATIENCE: u32 = 10;

/// The mount in which something happens.
#[derive(Debug)]
pub struct Scene {
    /// The mount's name.
    pub mount: String,
    /// One label a layer, bottom → top; the upper last.
    pub layers: Vec<LayerLabel>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where.
    pub scene: Arc<Scene>,
    /// Whether other mounts are watched, too.
    pub among_several: bool,
    /// What.
    pub event: Event,
}

/// Hears what happens, from any thread. It must only take note, never wait.
pub trait Watcher: Send + Sync {
    /// Takes note of what happened.
    fn take(&self, told: Told);
}

/// When the upper of a kernel overlay is compared with what it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// After a call that may have changed something: left for later where surveys take long.
    Call,
    /// At the end of a line, or before the baseline is lost: in any case.
    End,
}

/// What is watched.
#[derive(Default)]
pub(super) struct Watching {
    watcher: RefCell<Option<Arc<dyn Watcher>>>,
    /// Whether mounts are watched of which nothing else is said.
    all: Cell<bool>,
    some: RefCell<BTreeMap<LayerName, bool>>,
    seen: RefCell<BTreeMap<LayerName, Attended>>,
    several: Arc<AtomicBool>,
}

/// A mount that is watched now.
struct Attended {
    scene: Arc<Scene>,
    /// Where the driver tells nothing.
    baseline: Option<Baseline>,
}

struct Baseline {
    survey: Survey,
    /// From when on it may be taken again after a call.
    due: Instant,
}

/// What our union tells, with the mount that it tells of.
struct Ear {
    scene: Arc<Scene>,
    origins: Origins,
    several: Arc<AtomicBool>,
    watcher: Arc<dyn Watcher>,
}

impl Listener for Ear {
    fn hear(&self, event: Event) {
        let among_several = self.several.load(Ordering::Relaxed);
        let event = self.origins.translate(event);
        self.watcher.take(Told { scene: Arc::clone(&self.scene), among_several, event });
    }
}

impl Watching {
    fn wants(&self, name: &LayerName) -> bool {
        self.some.borrow().get(name).copied().unwrap_or(self.all.get())
    }
}

impl Workspace {
    /// Sets who is told.
    pub fn set_watcher(&self, watcher: Arc<dyn Watcher>) {
        *self.0.watching.watcher.borrow_mut() = Some(watcher);
    }

    /// Watches every mount of this process, those to come too; or none any more.
    ///
    /// # Errors
    /// Those of the store, and of reading an upper.
    pub fn set_watch(&self, on: bool) -> Result<(), Error> {
        let watching = &self.0.watching;
        watching.all.set(on);
        watching.some.borrow_mut().clear();
        let names: Vec<LayerName> = self.0.live.borrow().keys().cloned().collect();
        for name in &names {
            self.attend(name)?;
        }
        match (on, watching.seen.borrow().is_empty()) {
            (true, true) => self.note("every mount from now on is watched".to_owned()),
            (true, false) => self.note_watched(),
            _ => {}
        }
        Ok(())
    }

    /// Whether anything is or will be watched.
    pub fn is_watching(&self) -> bool {
        self.0.watching.all.get() || self.0.watching.some.borrow().values().any(|&on| on)
    }

    fn note_watched(&self) {
        for name in self.0.watching.seen.borrow().keys() {
            self.note_how(name);
        }
    }

    fn note_how(&self, name: &LayerName) {
        if !self.0.watching.seen.borrow().contains_key(name) {
            return;
        }
        let how = match Mount::new(self, name.clone()).driver() {
            Ok(DriverKind::Overlay) => {
                "what changed is told after each line and each call that changes a mount"
            }
            Ok(DriverKind::Fuse) => "each change is told as it is made, by whatever program",
            Ok(DriverKind::Direct) => "each change is told as it is made",
            // it was dropped a moment ago
            Err(_) => return,
        };
        self.note(format!("`{name}` is watched: {how}"));
    }

    /// Sees to it that a mount is watched as it should be: after it was mounted, given another stack, or unmounted.
    pub(super) fn attend(&self, name: &LayerName) -> Result<(), Error> {
        let watching = &self.0.watching;
        let watcher = watching.watcher.borrow().clone().filter(|_| watching.wants(name));
        let mount = Mount::new(self, name.clone());
        watching.seen.borrow_mut().remove(name);
        if let (Some(watcher), true) = (watcher, mount.mounted()) {
            let layers = mount.report()?.layers;
            let scene = Arc::new(Scene { mount: mount.name(), layers });
            let several = Arc::clone(&watching.several);
            let origins = self.0.live.borrow().get(name).map(|live| live.origins.clone()).unwrap_or_default();
            let ear = Ear { scene: Arc::clone(&scene), origins, several, watcher };
            let baseline = if self.listen(name, Some(Arc::new(ear))) || mount.read_only() {
                None
            } else {
                Some(Baseline::take(&mount, None)?)
            };
            watching.seen.borrow_mut().insert(name.clone(), Attended { scene, baseline });
        } else {
            self.listen(name, None);
        }
        watching.several.store(watching.seen.borrow().len() > 1, Ordering::Relaxed);
        Ok(())
    }

    fn listen(&self, name: &LayerName, listener: Option<Arc<dyn Listener>>) -> bool {
        let live = self.0.live.borrow();
        let mounted = live.get(name).and_then(|live| live.mounted.as_ref());
        mounted.is_some_and(|mounted| mounted.listen(listener))
    }

    /// Tells what happened in mounts whose driver does not tell it.
    ///
    /// # Errors
    /// Those of reading an upper, and of the store.
    pub fn tell_changes(&self, moment: Moment) -> Result<(), Error> {
        for name in self.0.watching.seen.borrow().keys() {
            if let Some(mounted) = self.0.live.borrow().get(name).and_then(|live| live.mounted.as_ref()) {
                mounted.catch_up();
            }
        }
        let now = Instant::now();
        let due = |seen: &Attended| {
            seen.baseline.as_ref().is_some_and(|baseline| moment == Moment::End || baseline.due <= now)
        };
        let watching = &self.0.watching;
        let names: Vec<LayerName> = watching
            .seen
            .borrow()
            .iter()
            .filter(|(_, seen)| due(seen))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.compare(&name)?;
        }
        Ok(())
    }

    /// Tells what happened in one such mount, before its upper is another one.
    pub(super) fn tell_changes_of(&self, mount: &Mount) -> Result<(), Error> {
        let seen = self.0.watching.seen.borrow().contains_key(mount.layer_name());
        if seen && mount.mounted() { self.compare(mount.layer_name()) } else { Ok(()) }
    }

    fn compare(&self, name: &LayerName) -> Result<(), Error> {
        let watching = &self.0.watching;
        let Some(watcher) = watching.watcher.borrow().clone() else { return Ok(()) };
        let mount = Mount::new(self, name.clone());
        let mut all = watching.seen.borrow_mut();
        let Some(Attended { scene, baseline: Some(baseline) }) = all.get_mut(name) else { return Ok(()) };
        let now = Baseline::take(&mount, Some(&baseline.survey))?;
        let before = std::mem::replace(baseline, now);
        if before.survey == baseline.survey {
            return Ok(());
        }
        let layers: Vec<Layer> = mount.stack()?.layers().to_vec();
        let mut lowers = Lowers::new(&layers);
        let among_several = watching.several.load(Ordering::Relaxed);
        for event in compare(&before.survey, &baseline.survey, &mut |path| lowers.at(path)) {
            watcher.take(Told { scene: Arc::clone(scene), among_several, event });
        }
        lowers.failed.map_or(Ok(()), Err)
    }
}

impl Baseline {
    fn take(mount: &Mount, before: Option<&Survey>) -> Result<Self, Error> {
        let start = Instant::now();
        let survey = Survey::take(&*mount.upper_tree()?, before)?;
        let many = survey.0.len() > FEW;
        let pause = if many { start.elapsed().saturating_mul(PATIENCE) } else { Duration::ZERO };
        Ok(Self { survey, due: Instant::now() + pause })
    }
}

impl Mount {
    /// Watches this mount, or not, whatever holds for the others.
    ///
    /// # Errors
    /// As [`Workspace::set_watch`]; [`Error::UnknownMount`] after [`Mount::discard`].
    pub fn set_watch(&self, on: bool) -> Result<(), Error> {
        self.record()?;
        let workspace = self.workspace();
        workspace.0.watching.some.borrow_mut().insert(self.layer_name().clone(), on);
        workspace.attend(self.layer_name())?;
        if on {
            workspace.note_how(self.layer_name());
        }
        Ok(())
    }

    /// Whether it is watched.
    pub fn is_watched(&self) -> bool {
        self.workspace().0.watching.wants(self.layer_name())
    }
}
