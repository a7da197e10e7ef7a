//! Open directories: the listing that each reads, so that its places stay whatever comes and goes meanwhile.
//!
//! A listing is taken when a directory is read from its start, and stays with its handle. The kernel keeps what it was
//! told of a directory for all of its opens. What it kept may go at any time, and it finds a place there only if the
//! very name before it is in it; a place that it does not find is the end to it. So one open of a directory at a time
//! reads what the kernel keeps, and has the listing that this came from for what the kernel dropped; others ask us.
//!
//! A place tells, beside how many names are before it, which of a directory's listings it is of: what is left of one
//! that was not read to its end is not taken for the beginning of another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sys::Errno;
use crate::union::Listed;

/// The most names in listings that no handle has.
const BOUND: usize = 1 << 18;

/// A place has its listing's age from here on.
const AGE: u32 = 32;

/// A directory's names, with `.` and `..` in front.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Listing {
    /// The numbers of the directory and of the one above it.
    pub(super) own: u64,
    pub(super) above: u64,
    pub(super) names: Vec<Listed>,
}

/// A listing, and which of its directory's it is.
#[derive(Clone, Debug)]
pub(super) struct Aged {
    pub(super) listing: Arc<Listing>,
    age: u64,
}

impl Aged {
    /// The place behind so many names.
    pub(super) fn place(&self, names: u64) -> u64 {
        self.age << AGE | names
    }
}

/// How many names are before a place.
pub(super) fn names_before(place: u64) -> u64 {
    place & ((1 << AGE) - 1)
}

/// How the kernel goes on with an open directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) handle: u64,
    /// Whether it reads what the kernel keeps.
    pub(super) cached: bool,
    /// Whether what the kernel keeps stays.
    pub(super) keeps: bool,
}

/// An open directory.
#[derive(Debug)]
struct Open {
    node: u64,
    aged: Option<Aged>,
}

/// What is known of a directory that is or was open.
#[derive(Debug, Default)]
struct Known {
    /// The handle that reads what the kernel keeps.
    reader: Option<u64>,
    /// The listing of which the kernel keeps all, a part or nothing.
    kept: Option<Aged>,
}

/// All open directories.
#[derive(Debug, Default)]
pub(super) struct Listings {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    handles: u64,
    open: HashMap<u64, Open>,
    known: HashMap<u64, Known>,
    /// How many names are in the listings of `known`.
    names: usize,
}

impl Listings {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a node's directory.
    pub(super) fn open(&self, node: u64) -> Entry {
        let mut table = self.lock();
        table.handles += 1;
        let handle = table.handles;
        let known = table.known.entry(node).or_default();
        let cached = known.reader.is_none();
        let mut aged = None;
        if cached {
            known.reader = Some(handle);
            aged.clone_from(&known.kept);
        }
        let keeps = !cached || aged.is_some();
        table.open.insert(handle, Open { node, aged });
        Entry { handle, cached, keeps }
    }

    /// Closes a directory.
    pub(super) fn release(&self, handle: u64) {
        let mut table = self.lock();
        let Some(Open { node, .. }) = table.open.remove(&handle) else { return };
        if let Some(known) = table.known.get_mut(&node)
            && known.reader == Some(handle)
        {
            known.reader = None;
            if known.kept.is_none() {
                table.known.remove(&node);
            }
        }
    }

    /// The listing in which a place is that a handle reads on from; `take` takes a new one.
    pub(super) fn at(
        &self,
        handle: u64,
        place: u64,
        take: impl FnOnce() -> Result<Listing, Errno>,
    ) -> Result<Aged, Errno> {
        if place > 0
            && let Some(aged) = self.lock().find(handle, place >> AGE)?
        {
            return Ok(aged);
        }
        let listing = take()?;
        self.lock().begin(handle, listing)
    }

    /// What the kernel keeps of a directory is not right any more, though no name came or went.
    pub(super) fn renew(&self, node: u64) {
        self.lock().keep(node, None);
    }

    /// The kernel does not know a node any more.
    pub(super) fn forget(&self, node: u64) {
        let mut table = self.lock();
        if table.known.get(&node).is_some_and(|known| known.reader.is_none()) {
            table.keep(node, None);
            table.known.remove(&node);
        }
    }
}

impl Table {
    fn find(&self, handle: u64, age: u64) -> Result<Option<Aged>, Errno> {
        let open = self.open.get(&handle).ok_or(Errno::BADF)?;
        let kept = self.known.get(&open.node).and_then(|known| known.kept.as_ref());
        let own = open.aged.as_ref();
        let same = own.into_iter().chain(kept).find(|aged| aged.age == age);
        Ok(same.or(own).cloned())
    }

    /// A handle reads from the start.
    fn begin(&mut self, handle: u64, listing: Listing) -> Result<Aged, Errno> {
        let open = self.open.get(&handle).ok_or(Errno::BADF)?;
        let (node, own) = (open.node, open.aged.as_ref());
        let known = self.known.get(&node);
        let kept = known.and_then(|known| known.kept.as_ref());
        let earlier = || own.into_iter().chain(kept);
        let same = earlier().find(|aged| *aged.listing == listing).cloned();
        let aged = same.unwrap_or_else(|| {
            let age = earlier().map(|aged| aged.age + 1).max().unwrap_or(0);
            Aged { listing: Arc::new(listing), age }
        });
        let reads = known.is_some_and(|known| known.reader == Some(handle));
        if let Some(open) = self.open.get_mut(&handle) {
            open.aged = Some(aged.clone());
        }
        if reads {
            self.keep(node, Some(aged.clone()));
        }
        Ok(aged)
    }

    fn keep(&mut self, node: u64, aged: Option<Aged>) {
        let length = |aged: &Option<Aged>| aged.as_ref().map_or(0, |aged| aged.listing.names.len() + 1);
        self.names += length(&aged);
        if let Some(known) = self.known.get_mut(&node) {
            self.names -= length(&std::mem::replace(&mut known.kept, aged));
        }
        if self.names > BOUND {
            // the next open of each lets the kernel drop what it keeps, too
            self.known.retain(|_, known| {
                known.kept = None;
                known.reader.is_some()
            });
            self.names = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    const NODE: u64 = 7;

    fn listing(names: &[&str]) -> Listing {
        let listed = |name: &&str| Listed { name: name.as_bytes().into(), kind: Kind::File, number: 9 };
        Listing { own: 1, above: 1, names: names.iter().map(listed).collect() }
    }

    #[track_caller]
    fn never() -> Result<Listing, Errno> {
        panic!("a listing is taken")
    }

    #[test]
    fn a_place_stays_in_the_listing_that_the_kernel_keeps() {
        let listings = Listings::default();
        let first = listings.open(NODE);
        assert_eq!((first.cached, first.keeps), (true, false));
        let aged = listings.at(first.handle, 0, || Ok(listing(&["a", "b"]))).unwrap();
        assert_eq!(aged.place(2), 2);
        listings.release(first.handle);
        // it reads what the kernel kept of the first, which is dropped on the way
        let second = listings.open(NODE);
        assert_eq!((second.cached, second.keeps), (true, true));
        assert_eq!(*listings.at(second.handle, 2, never).unwrap().listing, listing(&["a", "b"]));
        // names went: others begin anew, and the second goes on
        let third = listings.open(NODE);
        assert_eq!((third.cached, third.keeps), (false, true));
        let aged = listings.at(third.handle, 0, || Ok(listing(&["b"]))).unwrap();
        assert_eq!(names_before(aged.place(1)), 1);
        assert_eq!(*listings.at(third.handle, aged.place(1), never).unwrap().listing, listing(&["b"]));
        assert_eq!(*listings.at(second.handle, 2, never).unwrap().listing, listing(&["a", "b"]));
        // read again from the start it is what is there
        let aged = listings.at(second.handle, 0, || Ok(listing(&["b"]))).unwrap();
        assert_ne!(aged.place(1), 1);
        for entry in [second, third] {
            listings.release(entry.handle);
        }
        listings.forget(NODE);
        assert!(listings.lock().known.is_empty());
        assert_eq!(listings.lock().names, 0);
    }

    #[test]
    fn an_unchanged_directory_has_the_same_places_each_time() {
        let listings = Listings::default();
        for _ in 0..3 {
            let open = listings.open(NODE);
            let aged = listings.at(open.handle, 0, || Ok(listing(&["a"]))).unwrap();
            assert_eq!(aged.place(1), 1);
            listings.release(open.handle);
        }
        assert_eq!(listings.lock().names, 2);
    }

    #[test]
    fn what_nobody_reads_is_kept_up_to_a_bound() {
        let listings = Listings::default();
        let name = |number: usize| Listed {
            name: number.to_string().into_bytes().into(),
            kind: Kind::File,
            number: 9,
        };
        let names: Vec<Listed> = (0..BOUND / 4).map(name).collect();
        for node in 0..20 {
            let open = listings.open(node);
            let taken = Listing { own: 1, above: 1, names: names.clone() };
            listings.at(open.handle, 0, || Ok(taken)).unwrap();
            listings.release(open.handle);
            assert!(listings.lock().names <= BOUND);
        }
        assert!(listings.lock().known.len() < 5);
        assert!(listings.open(0).cached);
    }
}
