//! The parts of the contract, as `help()` lists them.

/// A part of the contract, for `help()`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "each is the heading that it prints")]
pub enum Group {
    Layers,
    Images,
    Mounts,
    Files,
    Seeing,
    Committing,
    Control,
}

impl Group {
    /// All groups, in the order of `help()`.
    pub const ALL: [Self; 7] = [
        Self::Layers,
        Self::Images,
        Self::Mounts,
        Self::Files,
        Self::Seeing,
        Self::Committing,
        Self::Control,
    ];

    /// Its name in one word, as a topic of help.
    pub fn word(self) -> &'static str {
        match self {
            Self::Layers => "layers",
            Self::Images => "images",
            Self::Mounts => "mounts",
            Self::Files => "files",
            Self::Seeing => "seeing",
            Self::Committing => "committing",
            Self::Control => "control",
        }
    }

    /// The heading in help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Layers => "Layers",
            Self::Images => "Images",
            Self::Mounts => "Mounts",
            Self::Files => "Files of the current mount (and as methods on any)",
            Self::Seeing => "Seeing",
            Self::Committing => "Committing",
            Self::Control => "Checks and control",
        }
    }
}
