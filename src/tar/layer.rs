//! A whole layer as its canonical tar.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use super::{TarError, Writer};
use crate::model::{Change, Changeset, Entry, LayerPath, LinkGroup, Node};

/// Where the bytes of a layer's files come from.
pub trait ContentSource {
    /// A file that is read.
    type File: Read;

    /// Opens a regular file of the layer. Asked in the order of the archive, once an inode, never for empty files.
    ///
    /// # Errors
    /// Whatever the system says; it becomes [`TarError::Content`].
    fn open(&mut self, path: &LayerPath, entry: &Entry) -> io::Result<Self::File>;
}

impl<F: FnMut(&LayerPath, &Entry) -> io::Result<T>, T: Read> ContentSource for F {
    type File = T;

    fn open(&mut self, path: &LayerPath, entry: &Entry) -> io::Result<T> {
        self(path, entry)
    }
}

/// What a layer's tar does not say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Sockets, which were left out.
    pub sockets: Vec<LayerPath>,
}

/// Writes a layer's canonical tar. Directories that it only implies are not in it.
///
/// `out` gets file content in big pieces, headers in blocks of 512 bytes.
///
/// # Errors
/// [`TarError::Content`] and [`TarError::SizeChanged`] for files that cannot be read as the layer says,
/// [`TarError::ReservedName`] and [`TarError::DeviceNumber`] for what a tar cannot say, [`TarError::Write`].
pub fn write_layer<W: Write, S: ContentSource>(
    layer: &Changeset,
    content: &mut S,
    out: W,
) -> Result<(W, Summary), TarError> {
    let mut whiteouts: BTreeMap<LayerPath, Vec<&LayerPath>> = BTreeMap::new();
    for (path, change) in layer.iter() {
        if let (Change::Whiteout, Some(dir)) = (change, path.parent()) {
            whiteouts.entry(dir).or_default().push(path);
        }
    }
    let mut writer = Writer::new(out);
    let mut summary = Summary::default();
    let mut first_names: BTreeMap<LinkGroup, &LayerPath> = BTreeMap::new();
    for (path, change) in layer.iter() {
        let Change::Put(entry) = change else { continue };
        match &entry.node {
            Node::Dir { opaque } => {
                if !entry.implied {
                    writer.put(path, entry)?;
                }
                if *opaque {
                    writer.opaque(path)?;
                }
                for whiteout in whiteouts.remove(path).unwrap_or_default() {
                    writer.whiteout(whiteout)?;
                }
            }
            Node::Socket => summary.sockets.push(path.clone()),
            node => {
                if let Some(group) = entry.link {
                    if let Some(first) = first_names.get(&group) {
                        writer.link(path, entry, first)?;
                        continue;
                    }
                    first_names.insert(group, path);
                }
                writer.put(path, entry)?;
                if let Node::File { size: size @ 1.. } = *node {
                    let failed = |source| TarError::Content { path: path.clone(), source };
                    writer.content(path, size, &mut content.open(path, entry).map_err(failed)?)?;
                }
            }
        }
    }
    Ok((writer.finish()?, summary))
}
