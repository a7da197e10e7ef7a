//! Whole stores in temporary directories; every test runs as root and as an ordinary user.

mod adding;
mod barred;
mod commits;
mod exporting;
mod formats;
mod keeping;
mod sealing;
mod spare;

use std::io::Write as _;
use std::path::Path;

use super::{
    Collected, Collecting, Draft, MountDir, NewMount, Opening, Seal, Sealed, StackPart, Store, Syncs,
};
use crate::model::{LayerName, LayerPath, Metadata, Mode, Timestamp, TreeId};
use crate::sys::Dir;

const CREATED: Timestamp = Timestamp { secs: 1_700_000_000, nanos: 5 };
const TIME: Timestamp = Timestamp { secs: 1_600_000_000, nanos: 0 };

fn name(text: &str) -> LayerName {
    LayerName::parse(text).unwrap()
}

fn path(text: &str) -> LayerPath {
    LayerPath::parse(text.as_bytes()).unwrap()
}

/// A store that is not synced, in a directory that is gone with the returned guard.
fn store() -> (tempfile::TempDir, Store) {
    let host = tempfile::tempdir().unwrap();
    let store = open(host.path());
    (host, store)
}

fn open(host: &Path) -> Store {
    Store::open(&host.join("store"), Opening { create: true, syncs: Syncs::Ephemeral }).unwrap()
}

fn put(dir: &Dir, name: &str, content: &[u8]) {
    let mut file = dir.create(name.as_bytes(), Mode::new(0o644)).unwrap();
    file.write_all(content).unwrap();
    drop(file);
    dir.chmod(name.as_bytes(), Mode::new(0o644)).unwrap();
    dir.set_times(name.as_bytes(), None, Some(TIME)).unwrap();
}

fn seal<'a>(name: Option<&'a LayerName>, progress: &'a mut dyn FnMut(super::Progress) -> bool) -> Seal<'a> {
    Seal { name, replaces: None, message: Some("hello"), created: CREATED, clamp: None, progress }
}

/// The damage in a store; what waits to be ended is none.
fn check(store: &Store) -> Result<Vec<super::Finding>, super::Error> {
    let mut found = store.check(true, &mut |_| true)?;
    found.retain(super::Finding::is_damage);
    Ok(found)
}

/// Frees what nothing needs; these layers are used by this process.
fn collect(store: &Store, reached: &[TreeId]) -> Collected {
    let reached = reached.iter().copied().collect();
    let how = Collecting { reached: &reached, without: &[].into(), really: true };
    store.collect(how, &mut || true).unwrap()
}

fn seal_draft(store: &Store, draft: &Draft) -> Sealed {
    store.seal_draft(draft, seal(Some(draft.name()), &mut |_| true)).unwrap()
}

/// A layer of one file.
fn layer(store: &Store, text: &str, file: &str, content: &[u8]) -> TreeId {
    let draft = store.draft(&name(text)).unwrap();
    put(&draft.tree().unwrap(), file, content);
    seal_draft(store, &draft).id
}

fn mount(store: &Store, text: &str, stack: &[TreeId]) -> MountDir {
    let root = stack.last().map_or_else(
        || Metadata { mode: Mode::new(0o755), ..Metadata::default() },
        |&id| store.changeset(id).unwrap().entry(&LayerPath::root()).unwrap().meta.clone(),
    );
    let new = NewMount {
        stack: stack.iter().map(|&id| StackPart::Sealed(id)).collect(),
        driver: "direct",
        at: None,
        read_only: false,
        volatile: false,
        root,
    };
    store.create_mount(&name(text), &new).unwrap()
}

fn open_mount(store: &Store, text: &str) -> MountDir {
    // A test beside this one that starts a program holds a copy of every lock from its fork to its exec.
    for _ in 0..1000 {
        match store.open_mount(&name(text)) {
            Err(super::Error::Busy { .. }) => std::thread::yield_now(),
            mount => {
                let mount = mount.unwrap();
                store.take_over(&mount).unwrap();
                return mount;
            }
        }
    }
    panic!("the mount `{text}` stays in use");
}

fn commit(store: &Store, mount: &MountDir, text: &str) -> Sealed {
    store.commit(mount, seal(Some(&name(text)), &mut |_| true)).unwrap()
}
