//! How what is added to a draft is treated.

/// How [`Layer::add`](super::Layer::add) treats what it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddOptions {
    /// Whether a tar is unpacked rather than copied.
    pub unpack: bool,
    /// The user and group of all that is added, whatever it has.
    pub owner: Option<(u32, u32)>,
}

impl Default for AddOptions {
    fn default() -> Self {
        Self { unpack: true, owner: None }
    }
}
