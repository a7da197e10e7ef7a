//! What stays from line to line, and how one line runs.

use std::path::Path;
use std::rc::Rc;

use rhai::{AST, Dynamic, EvalAltResult, Scope};

use super::host::Host;
use super::typed::{self, Known, Typed};
use super::{answer, last};

use crate::shell::engine::{self, Ours};
use crate::shell::errors::{self, Ending};
use crate::shell::render::{self, Definitions, Text};
use crate::shell::run as running;
use crate::shell::state::{Shell, write_err};
use crate::view;

/// How many variables may pile up before shadowed ones are dropped.
const SCOPE: usize = 256;

/// What stays from line to line.
pub(super) struct Session {
    shell: Shell,
    ours: Rc<Ours>,
    scope: Scope<'static>,
    functions: AST,
    imports: AST,
    definitions: Definitions,
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
            scope: Scope::new(),
            functions: AST::empty(),
            imports: AST::empty(),
            definitions: Definitions::new(),
            host: Host::default(),
            line: 0,
        }
    }

    /// The variables.
    pub(super) fn scope(&self) -> &Scope<'static> {
        &self.scope
    }

    /// The functions that were defined.
    pub(super) fn functions(&self) -> &AST {
        &self.functions
    }

    /// Runs one entry.
    pub(super) fn run_line(&mut self, line: &str) -> Next {
        self.line += 1;
        let defined = |name: &str| {
            self.functions
                .iter_functions()
                .any(|function| function.name == name && function.params.is_empty())
        };
        let code = match typed::read(line, &Known { scope: &self.scope, function: &defined }) {
            Typed::Host(command) => {
                self.host.run(&self.shell, command);
                return Next::Line;
            }
            Typed::Help(topic) if topic.is_empty() => "help()".to_owned(),
            Typed::Help(topic) => format!("help({})", view::escape::literal(&topic, self.shell.err_style())),
            Typed::Call(name) => format!("{name}()"),
            Typed::Code => line.to_owned(),
        };
        self.run_text(&Text { name: format!("entry {}", self.line).into(), source: code.into() })
    }

    fn run_text(&mut self, text: &Text) -> Next {
        let ast = match self.ours.compile(&self.scope, &text.source) {
            Ok(ast) => ast,
            Err(error) => {
                if !self.advise(text) {
                    write_err(render::parse(&error, text, self.shell.err_style()).as_bytes());
                }
                return Next::Line;
            }
        };
        // Rhai forgets imports and functions at the end of an evaluation: those of earlier lines go in front
        let merged = self.imports.merge(&self.functions).merge(&ast);
        running::remember_definitions(&mut self.definitions, &ast, text);
        let clock = answer::Clock::start(&self.shell, &ast);
        let result = self.ours.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &merged);
        let took = clock.stop(&self.shell);
        let next = match result {
            Ok(value) => {
                self.functions = merged.clone_functions_only();
                if text.source.trim_start().starts_with("import ") {
                    let mut import = ast.clone();
                    import.clear_functions();
                    self.imports = self.imports.merge(&import);
                }
                self.shell.remember(&text.source);
                last::keep(&mut self.scope, &value);
                if !value.is_unit() && (self.shell.is_json() || !running::was_seen(&ast)) {
                    answer::show(&self.shell, &value);
                }
                answer::tell_time(&self.shell, took);
                Next::Line
            }
            Err(error) => {
                if let Some(Ending::Exit { code, .. }) = errors::ending(&error) {
                    Next::End(code)
                } else {
                    let lone = matches!(*error, EvalAltResult::ErrorVariableNotFound(..));
                    if !(lone && self.advise(text)) {
                        running::report(&self.shell, &self.ours, &error, text, &self.definitions);
                    }
                    Next::Line
                }
            }
        };
        if self.scope.len() > SCOPE {
            self.scope = self.scope.clone_visible();
        }
        next
    }

    /// Tells somebody who types as at any shell's prompt what to type here; whether there was anything to tell.
    fn advise(&self, text: &Text) -> bool {
        let Some((said, hint)) = typed::advice(&text.source, &self.scope, is_program) else { return false };
        write_err(view::error(&said, &[], Some(&hint), self.shell.err_style()).as_bytes());
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
