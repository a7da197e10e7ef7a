//! Runs a script, a piece of code, a pipe, or the prompt, and gives the exit code.

use std::io::{self, IsTerminal as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rhai::{AST, Dynamic, Engine, EvalAltResult, Expr, ImmutableString, Scope, Stmt};

use super::engine::Ours;
use super::errors::{self, Ending};
use super::render::{self, Around, Known, Text};
use super::state::{Shell, Voice, write_err};
use super::{Limits, Pager, commands, engine, prompt};
use crate::sys::{
    self, Errno, fault, lock, memory,
    signals::{self, Pending},
};
use crate::view::{Bar, Style};
use crate::workspace::{Moment, Options, Workspace};

/// The script failed.
pub(super) const FAILED: u8 = 1;
/// Wrong usage, or a parse error.
pub(super) const USAGE: u8 = 2;

/// Ctrl-C, as shells count it.
const INTERRUPTED: u8 = 130;

/// Where the code comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A script file.
    File(PathBuf),
    /// Code on the command line.
    Code(String),
    /// Standard input: a prompt if it is a terminal, else the whole of it as one script.
    Stdin,
    /// A call that has a word on the command line: its name, and the code that does it.
    Call(&'static str, String),
}

/// How the shell runs.
pub struct Settings {
    /// Where the code comes from.
    pub source: Source,
    /// The script's arguments.
    pub args: Vec<String>,
    /// How stdout is styled.
    pub out: Style,
    /// How stderr is styled.
    pub err: Style,
    /// Whether values are printed as JSON.
    pub json: bool,
    /// What scripts may take.
    pub limits: Limits,
    /// Whether talk on stderr is left out.
    pub quiet: bool,
    /// Whether what takes long shows how far it is, on stderr.
    pub progress: bool,
    /// What shows answers at the prompt that are longer than the screen, where anything does.
    pub pager: Option<Pager>,
    /// The file of the prompt's history.
    pub history: Option<PathBuf>,
    /// The script that the prompt begins with. Nothing else reads it: what a script or a pipe does is in its text.
    pub start_up: Option<PathBuf>,
    /// How the workspace is opened.
    pub workspace: Options,
}

/// Runs the shell to its end; gives the exit code. Nothing of ours stays mounted.
pub fn run(settings: Settings) -> u8 {
    // all values live and end within
    memory::on_deep_stack(settings.limits.stack, || run_here(settings))
}

fn run_here(settings: Settings) -> u8 {
    let Settings {
        source,
        args,
        out,
        err,
        json,
        limits,
        quiet,
        progress,
        pager,
        history,
        start_up,
        workspace,
    } = settings;
    let bar = Rc::new(Bar::new(err, progress));
    tell_waiting(err, quiet, &bar);
    let workspace = match Workspace::open(workspace, bar.clone()) {
        Ok(workspace) => workspace,
        Err(error) => {
            let text = if json {
                errors::workspace_document(&error)
            } else {
                crate::view::error(&errors::message(&error), &[], error.hint().as_deref(), &err)
            };
            write_err(text.as_bytes());
            return error.exit_code();
        }
    };
    let shell = Shell::new(workspace.clone(), Voice { out, err, json, quiet, args, pager, bar, limits });
    shell.tell_notes();
    let ended = catch_unwind(AssertUnwindSafe(|| match source {
        Source::File(path) => run_file(&shell, &path),
        Source::Code(code) => run_text(&shell, "-e", code, true, Path::new("")),
        Source::Call(name, code) => run_text(&shell, name, code, true, Path::new("")),
        Source::Stdin if io::stdin().is_terminal() => match confine(&shell) {
            Ok(()) => prompt::run(&shell, history.as_deref(), start_up.as_deref()),
            Err(code) => code,
        },
        Source::Stdin => run_stdin(&shell),
    }));
    shell.settle(Moment::End);
    // whatever came, what we mounted goes
    for line in workspace.close() {
        shell.tell(&line);
    }
    shell.teller().end();
    match (ended, signals::pending()) {
        (Err(_), _) => fault::EXIT_CODE,
        (Ok(_), Some(Pending::End(signal))) => u8::try_from(128 + signal).unwrap_or(FAILED),
        (Ok(code), _) => match shell.output_failure() {
            Some(why) => {
                shell.complain(&why);
                FAILED.max(code)
            }
            None => code,
        },
    }
}

/// Has stderr told for whom this program waits, where it does.
fn tell_waiting(style: Style, quiet: bool, bar: &Rc<Bar>) {
    let bar = bar.clone();
    lock::tell_waiting(Box::new(move |file, users| {
        if !quiet {
            bar.end();
            let users: Vec<(u32, &str)> = users.iter().map(|user| (user.pid, user.name.as_str())).collect();
            write_err(crate::view::waiting(file, &users, &style).as_bytes());
        }
    }));
}

/// Enters the sandbox, if one is asked for, once all is read that is the user's own; gives the exit code where that fails.
fn confine(shell: &Shell) -> Result<(), u8> {
    let confined = shell.workspace().confine();
    shell.tell_notes();
    confined.map_err(|error| {
        shell.complain_with(&errors::message(&error), error.hint().as_deref());
        error.exit_code()
    })
}

fn run_file(shell: &Shell, path: &Path) -> u8 {
    let text = match text_of(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return interrupted(shell),
        Err(error) => {
            let message = format!("cannot read the script `{}`: {}", path.display(), io_words(&error));
            shell.complain(&message);
            return USAGE;
        }
    };
    run_text(shell, &path.display().to_string(), text, false, path.parent().unwrap_or(Path::new("")))
}

/// What a script's file or pipe holds; `Interrupted` where a signal came before all was there.
pub(super) fn text_of(path: &Path) -> io::Result<String> {
    String::from_utf8(sys::file::read_whole(path)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

fn interrupted(shell: &Shell) -> u8 {
    shell.complain("interrupted");
    INTERRUPTED
}

fn run_stdin(shell: &Shell) -> u8 {
    let bytes = match sys::file::read_to_end(io::stdin()) {
        Ok(bytes) => bytes,
        Err(Errno::INTR) => return interrupted(shell),
        Err(errno) => {
            let message = format!("cannot read standard input: {}", io_words(&errno.into()));
            shell.complain(&message);
            return FAILED;
        }
    };
    if let Ok(text) = String::from_utf8(bytes) {
        run_text(shell, "stdin", text, true, Path::new(""))
    } else {
        shell.complain("standard input is not UTF-8 text");
        USAGE
    }
}

/// Parses a whole text, then runs it; prints the last value if asked to.
fn run_text(shell: &Shell, name: &str, text: String, print_last: bool, modules: &Path) -> u8 {
    let ours = engine::build(shell, modules);
    let text = without_shebang(without_mark(text));
    let text = Text { name: name.into(), source: text.into() };
    let ast = match ours.compile(&Scope::new(), &text.source) {
        Ok(ast) => ast,
        Err(error) => {
            write_err(render::parse(&error, &text, &shell.manner()).as_bytes());
            return USAGE;
        }
    };
    if let Err(code) = confine(shell) {
        return code;
    }
    let limit = match shell.budget().begin() {
        Ok(limit) => limit,
        Err(why) => {
            shell.complain(&why);
            return FAILED;
        }
    };
    let result = ours.engine.eval_ast_with_scope::<Dynamic>(&mut Scope::new(), &ast);
    drop(limit);
    fault::planted("script");
    shell.settle(Moment::End);
    match result {
        Ok(value) => {
            if print_last && !value.is_unit() && (shell.is_json() || !was_seen(&ast)) {
                shell.print(&value);
            }
            0
        }
        Err(error) => report(shell, &ours, &error, &text, &Around::default()),
    }
}

/// Whether the value that a text ends with was seen when it came: what `sh` gives has been on the screen.
pub(super) fn was_seen(ast: &AST) -> bool {
    ends_with(ast, "sh")
}

/// Whether the last thing that a text does is a call of this name.
pub(super) fn ends_with(ast: &AST, name: &str) -> bool {
    fn is_call(expr: &Expr, name: &str) -> bool {
        match expr {
            Expr::FnCall(call, _) | Expr::MethodCall(call, _) => call.name == name,
            Expr::Dot(both, ..) => is_call(&both.rhs, name),
            _ => false,
        }
    }
    match ast.statements().last() {
        Some(Stmt::FnCall(call, _)) => call.name == name,
        Some(Stmt::Expr(expr)) => is_call(expr, name),
        _ => false,
    }
}

/// An I/O error without its number.
pub(crate) fn io_words(error: &io::Error) -> String {
    super::translate::lower_first(&sys::without_numbers(&error.to_string()))
}

/// Some editors begin a text with a byte order mark, which says nothing.
pub(super) fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// The `#!` line becomes a comment, so that line numbers stay.
fn without_shebang(text: String) -> String {
    if text.starts_with("#!") && !text.starts_with("#![") { format!("// {}", &text[2..]) } else { text }
}

/// Tells how a script ended; gives its exit code.
pub(super) fn report(
    shell: &Shell,
    ours: &Ours,
    error: &EvalAltResult,
    text: &Text,
    around: &Around<'_>,
) -> u8 {
    // what is to be said about that is said at the end
    if shell.is_output_lost() {
        return 0;
    }
    let overrun;
    let mut error = error;
    match errors::ending(error) {
        Some(Ending::Overrun(keys)) => {
            // the way there may be of a hundred thousand calls
            overrun = errors::overrun_at(keys, error.position());
            error = &overrun;
        }
        Some(Ending::Exit { code, said }) => {
            if let Some(said) = said.as_ref().filter(|_| shell.is_json()) {
                shell.complain(said);
            } else if let Some(said) = said {
                write_err(format!("{}\n", crate::view::escape::prose(&said, &shell.err_style())).as_bytes());
            }
            return code;
        }
        Some(Ending::Interrupted) => {
            return interrupted(shell);
        }
        Some(Ending::Declined(said)) => {
            shell.tell(said);
            return FAILED;
        }
        None => {}
    }
    let functions = known_functions(&ours.engine);
    let names: Vec<&str> = functions.iter().map(ImmutableString::as_str).collect();
    let is_layer = |name: &str| shell.workspace().knows_layer(name);
    let known = Known { around, modules: &ours.texts.borrow(), functions: &names, is_layer: &is_layer };
    write_err(render::runtime(error, text, &known, &shell.manner()).as_bytes());
    exit_code(error)
}

/// The names of all functions, ours and Rhai's.
fn known_functions(engine: &Engine) -> Vec<ImmutableString> {
    let mut names: Vec<ImmutableString> = engine.collect_fn_metadata(
        None,
        |info| {
            let name = &info.metadata.name;
            name.starts_with(|c: char| c.is_alphabetic()).then(|| name.as_str().into())
        },
        true,
    );
    names.extend(commands().map(|command| command.name.into()));
    names.sort();
    names.dedup();
    names
}

/// The code that an uncaught error ends the program with.
fn exit_code(error: &EvalAltResult) -> u8 {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => value
            .read_lock::<rhai::Map>()
            .and_then(|map| map.get("exit_code").and_then(|code| code.as_int().ok()))
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(FAILED),
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => {
            exit_code(inner)
        }
        EvalAltResult::ErrorParsing(..) => USAGE,
        _ => FAILED,
    }
}
