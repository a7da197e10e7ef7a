//! Listings as answers: names from a place on, with or without attributes.
//!
//! Names are in raw byte order, so a place means the same in every listing of an unchanged directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use fuser::{FileType, Generation, INodeNo, ReplyDirectory, ReplyDirectoryPlus};

use super::attributes::{self, NEVER, Spot, file_type};
use super::listings::{Aged, Listing, names_before};
use super::names::Named;
use super::nodes::ROOT;
use super::served::Adapter;
use crate::sys::Errno;
use crate::union::Listed;

/// The names of the directory itself and of the one above it.
const DOTS: [&[u8]; 2] = [b".", b".."];

impl Adapter {
    /// The listing in which a handle reads on from a place.
    fn listing(&self, node: u64, handle: u64, offset: u64) -> Result<Aged, Errno> {
        self.listings.at(handle, offset, || self.list(node))
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
        let aged = self.listing(node, handle, offset)?;
        let listing = &*aged.listing;
        let dots = [listing.own, listing.above].into_iter().zip(DOTS);
        let dots = dots.map(|(number, name)| (number, FileType::Directory, name));
        let names = listing.names.iter().map(|item| (item.number, file_type(item.kind), &*item.name));
        let before = names_before(offset);
        for (next, (number, kind, name)) in (before + 1..).zip(dots.chain(names).skip(place(before, 0))) {
            if reply.add(INodeNo(number), aged.place(next), kind, OsStr::from_bytes(name)) {
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
        let aged = self.listing(node, handle, offset)?;
        let listing = &*aged.listing;
        let before = names_before(offset);
        let mut read = before;
        for (number, name) in [listing.own, listing.above].into_iter().zip(DOTS).skip(place(before, 0)) {
            read += 1;
            let next = aged.place(read);
            // the kernel takes only the number and the type of these
            let mut attributes = attributes::nothing();
            (attributes.ino, attributes.kind) = (INodeNo(number), FileType::Directory);
            if reply.add(attributes.ino, next, OsStr::from_bytes(name), &NEVER, &attributes, Generation(0)) {
                return Ok(());
            }
        }
        let Spot::Path(path) = self.spot(node)? else { return Ok(()) };
        for item in listing.names.iter().skip(place(before, DOTS.len())) {
            read += 1;
            let next = aged.place(read);
            let named = match self.union.look_up_in(&path, &item.name) {
                Ok(shown) if shown.single => Some(self.entered(node, &item.name, shown)),
                // gone since the listing was taken
                Err(Errno::NOENT) => continue,
                // of one that is refused whoever looks at it is told why
                Ok(_) | Err(_) => None,
            };
            let numbered = named.filter(Named::is_known_by_number);
            let full = match numbered {
                Some(named) => {
                    let (attributes, generation) = (named.attributes(), Generation(named.generation()));
                    let name = OsStr::from_bytes(&item.name);
                    reply.add(attributes.ino, next, name, &named.lasts(), &attributes, generation)
                }
                None => self.list_unentered(item, next, reply),
            };
            if let Some(named) = named
                && (full || numbered.is_none())
            {
                self.nodes.forget(named.id(), 1);
            }
            if full {
                break;
            }
        }
        Ok(())
    }

    /// Lists a name by its file's number, where that is not what the kernel can know the file by; tells whether the
    /// answer is full. The crate has one field for both. With a size that no file has the kernel lists the name and
    /// forgets what it was told of beside it (Linux `fuse_invalid_attr`).
    fn list_unentered(&self, item: &Listed, next: u64, reply: &mut ReplyDirectoryPlus) -> bool {
        let mut attributes = attributes::nothing();
        (attributes.ino, attributes.kind) = (INodeNo(item.number), file_type(item.kind));
        attributes.size = u64::MAX;
        let awaited = self.nodes.await_forget(item.number);
        let name = OsStr::from_bytes(&item.name);
        let full = reply.add(attributes.ino, next, name, &NEVER, &attributes, Generation(0));
        if full && awaited {
            self.nodes.forget(item.number, 1);
        }
        full
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
