//! The prompt, `ufs>`: one line after the other, with state across lines.

use std::borrow::Cow;
use std::path::Path;
use std::rc::Rc;

use rhai::{AST, Dynamic, Scope};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Cmd, Config, Editor, Helper, KeyCode, KeyEvent, Modifiers};

use super::engine::Ours;
use super::errors::{self, Ending};
use super::incomplete::is_incomplete;
use super::render::{self, Definitions, Text};
use super::state::{Shell, write_err};
use super::{commands, engine, run as running};
use crate::sys::signals::{self, Pending};
use crate::view::Paint;

/// How many lines the history keeps.
const HISTORY: usize = 10_000;
/// How many variables may pile up before shadowed ones are dropped.
const SCOPE: usize = 256;

/// What the line editor asks: whether a line is whole.
struct Asked {
    ours: Rc<Ours>,
}

impl Helper for Asked {}
impl Highlighter for Asked {}

impl Completer for Asked {
    type Candidate = String;
}

impl Hinter for Asked {
    type Hint = String;
}

impl Validator for Asked {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        if text.starts_with('!') || text.ends_with("\n\n") {
            // an empty line ends any entry, so that nobody is ever stuck
            return Ok(ValidationResult::Valid(None));
        }
        if is_incomplete(&self.ours.engine, text) {
            return Ok(ValidationResult::Incomplete);
        }
        Ok(ValidationResult::Valid(None))
    }
}

/// What stays from line to line.
struct Session {
    shell: Shell,
    ours: Rc<Ours>,
    scope: Scope<'static>,
    functions: AST,
    imports: AST,
    definitions: Definitions,
    line: usize,
}

/// Whether the prompt goes on.
enum Next {
    Line,
    End(u8),
}

/// Reads and runs lines until the end; gives the exit code.
pub(super) fn run(shell: &Shell, history: Option<&Path>) -> u8 {
    let ours = Rc::new(engine::build(shell, Path::new("")));
    let mut editor = match editor(ours.clone()) {
        Ok(editor) => editor,
        Err(error) => {
            let message = format!("the terminal cannot be used: {error}");
            shell.complain(&message);
            return running::FAILED;
        }
    };
    if let Some(file) = history {
        load_history(&mut editor, file);
    }
    shell.tell("`help()` lists what you can do, `show()` draws the layers, Ctrl-D ends");
    let mut session = Session {
        shell: shell.clone(),
        ours,
        scope: Scope::new(),
        functions: AST::empty(),
        imports: AST::empty(),
        definitions: Definitions::new(),
        line: 0,
    };
    let plain = "ufs> ";
    let styled = shell.style().paint(Paint::Heading, "ufs>") + " ";
    loop {
        if let Some(Pending::End(_)) = signals::pending() {
            return running::FAILED;
        }
        let read = editor.readline(&(plain, styled.as_str()));
        let line = match read {
            Ok(line) => line,
            // Ctrl-C as a key, or a signal from outside: one to end is seen at the top of the loop
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {
                signals::clear_interrupt();
                continue;
            }
            Err(ReadlineError::Eof) => return 0,
            Err(error) => {
                shell.tell(&format!("cannot read on: {error}"));
                return running::FAILED;
            }
        };
        if line.trim().is_empty() {
            continue;
        }
        if let Err(error) = editor.add_history_entry(&line) {
            log::debug!("history: {error}");
        }
        if let Some(file) = history
            && let Err(error) = editor.append_history(file)
        {
            log::debug!("history: {error}");
        }
        match session.run_line(&line) {
            Next::Line => signals::clear_interrupt(),
            Next::End(code) => return code,
        }
    }
}

fn editor(ours: Rc<Ours>) -> rustyline::Result<Editor<Asked, FileHistory>> {
    let config = Config::builder()
        .max_history_size(HISTORY)?
        .history_ignore_dups(true)?
        .history_ignore_space(true)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Asked { ours }));
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
    Ok(editor)
}

fn load_history(editor: &mut Editor<Asked, FileHistory>, file: &std::path::Path) {
    if let Some(dir) = file.parent()
        && let Err(error) = std::fs::create_dir_all(dir)
    {
        log::debug!("history: {error}");
    }
    if file.exists()
        && let Err(error) = editor.load_history(file)
    {
        log::debug!("history: {error}");
    }
}

impl Session {
    fn run_line(&mut self, line: &str) -> Next {
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
        let shadowed = self.scope.contains(word);
        if callable && !shadowed { Cow::Owned(format!("{word}()")) } else { Cow::Borrowed(line) }
    }

    fn run_text(&mut self, text: &Text) -> Next {
        let ast = match self.ours.compile(&self.scope, &text.source) {
            Ok(ast) => ast,
            Err(error) => {
                write_err(render::parse(&error, text, self.shell.err_style()).as_bytes());
                return Next::Line;
            }
        };
        // Rhai forgets imports and functions at the end of an evaluation: those of earlier lines go in front
        let merged = self.imports.merge(&self.functions).merge(&ast);
        running::remember_definitions(&mut self.definitions, &ast, text);
        let result = self.ours.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &merged);
        let next = match result {
            Ok(value) => {
                self.functions = merged.clone_functions_only();
                if text.source.trim_start().starts_with("import ") {
                    let mut import = ast.clone();
                    import.clear_functions();
                    self.imports = self.imports.merge(&import);
                }
                self.shell.remember(&text.source);
                if !value.is_unit() && (self.shell.is_json() || !running::was_seen(&ast)) {
                    self.shell.print(&value);
                }
                Next::Line
            }
            Err(error) => {
                if let Some(Ending::Exit { code, .. }) = errors::ending(&error) {
                    Next::End(code)
                } else {
                    running::report(&self.shell, &self.ours, &error, text, &self.definitions);
                    Next::Line
                }
            }
        };
        if self.scope.len() > SCOPE {
            self.scope = self.scope.clone_visible();
        }
        next
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
