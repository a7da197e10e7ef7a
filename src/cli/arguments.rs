//! The definition of the command line: help, completions and the manual page all come from it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::aot::Shell as Completed;

use super::mount::MountArguments;
use super::version;
use crate::driver::DriverKind;

/// Explore, build, mount and commit container file-system layers.
#[derive(Parser, Debug)]
#[command(
    name = "ufs",
    version,
    long_version = version::long(),
    about,
    max_term_width = 100,
    override_usage = USAGE,
    after_help = AFTER,
    disable_help_subcommand = true
)]
pub(super) struct Arguments {
    /// A script to run, and its arguments; one that has the name of a command is run as ./NAME
    #[arg(
        value_names = ["FILE.rhai", "ARG"],
        num_args = 0..,
        trailing_var_arg = true,
        conflicts_with = "code",
        value_hint = ValueHint::FilePath
    )]
    pub(super) words: Vec<OsString>,
    /// Runs a piece of code and prints its value; several, one after the other, print that of the last
    #[arg(short = 'e', value_name = "CODE", allow_hyphen_values = true, value_hint = ValueHint::Other)]
    pub(super) code: Vec<String>,
    /// The store's directory
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral", help = STORE, value_hint = ValueHint::DirPath)]
    pub(super) store: Option<PathBuf>,
    /// Uses a store that is gone at the end
    #[arg(long)]
    pub(super) ephemeral: bool,
    /// Uses, as root, a store that belongs to another user
    #[arg(long, conflicts_with = "ephemeral")]
    pub(super) as_root: bool,
    /// Whether to wait for the disk: with off, what is done may be lost or damaged if the machine stops
    #[arg(
        long,
        value_enum,
        value_name = "on|off",
        default_value = "on",
        conflicts_with = "ephemeral",
        hide_possible_values = true
    )]
    sync: Sync,
    /// The driver that mount takes: overlay, fuse or direct
    #[arg(long, value_enum, hide_possible_values = true)]
    driver: Option<Driver>,
    /// Leaves mounts mounted at the end (root only)
    #[arg(long, conflicts_with = "ephemeral")]
    pub(super) keep: bool,
    /// When to colour output: auto, always or never
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        global = true,
        hide_possible_values = true
    )]
    pub(super) color: Color,
    /// Prints values as JSON, one document a line
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Leaves out talk on stderr
    #[arg(long, short = 'q', global = true)]
    pub(super) quiet: bool,
    /// Begins the prompt without ~/.config/ufs/init.rhai
    #[arg(long)]
    pub(super) no_init: bool,
    /// Shows long answers at the prompt without a pager
    #[arg(long)]
    pub(super) no_pager: bool,
    /// The most memory that a script, or an entry at the prompt, may take: 512M, 8G [default: a quarter of the machine's]
    #[arg(long, value_name = "SIZE", value_parser = size, value_hint = ValueHint::Other)]
    pub(super) limit_memory: Option<usize>,
    /// The stack for nested calls and values: 4G [default: 1G]
    #[arg(long, value_name = "SIZE", value_parser = size, value_hint = ValueHint::Other)]
    pub(super) limit_stack: Option<usize>,
    /// The most operations that a script, or an entry at the prompt, may make
    #[arg(long, value_name = "N", value_hint = ValueHint::Other)]
    pub(super) limit_ops: Option<u64>,
    /// The most time that a script, or an entry at the prompt, may take: 500ms, 30s, 10m, 2h
    #[arg(long, value_name = "DURATION", value_parser = duration, value_hint = ValueHint::Other)]
    pub(super) limit_time: Option<Duration>,
    /// For other people's scripts: no programs, no network, no mounts, and no paths but those that are allowed
    #[arg(long, conflicts_with_all = ["keep", "as_root"])]
    pub(super) sandbox: bool,
    /// With --sandbox: a file or directory of the host that scripts may read; may be given several times
    #[arg(long, value_name = "PATH", requires = "sandbox", value_hint = ValueHint::AnyPath)]
    pub(super) allow_read: Vec<PathBuf>,
    /// With --sandbox: a directory of the host that scripts may read and write; may be given several times
    #[arg(long, value_name = "DIR", requires = "sandbox", value_hint = ValueHint::DirPath)]
    pub(super) allow_write: Vec<PathBuf>,
    /// Stays out of a user namespace
    #[arg(long)]
    pub(super) no_userns: bool,
    /// What to do instead of running a script.
    #[command(subcommand)]
    pub(super) word: Option<Word>,
}

/// A first word that is no script.
#[derive(Subcommand, Clone, Debug)]
pub(super) enum Word {
    /// Tells what this machine allows; each "no" with its reason and its cure
    Doctor,
    /// Frees the layers that nothing names or uses, and what programs left that ended early
    Gc {
        /// Only lists what would go, and why
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
    /// Drops the names that were not used for so long and that no mount stands on, then as gc
    Prune {
        /// How long: 30d, 12h, 1d12h
        #[arg(value_hint = ValueHint::Other)]
        older_than: String,
        /// Only lists what would go, and why
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
    /// Tells what each layer, name, draft and upper takes on disk, and what could be freed
    Du,
    Mount(MountArguments),
    /// Looks through the store for damage, and changes nothing
    Check {
        /// Reads every file of every layer, too
        #[arg(long)]
        deep: bool,
    },
    /// Says what would put the store right; with --yes, does it
    Repair {
        /// Does it
        #[arg(long)]
        yes: bool,
    },
    /// Prints the completions for a shell: bash, zsh or fish
    Completions {
        /// For which shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Prints the manual page
    Man,
    /// Prints the definitions of all calls, for editors with a Rhai language server
    Definitions,
}

const USAGE: &str = "ufs [OPTIONS]                           the prompt; in a pipe, a script from stdin
       ufs [OPTIONS] FILE.rhai [ARG]...        `-`: a script from stdin
       ufs [OPTIONS] -e CODE [-e CODE]...
       ufs [OPTIONS] COMMAND";

/// Clap takes the backticks of a doc comment as they are.
const STORE: &str = "The store's directory [default: $UFS_STORE, else the platform's data directory]";

const AFTER: &str = "Exit codes: 0 done, 1 the script failed, 2 wrong usage or a parse error, 3 this machine lacks \
    something, 4 the store is damaged, 70 ufs itself failed; exit(n) as asked.\nAt the prompt: help()";

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Driver {
    Overlay,
    Fuse,
    Direct,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Sync {
    On,
    Off,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    /// The same for the crate that writes the completions.
    pub(super) fn completed(self) -> Completed {
        match self {
            Self::Bash => Completed::Bash,
            Self::Zsh => Completed::Zsh,
            Self::Fish => Completed::Fish,
        }
    }
}

/// A number of bytes: `4096`, `64K`, `512M`, `8G`.
fn size(text: &str) -> Result<usize, String> {
    let (digits, shift) = match text.trim_end_matches(|c: char| c.is_ascii_alphabetic()) {
        digits if digits.len() == text.len() => (digits, 0),
        digits => match text[digits.len()..].to_ascii_uppercase().as_str() {
            "K" => (digits, 10),
            "M" => (digits, 20),
            "G" => (digits, 30),
            "T" => (digits, 40),
            _ => return Err("a size is a number of bytes, or one with K, M, G or T behind it".to_owned()),
        },
    };
    let number: usize = digits.parse().map_err(|_| "a size is a number such as 512M or 8G".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is more than there can be".to_owned())
}

/// A time: `500ms`, `30s`, `10m`, `2h`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let millis = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a time is a number with ms, s, m or h behind it".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "a time is a number such as 30s or 10m".to_owned())?;
    let millis = number.checked_mul(millis).filter(|millis| *millis > 0);
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| "a time is more than 0, and less than for ever".to_owned())
}

impl Arguments {
    /// The arguments of this process.
    pub(super) fn of_process() -> Result<Self, clap::Error> {
        let arguments = Self::try_parse()?;
        if !arguments.code.is_empty() && arguments.word.is_some() {
            let message = "the argument '-e <CODE>' cannot be used with a command";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, message));
        }
        let mounts = matches!(arguments.driver, Some(Driver::Overlay | Driver::Fuse));
        if arguments.sandbox && (mounts || matches!(arguments.word, Some(Word::Mount(_)))) {
            let message = "under '--sandbox' nothing is mounted: the driver is `direct`";
            return Err(Self::command().error(ErrorKind::ArgumentConflict, message));
        }
        Ok(arguments)
    }

    /// Whether the store waits for the disk.
    pub(super) fn syncs(&self) -> bool {
        self.sync == Sync::On
    }

    /// The driver that `mount()` takes, where it is to be a certain one.
    pub(super) fn driver(&self) -> Option<DriverKind> {
        self.driver.map(|driver| match driver {
            Driver::Overlay => DriverKind::Overlay,
            Driver::Fuse => DriverKind::Fuse,
            Driver::Direct => DriverKind::Direct,
        })
    }
}
