//! What serves a mount: a union, and what the kernel knows of it.

use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock, RwLock};

use fuser::Notifier;

use super::handles::Handles;
use super::listings::Listings;
use super::nodes::Nodes;
use super::pushes::Pushes;
use super::server::Manner;
use super::turns::Turns;
use crate::union::Union;

/// Where the kernel may read lower layers' files by itself, those up to this size still go through its cache, in bytes: one
/// that is read again needs no descriptor then.
const SMALL_FILE: u64 = 64 << 10;

/// A union behind the protocol.
#[derive(Debug)]
pub(super) struct Adapter {
    pub(super) union: Arc<Union>,
    pub(super) nodes: Arc<Nodes>,
    pub(super) handles: Handles,
    pub(super) listings: Listings,
    pub(super) manner: Manner,
    /// Held to read by whatever works on paths, to write while paths change.
    pub(super) paths: RwLock<()>,
    pub(super) turns: Turns,
    pub(super) pushes: Pushes,
    /// Where requests come from, and answers go that the crate cannot give.
    pub(super) device: Arc<OwnedFd>,
    /// The way to tell the kernel what it did not ask, once there is one.
    pub(super) notifier: Arc<OnceLock<Notifier>>,
    /// Closed when nobody uses the mount any more.
    #[expect(dead_code, reason = "held")]
    lifeline: Option<OwnedFd>,
}

impl Adapter {
    /// Adapts a union to what is read from `device`. `lifeline` is closed when it has ended.
    pub(super) fn new(union: Arc<Union>, device: OwnedFd, manner: Manner, lifeline: Option<OwnedFd>) -> Self {
        let cached_size = if union.has_upper() { u64::MAX } else { SMALL_FILE };
        union.note_all_touched();
        let (device, nodes) = (Arc::new(device), Arc::new(Nodes::new(cached_size)));
        Self {
            union,
            nodes: Arc::clone(&nodes),
            handles: Handles::new(),
            listings: Listings::default(),
            paths: RwLock::default(),
            turns: Turns::new(Arc::clone(&device)),
            pushes: Pushes::new(Arc::clone(&device), nodes),
            device,
            notifier: Arc::default(),
            manner,
            lifeline,
        }
    }
}
