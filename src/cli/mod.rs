//! The command line.

mod apology;
mod arguments;
mod completions;
mod logger;
mod man;
mod mount;
mod version;

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;

use self::arguments::{Arguments, Color, Word};
use crate::config;
use crate::shell::{self, Limits, Settings, Source};
use crate::sys::{self, namespace, signals};
use crate::view::{self, Style};
use crate::workspace::{Options, Sandbox, StorePlace, nearest};

/// Runs the program; gives the exit code.
pub fn main() -> u8 {
    let code = run();
    // also one in another thread, or in a process that worked for this one
    if sys::fault::happened() { sys::fault::EXIT_CODE } else { code }
}

fn run() -> u8 {
    // before any thread exists
    sys::clear_umask();
    sys::fault::install(apology::tell);
    if let Err(message) = logger::start() {
        return complain(&message, Some("it is off, error, warn, info, debug or trace"));
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(help) = words.first().and_then(|name| mount::helper(name)) {
        return help(&words);
    }
    let arguments = match Arguments::of_process() {
        Ok(arguments) => arguments,
        Err(error) => return answered(&error),
    };
    if let Some(Word::Mount(wanted)) = arguments.word {
        return mount::run(wanted);
    }
    if let Some(text) = arguments.word.as_ref().and_then(text) {
        return match text {
            Ok(text) => print(&text),
            Err(error) => complain(&format!("cannot make the page: {error}"), None),
        };
    }
    let homes = config::Homes::of_user();
    let namespace = namespace::enter(!arguments.no_userns);
    // root has none of its own yet
    let separated = arguments.sandbox
        && match namespace {
            namespace::State::Entered { .. } => true,
            _ => sys::sandbox::separate().is_ok(),
        };
    if let (namespace::State::Entered { .. }, Some(home)) = (&namespace, &homes.untold) {
        namespace::set_home(home);
    }
    if let Err(errno) = signals::install() {
        log::warn!("signals are not handled: {errno}");
    }
    sys::raise_file_limit();
    let json = arguments.json;
    match settings(arguments, &homes, namespace, separated) {
        Ok(settings) => shell::run(settings),
        Err((message, hint)) if json => {
            let text = shell::bare_document("usage", &message, Some(&hint));
            if let Err(error) = io::stderr().write_all(text.as_bytes()) {
                log::debug!("stderr: {error}");
            }
            2
        }
        Err((message, hint)) => complain(&message, Some(&hint)),
    }
}

/// What a word calls.
fn call(word: &Word) -> Source {
    match word {
        Word::Gc { dry_run } => Source::Call("gc", format!("gc({})", !dry_run)),
        Word::Prune { older_than, dry_run } => {
            let span = view::escape::literal(older_than, &Style::plain(usize::MAX));
            Source::Call("prune", format!("prune({span}, {})", !dry_run))
        }
        Word::Check { deep } => Source::Call("check", report_of(&format!("check(#{{ deep: {deep} }})"))),
        Word::Repair { yes } => Source::Call("repair", report_of(&format!("repair({yes})"))),
        Word::Du => Source::Call("du", "du()".to_owned()),
        _ => Source::Call("doctor", "doctor()".to_owned()),
    }
}

/// A script that gives what a call finds, and ends with the exit code of a damaged store where something is.
fn report_of(call: &str) -> String {
    format!("let found = {call};\nif found.some(|one| one.damaged) {{ print(found); exit(4); }}\nfound")
}

/// Prints help or what is wrong with the arguments; gives the exit code.
fn answered(error: &clap::Error) -> u8 {
    let printed = error.print().and_then(|()| io::stdout().flush());
    if error.use_stderr() { 2 } else { told(printed) }
}

/// What a word prints that needs no store and no namespace.
fn text(word: &Word) -> Option<io::Result<Vec<u8>>> {
    match word {
        Word::Doctor
        | Word::Check { .. }
        | Word::Repair { .. }
        | Word::Gc { .. }
        | Word::Prune { .. }
        | Word::Du
        | Word::Mount(_) => None,
        Word::Completions { shell } => Some(Ok(completions::script(*shell, Arguments::command()))),
        Word::Man => Some(man::page(Arguments::command())),
        Word::Definitions => Some(Ok(shell::definitions().into_bytes())),
    }
}

/// Writes a text to stdout; gives the exit code.
fn print(text: &[u8]) -> u8 {
    let mut out = io::stdout().lock();
    told(out.write_all(text).and_then(|()| out.flush()))
}

/// The exit code of who only had a text to write to stdout; a reader that has gone is no error.
fn told(written: io::Result<()>) -> u8 {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("cannot write to standard output: {}", shell::io_words(&error)), None);
            1
        }
        _ => 0,
    }
}

/// Tells why nothing was run; gives the exit code for it.
fn complain(message: &str, hint: Option<&str>) -> u8 {
    let err = Style { unicode: config::unicode(), ..Style::plain(80) };
    let text = view::error(message, &[], hint, &err);
    if let Err(error) = io::stderr().write_all(text.as_bytes()) {
        log::debug!("stderr: {error}");
    }
    2
}

/// What was meant by a first word that is neither a script nor one of our commands, if that can be told.
fn no_script(file: &OsStr) -> Option<String> {
    let word = file.to_str().filter(|word| !word.contains(['/', '.']) && !Path::new(word).exists())?;
    let arguments = Arguments::command();
    if shell::commands().any(|command| command.name == word) {
        return Some(format!("`{word}` is a call: at the prompt of `ufs`, or as `ufs -e '{word}(…)'`"));
    }
    let near = nearest(word, arguments.get_subcommands().map(clap::Command::get_name))?;
    Some(format!("did you mean `ufs {near}`?"))
}

/// What scripts may reach of the host.
fn sandbox(arguments: &Arguments, separated: bool) -> Result<Sandbox, (String, String)> {
    let real = |option: &str, path: &PathBuf| {
        path.canonicalize().map_err(|error| {
            let message = format!("cannot allow `{}`: {}", path.display(), shell::io_words(&error));
            (message, format!("`{option}` takes what is there"))
        })
    };
    let read =
        arguments.allow_read.iter().map(|path| real("--allow-read", path)).collect::<Result<_, _>>()?;
    let mut write = Vec::new();
    for path in &arguments.allow_write {
        let dir = real("--allow-write", path)?;
        if !dir.is_dir() {
            let message = format!("cannot allow to write `{}`: it is no directory", path.display());
            return Err((
                message,
                "`--allow-write` takes a directory, for files are made aside first".to_owned(),
            ));
        }
        write.push(dir);
    }
    Ok(Sandbox { read, write, separated })
}

fn settings(
    arguments: Arguments,
    homes: &config::Homes,
    namespace: namespace::State,
    separated: bool,
) -> Result<Settings, (String, String)> {
    let epoch = config::source_date_epoch().map_err(|text| {
        (format!("`SOURCE_DATE_EPOCH` is `{text}`"), "it is a whole number of seconds since 1970".to_owned())
    })?;
    let (driver, sync) = (arguments.driver(), arguments.syncs());
    let sandbox = if arguments.sandbox { Some(sandbox(&arguments, separated)?) } else { None };
    let limits = Limits {
        ops: arguments.limit_ops,
        time: arguments.limit_time,
        ..Limits::or_default(arguments.limit_memory, arguments.limit_stack)
    };
    let store = if arguments.ephemeral {
        StorePlace::Ephemeral
    } else {
        let dir = homes.store_dir(arguments.store).ok_or((
            "there is no home directory to keep the store in".to_owned(),
            "name one: `--store DIR`, or use `--ephemeral`".to_owned(),
        ))?;
        if matches!(arguments.word, Some(Word::Check { .. })) {
            StorePlace::ToRead(dir)
        } else if arguments.as_root {
            StorePlace::DirOfAnybody(dir)
        } else {
            StorePlace::Dir(dir)
        }
    };
    let mut words = arguments.words.into_iter();
    // pieces of code are one text; a piece may end in a comment
    let code = (!arguments.code.is_empty()).then(|| arguments.code.join("\n;\n"));
    let source = match (code, arguments.word) {
        (Some(code), _) => Source::Code(code),
        (None, Some(word)) => call(&word),
        (None, None) => match words.next() {
            Some(file) if file == "-" => Source::Stdin,
            Some(file) => match no_script(&file) {
                Some(hint) => {
                    let message = format!("there is no script `{}`, nor a command", file.display());
                    return Err((message, hint));
                }
                None => Source::File(PathBuf::from(file)),
            },
            None => Source::Stdin,
        },
    };
    let style = |is_terminal: bool, size: Option<(u16, u16)>| Style {
        color: match arguments.color {
            Color::Auto => config::color(is_terminal),
            Color::Always => true,
            Color::Never => false,
        },
        unicode: config::unicode(),
        width: size.map_or(100, |(columns, _)| usize::from(columns).max(40)),
        height: size.map_or(24, |(_, rows)| usize::from(rows)),
    };
    let out = io::stdout();
    let err = io::stderr();
    let mut talk = style(err.is_terminal(), sys::terminal_size(&err));
    if !err.is_terminal() {
        // what programs read is not set into lines
        talk.width = usize::MAX;
    }
    Ok(Settings {
        source,
        args: words.map(|word| word.to_string_lossy().into_owned()).collect(),
        out: style(out.is_terminal(), sys::terminal_size(&out)),
        err: talk,
        json: arguments.json,
        limits,
        quiet: arguments.quiet,
        progress: err.is_terminal() && !arguments.quiet && !config::is_dumb(),
        pager: if arguments.no_pager || sandbox.is_some() || arguments.json || !out.is_terminal() {
            None
        } else {
            config::pager()
        },
        history: homes.history_file().filter(|_| sandbox.is_none()),
        start_up: homes.start_up_file().filter(|_| !arguments.no_init && sandbox.is_none()),
        workspace: Options { store, sync, driver, keep: arguments.keep, epoch, namespace, sandbox },
    })
}
