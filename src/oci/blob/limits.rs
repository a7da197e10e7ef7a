//! How much may come out of a blob.

/// Bounds on what a blob decompresses to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most bytes that may come out.
    pub plain: u64,
    /// How many times its own size may come out, once that is more than [`Self::unasked`].
    pub ratio: u64,
    /// So many bytes may come out whatever the ratio: a large file of zeros is no bomb.
    pub unasked: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { plain: 256 << 30, ratio: 200, unasked: 4 << 30 }
    }
}

impl Limits {
    /// No bound at all.
    pub const NONE: Self = Self { plain: u64::MAX, ratio: u64::MAX, unasked: u64::MAX };

    /// The most bytes that may come out of a blob of this size.
    pub fn most(&self, size: u64) -> u64 {
        self.plain.min(size.saturating_mul(self.ratio).max(self.unasked))
    }
}
