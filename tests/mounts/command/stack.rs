//! Directories for a mount, and the program that mounts them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ufs::sys::{Dir, holder, mountinfo, probe};

use crate::host::{skip, with_mounts};

/// The program under test.
pub(super) fn ufs() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ufs"));
    command.stdin(Stdio::null());
    command
}

/// What a program said and how it ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Ran {
    #[track_caller]
    pub(super) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It failed with this code and said these words.
    #[track_caller]
    pub(super) fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` in {}", self.err);
        }
    }
}

/// Two lower layers, an upper, a work directory and a mount point in one directory.
pub(super) struct Stack {
    pub(super) dir: PathBuf,
}

/// Runs a test with a stack, where FUSE can mount.
pub(super) fn with_stack(scratch: &Path, test: impl FnOnce(Stack)) {
    if let Err(no) = probe::fuse_device() {
        return skip(&no.reason);
    }
    let dir = scratch.join("stack");
    for name in ["top", "base", "base/d", "upper", "work", "merged"] {
        fs::create_dir_all(dir.join(name)).unwrap();
    }
    fs::write(dir.join("base/file"), "base").unwrap();
    fs::write(dir.join("base/d/deep"), "deep").unwrap();
    fs::write(dir.join("top/file"), "top").unwrap();
    test(Stack { dir });
}

/// The two in one.
pub(super) fn on_stack<F: FnOnce(&Path)>(test: F) {
    with_mounts(test);
}

pub(super) const WRITABLE: &str = "lowerdir=top:base,upperdir=upper,workdir=work";

impl Stack {
    pub(super) fn at(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.dir.join(name.as_ref())
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    pub(super) fn open(&self, name: &str) -> fs::File {
        fs::File::open(self.at(name)).unwrap()
    }

    /// Runs the program with these words in the stack's directory.
    pub(super) fn run<W: AsRef<OsStr>>(&self, words: &[W]) -> Ran {
        ufs().current_dir(&self.dir).args(words).output().unwrap().into()
    }

    /// `ufs mount -o OPTIONS merged`, all by relative paths.
    pub(super) fn mount(&self, options: impl Into<OsString>) -> Ran {
        self.run(&["mount".into(), "-o".into(), options.into(), OsString::from("merged")])
    }

    pub(super) fn umount(&self) {
        let ran: Ran = Command::new("umount").arg(self.at("merged")).output().unwrap().into();
        ran.ok();
    }

    pub(super) fn is_mounted(&self) -> bool {
        mountinfo::inside(&self.dir).unwrap().contains(&self.at("merged"))
    }

    /// The server of this stack's mount: who has the lock of its work directory.
    pub(super) fn server(&self) -> Option<u32> {
        holder::of_lock(&Dir::open(&self.at("work")).unwrap()).map(|user| user.pid)
    }

    /// The kernel's own overlay of the same.
    pub(super) fn mount_by_the_kernel(&self, options: &str) -> Ran {
        let mut command = Command::new("mount");
        command.current_dir(&self.dir).args(["-t", "overlay", "o", "-o", options, "merged"]);
        command.output().unwrap().into()
    }
}

/// Waits until something is so.
#[track_caller]
pub(super) fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process runs (a zombie does not).
pub(super) fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
