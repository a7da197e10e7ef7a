//! Where the files of an archive lie: an index of its headers, so that nothing need be unpacked.

use std::collections::HashMap;
use std::path::Path;

use super::Error;
use super::blob::{Extent, Plain as _};
use super::stream::Stream;
use crate::model::{LayerPath, Node};
use crate::tar::{Limits, Reader, What};

/// The most names in the archive of an image: what holds more is no image.
const MOST: usize = 1 << 20;

/// How many links are followed to a file.
const LINKS: usize = 8;

/// What an archive has under a name.
#[derive(Clone, Debug)]
enum Member {
    /// A file whose bytes lie together.
    File { from: u64, size: u64 },
    /// Another name of the archive; `None`: one outside.
    Link(Option<LayerPath>),
    /// Something that no part of an image is.
    Other,
}

/// The files of an archive.
#[derive(Debug)]
pub(super) struct Members {
    whole: Extent,
    members: HashMap<LayerPath, Member>,
}

impl Members {
    /// Reads the headers; content is passed over. Of two files of a name the later counts.
    ///
    /// # Errors
    /// [`Error::Tar`], [`Error::TooBig`].
    pub(super) fn read(whole: Extent, path: &Path) -> Result<Self, Error> {
        let what = || path.display().to_string();
        let length = whole.len();
        let mut reader = Reader::seeking(Stream::new(whole.clone()), length, Limits::default());
        let mut members = HashMap::new();
        let wrong = |source| Error::Tar { what: what(), source };
        while let Some(item) = reader.next().map_err(wrong)? {
            let member = match item.what {
                What::Put(entry) => match entry.node {
                    Node::File { size } => match reader.stretches()[..] {
                        [] => Member::File { from: 0, size: 0 },
                        [one] if one.length == size => Member::File { from: one.from, size },
                        // no tool writes an image with holes
                        _ => Member::Other,
                    },
                    Node::Symlink { target } => Member::Link(led_to(&item.path, &target)),
                    _ => Member::Other,
                },
                What::Link { to } => Member::Link(Some(to)),
                What::Whiteout | What::Opaque => Member::Other,
            };
            members.insert(item.path, member);
            if members.len() > MOST {
                return Err(Error::damaged(
                    what(),
                    format!("it has more than {MOST} names, as no image has"),
                ));
            }
        }
        Ok(Self { whole, members })
    }

    /// The bytes of a file, links followed; `None` where there is none of that name.
    ///
    /// # Errors
    /// [`Error::Damaged`] for links that lead outside or to each other, and for what is no plain file.
    pub(super) fn find(&self, name: &LayerPath) -> Result<Option<Extent>, Error> {
        let wrong = |reason: &str| Err(Error::damaged(format!("{name:?} in the archive"), reason));
        let mut at = name.clone();
        for _ in 0..LINKS {
            match self.members.get(&at) {
                None => return Ok(None),
                Some(Member::File { from, size }) => return Ok(Some(self.whole.part(*from, *size))),
                Some(Member::Other) => return wrong("it is no plain file"),
                Some(Member::Link(None)) => return wrong("it is a link that leads out of the archive"),
                Some(Member::Link(Some(to))) => at = to.clone(),
            }
        }
        wrong("its links lead to each other")
    }
}

/// Where a symlink leads within the archive.
fn led_to(path: &LayerPath, target: &[u8]) -> Option<LayerPath> {
    if target.starts_with(b"/") {
        return None;
    }
    let mut names: Vec<&[u8]> = path.components().collect();
    names.pop();
    for name in target.split(|&b| b == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()?),
            _ => names.push(name),
        }
    }
    LayerPath::parse(&names.join(&b'/')).ok()
}
