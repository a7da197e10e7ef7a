//! `!command`: a command of the host, with the terminal, in the merged directory where there is one.

use std::path::{Path, PathBuf};

use super::transcript::What;
use crate::shell::state::Shell;
use crate::sys::terminal::{Back, Job, run_program, run_shell, signal_name};
use crate::sys::{Dir, signals};
use crate::workspace::Want;

/// What stays of earlier commands.
#[derive(Default)]
pub(super) struct Host {
    last: Option<String>,
    /// Those that Ctrl-Z stopped, oldest first.
    stopped: Vec<(String, Job)>,
    /// Whether it was told whose paths from the root on are.
    told: bool,
}

impl Host {
    /// Runs what stands behind a `!`.
    pub(super) fn run(&mut self, shell: &Shell, command: &str) {
        if let Err(error) = shell.workspace().may(Want::Program) {
            return shell.complain(&error.to_string());
        }
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        match (word, rest.trim()) {
            ("!", "") => match self.last.clone() {
                Some(last) => {
                    shell.tell(&format!("!{last}"));
                    self.start(shell, &last);
                }
                None => shell.tell("there was no command yet: `!ls -l` is one"),
            },
            ("cd", rest) if !rest.contains([';', '&', '|', '\n']) => {
                shell.tell("this `cd` ends with its own shell: `!cd etc && ls`, or `!` alone for a shell");
            }
            ("jobs", "") => self.list(shell),
            ("fg", number) if (number.is_empty() || number.parse::<usize>().is_ok()) => {
                self.resume(shell, number.parse().ok());
            }
            _ => self.start(shell, command),
        }
        signals::clear_interrupt();
    }

    fn start(&mut self, shell: &Shell, command: &str) {
        let (place, note) = place(shell);
        let dir = match Dir::open(&place) {
            Ok(dir) => dir,
            Err(errno) => {
                let message = format!("cannot run a command in `{}`: {errno}", place.display());
                return shell.complain(&message);
            }
        };
        let ran = if command.is_empty() {
            let program = std::env::var("SHELL").ok().filter(|shell| !shell.is_empty());
            let program = program.unwrap_or_else(|| "sh".to_owned());
            shell.tell(&format!("`{program}` in {}; `exit` comes back", place.display()));
            run_program(&program, &dir)
        } else {
            self.last = Some(command.to_owned());
            if let Some(word) = of_both(command, &place).filter(|_| !self.told && note.is_none()) {
                self.told = true;
                shell.tell(&format!("`{word}` is the host's own; the mount's is `.{word}`"));
            }
            run_shell(command, &dir)
        };
        match ran {
            Ok((job, back)) => {
                if matches!(back, Back::Ended(0)) && !command.is_empty() {
                    let is_mount = shell.workspace().current().is_ok_and(|mount| mount.path().is_some());
                    let what = if is_mount { What::Host } else { What::HostAlone };
                    shell.record(|transcript| transcript.add(command, what));
                }
                self.came_back(shell, command, job, back);
            }
            Err(error) => shell.complain(&format!("cannot run `{command}`: {error}")),
        }
        if let Some(note) = note {
            shell.tell(&note);
        }
    }

    fn came_back(&mut self, shell: &Shell, command: &str, job: Job, back: Back) {
        shell.lose_line();
        match back {
            Back::Ended(0) => {}
            Back::Ended(code) => shell.tell(&format!("exit code {code}")),
            Back::Killed(signal) => shell.tell(&format!("ended by {}", signal_name(signal))),
            Back::Stopped => {
                self.stopped.push((command.to_owned(), job));
                let number = match self.stopped.len() {
                    1 => String::new(),
                    number => format!(" {number}"),
                };
                shell.tell(&format!("stopped: `!fg{number}` goes on with it"));
            }
        }
    }

    fn list(&self, shell: &Shell) {
        if self.stopped.is_empty() {
            shell.tell("no command is stopped");
        }
        for (at, (command, _)) in self.stopped.iter().enumerate() {
            shell.tell(&format!("{}  {command}", at + 1));
        }
    }

    /// Goes on with a stopped command: the last, or the one of this number.
    fn resume(&mut self, shell: &Shell, number: Option<usize>) {
        let at = number.unwrap_or(self.stopped.len());
        if at == 0 || at > self.stopped.len() {
            return shell.tell("there is no such stopped command: `!jobs` lists them");
        }
        let (command, mut job) = self.stopped.remove(at - 1);
        shell.tell(&format!("!{command}"));
        match job.resume() {
            Ok(back) => self.came_back(shell, &command, job, back),
            Err(error) => shell.complain(&format!("cannot go on with `{command}`: {error}")),
        }
    }

    /// Ends what is stopped, which could not go on without us and would hold its mount.
    pub(super) fn end(&mut self, shell: &Shell) {
        for (command, job) in self.stopped.drain(..) {
            shell.tell(&format!("ended the stopped `{command}`"));
            job.end();
        }
    }
}

/// A path from the root on that a command names, where the merged directory has one of that name, too.
fn of_both<'a>(command: &'a str, merged: &Path) -> Option<&'a str> {
    let words = command.split(|c: char| c.is_whitespace() || "\"'=<>|&;()".contains(c));
    let mut paths = words.filter(|word| word.len() > 1 && word.starts_with('/'));
    // only a command in a mount has a merged directory of its own
    if merged == Path::new(".") {
        return None;
    }
    paths.find(|path| merged.join(path.trim_start_matches('/')).symlink_metadata().is_ok())
}

/// Where a command runs, and what is to be said of it.
fn place(shell: &Shell) -> (PathBuf, Option<String>) {
    let here = PathBuf::from(".");
    let Ok(mount) = shell.workspace().current() else { return (here, None) };
    if let Some(path) = mount.path() {
        return (path, None);
    }
    let cwd = std::env::current_dir().unwrap_or_else(|_| here.clone());
    let note = format!(
        "it ran in {}: `{}` is a `direct` mount, which no other program can see",
        cwd.display(),
        mount.name()
    );
    (here, Some(note))
}
