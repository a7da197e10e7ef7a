//! Runs the built program with a store of its own and a clean environment, and tells all that a user sees.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A place to run the program in: a directory that is its working directory, home and store.
pub(crate) struct Place {
    dir: TempDir,
    env: Vec<(String, String)>,
}

/// What a run showed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), env: Vec::new() }
    }

    /// With one more environment variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// Writes a file beside the store.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program, ready to start.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ufs"));
        self.prepare(&mut command, &[]);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Gives a command this place, some variables and nothing of the environment that the tests run in, but for
    /// `PATH`; what the place itself has been given counts.
    pub(crate) fn prepare(&self, command: &mut Command, variables: &[(&str, &str)]) {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path()).env("TMPDIR", self.path()).env("LC_ALL", "C");
        command.env("UFS_STORE", self.store()).current_dir(self.path());
        command.envs(variables.iter().copied());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).spawn().unwrap())
    }

    /// `ufs -e CODE`.
    pub(crate) fn code(&self, code: &str) -> Ran {
        self.run(&["-e", code])
    }

    /// `ufs script.rhai ARGS`.
    pub(crate) fn script(&self, text: &str, args: &[&str]) -> Ran {
        self.file("script.rhai", text);
        self.run(&[&["script.rhai"], args].concat())
    }

    /// `cmd | ufs ARGS`.
    pub(crate) fn pipe(&self, text: &[u8], args: &[&str]) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text).unwrap();
        Ran::of(child)
    }
}

impl Ran {
    pub(crate) fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            out: text(output.stdout),
            err: text(output.stderr),
            code: output.status.code().unwrap_or_else(|| panic!("a signal ended it: {}", output.status)),
        }
    }

    /// Demands that all went well; gives stdout.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self.out
    }

    /// Demands an exit code; gives stderr.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self.err
    }
}

/// Demands that a text holds each of these.
#[track_caller]
pub(crate) fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

/// Whether kernel overlays work here; says why a test is left out where not, and fails instead with `CI=true`.
pub(crate) fn overlay_works() -> bool {
    driver_works("overlay")
}

/// The same of any driver.
pub(crate) fn driver_works(driver: &str) -> bool {
    let place = Place::new();
    let ran = place.code(&format!("mount_{driver}(layer(\"probe\")); ()"));
    if ran.code == 0 {
        return true;
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{driver} mounts are needed: {}", ran.err);
    eprintln!("left out: {driver} mounts do not work here: {}", ran.err);
    false
}

/// Whether FUSE mounts work here; says why a test is left out where not, and fails instead with `CI=true`.
pub(crate) fn fuse_works() -> bool {
    let ran = Place::new().code("mount_fuse(layer(\"probe\")); ()");
    if ran.code == 0 {
        return true;
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "FUSE mounts are needed: {}", ran.err);
    eprintln!("left out: FUSE mounts do not work here: {}", ran.err);
    false
}
