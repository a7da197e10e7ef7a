//! An image as scripts hold it: opened where it lies, nothing of it in the store.

use std::fmt;
use std::rc::Rc;

use super::blob_files::BlobFiles;
use super::error::Error;
use super::files;
use super::layer::State;
use super::progress::{Total, interrupted};
use super::report::{HistoryItem, HistoryReport, ImageReport, LayerLabel, Made, Role};
use super::{Layer, Stack, ToRead, ToWrite, Workspace};
use crate::driver::{DirItem, Stat};
use crate::model::{ChainId, Counts, DiffId, Digest, LayerPath, Timestamp};
use crate::oci::{self, Offer, Opening, Platform, Source, Step};

/// An image; a cheap handle.
#[derive(Clone)]
pub struct Image(Rc<Inner>);

struct Inner {
    workspace: Workspace,
    image: oci::Image,
    /// What it is called where it has no name.
    place: String,
    layers: Vec<Layer>,
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id() && self.digest() == other.digest()
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({})", self.title())
    }
}

/// The platform that a text names; none where there is no text.
fn platform(text: Option<&str>) -> Result<Option<Platform>, Error> {
    let read = |text: &str| Platform::parse(text).ok_or_else(|| Error::Platform { text: text.to_owned() });
    text.map(read).transpose()
}

impl Workspace {
    /// Opens an image where it lies; its layers are read once for what is in them. `verify`: all of their bytes are, and must
    /// have the digests that the image says; those of compressed ones are in any case.
    ///
    /// # Errors
    /// [`Error::Image`], [`Error::Sandbox`].
    pub fn open_image(&self, source: &[u8], wanted: Option<&str>, verify: bool) -> Result<Image, Error> {
        let (source, scratch) = (self.source(source)?, std::env::temp_dir());
        let opening = Opening { platform: platform(wanted)?, scratch: &scratch };
        let image = oci::open(&source, &opening)?;
        let place = source.path.file_name().map_or_else(
            || source.path.display().to_string(),
            |name| name.as_encoded_bytes().escape_ascii().to_string(),
        );
        let bytes = image.layers.iter().map(|layer| layer.blob_size()).sum();
        let work = self.work(|| (format!("reading {place}"), Total::of_bytes(bytes)));
        image.open_layers(verify, &mut |bytes| work.bytes(bytes))?;
        drop(work);
        let layers =
            image.layers.iter().map(|layer| Layer::new(self, State::Blob(Rc::clone(layer)))).collect();
        Ok(Image(Rc::new(Inner { workspace: self.clone(), image, place, layers })))
    }

    /// The images that a source offers, each with what it is for.
    ///
    /// # Errors
    /// As [`Workspace::open_image`].
    pub fn image_offers(&self, source: &[u8]) -> Result<Vec<Offer>, Error> {
        let scratch = std::env::temp_dir();
        Ok(oci::offers(&self.source(source)?, &Opening { platform: None, scratch: &scratch })?)
    }

    /// A source that may be read.
    fn source(&self, text: &[u8]) -> Result<Source, Error> {
        let source = Source::parse(text)?;
        let path: ToRead = self.to_read(&source.path)?;
        Ok(Source { path: path.path().to_owned(), ..source })
    }
}

impl Image {
    /// Its name, if it has one.
    pub fn name(&self) -> Option<String> {
        self.0.image.names.first().cloned()
    }

    /// How sentences call it: its name, else where it lies.
    pub fn title(&self) -> String {
        self.name().unwrap_or_else(|| self.0.place.clone())
    }

    /// Its ID: the config's digest.
    pub fn id(&self) -> Digest {
        self.0.image.config.digest
    }

    /// The manifest's digest, where there is a manifest.
    pub fn digest(&self) -> Option<Digest> {
        self.0.image.manifest.as_ref().map(|manifest| manifest.digest)
    }

    /// Its layers, bottom → top; one that occurs twice is there twice.
    pub fn layers(&self) -> &[Layer] {
        &self.0.layers
    }

    /// Its layers as a stack.
    pub fn stack(&self) -> Stack {
        Stack::of_image(self.0.layers.clone(), self.title())
    }

    /// The config as it came: JSON.
    pub fn config(&self) -> &[u8] {
        &self.0.image.config.bytes
    }

    /// The manifest as it came, where there is one: JSON.
    pub fn manifest(&self) -> Option<&[u8]> {
        self.0.image.manifest.as_ref().map(|manifest| &*manifest.bytes)
    }

    /// What machine it is for: `linux/amd64`.
    pub fn platform(&self) -> String {
        self.0.image.details.platform().to_string()
    }

    /// When it was made, where that is said.
    pub fn created(&self) -> Option<Timestamp> {
        self.0.image.details.created()
    }

    /// Its labels, sorted.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.image.details.labels()
    }

    /// Bytes of the regular files of all its layers, each inode once.
    ///
    /// # Errors
    /// Those of reading a layer.
    pub fn size(&self) -> Result<u64, Error> {
        let sizes = self.layers().iter().map(Layer::size).collect::<Result<Vec<_>, _>>()?;
        Ok(sizes.iter().sum())
    }

    /// Bytes of its layers as they lie there, compressed where they are.
    pub fn download_size(&self) -> u64 {
        self.0.image.layers.iter().map(|layer| layer.blob_size()).sum()
    }

    /// Its own lines.
    ///
    /// # Errors
    /// Those of reading a layer.
    pub fn report(&self) -> Result<ImageReport, Error> {
        Ok(ImageReport {
            title: self.title(),
            id: self.id(),
            platform: self.platform(),
            layers: self.layers().len() as u64,
            size: self.size()?,
            download_size: self.download_size(),
            created: self.created(),
            now: self.0.workspace.now(),
        })
    }

    fn files(&self) -> Result<BlobFiles, Error> {
        Ok(BlobFiles::new(&self.0.image.layers)?)
    }

    /// A file's content.
    ///
    /// # Errors
    /// [`Error::File`], as of a mount.
    pub fn read(&self, at: &[u8]) -> Result<Vec<u8>, Error> {
        files::read(&self.files()?, &files::path(at)?)
    }

    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// As [`Image::read`].
    pub fn ls(&self, at: &[u8]) -> Result<Vec<DirItem>, Error> {
        files::list(&self.files()?, &files::path(at)?)
    }

    /// As [`Image::ls`], only the names that begin so.
    ///
    /// # Errors
    /// As [`Image::read`].
    pub fn ls_from(&self, at: &[u8], begin: &[u8]) -> Result<Vec<DirItem>, Error> {
        files::list_from(&self.files()?, &files::path(at)?, begin)
    }

    /// A file's attributes; a symlink's own.
    ///
    /// # Errors
    /// As [`Image::read`].
    pub fn stat(&self, at: &[u8]) -> Result<Stat, Error> {
        files::stat(&self.files()?, &files::path(at)?)
    }

    /// Whether a path is there.
    ///
    /// # Errors
    /// As [`Image::read`].
    pub fn exists(&self, at: &[u8]) -> Result<bool, Error> {
        files::exists(&self.files()?, &files::path(at)?)
    }

    /// Every path that a glob matches, sorted.
    ///
    /// # Errors
    /// [`Error::Glob`].
    pub fn find(&self, glob: &[u8]) -> Result<Vec<LayerPath>, Error> {
        files::find(&self.files()?, glob)
    }

    /// Copies a file or a directory out to the host, with its metadata. The host path must not exist.
    ///
    /// # Errors
    /// As [`Image::read`]; [`Error::Host`].
    pub fn copy_out(&self, at: &[u8], host: &ToWrite) -> Result<(), Error> {
        super::add::copy_out(&self.0.workspace, (&self.files()?, None), &files::path(at)?, host.path())
    }

    /// The steps of its making, oldest first, those without a layer too.
    ///
    /// # Errors
    /// Those of reading a layer.
    pub fn history(&self) -> Result<HistoryReport, Error> {
        let image = &self.0.image;
        let mut chain: Vec<DiffId> = Vec::new();
        let mut items = Vec::new();
        for (step, layer) in image.steps() {
            interrupted()?;
            let command = step.and_then(|step| step.created_by.clone().or_else(|| step.comment.clone()));
            let made = layer.map(|at| (&self.layers()[at], &image.layers[at]));
            let (label, counts) = match made {
                Some((layer, _)) => (layer.label(), layer.changes()?.counts()),
                None => (no_layer(), Counts::default()),
            };
            chain.extend(made.map(|(_, blob)| blob.diff_id));
            items.push(HistoryItem {
                label: LayerLabel { created: step.and_then(Step::created), message: command, ..label },
                counts,
                chain_id: if made.is_some() { ChainId::of(&chain) } else { None },
                made: Some(match made {
                    Some((_, blob)) => Made::Layer { blob: blob.blob_size() },
                    None => Made::Nothing,
                }),
            });
        }
        Ok(HistoryReport { title: self.title(), now: self.0.workspace.now(), items })
    }
}

/// What stands for a step that made no layer.
fn no_layer() -> LayerLabel {
    LayerLabel {
        role: Role::Image,
        name: String::new(),
        id: None,
        writable: false,
        message: None,
        created: None,
        path: None,
        diff_id: None,
    }
}
