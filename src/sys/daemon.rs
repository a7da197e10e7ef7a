//! A process that goes on by itself: it leaves its starter, its terminal and its directory, and ends at a signal.
//!
//! # Source
//! daemon(7); `signal-safety(7)` for what may run after fork(2).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{ForkResult, setsid};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;

use super::{Errno, from_nix};

/// This process after [`part`].
#[derive(Debug)]
pub enum Parted {
    /// The one that was started: the other has told it this exit code, and it has nothing left to do.
    Starter(u8),
    /// The one that goes on.
    Daemon(Starting),
}

/// A daemon whose starter still waits for word.
#[derive(Debug)]
pub struct Starting {
    tell: File,
    inherited: Vec<RawFd>,
}

/// Starts a process that goes on while this one waits for its word. Must be called before any thread exists.
///
/// The new process has a session of its own from the start, and still the directory and the files of its starter.
///
/// # Errors
/// What pipe(2), fork(2) or setsid(2) gives.
#[expect(unsafe_code, reason = "fork")]
pub fn part() -> Result<Parted, Errno> {
    let inherited = inherited();
    let (hear, tell) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: this process has one thread, so the child's memory is in order and it may run any code.
    match unsafe { nix::unistd::fork() }.map_err(from_nix)? {
        ForkResult::Child => {
            drop(hear);
            setsid().map_err(from_nix)?;
            Ok(Parted::Daemon(Starting { tell: File::from(tell), inherited }))
        }
        ForkResult::Parent { child } => {
            drop(tell);
            let mut word = [0];
            let heard = File::from(hear).read(&mut word);
            if matches!(heard, Ok(1)) {
                return Ok(Parted::Starter(word[0]));
            }
            // it ended without a word
            while nix::sys::wait::waitpid(child, None) == Err(nix::Error::EINTR) {}
            Err(Errno::CHILD)
        }
    }
}

/// The files beside the three standard ones that were open when this process started.
fn inherited() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let open: Vec<RawFd> = numbers.filter(|number| *number > 2).collect();
    // the listing's own descriptor is closed by now
    open.into_iter()
        .filter(|number| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok())
        .collect()
}

impl Starting {
    /// Tells the starter that there will be no daemon; it ends with this exit code.
    pub fn failed(self, code: u8) {
        self.say(code.max(1));
    }

    /// Lets go of the directory, the standard streams and all other files that the starter had open, then tells it
    /// that the daemon is at work. Gives `false` if the starter is gone.
    ///
    /// # Errors
    /// What chdir(2) or opening `/dev/null` gives.
    #[expect(unsafe_code, reason = "close of descriptors that nobody owns")]
    pub fn ready(self) -> Result<bool, Errno> {
        rustix::process::chdir(c"/")?;
        let null = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, rustix::fs::Mode::empty())?;
        rustix::stdio::dup2_stdin(&null)?;
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)?;
        for &number in &self.inherited {
            // SAFETY: they were open before anything of this program ran, so no value in it owns them.
            unsafe { libc::close(number) };
        }
        Ok(self.say(0))
    }

    fn say(mut self, code: u8) -> bool {
        match self.tell.write_all(&[code]) {
            Ok(()) => true,
            Err(error) => {
                log::debug!("nobody waits for the daemon: {error}");
                false
            }
        }
    }
}

/// The signals that end a daemon: SIGTERM, SIGINT, SIGHUP, kept until they are asked for.
#[derive(Debug)]
pub struct Ends(SignalFd);

impl Ends {
    /// Keeps these signals back, from this thread and from all that it starts.
    ///
    /// # Errors
    /// What signalfd(2) gives.
    pub fn new() -> Result<Self, Errno> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block().map_err(from_nix)?;
        SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC).map(Self).map_err(from_nix)
    }

    /// Waits for one of them, or until the other end of a pipe is closed; tells whether it was a signal.
    ///
    /// # Errors
    /// What poll(2) gives.
    pub fn wait(&self, closed: BorrowedFd<'_>) -> Result<bool, Errno> {
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(closed, PollFlags::empty()),
            ];
            match poll(&mut fds, None) {
                Ok(_) if !fds[1].revents().is_empty() => return Ok(false),
                Ok(_) if !fds[0].revents().is_empty() => return Ok(true),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// Two ends of a pipe, reading and writing: who waits for the one sees when the other is closed.
///
/// # Errors
/// What pipe(2) gives.
pub fn lifeline() -> Result<(OwnedFd, OwnedFd), Errno> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
}
