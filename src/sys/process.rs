//! Processes: who we are for other runs, who uses a mount, and a shell that is run and listened to.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use super::signals;
use super::{Dir, Errno};

/// A process for other runs to recognise, although its number may be used again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The process number in its own PID namespace.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// The boot that it belongs to.
    pub boot: String,
}

impl Identity {
    /// This process.
    pub fn own() -> Self {
        let pid = std::process::id();
        Self { pid, started: started(pid).unwrap_or(0), boot: boot() }
    }

    /// Whether that process still runs.
    pub fn is_alive(&self) -> bool {
        self.boot == boot() && started(self.pid) == Some(self.started)
    }
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// The 22nd field of `/proc/PID/stat`; `None` for a process that is gone or a zombie.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // the name in parentheses may hold anything
    let end = stat.iter().rposition(|&b| b == b')')?;
    let mut fields = std::str::from_utf8(stat.get(end + 2..)?).ok()?.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// A process that stands in the way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Its number.
    pub pid: u32,
    /// Its command's name.
    pub name: String,
}

/// The processes that have a file beneath `dir` open (for writing only, if asked), or stand in it.
pub fn users(dir: &Path, only_writers: bool) -> Vec<User> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if uses(pid, dir, only_writers) {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            found.push(User { pid, name: name.trim().to_owned() });
        }
    }
    found
}

fn uses(pid: u32, dir: &Path, only_writers: bool) -> bool {
    let inside = |link: &str| std::fs::read_link(link).is_ok_and(|target| target.starts_with(dir));
    if !only_writers && inside(&format!("/proc/{pid}/cwd")) {
        return true;
    }
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    for fd in fds {
        let number = fd.file_name();
        let Some(number) = number.to_str() else { continue };
        if !inside(&format!("/proc/{pid}/fd/{number}")) {
            continue;
        }
        let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let mode = flags.and_then(|text| i32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0);
        if !only_writers || mode & libc::O_ACCMODE != libc::O_RDONLY {
            return true;
        }
    }
    // shared writable maps: `rw-s` lines
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let dir = dir.to_string_lossy();
    maps.lines().any(|line| line.contains("w-s ") && line.contains(&*dir))
}

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
/// Returns when the shell itself has ended and what it wrote is read; a process that it left in the background does
/// not hold us. At a signal to us the shell gets it too.
pub fn shell(
    command: &str,
    dir: &Dir,
    environment: &[(&str, &str)],
    output: &mut dyn FnMut(Stream, &[u8]),
) -> io::Result<Ended> {
    let mut start = Command::new("sh");
    start.arg("-c").arg(command).envs(environment.iter().copied());
    start.stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::piped());
    start_in(&mut start, dir);
    let mut child = start.spawn()?;
    let mut ended = Ended { code: 0, out: Vec::new(), err: Vec::new(), interrupted: false };
    let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::from(Errno::IO));
    };
    let mut open = [true, true];
    let mut status = None;
    let mut asked = false;
    loop {
        let mut fds = Vec::with_capacity(2);
        if open[0] {
            fds.push((Stream::Out, PollFd::from_borrowed_fd(out.as_fd(), PollFlags::IN)));
        }
        if open[1] {
            fds.push((Stream::Err, PollFd::from_borrowed_fd(err.as_fd(), PollFlags::IN)));
        }
        // once the shell is gone, only what is there already is read
        let wait = if status.is_some() { 0 } else { 20_000_000 };
        let mut polled: Vec<PollFd<'_>> = fds.iter().map(|(_, fd)| fd.clone()).collect();
        match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: wait })) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ready: Vec<Stream> = fds
            .iter()
            .zip(&polled)
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|((stream, _), _)| *stream)
            .collect();
        drop(fds);
        for stream in &ready {
            let more = match stream {
                Stream::Out => pass(&mut out, &mut ended.out, |bytes| output(Stream::Out, bytes))?,
                Stream::Err => pass(&mut err, &mut ended.err, |bytes| output(Stream::Err, bytes))?,
            };
            open[*stream as usize] = more;
        }
        if signals::interrupted() && !asked {
            // the terminal sends Ctrl-C to the whole group; a signal to us alone is handed on
            asked = true;
            ended.interrupted = true;
            let pid = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if status.is_some() && ready.is_empty() {
            break;
        }
        if status.is_none() {
            status = if open == [false, false] { Some(child.wait()?) } else { child.try_wait()? };
        }
    }
    if let Some(status) = status {
        ended.code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    }
    Ok(ended)
}

/// Reads once; `false` at the end.
fn pass(from: &mut impl Read, into: &mut Vec<u8>, mut hand_on: impl FnMut(&[u8])) -> io::Result<bool> {
    let mut buffer = vec![0; 64 * 1024];
    match from.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(length) => {
            into.extend_from_slice(&buffer[..length]);
            hand_on(&buffer[..length]);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error),
    }
}

/// Makes a command start in an open directory, wherever that is by now.
#[expect(unsafe_code, reason = "pre_exec; the child only calls fchdir")]
fn start_in(command: &mut Command, dir: &Dir) {
    let fd = dir.as_fd().as_raw_fd();
    let enter = move || {
        // SAFETY: the descriptor is open in the parent until `spawn` returns, so it is open in the child here.
        match unsafe { libc::fchdir(fd) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: `fchdir` is async-signal-safe, and nothing is allocated.
    unsafe { command.pre_exec(enter) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends() {
        let own = Identity::own();
        assert!(own.is_alive());
        assert!(!Identity { started: own.started + 1, ..own.clone() }.is_alive());
        assert!(!Identity { boot: "other".to_owned(), ..own }.is_alive());
    }

    #[test]
    fn a_shell_is_heard_whole_and_not_held_by_what_it_leaves_behind() {
        let dir = Dir::open(Path::new("/")).unwrap();
        let mut heard = Vec::new();
        let command = "pwd; head -c 300000 /dev/zero; echo no >&2; sleep 3 & exit 7";
        let start = std::time::Instant::now();
        let ended =
            shell(command, &dir, &[], &mut |stream, bytes| heard.push((stream, bytes.len()))).unwrap();
        assert_eq!(ended.code, 7);
        assert_eq!(ended.out.len(), 300_002);
        assert_eq!(ended.err, b"no\n");
        assert_eq!(heard.iter().filter(|h| h.0 == Stream::Out).map(|h| h.1).sum::<usize>(), 300_002);
        assert!(start.elapsed().as_secs() < 3);
    }
}
