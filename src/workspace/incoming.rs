//! What is unpacked instead of copied: a tar in a file or out of a pipe, compressed or not.
//!
//! What it is, its content says, not its name. Archives that are not understood and whole images are errors: as one opaque
//! file in a layer they would be of no use to anybody who did not ask for just that.

use std::cell::Cell;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::rc::Rc;

use super::Act;
use super::error::Error;
use crate::sys::{Errno, file};
use crate::tar::{Form, Peeked, TarError, is_image, may_be_image, tells_of_image, unpacked};

const AS_A_FILE: &str = "tars are unpacked, also those in gzip, zstd, xz and bzip2; `#{ unpack: false }` as the last argument adds it as a file";
const ONE_BY_ONE: &str = "a layer is one tar: add those that its manifest lists, each to a layer of its own, the lowest first; `#{ unpack: false }` as \
     the last argument adds it as it is";
const INTO_A_FILE: &str = "write what comes to a file, and add that";

/// What is in a tar, and whether the host's file is the tar itself.
type Found = (Box<dyn Read>, bool);

/// A tar to unpack.
pub(super) struct Incoming {
    stream: Box<dyn Read>,
    stopped: Rc<Cell<bool>>,
    plain: bool,
}

impl Incoming {
    /// Whether the host's file is the tar itself.
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Reads what comes behind the tar: a checksum may stand there, and who writes into a pipe wants to end.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        if self.plain {
            return Ok(());
        }
        let rest = io::copy(&mut self.stream, &mut io::sink());
        rest.map(drop).map_err(|source| TarError::Behind { source }.into())
    }

    /// Whether reading ended for a signal.
    pub(super) fn was_stopped(&self) -> bool {
        self.stopped.get()
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

/// The tar that a host path is, or that comes from it; `None` if that is to be copied.
pub(super) fn tar(host: &Path, kind: &Metadata) -> Result<Option<Incoming>, Error> {
    let image =
        || Error::NoLayer { path: host.to_owned(), what: "a whole image".to_owned(), instead: ONE_BY_ONE };
    if kind.is_dir() {
        return if holds_layout(host) { Err(image()) } else { Ok(None) };
    }
    let pipe = kind.file_type().is_fifo();
    if !pipe && !kind.is_file() {
        return Ok(None);
    }
    let Some(mut found) = open(host)? else {
        let what = "a pipe, and what comes out of it is no tar".to_owned();
        let error = Error::NoLayer { path: host.to_owned(), what, instead: INTO_A_FILE };
        return if pipe { Err(error) } else { Ok(None) };
    };
    if pipe {
        found.plain = false;
        let Incoming { stream, stopped, plain } = found;
        let looked = look_for_image(host, stream);
        if stopped.get() {
            return Err(Error::Interrupted);
        }
        let Some(stream) = looked? else { return Err(image()) };
        found = Incoming { stream, stopped, plain };
    } else if let Some(again) = open(host)?
        && is_image(again)?
    {
        return Err(image());
    }
    Ok(Some(found))
}

/// A tar out of a pipe, from its beginning; `None` if it is a whole image. Only one that begins as such do is looked
/// through, and kept in a file without a name meanwhile, as a pipe cannot be read twice.
fn look_for_image(host: &Path, stream: Box<dyn Read>) -> Result<Option<Box<dyn Read>>, Error> {
    let told = |cause: io::Error| Error::host(Act::Add, host, &cause);
    let stream = Peeked::new(stream).map_err(told)?;
    if !may_be_image(stream.head()) {
        return Ok(Some(Box::new(stream)));
    }
    let kept = file::without_name(&std::env::temp_dir()).map_err(|errno| told(errno.into()))?;
    let mut tee = Tee { stream, kept };
    if is_image(&mut tee)? {
        return Ok(None);
    }
    tee.kept.rewind().map_err(told)?;
    Ok(Some(Box::new(tee.kept.chain(tee.stream))))
}

/// A stream that is written down as it is read.
struct Tee {
    stream: Peeked<Box<dyn Read>>,
    kept: File,
}

impl Read for Tee {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.kept.write_all(&buffer[..count])?;
        Ok(count)
    }
}

/// Opens a path, and looks what is in it; `None` if that is no tar.
fn open(host: &Path) -> Result<Option<Incoming>, Error> {
    let stopped = Rc::new(Cell::new(false));
    let file = file::open_waiting(host).map_err(told(host))?;
    let looked = look(host, Stoppable { file, stopped: Rc::clone(&stopped) });
    if stopped.get() {
        return Err(Error::Interrupted);
    }
    Ok(looked?.map(|(stream, plain)| Incoming { stream, stopped, plain }))
}

fn look(host: &Path, stream: Stoppable) -> Result<Option<Found>, Error> {
    let foreign = |what: String| Error::NoLayer { path: host.to_owned(), what, instead: AS_A_FILE };
    let stream = Peeked::new(stream).map_err(|cause| Error::host(Act::Add, host, &cause))?;
    let how = match stream.form() {
        Form::Tar => return Ok(Some((Box::new(stream), true))),
        Form::Foreign(what) => return Err(foreign(what.to_owned())),
        Form::Other => return Ok(None),
        Form::Compressed(how) => how,
    };
    let inner = unpacked(stream, how)?;
    match inner.form() {
        Form::Tar => Ok(Some((Box::new(inner), false))),
        Form::Foreign(what) => Err(foreign(format!("{what}, in {}", how.name()))),
        Form::Compressed(again) => {
            Err(foreign(format!("compressed twice, with {} and {}", again.name(), how.name())))
        }
        Form::Other => Ok(None),
    }
}

/// Whether a directory is an OCI layout.
fn holds_layout(dir: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(dir.join("oci-layout")).and_then(|file| file.take(4096).read_to_end(&mut start));
    read.is_ok() && tells_of_image(b"oci-layout", &start)
}

fn told(host: &Path) -> impl Fn(Errno) -> Error {
    move |errno| match errno {
        Errno::INTR => Error::Interrupted,
        errno => Error::Host { act: Act::Add, path: host.to_owned(), errno },
    }
}

/// Ends at a signal, also where it waits for who writes.
struct Stoppable {
    file: File,
    stopped: Rc<Cell<bool>>,
}

impl Read for Stoppable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        file::read_waiting(&self.file, buffer).map_err(|errno| {
            if errno != Errno::INTR {
                return errno.into();
            }
            // an error of the kind `Interrupted` would be tried again
            self.stopped.set(true);
            io::Error::other("interrupted")
        })
    }
}
