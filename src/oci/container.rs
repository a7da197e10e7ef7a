//! What holds the parts of an image by name: a directory or an archive.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use super::blob::{Extent, Plain as _};
use super::members::Members;
use crate::model::{Digest, LayerPath};
use crate::sys::{Dir, Errno, file, signals};
use crate::tar::{Form, Peeked, unpacked};

/// The most bytes that come out of an archive that is compressed as a whole.
const MOST: u64 = 64 << 30;
/// So many times its own size is possible; what grows more is made to harm.
const RATIO: u64 = 2000;
/// So much is always possible.
const FREE: u64 = 1 << 30;

/// Files by their names.
#[derive(Debug)]
pub(super) enum Container {
    /// A directory.
    Dir(Dir),
    /// An archive.
    Archive(Members),
}

/// What a path turned out to be.
pub(super) enum Looked {
    /// Something with files in it.
    Container(Container),
    /// Neither a directory nor a tar.
    Other(&'static str),
}

impl Container {
    /// The directory or the tar at a path; a tar that is compressed, or comes out of a pipe, is written into a file without
    /// a name in `scratch` first.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Tar`], [`Error::TooBig`].
    pub(super) fn open(path: &Path, scratch: &Path) -> Result<Looked, Error> {
        let meta = path.metadata().map_err(Error::io("open", path))?;
        if meta.is_dir() {
            let dir = Dir::open(path).map_err(|errno| Error::io("open", path)(errno.into()))?;
            return Ok(Looked::Container(Self::Dir(dir)));
        }
        let opened = file::open_waiting(path).map_err(|errno| Error::io("open", path)(errno.into()))?;
        let whole = if meta.is_file() {
            opened
        } else {
            let most = scratch_file(scratch, path)?;
            copy(opened, most, u64::MAX, path)?
        };
        Self::of_file(whole, path, scratch)
    }

    fn of_file(whole: File, path: &Path, scratch: &Path) -> Result<Looked, Error> {
        let whole = Arc::new(whole);
        let extent = Extent::whole(Arc::clone(&whole)).map_err(Error::io("read", path))?;
        let peeked =
            Peeked::new(super::stream::Stream::new(extent.clone())).map_err(Error::io("read", path))?;
        match peeked.form() {
            Form::Tar => Ok(Looked::Container(Self::Archive(Members::read(extent, path)?))),
            Form::Foreign(what) => Ok(Looked::Other(what)),
            Form::Other => Ok(Looked::Other("no archive")),
            Form::Compressed(how) => {
                let wrong = |source| Error::Tar { what: path.display().to_string(), source };
                let inner = unpacked(peeked, how).map_err(wrong)?;
                if inner.form() != Form::Tar {
                    return Ok(Looked::Other("compressed, and no tar inside"));
                }
                let most = extent.len().saturating_mul(RATIO).clamp(FREE, MOST);
                let plain = copy(inner, scratch_file(scratch, path)?, most, path)?;
                let plain = Extent::whole(Arc::new(plain)).map_err(Error::io("read", path))?;
                Ok(Looked::Container(Self::Archive(Members::read(plain, path)?)))
            }
        }
    }

    /// A file by its name; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a name that leads outside, also by a link; [`Error::Io`].
    pub(super) fn find(&self, name: &str) -> Result<Option<Extent>, Error> {
        let name = LayerPath::parse(name.as_bytes()).map_err(|error| {
            Error::damaged("the image", format!("it names the file `{}`: {error}", name.escape_default()))
        })?;
        match self {
            Self::Archive(members) => members.find(&name),
            Self::Dir(dir) => {
                let what = || format!("{name:?} in the directory");
                match dir.file_beneath(&name) {
                    Ok(file) => {
                        let meta =
                            file.metadata().map_err(|error| Error::damaged(what(), error.to_string()))?;
                        if !meta.is_file() {
                            return Err(Error::damaged(what(), "it is no plain file"));
                        }
                        Ok(Some(Extent::new(Arc::new(file), 0, meta.len())))
                    }
                    Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
                    Err(Errno::LOOP) => {
                        Err(Error::damaged(what(), "it is a symlink, which could lead anywhere"))
                    }
                    Err(errno) => {
                        let path = PathBuf::from(String::from_utf8_lossy(name.as_bytes()).into_owned());
                        Err(Error::io("open", &path)(errno.into()))
                    }
                }
            }
        }
    }

    /// A blob by its digest.
    ///
    /// # Errors
    /// As [`Container::find`].
    pub(super) fn blob(&self, digest: Digest) -> Result<Option<Extent>, Error> {
        self.find(&format!("blobs/sha256/{}", digest.hex()))
    }
}

fn scratch_file(scratch: &Path, path: &Path) -> Result<File, Error> {
    file::without_name(scratch).map_err(|errno| Error::io("make room for", path)(errno.into()))
}

/// Writes a stream into a file.
fn copy(mut from: impl io::Read, mut to: File, most: u64, path: &Path) -> Result<File, Error> {
    let mut buffer = vec![0; 1 << 17];
    let mut size = 0_u64;
    loop {
        if signals::interrupted() {
            return Err(Error::Interrupted);
        }
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(to),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(Error::io("read", path))?,
        };
        size += read as u64;
        if size > most {
            return Err(Error::TooBig {
                what: format!("what is compressed in {}", path.display()),
                size,
                limit: most,
            });
        }
        to.write_all(&buffer[..read]).map_err(Error::io("make room for", path))?;
    }
}
