//! What all commands share: the workspace, how to print, the script's arguments, the wish to end.

use std::cell::{Cell, RefCell};
use std::io::{self, Write as _};
use std::rc::Rc;

use rhai::Dynamic;

use super::watching::Teller;
use super::{draw, json};
use crate::view::{self, Style};
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
    history: RefCell<Vec<String>>,
    pipe_closed: Cell<bool>,
    teller: Teller,
}

/// How a shell prints and what it was given.
pub(super) struct Voice {
    pub(super) out: Style,
    pub(super) err: Style,
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(super) args: Vec<String>,
}

impl Shell {
    pub(super) fn new(workspace: Workspace, voice: Voice) -> Self {
        let Voice { out, err, json, quiet, args } = voice;
        Self(Rc::new(Inner {
            workspace,
            out,
            err,
            json,
            quiet,
            args,
            history: RefCell::default(),
            pipe_closed: Cell::new(false),
            teller: Teller::new(err, json),
        }))
    }

    pub(super) fn workspace(&self) -> &Workspace {
        &self.0.workspace
    }

    pub(super) fn style(&self) -> &Style {
        &self.0.out
    }

    pub(super) fn err_style(&self) -> &Style {
        &self.0.err
    }

    pub(super) fn is_json(&self) -> bool {
        self.0.json
    }

    pub(super) fn args(&self) -> &[String] {
        &self.0.args
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

    /// Remembers a line that worked.
    pub(super) fn remember(&self, line: &str) {
        self.0.history.borrow_mut().push(line.to_owned());
    }

    /// Whether the reader of our output has gone, so that there is nobody to go on for.
    pub(super) fn pipe_closed(&self) -> bool {
        self.0.pipe_closed.get()
    }

    /// Prints a value: its view, or one line of JSON.
    pub(super) fn print(&self, value: &Dynamic) {
        self.write_out(self.text_of(value).as_bytes());
    }

    /// What [`Shell::print`] prints, with its closing newline.
    pub(super) fn text_of(&self, value: &Dynamic) -> String {
        if self.0.json { format!("{}\n", json::line(value)) } else { draw::value(value, &self.0.out) }
    }

    /// Writes to stdout as it is.
    pub(super) fn write_out(&self, bytes: &[u8]) {
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(bytes).and_then(|()| out.flush())
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            self.0.pipe_closed.set(true);
        }
    }

    /// An error that no line of a script is to blame for.
    pub(super) fn complain(&self, message: &str) {
        write_err(view::error(message, &[], None, &self.0.err).as_bytes());
    }

    /// Tells what the workspace has to say beside the answers.
    pub(super) fn tell_notes(&self) {
        for note in self.0.workspace.notes() {
            self.tell(&note);
        }
    }

    /// One line of talk on stderr, unless that is turned off.
    pub(super) fn tell(&self, note: &str) {
        if !self.0.quiet {
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
