//! Images written: into an OCI image layout, an OCI archive, or an archive that `docker load` takes.
//!
//! [`Saver`] takes the layers one after the other, then the config. What is written is seen under its name only once it is
//! whole and on the disk: blobs of a layout are written aside and renamed, its `index.json` is replaced at the end, and an
//! archive gets its name last. Nothing but the layers and the config decides over the bytes: times are those of
//! `SOURCE_DATE_EPOCH` or 0, owners root.
//!
//! # Source
//! OCI image-spec 1.1: `image-layout.md`, `manifest.md`, `annotations.md`; Docker image specification v1.2, "Combined Image
//! JSON + Filesystem Changeset Format".

mod archive;
mod config;
mod error;
mod layout;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::{Value, json};

use self::archive::Archive;
use self::layout::Layout;
use super::blob::{Compression, Extent, Limits, Passing};
use super::pack::{Packed, Packer, Packing};
use crate::model::{DiffId, Digest, Timestamp};

pub use self::config::{Changes, Step, changed};
pub use self::error::Error;
pub use self::target::{Kind, Target};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The annotation that names an image in an index.
const NAME: &str = "org.opencontainers.image.ref.name";

/// An image that is written.
pub struct Saver {
    target: Target,
    place: Place,
    layers: Vec<Layer>,
    threads: usize,
}

/// A layer that was written.
#[derive(Clone, Copy, Debug)]
struct Layer {
    compression: Compression,
    packed: Packed,
}

/// Where it goes.
enum Place {
    Layout(Layout),
    Archive { archive: Archive, names: BTreeSet<String> },
}

/// An image that was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Saved {
    /// The digest of its config: its ID.
    pub id: Digest,
    /// The digest of its manifest; none where the archive has none.
    pub digest: Option<Digest>,
    /// Bytes of its layers as they were written.
    pub size: u64,
}

impl Saver {
    /// Begins an image, which compresses with so many threads.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::NoLayout`].
    pub fn new(target: Target, threads: usize, time: Option<Timestamp>) -> Result<Self, Error> {
        let place = match target.kind {
            Kind::Layout => Place::Layout(Layout::open(&target.path)?),
            Kind::OciArchive => {
                let mut archive = Archive::new(&target.path, time)?;
                archive.directory("blobs/")?;
                archive.directory("blobs/sha256/")?;
                Place::Archive { archive, names: BTreeSet::new() }
            }
            Kind::DockerArchive => {
                Place::Archive { archive: Archive::new(&target.path, time)?, names: BTreeSet::new() }
            }
        };
        Ok(Self { target, place, layers: Vec::new(), threads })
    }

    /// How layers made here are compressed where nothing else is said: as those who read the target expect it.
    pub fn compression(&self) -> Compression {
        if self.target.kind == Kind::DockerArchive { Compression::None } else { Compression::Gzip }
    }

    /// Writes the next layer, whose tar `fill` writes.
    ///
    /// # Errors
    /// [`Error::Io`]; those of `fill`.
    pub fn layer<E: From<Error>>(
        &mut self,
        packing: Packing,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Packed, E> {
        let threads = self.threads;
        self.put(packing.compression, |out| {
            let failed = |source| Error::Write { source };
            let mut packer = Packer::new(out, packing, threads).map_err(failed)?;
            fill(&mut packer)?;
            let (_, packed) = packer.finish().map_err(failed)?;
            Ok(packed)
        })
    }

    /// Writes the next layer as it lies in a blob, byte for byte, and makes sure that it is what it should be. Docker takes
    /// no zstd: for its archives that is unpacked.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Blob`], [`Error::Other`] where the blob has another diff ID than it should.
    pub fn layer_as_it_is(
        &mut self,
        blob: &Extent,
        limits: &Limits,
        expected: DiffId,
    ) -> Result<Packed, Error> {
        let mut passing = Passing::new(blob, limits)?;
        let compression = passing.compression();
        let unpack = compression == Compression::Zstd && self.target.kind == Kind::DockerArchive;
        let written = if unpack { Compression::None } else { compression };
        self.put(written, |out| {
            let failed = |source| Error::Write { source };
            if unpack {
                io::copy(&mut passing, out).map_err(failed)?;
            } else {
                archive::copy(blob, out)?;
            }
            let passed = passing.finish()?;
            if passed.diff_id != expected {
                return Err(Error::Other { expected: expected.0, found: passed.diff_id.0 });
            }
            let (digest, size) =
                if unpack { (passed.diff_id.0, passed.plain) } else { (passed.digest, passed.size) };
            Ok(Packed { digest, diff_id: passed.diff_id, size, plain: passed.plain })
        })
    }

    fn put<E: From<Error>>(
        &mut self,
        compression: Compression,
        fill: impl FnOnce(&mut dyn Write) -> Result<Packed, E>,
    ) -> Result<Packed, E> {
        let packed = match &mut self.place {
            Place::Layout(layout) => layout.blob(fill)?,
            Place::Archive { archive, names } => {
                archive.start()?;
                let packed = fill(archive)?;
                let name = match self.target.kind {
                    Kind::DockerArchive => format!("{}.tar", packed.diff_id.hex()),
                    Kind::Layout | Kind::OciArchive => blob_name(packed.digest),
                };
                if names.insert(name.clone()) {
                    archive.end(&name)?;
                } else {
                    archive.undo()?;
                }
                packed
            }
        };
        self.layers.push(Layer { compression, packed });
        Ok(packed)
    }

    /// The layers that were written so far, bottom → top.
    pub fn diff_ids(&self) -> Vec<DiffId> {
        self.layers.iter().map(|layer| layer.packed.diff_id).collect()
    }

    /// Ends the image: writes config and manifest, and gives it its name. A manifest that is given is written as it is, where
    /// it names the config and the layers that were written.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`] where a layout's index makes no sense.
    pub fn finish(mut self, config: &[u8], given: Option<&[u8]>) -> Result<Saved, Error> {
        let id = Digest::of(config);
        let made = self.manifest(config);
        let manifest = given
            .filter(|given| says_the_same(given, &made))
            .map_or_else(|| made.to_string().into_bytes(), <[u8]>::to_vec);
        let size = self.layers.iter().map(|layer| layer.packed.size).sum();
        let digest = match (&mut self.place, self.target.kind) {
            (Place::Archive { archive, .. }, Kind::DockerArchive) => {
                let name = format!("{}.json", id.hex());
                archive.file(&name, config)?;
                let layers: Vec<String> =
                    self.layers.iter().map(|layer| format!("{}.tar", layer.packed.diff_id.hex())).collect();
                let tags: Vec<String> = self.target.name.iter().map(|name| tagged(name)).collect();
                let list = json!([{ "Config": name, "RepoTags": tags, "Layers": layers }]);
                archive.file("manifest.json", list.to_string().as_bytes())?;
                None
            }
            (Place::Archive { archive, names }, _) => {
                for blob in [config, &manifest] {
                    let name = blob_name(Digest::of(blob));
                    if names.insert(name.clone()) {
                        archive.file(&name, blob)?;
                    }
                }
                let index =
                    layout::with(layout::empty_index(), descriptor(&manifest, self.target.name.as_deref()));
                archive.file("index.json", index.to_string().as_bytes())?;
                archive.file("oci-layout", layout::MARK)?;
                Some(Digest::of(&manifest))
            }
            (Place::Layout(layout), _) => {
                layout.bytes(config)?;
                layout.bytes(&manifest)?;
                layout.name(descriptor(&manifest, self.target.name.as_deref()))?;
                Some(Digest::of(&manifest))
            }
        };
        if let Place::Archive { archive, .. } = self.place {
            archive.finish()?;
        }
        Ok(Saved { id, digest, size })
    }

    fn manifest(&self, config: &[u8]) -> Value {
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|Layer { compression, packed }| {
                let kind = match compression {
                    Compression::None => "application/vnd.oci.image.layer.v1.tar",
                    Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
                    Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
                };
                json!({ "mediaType": kind, "digest": packed.digest.to_string(), "size": packed.size })
            })
            .collect();
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": Digest::of(config).to_string(), "size": config.len() },
            "layers": layers,
        })
    }
}

/// Whether a manifest names the same config and layers as another.
fn says_the_same(given: &[u8], made: &Value) -> bool {
    let Ok(given) = serde_json::from_slice::<Value>(given) else { return false };
    let digests = |manifest: &Value| -> Option<Vec<Value>> {
        let layers = manifest["layers"].as_array()?.iter();
        Some(layers.chain([&manifest["config"]]).map(|part| part["digest"].clone()).collect())
    };
    digests(&given).is_some_and(|found| Some(found) == digests(made))
}

/// What an index says of a manifest.
fn descriptor(manifest: &[u8], name: Option<&str>) -> Value {
    let read: Value = serde_json::from_slice(manifest).unwrap_or_default();
    let kind = read["mediaType"].as_str().unwrap_or(MANIFEST);
    let digest = Digest::of(manifest).to_string();
    let mut descriptor = json!({ "mediaType": kind, "digest": digest, "size": manifest.len() });
    if let Some(name) = name {
        descriptor["annotations"] = json!({ NAME: name });
    }
    descriptor
}

/// A name as Docker has it: with a tag.
fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
