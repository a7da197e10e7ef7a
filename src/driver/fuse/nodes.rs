//! The table of nodes: what the kernel knows files by, and where each lies in the union.
//!
//! A node knows its directory's node and its name there, so the rename of a directory moves one entry. A node's ID is
//! its file's lasting number where that stands for this file alone, else one of a range of its own: the crate that
//! speaks the protocol has one field for both. Names of one file in the upper share a node. A node is kept for as long
//! as the kernel has looked it up more often than it forgot it.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::{Kind, LayerPath};
use crate::sys::{self, Errno};
use crate::union::Shown;

/// The root's node (Linux `FUSE_ROOT_ID`).
pub(super) const ROOT: u64 = 1;

/// IDs of nodes that cannot have their file's number begin here; no number has both of these bits.
const PRIVATE: u64 = 3 << 62;

/// As many nodes are never worth giving memory back for.
const SMALL: usize = 1 << 14;

/// A file's place in the union: its directory's node and its name.
type Name = (u64, Arc<[u8]>);

/// A descriptor that leads to a file without a name.
#[derive(Debug)]
pub(super) struct Hold {
    /// `O_PATH`.
    pub(super) fd: OwnedFd,
    pub(super) in_upper: bool,
}

#[derive(Debug)]
struct Node {
    names: Names,
    /// How often the kernel looked it up and did not forget it.
    lookups: u64,
    /// Tells it from another node that had its ID before.
    generation: u64,
    /// Whether its file was seen in the upper.
    in_upper: bool,
    /// Whether it goes through the kernel's cache for as long as it is not in the upper.
    cached: bool,
    /// Whether it may have been written to past the kernel's cache.
    bypassed: bool,
    /// Whether somebody may have shared memory of it that the kernel writes by itself; it may outlive every descriptor.
    mapped: bool,
    /// Whether its file is known to have no attribute that users see.
    bare: bool,
    hold: Option<Arc<Hold>>,
}

/// Most files have one name that is known.
#[derive(Debug)]
enum Names {
    None,
    One(Name),
    Many(Vec<Name>),
}

impl Names {
    fn first(&self) -> Option<&Name> {
        match self {
            Self::None => None,
            Self::One(name) => Some(name),
            Self::Many(names) => names.first(),
        }
    }

    fn add(&mut self, name: Name) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(name),
            Self::One(first) => Self::Many(vec![first, name]),
            Self::Many(mut names) => {
                names.push(name);
                Self::Many(names)
            }
        };
    }

    fn remove(&mut self, parent: u64, name: &[u8]) {
        let is_it = |held: &Name| held.0 == parent && *held.1 == *name;
        match self {
            Self::One(held) if is_it(held) => *self = Self::None,
            Self::Many(names) => {
                names.retain(|held| !is_it(held));
                if names.is_empty() {
                    *self = Self::None;
                }
            }
            _ => {}
        }
    }

    fn take(&mut self) -> Vec<Name> {
        match std::mem::replace(self, Self::None) {
            Self::None => Vec::new(),
            Self::One(name) => vec![name],
            Self::Many(names) => names,
        }
    }
}

/// A node as the kernel is told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entered {
    pub(super) id: u64,
    pub(super) generation: u64,
    /// As [`Nodes::may_be_mapped`] says of it.
    pub(super) mapped: bool,
}

/// All nodes.
#[derive(Debug)]
pub(super) struct Nodes {
    table: Mutex<Table>,
    /// Up to this size a file of a lower layer is read into the kernel's cache and stays there, in bytes.
    cached_size: u64,
}

#[derive(Debug)]
struct Table {
    /// Boxed: a map has up to twice as many places as it has nodes.
    nodes: HashMap<u64, Box<Node>>,
    /// Directory → name → node.
    children: HashMap<u64, HashMap<Arc<[u8]>, u64>>,
    /// Counts nodes made.
    made: u64,
    /// Counts attributes set.
    attributes: u64,
    /// The most nodes since memory was given back.
    peak: usize,
}

impl Nodes {
    /// The root alone. Lower layers' files up to `cached_size` bytes go through the kernel's cache.
    pub(super) fn new(cached_size: u64) -> Self {
        let root = Node {
            names: Names::None,
            lookups: 1,
            generation: 0,
            in_upper: true,
            cached: false,
            bypassed: false,
            mapped: false,
            bare: false,
            hold: None,
        };
        let nodes = HashMap::from([(ROOT, Box::new(root))]);
        Self {
            table: Mutex::new(Table { nodes, children: HashMap::new(), made: 0, attributes: 0, peak: SMALL }),
            cached_size,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of a node; `None` if it has no name any more, or none of a directory above it has.
    pub(super) fn path(&self, id: u64) -> Option<LayerPath> {
        self.lock().path(id, None)
    }

    /// The path of a name in a directory.
    pub(super) fn path_in(&self, dir: u64, name: &[u8]) -> Result<LayerPath, Errno> {
        if name.len() > crate::model::NAME_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        let table = self.lock();
        table.path(dir, Some(name)).ok_or_else(|| match table.path(dir, None) {
            // the union's paths have a limit that the kernel's have not
            Some(_) => Errno::NAMETOOLONG,
            None => Errno::NOENT,
        })
    }

    /// The node under a name, if the kernel knows one.
    pub(super) fn child(&self, dir: u64, name: &[u8]) -> Option<u64> {
        self.lock().children.get(&dir)?.get(name).copied()
    }

    /// Counts a lookup of a name, and gives the node that it leads to.
    pub(super) fn enter(&self, dir: u64, name: &[u8], shown: &Shown) -> Entered {
        let mut table = self.lock();
        let known = table.children.get(&dir).and_then(|names| names.get(name)).copied();
        if let Some(id) = known {
            if let Some(node) = table.nodes.get_mut(&id)
                && (id == shown.stat.ino || !shown.single || id >= PRIVATE)
            {
                node.lookups += 1;
                node.in_upper |= shown.in_upper;
                return Entered { id, generation: node.generation, mapped: node.mapped };
            }
            table.unname(dir, name);
        }
        let wanted = shown.stat.ino;
        let taken = table.nodes.get_mut(&wanted);
        let is_free = shown.single && wanted > ROOT;
        let name: Arc<[u8]> = name.into();
        if let Some(node) = taken
            && is_free
            && node.hold.is_none()
        {
            // one more name of the same file
            node.lookups += 1;
            node.in_upper |= shown.in_upper;
            node.names.add((dir, Arc::clone(&name)));
            let (generation, mapped) = (node.generation, node.mapped);
            table.children.entry(dir).or_default().insert(name, wanted);
            return Entered { id: wanted, generation, mapped };
        }
        table.made += 1;
        let generation = table.made;
        let free = is_free && !table.nodes.contains_key(&wanted);
        let id = if free { wanted } else { PRIVATE | generation };
        let names = Names::One((dir, Arc::clone(&name)));
        let (in_upper, cached) = (shown.in_upper, self.takes_cached(shown));
        let node = Node {
            names,
            lookups: 1,
            generation,
            in_upper,
            cached,
            bypassed: false,
            mapped: false,
            bare: false,
            hold: None,
        };
        table.nodes.insert(id, Box::new(node));
        table.peak = table.peak.max(table.nodes.len());
        table.children.entry(dir).or_default().insert(name, id);
        Entered { id, generation, mapped: false }
    }

    /// Counts a lookup of one more name of a node's file.
    pub(super) fn enter_as(&self, id: u64, dir: u64, name: &[u8]) -> Option<Entered> {
        let mut table = self.lock();
        let node = table.nodes.get_mut(&id)?;
        node.lookups += 1;
        let (generation, mapped) = (node.generation, node.mapped);
        table.unname(dir, name);
        table.name(id, dir, name);
        Some(Entered { id, generation, mapped })
    }

    /// The kernel will forget an ID that it was not to take as one; whether a node has it.
    pub(super) fn await_forget(&self, id: u64) -> bool {
        let mut table = self.lock();
        let node = table.nodes.get_mut(&id);
        node.map(|node| node.lookups += 1).is_some()
    }

    /// Takes lookups back; a node without any is dropped, and the answer is yes.
    pub(super) fn forget(&self, id: u64, lookups: u64) -> bool {
        let mut table = self.lock();
        let Some(node) = table.nodes.get_mut(&id) else { return false };
        node.lookups = node.lookups.saturating_sub(lookups);
        if node.lookups > 0 || id == ROOT {
            return false;
        }
        if let Some(mut node) = table.nodes.remove(&id) {
            for (dir, name) in node.names.take() {
                table.drop_child(dir, &name, id);
            }
        }
        if table.peak > SMALL && table.nodes.len() < table.peak / 4 {
            // the kernel forgot most: so do we, and give the memory back
            table.peak = table.nodes.len().max(SMALL);
            table.nodes.shrink_to_fit();
            table.children.shrink_to_fit();
            drop(table);
            sys::give_memory_back();
        }
        true
    }

    /// A name is gone; its node lives on without it, by `hold` if that was the last one known.
    pub(super) fn unname(&self, dir: u64, name: &[u8], hold: Option<Hold>) {
        let mut table = self.lock();
        if let Some(id) = table.unname(dir, name)
            && let Some(node) = table.nodes.get_mut(&id)
            && node.names.first().is_none()
        {
            node.hold = hold.map(Arc::new);
        }
    }

    /// A name was moved onto another, whose own node (if it had one) lives on by `hold`.
    pub(super) fn rename(&self, from: (u64, &[u8]), to: (u64, &[u8]), hold: Option<Hold>) {
        self.unname(to.0, to.1, hold);
        let mut table = self.lock();
        let Some(id) = table.unname(from.0, from.1) else { return };
        table.name(id, to.0, to.1);
    }

    /// Two names were swapped.
    pub(super) fn exchange(&self, one: (u64, &[u8]), other: (u64, &[u8])) {
        let mut table = self.lock();
        let (first, second) = (table.unname(one.0, one.1), table.unname(other.0, other.1));
        if let Some(id) = first {
            table.name(id, other.0, other.1);
        }
        if let Some(id) = second {
            table.name(id, one.0, one.1);
        }
    }

    /// What leads to a node without a name.
    pub(super) fn hold(&self, id: u64) -> Option<Arc<Hold>> {
        self.lock().nodes.get(&id)?.hold.clone()
    }

    /// Whether the name is the only one known of a node, so that the node needs a hold before the name goes.
    pub(super) fn is_last_name(&self, dir: u64, name: &[u8]) -> bool {
        let table = self.lock();
        let id = table.children.get(&dir).and_then(|names| names.get(name));
        let node = id.and_then(|id| table.nodes.get(id));
        node.is_some_and(|node| matches!(node.names, Names::One(_)))
    }

    /// Notes that a node's file is in the upper; tells whether that is news.
    pub(super) fn note_raised(&self, id: u64) -> bool {
        let mut table = self.lock();
        let node = table.nodes.get_mut(&id);
        node.is_some_and(|node| !std::mem::replace(&mut node.in_upper, true))
    }

    /// The directory that lists a node by a number that its ID is not.
    pub(super) fn lists_by_number(&self, id: u64) -> Option<u64> {
        let table = self.lock();
        let (dir, _) = table.nodes.get(&id).filter(|_| id >= PRIVATE)?.names.first()?;
        Some(*dir)
    }

    fn takes_cached(&self, shown: &Shown) -> bool {
        // an empty file may stand for a device
        !shown.in_upper && shown.stat.kind == Kind::File && (1..=self.cached_size).contains(&shown.stat.size)
    }

    /// Whether a node's file is a lower layer's that goes through the kernel's cache.
    pub(super) fn is_cached(&self, id: u64) -> bool {
        self.lock().nodes.get(&id).is_some_and(|node| node.cached && !node.in_upper)
    }

    /// Whether a node's file may have been written to past the kernel's cache.
    pub(super) fn is_bypassed(&self, id: u64) -> bool {
        self.lock().nodes.get(&id).is_some_and(|node| node.bypassed)
    }

    /// Whether somebody may have shared memory of a node's file that the kernel writes by itself.
    pub(super) fn may_be_mapped(&self, id: u64) -> bool {
        self.lock().nodes.get(&id).is_some_and(|node| node.mapped)
    }

    /// Notes that a node's file may be written to past the kernel's cache from now on.
    pub(super) fn note_bypassed(&self, id: u64, mapped: bool) {
        if let Some(node) = self.lock().nodes.get_mut(&id) {
            node.bypassed = true;
            node.mapped |= mapped;
        }
    }

    /// Whether a node's file is known to have no attribute that users see.
    pub(super) fn is_bare(&self, id: u64) -> bool {
        self.lock().nodes.get(&id).is_some_and(|node| node.bare)
    }

    /// Notes that a node's file has no attribute that users see, if nobody has set one since `changes` were counted.
    pub(super) fn note_bare(&self, id: u64, changes: u64) {
        let mut table = self.lock();
        if table.attributes == changes
            && let Some(node) = table.nodes.get_mut(&id)
        {
            node.bare = true;
        }
    }

    /// How often an attribute was set.
    pub(super) fn attributes(&self) -> u64 {
        self.lock().attributes
    }

    /// Notes that an attribute of a node's file was set.
    pub(super) fn note_attribute(&self, id: u64) {
        let mut table = self.lock();
        table.attributes += 1;
        if let Some(node) = table.nodes.get_mut(&id) {
            node.bare = false;
        }
    }

    /// Whether a node is known, and its file was not seen in the upper.
    pub(super) fn is_lower(&self, id: u64) -> bool {
        self.lock().nodes.get(&id).is_some_and(|node| !node.in_upper)
    }

    /// Whether a node's file was seen in the upper.
    pub(super) fn is_raised(&self, id: u64) -> bool {
        self.lock().nodes.get(&id).is_some_and(|node| node.in_upper)
    }
}

impl Table {
    fn path(&self, id: u64, last: Option<&[u8]>) -> Option<LayerPath> {
        let mut names: Vec<&[u8]> = Vec::with_capacity(16);
        names.extend(last);
        let mut at = id;
        while at != ROOT {
            let (dir, name) = self.nodes.get(&at)?.names.first()?;
            names.push(name);
            at = *dir;
        }
        let mut bytes = Vec::with_capacity(names.iter().map(|name| name.len() + 1).sum());
        for name in names.iter().rev() {
            if !bytes.is_empty() {
                bytes.push(b'/');
            }
            bytes.extend_from_slice(name);
        }
        LayerPath::parse(&bytes).ok()
    }

    fn drop_child(&mut self, dir: u64, name: &[u8], id: u64) {
        if let Some(names) = self.children.get_mut(&dir)
            && names.get(name) == Some(&id)
        {
            names.remove(name);
            if names.is_empty() {
                self.children.remove(&dir);
            }
        }
    }

    fn unname(&mut self, dir: u64, name: &[u8]) -> Option<u64> {
        let id = *self.children.get(&dir)?.get(name)?;
        self.drop_child(dir, name, id);
        if let Some(node) = self.nodes.get_mut(&id) {
            node.names.remove(dir, name);
        }
        Some(id)
    }

    fn name(&mut self, id: u64, dir: u64, name: &[u8]) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let name: Arc<[u8]> = name.into();
        node.names.add((dir, Arc::clone(&name)));
        self.children.entry(dir).or_default().insert(name, id);
    }
}

#[cfg(test)]
#[path = "nodes_tests.rs"]
mod tests;
