//! One burst of events: the first are told one by one, the rest is counted.
//!
//! A burst is what one call does, or what comes without a pause. What waits to be told is bounded, so that whoever makes
//! changes never waits for a terminal.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::model::LayerPath;
use crate::workspace::{Event, Tally, Told};

/// How many events of a burst are told one by one.
pub(super) const MOST: usize = 100;
/// The pause that ends a burst.
pub(super) const QUIET: Duration = Duration::from_millis(300);

/// How long events are counted at the most before the sum is told.
pub(super) const LONGEST: Duration = Duration::from_secs(3);

/// What came and was not told yet.
#[derive(Default)]
pub(super) struct Burst {
    waiting: VecDeque<Told>,
    taken: usize,
    more: Tally,
    /// Since when events are counted.
    counting: Option<Instant>,
    /// What this burst has told of: a file that was just made is also written, and nobody need be told.
    fresh: HashSet<(String, LayerPath)>,
    last: Option<Instant>,
}

impl Burst {
    /// Takes an event in.
    pub(super) fn take(&mut self, told: Told, now: Instant) {
        let paused = self.last.is_none_or(|last| now.duration_since(last) >= QUIET);
        if paused && self.more.total() == 0 {
            self.taken = 0;
            self.fresh.clear();
        }
        self.last = Some(now);
        let named = subject(&told.event).map(|path| (told.scene.mount.clone(), path.clone()));
        if matches!(told.event, Event::Changed { copied_up: false, .. })
            && named.as_ref().is_some_and(|named| self.fresh.contains(named))
        {
            return;
        }
        if self.taken < MOST {
            self.taken += 1;
            self.fresh.extend(named);
            self.waiting.push_back(told);
        } else {
            self.counting.get_or_insert(now);
            self.more.add(&told.event);
        }
    }

    /// What is to be told now, in order.
    pub(super) fn due(&mut self) -> Vec<Told> {
        self.waiting.drain(..).collect()
    }

    /// Whether anything is to be told now.
    pub(super) fn has_due(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How long until the sum is to be told; `None` where there is nothing to sum up.
    pub(super) fn sum_in(&self, now: Instant) -> Option<Duration> {
        let (last, counting) = self.last.zip(self.counting)?;
        Some((last + QUIET).min(counting + LONGEST).saturating_duration_since(now))
    }

    /// Ends the burst; gives the sum of what was not told one by one, if anything.
    pub(super) fn end(&mut self) -> Option<Tally> {
        self.taken = 0;
        self.fresh.clear();
        (self.last, self.counting) = (None, None);
        Some(std::mem::take(&mut self.more)).filter(|more| more.total() > 0)
    }
}

/// The path that a later change in place need not be told of.
fn subject(event: &Event) -> Option<&LayerPath> {
    match event {
        Event::CopiedUp { path, .. } | Event::Created { path, .. } | Event::Changed { path, .. } => {
            Some(path)
        }
        Event::Renamed { to, .. } => Some(to),
        Event::Opaque { path, .. } => Some(path),
        Event::Whiteout { .. } | Event::Exchanged { .. } | Event::Removed { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;
    use crate::overlay::Aspect;
    use crate::workspace::{Happening, Over, Scene};

    fn told(event: Event) -> Told {
        let scene = Scene { mount: "m1".to_owned(), layers: Vec::new() };
        Told { scene: scene.into(), among_several: false, event }
    }

    fn whiteout(number: usize) -> Told {
        let path = LayerPath::parse(number.to_string().as_bytes()).unwrap();
        told(Event::Whiteout { path, hides: Some(0) })
    }

    fn path() -> LayerPath {
        LayerPath::parse(b"a").unwrap()
    }

    #[test]
    fn the_first_are_told_and_the_rest_is_summed_up() {
        let (mut burst, start) = (Burst::default(), Instant::now());
        for number in 0..100_000 {
            burst.take(whiteout(number), start);
        }
        burst.take(told(Event::CopiedUp { path: path(), kind: Kind::File, from: 0, bytes: 1 }), start);
        let due = burst.due();
        assert_eq!(due.len(), MOST);
        let order: Vec<_> = due.iter().map(|told| told.event.clone()).collect();
        assert_eq!(order, (0..MOST).map(|number| whiteout(number).event).collect::<Vec<_>>());
        let more = burst.end().unwrap();
        assert_eq!(more.total(), 99_901);
        assert_eq!(more.counts(), [(Happening::Whiteout, 99_900), (Happening::CopiedUp, 1)]);
        assert_eq!(burst.end(), None, "it is told once");
    }

    #[test]
    fn a_pause_begins_a_new_burst() {
        let (mut burst, start) = (Burst::default(), Instant::now());
        for number in 0..150 {
            burst.take(whiteout(number), start);
            assert_eq!(burst.due().len(), usize::from(number < MOST));
        }
        assert_eq!(burst.sum_in(start), Some(QUIET));
        assert_eq!(burst.sum_in(start + QUIET * 2), Some(Duration::ZERO));
        burst.take(whiteout(0), start + LONGEST.mul_f32(0.95));
        assert_eq!(
            burst.sum_in(start + LONGEST),
            Some(Duration::ZERO),
            "a long storm is summed up now and then"
        );
        assert_eq!(burst.end().unwrap().total(), 51);
        assert_eq!(burst.sum_in(start), None);
        burst.take(whiteout(0), start + LONGEST);
        assert_eq!(burst.due().len(), 1);
        let start = start + LONGEST;
        for number in 0..10 * MOST {
            burst.take(whiteout(number), start + QUIET * (u32::try_from(number).unwrap() + 4));
        }
        assert_eq!(burst.due().len(), 10 * MOST, "slow ones are never too many");
    }

    #[test]
    fn what_a_new_file_goes_through_is_told_once() {
        let (mut burst, start) = (Burst::default(), Instant::now());
        let changed = |copied_up| {
            told(Event::Changed { path: path(), kind: Kind::File, what: Aspect::Mode, copied_up })
        };
        burst.take(told(Event::Created { path: path(), kind: Kind::File, over: Over::Nothing }), start);
        burst.take(changed(false), start);
        assert_eq!(burst.due().len(), 1);
        burst.take(changed(true), start);
        assert_eq!(burst.due().len(), 1, "why it was copied up is always told");
        burst.end();
        burst.take(changed(false), start);
        burst.take(changed(false), start);
        assert_eq!(burst.due().len(), 1, "another call, another change");
    }
}
