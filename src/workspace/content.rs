//! Whether two files of two layers hold the same bytes: read in step, up to the first difference.

use std::io::{self, Read};
use std::rc::Rc;

use super::progress::Work;
use crate::model::{Entry, LayerPath, Node};
use crate::oci;
use crate::sys::Dir;

/// The size of one step, in bytes.
const STEP: usize = 128 * 1024;

/// Where the content of a layer's files is.
pub(super) enum Home {
    /// In a directory.
    Tree(Rc<Dir>),
    /// In the blob of an image.
    Blob(Rc<oci::Layer>),
}

impl Home {
    /// The content of a regular file.
    fn open(&self, path: &LayerPath) -> io::Result<Box<dyn Read + '_>> {
        match self {
            Self::Tree(dir) => Ok(Box::new(dir.file_beneath(path)?)),
            Self::Blob(layer) => {
                let content = layer.opened().map_err(io::Error::other)?.content(path);
                content.map(|content| Box::new(content) as _).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }
}

/// Compares the content of `path` in two layers; both entries are known to have the same size.
///
/// Ends at Ctrl-C, with whatever answer. A file that cannot be read counts as different: a difference shown too much is better than one hidden.
pub(super) fn same(path: &LayerPath, before: (&Home, &Entry), after: (&Home, &Entry), work: &Work) -> bool {
    match (&before.1.node, &after.1.node) {
        (Node::File { size: 0 }, Node::File { size: 0 }) => true,
        (Node::File { .. }, Node::File { .. }) => match (before.0.open(path), after.0.open(path)) {
            (Ok(a), Ok(b)) => same_bytes(a, b, work).unwrap_or(false),
            _ => false,
        },
        (a, b) => a == b,
    }
}

fn same_bytes(mut a: impl Read, mut b: impl Read, work: &Work) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; STEP], vec![0; STEP]);
    loop {
        let count = a.read(&mut left)?;
        if count == 0 {
            return Ok(b.read(&mut right)? == 0);
        }
        match b.read_exact(&mut right[..count]) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
        if work.done(0, count as u64).is_err() || left[..count] != right[..count] {
            return Ok(false);
        }
    }
}
