//! What a check finds, and what `repair` would do about it.

use std::fmt;
use std::path::PathBuf;

use crate::model::{LayerName, TreeId};
use crate::store::Error;

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which kind of thing it is.
    pub kind: Trouble,
    /// Where.
    pub path: PathBuf,
    /// Of which layer, name, mount or draft, where it is of one.
    pub subject: Subject,
    /// What, in words.
    pub what: String,
    /// What can be done.
    pub cure: Cure,
}

/// The kinds of findings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// A small record does not read back, or is gone.
    Record,
    /// A layer's index does not read back, or is gone.
    Index,
    /// A layer's `meta.json` does not read back, is gone, or does not say what the index says.
    Summary,
    /// A layer's files are not what its index or its ID says.
    Content,
    /// Something is gone that is needed: a layer of a stack, an upper, a draft's files.
    Missing,
    /// The store has not made this.
    Stray,
    /// Others may change what is the store's own.
    Rights,
    /// This could not be looked at.
    Unverified,
    /// An earlier process ended in the middle of this: no damage.
    Unfinished,
}

impl Trouble {
    /// One word for scripts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Index => "index",
            Self::Summary => "summary",
            Self::Content => "content",
            Self::Missing => "missing",
            Self::Stray => "stray",
            Self::Rights => "rights",
            Self::Unverified => "unverified",
            Self::Unfinished => "unfinished",
        }
    }
}

/// What a finding is about, as users name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// The store itself.
    Store,
    /// A layer.
    Layer(TreeId),
    /// A name of a layer.
    Name(LayerName),
    /// A mount.
    Mount(LayerName),
    /// A draft.
    Draft(LayerName),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store => f.write_str("the store"),
            Self::Layer(id) => write!(f, "layer {}", id.short()),
            Self::Name(name) => write!(f, "name `{name}`"),
            Self::Mount(name) => write!(f, "mount `{name}`"),
            Self::Draft(name) => write!(f, "draft `{name}`"),
        }
    }
}

/// What `repair` would do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cure {
    /// Writes `meta.json` anew from the index.
    WriteSummary,
    /// Writes the index anew from the files, if they give the ID.
    WriteIndex,
    /// Gives the files the metadata that the index says; if the ID is not right then, moves the layer aside.
    MendLayer,
    /// Writes the record anew where what it says can be verified; else moves it aside and names the layers that nothing
    /// holds.
    MendName,
    /// Writes the record anew where what it says can be verified; else moves the mount with its files aside.
    MendMount,
    /// Writes `format` anew.
    WriteFormat,
    /// Moves the record aside, and keeps of it what can be read.
    MendDraft,
    /// Moves it aside.
    MoveAside,
    /// Moves the intent aside; what it was about stays as it is.
    DropIntent,
    /// Takes the rights from others.
    Close,
    /// Makes the directory anew, empty.
    MakeEmpty,
    /// Ends it.
    Settle,
    /// Nothing in the store can help: the same layer must come in again.
    AskForLayer,
    /// Whoever may read it must check it.
    AskReader,
    /// The owner of the store must give it back.
    AskOwner,
    /// The later version that wrote it must look at it.
    AskLater,
    /// Whoever finds nothing else wrong removes the mark.
    AskOwnerToTrust,
}

impl Cure {
    /// Whether a repair does something, rather than tell whom to ask.
    pub fn does_something(self) -> bool {
        !matches!(
            self,
            Self::Settle
                | Self::AskForLayer
                | Self::AskReader
                | Self::AskOwner
                | Self::AskLater
                | Self::AskOwnerToTrust
        )
    }

    /// In words, as it stands behind "repair: ".
    pub fn words(self) -> &'static str {
        match self {
            Self::WriteSummary => "writes `meta.json` anew from the index",
            Self::WriteIndex => "writes the index anew if the files give the ID, else moves the layer aside",
            Self::MendLayer => {
                "sets owners, modes and times right; moves the layer aside if its ID is still wrong"
            }
            Self::MendName => {
                "keeps what can be verified; else moves the record aside and names the layers left without one"
            }
            Self::MendMount => {
                "keeps the record if its layers are there; else moves the mount aside with its files"
            }
            Self::WriteFormat => "writes it anew, and keeps what was there",
            Self::MendDraft => "moves the record aside, and keeps of it what can be read",
            Self::MoveAside => "moves it aside",
            Self::DropIntent => "moves the intent aside, and names the layers left without a name",
            Self::Close => "takes the right to write from others",
            Self::MakeEmpty => "makes it anew, empty",
            Self::Settle => "ends it, as every start does",
            Self::AskForLayer => "cannot help: make or load the same layer again, or `remove` what needs it",
            Self::AskReader => "cannot help: check as a user who may read it",
            Self::AskLater => "cannot help: use the later ufs that wrote it",
            Self::AskOwnerToTrust => {
                "cannot help: where a deep check finds nothing else, remove the mark; `--sync=off` opens the store until then"
            }
            Self::AskOwner => "cannot help: give it back to the store's owner by chown(1)",
        }
    }
}

impl Finding {
    /// Whether something is damaged: what could not be looked at, or waits to be ended, is not.
    pub fn is_damage(&self) -> bool {
        !matches!(self.kind, Trouble::Unverified | Trouble::Unfinished)
    }

    /// The damage that keeps a store from being opened at all; `None` where an error is about something else.
    pub fn of_format(error: &Error) -> Option<Self> {
        match error {
            Error::Damaged { path, .. } if path.ends_with("format") => {
                Some(Self::of(error, Trouble::Record, Subject::Store, path.clone(), Cure::WriteFormat))
            }
            _ => None,
        }
    }

    /// What it means for whoever uses the store.
    pub fn means(&self) -> &'static str {
        match (self.kind, &self.subject) {
            (Trouble::Record, Subject::Name(_)) => "the name cannot be used",
            (Trouble::Record, Subject::Mount(_)) => "the mount cannot be mounted again; its files are there",
            (Trouble::Record, Subject::Draft(_)) => {
                "symlinks and special files of the draft may lose their owners and times"
            }
            (Trouble::Record, Subject::Store) if self.cure == Cure::WriteFormat => "the store cannot be used",
            (Trouble::Record, _) => "what it says cannot be trusted",
            (Trouble::Index, _) => "the layer cannot be used; its files may be good",
            (Trouble::Summary, _) => {
                "the layer's counts and diff ID, and the chain IDs above it, would be wrong"
            }
            (Trouble::Content, _) => "the layer shows what was never committed",
            (Trouble::Missing, Subject::Name(_)) => "the name cannot be mounted or read",
            (Trouble::Missing, Subject::Mount(_)) => "the mount cannot be mounted again",
            (Trouble::Missing, _) => "what was in it is lost",
            (Trouble::Stray, _) => "nothing uses it",
            (Trouble::Rights, _) => "others can change what is in the store",
            (Trouble::Unverified, _) => "whether it is whole cannot be told",
            (Trouble::Unfinished, _) => "nothing is lost; the next start ends it",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        // what is wrong with a file names the file
        if self.what.contains(&path) { f.write_str(&self.what) } else { write!(f, "{path}: {}", self.what) }
    }
}

impl Finding {
    /// What an error on the way says: damage, or what could not be looked at.
    pub(super) fn of(error: &Error, kind: Trouble, subject: Subject, path: PathBuf, cure: Cure) -> Self {
        let what = words(error);
        let denied = error.errno().is_some_and(|errno| {
            use crate::sys::Errno;
            !matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP)
        });
        if matches!(error, Error::Later { .. }) {
            return Self { kind: Trouble::Unverified, path, subject, what, cure: Cure::AskLater };
        }
        let (kind, cure) = if denied { (Trouble::Unverified, Cure::AskReader) } else { (kind, cure) };
        Self { kind, path, subject, what, cure }
    }
}

/// An error with its cause.
fn words(error: &Error) -> String {
    use std::error::Error as _;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}
