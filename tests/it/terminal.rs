//! A terminal for the program: starts it in a pseudo-terminal, types keys, and waits for what the screen shows.
//!
//! The output goes through a terminal emulator, so a test sees what a user sees, however it was drawn: no escape
//! codes, no frame that is half drawn. Nothing sleeps: each step waits until the screen shows it, and a step that
//! waits in vain prints the whole screen.
//!
//! ```text
//! let place = Place::new();
//! let mut terminal = Terminal::start(&place, &[]);       // 80 columns, 24 rows, xterm-256color, UTF-8
//! assert_eq!(terminal.ask("20 + 1"), "21");              // types at the prompt, gives all that came until the next
//! terminal.line("sh(\"make\")");                         // types at the prompt, and goes on at once
//! terminal.shows("done");                                // waits for a text beneath that line
//! terminal.keys("mou").keys("\t").wait_for("mount_fuse"); // keys as they are; waits for the screen as a whole
//! assert_eq!(terminal.ink("done").fgcolor(), Color::Idx(28));
//! assert_eq!(terminal.row(0), "ufs> 20 + 1");
//! terminal.keys(CTRL_D);
//! assert_eq!(terminal.ends(), 0);
//! ```
//!
//! Another size, TERM or locale: `Terminal::open(&place, Look { term: "dumb", ..Look::default() }, &[])`; any other
//! variable: `Place::new().with("NO_COLOR", "1")`.

use std::fs::{File, OpenOptions};
use std::io::{PipeWriter, Read as _, Write as _};
use std::num::NonZeroU16;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open};
use rustix::termios::{Winsize, tcsetwinsize};
use vt100::{Callbacks, Cell, Parser, Screen};

use crate::program::Place;

pub(crate) const UP: &str = "\x1b[A";
pub(crate) const DOWN: &str = "\x1b[B";
pub(crate) const RIGHT: &str = "\x1b[C";
pub(crate) const LEFT: &str = "\x1b[D";
pub(crate) const END: &str = "\x1b[F";
pub(crate) const ENTER: &str = "\r";
pub(crate) const ALT_ENTER: &str = "\x1b\r";
pub(crate) const CTRL_A: &str = "\x01";
pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_D: &str = "\x04";
pub(crate) const CTRL_E: &str = "\x05";
pub(crate) const CTRL_L: &str = "\x0c";
pub(crate) const CTRL_R: &str = "\x12";
pub(crate) const CTRL_U: &str = "\x15";
pub(crate) const ESCAPE: &str = "\x1b";
pub(crate) const TAB: &str = "\t";
pub(crate) const CTRL_Z: &str = "\x1a";

/// How long a step may take; what takes longer does not come.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the program may take to leave politely when its test has ended before it.
const FAREWELL: Duration = Duration::from_secs(5);
/// How many lines that left the screen are kept.
const KEPT: usize = 10_000;
/// What a line editor writes first when it begins to read: pastes are to be marked as such.
const READING: &[u8] = b"\x1b[?2004h";

/// What the terminal is like.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
    /// TERM.
    pub(crate) term: &'static str,
    /// `LC_ALL`.
    pub(crate) locale: &'static str,
}

impl Default for Look {
    fn default() -> Self {
        Self { columns: 80, rows: 24, term: "xterm-256color", locale: "C.UTF-8" }
    }
}

/// The program at a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    ended: Option<ExitStatus>,
    master: File,
    /// Closed to make the reader let go of its end.
    hold: Option<PipeWriter>,
    output: Receiver<Vec<u8>>,
    parser: Parser<Reports>,
    look: Look,
    /// Every byte that came.
    raw: Vec<u8>,
    /// How much had come when a line was typed last.
    typed_at: usize,
    /// The row beneath the line that was typed last, counted from the first that ever was.
    below: usize,
}

/// What the program asks of the terminal beside drawing.
#[derive(Default)]
struct Reports {
    /// A frame is being drawn: nobody sees it before it is whole.
    drawing: bool,
    /// What the terminal says by itself.
    answers: Vec<u8>,
}

impl Callbacks for Reports {
    fn unhandled_csi(
        &mut self,
        screen: &mut Screen,
        mark: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        c: char,
    ) {
        match (mark, params, c) {
            (Some(b'?'), [[2026]], 'h' | 'l') => self.drawing = c == 'h',
            (None, [[6]], 'n') => {
                let (row, column) = screen.cursor_position();
                self.answers.extend(format!("\x1b[{};{}R", row + 1, column + 1).bytes());
            }
            _ => {}
        }
    }
}

impl Terminal {
    /// The program in a common terminal.
    pub(crate) fn start(place: &Place, args: &[&str]) -> Self {
        Self::open(place, Look::default(), args)
    }

    /// The program in a terminal of this look.
    pub(crate) fn open(place: &Place, look: Look, args: &[&str]) -> Self {
        Self::run(place, look, &[&[env!("CARGO_BIN_EXE_ufs")], args].concat())
    }

    /// Any command in a terminal of this look.
    pub(crate) fn run(place: &Place, look: Look, words: &[&str]) -> Self {
        // closed in children from the start: a test beside this one must not hand them to its own program
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ptsname_r(&master).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits())
            .open(slave)
            .unwrap();
        let master = File::from(std::os::fd::OwnedFd::from(master));
        tcsetwinsize(&master, look.winsize()).unwrap();
        // a session of its own, whose terminal this is, so that Ctrl-C comes as a signal
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(words);
        place.prepare(&mut command, &[("TERM", look.term), ("LC_ALL", look.locale)]);
        let end = || slave.try_clone().unwrap();
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        drop(command);
        let (send, output) = channel();
        let mut reader = master.try_clone().unwrap();
        let (held, hold) = std::io::pipe().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                let mut ends = [PollFd::new(&reader, PollFlags::IN), PollFd::new(&held, PollFlags::empty())];
                poll(&mut ends, None).unwrap();
                if !ends[1].revents().is_empty() {
                    break;
                }
                // a terminal whose programs have all ended gives an error
                let Ok(length @ 1..) = reader.read(&mut buffer) else { break };
                if send.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let (rows, columns) = look.size();
        let parser = Parser::new_with_callbacks(rows, columns, KEPT, Reports::default());
        let hold = Some(hold);
        Self {
            child,
            ended: None,
            master,
            hold,
            output,
            parser,
            look,
            raw: Vec::new(),
            typed_at: 0,
            below: 0,
        }
    }

    /// Types keys, without waiting for anything.
    pub(crate) fn keys(&mut self, keys: &str) -> &mut Self {
        self.master.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Types bytes that need be no text.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.master.write_all(bytes).unwrap();
        self
    }

    /// Pastes a text, as a terminal does: marked as such if the program asked for that, lines ending in Enter.
    pub(crate) fn paste(&mut self, text: &str) -> &mut Self {
        let text = text.replace('\n', ENTER);
        let marked = self.screen().bracketed_paste();
        self.keys(&if marked { format!("\x1b[200~{text}\x1b[201~") } else { text })
    }

    /// Types a line when the prompt is there; what is looked for next is looked for beneath it.
    #[track_caller]
    pub(crate) fn line(&mut self, line: &str) -> &mut Self {
        self.prompt();
        self.keys(line);
        let last = line.lines().last().unwrap_or_default();
        self.wait_until(&format!("{last:?} before the cursor"), |seen| seen.before_cursor().ends_with(last));
        self.enter()
    }

    /// Ends what was typed with Enter; what is looked for next is looked for beneath it.
    pub(crate) fn enter(&mut self) -> &mut Self {
        self.typed_at = self.raw.len();
        self.below = self.line_number() + 1;
        self.keys(ENTER)
    }

    /// Types a line when the prompt is there; gives what came between it and the next prompt.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.line(line).answer()
    }

    /// Waits for the next prompt; gives what came between the line that was typed last and it.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> String {
        self.prompt();
        let text = self.text(self.below, (self.line_number(), 0));
        text.trim_end_matches('\n').to_owned()
    }

    /// Waits until the program waits for a line.
    #[track_caller]
    pub(crate) fn prompt(&mut self) -> &mut Self {
        self.wait_until("a prompt", Self::is_at_prompt)
    }

    /// Whether a line is waited for, and nothing is typed yet.
    fn is_at_prompt(&mut self) -> bool {
        // an editor says when it begins to read; where none is, the prompt is all there is
        let reads = |bytes: &[u8]| bytes.windows(READING.len()).any(|window| window == READING);
        let (row, column) = self.screen().cursor_position();
        let before = self.screen().rows(0, column).nth(row.into()).unwrap();
        // the cursor may also have gone to the beginning of what is typed
        let behind = self.screen().rows(column, self.look.columns - column).nth(row.into()).unwrap();
        // where a line was typed before it was asked for, the prompts of both follow each other
        before.trim_start_matches("...> ").starts_with("ufs")
            && before.ends_with("> ")
            && behind.trim().is_empty()
            && self.line_number() >= self.below
            && (self.look.term == "dumb" || reads(&self.raw[self.typed_at..]))
    }

    /// Waits until a text stands beneath the line that was typed last; blanks at the end of a row do not count.
    #[track_caller]
    pub(crate) fn shows(&mut self, text: &str) -> &mut Self {
        self.wait_until(&format!("{text:?} beneath the line"), |seen| seen.news().contains(text))
    }

    /// Waits until a text stands anywhere on the screen.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> &mut Self {
        self.wait_until(&format!("{text:?}"), |seen| seen.screen().contents().contains(text))
    }

    /// Waits until the screen is as it should be; `what` says how, for when it never is.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) -> &mut Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if !self.parser.callbacks().drawing && is_so(self) {
                return self;
            }
            if let Err(error) = self.receive(deadline) {
                panic!("{}waited for {what} ({error})", self.framed());
            }
        }
    }

    /// Takes in what comes next.
    fn receive(&mut self, deadline: Instant) -> Result<(), RecvTimeoutError> {
        let bytes = self.output.recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
        self.raw.extend_from_slice(&bytes);
        self.parser.process(&bytes);
        let answers = std::mem::take(&mut self.parser.callbacks_mut().answers);
        if !answers.is_empty() {
            self.master.write_all(&answers).unwrap();
        }
        Ok(())
    }

    /// What the emulator knows of the screen: cells, cursor, modes.
    pub(crate) fn screen(&self) -> &Screen {
        self.parser.screen()
    }

    /// One row of the screen, without the blanks at its end.
    pub(crate) fn row(&self, row: u16) -> String {
        let (_, columns) = self.screen().size();
        self.screen().rows(0, columns.get()).nth(row.into()).unwrap().trim_end().to_owned()
    }

    /// How the last of these texts on the screen is written: the first cell of it.
    #[track_caller]
    pub(crate) fn ink(&self, text: &str) -> &Cell {
        let (rows, columns) = self.screen().size();
        for row in (0..rows.get()).rev() {
            for column in (0..columns.get()).rev() {
                if self
                    .screen()
                    .rows(column, columns.get() - column)
                    .nth(row.into())
                    .unwrap()
                    .starts_with(text)
                {
                    return self.screen().cell(row, column).unwrap();
                }
            }
        }
        panic!("{}no {text:?}", self.framed());
    }

    /// Every byte that the program wrote so far.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Changes the size of the window, once the program waits for something: a change that comes right before the editor
    /// waits for keys is drawn with the next key.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) -> &mut Self {
        let stat = format!("/proc/{}/stat", self.child.id());
        let deadline = Instant::now() + PATIENCE;
        while !std::fs::read_to_string(&stat).unwrap().contains(") S ") {
            assert!(Instant::now() < deadline, "{}the program never waits", self.framed());
            std::thread::yield_now();
        }
        self.look = Look { columns, rows, ..self.look };
        let (rows, columns) = self.look.size();
        self.parser.set_size(rows, columns);
        tcsetwinsize(&self.master, self.look.winsize()).unwrap();
        self
    }

    /// The number of the cursor's row, counted from the first that ever was.
    fn line_number(&self) -> usize {
        self.screen().scrollback_len() + usize::from(self.screen().cursor_position().0)
    }

    /// The lines from a row to a place in another, those that left the screen too; a line that was wrapped is one.
    fn text(&mut self, from: usize, (last, column): (usize, u16)) -> String {
        let screen = self.parser.screen_mut();
        let (_, width) = screen.size();
        let gone = screen.scrollback_len();
        // another screen in front of the usual one (a pager's) has nothing above it
        let mut at = if screen.alternate_screen() { from.max(gone) } else { from };
        let mut text = String::new();
        while at <= last {
            screen.set_scrollback(gone.saturating_sub(at));
            let row = at - (gone - screen.scrollback());
            let width = if at == last { column } else { width.get() };
            text.push_str(&screen.rows(0, width).nth(row).unwrap());
            if at < last && !screen.row_wrapped(u16::try_from(row).unwrap()) {
                text.truncate(text.trim_end_matches(' ').len());
                text.push('\n');
            }
            at += 1;
        }
        screen.set_scrollback(0);
        text
    }

    /// What stands beneath the line that was typed last.
    fn news(&mut self) -> String {
        let (rows, columns) = self.screen().size();
        let last = self.screen().scrollback_len() + usize::from(rows.get()) - 1;
        let from = if self.screen().alternate_screen() { 0 } else { self.below };
        self.text(from, (last, columns.get()))
    }

    /// What stands between the line that was typed last and the cursor, in one line.
    fn before_cursor(&mut self) -> String {
        let (row, column) = (self.line_number(), self.screen().cursor_position().1);
        self.text(self.below.min(row), (row, column)).replace('\n', "")
    }

    /// Closes the terminal, as somebody who closes its window; nothing that is written from now on is seen.
    pub(crate) fn hang_up(&mut self) -> &mut Self {
        self.hold = None;
        while self.output.recv().is_ok() {}
        self.master = File::options().read(true).write(true).open("/dev/null").unwrap();
        self
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits for the end and all that was written until then; gives the exit code, 128 + the signal's number where
    /// one ended it.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(()) = self.receive(deadline) {}
        assert!(
            self.is_gone_within(deadline.saturating_duration_since(Instant::now())),
            "{}it goes on",
            self.framed()
        );
        let status = self.child.wait().unwrap();
        self.ended = Some(status);
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
    }

    fn is_gone_within(&self, time: Duration) -> bool {
        let pid = rustix::process::Pid::from_child(&self.child);
        let handle = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        let time = Timespec::try_from(time).unwrap();
        poll(&mut [PollFd::new(&handle.as_fd(), PollFlags::IN)], Some(&time)).unwrap() > 0
    }

    /// The whole screen, in a frame, for a test that fails.
    fn framed(&self) -> String {
        let (rows, columns) = self.screen().size();
        let edge = "─".repeat(columns.get().into());
        let lines: Vec<String> = (0..rows.get()).map(|row| self.row(row)).collect();
        let lines = lines.join("\n│");
        let (row, column) = self.screen().cursor_position();
        let term = self.look.term;
        format!(
            "\n┌{edge}\n│{lines}\n└{edge}\n{columns}×{rows}, TERM={term}, the cursor at row {row}, column {column}; "
        )
    }
}

impl Look {
    fn size(self) -> (NonZeroU16, NonZeroU16) {
        (NonZeroU16::new(self.rows).unwrap(), NonZeroU16::new(self.columns).unwrap())
    }

    fn winsize(self) -> Winsize {
        Winsize { ws_row: self.rows, ws_col: self.columns, ws_xpixel: 0, ws_ypixel: 0 }
    }
}

impl Drop for Terminal {
    /// A test that fails leaves no program at its prompt behind, nor what that has mounted or started.
    fn drop(&mut self) {
        if self.ended.is_none() {
            // as a terminal that is closed does: a program that still hears unmounts first
            for signal in [Signal::SIGHUP, Signal::SIGCONT] {
                self.signal(signal);
            }
            if !self.is_gone_within(FAREWELL) {
                self.signal(Signal::SIGKILL);
            }
            self.child.wait().unwrap();
        }
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
            // behind the name, which may hold anything: state, parent, group, session
            let session = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3));
            if session.and_then(|session| session.parse().ok()) == Some(self.pid().as_raw())
                && let Some(pid) = stat.split(' ').next().and_then(|pid| pid.parse().ok())
            {
                // it may have ended by itself meanwhile
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
        }
    }
}
