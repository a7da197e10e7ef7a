//! What reading an archive may cost.

/// How much of an archive's bookkeeping is held in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of extension headers before one entry.
    pub extension: u64,
    /// Stretches of data in one sparse file.
    pub extents: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { extension: 1024 * 1024, extents: 1024 * 1024 }
    }
}
