//! A layer's tar as a file on the host, whole or not at all.

use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Error, Store};
use crate::model::TreeId;
use crate::sys::Errno;

/// How much is written at once, in bytes.
const BUFFER: usize = 256 * 1024;

impl Store {
    /// Writes a layer's canonical tar to a host file; one that is there is replaced at the end.
    ///
    /// # Errors
    /// [`Error::Io`] with the host path; those of [`Store::export_tar`].
    pub fn export_tar_to(&self, id: TreeId, host: &Path) -> Result<(), Error> {
        let failed = |what| {
            move |error: std::io::Error| Error::Io {
                what,
                path: host.to_owned(),
                errno: Errno::from_io_error(&error).unwrap_or(Errno::IO),
            }
        };
        let dir = host.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new()
            .prefix(".ufs-export-")
            .permissions(std::fs::Permissions::from_mode(0o644))
            .tempfile_in(dir)
            .map_err(failed("write"))?;
        let mut out = BufWriter::with_capacity(BUFFER, file);
        self.export_tar(id, &mut out)?;
        out.flush().map_err(failed("write"))?;
        let file = out.into_inner().map_err(|error| failed("write")(error.into_error()))?;
        file.persist(host).map_err(|error| failed("write")(error.error))?;
        Ok(())
    }
}
