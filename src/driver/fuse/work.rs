//! A request at work: its thread's turn, whom it is for, and what it holds meanwhile.
//!
//! What must wait for a file's content goes on when it holds nothing, that of a large file in a thread of its own, so that
//! neither locks nor the threads that serve the mount are kept from others.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, RwLockReadGuard, RwLockWriteGuard};

use fuser::Request;

use super::pushes::Quiet;
use super::served::Adapter;
use super::turns::Turn;
use crate::sys::{Errno, fault, signals};

/// What the protocol's requests come to.
#[derive(Clone, Debug)]
pub(super) struct Protocol(Arc<Adapter>);

impl Deref for Protocol {
    type Target = Adapter;

    fn deref(&self) -> &Adapter {
        &self.0
    }
}

/// What a request does to paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Paths {
    Stay,
    Change,
}

/// A request at work, and a hold on the paths. In this order: the thread may rest only when it holds nothing.
pub(super) struct Held<'a, T> {
    _paths: T,
    _turn: Turn<'a>,
}

impl Adapter {
    /// Begins with a request; paths stay as they are until it is done.
    pub(super) fn still(&self, request: &Request) -> Held<'_, RwLockReadGuard<'_, ()>> {
        signals::work_for(request.pid());
        fault::planted("server");
        let turn = self.turns.begin();
        Held { _paths: self.paths.read().unwrap_or_else(PoisonError::into_inner), _turn: turn }
    }

    /// Begins with a request that changes paths.
    pub(super) fn moving(&self, request: &Request) -> Held<'_, RwLockWriteGuard<'_, ()>> {
        signals::work_for(request.pid());
        let turn = self.turns.begin();
        Held { _paths: self.paths.write().unwrap_or_else(PoisonError::into_inner), _turn: turn }
    }

    /// Works on paths, with a hold on them.
    fn on<T>(&self, paths: Paths, work: impl FnOnce() -> T) -> T {
        match paths {
            Paths::Stay => {
                let _still = self.paths.read().unwrap_or_else(PoisonError::into_inner);
                self.telling_touched(work)
            }
            Paths::Change => {
                let _moving = self.paths.write().unwrap_or_else(PoisonError::into_inner);
                self.telling_touched(work)
            }
        }
    }
}

impl Protocol {
    pub(super) fn new(adapter: Adapter) -> Self {
        Self(Arc::new(adapter))
    }

    /// Does what may have to wait for a file's content, and answers.
    pub(super) fn patiently<R: Send + 'static, T>(
        &self,
        request: &Request,
        paths: Paths,
        reply: R,
        work: impl Fn(&Adapter, &R) -> Result<T, Errno> + Send + 'static,
        answer: impl FnOnce(R, Result<T, Errno>) + Send + 'static,
    ) {
        self.quietly(request, (paths, None), reply, work, answer);
    }

    /// The same for what may lead to other content of a node that is held quiet.
    pub(super) fn quietly<R: Send + 'static, T>(
        &self,
        request: &Request,
        (paths, quiet): (Paths, Option<Quiet>),
        reply: R,
        work: impl Fn(&Adapter, &R) -> Result<T, Errno> + Send + 'static,
        answer: impl FnOnce(R, Result<T, Errno>) + Send + 'static,
    ) {
        let asks = request.pid();
        signals::work_for(asks);
        fault::planted("patience");
        let _turn = self.turns.begin();
        let wanted = if quiet.as_ref().is_some_and(Quiet::is_busy) {
            None
        } else {
            match self.union.attempt(|| self.on(paths, || work(self, &reply))) {
                Ok(done) => return answer(reply, done),
                Err(wanted) if wanted.is_small() => {
                    // worth neither a thread of its own nor, before it is late, another one's turn
                    let done = self.union.go_on(wanted, || self.on(paths, || work(self, &reply)));
                    return answer(reply, done);
                }
                Err(wanted) => Some(wanted),
            }
        };
        let adapter = Arc::clone(&self.0);
        in_a_thread(move || {
            signals::work_for(asks);
            let work = || adapter.on(paths, || work(&adapter, &reply));
            let attempted = wanted.map_or_else(
                || {
                    quiet.iter().for_each(Quiet::wait);
                    adapter.union.attempt(work)
                },
                Err,
            );
            let done = attempted.unwrap_or_else(|wanted| adapter.union.go_on(wanted, work));
            answer(reply, done);
            // not before: nothing is as it was from here on
            drop(quiet);
        });
    }
}

/// Runs a job in a thread of its own; in this one, where there is none to be had.
fn in_a_thread(job: impl FnOnce() + Send + 'static) {
    let job = Arc::new(Mutex::new(Some(job)));
    let taken = Arc::clone(&job);
    let run = move || {
        let job = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(job) = job {
            job();
        }
    };
    if let Err(error) = std::thread::Builder::new().name("ufs-copy-up".to_owned()).spawn(run) {
        log::debug!("no thread for a copy-up: {error}");
        let job = job.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(job) = job {
            job();
        }
    }
}
