//! The one way from a script to the host: under `--sandbox` only what was allowed passes.
//!
//! Whatever touches a path of the host takes a [`ToRead`] or a [`ToWrite`], and only the gate makes these. The kernel
//! holds the same rules (`sys::sandbox`), for what a path becomes after the gate has seen it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use super::{Act, Error, Workspace};
use crate::sys::Dir;
use crate::sys::sandbox::{self, Rules};

/// What a sandbox lets a script reach on the host: real paths, with all beneath them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sandbox {
    /// To be read.
    pub read: Vec<PathBuf>,
    /// To be read and written.
    pub write: Vec<PathBuf>,
    /// Whether this process has mounts of its own already.
    pub separated: bool,
}

/// A path of the host that may be read.
#[derive(Clone, Debug)]
pub struct ToRead(PathBuf);

/// A path of the host that may be made or written.
#[derive(Clone, Debug)]
pub struct ToWrite(PathBuf);

impl ToRead {
    /// The path to open.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl ToWrite {
    /// The path to write.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// What a script wants of the host beside paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// Another program.
    Program,
    /// A variable of the environment.
    Variable,
    /// A mount that others see.
    Mount,
}

pub(super) const READ: &str = "read";
pub(super) const WRITE: &str = "write";
pub(super) const MOUNT: &str = "make a mount";
pub(super) const VARIABLE: &str = "read the environment";

impl Workspace {
    /// Lets a path pass that is to be read.
    ///
    /// # Errors
    /// [`Error::Sandbox`].
    pub fn to_read(&self, path: &Path) -> Result<ToRead, Error> {
        let Some(sandbox) = &self.0.options.sandbox else { return Ok(ToRead(path.to_owned())) };
        match real(path) {
            Some(real) if within(&real, &sandbox.read) || within(&real, &sandbox.write) => Ok(ToRead(real)),
            real => Err(Error::Sandbox { act: READ, path: Some(real.unwrap_or_else(|| path.to_owned())) }),
        }
    }

    /// Lets a path pass that is to be made or written.
    ///
    /// # Errors
    /// [`Error::Sandbox`].
    pub fn to_write(&self, path: &Path) -> Result<ToWrite, Error> {
        let Some(sandbox) = &self.0.options.sandbox else { return Ok(ToWrite(path.to_owned())) };
        match real(path) {
            Some(real) if within(&real, &sandbox.write) => Ok(ToWrite(real)),
            real => Err(Error::Sandbox { act: WRITE, path: Some(real.unwrap_or_else(|| path.to_owned())) }),
        }
    }

    /// Enters the sandbox that is asked for: from now on the kernel holds its rules, too. Tells, in notes, what of it this
    /// machine does not have.
    ///
    /// # Errors
    /// [`Error::NoSandbox`]; those of the store, which must be there before.
    pub fn confine(&self) -> Result<(), Error> {
        let Some(sandbox) = &self.0.options.sandbox else { return Ok(()) };
        let store = self.store()?;
        store.prepare_end()?;
        store.finish_removals();
        let rules = Rules { read: sandbox.read.clone(), write: sandbox.write.clone(), own: store.places() };
        let missing = sandbox::enter(&rules, sandbox.separated).map_err(|why| Error::NoSandbox { why })?;
        for missing in missing {
            self.note(format!(
                "this kernel has no {missing}: what that would guard in the sandbox is guarded by ufs alone"
            ));
        }
        Ok(())
    }

    /// Opens a directory of the host to be read.
    pub(super) fn open_host(&self, dir: &Path) -> Result<Dir, Error> {
        let told = |errno| Error::Host { act: Act::List, path: dir.to_owned(), errno };
        Dir::open(self.to_read(dir)?.path()).map_err(told)
    }

    /// Lets something pass that is no path.
    ///
    /// # Errors
    /// [`Error::Sandbox`].
    pub fn may(&self, want: Want) -> Result<(), Error> {
        if self.0.options.sandbox.is_none() {
            return Ok(());
        }
        let act = match want {
            Want::Program => "run another program",
            Want::Variable => VARIABLE,
            Want::Mount => MOUNT,
        };
        Err(Error::Sandbox { act, path: None })
    }
}

fn within(real: &Path, allowed: &[PathBuf]) -> bool {
    allowed.iter().any(|dir| real.starts_with(dir))
}

/// Where a path leads, symlinks followed; of what is not there yet, where it would be made. `None` where that cannot be
/// told: a symlink that leads nowhere, a directory that is missing.
fn real(path: &Path) -> Option<PathBuf> {
    if let Ok(real) = path.canonicalize() {
        // names such as `pipe:[1]` that are no paths
        return real.is_absolute().then_some(real);
    }
    if path.symlink_metadata().is_ok() || path.as_os_str().as_bytes().ends_with(b"/") {
        return None;
    }
    let Component::Normal(name) = path.components().next_back()? else { return None };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(OsStr::new(".")));
    Some(dir.canonicalize().ok()?.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_where_it_leads() {
        let host = tempfile::tempdir().unwrap();
        let dir = host.path().canonicalize().unwrap();
        std::fs::create_dir(dir.join("in")).unwrap();
        std::os::unix::fs::symlink("/etc", dir.join("in/out")).unwrap();
        std::os::unix::fs::symlink("../nowhere", dir.join("in/gone")).unwrap();
        let real = |path: &str| super::real(&dir.join(path));
        assert_eq!(real("in/new"), Some(dir.join("in/new")));
        assert_eq!(real("in/../in/new"), Some(dir.join("in/new")));
        assert_eq!(real("in/out/passwd"), Some(PathBuf::from("/etc/passwd")));
        assert_eq!(real("in/out/new"), Some(PathBuf::from("/etc/new")));
        for none in ["in/gone", "in/no/new", "in/no/..", "in/new/"] {
            assert_eq!(real(none), None, "{none}");
        }
    }
}
