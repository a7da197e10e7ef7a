//! How long work tells how far it is: a face that views implement.

/// Hears how far a piece of work is. Pieces follow one another, they never nest.
pub trait Progress {
    /// A piece of work begins: `what` in a few words, `total` in bytes where known.
    fn start(&self, what: &str, total: Option<u64>);
    /// So many more names and bytes are done.
    fn advance(&self, names: u64, bytes: u64);
    /// The piece of work has ended, well or not.
    fn finish(&self);
}

/// Hears everything, says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn start(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64, _: u64) {}
    fn finish(&self) {}
}
