//! Directories that copy-ups touched, for whoever keeps what it was told of them.
//!
//! A copy-up is part of another change, and gives a directory a name that it shows already. Nobody who made that change
//! would look for another size or another time of change there.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Union;
use crate::model::LayerPath;

thread_local! {
    /// The paths of those of this thread's changes.
    static TOUCHED: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Whether somebody asks for them.
#[derive(Debug, Default)]
pub(super) struct Touched(AtomicBool);

impl Union {
    /// Keeps note of them from now on, for [`Union::touched`].
    pub fn note_all_touched(&self) {
        self.touched.0.store(true, Ordering::Relaxed);
    }

    /// The directories that are other ones than before by what this thread copied up since it asked last.
    pub fn touched(&self) -> Vec<LayerPath> {
        let paths = TOUCHED.take();
        paths.iter().filter_map(|path| LayerPath::parse(path).ok()).collect()
    }

    pub(super) fn note_touched(&self, dir: &[u8]) {
        if self.touched.0.load(Ordering::Relaxed) {
            TOUCHED.with_borrow_mut(|paths| {
                if !paths.iter().any(|path| **path == *dir) {
                    paths.push(dir.into());
                }
            });
        }
    }
}
