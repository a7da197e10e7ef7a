//! `sh`: a host shell in the merged directory.

use super::Act;
use super::error::Error;
use super::{DriverKind, Mount, Want};
use crate::model::LayerPath;
use crate::sys::{Dir, process};

pub use crate::sys::process::Stream;

/// What a shell command gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShellResult {
    /// Its exit code; 128 + the signal's number if a signal ended it.
    pub code: i32,
    /// All it wrote to stdout.
    pub out: Vec<u8>,
    /// All it wrote to stderr.
    pub err: Vec<u8>,
}

/// How much of a failed command's stderr goes into the hint, in bytes.
const TOLD: usize = 400;

impl Mount {
    /// Runs `sh -c COMMAND` in the merged directory, handing on its output as it comes.
    ///
    /// # Errors
    /// [`Error::Command`] for a code that is not 0, if `check`; [`Error::Unsupported`] with `direct`.
    pub fn sh(
        &self,
        command: &str,
        check: bool,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<ShellResult, Error> {
        self.workspace().may(Want::Program)?;
        if !self.mounted() {
            self.record()?;
            return Err(Error::NotMounted { name: self.name() });
        }
        let Some(path) = self.path() else {
            return Err(Error::Unsupported { what: "a host shell", driver: DriverKind::Direct });
        };
        let dir = Dir::open(&path).map_err(|errno| Error::File {
            act: Act::Run,
            path: LayerPath::root(),
            errno,
        })?;
        let ended = process::shell(command, &dir, &[], output)
            .map_err(|cause| Error::host(Act::Run, &path, &cause))?;
        if ended.interrupted {
            return Err(Error::Interrupted);
        }
        let result = ShellResult { code: ended.code, out: ended.out, err: ended.err };
        if check && result.code != 0 {
            let start = result.err.len().saturating_sub(TOLD);
            let err = String::from_utf8_lossy(&result.err[start..]).trim().to_owned();
            return Err(Error::Command { command: command.to_owned(), code: result.code, err });
        }
        Ok(result)
    }
}
