//! What changes do to the layers, told to whoever listens, right after each has succeeded.
//!
//! The listener is called in the thread that makes the change, while it holds the lock of all changes: it must only take
//! note. While nobody listens, a change pays one look at a flag.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::Union;
use super::lookup::{Found, Place, Slot};
use super::merged::Merged;
use super::raise::Content;
use crate::model::{Kind, LayerPath};
use crate::overlay::Aspect;
use crate::sys::Dir;

/// What one change did. Layers are meant by their index in the stack, bottom → top, 0 first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A lower layer's file was copied into the upper.
    CopiedUp {
        /// The file.
        path: LayerPath,
        /// Its type.
        kind: Kind,
        /// The layer that it came from.
        from: usize,
        /// How many bytes of content were copied; none of a file that is cut to nothing.
        bytes: u64,
    },
    /// A name appeared in the upper that is no copy.
    Created {
        /// The name.
        path: LayerPath,
        /// Its type.
        kind: Kind,
        /// What it took the place of.
        over: Over,
    },
    /// Something of a file in the upper changed.
    Changed {
        /// The file.
        path: LayerPath,
        /// Its type.
        kind: Kind,
        /// What of it.
        what: Aspect,
        /// Whether the file was copied up for it.
        copied_up: bool,
    },
    /// A name was deleted that lower layers still hold.
    Whiteout {
        /// The name.
        path: LayerPath,
        /// The topmost layer that holds it.
        hides: Option<usize>,
    },
    /// A directory was cut off from what lower layers hold under its name.
    Opaque {
        /// The directory.
        path: LayerPath,
        /// The topmost layer that is cut off.
        hides: Option<usize>,
        /// Whether it was made just now.
        made: bool,
    },
    /// A name moved within the upper.
    Renamed {
        /// The old name.
        from: LayerPath,
        /// The new one.
        to: LayerPath,
        /// Its type.
        kind: Kind,
        /// The topmost layer that holds the new name, too.
        hides: Option<usize>,
    },
    /// Two names changed places.
    Exchanged {
        /// The one.
        from: LayerPath,
        /// The other.
        to: LayerPath,
    },
    /// A name that was in the upper alone is gone.
    Removed {
        /// The name.
        path: LayerPath,
        /// Its type.
        kind: Kind,
    },
}

impl Event {
    /// The same with other layers, as `layer` gives them for a path and a layer.
    #[must_use]
    pub fn with_layers(mut self, layer: &dyn Fn(&LayerPath, usize) -> usize) -> Self {
        match &mut self {
            Self::CopiedUp { path, from, .. } => *from = layer(path, *from),
            Self::Created { path, over: Over::Layer(over), .. } => *over = layer(path, *over),
            Self::Whiteout { path, hides: Some(hides) }
            | Self::Opaque { path, hides: Some(hides), .. }
            | Self::Renamed { to: path, hides: Some(hides), .. } => *hides = layer(path, *hides),
            Self::Created { .. }
            | Self::Changed { .. }
            | Self::Whiteout { .. }
            | Self::Opaque { .. }
            | Self::Renamed { .. }
            | Self::Exchanged { .. }
            | Self::Removed { .. } => {}
        }
        self
    }
}

/// What a new name took the place of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// Nothing.
    Nothing,
    /// The whiteout of a name that had been deleted.
    Whiteout,
    /// This layer's file, which it hides.
    Layer(usize),
}

/// Hears of changes, from any thread. It must never wait: a change, and whoever asked for it, waits for it.
pub trait Listener: Send + Sync {
    /// Takes note of what was done.
    fn hear(&self, event: Event);
}

/// Who listens to a union.
#[derive(Default)]
pub(super) struct Ears {
    open: AtomicBool,
    listener: RwLock<Option<Arc<dyn Listener>>>,
}

impl fmt::Debug for Ears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ears").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Union {
    /// Tells a listener of every further change; `None` tells nobody.
    pub fn listen(&self, listener: Option<Arc<dyn Listener>>) {
        let open = listener.is_some();
        *self.ears.listener.write().unwrap_or_else(PoisonError::into_inner) = listener;
        self.ears.open.store(open, Ordering::Relaxed);
    }

    /// Who listens.
    pub fn listener(&self) -> Option<Arc<dyn Listener>> {
        self.ears.listener.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells what was done; `event` is asked only where somebody listens, and tells nothing where it cannot say.
    pub(super) fn tell(&self, event: impl FnOnce() -> Option<Event>) {
        if self.ears.open.load(Ordering::Relaxed)
            && let Some(listener) = self.listener()
            && let Some(event) = event()
        {
            listener.hear(event);
        }
    }

    /// Tells of a lower file that is in the upper now.
    pub(super) fn tell_raised(&self, path: &[u8], found: &Found, content: Content) {
        self.tell(|| {
            let kind = found.stat.kind;
            let bytes = if kind == Kind::File && content == Content::Copied { found.stat.size } else { 0 };
            let from = self.layer_of(&found.place)?;
            Some(Event::CopiedUp { path: LayerPath::parse(path).ok()?, kind, from, bytes })
        });
    }

    /// Tells of a directory that is in the upper now, without what it holds.
    pub(super) fn tell_raised_dir(&self, path: &[u8], from: &Place) {
        self.tell(|| {
            let (path, from) = (LayerPath::parse(path).ok()?, self.layer_of(from)?);
            Some(Event::CopiedUp { path, kind: Kind::Dir, from, bytes: 0 })
        });
    }

    /// Tells of a new name in a directory and its upper part, and what the upper held there before.
    pub(super) fn tell_made(&self, (dir, up): (&Merged, &Dir), path: &LayerPath, before: Slot) {
        self.tell(|| {
            let kind = up.stat(path.file_name()?).ok()?.kind;
            let path = path.clone();
            Some(match (kind, before) {
                (Kind::Dir, Slot::Whiteout) => {
                    Event::Opaque { hides: self.held_beneath(dir, &path), path, made: true }
                }
                (_, Slot::Whiteout) => Event::Created { path, kind, over: Over::Whiteout },
                _ => Event::Created { path, kind, over: Over::Nothing },
            })
        });
    }

    /// Tells of a change of what is or was found under a path.
    pub(super) fn tell_changed(&self, path: &LayerPath, found: &Found, what: Aspect) {
        let copied_up = !found.in_upper;
        self.tell(|| {
            // a copy whose content changes is told by its copy-up alone
            (!copied_up || what != Aspect::Content).then(|| Event::Changed {
                path: path.clone(),
                kind: found.stat.kind,
                what,
                copied_up,
            })
        });
    }

    /// Tells of a name that is gone, whether a whiteout took its place or not.
    pub(super) fn tell_gone(&self, dir: &Merged, path: &LayerPath, kind: Kind) {
        self.tell(|| {
            Some(match self.held_beneath(dir, path) {
                None => Event::Removed { path: path.clone(), kind },
                hides => Event::Whiteout { path: path.clone(), hides },
            })
        });
    }

    /// Tells of a name that moved, and of the whiteout that it left.
    pub(super) fn tell_moved(
        &self,
        (old_dir, from): (&Merged, &LayerPath),
        (new_dir, to): (&Merged, &LayerPath),
        kind: Kind,
    ) {
        self.tell(|| {
            let hides = self.held_beneath(new_dir, to);
            Some(Event::Renamed { from: from.clone(), to: to.clone(), kind, hides })
        });
        self.tell(|| {
            let hides = Some(self.held_beneath(old_dir, from)?);
            Some(Event::Whiteout { path: from.clone(), hides })
        });
    }

    /// The topmost lower layer that shows something at a path in a directory.
    fn held_beneath(&self, dir: &Merged, path: &LayerPath) -> Option<usize> {
        self.holder(dir, path.file_name()?).ok()?.map(|layer| self.above_bottom(layer))
    }

    fn layer_of(&self, place: &Place) -> Option<usize> {
        place.layer.map(|layer| self.above_bottom(layer))
    }

    fn above_bottom(&self, from_top: usize) -> usize {
        self.lowers.len() - 1 - from_top
    }
}
