//! Directories of dropped mounts that are used again.

use super::*;

fn synced_store() -> (tempfile::TempDir, Store) {
    let host = tempfile::tempdir().unwrap();
    let opening = Opening { create: true, ..Opening::default() };
    let store = Store::open(&host.path().join("store"), opening).unwrap();
    (host, store)
}

fn waiting(store: &Store) -> usize {
    // what takes longer than a moment is removed by the way
    store.finish_removals();
    store.temporary.dir().items().unwrap().len()
}

#[test]
fn the_directories_of_a_mount_that_was_dropped_unchanged_are_used_again() {
    let (_host, store) = synced_store();
    let ids = ["a", "b"].map(|text| layer(&store, text, "f", text.as_bytes()));
    let first = mount(&store, "m", &ids);
    let inode = |mount: &MountDir| mount.dir().stat_self().unwrap().ino;
    let before = inode(&first);
    store.discard_mount(&first).unwrap();
    assert!(store.mount(&name("m")).unwrap().is_none());
    assert_eq!(waiting(&store), 1);
    drop(first);
    // they say nothing of another stack
    let other = mount(&store, "other", &ids[..1]);
    assert_eq!(waiting(&store), 1);
    let second = mount(&store, "n", &ids);
    assert_eq!((inode(&second), waiting(&store)), (before, 0));
    assert!(store.is_live(&name("n")));
    assert!(!second.dirty().unwrap());
    assert_eq!(second.record(), store.mount(&name("n")).unwrap().unwrap());
    assert_eq!(second.upper().unwrap().stat_self().unwrap().mtime, second.record().root.mtime);
    // one set waits at a time, and none once the store is closed
    store.discard_mount(&second).unwrap();
    store.discard_mount(&other).unwrap();
    assert_eq!(waiting(&store), 1);
    // while somebody holds a handle on the mount that was, its lock is not free
    let third = mount(&store, "m", &ids[..1]);
    assert_ne!(inode(&third), inode(&other));
    assert_eq!(waiting(&store), 0);
    store.discard_mount(&third).unwrap();
    let at = store.path().join("tmp");
    drop(store);
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 0);
}

#[test]
fn the_directories_of_a_mount_that_was_written_to_are_not_used_again() {
    let (_host, store) = synced_store();
    let ids = [layer(&store, "a", "f", b"a")];
    let changes: [fn(&Dir); 4] = [
        |upper| put(upper, "file", b"x"),
        |upper| {
            put(upper, "file", b"x");
            upper.unlink(b"file").unwrap();
        },
        |upper| upper.chmod(b".", Mode::new(0o700)).unwrap(),
        |upper| crate::sys::xattr::set(upper, b"user.a", b"1").unwrap(),
    ];
    for change in changes {
        let mount = mount(&store, "m", &ids);
        change(&mount.upper().unwrap());
        store.discard_mount(&mount).unwrap();
        assert_eq!(waiting(&store), 0);
    }
}
