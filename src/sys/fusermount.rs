//! FUSE mounts by `fusermount3`, the set-user-ID program for users who may not mount by themselves.
//!
//! # Source
//! fusermount3(1): it makes the mount and hands the open device back over the socket that `_FUSE_COMMFD` names.

use std::ffi::OsString;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType, recvmsg,
    socketpair,
};

use super::Errno;

/// The program's names, the newer first.
const PROGRAMS: [&str; 2] = ["fusermount3", "fusermount"];

/// What the program makes of a request.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// It is not installed.
    #[error("not installed")]
    Missing,
    /// It was run and said no.
    #[error("{0}")]
    Said(String),
}

/// Runs the program; `None` where none is installed.
fn run(prepare: impl Fn(&mut Command)) -> Option<Result<Output, std::io::Error>> {
    PROGRAMS.into_iter().find_map(|program| {
        let mut command = Command::new(program);
        prepare(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        match command.output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            other => Some(other),
        }
    })
}

fn said(text: &[u8]) -> Refused {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> =
        text.lines().map(|line| line.split_once(": ").map_or(line, |(_, said)| said)).collect();
    Refused::Said(if lines.is_empty() { "it said nothing".to_owned() } else { lines.join("; ") })
}

/// Makes a FUSE mount at a directory; gives the device to serve it by. `options`: as mount(8) has them, separated by
/// commas.
///
/// # Errors
/// [`Refused`].
pub fn mount(target: &Path, options: Vec<u8>) -> Result<OwnedFd, Refused> {
    let failed = |errno: Errno| Refused::Said(errno.to_string());
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(failed)?;
    // the program gets its end by number
    fcntl_setfd(&theirs, FdFlags::empty()).map_err(failed)?;
    let options = OsString::from_vec(options);
    let number = theirs.as_raw_fd().to_string();
    let arguments = |command: &mut Command| {
        command.arg("-o").arg(&options).arg("--").arg(target).env("_FUSE_COMMFD", &number);
    };
    let output = run(arguments).ok_or(Refused::Missing)?.map_err(|error| Refused::Said(error.to_string()))?;
    drop(theirs);
    if !output.status.success() {
        return Err(said(&output.stderr));
    }
    receive(&ours).map_err(failed)
}

fn receive(socket: &OwnedFd) -> Result<OwnedFd, Errno> {
    let mut byte = [0; 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut byte)];
    while let Err(errno) = recvmsg(socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
        if errno != Errno::INTR {
            return Err(errno);
        }
    }
    let mut received = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    received.next().ok_or(Errno::NODEV)
}

/// Takes such a mount out of the tree, if it is not in use or `lazily`.
///
/// # Errors
/// [`Refused`].
pub fn unmount(target: &Path, lazily: bool) -> Result<(), Refused> {
    let output = run(|command| {
        command.arg("-u").args(lazily.then_some("-z")).arg("--").arg(target);
    });
    let output = output.ok_or(Refused::Missing)?.map_err(|error| Refused::Said(error.to_string()))?;
    if output.status.success() { Ok(()) } else { Err(said(&output.stderr)) }
}
