//! What stays from line to line, and how one line runs.

use std::path::Path;
use std::rc::Rc;

use rhai::{EvalAltResult, Module, Scope};

use super::host::Host;
use super::memory::Memory;
use super::transcript::{self, What};
use super::typed::{self, Known, Typed};
use super::{answer, last};
use crate::shell::engine::{self, Ours};
use crate::shell::errors::{self, Ending};
use crate::shell::render::{self, Around, Text};
use crate::shell::run as running;
use crate::shell::state::{Shell, write_err};
use crate::view;
use crate::workspace::Moment;

/// What stays from line to line.
pub(super) struct Session {
    shell: Shell,
    ours: Rc<Ours>,
    memory: Memory,
    host: Host,
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
        let mut ours = engine::build(shell, Path::new(""));
        last::allow(&mut ours.engine);
        Self {
            shell: shell.clone(),
            ours: Rc::new(ours),
            memory: Memory::default(),
            host: Host::default(),
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
        let functions = self.memory.functions();
        let defined = |name: &str| {
            let mut all = functions.iter_script_fn_info();
            all.any(|(.., function)| function.name == name && function.params.is_empty())
        };
        let known = Known { scope: self.memory.scope(), function: &defined };
        let code = match typed::read(line, &known) {
            Typed::Host(command) => {
                let shell = &self.shell;
                shell.teller().hold(|| self.host.run(shell, command));
                shell.settle(Moment::End);
                return Next::Line;
            }
            Typed::Help(topic) if topic.is_empty() => "help()".to_owned(),
            Typed::Help(topic) => format!("help({})", view::escape::literal(&topic, &self.shell.err_style())),
            Typed::Call(name) => format!("{name}()"),
            Typed::Code => line.to_owned(),
        };
        self.run_text(&Text { name: format!("entry {}", self.line).into(), source: code.into() }, None)
    }

    /// Runs the start-up file, if there is one.
    pub(super) fn start_up(&mut self, file: &Path) -> Next {
        let source = match std::fs::read_to_string(file) {
            Ok(source) => source,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Next::Line,
            Err(error) => {
                let message = format!(
                    "cannot read the start-up file `{}`: {}",
                    file.display(),
                    running::io_words(&error)
                );
                self.shell.complain(&message);
                return Next::Line;
            }
        };
        self.run_text(&Text { name: file.display().to_string().into(), source: source.into() }, Some(file))
    }

    /// Runs a text: an entry, or the start-up file.
    fn run_text(&mut self, text: &Text, file: Option<&Path>) -> Next {
        let ast = match self.memory.compile(&self.ours, text) {
            Ok(ast) => ast,
            Err(error) => {
                if !self.advise(text) {
                    write_err(render::parse(&error, text, &self.shell.manner()).as_bytes());
                }
                return Next::Line;
            }
        };
        let limit = match self.shell.budget().begin() {
            Ok(limit) => limit,
            Err(why) => {
                self.shell.complain(&why);
                return Next::Line;
            }
        };
        let clock = answer::Clock::start(&self.shell, &ast);
        let result = self.memory.run(&self.ours.engine, &ast, file);
        drop(limit);
        let took = clock.stop(&self.shell);
        self.shell.settle(Moment::End);
        if let Err(error) = self.shell.workspace().let_go() {
            log::debug!("{error}");
        }
        match result {
            Ok(value) => {
                let what = match file {
                    Some(file) => What::StartUp(file.to_owned()),
                    None if value.is_unit() => What::Code(None),
                    None => What::Code(ast.statements().last().and_then(|last| {
                        transcript::statement_at(&text.source, self.memory.within(text, last.position()))
                    })),
                };
                self.shell.record(|transcript| transcript.add(&*text.source, what));
                if file.is_some() {
                    return Next::Line;
                }
                self.memory.keep_value(&value);
                if !value.is_unit() && (self.shell.is_json() || !running::was_seen(&ast)) {
                    answer::show(&self.shell, &ast, &value);
                }
                answer::tell_time(&self.shell, took);
                Next::Line
            }
            Err(error) => {
                if let Some(Ending::Exit { code, .. }) = errors::ending(&error) {
                    return Next::End(code);
                }
                if matches!(*error, EvalAltResult::ErrorVariableNotFound(..)) && self.advise(text) {
                    return Next::Line;
                }
                let failed = self.memory.within(text, error.position());
                let what = file.map_or(What::Code(None), |file| What::StartUp(file.to_owned()));
                self.shell
                    .record(|transcript| transcript.add(transcript::worked(&text.source, failed), what));
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

    /// Tells somebody who types as at any shell's prompt what to type here; whether there was anything to tell.
    fn advise(&self, text: &Text) -> bool {
        let Some((said, hint)) = typed::advice(&text.source, self.memory.scope(), is_program) else {
            return false;
        };
        write_err(view::error(&said, &[], Some(&hint), &self.shell.err_style()).as_bytes());
        true
    }

    /// What is to be done before the prompt is left.
    pub(super) fn end(&mut self) {
        self.host.end(&self.shell);
    }
}

/// Whether the host has a program of this name.
fn is_program(name: &str) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| {
        let found = dir.is_absolute().then(|| dir.join(name).metadata());
        matches!(found, Some(Ok(meta)) if meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}
