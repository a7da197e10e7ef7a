//! How long work tells how far it is: a face that views implement.

use std::fmt;
use std::rc::Rc;

use super::Workspace;
use super::error::Error;
use crate::store::{self, count_tree};
use crate::sys::{Dir, Errno, signals};

/// So much of something: done, or to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amount {
    /// Names of files and directories.
    pub names: u64,
    /// Bytes of files.
    pub bytes: u64,
}

/// Counts how much there is, in a thread of its own while the work goes on; asks now and then whether to go on, and
/// gives nothing where that was denied or it cannot be said.
pub type Count = Box<dyn FnOnce(&dyn Fn() -> bool) -> Option<Amount> + Send>;

/// How much there is to do.
pub enum Total {
    /// Nobody knows.
    Unknown,
    /// So much.
    Known(Amount),
    /// So much as this finds, which is asked once the work has taken so long that somebody wants to know.
    Counted(Count),
}

impl fmt::Debug for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("Unknown"),
            Self::Known(amount) => f.debug_tuple("Known").field(amount).finish(),
            Self::Counted(_) => f.write_str("Counted"),
        }
    }
}

impl Total {
    /// All in a tree, where it could be opened.
    pub(super) fn of_tree(tree: Result<Dir, Errno>) -> Self {
        match tree {
            Ok(tree) => Self::Counted(Box::new(move |go_on| {
                let (names, bytes) = count_tree(&tree, go_on)?;
                Some(Amount { names, bytes })
            })),
            Err(_) => Self::Unknown,
        }
    }

    /// So many bytes.
    pub(super) fn of_bytes(bytes: u64) -> Self {
        Self::Known(Amount { names: 0, bytes })
    }
}

/// Hears how far a piece of work is. Pieces follow one another, they never nest.
pub trait Progress {
    /// Whether somebody sees it: else what only serves to tell more need not be found out.
    fn is_visible(&self) -> bool;
    /// A piece of work begins: `what` in a few words.
    fn start(&self, what: &str, total: Total);
    /// So much more is done.
    fn advance(&self, done: Amount);
    /// The piece of work has ended, well or not.
    fn finish(&self);
}

/// Hears everything, says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn is_visible(&self) -> bool {
        false
    }
    fn start(&self, _: &str, _: Total) {}
    fn advance(&self, _: Amount) {}
    fn finish(&self) {}
}

/// A piece of work, told while this lives; Ctrl-C ends it.
pub(super) struct Work {
    progress: Rc<dyn Progress>,
}

impl Work {
    /// Tells that so much more is done.
    ///
    /// # Errors
    /// [`Error::Interrupted`] at Ctrl-C.
    pub(super) fn done(&self, names: u64, bytes: u64) -> Result<(), Error> {
        self.progress.advance(Amount { names, bytes });
        interrupted()
    }

    /// Tells that so many more bytes are done, where nothing can be stopped.
    pub(super) fn bytes(&self, bytes: u64) {
        self.progress.advance(Amount { names: 0, bytes });
    }

    /// What the store tells of it.
    pub(super) fn watch(&self) -> impl FnMut(store::Progress) -> bool + use<> {
        let progress = self.progress.clone();
        let mut before = store::Progress::default();
        move |now: store::Progress| {
            progress.advance(Amount {
                names: now.entries.saturating_sub(before.entries),
                bytes: now.bytes.saturating_sub(before.bytes),
            });
            before = now;
            !signals::interrupted()
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.progress.finish();
    }
}

impl Workspace {
    /// A piece of work begins; what it is and how much is asked where somebody sees it.
    pub(super) fn work(&self, about: impl FnOnce() -> (String, Total)) -> Work {
        let progress = self.0.progress.clone();
        if progress.is_visible() {
            let (what, total) = about();
            progress.start(&what, total);
        }
        Work { progress }
    }
}

/// Ends a long operation at Ctrl-C.
pub(super) fn interrupted() -> Result<(), Error> {
    if signals::interrupted() { Err(Error::Interrupted) } else { Ok(()) }
}
