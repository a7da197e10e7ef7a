//! A request at work: its thread's turn, whom it is for, and what it holds meanwhile.

use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

use fuser::Request;

use super::adapter::Adapter;
use super::turns::Turn;
use crate::sys::signals;

/// A request at work, and a hold on the paths. In this order: the thread may rest only when it holds nothing.
pub(super) struct Held<'a, T> {
    _paths: T,
    _turn: Turn<'a>,
}

impl Adapter {
    /// Begins with a request; paths stay as they are until it is done.
    pub(super) fn still(&self, request: &Request) -> Held<'_, RwLockReadGuard<'_, ()>> {
        signals::work_for(request.pid());
        let turn = self.turns.begin();
        Held { _paths: self.paths.read().unwrap_or_else(PoisonError::into_inner), _turn: turn }
    }

    /// Begins with a request that changes paths.
    pub(super) fn moving(&self, request: &Request) -> Held<'_, RwLockWriteGuard<'_, ()>> {
        signals::work_for(request.pid());
        let turn = self.turns.begin();
        Held { _paths: self.paths.write().unwrap_or_else(PoisonError::into_inner), _turn: turn }
    }
}
