//! A process beside this one that works for it and ends with it.
//!
//! It is a copy of this process (fork(2) without exec(2)), so it needs no path to the program and no `/proc`, stands in the
//! same namespaces and is there in a fraction of a millisecond. It shares no descriptor table with this process: each end
//! of the link between them is held by one of them alone, so each hears when the other is gone, however that came.
//!
//! # Source
//! fork(2), unix(7) (`SOCK_SEQPACKET`), `close_range(2)`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::sys::signal::SigSet;
use nix::unistd::ForkResult;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid, Resource, Signal, WaitOptions, getrlimit, kill_process, setrlimit, waitpid};

use super::fault::{self, After};
use super::{Errno, from_nix, process, signals};

/// How long the process may take to end once it was told to.
const GRACE: Duration = Duration::from_secs(2);

/// One end of a link that carries messages whole and in order.
#[derive(Debug)]
pub struct End(OwnedFd);

/// Makes a link.
///
/// # Errors
/// What socketpair(2) gives.
pub fn link() -> Result<(End, End), Errno> {
    let (one, other) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((End(one), End(other)))
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl End {
    /// Sends a message; waits while the link is full.
    ///
    /// # Errors
    /// `EPIPE` where nobody holds the other end any more.
    pub fn send(&self, message: &[u8]) -> Result<(), Errno> {
        loop {
            match rustix::net::send(&self.0, message, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                done => return done.map(drop),
            }
        }
    }

    /// Waits for a message, which must fit into the buffer; `None` once nobody holds the other end any more.
    ///
    /// # Errors
    /// What recv(2) gives.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>, Errno> {
        loop {
            match rustix::net::recv(&self.0, &mut *buffer, RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                Ok((0, _)) | Err(Errno::CONNRESET) => return Ok(None),
                Ok((length, _)) => return Ok(buffer.get(..length)),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Whether nobody holds the other end any more; waits for that as long as given.
    pub fn is_hung_up(&self, most: Duration) -> bool {
        let start = std::time::Instant::now();
        loop {
            let left = most.saturating_sub(start.elapsed());
            let left = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut asked = [PollFd::new(&self.0, PollFlags::empty())];
            match poll(&mut asked, Some(&left)) {
                Ok(0) => return false,
                Ok(_) => return true,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Waits until a message has come or the link is hung up, or until another pipe is hung up: `false` for that.
    ///
    /// # Errors
    /// What poll(2) gives.
    pub fn wait(&self, other: BorrowedFd<'_>) -> Result<bool, Errno> {
        loop {
            let mut asked =
                [PollFd::new(&self.0, PollFlags::IN), PollFd::from_borrowed_fd(other, PollFlags::empty())];
            match poll(&mut asked, None) {
                Ok(_) if !asked[1].revents().is_empty() => return Ok(false),
                Ok(_) if !asked[0].revents().is_empty() => return Ok(true),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// A process that was started here and was not waited for yet.
#[derive(Debug)]
pub struct Apart(Option<Pid>);

/// Starts a process that does `work` and ends. Of the open files it has those in `kept` alone, beside stderr, on which
/// it tells its own faults and the log, and `/dev/null` for the other standard ones; signals but SIGKILL do not concern it, and files may be as large in it as this user may allow himself.
///
/// `work` must take no lock that another thread may hold at the moment, but for the allocator's.
///
/// # Errors
/// What fork(2) gives.
#[expect(unsafe_code, reason = "fork")]
pub fn start(kept: &[BorrowedFd<'_>], work: impl FnOnce()) -> Result<Apart, Errno> {
    let mut numbers: Vec<RawFd> = kept.iter().map(AsRawFd::as_raw_fd).collect();
    numbers.sort_unstable();
    let principal = std::process::id();
    signals::share();
    // SAFETY: other threads may exist. Their locks stay as they were in the copy: the C library sees to its allocator's,
    // and `work` takes no others, as demanded above. The copy never returns from here, so nothing is dropped twice.
    match unsafe { nix::unistd::fork() }.map_err(from_nix)? {
        ForkResult::Parent { child } => Ok(Apart(Pid::from_raw(child.as_raw()))),
        ForkResult::Child => {
            process::stand_in_for(principal);
            fault::set_after(After::Ends);
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                if settle(&numbers).is_ok() {
                    work();
                }
            }));
            if worked.is_err() {
                log::debug!("a process apart panicked");
            }
            exit()
        }
    }
}

/// Starts a process that does `work` as in [`start`], and that nobody waits for: it goes on when this one ends, and keeps
/// nothing of it open, so that a reader of its output sees the end.
///
/// # Errors
/// What fork(2) gives.
pub fn leave_behind(kept: &[BorrowedFd<'_>], work: impl FnOnce()) -> Result<(), Errno> {
    // the one between ends at once, so that this process need not wait for the other
    let between = start(kept, || {
        let started = start(kept, || {
            if rustix::stdio::dup2_stderr(rustix::stdio::stdin()).is_ok() {
                work();
            }
        });
        if let Err(errno) = started {
            log::debug!("no process can be left behind: {errno}");
        }
    })?;
    if let Apart(Some(pid)) = between {
        while matches!(waitpid(Some(pid), WaitOptions::empty()), Err(Errno::INTR)) {}
    }
    Ok(())
}

/// Ends such a process at once, without what its origin wants done at its own end.
pub fn exit() -> ! {
    exit_with(0)
}

/// As [`exit`], with a code.
#[expect(unsafe_code, reason = "_exit")]
pub(super) fn exit_with(code: u8) -> ! {
    // SAFETY: it ends the process and returns nowhere.
    unsafe { libc::_exit(code.into()) }
}

/// Lets go of all that this process has from its origin.
fn settle(kept: &[RawFd]) -> Result<(), Errno> {
    SigSet::all().thread_block().map_err(from_nix)?;
    // neither the terminal's signals nor a hold on the directory
    nix::unistd::setsid().map_err(from_nix)?;
    rustix::process::chdir(c"/")?;
    close_all_but(kept)?;
    let null = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    raise_file_size()
}

/// Lets this process write files as large as its user may allow himself: whoever asks for it has a limit of his own.
///
/// # Errors
/// What setrlimit(2) gives.
pub fn raise_file_size() -> Result<(), Errno> {
    let mut limit = getrlimit(Resource::Fsize);
    limit.current = limit.maximum;
    setrlimit(Resource::Fsize, limit)
}

/// Closes every descriptor from 3 on but these, which are in order.
#[expect(unsafe_code, reason = "close_range of descriptors that nobody uses any more")]
fn close_all_but(kept: &[RawFd]) -> Result<(), Errno> {
    let close = |first: RawFd, last: u32| {
        let Ok(first) = u32::try_from(first) else { return Ok(()) };
        if first > last {
            return Ok(());
        }
        // SAFETY: values in this process own them, but none of those is used or dropped any more.
        match unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } {
            0 => Ok(()),
            _ => Err(super::last_errno()),
        }
    };
    let mut next: RawFd = 3;
    for &number in kept {
        let before = number.checked_sub(1).and_then(|before| u32::try_from(before).ok());
        if let Some(before) = before {
            close(next, before)?;
        }
        next = next.max(number + 1);
    }
    close(next, u32::MAX)
}

impl Apart {
    /// Gives it a moment to end by itself, then kills it, and waits for its end; tells whether it ended by itself. `link`:
    /// what it alone holds the other end of.
    pub fn end(&mut self, link: &End, patience: Duration) -> bool {
        let Some(pid) = self.0.take() else { return true };
        let by_itself = link.is_hung_up(patience);
        if !by_itself && let Err(errno) = kill_process(pid, Signal::KILL) {
            log::debug!("process {pid} cannot be killed: {errno}");
        }
        // one that a dead disk holds is left behind
        let gone = by_itself || link.is_hung_up(GRACE);
        let how = if gone { WaitOptions::empty() } else { WaitOptions::NOHANG };
        let ended = loop {
            match waitpid(Some(pid), how) {
                Err(Errno::INTR) => {}
                ended => break ended,
            }
        };
        if let Ok(Some((_, status))) = ended
            && status.exit_status() == Some(fault::EXIT_CODE.into())
        {
            fault::note();
        }
        by_itself
    }
}
