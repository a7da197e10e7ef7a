//! What is tried on a file, in the words of an error.

/// What was tried on a file; completes "cannot … `PATH`".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is the verb that it prints")]
pub enum Act {
    Read,
    Write,
    List,
    Stat,
    MakeDirectory,
    Symlink,
    ReadLink,
    Link,
    Remove,
    Move,
    Copy,
    CopyOut,
    ChangeMode,
    ChangeOwner,
    SetTimes,
    Resize,
    GetXattr,
    SetXattr,
    RemoveXattr,
    Add,
    Export,
    Run,
}

impl Act {
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::List => "list",
            Self::Stat => "stat",
            Self::MakeDirectory => "make the directory",
            Self::Symlink => "make the symlink",
            Self::ReadLink => "read the symlink",
            Self::Link => "link",
            Self::Remove => "remove",
            Self::Move => "move",
            Self::Copy => "copy",
            Self::CopyOut => "copy to",
            Self::ChangeMode => "change the mode of",
            Self::ChangeOwner => "change the owner of",
            Self::SetTimes => "set the times of",
            Self::Resize => "resize",
            Self::GetXattr => "read an attribute of",
            Self::SetXattr => "set an attribute of",
            Self::RemoveXattr => "remove an attribute of",
            Self::Add => "add",
            Self::Export => "export to",
            Self::Run => "run a shell in",
        }
    }
}
