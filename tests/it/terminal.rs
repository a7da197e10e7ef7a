//! A terminal for the program: types keys, waits for what the screen shows.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::program::Place;

/// How long nothing may come from a program that should say something.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program at a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    screen: Receiver<Vec<u8>>,
    /// What came and was not waited for yet.
    seen: String,
}

impl Terminal {
    pub(crate) fn start(place: &Place, args: &[&str]) -> Self {
        let size = Winsize { ws_row: 50, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        // a session of its own, whose terminal this is, so that Ctrl-C comes as a signal
        let mut command = Command::new("setsid");
        place.prepare(&mut command);
        let end = || File::from(pty.slave.try_clone().unwrap());
        command.arg("-c").arg(env!("CARGO_BIN_EXE_ufs")).args(args);
        command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8").env("NO_COLOR", "1");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        drop(command);
        drop(pty.slave);
        let keys = File::from(pty.master);
        let (send, screen) = channel();
        let mut master = keys.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // a terminal whose program has ended gives an error
            while let Ok(length @ 1..) = master.read(&mut buffer) {
                if send.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, keys, screen, seen: String::new() }
    }

    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line when the prompt is there.
    pub(crate) fn line(&mut self, line: &str) {
        self.shows("ufs> ");
        self.keys(line);
        // the echo, so that what is waited for next is an answer
        self.shows(line.lines().last().unwrap_or_default());
        self.keys("\r");
    }

    /// Waits until the screen has shown a text; gives what came before it.
    #[track_caller]
    pub(crate) fn shows(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(text) {
                let before = self.seen[..at].to_owned();
                self.seen.drain(..at + text.len());
                return before;
            }
            match self.screen.recv_timeout(PATIENCE) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("no {text:?} ({error}) in:\n{:?}", self.seen),
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for the end; gives the exit code.
    pub(crate) fn ends(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Terminal {
    /// A test that fails leaves no program at its prompt behind.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}
