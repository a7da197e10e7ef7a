//! Answers: what an operation gave, in the protocol's words.

use fuser::{
    FileHandle, FopenFlags, Generation, ReplyCreate, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite,
    ReplyXattr,
};

use super::attributes::FOREVER;
use super::data::Opened;
use super::names::Named;
use super::xattrs::Answer;
use crate::sys::Errno;

/// The crate's form of an errno.
pub(super) fn code(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno.raw_os_error())
}

pub(super) fn empty(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(code(errno)),
    }
}

pub(super) fn entry(reply: ReplyEntry, done: Result<Named, Errno>) {
    match done {
        Ok(named) => {
            reply.entry_with_ttls(
                &named.lasts(),
                &FOREVER,
                &named.attributes(),
                Generation(named.generation()),
            );
        }
        Err(errno) => reply.error(code(errno)),
    }
}

pub(super) fn written(reply: ReplyWrite, done: Result<usize, Errno>) {
    match done {
        Ok(length) => reply.written(u32::try_from(length).unwrap_or(u32::MAX)),
        Err(errno) => reply.error(code(errno)),
    }
}

pub(super) fn answer(reply: ReplyXattr, size: u32, done: Result<Answer, Errno>) {
    match done {
        Ok(value) if size == 0 => reply.size(u32::try_from(value.len()).unwrap_or(u32::MAX)),
        Ok(value) if value.len() > size as usize => reply.error(fuser::Errno::ERANGE),
        Ok(value) => reply.data(&value),
        Err(errno) => reply.error(code(errno)),
    }
}

pub(super) fn opened(reply: ReplyOpen, done: Result<Opened, Errno>) {
    match done {
        Ok(Opened::Cached(handle, holds)) => reply.opened(FileHandle(handle), cached(holds)),
        Ok(Opened::Passthrough(handle, backing)) => {
            reply.opened_passthrough(FileHandle(handle), FopenFlags::empty(), &backing);
        }
        Err(errno) => reply.error(code(errno)),
    }
}

pub(super) fn created(reply: ReplyCreate, done: Result<(Named, Opened), Errno>) {
    let (named, opened) = match done {
        Ok(done) => done,
        Err(errno) => return reply.error(code(errno)),
    };
    let (lasts, attributes) = (named.lasts(), named.attributes());
    let generation = Generation(named.generation());
    match opened {
        Opened::Cached(handle, holds) => {
            reply.created(&lasts, &attributes, generation, FileHandle(handle), cached(holds));
        }
        Opened::Passthrough(handle, backing) => {
            let (handle, flags) = (FileHandle(handle), FopenFlags::empty());
            reply.created_passthrough(&lasts, &attributes, generation, handle, flags, &backing);
        }
    }
}

/// How the kernel is to open a file that goes through its cache: whether it keeps what is there.
fn cached(holds: bool) -> FopenFlags {
    if holds { FopenFlags::FOPEN_KEEP_CACHE } else { FopenFlags::empty() }
}
