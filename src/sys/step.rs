//! Steps that the log tells of: what was done, on what, how long it took. A log that is off costs one comparison.

use std::time::Instant;

/// A step at work; the log hears of it when it is over.
#[derive(Debug)]
#[must_use = "a step lasts as long as this value"]
pub struct Step(Option<Begun>);

#[derive(Debug)]
struct Begun {
    what: &'static str,
    on: String,
    start: Instant,
}

/// Begins a step; `on` is asked only where the log is on.
pub fn step(what: &'static str, on: impl FnOnce() -> String) -> Step {
    let is_told = log::log_enabled!(log::Level::Debug);
    Step(is_told.then(|| Begun { what, on: on(), start: Instant::now() }))
}

impl Step {
    /// The step is over, and came to this.
    pub fn ended<T, E>(mut self, done: &Result<T, E>, why: impl FnOnce(&E) -> String) {
        if let (Some(begun), Err(error)) = (&self.0, done) {
            let (what, on, took) = (begun.what, &begun.on, begun.start.elapsed());
            log::debug!("{what} {on}: failed after {took:.1?}: {}", why(error));
            self.0 = None;
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(Begun { what, on, start }) = &self.0 {
            log::debug!("{what} {on}: {:.1?}", start.elapsed());
        }
    }
}
