//! `ufs mount`: a stack of directories by our FUSE union, in the words of `mount -t overlay` and of fuse-overlayfs.
//!
//! Needs no store. The same for mount(8), which starts helpers under the name `mount.TYPE`.
//!
//! # Source
//! mount(8), "EXTERNAL HELPERS"; fuse-overlayfs(1).

mod holding;
mod incompat;
mod known;
mod options;
mod remount;
mod serve;
mod unmount;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Parser};

use options::{Wanted, Wrong};

/// Mounts directories as one tree, in the place of `mount -t overlay` and fuse-overlayfs
///
/// By ufs' own union on FUSE. Goes into the background once the mount is ready.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER, override_usage = USAGE)]
pub(super) struct MountArguments {
    /// Mount options, separated by commas; may be given several times
    #[arg(short = 'o', value_name = "OPTIONS", action = ArgAction::Append)]
    options: Vec<OsString>,
    /// Stays in the foreground
    #[arg(short = 'f', long)]
    foreground: bool,
    /// Stays in the foreground and tells on stderr what it does
    #[arg(short = 'd', long)]
    debug: bool,
    /// Serves the mount by one thread
    #[arg(short = 's')]
    single: bool,
    /// Taken for the sake of `mount -t overlay`
    #[arg(short = 't', value_name = "TYPE", hide = true)]
    kind: Option<OsString>,
    /// The mount point; what is named before it is shown as the mount's source
    #[arg(value_name = "DIR", required = true, num_args = 1..=2)]
    words: Vec<OsString>,
}

const USAGE: &str =
    "ufs mount -o lowerdir=TOP[:NEXT...][,upperdir=DIR,workdir=DIR][,OPTION...] [-f] [SOURCE] DIR";

const AFTER: &str = "\
Layers:
  lowerdir=TOP[:NEXT...]  the read-only directories, top first;
                          in a name `\\:` `\\,` `\\\\` stand for `:` `,` `\\`
  lowerdir+=DIR           the same, one by one
  upperdir=DIR            takes the changes; without it the mount is read-only
  workdir=DIR             a scratch directory on the upper's file system
  xattrs=user|trusted     what marks opaque directories: `user.overlay.*` (so does
                          `userxattr`) or `trusted.overlay.*`, which is what root
                          of the machine gets, as with `mount -t overlay`
  whiteouts=wh            `.wh.NAME` and `.wh..wh..opq` count as deletions, too
Owners:
  squash_to_root, squash_to_uid=UID, squash_to_gid=GID
                          all files are shown to belong to them
  uidmapping=ON-DISK:SHOWN:COUNT[:...], gidmapping=...
                          how owners are shown, and the way back
File system:
  fsync=strict            a copied directory or empty file is synced, too, before it takes its name
  volatile (or fsync=0)   nothing is ever synced: the upper may be damaged after a power cut, and is mounted
                          again, by us or the kernel, only once workdir/work/incompat/volatile is removed
  ro, noacl, static_nlink, allow_other, allow_root, max_threads=N, fsname=NAME
Any mount:
  nodev, nosuid, noexec, nosymfollow, noatime, relatime, strictatime,
  nodiratime, sync, dirsync, lazytime, remount, ...

umount(8), SIGTERM, SIGINT and SIGHUP end the mount.
Exit codes: 0 mounted, 1 not mounted, 2 wrong usage, 3 this machine lacks something.";

/// As mount(8) starts its helpers.
#[derive(Parser, Debug)]
#[command(name = "mount.fuse.ufs", disable_help_flag = true, disable_version_flag = true)]
struct Helper {
    source: OsString,
    dir: PathBuf,
    #[arg(short = 'o', action = ArgAction::Append)]
    options: Vec<OsString>,
    /// Does everything but the mount.
    #[arg(short = 'f')]
    fake: bool,
    /// Options that are not known are left out.
    #[arg(short = 's')]
    sloppy: bool,
    /// There is no mtab that could be written.
    #[arg(short = 'n')]
    no_mtab: bool,
    #[arg(short = 'v')]
    verbose: bool,
    #[arg(short = 't')]
    kind: Option<OsString>,
    #[arg(short = 'N')]
    namespace: Option<OsString>,
}

/// What there is to do.
#[derive(Debug)]
struct Request {
    wanted: Wanted,
    dir: PathBuf,
    foreground: bool,
}

/// Why it was not done.
#[derive(Debug)]
struct Failure {
    message: String,
    hint: Option<String>,
    /// Whether the machine lacks something.
    lacks: bool,
}

impl Failure {
    fn new(message: String) -> Self {
        Self { message, hint: None, lacks: false }
    }

    fn hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.to_owned()), ..self }
    }
}

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Self {
        Self { message: wrong.message, hint: wrong.hint, lacks: false }
    }
}

/// The exit codes of the way that the program was called.
#[derive(Clone, Copy, Debug)]
struct Codes {
    usage: u8,
    failed: u8,
    lacks: u8,
}

const OWN: Codes = Codes { usage: 2, failed: 1, lacks: 3 };
/// As mount(8) has them.
const HELPER: Codes = Codes { usage: 1, failed: 32, lacks: 32 };

fn complain(failure: &Failure) {
    super::complain(&failure.message, failure.hint.as_deref());
}

fn bytes(options: &[OsString]) -> impl Iterator<Item = &[u8]> {
    options.iter().map(|string| string.as_os_str().as_bytes())
}

/// Runs `ufs mount`; gives the exit code.
pub(super) fn run(arguments: MountArguments) -> u8 {
    let mut wanted = match options::parse(bytes(&arguments.options)) {
        Ok(wanted) => wanted,
        Err(wrong) => {
            complain(&wrong.into());
            return OWN.usage;
        }
    };
    let mut words = arguments.words.into_iter().rev();
    let dir = words.next().unwrap_or_default();
    if let Some(source) = words.next() {
        wanted.source.get_or_insert(source.as_bytes().to_vec());
    }
    if arguments.single {
        wanted.threads = Some(1);
    }
    let debug = arguments.debug || wanted.debug;
    if debug {
        tell_all();
    }
    start(&Request { wanted, dir: dir.into(), foreground: arguments.foreground || debug }, OWN)
}

/// What mount(8) and umount(8) start as their helper, if the program was started under such a name.
pub(super) fn helper(name: &OsStr) -> Option<fn(&[OsString]) -> u8> {
    let name = Path::new(name).file_name()?.as_bytes();
    if name.starts_with(b"mount.") {
        Some(help_mount)
    } else {
        name.starts_with(b"umount.").then_some(unmount::help)
    }
}

/// Runs as a helper of mount(8); gives the exit code.
fn help_mount(words: &[OsString]) -> u8 {
    let arguments = match Helper::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => {
            return if super::answered(&error) == 0 { 0 } else { HELPER.usage };
        }
    };
    if let Some(namespace) = arguments.namespace {
        let message = format!("cannot mount in another namespace: `{}`", namespace.display());
        complain(&Failure::new(message).hint("`nsenter --mount=FILE mount …` does"));
        return HELPER.usage;
    }
    let parsed = if arguments.sloppy {
        options::parse_leaving_out(bytes(&arguments.options))
    } else {
        options::parse(bytes(&arguments.options))
    };
    let mut wanted = match parsed {
        Ok(wanted) => wanted,
        Err(wrong) => {
            complain(&wrong.into());
            return HELPER.usage;
        }
    };
    if arguments.fake {
        return 0;
    }
    wanted.source.get_or_insert(arguments.source.as_bytes().to_vec());
    let code = start(&Request { wanted, dir: arguments.dir.clone(), foreground: false }, HELPER);
    if arguments.verbose && code == 0 {
        let source = arguments.source.display();
        let told = writeln!(std::io::stdout(), "ufs: {source} mounted on {}", arguments.dir.display());
        if let Err(error) = told {
            log::debug!("stdout: {error}");
        }
    }
    code
}

/// Mounts, or changes a mount.
fn start(request: &Request, codes: Codes) -> u8 {
    if request.wanted.remount {
        return match remount::hand_on(request) {
            Ok(code) => code,
            Err(failure) => {
                complain(&failure);
                codes.failed
            }
        };
    }
    if let Err(wrong) = request.wanted.check() {
        complain(&wrong.into());
        return codes.usage;
    }
    serve::start(request, codes)
}

/// Tells on stderr what is done.
fn tell_all() {
    struct Stderr;
    impl log::Log for Stderr {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            // there is nowhere else to tell that this failed
            drop(writeln!(std::io::stderr(), "{}: {}", record.target(), record.args()));
        }
        fn flush(&self) {}
    }
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(log::LevelFilter::Debug);
    }
}
