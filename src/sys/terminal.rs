//! Programs that are handed the terminal: an editor, a pager, a shell. Each is a process group of its own, in the
//! foreground while it runs, so that the keys that interrupt and stop go to it alone; whatever it does to the
//! terminal, it is ours again when it ends or stops.
//!
//! # Source
//! The GNU C Library manual, "Implementing a Job Control Shell"; credentials(7), tcsetpgrp(3).

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow, Signal as NixSignal};
use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpgrp, kill_process_group, waitpid};
use rustix::termios::{
    OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp,
};

use super::signals::{self, Pending};
use super::{Dir, Errno};

/// How long a program may take to end when we must end.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a program came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Back {
    /// It ended by itself, with this code.
    Ended(i32),
    /// A signal ended it, by number.
    Killed(i32),
    /// It was stopped (Ctrl-Z), and can go on.
    Stopped,
}

/// A program that was started in a process group of its own.
#[derive(Debug)]
pub struct Job {
    group: Pid,
    /// The terminal's modes as it left them when it was stopped.
    modes: Option<Termios>,
    terminal: Option<OwnedFd>,
}

/// Drops what was typed and not read yet, where it is a terminal.
pub fn drop_typed_ahead(terminal: impl AsFd) {
    if let Err(errno) = tcflush(terminal, QueueSelector::IFlush) {
        log::debug!("what was typed ahead stays: {errno}");
    }
}

/// Runs `sh -c COMMAND` in a directory, with the terminal.
pub fn run_shell(command: &str, dir: &Dir) -> io::Result<(Job, Back)> {
    let mut start = Command::new("sh");
    start.arg("-c").arg(command);
    run(&mut start, dir)
}

/// Runs a program in a directory, with the terminal.
pub fn run_program(program: &str, dir: &Dir) -> io::Result<(Job, Back)> {
    run(&mut Command::new(program), dir)
}

/// Runs a pager over a text. Its standard input is a file in memory, so that nobody waits for it to read on.
pub fn run_pager(program: &[String], environment: &[(&str, &str)], text: &str) -> io::Result<(Job, Back)> {
    let [name, args @ ..] = program else { return Err(Errno::INVAL.into()) };
    let mut file = File::from(rustix::fs::memfd_create("ufs", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    io::Seek::rewind(&mut file)?;
    let mut start = Command::new(name);
    start.args(args).envs(environment.iter().copied()).stdin(Stdio::from(file));
    run(&mut start, &Dir::open(std::path::Path::new("."))?)
}

fn run(command: &mut Command, dir: &Dir) -> io::Result<(Job, Back)> {
    let terminal = controlling().filter(|fd| tcgetpgrp(fd) == Ok(getpgrp()));
    super::child::prepare(command, dir);
    if let Some(fd) = &terminal {
        take_foreground(command, fd);
    }
    let modes = terminal.as_ref().and_then(|fd| tcgetattr(fd).ok());
    let child = command.spawn();
    let group = match &child {
        Ok(child) => Pid::from_child(child),
        Err(_) => getpgrp(),
    };
    let mut job = Job { group, modes: None, terminal };
    let back = child.and_then(|_| job.wait());
    job.give_back(modes.as_ref());
    back.map(|back| (job, back))
}

/// The terminal that this process's session has, if it has one.
fn controlling() -> Option<OwnedFd> {
    rustix::fs::open("/dev/tty", OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty()).ok()
}

/// Makes a command the leader of a group of its own, which has the terminal before the program begins.
#[expect(unsafe_code, reason = "pre_exec; the child only calls setpgid, tcsetpgrp and pthread_sigmask")]
fn take_foreground(command: &mut Command, terminal: &OwnedFd) {
    let fd = terminal.as_raw_fd();
    let enter = move || {
        // SAFETY: the descriptor is open in the parent until `spawn` returns, so it is open in the child here.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        rustix::process::setpgid(None, None)?;
        // one that is not in the foreground yet would be stopped for asking
        quietly(|| tcsetpgrp(fd, rustix::process::getpid()))?;
        Ok(())
    };
    // SAFETY: all calls are async-signal-safe, and nothing is allocated.
    unsafe { command.pre_exec(enter) };
}

/// Works on the terminal without being stopped for not being in its foreground.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let mut set = SigSet::empty();
    set.add(NixSignal::SIGTTOU);
    let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let result = work();
    if let Ok(before) = before
        && let Err(errno) = before.thread_set_mask()
    {
        log::debug!("SIGTTOU stays blocked: {errno}");
    }
    result
}

impl Job {
    /// Lets a stopped program go on, with the terminal.
    pub fn resume(&mut self) -> io::Result<Back> {
        let ours = self.terminal.as_ref().and_then(|fd| tcgetattr(fd).ok());
        if let Some(fd) = &self.terminal {
            quietly(|| {
                tcsetpgrp(fd, self.group)?;
                self.modes.as_ref().map_or(Ok(()), |modes| tcsetattr(fd, OptionalActions::Drain, modes))
            })?;
        }
        let back =
            kill_process_group(self.group, Signal::CONT).map_err(Into::into).and_then(|()| self.wait());
        self.give_back(ours.as_ref());
        back
    }

    /// Ends a stopped program: as a terminal does that goes away, then by force.
    pub fn end(self) {
        let mut told = kill_process_group(self.group, Signal::HUP)
            .and_then(|()| kill_process_group(self.group, Signal::CONT));
        let start = Instant::now();
        while told.is_ok() && start.elapsed() < PATIENCE {
            match waitpid(Some(self.group), WaitOptions::NOHANG) {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Ok(Some((_, status))) if status.stopped() => {}
                Ok(Some(_)) | Err(_) => return,
            }
        }
        told = kill_process_group(self.group, Signal::KILL);
        if told.is_ok()
            && let Err(errno) = waitpid(Some(self.group), WaitOptions::empty())
        {
            log::debug!("a job cannot be waited for: {errno}");
        }
    }

    /// Waits until it ends or stops. A signal to us to end is handed on, and followed by force.
    fn wait(&mut self) -> io::Result<Back> {
        let mut ending: Option<Instant> = None;
        loop {
            let ended = |how| waitpid(Some(self.group), WaitOptions::UNTRACED | how);
            let ended = match ending {
                Some(_) => ended(WaitOptions::NOHANG),
                None => signals::while_waiting(|| ended(WaitOptions::empty())).unwrap_or(Err(Errno::INTR)),
            };
            match ended {
                Ok(Some((_, status))) if ending.is_none() || !status.stopped() => {
                    return Ok(self.back(status));
                }
                Ok(_) => std::thread::sleep(Duration::from_millis(5)),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            match (ending, signals::pending()) {
                (None, Some(Pending::End(_))) => {
                    ending = Some(Instant::now());
                    self.send(Signal::HUP);
                    self.send(Signal::CONT);
                }
                (Some(since), _) if since.elapsed() > PATIENCE => self.send(Signal::KILL),
                _ => {}
            }
        }
    }

    fn send(&self, signal: Signal) {
        if let Err(errno) = kill_process_group(self.group, signal) {
            log::debug!("a job takes no signal: {errno}");
        }
    }

    fn back(&mut self, status: WaitStatus) -> Back {
        if status.stopped() {
            self.modes = self.terminal.as_ref().and_then(|fd| tcgetattr(fd).ok());
            return Back::Stopped;
        }
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Back::Ended(code),
            (None, signal) => Back::Killed(signal.unwrap_or(0)),
        }
    }

    /// Makes the terminal ours again, as it was.
    fn give_back(&self, modes: Option<&Termios>) {
        let Some(fd) = &self.terminal else { return };
        let done = quietly(|| {
            tcsetpgrp(fd, getpgrp())?;
            modes.map_or(Ok(()), |modes| tcsetattr(fd, OptionalActions::Drain, modes))
        });
        if let Err(errno) = done {
            log::debug!("the terminal is not given back: {errno}");
        }
    }
}

/// A signal's name: `SIGINT`.
pub fn signal_name(number: i32) -> String {
    NixSignal::try_from(number)
        .map_or_else(|_| format!("signal {number}"), |signal| signal.as_str().to_owned())
}
