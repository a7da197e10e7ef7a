//! What a tree on disk becomes as a layer.

use super::*;
use crate::model::{Change, Device, Digest, Entry, Hasher, Node, WhiteoutForm, decode_xattrs, names};
use crate::store::{Error, Opening, Outline, ScanHow, scan};
use crate::sys::{Errno, xattr};

fn known_draft(store: &Store) -> Draft {
    let draft = store.draft(&name("known")).unwrap();
    let tree = draft.tree().unwrap();
    tree.mkdir(b"etc", Mode::new(0o750)).unwrap();
    let etc = tree.dir(b"etc").unwrap();
    put(&etc, "motd", b"hello\n");
    etc.link(b"motd", &etc, b"motd.again").unwrap();
    etc.chmod(b"motd", Mode::new(0o4755)).unwrap();
    xattr::set_at(&etc, b"motd", b"user.colour", b"red\n").unwrap();
    etc.symlink(b"../bin/\xff", b"link").unwrap();
    etc.mknod(b"pipe", &Node::Fifo, Mode::new(0o600)).unwrap();
    store.put_whiteout(&tree, &path("etc/gone")).unwrap();
    tree.mkdir(b"var", Mode::new(0o755)).unwrap();
    store.put_opaque(&tree, &path("var")).unwrap();
    tree.set_times(b"var", None, Some(TIME)).unwrap();
    let time = Timestamp { secs: -1, nanos: 250_000_000 };
    for name in [&b"link"[..], b"pipe", b"motd"] {
        etc.set_times(name, None, Some(time)).unwrap();
    }
    tree.set_times(b"etc", None, Some(TIME)).unwrap();
    draft
}

#[test]
fn a_known_draft_has_a_known_id_on_any_machine_for_any_user() {
    let (_host, store) = store();
    let sealed = seal_draft(&store, &known_draft(&store));
    let mut tar = Vec::new();
    store.export_tar(sealed.id, &mut tar, &mut |_| true).unwrap();
    assert_eq!(sealed.id, TreeId(Digest::of(&tar)));
    // the same bytes were put together by hand, from the documented form alone
    assert_eq!(sealed.id.hex(), "4a8da059b03084a014a275a04d6bd23bbb4a863471620d8ea2028c650f8a18f3");
}

#[test]
fn a_new_draft_takes_only_a_name_that_is_free() {
    let (_host, store) = store();
    layer(&store, "sealed", "f", b"1");
    let draft = store.draft(&name("draft")).unwrap();
    put(&draft.tree().unwrap(), "kept", b"2");
    assert!(store.new_draft(&name("sealed")).unwrap().is_none());
    assert!(store.new_draft(&name("draft")).unwrap().is_none());
    assert!(store.name(&name("sealed")).unwrap().is_some() && !store.has_draft(&name("sealed")).unwrap());
    assert_eq!(draft.tree().unwrap().stat(b"kept").unwrap().size, 1);
    assert!(store.new_draft(&name("new")).unwrap().is_some());
    assert!(store.has_draft(&name("new")).unwrap());
}

#[test]
fn a_sealed_layer_reads_back_as_it_was_scanned() {
    let (_host, store) = store();
    let draft = known_draft(&store);
    let before = scan(&draft.tree().unwrap(), &draft.how(&store).unwrap()).unwrap().changes;
    let sealed = seal_draft(&store, &draft);
    let fresh = Store::open(store.path(), Opening::default()).unwrap();
    let after = fresh.changeset(sealed.id).unwrap();
    assert_eq!(*after, before);
    assert_eq!(fresh.summary(sealed.id).unwrap().counts, before.counts());
    assert_eq!(sealed.counts.whiteouts, 1);
    assert_eq!(sealed.counts.opaques, 1);
    assert_eq!(sealed.counts.bytes, 6);
    let (a, b) = (after.entry(&path("etc/motd")).unwrap(), after.entry(&path("etc/motd.again")).unwrap());
    assert!(a.link.is_some() && a.link == b.link);
    assert!(check(&store).unwrap().is_empty(), "{:?}", check(&store));
    assert!(!store.has_draft(&name("known")).unwrap());
    let record = store.name(&name("known")).unwrap().unwrap();
    assert_eq!(record.stack, [StackPart::Sealed(sealed.id)]);
    assert_eq!((record.message.as_deref(), record.created), (Some("hello"), CREATED));
}

#[test]
fn two_drafts_of_equal_content_are_one_layer() {
    let (_host, store) = store();
    let first = layer(&store, "a", "f", b"same");
    let draft = store.draft(&name("b")).unwrap();
    put(&draft.tree().unwrap(), "f", b"same");
    let second = seal_draft(&store, &draft);
    assert_eq!(second.id, first);
    assert!(second.reused);
    assert_eq!(store.layers().unwrap(), [first]);
    assert_eq!(store.names().unwrap().len(), 2);
    store.finish_removals();
    assert!(store.temporary.is_empty().unwrap());
}

#[test]
fn the_kernels_bookkeeping_goes_and_the_users_attributes_stay() {
    let (_host, store) = store();
    let draft = store.draft(&name("a")).unwrap();
    let tree = draft.tree().unwrap();
    tree.mkdir(b"d", Mode::new(0o755)).unwrap();
    put(&tree.dir(b"d").unwrap(), "f", b"x");
    for (at, attribute) in
        [("d", "user.overlay.impure"), ("d", "user.overlay.opaque"), ("d", "user.overlay.uuid")]
    {
        xattr::set_at(&tree, at.as_bytes(), attribute.as_bytes(), b"y").unwrap();
    }
    let dir = tree.dir(b"d").unwrap();
    for attribute in ["origin", "nlink", "protattr", "overlay.origin", "other"] {
        let attribute = format!("user.overlay.{attribute}");
        xattr::set_at(&dir, b"f", attribute.as_bytes(), b"v").unwrap();
    }
    let sealed = seal_draft(&store, &draft);
    let tree = store.tree_dir(sealed.id).unwrap();
    let named = |raw: xattr::RawXattrs| {
        let mut names: Vec<String> =
            raw.into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect();
        names.retain(|name| name.starts_with("user."));
        names.sort();
        names
    };
    assert_eq!(named(xattr::all_at(&tree, b"d").unwrap()), ["user.overlay.opaque"]);
    let kept = named(xattr::all_at(tree.dir(b"d").unwrap(), b"f").unwrap());
    assert_eq!(kept, ["user.overlay.other", "user.overlay.overlay.origin"]);
    let changes = store.changeset(sealed.id).unwrap();
    let entry = changes.entry(&path("d/f")).unwrap();
    let names: Vec<&[u8]> = entry.meta.xattrs.keys().map(|name| &**name).collect();
    assert_eq!(names, [b"user.overlay.origin"]);
    assert!(changes.entry(&path("d")).unwrap().is_opaque());
}

#[test]
fn whiteouts_of_the_attribute_form_say_the_same_as_devices() {
    let (_host, mut store) = store();
    let device = store.form;
    let ids = [device, WhiteoutForm::Xattr].map(|form| {
        store.form = form;
        let draft = store.draft(&name("w")).unwrap();
        let tree = draft.tree().unwrap();
        store.put_whiteout(&tree, &path("d/gone")).unwrap();
        put(&tree.dir(b"d").unwrap(), "empty", b"");
        tree.set_times(b"d", None, Some(TIME)).unwrap();
        if form == WhiteoutForm::Xattr {
            let d = tree.dir(b"d").unwrap();
            assert_eq!(xattr::get(&d, names::OPAQUE).unwrap(), b"x");
            assert!(!d.stat(b"gone").unwrap().is_whiteout());
        }
        seal_draft(&store, &draft).id
    });
    assert_eq!(ids[0], ids[1]);
    let changes = store.changeset(ids[0]).unwrap();
    assert_eq!(changes.get(&path("d/gone")), Some(&Change::Whiteout));
    assert_eq!(changes.entry(&path("d/empty")).unwrap().node, Node::File { size: 0 });
    // opaque afterwards: what only an attribute hides must not come to light
    let draft = store.draft(&name("w")).unwrap();
    let tree = draft.tree().unwrap();
    store.put_whiteout(&tree, &path("d/gone")).unwrap();
    store.put_opaque(&tree, &path("d")).unwrap();
    let changes = scan(&tree, &ScanHow::default()).unwrap().changes;
    assert_eq!(changes.get(&path("d/gone")), None);
    assert!(changes.entry(&path("d")).unwrap().is_opaque());
}

#[test]
fn the_roots_own_entry_is_in_the_tar_only_where_it_changed() {
    let (_host, store) = store();
    let plain = layer(&store, "plain", "f", b"x");
    assert!(store.changeset(plain).unwrap().entry(&LayerPath::root()).unwrap().implied);
    let draft = store.draft(&name("changed")).unwrap();
    put(&draft.tree().unwrap(), "f", b"x");
    draft.tree().unwrap().chmod(b".", Mode::new(0o700)).unwrap();
    let changed = seal_draft(&store, &draft).id;
    assert!(!store.changeset(changed).unwrap().entry(&LayerPath::root()).unwrap().implied);
    assert_ne!(plain, changed);
    // the upper's root looks like the one beneath, and so says nothing
    let upper = mount(&store, "m", &[changed]);
    assert_eq!(upper.upper().unwrap().stat_self().unwrap().mode, Mode::new(0o700));
    assert!(!upper.dirty().unwrap());
    put(&upper.upper().unwrap(), "f", b"x");
    let again = commit(&store, &upper, "again").id;
    assert_eq!(again, plain);
}

#[test]
fn a_look_at_one_path_finds_what_a_whole_walk_finds_there() {
    let (_host, store) = store();
    let draft = store.draft(&name("l")).unwrap();
    let tree = draft.tree().unwrap();
    for dir in ["a", "a/b", "c"] {
        store.put_opaque(&tree, &path(dir)).unwrap();
    }
    put(&tree.dir(b"a").unwrap(), "f", b"x");
    put(&tree, "c.d", b"x");
    tree.link(b"c.d", &tree.dir(b"c").unwrap(), b"twin").unwrap();
    tree.symlink(b"a", b"link").unwrap();
    store.put_whiteout(&tree, &path("gone")).unwrap();
    let whole = scan(&tree, &ScanHow::default()).unwrap().changes;
    let found = ["", "a", "a/b", "a/f", "c", "c.d", "c/twin", "link", "gone"];
    let missing = ["a/missing", "missing", "a/f/beneath", "link/f", "gone/f", "a.b"];
    for at in found.into_iter().chain(missing).map(path) {
        let how = ScanHow { only: Some(at.clone()), ..ScanHow::default() };
        let mut only = scan(&tree, &how).unwrap().changes;
        assert_eq!(only.get(&at).is_some(), whole.get(&at).is_some(), "{at:?}");
        // a look at one name cannot tell which others it is linked with
        let unlinked = |change: &Change| match change {
            Change::Put(entry) => Change::Put(Entry { link: None, ..entry.clone() }),
            Change::Whiteout => Change::Whiteout,
        };
        for (above, change) in whole.iter().filter(|(above, _)| at.is_within(above)) {
            assert_eq!(only.remove(above), Some(unlinked(change)), "{above:?} for {at:?}");
        }
        assert!(only.is_empty(), "{at:?}: {only:?}");
    }
}

#[test]
fn sockets_are_left_out_and_named() {
    let (_host, store) = store();
    let draft = store.draft(&name("s")).unwrap();
    let tree = draft.tree().unwrap();
    tree.mknod(b"sock", &Node::Socket, Mode::new(0o600)).unwrap();
    put(&tree, "f", b"x");
    let looked = scan(&tree, &ScanHow::default()).unwrap();
    assert_eq!(looked.sockets, [path("sock")]);
    assert_eq!(looked.changes.entry(&path("sock")).unwrap().node, Node::Socket);
    let sealed = seal_draft(&store, &draft);
    assert_eq!(sealed.sockets, [path("sock")]);
    assert_eq!(store.tree_dir(sealed.id).unwrap().stat(b"sock").unwrap_err(), Errno::NOENT);
    assert_eq!(sealed.id, layer(&store, "same", "f", b"x"));
}

#[test]
fn late_times_are_moved_back_in_the_layer_and_on_disk() {
    let (_host, store) = store();
    let ids = [1_650_000_000, 1_660_000_000].map(|secs| {
        let draft = store.draft(&name("late")).unwrap();
        let tree = draft.tree().unwrap();
        put(&tree, "early", b"x");
        put(&tree, "late", b"x");
        tree.symlink(b"x", b"link").unwrap();
        let late = Timestamp { secs, nanos: 7 };
        for name in [&b"late"[..], b"link"] {
            tree.set_times(name, None, Some(late)).unwrap();
        }
        let limit = Timestamp { secs: 1_610_000_000, nanos: 0 };
        let mut go_on = |_| true;
        let how = Seal { clamp: Some(limit), ..seal(Some(draft.name()), &mut go_on) };
        let id = store.seal_draft(&draft, how).unwrap().id;
        let tree = store.tree_dir(id).unwrap();
        assert_eq!(tree.stat(b"late").unwrap().mtime, limit);
        assert_eq!(tree.stat(b"link").unwrap().mtime, limit);
        assert_eq!(tree.stat(b"early").unwrap().mtime, TIME);
        assert_eq!(store.changeset(id).unwrap().entry(&path("late")).unwrap().meta.mtime, limit);
        id
    });
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn owners_and_devices_that_the_host_cannot_give_are_kept() {
    let (_host, mut store) = store();
    store.every_right = false;
    let draft = store.draft(&name("o")).unwrap();
    let tree = draft.tree().unwrap();
    put(&tree, "f", b"");
    tree.symlink(b"t", b"link").unwrap();
    for file in ["f", "link"] {
        draft.set_owner(&path(file), 1234, 5678).unwrap();
    }
    // as an ordinary user would have to write it
    let null = Node::CharDevice(Device { major: 1, minor: 3 });
    put(&tree, "null", b"");
    xattr::set_at(&tree, b"null", names::NODE, b"char:1:3").unwrap();
    xattr::set_at(&tree, b"null", names::OWNER, b"9:10").unwrap();
    let id = seal_draft(&store, &draft).id;
    let changes = store.changeset(id).unwrap();
    for file in ["f", "link"] {
        let meta = &changes.entry(&path(file)).unwrap().meta;
        assert_eq!((meta.uid, meta.gid), (1234, 5678), "{file}");
        assert!(meta.xattrs.is_empty());
    }
    let entry = changes.entry(&path("null")).unwrap();
    assert_eq!((&entry.node, entry.meta.uid, entry.meta.gid), (&null, 9, 10));
    assert!(check(&store).unwrap().is_empty(), "{:?}", check(&store));
    assert_eq!(decode_xattrs([(names::OWNER, &b"9:10"[..])]).owner, Some((9, 10)));
}

#[test]
fn marks_that_anybody_could_have_set_count_for_nothing_where_we_set_none() {
    let (_host, mut store) = store();
    store.every_right = true;
    let draft = store.draft(&name("forged")).unwrap();
    let tree = draft.tree().unwrap();
    tree.mkdir(b"d", Mode::new(0o755)).unwrap();
    for file in ["suid", "null"] {
        put(&tree, file, if file == "suid" { b"x" } else { b"" });
    }
    let capability = [names::XATTR, b"security.capability"].concat();
    for (file, attribute, value) in [
        (&b"d"[..], names::OWNER, &b"9:10"[..]),
        (b"suid", names::OWNER, b"9:10"),
        (b"suid", &capability, &[1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (b"null", names::NODE, b"block:8:0"),
    ] {
        xattr::set_at(&tree, file, attribute, value).unwrap();
    }
    let id = seal_draft(&store, &draft).id;
    let changes = store.changeset(id).unwrap();
    for file in ["d", "suid", "null"] {
        let entry = changes.entry(&path(file)).unwrap();
        assert_ne!((entry.meta.uid, entry.meta.gid), (9, 10), "{file}");
        assert!(entry.meta.xattrs.is_empty(), "{file}");
        assert!(matches!(entry.node, Node::File { .. } | Node::Dir { .. }), "{file}");
    }
    assert!(check(&store).unwrap().is_empty());
}

#[test]
fn marks_that_give_rights_count_only_on_files_of_who_keeps_them() {
    let (_host, mut store) = store();
    store.every_right = false;
    // the files of this test are another user's then
    store.owner += 1;
    let draft = store.draft(&name("forged")).unwrap();
    let tree = draft.tree().unwrap();
    for (file, content) in [("suid", &b"x"[..]), ("null", b"")] {
        put(&tree, file, content);
    }
    let capability = [names::XATTR, b"security.capability"].concat();
    let list = [names::XATTR, names::ACCESS_LIST].concat();
    for (file, attribute, value) in [
        (&b"suid"[..], names::OWNER, &b"9:10"[..]),
        (b"suid", &capability, &[1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (b"suid", &list, b"kept"),
        (b"null", names::NODE, b"block:8:0"),
    ] {
        xattr::set_at(&tree, file, attribute, value).unwrap();
    }
    let id = seal_draft(&store, &draft).id;
    let changes = store.changeset(id).unwrap();
    let suid = changes.entry(&path("suid")).unwrap();
    assert_ne!((suid.meta.uid, suid.meta.gid), (9, 10));
    assert_eq!(suid.meta.xattrs.keys().map(|name| &name[..]).collect::<Vec<_>>(), [names::ACCESS_LIST]);
    assert_eq!(changes.entry(&path("null")).unwrap().node, Node::File { size: 0 });
    assert!(check(&store).unwrap().is_empty());
}

#[test]
fn files_that_deny_their_owner_are_sealed_with_their_modes() {
    let (_host, store) = store();
    let draft = store.draft(&name("denied")).unwrap();
    let tree = draft.tree().unwrap();
    tree.mkdir(b"d", Mode::new(0o755)).unwrap();
    put(&tree.dir(b"d").unwrap(), "f", b"secret");
    xattr::set_at(tree.dir(b"d").unwrap(), b"f", b"user.a", b"1").unwrap();
    tree.dir(b"d").unwrap().chmod(b"f", Mode::new(0)).unwrap();
    tree.chmod(b"d", Mode::new(0)).unwrap();
    let id = seal_draft(&store, &draft).id;
    let changes = store.changeset(id).unwrap();
    let entry = changes.entry(&path("d/f")).unwrap();
    assert_eq!((entry.meta.mode, entry.meta.xattrs.len()), (Mode::new(0), 1));
    assert_eq!(store.tree_dir(id).unwrap().stat(b"d").unwrap().mode, Mode::new(0));
}

#[test]
fn a_seal_that_fails_leaves_modes_that_deny_the_owner_as_they_were() {
    let (_host, store) = store();
    let draft = store.draft(&name("denied")).unwrap();
    let tree = draft.tree().unwrap();
    tree.mkdir(b"d", Mode::new(0o755)).unwrap();
    let dir = tree.dir(b"d").unwrap();
    dir.mkdir(b"e", Mode::new(0o755)).unwrap();
    // a name that a tar cannot say
    put(&dir.dir(b"e").unwrap(), ".wh.x", b"1");
    dir.dir(b"e").unwrap().chmod(b".wh.x", Mode::new(0o040)).unwrap();
    dir.chmod(b"e", Mode::new(0o070)).unwrap();
    assert!(store.seal_draft(&draft, seal(None, &mut |_| true)).is_err());
    assert_eq!(dir.stat(b"e").unwrap().mode, Mode::new(0o070));
    dir.chmod(b"e", Mode::new(0o755)).unwrap();
    assert_eq!(dir.dir(b"e").unwrap().stat(b".wh.x").unwrap().mode, Mode::new(0o040));
}

#[test]
fn a_seal_that_is_stopped_leaves_the_draft() {
    let (_host, store) = store();
    let draft = store.draft(&name("big")).unwrap();
    put(&draft.tree().unwrap(), "f", &vec![7; 3 << 20]);
    let mut calls = 0;
    let mut stop = |_| {
        calls += 1;
        calls < 3
    };
    let stopped = store.seal_draft(&draft, seal(Some(draft.name()), &mut stop));
    assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    assert!(store.layers().unwrap().is_empty());
    assert_eq!(draft.tree().unwrap().stat(b"f").unwrap().size, 3 << 20);
    seal_draft(&store, &draft);
}

#[test]
fn a_file_that_is_written_while_it_is_read_stops_the_seal() {
    let (_host, store) = store();
    let draft = store.draft(&name("big")).unwrap();
    put(&draft.tree().unwrap(), "f", &vec![7; 3 << 20]);
    let file = draft.path().join("f");
    let mut overwrite = |_| {
        use std::os::unix::fs::FileExt as _;
        std::fs::File::options().write(true).open(&file).unwrap().write_at(b"x", 0).unwrap();
        true
    };
    let changed = store.seal_draft(&draft, seal(None, &mut overwrite));
    assert!(matches!(&changed, Err(Error::Changed { path }) if *path == super::path("f")), "{changed:?}");
    assert_eq!(changed.unwrap_err().kind(), "changed");
    let mut grow = |_| {
        std::fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b"x").unwrap();
        true
    };
    let grown = store.seal_draft(&draft, seal(None, &mut grow));
    assert_eq!(grown.unwrap_err().kind(), "changed");
    assert!(store.layers().unwrap().is_empty());
}

#[test]
fn a_name_that_a_tar_cannot_say_is_refused() {
    let (_host, store) = store();
    let draft = store.draft(&name("wh")).unwrap();
    put(&draft.tree().unwrap(), ".wh.x", b"x");
    let refused = store.seal_draft(&draft, seal(Some(draft.name()), &mut |_| true)).unwrap_err();
    assert_eq!(refused.path().as_deref(), Some(&b".wh.x"[..]));
    assert!(refused.hint().is_some());
    assert!(store.has_draft(&name("wh")).unwrap());
}

#[test]
fn a_big_file_hashes_to_the_digest_of_its_tar() {
    let (_host, store) = store();
    let content: Vec<u8> = (0..5_000_001_u32).map(|i| (i % 253) as u8).collect();
    let id = layer(&store, "big", "f", &content);
    let mut hasher = Hasher::new();
    store.export_tar(id, &mut hasher, &mut |_| true).unwrap();
    assert_eq!(hasher.finish(), id.0);
}

#[test]
fn a_directory_that_nothing_needs_any_more_is_no_part_of_a_layer() {
    let (_host, store) = store();
    let empty = seal_draft(&store, &store.draft(&name("empty")).unwrap());
    let draft = store.draft(&name("d")).unwrap();
    let tree = draft.tree().unwrap();
    store.put_whiteout(&tree, &path("a/b/gone")).unwrap();
    store.take_out(&tree, &path("a/b/gone")).unwrap();
    let sealed = seal_draft(&store, &draft);
    assert_eq!(sealed.id, empty.id);
    assert!(store.tree_dir(sealed.id).unwrap().is_vacant().unwrap());
    assert!(check(&store).unwrap().is_empty(), "{:?}", check(&store));
}

#[test]
fn implied_directories_are_in_the_index_alone_and_outlive_a_seal_that_stops() {
    let (_host, store) = store();
    let draft = store.draft(&name("d")).unwrap();
    let tree = draft.tree().unwrap();
    store.put_whiteout(&tree, &path("a/b/gone")).unwrap();
    let stopped = store.seal_draft(&draft, seal(None, &mut |_| false));
    assert!(matches!(stopped, Err(Error::Interrupted)));
    let sealed = seal_draft(&store, &draft);
    let mut tar = Vec::new();
    store.export_tar(sealed.id, &mut tar, &mut |_| true).unwrap();
    // one header and the end
    assert_eq!(tar.len(), 3 * 512);
    let changes = store.changeset(sealed.id).unwrap();
    assert_eq!(changes.implied().cloned().collect::<Vec<_>>(), [path("a"), path("a/b")]);
    assert_eq!(*store.outline(sealed.id).unwrap(), Outline { implies: true, root: None });
    assert_eq!(*store.outline(sealed.id).unwrap(), Outline::from(&*changes));
    // an earlier version did not write it down
    let meta = store.layer_path(sealed.id).join("meta.json");
    let text = std::fs::read_to_string(&meta).unwrap();
    let start = text.find("\"outline\"").unwrap();
    std::fs::write(&meta, format!("{}}}", text[..start].trim_end().trim_end_matches(','))).unwrap();
    let fresh = Store::open(store.path(), Opening::default()).unwrap();
    assert_eq!(*fresh.outline(sealed.id).unwrap(), Outline::from(&*changes));
    let dir = store.tree_dir(sealed.id).unwrap().beneath(&path("a/b")).unwrap();
    assert_eq!(xattr::get(&dir, names::IMPLIED), Err(Errno::NODATA));
    assert_eq!(dir.stat_self().unwrap().mtime, Timestamp::default());
    assert!(check(&store).unwrap().is_empty(), "{:?}", check(&store));
}

#[test]
fn what_is_said_of_a_directory_is_kept() {
    let (_host, store) = store();
    let draft = store.draft(&name("d")).unwrap();
    let tree = draft.tree().unwrap();
    for dir in ["owned", "listed"] {
        store.put_whiteout(&tree, &path(&format!("{dir}/gone"))).unwrap();
    }
    draft.set_owner(&path("owned"), 7, 8).unwrap();
    let sealed = seal_draft(&store, &draft);
    let changes = store.changeset(sealed.id).unwrap();
    let owned = changes.entry(&path("owned")).unwrap();
    assert_eq!((owned.implied, owned.meta.uid), (false, 7));
    assert!(changes.entry(&path("listed")).unwrap().implied);
}
