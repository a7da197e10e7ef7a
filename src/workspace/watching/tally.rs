//! How often each thing happened: for what is too much to be told one by one.

use crate::driver::Event;

/// The kinds of [`Event`]s, as they are summed up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Happening {
    /// [`Event::CopiedUp`].
    CopiedUp,
    /// [`Event::Created`].
    Created,
    /// [`Event::Changed`].
    Changed,
    /// [`Event::Whiteout`].
    Whiteout,
    /// [`Event::Opaque`].
    Opaque,
    /// [`Event::Renamed`].
    Renamed,
    /// [`Event::Exchanged`].
    Exchanged,
    /// [`Event::Removed`].
    Removed,
}

impl Happening {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::CopiedUp,
        Self::Created,
        Self::Changed,
        Self::Whiteout,
        Self::Opaque,
        Self::Renamed,
        Self::Exchanged,
        Self::Removed,
    ];

    /// The kind of an event.
    pub fn of(event: &Event) -> Self {
        match event {
            Event::CopiedUp { .. } => Self::CopiedUp,
            Event::Created { .. } => Self::Created,
            Event::Changed { .. } => Self::Changed,
            Event::Whiteout { .. } => Self::Whiteout,
            Event::Opaque { .. } => Self::Opaque,
            Event::Renamed { .. } => Self::Renamed,
            Event::Exchanged { .. } => Self::Exchanged,
            Event::Removed { .. } => Self::Removed,
        }
    }
}

/// A count for each kind of event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally([u64; Happening::ALL.len()]);

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, event: &Event) {
        self.0[Happening::of(event) as usize] += 1;
    }

    /// All that was counted.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// What was counted at all, the most frequent first.
    pub fn counts(&self) -> Vec<(Happening, u64)> {
        let mut counts: Vec<_> =
            Happening::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0).collect();
        counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        counts
    }
}
