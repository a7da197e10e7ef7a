//! A layer where it lies: its change set from the headers of its tar, its content out of the blob.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Error;
use super::blob::{self, Compression, Extent, Passing, Plain};
use super::stream::Stream;
use crate::model::{Change, Changeset, DiffId, Digest, Entry, LayerPath, LinkGroup, Node};
use crate::tar::{Assembler, Item, Limits, Note, Reader, Stretch, TarError, What};

/// A layer of an image.
#[derive(Debug)]
pub struct Layer {
    /// How messages call it.
    pub(super) what: String,
    /// What the image says that its uncompressed tar hashes to.
    pub diff_id: DiffId,
    /// What the image says that the blob hashes to, where it does.
    pub digest: Option<Digest>,
    pub(super) blob: Extent,
    opened: OnceCell<Opened>,
}

/// A layer whose tar was gone through.
pub struct Opened {
    /// What it puts and deletes.
    pub changes: Rc<Changeset>,
    /// What was left out or understood otherwise.
    pub notes: Vec<Note>,
    places: HashMap<LayerPath, Place>,
    /// How many names each inode has that has several.
    links: HashMap<LinkGroup, u64>,
    plain: Box<dyn Plain>,
}

/// Where a file's bytes lie in the tar.
#[derive(Clone, Debug)]
enum Place {
    /// All from here on.
    Whole(u64),
    /// In stretches, with holes between them.
    Sparse(Box<[Stretch]>),
}

/// The content of one file.
pub struct Content<'a> {
    plain: &'a dyn Plain,
    place: &'a Place,
    size: u64,
    position: u64,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opened({} changes)", self.changes.len())
    }
}

impl Layer {
    pub(super) fn new(what: String, diff_id: DiffId, digest: Option<Digest>, blob: Extent) -> Self {
        Self { what, diff_id, digest, blob, opened: OnceCell::new() }
    }

    /// Where its blob lies.
    pub fn blob(&self) -> &Extent {
        &self.blob
    }

    /// The bytes of its blob.
    pub fn blob_size(&self) -> u64 {
        self.blob.len()
    }

    /// What is in it; read at the first call, if it was not before.
    ///
    /// # Errors
    /// [`Error::Tar`], [`Error::Blob`], [`Error::Digest`].
    pub fn opened(&self) -> Result<&Opened, Error> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let found = self.task().run(false, &Watch::default())?;
        Ok(self.opened.get_or_init(|| Opened::new(found)))
    }

    /// Whether that was done already.
    pub(super) fn is_open(&self) -> bool {
        self.opened.get().is_some()
    }

    /// What is to be gone through.
    pub(super) fn task(&self) -> Task {
        let Self { what, diff_id, digest, blob, .. } = self;
        Task { what: what.clone(), diff_id: *diff_id, digest: *digest, blob: blob.clone() }
    }

    /// Takes what a task found.
    pub(super) fn take(&self, found: Found) {
        self.opened.get_or_init(|| Opened::new(found));
    }
}

/// A layer to be gone through, in whatever thread.
#[derive(Debug)]
pub(super) struct Task {
    what: String,
    diff_id: DiffId,
    digest: Option<Digest>,
    blob: Extent,
}

/// How far many tasks are, and whether they are to end.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Bytes of blobs that were read.
    pub(super) done: AtomicU64,
    /// Whether nobody waits for them any more.
    pub(super) stop: AtomicBool,
}

/// What was found in a layer, before one thread has it.
pub(super) struct Found {
    changes: Changeset,
    places: HashMap<LayerPath, Place>,
    notes: Vec<Note>,
    plain: Box<dyn Plain>,
}

impl Task {
    /// Goes through the layer. One that is not compressed is read by its headers alone; all bytes of others go by, and so
    /// of any that is to be verified: then both digests must be as the image says.
    pub(super) fn run(&self, verify: bool, watch: &Watch) -> Result<Found, Error> {
        let begun = Passing::new(&self.blob, &blob::Limits::default());
        let mut passing = begun.map_err(|error| self.blob_error(error))?;
        if passing.compression() == Compression::None && !verify {
            let length = self.blob.len();
            let stream = Watched { inner: Stream::new(self.blob.clone()), watch };
            let reader = Reader::seeking(stream, length, Limits::default());
            let (changes, places, notes) =
                index(reader, ENTRIES).map_err(|source| self.tar(source, watch))?;
            watch.done.fetch_add(length, Ordering::Relaxed);
            return Ok(Found { changes, places, notes, plain: Box::new(self.blob.clone()) });
        }
        let told = Told { passing: &mut passing, so_far: 0, watch };
        let (changes, places, notes) =
            index(Reader::new(told), ENTRIES).map_err(|source| self.tar(source, watch))?;
        let passed = passing.finish().map_err(|error| self.blob_error(error))?;
        let wrong = |of, expected, found| Err(Error::Digest { what: self.what.clone(), of, expected, found });
        match self.digest {
            Some(expected) if expected != passed.digest => return wrong("digest", expected, passed.digest),
            _ if self.diff_id != passed.diff_id => {
                return wrong("diff ID", self.diff_id.0, passed.diff_id.0);
            }
            _ => {}
        }
        Ok(Found { changes, places, notes, plain: blob::open(self.blob.clone(), passed.checkpoints) })
    }

    fn blob_error(&self, source: blob::Error) -> Error {
        Error::Blob { what: self.what.clone(), source }
    }

    fn tar(&self, source: TarError, watch: &Watch) -> Error {
        if watch.stop.load(Ordering::Relaxed) {
            return Error::Interrupted;
        }
        let what = self.what.clone();
        match source {
            // what is wrong is the blob that the tar comes out of
            TarError::Read { offset, source } => match source.downcast::<blob::Error>() {
                Ok(source) => self.blob_error(source),
                Err(source) => Error::Tar { what, source: TarError::Read { offset, source } },
            },
            source => Error::Tar { what, source },
        }
    }
}

/// What comes out of a blob, told to who watches.
struct Told<'a> {
    passing: &'a mut Passing,
    so_far: u64,
    watch: &'a Watch,
}

impl Read for Told<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.watch.stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let read = self.passing.read(buffer)?;
        let so_far = self.passing.read_so_far();
        self.watch.done.fetch_add(so_far.saturating_sub(self.so_far), Ordering::Relaxed);
        self.so_far = so_far;
        Ok(read)
    }
}

/// A stream that ends once nobody waits for it.
struct Watched<'a> {
    inner: Stream,
    watch: &'a Watch,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.watch.stop.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.inner.read(buffer)
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// The most entries that a layer's tar may have: what is known of each is held in memory.
const ENTRIES: u64 = 4 << 20;

/// What a layer's tar says, where the content of its files lies, and what was left out.
type Index = (Changeset, HashMap<LayerPath, Place>, Vec<Note>);

/// Goes through a layer's tar: its change set, where each regular file's content lies, and what was left out.
fn index<R: Read>(mut reader: Reader<R>, most: u64) -> Result<Index, TarError> {
    let mut assembler = Assembler::new();
    let mut places = HashMap::new();
    let mut entries = 0;
    while let Some(item) = reader.next()? {
        entries += 1;
        if entries > most {
            return Err(TarError::TooBig { offset: reader.offset(), what: "entries", limit: most });
        }
        match &item {
            Item { path, what: What::Put(entry) } => {
                if let Node::File { size } = entry.node {
                    places.insert(path.clone(), Place::of(&reader.stretches(), size));
                }
            }
            // the assembler refuses links to what is not there
            Item { path, what: What::Link { to } } => {
                if let Some(place) = places.get(to).cloned() {
                    places.insert(path.clone(), place);
                }
            }
            Item { what: What::Whiteout | What::Opaque, .. } => {}
        }
        assembler.add(item)?;
    }
    let changes = assembler.finish();
    let is_file = |path: &LayerPath| matches!(changes.get(path), Some(Change::Put(entry)) if matches!(entry.node, Node::File { .. }));
    places.retain(|path, _| is_file(path));
    Ok((changes, places, reader.notes().to_vec()))
}

impl Place {
    fn of(stretches: &[Stretch], size: u64) -> Self {
        match stretches {
            [] if size == 0 => Self::Whole(0),
            [one] if one.at == 0 && one.length == size => Self::Whole(one.from),
            _ => Self::Sparse(stretches.into()),
        }
    }
}

impl Opened {
    fn new(found: Found) -> Self {
        let Found { changes, places, notes, plain } = found;
        let mut links = HashMap::new();
        for (_, change) in changes.iter() {
            if let Change::Put(Entry { link: Some(group), .. }) = change {
                *links.entry(*group).or_insert(0) += 1;
            }
        }
        Self { changes: Rc::new(changes), notes, places, links, plain }
    }

    /// How many names in this layer an inode has.
    pub fn names_of(&self, group: LinkGroup) -> u64 {
        self.links.get(&group).copied().unwrap_or(1)
    }

    /// The bytes of its uncompressed tar.
    pub fn tar_size(&self) -> u64 {
        self.plain.len()
    }

    /// The content of a regular file that it puts; `None` where it puts none.
    pub fn content(&self, path: &LayerPath) -> Option<Content<'_>> {
        let Some(Node::File { size }) = self.changes.entry(path).map(|entry| &entry.node) else {
            return None;
        };
        let place = self.places.get(path)?;
        Some(Content { plain: &*self.plain, place, size: *size, position: 0 })
    }
}

impl Content<'_> {
    /// Where it has data, as places and lengths in bytes; between them are holes.
    pub fn data(&self) -> Vec<(u64, u64)> {
        match self.place {
            Place::Whole(_) => vec![(0, self.size)],
            Place::Sparse(stretches) => {
                stretches.iter().map(|stretch| (stretch.at, stretch.length)).collect()
            }
        }
    }

    /// Reads at a place until the buffer is full or the file ends; holes read as zeros.
    ///
    /// # Errors
    /// What the blob's file says, and what is wrong with the blob.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let left = self.size.saturating_sub(offset);
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let buffer = &mut buffer[..most];
        match self.place {
            Place::Whole(from) => fill(self.plain, buffer, from + offset)?,
            Place::Sparse(stretches) => {
                buffer.fill(0);
                let end = offset + most as u64;
                let first = stretches.partition_point(|stretch| stretch.at + stretch.length <= offset);
                for stretch in stretches[first..].iter().take_while(|stretch| stretch.at < end) {
                    let (start, stop) = (stretch.at.max(offset), (stretch.at + stretch.length).min(end));
                    let inside = |place: u64| usize::try_from(place - offset).unwrap_or(usize::MAX);
                    let piece = &mut buffer[inside(start)..inside(stop)];
                    fill(self.plain, piece, stretch.from + (start - stretch.at))?;
                }
            }
        }
        Ok(most)
    }
}

/// Reads exactly so much: the tar was seen to have it.
fn fill(plain: &dyn Plain, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    let read = plain.read_at(buffer, offset)?;
    if read < buffer.len() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::tests::files::three_layers;

    #[test]
    fn a_tar_of_more_entries_than_are_held_is_refused() {
        let tar = &three_layers()[0];
        let all = index(Reader::new(&**tar), 6).unwrap().0.len();
        assert_eq!(all, 7, "the root is implied");
        assert!(matches!(
            index(Reader::new(&**tar), 5),
            Err(TarError::TooBig { what: "entries", limit: 5, .. })
        ));
    }
}
