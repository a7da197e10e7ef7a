//! What stays from line to line, and how one line runs.

use std::borrow::Cow;
use std::path::Path;
use std::rc::Rc;

use rhai::{Module, Scope};

use super::memory::Memory;
use crate::shell::engine::{self, Ours};
use crate::shell::errors::{self, Ending};
use crate::shell::render::{self, Around, Text};
use crate::shell::state::{Shell, write_err};
use crate::shell::{commands, run as running};
use crate::sys::signals;

/// What stays from line to line.
pub(super) struct Session {
    shell: Shell,
    ours: Rc<Ours>,
    memory: Memory,
    line: usize,
}

/// Whether the prompt goes on.
pub(super) enum Next {
    Line,
    End(u8),
}

impl Session {
    /// An empty one.
    pub(super) fn new(shell: &Shell) -> Self {
        Self {
            shell: shell.clone(),
            ours: Rc::new(engine::build(shell, Path::new(""))),
            memory: Memory::default(),
            line: 0,
        }
    }

    /// The variables.
    pub(super) fn scope(&self) -> &Scope<'static> {
        self.memory.scope()
    }

    /// The functions that were defined.
    pub(super) fn functions(&self) -> &Module {
        self.memory.functions()
    }

    /// Runs one entry.
    pub(super) fn run_line(&mut self, line: &str) -> Next {
        self.line += 1;
        let trimmed = line.trim();
        if let Some(command) = trimmed.strip_prefix('!') {
            self.host_command(command);
            return Next::Line;
        }
        if matches!(trimmed, "quit" | "exit" | "quit()") {
            return Next::End(0);
        }
        let text =
            Text { name: format!("entry {}", self.line).into(), source: self.expand(trimmed, line).into() };
        self.run_text(&text)
    }

    /// A bare word that names a function without arguments calls it.
    fn expand<'a>(&self, word: &str, line: &'a str) -> Cow<'a, str> {
        let callable = commands().any(|command| {
            command.name == word
                && command.forms.iter().any(|form| form.params.is_empty() && form.on.prefix().is_empty())
        });
        let shadowed = self.memory.has_variable(word);
        if callable && !shadowed { Cow::Owned(format!("{word}()")) } else { Cow::Borrowed(line) }
    }

    fn run_text(&mut self, text: &Text) -> Next {
        let ast = match self.memory.compile(&self.ours, text) {
            Ok(ast) => ast,
            Err(error) => {
                write_err(render::parse(&error, text, self.shell.err_style()).as_bytes());
                return Next::Line;
            }
        };
        match self.memory.run(&self.ours.engine, &ast) {
            Ok(value) => {
                self.shell.remember(&text.source);
                if !value.is_unit() && (self.shell.is_json() || !running::was_seen(&ast)) {
                    self.shell.print(&value);
                }
                Next::Line
            }
            Err(error) => {
                if let Some(Ending::Exit { code, .. }) = errors::ending(&error) {
                    return Next::End(code);
                }
                let variables: Vec<(&str, bool)> = self.memory.variables().collect();
                running::report(
                    &self.shell,
                    &self.ours,
                    &error,
                    text,
                    &Around { places: Some(self.memory.places()), variables: &variables },
                );
                Next::Line
            }
        }
    }

    /// `!command`: a host command with the terminal, in the merged directory where there is one.
    fn host_command(&self, command: &str) {
        let dir = self.shell.workspace().current().ok().and_then(|mount| mount.path());
        let mut child = std::process::Command::new("sh");
        child.arg("-c").arg(command);
        if let Some(dir) = dir {
            child.current_dir(dir);
        }
        match child.status() {
            Ok(status) if status.success() => {}
            Ok(status) => self.shell.tell(&format!("it ended with {status}")),
            Err(error) => self.shell.tell(&format!("cannot run a shell: {error}")),
        }
        signals::clear_interrupt();
    }
}
