//! An OCI image layout: a directory of blobs and an index.
//!
//! Images that are there stay, and so does everything in the index that is not understood.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Read as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Error, NAME};
use crate::model::{DiffId, Digest};
use crate::oci::pack::Packed;
use crate::sys;

/// What `oci-layout` holds.
pub(super) const MARK: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The longest index that is changed, in bytes.
const MOST: u64 = 16 << 20;
/// How much is written at once, in bytes.
const BUFFER: usize = 256 * 1024;

/// A layout that is written into; nobody else of us writes into it at the same time.
pub(super) struct Layout {
    path: PathBuf,
    _locked: File,
}

impl Layout {
    /// Opens one, or makes it where there is nothing.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed = Error::io("make", path);
        let blobs = path.join("blobs/sha256");
        let mark = path.join("oci-layout");
        match fs::read_dir(path) {
            Ok(mut items) => {
                if !mark.is_file() && items.next().is_some() {
                    return Err(Error::NoLayout { path: path.to_owned() });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("read", path)(error)),
        }
        fs::create_dir_all(&blobs).map_err(&failed)?;
        let locked = File::open(path).map_err(&failed)?;
        locked.lock().map_err(Error::io("lock", path))?;
        let layout = Self { path: path.to_owned(), _locked: locked };
        if !mark.is_file() {
            layout.replace("oci-layout", MARK)?;
        }
        Ok(layout)
    }

    /// Writes a blob, which gets its name once it is known and all of it is on the disk.
    pub(super) fn blob<E: From<Error>>(
        &mut self,
        fill: impl FnOnce(&mut dyn Write) -> Result<Packed, E>,
    ) -> Result<Packed, E> {
        let dir = self.path.join("blobs/sha256");
        let failed = Error::io("write a blob in", &dir);
        let file = aside(&dir).map_err(&failed)?;
        let mut out = BufWriter::with_capacity(BUFFER, file.as_file());
        let packed = fill(&mut out)?;
        out.flush().map_err(&failed)?;
        drop(out);
        // in place of one that is there: whether that is what its name says, nobody has looked
        publish(file, &dir.join(packed.digest.hex())).map_err(&failed)?;
        Ok(packed)
    }

    /// Writes a short blob.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.blob(|out| {
            out.write_all(bytes).map_err(|source| Error::Write { source })?;
            let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
            Ok(Packed { digest, diff_id: DiffId(digest), size, plain: size })
        })
        .map(drop)
    }

    /// Puts an image into the index, in place of one that has its name.
    pub(super) fn name(&self, descriptor: Value) -> Result<(), Error> {
        let path = self.path.join("index.json");
        let mut text = Vec::new();
        match File::open(&path) {
            Ok(file) => {
                file.take(MOST + 1).read_to_end(&mut text).map_err(Error::io("read", &path))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("read", &path)(error)),
        }
        let wrong = |reason: String| Error::Damaged { what: path.display().to_string(), reason };
        if text.len() as u64 > MOST {
            return Err(wrong("it is too long".to_owned()));
        }
        let index = if text.is_empty() {
            empty_index()
        } else {
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?
        };
        if !index.is_object() || !matches!(index.get("manifests"), None | Some(Value::Array(_))) {
            return Err(wrong("it is no index".to_owned()));
        }
        self.replace("index.json", with(index, descriptor).to_string().as_bytes())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path.join(name);
        let write = || {
            let mut file = aside(&self.path)?;
            file.write_all(bytes)?;
            publish(file, &path)
        };
        write().map_err(Error::io("write", &path))
    }
}

/// An index of no images.
pub(super) fn empty_index() -> Value {
    json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [] })
}

/// An index with one image more, in place of one that has its name; without a name, of one that is the same.
pub(super) fn with(mut index: Value, descriptor: Value) -> Value {
    let name = |of: &Value| of["annotations"][NAME].as_str().map(str::to_owned);
    let mut manifests = index["manifests"].as_array().cloned().unwrap_or_default();
    manifests.retain(|there| match name(&descriptor) {
        Some(new) => name(there) != Some(new),
        None => name(there).is_some() || there["digest"] != descriptor["digest"],
    });
    manifests.push(descriptor);
    index["manifests"] = Value::Array(manifests);
    index
}

/// A file that is written aside in a directory.
pub(super) fn aside(dir: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".ufs-new-")
        .permissions(Permissions::from_mode(sys::host_mode(0o666)))
        .tempfile_in(dir)
}

/// Gives a file that is whole its name: after its content is on the disk, and before its directory is.
pub(super) fn publish(file: tempfile::NamedTempFile, target: &Path) -> io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(dir).and_then(|dir| dir.sync_all()) {
        // it may be written and not be read, or its file system knows no such sync
        Err(error)
            if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput) =>
        {
            Ok(())
        }
        synced => synced,
    }
}
