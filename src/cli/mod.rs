//! The command line: the prompt and scripts here, what is more than that in the files beside.

mod mount;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

use crate::config;
use crate::driver::DriverKind;
use crate::shell::{self, Settings, Source};
use crate::sys::{self, namespace, signals};
use crate::view::{self, Style};
use crate::workspace::{Options, StorePlace};

/// Explore, build, mount and commit container file-system layers.
#[derive(Parser, Debug)]
#[command(name = "ufs", version, about, max_term_width = 100, after_help = AFTER)]
struct Arguments {
    /// A script to run with its arguments; `doctor` tells what this machine allows; nothing: the prompt, or a pipe
    #[arg(value_name = "FILE.rhai")]
    script: Option<OsString>,
    /// What the script's `args()` gives
    #[arg(value_name = "ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
    /// Runs one piece of code and prints its value
    #[arg(short = 'e', value_name = "CODE", conflicts_with = "script")]
    code: Option<String>,
    /// The store's directory
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral", help = STORE)]
    store: Option<PathBuf>,
    /// Uses a store that is gone at the end
    #[arg(long)]
    ephemeral: bool,
    /// The driver for `mount()`
    #[arg(long, value_enum)]
    driver: Option<Driver>,
    /// Leaves mounts mounted at the end (root only)
    #[arg(long, conflicts_with = "ephemeral")]
    keep: bool,
    /// When to colour output
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    color: Color,
    /// Prints values as JSON, one document a line
    #[arg(long)]
    json: bool,
    /// Leaves out talk on stderr
    #[arg(long, short = 'q')]
    quiet: bool,
    /// Stays out of a user namespace
    #[arg(long)]
    no_userns: bool,
}

/// Clap takes the backticks of a doc comment as they are.
const STORE: &str = "The store's directory [default: $UFS_STORE, else the platform's data directory]";

const AFTER: &str = "Exit codes: 0 done, 1 the script failed, 2 wrong usage or a parse error, 3 this machine lacks \
    something, 4 the store is damaged; exit(n) as asked.\nAt the prompt: help()";

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Driver {
    Overlay,
    Fuse,
    Direct,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// Runs the program; gives the exit code.
pub fn main() -> u8 {
    // before any thread exists
    sys::clear_umask();
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = command(&words) {
        return code;
    }
    let arguments = match Arguments::try_parse_from(&words) {
        Ok(arguments) => arguments,
        Err(error) => return answered(&error),
    };
    let namespace = namespace::enter(!arguments.no_userns);
    if let Err(errno) = signals::install() {
        log::warn!("signals are not handled: {errno}");
    }
    sys::raise_file_limit();
    match settings(arguments, namespace) {
        Ok(settings) => shell::run(settings),
        Err((message, hint)) => {
            complain(&message, Some(hint));
            2
        }
    }
}

/// Runs what is neither a script nor the prompt: by the name that the program was started under, or by its first word.
fn command(words: &[OsString]) -> Option<u8> {
    let name = Path::new(words.first()?).file_name()?;
    if mount::is_helper(name) {
        return Some(mount::help_mount(words));
    }
    match words.get(1)?.to_str()? {
        "mount" => Some(mount::run(&words[1..])),
        _ => None,
    }
}

/// Prints help or what is wrong with the arguments; gives the exit code.
fn answered(error: &clap::Error) -> u8 {
    if let Err(error) = error.print() {
        log::debug!("the answer could not be printed: {error}");
    }
    if error.use_stderr() { 2 } else { 0 }
}

/// Prints an error to stderr.
fn complain(message: &str, hint: Option<&str>) {
    let err = Style {
        color: config::color(std::io::stderr().is_terminal()),
        unicode: config::unicode(),
        ..Style::plain(80)
    };
    let text = view::error(message, &[], hint, &err);
    if let Err(error) = std::io::stderr().write_all(text.as_bytes()) {
        log::debug!("stderr: {error}");
    }
}

fn settings(arguments: Arguments, namespace: namespace::State) -> Result<Settings, (String, &'static str)> {
    let epoch = config::source_date_epoch().map_err(|text| {
        (format!("`SOURCE_DATE_EPOCH` is `{text}`"), "it is a whole number of seconds since 1970")
    })?;
    let store = if arguments.ephemeral {
        StorePlace::Ephemeral
    } else {
        let dir = config::store_dir(arguments.store).ok_or((
            "there is no home directory to keep the store in".to_owned(),
            "name one: `--store DIR`, or use `--ephemeral`",
        ))?;
        StorePlace::Dir(dir)
    };
    let words = arguments.args;
    let source = match (arguments.code, arguments.script) {
        (Some(code), _) => Source::Code(code),
        (None, None) => Source::Stdin,
        (None, Some(word)) if word == "doctor" && words.is_empty() => Source::Doctor,
        (None, Some(file)) => Source::File(PathBuf::from(file)),
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
    let out = std::io::stdout();
    let err = std::io::stderr();
    Ok(Settings {
        source,
        args: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        out: style(out.is_terminal(), sys::terminal_size(&out)),
        err: style(err.is_terminal(), sys::terminal_size(&err)),
        json: arguments.json,
        quiet: arguments.quiet,
        history: config::history_file(),
        workspace: Options {
            store,
            driver: arguments.driver.map(|driver| match driver {
                Driver::Overlay => DriverKind::Overlay,
                Driver::Fuse => DriverKind::Fuse,
                Driver::Direct => DriverKind::Direct,
            }),
            keep: arguments.keep,
            epoch,
            namespace,
        },
    })
}
