#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]
//! `ufs`: explore, build, mount and commit container file-system layers.
//!
//! # The map
//! Floors, bottom → top. A module uses only what stands above it in this list; `tests/tidy.rs` keeps these walls, and the
//! table of which outside crate may appear where.
//!
//! | module | owns |
//! | --- | --- |
//! | [`model`] | pure values: digests and IDs, checked layer paths, metadata, change sets. No I/O, no clock |
//! | [`overlay`] | the overlay's rules as pure functions on change sets: the source of the views, the oracle of the tests |
//! | [`sys`] | every system call and the only `unsafe` |
//! | [`tar`] | the canonical tar of a layer out; any tar in, compressed or not |
//! | [`store`] | layers, names, drafts and mounts on disk: locks, atomic commit, recovery, check, collection |
//! | [`oci`] | images as other tools write them, read where they lie; images written as they take them |
//! | [`union`] | the overlay in user space, on real directories. Knows no FUSE |
//! | [`driver`] | one face for the kernel's overlay, FUSE and the union inside the process; the guard that unmounts |
//! | [`workspace`] | everything that a user can do, as methods. No Rhai, no terminal |
//! | [`view`] | values → text, one file a view; every byte that is not ours is escaped |
//! | [`shell`] | Rhai and the prompt: one table of commands feeds the engine, help and completion |
//! | [`config`], [`cli`] | where things lie; the command line |
//!
//! A line at the prompt goes down these floors and comes back up: `shell` finds the command in its table, calls a method
//! of `workspace`, which asks `store` for layers and `driver` for a mount; what comes back is a value, which `view` draws
//! and only the loop in `shell` prints.
//!
//! # Invariants
//! - **A sealed layer never changes.** No driver gets it writable, a check never writes, and a shell that sits in a mount
//!   at a commit keeps a read-only view of what was sealed.
//! - **Right before fast.** No answer may be stale. A cache is kept only where something tells when it ends.
//! - **"I could not look" is never "nothing there".** An error in recovery means that there are changes.
//! - **A name is published after what it names is on disk** (`store::publish`: sync, rename, sync the directory), but for
//!   stores and mounts that are declared throw-away.
//! - **Everything that is read is hostile until checked**: layers, tars, records of the store, paths, names.
//! - **No path leaves its layer.** Paths are walked beneath an open directory (`openat2`, `RESOLVE_BENEATH`), and links in
//!   them mean what they mean inside the layer.
//! - **All drivers agree**, and with the kernel's overlay: random traces run on each of them and on the pure model.
//!   What is different on purpose stands in one list, at the head of `driver::fuse`.
//! - **Who uses a FUSE mount shares no descriptors with who serves it**, so that no death of either leaves the other stuck.
//!
//! # Decisions
//! - **One layer format, the kernel's own.** A layer is a directory as `OverlayFS` writes it with `userxattr` (a whiteout is
//!   a character device 0:0, opaque is `user.overlay.opaque`), so the same layer serves every driver, and root as well as
//!   an ordinary user. Where devices cannot be made, whiteouts are empty files with an attribute, which the kernel honours.
//! - **Each sealed layer has an index**, its change set as a checksummed record. Views and hashes read it rather than the
//!   tree; it keeps what a file of an ordinary user cannot have, such as owners.
//! - **IDs are hashes of a canonical tar** ([`tar`] has its form), streamed through the hash and never written at a commit.
//! - **Commit is a rename**: the mount is made read-only, the upper hashed once and renamed into the store, and the new
//!   stack mounted beneath the old one, which then goes. A crash leaves the mount with its upper or the layer, never neither.
//! - **Mounts take descriptors**, by the mount API of Linux 5.2 and later: no strings to escape, up to 500 layers.
//! - **Namespaces first.** An ordinary user enters a user and mount namespace before any thread exists; all above is the
//!   same for both.
//! - **Implied directories.** A directory that a layer has only for what lies in it is in no tar and in no ID, and looks as
//!   the layers beneath have it; what the kernel's overlay needs for that belongs to the mount, not to the layer.
//!
//! # Deliberately absent
//! A daemon; a second layer format; mount options as strings; Rhai below `shell`, colour below `view`, I/O in `model` and
//! `overlay`; a cache that is never told of changes.
//!
//! # Words
//! - **layer**: a set of changes over what lies beneath it. **draft**: a layer that is still written; sealing it gives it
//!   its IDs. **stack**: layers, listed bottom → top.
//! - **diff ID**: the SHA-256 of a layer's tar. **chain ID**: the same of a stack, chained (OCI image-spec, `config.md`).
//! - **lower, upper, work, merged**: a mount's read-only layers, its one writable directory, the kernel's scratch
//!   directory, the union that users see (`overlayfs.rst`).
//! - **whiteout**: "this name is deleted here". **opaque**: "nothing beneath this directory shows through".
//! - **copy-up**: the copy of a lower file into the upper at its first change.
//! - **driver**: how a stack is mounted: `overlay`, `fuse` or `direct`.
//! - **intent**: a record that a change of several steps has begun, by which recovery ends it or takes it back.
//!
//! `CONTRIBUTING.md` tells how to build, test and measure, and where to begin with a change.

#[cfg(test)]
extern crate self as ufs;

pub mod cli;
pub mod config;
pub mod driver;
pub mod model;
pub mod oci;
pub mod overlay;
pub mod shell;
pub mod store;
pub mod sys;
pub mod tar;
pub mod union;
pub mod view;
pub mod workspace;
