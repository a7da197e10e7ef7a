//! What all commands share: the workspace, how to print, the script's arguments, the wish to end.

use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rhai::Dynamic;

use super::limits::{Budget, Limits};
use super::pager::Pager;
use super::prompt::Transcript;
use super::render::Manner;
use super::watching::Teller;
use super::{draw, errors, json};
use crate::sys;
use crate::view::{self, Bar, Paint, Style};
use crate::workspace::{Moment, Workspace};

/// A cheap handle on what all commands share.
#[derive(Clone)]
pub(super) struct Shell(Rc<Inner>);

struct Inner {
    workspace: Workspace,
    out: Style,
    err: Style,
    json: bool,
    quiet: bool,
    args: Vec<String>,
    /// What was typed at the prompt and worked; none in a script.
    transcript: RefCell<Option<Transcript>>,
    pager: Option<Pager>,
    bar: Rc<Bar>,
    /// Whether what is printed may go through the pager.
    pages: Cell<bool>,
    /// How long the reader of an answer took.
    spent: Cell<Duration>,
    /// Why nothing more can be printed.
    lost: RefCell<Option<io::Error>>,
    teller: Teller,
    keys: Cell<Keys>,
    /// Whether stdout is a terminal.
    is_terminal: bool,
    budget: Budget,
    /// Whether the line that the cursor stands in may hold text.
    open_line: Cell<bool>,
    /// Whether somebody types at the prompt, who can be asked.
    asks: Cell<bool>,
}

/// The keys of the line editor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Keys {
    #[default]
    Emacs,
    Vi,
}

/// How a shell prints and what it was given.
pub(super) struct Voice {
    pub(super) out: Style,
    pub(super) err: Style,
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(super) args: Vec<String>,
    /// What shows texts that are longer than the screen, where anything does.
    pub(super) pager: Option<Pager>,
    /// What shows how far long work is.
    pub(super) bar: Rc<Bar>,
    /// What scripts may take.
    pub(super) limits: Limits,
}

impl Shell {
    pub(super) fn new(workspace: Workspace, voice: Voice) -> Self {
        let Voice { out, err, json, quiet, args, pager, bar, limits } = voice;
        Self(Rc::new(Inner {
            workspace,
            out,
            err,
            json,
            quiet,
            args,
            transcript: RefCell::default(),
            pager,
            bar,
            pages: Cell::new(false),
            spent: Cell::default(),
            lost: RefCell::default(),
            keys: Cell::default(),
            is_terminal: io::stdout().is_terminal(),
            teller: Teller::new(err, json),
            budget: Budget::new(limits),
            open_line: Cell::new(false),
            asks: Cell::new(false),
        }))
    }

    /// One on an empty store that goes with it.
    #[cfg(test)]
    pub(super) fn for_tests(style: Style) -> Self {
        use crate::sys::namespace;
        use crate::workspace::{Options, Quiet, StorePlace};
        let options = Options {
            store: StorePlace::Ephemeral,
            sync: true,
            driver: None,
            keep: false,
            epoch: None,
            namespace: namespace::enter(false),
            sandbox: None,
        };
        let workspace = Workspace::open(options, Rc::new(Quiet)).unwrap();
        let bar = Rc::new(Bar::new(style, false));
        let (out, err, args) = (style, style, Vec::new());
        let limits = Limits::or_default(None, None);
        Self::new(workspace, Voice { out, err, json: false, quiet: true, args, pager: None, bar, limits })
    }

    pub(super) fn workspace(&self) -> &Workspace {
        &self.0.workspace
    }

    /// How stdout is styled, with the size that its terminal has now.
    pub(super) fn style(&self) -> Style {
        self.0.out.sized(sys::terminal_size(io::stdout()))
    }

    /// How stderr is styled, as [`Shell::style`].
    pub(super) fn err_style(&self) -> Style {
        self.0.err.sized(sys::terminal_size(io::stderr()))
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.0.quiet
    }

    pub(super) fn is_json(&self) -> bool {
        self.0.json
    }

    pub(super) fn args(&self) -> &[String] {
        &self.0.args
    }

    /// What the text which runs now may take.
    pub(super) fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// From now on, what works is typed at the prompt.
    pub(super) fn begin_transcript(&self) {
        *self.0.transcript.borrow_mut() = Some(Transcript::default());
    }

    /// Whether lines come from a prompt, and from no script.
    pub(super) fn is_prompt(&self) -> bool {
        self.0.transcript.borrow().is_some()
    }

    /// From now on, who types can be asked.
    pub(super) fn begin_asking(&self) {
        self.0.asks.set(true);
    }

    /// Whether somebody types at the prompt, who is asked before anything is destroyed.
    pub(super) fn asks(&self) -> bool {
        self.0.asks.get()
    }

    /// Counts time of an answer that its reader took.
    pub(super) fn spend(&self, time: Duration) {
        self.0.spent.set(self.0.spent.get() + time);
    }

    /// Changes what is known of the prompt's entries.
    pub(super) fn record(&self, change: impl FnOnce(&mut Transcript)) {
        if let Some(transcript) = &mut *self.0.transcript.borrow_mut() {
            change(transcript);
        }
    }

    /// What was typed at the prompt and worked, as a script for a directory; none in a script.
    pub(super) fn transcript(&self, dir: &Path) -> Option<(String, usize)> {
        self.0.transcript.borrow().as_ref().map(|transcript| transcript.script(dir))
    }

    /// Who tells what happens in watched mounts.
    pub(super) fn teller(&self) -> &Teller {
        &self.0.teller
    }

    /// Tells what happened in watched mounts so far, before anything else is said.
    pub(super) fn settle(&self, moment: Moment) {
        if !self.0.workspace.is_watching() {
            return;
        }
        if let Err(error) = self.0.workspace.tell_changes(moment) {
            self.tell(&format!("what happened in a mount cannot be told: {error}"));
        }
        self.0.teller.flush();
    }

    /// The keys of the line editor.
    pub(super) fn keys(&self) -> Keys {
        self.0.keys.get()
    }

    /// Sets the keys of the line editor, from the next line on.
    pub(super) fn set_keys(&self, keys: Keys) {
        self.0.keys.set(keys);
    }

    /// Whether nothing more can be printed, so that there is nothing for a script to go on for.
    pub(super) fn is_output_lost(&self) -> bool {
        self.0.lost.borrow().is_some()
    }

    /// Why part of the output is missing, if it is: a reader that wants no more is no reason.
    pub(super) fn output_failure(&self) -> Option<String> {
        let lost = self.0.lost.borrow();
        let error = lost.as_ref().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)?;
        Some(format!("cannot write to standard output: {}", super::run::io_words(error)))
    }

    /// Prints a value: its view, or one line of JSON.
    pub(super) fn print(&self, value: &Dynamic) {
        self.write_long(&self.text_of(value));
    }

    /// From now on what is printed may go through the pager, if it is `long` for the screen.
    pub(super) fn start_answer(&self, long: bool) {
        self.0.pages.set(long);
        self.0.spent.take();
    }

    /// Ends this; gives the time that was spent in the pager and on questions.
    pub(super) fn end_answer(&self) -> Duration {
        self.0.pages.set(false);
        self.0.spent.take()
    }

    /// Writes a text to stdout, through the pager where that may be and the text is longer than the screen.
    pub(super) fn write_long(&self, text: &str) {
        if let Some(pager) = self.0.pager.as_ref().filter(|_| self.0.pages.get())
            && view::escape::rows(text, self.style().width) >= self.style().height
        {
            let start = Instant::now();
            self.0.bar.end();
            let shown = self.0.teller.hold(|| pager.show(text));
            self.spend(start.elapsed());
            match shown {
                Ok(()) => return,
                Err(error) => self.tell(&format!("cannot run the pager `{}`: {error}", pager.name())),
            }
        }
        self.write_out(text.as_bytes());
    }

    /// What [`Shell::print`] prints, with its closing newline. What a file holds or is called must not reach a terminal
    /// as it is.
    pub(super) fn text_of(&self, value: &Dynamic) -> String {
        if self.0.json {
            format!("{}\n", json::line(value))
        } else if self.0.is_terminal && (value.is_string() || value.is_char()) {
            // the newline that closes it: one of its own stays
            view::escape::text(&format!("{value}\n"), &self.style())
        } else {
            draw::value(value, &self.style())
        }
    }

    /// Something else had the terminal: nobody knows where it left the cursor.
    pub(super) fn lose_line(&self) {
        self.0.open_line.set(true);
    }

    /// Begins a new line of the terminal where the cursor does not stand at the beginning of one, with a mark behind the
    /// text that had no newline. The terminal is not asked, whose answer would mix with what is typed ahead: the mark and
    /// spaces fill a line, and go over into the next where there was something in it already.
    pub(super) fn close_line(&self) {
        let columns = sys::terminal_size(io::stdout()).map_or(0, |(columns, _)| usize::from(columns));
        if !self.0.open_line.take() || columns == 0 {
            return;
        }
        let style = self.style();
        let mark = style.paint(Paint::Dim, if style.unicode { "⏎" } else { "%" });
        let fill = format!("{mark}{}\r \r\x1b[K", " ".repeat(columns - 1));
        self.write_out(fill.as_bytes());
        self.0.open_line.set(false);
    }

    fn keep_line(&self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.0.open_line.set(*last != b'\n');
        }
    }

    /// Writes to stdout as it is.
    pub(super) fn write_out(&self, bytes: &[u8]) {
        self.0.bar.end();
        self.keep_line(bytes);
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(bytes).and_then(|()| out.flush())
            // a prompt goes on: its terminal may come back, and a hangup ends it
            && self.0.transcript.borrow().is_none()
        {
            self.0.lost.borrow_mut().get_or_insert(error);
        }
    }

    /// An error that no line of a script is to blame for.
    pub(super) fn complain(&self, message: &str) {
        self.complain_with(message, None);
    }

    /// The same with a hint.
    pub(super) fn complain_with(&self, message: &str, hint: Option<&str>) {
        let text = match self.manner() {
            Manner::Json => errors::bare_document("failed", message, hint),
            Manner::Drawn(_) => view::error(message, &[], hint, &self.0.err),
        };
        write_err(text.as_bytes());
    }

    /// How errors are told.
    pub(super) fn manner(&self) -> Manner {
        if self.0.json { Manner::Json } else { Manner::Drawn(self.err_style()) }
    }

    /// Tells what the workspace has to say beside the answers.
    pub(super) fn tell_notes(&self) {
        for note in self.0.workspace.notes() {
            self.tell(&note);
        }
    }

    /// Writes to stderr as it is, in the middle of a call.
    pub(super) fn write_err(&self, bytes: &[u8]) {
        self.0.bar.end();
        self.keep_line(bytes);
        write_err(bytes);
    }

    /// What shows how far long work is.
    pub(super) fn bar(&self) -> &Bar {
        &self.0.bar
    }

    /// One line of talk on stderr, unless that is turned off.
    pub(super) fn tell(&self, note: &str) {
        if !self.0.quiet {
            self.0.bar.end();
            write_err(format!("{}\n", view::escape::prose(note, &self.0.err)).as_bytes());
        }
    }
}

/// Writes to stderr as it is; where that fails, nobody can be told.
pub(super) fn write_err(bytes: &[u8]) {
    if let Err(error) = io::stderr().lock().write_all(bytes) {
        log::debug!("stderr: {error}");
    }
}
