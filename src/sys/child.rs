//! A shell that is run and listened to.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::signals::{self, Pending};
use super::step::step;
use super::{Dir, Errno, process};

/// How long a command may take to end by itself after Ctrl-C, which the terminal sends to it too.
const GRACE: Duration = Duration::from_millis(60);
/// How long it may take after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which of a child's outputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How a shell command ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// The exit code; 128 + the signal's number if a signal ended it.
    pub code: i32,
    /// All of its standard output.
    pub out: Vec<u8>,
    /// All of its standard error.
    pub err: Vec<u8>,
    /// Whether Ctrl-C or a signal to us ended it.
    pub interrupted: bool,
}

/// Runs `sh -c COMMAND` in a directory and hands on its output as it comes.
///
/// Returns when the shell itself has ended and all that was written until then is read; a process that it left in the
/// background does not hold us. At a signal to us the shell and all that it started are ended.
pub fn shell(
    command: &str,
    dir: &Dir,
    environment: &[(&str, &str)],
    output: &mut dyn FnMut(Stream, &[u8]),
) -> io::Result<Ended> {
    let _step = step("run", || format!("sh -c {command:?}"));
    let mut start = Command::new("sh");
    start.arg("-c").arg(command).envs(environment.iter().copied());
    start.stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::piped());
    prepare(&mut start, dir);
    let mut child = start.spawn()?;
    let out = child.stdout.take().map(|pipe| Pipe::new(Stream::Out, pipe.into()));
    let err = child.stderr.take().map(|pipe| Pipe::new(Stream::Err, pipe.into()));
    let mut pipes: Vec<Pipe> = out.into_iter().chain(err).collect();
    let (status, interrupted) = listen(&mut child, &mut pipes, output)?;
    let mut ended = Ended { code: 0, out: Vec::new(), err: Vec::new(), interrupted };
    ended.code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    for pipe in pipes {
        match pipe.stream {
            Stream::Out => ended.out = pipe.heard,
            Stream::Err => ended.err = pipe.heard,
        }
    }
    Ok(ended)
}

/// One output of the child.
struct Pipe {
    stream: Stream,
    /// `None` once nothing more is read from it.
    file: Option<File>,
    heard: Vec<u8>,
    /// How many bytes are still to be read, once the shell has ended.
    left: Option<u64>,
}

impl Pipe {
    fn new(stream: Stream, pipe: OwnedFd) -> Self {
        Self { stream, file: Some(File::from(pipe)), heard: Vec::new(), left: None }
    }

    /// Reads once, what is there.
    fn read(&mut self, buffer: &mut [u8], output: &mut dyn FnMut(Stream, &[u8])) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let most = self.left.map_or(buffer.len(), |left| usize::try_from(left).unwrap_or(usize::MAX));
        let most = most.min(buffer.len());
        let length = match file.read(&mut buffer[..most]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        };
        self.heard.extend_from_slice(&buffer[..length]);
        if length > 0 {
            output(self.stream, &buffer[..length]);
        }
        if let Some(left) = &mut self.left {
            *left -= length as u64;
        }
        if length == 0 || self.left == Some(0) {
            self.file = None;
        }
        Ok(())
    }

    /// The shell has ended: what is in the pipe now is the last that counts.
    fn close_after_rest(&mut self) {
        let left = self.file.as_ref().map_or(0, |file| rustix::io::ioctl_fionread(file).unwrap_or(0));
        self.left = Some(left);
        if left == 0 {
            self.file = None;
        }
    }
}

/// Reads both outputs until the shell has ended; tells how, and whether it was interrupted.
fn listen(
    child: &mut Child,
    pipes: &mut [Pipe],
    output: &mut dyn FnMut(Stream, &[u8]),
) -> io::Result<(ExitStatus, bool)> {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok();
    // a signal that comes right before poll(2) does not end it; without a pidfd (Linux 5.3) the end is polled for
    let calm = if pidfd.is_some() { 100_000_000 } else { 20_000_000 };
    let mut buffer = vec![0; 64 * 1024];
    let mut status = None;
    let mut ending = Ending::default();
    loop {
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(3);
        let open = pipes.iter().filter_map(|pipe| pipe.file.as_ref());
        fds.extend(open.map(|file| PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN)));
        if let (Some(pidfd), None) = (&pidfd, status) {
            fds.push(PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN));
        }
        let tick = if ending.asked.is_some() { 10_000_000 } else { calm };
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: tick })) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty()).collect::<Vec<_>>().into_iter();
        drop(fds);
        for pipe in pipes.iter_mut().filter(|pipe| pipe.file.is_some()) {
            if ready.next() == Some(true) {
                pipe.read(&mut buffer, output)?;
            }
        }
        if status.is_none() {
            status = child.try_wait()?;
            if status.is_some() {
                pipes.iter_mut().for_each(Pipe::close_after_rest);
            } else {
                ending.press_on(child.id());
            }
        }
        if let Some(status) = status
            && pipes.iter().all(|pipe| pipe.file.is_none())
        {
            return Ok((status, ending.asked.is_some() || signals::interrupted()));
        }
    }
}

/// How far a command that shall end was pushed.
#[derive(Default)]
struct Ending {
    /// When the signal to us was seen.
    asked: Option<Instant>,
    /// When SIGTERM was sent, and to whom.
    told: Option<(Instant, Vec<(u32, u64)>)>,
    killed: bool,
}

impl Ending {
    /// Does what is due: nothing, SIGTERM to the shell and all that it started, SIGKILL to what is left of them.
    fn press_on(&mut self, shell: u32) {
        let Some(pending) = signals::pending() else { return };
        let asked = *self.asked.get_or_insert_with(Instant::now);
        match &self.told {
            None if pending != Pending::Interrupt || asked.elapsed() >= GRACE => {
                let family = process::family(shell);
                send(&family, Signal::TERM);
                self.told = Some((Instant::now(), family));
            }
            Some((when, family)) if !self.killed && when.elapsed() >= PATIENCE => {
                send(family, Signal::KILL);
                self.killed = true;
            }
            _ => {}
        }
    }
}

/// Sends a signal to those processes that are still the same.
fn send(family: &[(u32, u64)], signal: Signal) {
    for &(pid, started) in family {
        let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { continue };
        if process::started(pid) == Some(started)
            && let Err(errno) = kill_process(raw, signal)
        {
            log::debug!("process {pid} takes no signal: {errno}");
        }
    }
}

/// Makes a command start in an open directory, wherever that is by now, and with the user's own umask and file limit.
#[expect(unsafe_code, reason = "pre_exec; the child only calls setrlimit, umask and fchdir")]
pub(super) fn prepare(command: &mut Command, dir: &Dir) {
    let fd = dir.as_fd().as_raw_fd();
    let (umask, files) = (super::users_umask(), super::users_file_limit());
    let enter = move || {
        if let Some(files) = files {
            rustix::process::setrlimit(rustix::process::Resource::Nofile, files)?;
        }
        if let Some(umask) = umask {
            // SAFETY: umask(2) only sets a number and cannot fail.
            unsafe { libc::umask(umask) };
        }
        // SAFETY: the descriptor is open in the parent until `spawn` returns, so it is open in the child here.
        match unsafe { libc::fchdir(fd) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: all three calls are async-signal-safe, and nothing is allocated.
    unsafe { command.pre_exec(enter) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn root() -> Dir {
        Dir::open(Path::new("/")).unwrap()
    }

    #[test]
    fn a_shell_is_heard_whole_and_not_held_by_what_it_leaves_behind() {
        let mut heard = Vec::new();
        let command = "pwd; head -c 300000 /dev/zero; echo no >&2; sleep 3 & exit 7";
        let start = Instant::now();
        let ended =
            shell(command, &root(), &[], &mut |stream, bytes| heard.push((stream, bytes.len()))).unwrap();
        assert_eq!(ended.code, 7);
        assert_eq!(ended.out.len(), 300_002);
        assert_eq!(ended.err, b"no\n");
        assert_eq!(heard.iter().filter(|h| h.0 == Stream::Out).map(|h| h.1).sum::<usize>(), 300_002);
        assert!(start.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn a_background_process_that_never_stops_talking_holds_nobody() {
        let start = Instant::now();
        // it ends by SIGPIPE as soon as nobody listens
        let ended = shell("echo first; yes & exit 0", &root(), &[], &mut |_, _| {}).unwrap();
        assert!(ended.out.starts_with(b"first\n"));
        assert!(start.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn a_shell_may_close_its_outputs_and_go_on() {
        let ended = shell("exec >&- 2>&-; sleep 0.2; exit 3", &root(), &[], &mut |_, _| {}).unwrap();
        assert_eq!((ended.code, ended.out.len(), ended.err.len()), (3, 0, 0));
    }

    #[test]
    fn a_shell_gets_the_limit_of_open_files_that_we_were_started_with() {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut before = getrlimit(Resource::Nofile);
        before.current = before.maximum.map_or(Some(1 << 16), |maximum| Some(maximum - 1));
        setrlimit(Resource::Nofile, before).unwrap();
        crate::sys::raise_file_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
        let ended = shell("ulimit -Sn; ulimit -Hn", &root(), &[], &mut |_, _| {}).unwrap();
        let word = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
        let expected = format!("{}\n{}\n", word(before.current), word(before.maximum));
        assert_eq!(String::from_utf8(ended.out).unwrap(), expected);
    }

    #[test]
    fn variables_are_added_and_a_signal_shows_in_the_code() {
        let ended = shell("echo $UFS_X; kill -9 $$", &root(), &[("UFS_X", "y")], &mut |_, _| {}).unwrap();
        assert_eq!((ended.code, &*ended.out, ended.interrupted), (137, &b"y\n"[..], false));
    }
}
