//! Host files and archives into drafts.

use std::os::unix::fs::MetadataExt as _;

use super::*;
use crate::model::{Change, Changeset, Device, Entry, Kind, Node, Xattrs};
use crate::store::{Error, Note, ScanHow, scan};
use crate::sys::xattr;
use crate::tar::{Writer, write_layer};

fn look(tree: &Dir) -> Changeset {
    scan(tree, &ScanHow::default()).unwrap().changes
}

fn add(store: &Store, draft: &Draft, at: &str, host: &Path) -> Result<Vec<Note>, Error> {
    store.add_host(draft, &path(at), host, None, &mut |_| true)
}

/// A directory with one of everything that anybody can make.
fn everything(dir: &Dir) {
    dir.mkdir(b"d", Mode::new(0o2755)).unwrap();
    let d = dir.dir(b"d").unwrap();
    put(&d, "f", b"content");
    xattr::set_at(&d, b"f", b"user.colour", b"\0\n").unwrap();
    xattr::set_at(&d, b"f", b"user.overlay.opaque", b"y").unwrap();
    d.link(b"f", dir, b"hard").unwrap();
    d.chmod(b"f", Mode::new(0o4711)).unwrap();
    dir.symlink(b"d/f", b"sym").unwrap();
    dir.create(b"\xff\n", Mode::new(0o600)).unwrap();
    dir.mknod(b"pipe", &Node::Fifo, Mode::new(0o640)).unwrap();
    dir.mkdir(b"denied", Mode::new(0o555)).unwrap();
    let sparse = dir.create(b"sparse", Mode::new(0o644)).unwrap();
    sparse.set_len(8 << 20).unwrap();
    let time = Timestamp { secs: 1_500_000_000, nanos: 123_456_789 };
    for item in dir.items().unwrap() {
        dir.set_times(&item.name, None, Some(time)).unwrap();
    }
    dir.set_times_self(None, Some(time)).unwrap();
}

#[test]
fn a_host_directory_is_copied_with_all_that_it_says() {
    let (host, store) = store();
    let source = host.path().join("source");
    std::fs::create_dir(&source).unwrap();
    let dir = Dir::open(&source).unwrap();
    everything(&dir);
    dir.mknod(b"sock", &Node::Socket, Mode::new(0o600)).unwrap();
    let draft = store.draft(&name("d")).unwrap();
    let notes = add(&store, &draft, "/", &source).unwrap();
    // whose own files are another's than root's is told that they are root's in the layer
    let own = (crate::sys::dir::own_ids().0 != 0).then_some(Note::Own);
    assert_eq!(notes, [Note::Socket(path("sock"))].into_iter().chain(own).collect::<Vec<_>>());
    dir.unlink(b"sock").unwrap();
    let time = Timestamp { secs: 1_500_000_000, nanos: 123_456_789 };
    dir.set_times_self(None, Some(time)).unwrap();
    draft.tree().unwrap().set_times_self(None, Some(time)).unwrap();
    let mut wanted = look(&dir);
    // on the host it is an attribute as any other; read as a layer it would be a mark
    for file in ["d/f", "hard"] {
        let Some(Change::Put(mut entry)) = wanted.remove(&path(file)) else { panic!("{file}") };
        entry.meta.xattrs.insert((*b"user.overlay.opaque").into(), (*b"y").into());
        wanted.insert(path(file), Change::Put(entry));
    }
    assert_eq!(look(&draft.tree().unwrap()), wanted);
    assert!(std::fs::metadata(draft.path().join("sparse")).unwrap().blocks() < 64);
    let a = std::fs::read(draft.path().join("d/f")).unwrap();
    assert_eq!(a, b"content");
    seal_draft(&store, &draft);
    assert!(check(&store).unwrap().is_empty(), "{:?}", check(&store));
}

#[test]
fn a_host_file_goes_where_it_is_told() {
    let (host, store) = store();
    let file = host.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let draft = store.draft(&name("d")).unwrap();
    let tree = draft.tree().unwrap();
    add(&store, &draft, "/", &file).unwrap();
    add(&store, &draft, "/a/b/renamed", &file).unwrap();
    add(&store, &draft, "/a/b", &file).unwrap();
    for at in ["file", "a/b/renamed", "a/b/file"] {
        assert_eq!(look(&tree).entry(&path(at)).unwrap().node, Node::File { size: 1 }, "{at}");
    }
    std::fs::create_dir(host.path().join("dir")).unwrap();
    std::fs::write(host.path().join("dir/inner"), "y").unwrap();
    add(&store, &draft, "/a", &host.path().join("dir")).unwrap();
    assert!(look(&tree).entry(&path("a/inner")).is_some());
    assert!(look(&tree).entry(&path("a/b/file")).is_some());
    let missing = add(&store, &draft, "/", &host.path().join("nothing")).unwrap_err();
    assert_eq!(missing.errno(), Some(crate::sys::Errno::NOENT));
    let inside = add(&store, &draft, "/", host.path()).unwrap_err();
    assert_eq!(inside.errno(), Some(crate::sys::Errno::INVAL));
}

#[test]
fn a_directory_over_a_whiteout_is_opaque() {
    let (host, store) = store();
    std::fs::create_dir_all(host.path().join("src/etc")).unwrap();
    let draft = store.draft(&name("d")).unwrap();
    let tree = draft.tree().unwrap();
    store.put_whiteout(&tree, &path("etc")).unwrap();
    add(&store, &draft, "/", &host.path().join("src")).unwrap();
    assert!(look(&tree).entry(&path("etc")).unwrap().is_opaque());
}

#[test]
fn nothing_is_put_beneath_a_symlink() {
    let (host, store) = store();
    let outside = host.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let draft = store.draft(&name("d")).unwrap();
    let tree = draft.tree().unwrap();
    tree.symlink(outside.as_os_str().as_encoded_bytes(), b"link").unwrap();
    let file = host.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let refused = add(&store, &draft, "/link/file", &file).unwrap_err();
    assert!(matches!(&refused, Error::NotADirectory { parent, .. } if *parent == path("link")), "{refused}");
    let refused = untar(&store, &draft, "/", &archive(&[("link/file", file_entry(1), b"x")])).unwrap_err();
    assert!(matches!(&refused, Error::NotADirectory { parent, .. } if *parent == path("link")), "{refused}");
    assert!(matches!(store.put_whiteout(&tree, &path("link/x")), Err(Error::NotADirectory { .. })));
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    // a directory of that name takes the symlink's place
    let dir = entry(Node::Dir { opaque: false });
    untar(&store, &draft, "/", &archive(&[("link", dir, b""), ("link/file", file_entry(1), b"x")])).unwrap();
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(look(&tree).entry(&path("link")).unwrap().node.kind(), Kind::Dir);
}

fn entry(node: Node) -> Entry {
    let meta = Metadata { mode: Mode::new(0o755), uid: 3, gid: 4, mtime: TIME, xattrs: Xattrs::new() };
    Entry::new(node, meta)
}

fn file_entry(size: u64) -> Entry {
    entry(Node::File { size })
}

fn archive(entries: &[(&str, Entry, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (at, entry, content) in entries {
        writer.put(&path(at), entry).unwrap();
        if let Node::File { size } = entry.node {
            writer.content(&path(at), size, &mut &**content).unwrap();
        }
    }
    writer.finish().unwrap()
}

fn untar(store: &Store, draft: &Draft, at: &str, tar: &[u8]) -> Result<Vec<Note>, Error> {
    store.add_tar(draft, &path(at), tar, None, &mut |_| true)
}

#[test]
fn a_layers_tar_unpacks_to_the_same_layer() {
    let (host, store) = store();
    let source = host.path().join("source");
    std::fs::create_dir(&source).unwrap();
    everything(&Dir::open(&source).unwrap());
    let draft = store.draft(&name("d")).unwrap();
    add(&store, &draft, "/", &source).unwrap();
    let tree = draft.tree().unwrap();
    store.put_whiteout(&tree, &path("d/gone")).unwrap();
    store.put_opaque(&tree, &path("var")).unwrap();
    tree.chmod(b".", Mode::new(0o711)).unwrap();
    draft.set_owner(&path("sym"), 70_000, 5).unwrap();
    draft.set_owner(&path("d"), 70_000, 5).unwrap();
    let mut changes =
        scan(&tree, &ScanHow { kept: draft.kept().unwrap(), trust: store.trust(), ..ScanHow::default() })
            .unwrap()
            .changes;
    for (at, node) in [
        ("null", Node::CharDevice(Device { major: 1, minor: 3 })),
        ("disk", Node::BlockDevice(Device { major: 8, minor: 1 })),
    ] {
        changes.insert(path(at), Change::Put(entry(node)));
    }
    let capability: Box<[u8]> = [&[1, 0, 0, 2][..], &[0; 16]].concat().into();
    let mut capable = file_entry(0);
    capable.meta.xattrs.insert((*b"security.capability").into(), capability);
    changes.insert(path("capable"), Change::Put(capable));
    let mut open = |path: &LayerPath, _: &Entry| tree.file_beneath(path).map_err(std::io::Error::from);
    let (tar, _) = write_layer(&changes, &mut open, Vec::new()).unwrap();
    let copy = store.draft(&name("copy")).unwrap();
    untar(&store, &copy, "/", &tar).unwrap();
    let found = scan(
        &copy.tree().unwrap(),
        &ScanHow { kept: copy.kept().unwrap(), trust: store.trust(), ..ScanHow::default() },
    )
    .unwrap();
    assert_eq!(found.changes, changes);
    let sealed = seal_draft(&store, &copy);
    assert!(check(&store).unwrap().is_empty(), "{:?}", check(&store));
    let mut again = Vec::new();
    store.export_tar(sealed.id, &mut again, &mut |_| true).unwrap();
    assert!(again == tar);
}

#[test]
fn a_later_entry_replaces_an_earlier_one() {
    let (_host, store) = store();
    let draft = store.draft(&name("d")).unwrap();
    let dir = || entry(Node::Dir { opaque: false });
    let tar = archive(&[
        ("a", dir(), b""),
        ("a/deep", file_entry(1), b"1"),
        ("a", file_entry(2), b"22"),
        ("b", file_entry(1), b"1"),
        ("b/c/d", file_entry(1), b"1"),
    ]);
    let refused = untar(&store, &draft, "/x", &tar).unwrap_err();
    assert!(matches!(&refused, Error::NotADirectory { parent, .. } if *parent == path("x/b")), "{refused}");
    let changes = look(&draft.tree().unwrap());
    assert_eq!(changes.entry(&path("x/a")).unwrap().node, Node::File { size: 2 });
    assert_eq!(changes.entry(&path("x/b")).unwrap().node, Node::File { size: 1 });
}

#[test]
fn deletions_in_a_tar_say_nothing_of_its_own_files() {
    let (_host, store) = store();
    let draft = store.draft(&name("d")).unwrap();
    let tree = draft.tree().unwrap();
    tree.mkdir(b"d", Mode::new(0o755)).unwrap();
    put(&tree.dir(b"d").unwrap(), "before", b"1");
    put(&tree, "before", b"1");
    let mut writer = Writer::new(Vec::new());
    writer.put(&path("d/own"), &entry(Node::Fifo)).unwrap();
    writer.opaque(&path("d")).unwrap();
    writer.whiteout(&path("d/own")).unwrap();
    writer.whiteout(&path("before")).unwrap();
    writer.whiteout(&path("new/gone")).unwrap();
    untar(&store, &draft, "/", &writer.finish().unwrap()).unwrap();
    let changes = look(&tree);
    assert!(changes.entry(&path("d")).unwrap().is_opaque());
    assert_eq!(changes.entry(&path("d/own")).unwrap().node, Node::Fifo);
    assert_eq!(changes.get(&path("d/before")), None);
    assert_eq!(changes.get(&path("before")), Some(&Change::Whiteout));
    assert_eq!(changes.get(&path("new/gone")), Some(&Change::Whiteout));
    let changes = scan(&tree, &draft.how(&store).unwrap()).unwrap().changes;
    assert_eq!(changes.implied().cloned().collect::<Vec<_>>(), [path("new")]);
}

#[test]
fn a_tar_that_implies_a_directory_changes_nothing_of_it() {
    let (_host, store) = store();
    let draft = store.draft(&name("d")).unwrap();
    let mut said = entry(Node::Dir { opaque: false });
    (said.meta.mode, said.meta.mtime) = (Mode::new(0o700), TIME);
    let inside = archive(&[("root/f", file_entry(1), b"1"), ("new/f", file_entry(1), b"1")]);
    untar(&store, &draft, "/", &archive(&[("root", said.clone(), b"")])).unwrap();
    untar(&store, &draft, "/", &inside).unwrap();
    let read = || scan(&draft.tree().unwrap(), &draft.how(&store).unwrap()).unwrap().changes;
    assert_eq!(read().entry(&path("root")), Some(&said));
    assert!(read().entry(&path("new")).unwrap().implied);
    // one that names it says something of it
    untar(&store, &draft, "/", &archive(&[("new", said.clone(), b"")])).unwrap();
    assert_eq!(read().entry(&path("new")), Some(&said));
}

#[test]
fn hard_links_lead_only_to_files_of_the_same_tar() {
    let (_host, store) = store();
    let draft = store.draft(&name("d")).unwrap();
    put(&draft.tree().unwrap(), "secret", b"1");
    let mut writer = Writer::new(Vec::new());
    writer.link(&path("new"), &file_entry(0), &path("secret")).unwrap();
    let tar = writer.finish().unwrap();
    assert!(matches!(untar(&store, &draft, "/", &tar), Err(Error::Tar(_))));
    let mut writer = Writer::new(Vec::new());
    writer.put(&path("a"), &file_entry(1)).unwrap();
    writer.content(&path("a"), 1, &mut &b"x"[..]).unwrap();
    writer.link(&path("b"), &file_entry(0), &path("a")).unwrap();
    untar(&store, &draft, "/in", &writer.finish().unwrap()).unwrap();
    let changes = look(&draft.tree().unwrap());
    assert!(changes.entry(&path("in/b")).unwrap().link.is_some());
}

#[test]
fn a_damaged_tar_is_an_error() {
    let (_host, store) = store();
    let draft = store.draft(&name("d")).unwrap();
    let tar = archive(&[("a", file_entry(3), b"abc")]);
    assert!(matches!(untar(&store, &draft, "/", &tar[..514]), Err(Error::Tar(_))));
    assert!(matches!(untar(&store, &draft, "/", b"no tar"), Err(Error::Tar(_))));
}

#[test]
fn what_a_tar_holds_itself_stays_where_it_deletes() {
    let (_host, store) = store();
    for deletes in [
        |writer: &mut Writer<Vec<u8>>| writer.opaque(&path("d")),
        |writer: &mut Writer<Vec<u8>>| writer.whiteout(&path("d")),
    ] {
        for before in [false, true] {
            for turns in [false, true] {
                let draft = store.fresh_draft(&name("d")).unwrap();
                let tree = draft.tree().unwrap();
                if before {
                    tree.mkdir(b"d", Mode::new(0o700)).unwrap();
                    tree.dir(b"d").unwrap().mkdir(b"e", Mode::new(0o700)).unwrap();
                    put(&tree.dir(b"d").unwrap().dir(b"e").unwrap(), "old", b"1");
                }
                let mut writer = Writer::new(Vec::new());
                if turns {
                    deletes(&mut writer).unwrap();
                }
                writer.put(&path("d/e/x"), &file_entry(0)).unwrap();
                if !turns {
                    deletes(&mut writer).unwrap();
                }
                untar(&store, &draft, "/", &writer.finish().unwrap()).unwrap();
                let found = scan(&tree, &draft.how(&store).unwrap()).unwrap().changes;
                let what = format!("before {before}, deletion first {turns}");
                assert!(found.entry(&path("d/e/x")).is_some(), "{what}");
                assert!(found.entry(&path("d/e/old")).is_none(), "{what}");
                assert!(found.entry(&path("d")).unwrap().is_opaque(), "{what}");
                assert!(found.entry(&path("d/e")).unwrap().implied, "{what}");
            }
        }
    }
}

#[test]
fn a_deletion_beneath_what_is_no_directory_says_nothing() {
    let (_host, store) = store();
    let put = |writer: &mut Writer<Vec<u8>>, at: &str| writer.put(&path(at), &file_entry(0)).unwrap();
    let gone = |writer: &mut Writer<Vec<u8>>, at: &str| writer.whiteout(&path(at)).unwrap();
    let inside = |writer: &mut Writer<Vec<u8>>| {
        writer.whiteout(&path("d/e/f")).unwrap();
        writer.opaque(&path("d/g")).unwrap();
    };
    for turns in [false, true] {
        for above in [put, gone] {
            let draft = store.fresh_draft(&name("d")).unwrap();
            let mut writer = Writer::new(Vec::new());
            if turns {
                inside(&mut writer);
            }
            above(&mut writer, "d");
            if !turns {
                inside(&mut writer);
            }
            untar(&store, &draft, "/", &writer.finish().unwrap()).unwrap();
            let found = look(&draft.tree().unwrap());
            let names: Vec<_> = found.iter().map(|(path, _)| path.clone()).collect();
            assert_eq!(names, [path(""), path("d")], "{found:?}");
            assert!(found.entry(&path("d")).is_none_or(|entry| entry.node == Node::File { size: 0 }));
        }
    }
}

#[test]
fn attributes_that_linux_would_not_list_again_are_refused() {
    let (_host, store) = store();
    let draft = store.draft(&name("d")).unwrap();
    let mut many = file_entry(0);
    for number in 0..10_000 {
        many.meta.xattrs.insert(format!("user.{number}").into_bytes().into(), (*b"").into());
    }
    let refused = untar(&store, &draft, "/", &archive(&[("f", many, b"")])).unwrap_err();
    assert!(matches!(&refused, Error::Attributes { count: 10_000, .. }), "{refused}");
}

#[test]
fn times_that_the_file_system_cannot_hold_are_the_layers_all_the_same() {
    let (_host, store) = store();
    let draft = store.draft(&name("d")).unwrap();
    let tree = draft.tree().unwrap();
    // of the years 1754 and 2603, which ext4 does not hold; tmpfs does
    let times = [(-6_798_822_499, 0), (20_000_000_000, 5)].map(|(secs, nanos)| Timestamp { secs, nanos });
    let nodes = [Node::Dir { opaque: false }, Node::File { size: 1 }, Node::Fifo, symlink()];
    for (at, time) in ["early", "late"].iter().zip(times) {
        let mut writer = Writer::new(Vec::new());
        for (number, node) in nodes.iter().enumerate() {
            let path = path(&format!("{at}/{number}"));
            let mut entry = entry(node.clone());
            entry.meta.mtime = time;
            // its owner too must not be kept from marking it
            entry.meta.mode = Mode::new(0o400);
            writer.put(&path, &entry).unwrap();
            if let Node::File { size } = node {
                writer.content(&path, *size, &mut &b"x"[..]).unwrap();
                writer.link(&path.parent().unwrap().join(b"hard").unwrap(), &entry, &path).unwrap();
            }
        }
        untar(&store, &draft, "/", &writer.finish().unwrap()).unwrap();
    }
    // whatever changes a file gives it a time of its own
    put(&tree.dir(b"early").unwrap(), "new", b"1");
    let hard = tree.dir(b"late").unwrap();
    hard.set_times(b"hard", None, Some(TIME)).unwrap();
    let id = seal_draft(&store, &draft).id;
    let changes = store.changeset(id).unwrap();
    let time = |at: &str| changes.entry(&path(at)).unwrap().meta.mtime;
    for number in 0..nodes.len() {
        assert_eq!(time(&format!("early/{number}")), times[0], "{number}");
        let late = if number == 1 { TIME } else { times[1] };
        assert_eq!(time(&format!("late/{number}")), late, "{number}");
    }
    assert_eq!((time("early/hard"), time("early/new")), (times[0], TIME));
    assert!(check(&store).unwrap().is_empty(), "{:?}", check(&store));
}

fn symlink() -> Node {
    Node::Symlink { target: (*b"there").into() }
}
