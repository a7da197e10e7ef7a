//! Listings: taken when a directory is read from its start, and kept by its handle, so that places in it stay.
//!
//! Names are in raw byte order, so a place means the same in every listing of an unchanged directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Arc, PoisonError};

use fuser::{FileType, Generation, INodeNo, ReplyDirectory, ReplyDirectoryPlus};

use super::adapter::Adapter;
use super::attributes::{self, NEVER, Spot, file_type};
use super::handles::Listing;
use super::nodes::ROOT;
use crate::sys::Errno;

/// The names of the directory itself and of the one above it.
const DOTS: [&[u8]; 2] = [b".", b".."];

impl Adapter {
    /// The listing that a handle reads; a new one from the start.
    fn listing(&self, node: u64, handle: u64, offset: u64) -> Result<Arc<Listing>, Errno> {
        let open = self.handles.dir(handle)?;
        let mut kept = open.listing.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(listing) if offset > 0 => Ok(Arc::clone(listing)),
            _ => {
                let listing = Arc::new(self.list(node)?);
                *kept = Some(Arc::clone(&listing));
                Ok(listing)
            }
        }
    }

    fn list(&self, node: u64) -> Result<Listing, Errno> {
        let own = self.look_at(node)?.stat.ino;
        match self.spot(node)? {
            Spot::Path(path) => {
                let above = if node == ROOT { own } else { self.union.look_up_parent(&path)?.stat.ino };
                Ok(Listing { own, above, names: self.union.list_numbered(&path)? })
            }
            // removed: empty
            Spot::Open(..) => Ok(Listing { own, above: own, names: Vec::new() }),
        }
    }

    /// Fills an answer with names from a place on.
    pub(super) fn read_dir(
        &self,
        node: u64,
        handle: u64,
        offset: u64,
        reply: &mut ReplyDirectory,
    ) -> Result<(), Errno> {
        let listing = self.listing(node, handle, offset)?;
        let dots = [listing.own, listing.above].into_iter().zip(DOTS);
        let dots = dots.map(|(number, name)| (number, FileType::Directory, name));
        let names = listing.names.iter().map(|item| (item.number, file_type(item.kind), &*item.name));
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        for (next, (number, kind, name)) in (offset + 1..).zip(dots.chain(names).skip(from)) {
            if reply.add(INodeNo(number), next, kind, OsStr::from_bytes(name)) {
                break;
            }
        }
        Ok(())
    }

    /// The same with each name's attributes, which counts as a lookup of each.
    pub(super) fn read_dir_with_attributes(
        &self,
        node: u64,
        handle: u64,
        offset: u64,
        reply: &mut ReplyDirectoryPlus,
    ) -> Result<(), Errno> {
        let listing = self.listing(node, handle, offset)?;
        let mut next = offset;
        for (number, name) in [listing.own, listing.above].into_iter().zip(DOTS).skip(place(offset, 0)) {
            next += 1;
            // the kernel takes only the number and the type of these
            let mut attributes = attributes::nothing();
            (attributes.ino, attributes.kind) = (INodeNo(number), FileType::Directory);
            if reply.add(attributes.ino, next, OsStr::from_bytes(name), &NEVER, &attributes, Generation(0)) {
                return Ok(());
            }
        }
        let Spot::Path(path) = self.spot(node)? else { return Ok(()) };
        for item in listing.names.iter().skip(place(offset, DOTS.len())) {
            next += 1;
            let shown = match self.union.look_up_in(&path, &item.name) {
                Ok(shown) => shown,
                // gone since the listing was taken
                Err(Errno::NOENT) => continue,
                // whoever looks at it is told why; a node of 0 says that nothing is known of it
                Err(_) => {
                    let mut attributes = attributes::nothing();
                    (attributes.ino, attributes.kind) = (INodeNo(item.number), file_type(item.kind));
                    let name = OsStr::from_bytes(&item.name);
                    if reply.add(INodeNo(0), next, name, &NEVER, &attributes, Generation(0)) {
                        break;
                    }
                    continue;
                }
            };
            let named = self.entered(node, &item.name, shown);
            let (attributes, generation) = (named.attributes(), Generation(named.generation()));
            let name = OsStr::from_bytes(&item.name);
            if reply.add(attributes.ino, next, name, &named.lasts(), &attributes, generation) {
                self.nodes.forget(named.id(), 1);
                break;
            }
        }
        Ok(())
    }

    /// fsync(2) of a directory.
    pub(super) fn sync_dir(&self, node: u64) -> Result<(), Errno> {
        match self.spot(node)? {
            Spot::Path(path) => self.union.sync_dir(&path),
            Spot::Open(..) => Ok(()),
        }
    }
}

/// How many of the names behind the first `before` were read already at a place.
fn place(offset: u64, before: usize) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX).saturating_sub(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_the_dots_first() {
        assert_eq!((place(0, 0), place(1, 0), place(5, 0)), (0, 1, 5));
        assert_eq!((place(0, 2), place(2, 2), place(5, 2)), (0, 0, 3));
    }
}
