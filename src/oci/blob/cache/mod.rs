//! What was found out about blobs, kept beside the images, so that the next look does not decompress them again.
//!
//! ```text
//! DIR/blobs/HEX     what is known of a blob, by its digest
//! DIR/places/HEX    what is known of an uncompressed layer whose bytes were not all read, by where it lies
//! DIR/seen/HEX      which digest the bytes at a place had when all of them were read
//! ```
//!
//! A place is a part of a file as it was at one moment: its device, inode, size and times are in its name, so that a file
//! that changed is another place. A blob is taken for what its name says only where its bytes were hashed once; at a new
//! place that is done first.
//!
//! All of it may be deleted at any time, by anybody, while it is used. Files are written aside and renamed; they are not
//! synced, as each has a checksum: what is damaged counts as not there. What was used longest ago goes when all take more
//! than the bound.

mod place;
mod record;
#[cfg(test)]
mod tests;

use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

pub use self::place::Place;
use super::{Checkpoints, Error, Extent, Plain};
use crate::model::{DiffId, Digest, Hasher};

/// How much all files may take, in bytes, unless it is said otherwise.
pub const BOUND: u64 = 1 << 30;

/// The cache of one user.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
    bound: u64,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A blob.
    Blob(Digest),
    /// The bytes at a place, whatever their digest.
    Place(Place),
}

/// What is known of a layer.
#[derive(Clone, Debug)]
pub struct Known {
    /// The digests of the blob and of what comes out of it, where all bytes were read.
    pub digests: Option<(Digest, DiffId)>,
    /// Where its reading can begin.
    pub checkpoints: Checkpoints,
    /// The layer's own index, as whoever put it here wrote it. It is what was written, yet not to be trusted more than that.
    pub index: Vec<u8>,
}

impl Cache {
    /// The cache in a directory, which is made when something is kept.
    pub fn new(dir: PathBuf, bound: u64) -> Self {
        Self { dir, bound }
    }

    /// What is known of the blob that lies at `extent`; `None` where nothing is, or where its bytes are others.
    pub fn get(&self, key: &Key, extent: &Extent) -> Option<Known> {
        let path = self.path(key);
        let known = match read(&path, extent) {
            Ok(known) => known,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                log::debug!("{}: {error}: it is not used", path.display());
                return None;
            }
        };
        match key {
            Key::Place(_) => Some(known),
            Key::Blob(digest) if known.digests.is_some_and(|(found, _)| found == *digest) => {
                self.is_seen(extent, *digest).then_some(known)
            }
            Key::Blob(_) => None,
        }
    }

    /// Keeps what is known. A cache that cannot be written keeps nothing, and that is all.
    ///
    /// `place` is where the blob lies, looked at before its bytes were read; what is known of
    /// an uncompressed layer by its place alone is kept only where a later change of the file would be seen.
    pub fn put(&self, key: &Key, known: &Known, place: &Place) {
        let path = self.path(key);
        if matches!(key, Key::Place(_)) && !place.is_settled() {
            return;
        }
        let (head, windows) = record::encode(known, place.len());
        let kept = self.write(&path, &[&head, &windows]).and_then(|()| match key {
            Key::Blob(digest) => self.write_seen(place, *digest),
            Key::Place(_) => Ok(()),
        });
        if let Err(error) = kept.and_then(|()| self.shrink()) {
            log::debug!("{}: {error}: nothing is kept", path.display());
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        match key {
            Key::Blob(digest) => self.dir.join("blobs").join(digest.hex()),
            Key::Place(place) => self.dir.join("places").join(place.name().hex()),
        }
    }

    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let dir = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(dir)?;
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(dir)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.persist(path).map(drop).map_err(|error| error.error)
    }

    /// Whether the bytes at a place are those of the digest: known from before, or found out now.
    fn is_seen(&self, extent: &Extent, digest: Digest) -> bool {
        let look = || -> io::Result<bool> {
            let place = Place::of(extent)?;
            let known = open(&self.seen(&place)).and_then(|file| {
                let mut record = Vec::new();
                file.take(65).read_to_end(&mut record)?;
                Ok(record)
            });
            if known.is_ok_and(|known| known == seen_record(&place, digest)) {
                return Ok(true);
            }
            if hash(extent)? != digest {
                return Ok(false);
            }
            if let Err(error) = self.write_seen(&place, digest) {
                log::debug!("{}: {error}", self.dir.display());
            }
            Ok(true)
        };
        look().unwrap_or_else(|error| {
            log::debug!("a blob cannot be looked at: {error}");
            false
        })
    }

    fn seen(&self, place: &Place) -> PathBuf {
        self.dir.join("seen").join(place.name().hex())
    }

    /// Notes that the bytes at a place have a digest, unless the file is so new that it could change unseen.
    fn write_seen(&self, place: &Place, digest: Digest) -> io::Result<()> {
        if !place.is_settled() {
            return Ok(());
        }
        self.write(&self.seen(place), &[&seen_record(place, digest)])
    }

    /// Lets go what was used longest ago, until the rest fits.
    fn shrink(&self) -> io::Result<()> {
        let mut found = Vec::new();
        for part in ["blobs", "places", "seen"] {
            let items = match fs::read_dir(self.dir.join(part)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                items => items?,
            };
            for item in items {
                let item = item?;
                // somebody else may have let it go
                let Ok(meta) = item.metadata() else { continue };
                found.push((meta.modified()?, meta.len().next_multiple_of(4096), item.path()));
            }
        }
        let mut total: u64 = found.iter().map(|(_, size, _)| size).sum();
        found.sort();
        for (_, size, path) in found {
            if total <= self.bound {
                break;
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => total -= size,
            }
        }
        Ok(())
    }
}

/// What a file of `seen/` holds: the digest, and a checksum that knows its name.
fn seen_record(place: &Place, digest: Digest) -> Vec<u8> {
    let check = Digest::of(&[place.name().as_bytes().as_slice(), digest.as_bytes()].concat());
    [digest.as_bytes().as_slice(), check.as_bytes()].concat()
}

/// Opens a regular file: whoever puts a pipe here shall not be waited for.
fn open(path: &Path) -> io::Result<File> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    File::open(path)
}

/// Reads what is kept in a file.
fn read(path: &Path, extent: &Extent) -> io::Result<Known> {
    let known = record::decode(&Arc::new(open(path)?), extent.len())?;
    touch(path)?;
    Ok(known)
}

/// Tells that a file was used now.
fn touch(path: &Path) -> io::Result<()> {
    let file = File::options().append(true).open(path)?;
    file.set_times(FileTimes::new().set_modified(SystemTime::now()))
}

/// The digest of the bytes as they lie there.
fn hash(extent: &Extent) -> Result<Digest, Error> {
    let mut buffer = vec![0; 1 << 20];
    let (mut hasher, mut at) = (Hasher::new(), 0);
    while at < extent.len() {
        match extent.read_at(&mut buffer, at).map_err(|source| Error::Read { at, source })? {
            0 => return Err(Error::Short { found: at, expected: extent.len() }),
            read => {
                hasher.update(&buffer[..read]);
                at += read as u64;
            }
        }
    }
    Ok(hasher.finish())
}
