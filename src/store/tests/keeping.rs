//! Opening stores, names, collection, check.

use super::*;
use crate::store::{Error, NameRecord, Waste};

#[test]
fn what_is_no_store_of_ours_is_refused() {
    let host = tempfile::tempdir().unwrap();
    let create = Opening { create: true, syncs: Syncs::Ephemeral };
    let at = host.path().join("x");
    assert!(matches!(Store::open(&at, Opening::default()), Err(Error::Missing { .. })));
    std::fs::create_dir(&at).unwrap();
    assert!(matches!(Store::open(&at, Opening::default()), Err(Error::Missing { .. })));
    std::fs::write(at.join("letter"), "dear").unwrap();
    let refused = Store::open(&at, create).unwrap_err();
    assert!(matches!(refused, Error::NotAStore { .. }), "{refused}");
    assert_eq!(std::fs::read_dir(&at).unwrap().count(), 1);
    std::fs::remove_file(at.join("letter")).unwrap();
    drop(Store::open(&at, create).unwrap());
    Store::open(&at, Opening::default()).unwrap();
    let file = host.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(Store::open(&file, create), Err(Error::NotAStore { .. })));
}

#[test]
fn a_store_of_a_later_version_and_a_damaged_one_are_told_apart() {
    let (host, store) = store();
    drop(store);
    let at = host.path().join("store");
    let format = at.join("format");
    for text in
        [r#"{"format":2,"whiteouts":"device"}"#, r#"{"format":1,"whiteouts":"device","features":["x"]}"#]
    {
        std::fs::write(&format, text).unwrap();
        assert!(matches!(Store::open(&at, Opening::default()), Err(Error::Newer { .. })));
    }
    // what else a later one has need not look as it does here
    std::fs::write(&format, r#"{"format":9,"whiteouts":{"as":"device"}}"#).unwrap();
    assert!(matches!(Store::open(&at, Opening::default()), Err(Error::Newer { found: 9, .. })));
    for text in ["", "{", r#"{"format":1}"#, r#"{"format":1,"whiteouts":"ink"}"#] {
        std::fs::write(&format, text).unwrap();
        assert!(matches!(Store::open(&at, Opening::default()), Err(Error::Damaged { .. })), "{text}");
    }
}

#[test]
fn a_start_that_was_cut_short_is_made_whole() {
    let host = tempfile::tempdir().unwrap();
    let at = host.path().join("store");
    std::fs::create_dir_all(at.join("tmp/probe-1/whiteout")).unwrap();
    std::fs::create_dir_all(at.join("layers")).unwrap();
    let store = open(host.path());
    layer(&store, "a", "f", b"1");
    drop(store);
    std::fs::remove_dir(at.join("tmp/probe-1/whiteout")).unwrap_or_default();
    std::fs::create_dir_all(at.join("tmp/left-over/deep")).unwrap();
    let store = open(host.path());
    store.finish_removals();
    assert!(store.temporary.is_empty().unwrap());
}

#[test]
fn leftovers_stay_while_another_process_may_be_at_them() {
    let (host, store) = store();
    std::fs::create_dir(host.path().join("store/tmp/busy")).unwrap();
    let other = open(host.path());
    assert!(!other.temporary.is_empty().unwrap());
    drop((store, other));
    assert!(open(host.path()).temporary.is_empty().unwrap());
}

#[test]
fn a_temporary_store_is_gone_when_it_is_dropped() {
    let host = tempfile::tempdir().unwrap();
    let store = Store::temporary(host.path()).unwrap();
    layer(&store, "a", "f", b"1");
    let draft = store.draft(&name("d")).unwrap();
    draft.tree().unwrap().mkdir(b"denied", Mode::new(0)).unwrap();
    assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 1);
    store.close().unwrap();
    assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 0);
}

#[test]
fn ids_may_be_shortened_as_long_as_they_are_unique() {
    let (host, store) = store();
    let ids: Vec<TreeId> = (0..3_u8).map(|i| layer(&store, &format!("l{i}"), "f", &[i])).collect();
    for id in &ids {
        assert_eq!(store.find_id(&id.hex()).unwrap(), *id);
        assert_eq!(store.find_id(&id.to_string()).unwrap(), *id);
        assert_eq!(store.find_id(&id.short()).unwrap(), *id);
        assert_eq!(store.find_id(&id.hex()[..4]).unwrap(), *id);
        let chance = store.find_id(&id.hex()[..3]);
        assert!(matches!(chance, Err(Error::NoLayer { .. })), "what is so short is a name");
    }
    // another one that begins as the first
    let other = format!("{:0<64}", &ids[0].hex()[..5]);
    std::fs::create_dir(host.path().join("store/layers/sha256").join(&other)).unwrap();
    let error = store.find_id(&other[..5]).unwrap_err();
    assert!(matches!(&error, Error::Ambiguous { found, .. } if found.len() == 2), "{error}");
    assert!(error.hint().unwrap().contains("write more digits"));
    assert!(matches!(store.find_id("xyz"), Err(Error::NoLayer { .. })));
    assert!(matches!(store.find_id(""), Err(Error::NoLayer { .. })));
}

#[test]
fn names_come_newest_first_and_can_be_dropped() {
    let (_host, store) = store();
    let id = layer(&store, "old", "f", b"1");
    for (text, secs) in [("new/er", 1_800_000_000), ("oldest", 5)] {
        let record = NameRecord {
            name: name(text),
            stack: vec![StackPart::Host("/bas\u{e9}".into()), StackPart::Sealed(id)],
            chain_id: None,
            message: None,
            created: Timestamp { secs, nanos: 0 },
        };
        store.set_name(&record, None).unwrap();
        assert_eq!(store.name(&record.name).unwrap(), Some(record));
    }
    let order: Vec<String> = store.names().unwrap().iter().map(|record| record.name.to_string()).collect();
    assert_eq!(order, ["new/er", "old", "oldest"]);
    assert!(store.remove_name(&name("new/er")).unwrap());
    assert!(!store.remove_name(&name("new/er")).unwrap());
    assert_eq!(store.name(&name("new/er")).unwrap(), None);
}

#[test]
fn a_draft_left_by_an_earlier_run_is_resumed() {
    let (host, store) = store();
    let draft = store.draft(&name("d")).unwrap();
    put(&draft.tree().unwrap(), "f", b"1");
    // a second handle in this process is the same draft; another process has to wait
    store.draft(&name("d")).unwrap().tree().unwrap().stat(b"f").unwrap();
    let other = open(host.path());
    assert!(matches!(other.draft(&name("d")), Err(Error::Busy { .. })));
    drop((store, draft));
    let draft = other.draft(&name("d")).unwrap();
    draft.tree().unwrap().stat(b"f").unwrap();
    assert_eq!(other.drafts().unwrap(), [name("d")]);
    other.discard_draft(&draft).unwrap();
    assert_eq!(other.drafts().unwrap(), []);
}

#[test]
fn collection_frees_what_nothing_holds() {
    let (host, store) = store();
    let ids = ["named", "mounted", "pinned", "free"].map(|text| layer(&store, text, "f", text.as_bytes()));
    let web = mount(&store, "web", &[ids[1]]);
    for text in ["mounted", "pinned", "free"] {
        store.remove_name(&name(text)).unwrap();
    }
    let freed = |store: &Store, reached: &[TreeId]| {
        let collected = collect(store, reached);
        let layers = collected.items.into_iter().map(|(waste, bytes)| match waste {
            Waste::Layer(id) if bytes > 0 => id,
            other => panic!("{other:?}"),
        });
        (layers.collect::<Vec<_>>(), collected.in_use.1)
    };
    // what another process uses stays
    let other = open(host.path());
    other.hold_layer(ids[3]).unwrap();
    assert_eq!(freed(&store, &ids[2..3]), (vec![], 1));
    other.use_only(&[].into()).unwrap();
    assert_eq!(freed(&store, &ids[2..3]), (vec![ids[3]], 0));
    assert_eq!(freed(&other, &[]), (vec![], 1));
    drop(other);
    let mut left = ids[..3].to_vec();
    left.sort_unstable();
    assert_eq!(store.layers().unwrap(), left);
    assert!(matches!(store.changeset(ids[3]), Err(Error::NoLayer { .. })));
    // the store is still shared with others
    let other = open(host.path());
    assert!(other.has_layer(ids[0]).unwrap());
    drop((other, web));
    // a name that does not read back may hold anything
    std::fs::write(store.path().join("names/torn"), "").unwrap();
    let collected = collect(&store, &[]);
    assert!(matches!(collected.doubts[..], [Error::Damaged { .. }]));
    assert_eq!(store.layers().unwrap(), left);
}

#[test]
fn check_finds_what_is_damaged() {
    type Damage<'a> = &'a dyn Fn(&Store, TreeId);
    let (_host, store) = store();
    let damage: [(&str, Damage<'_>); 5] = [
        ("content", &|store, id| std::fs::write(store.tree_path(id).join("f"), "X").unwrap()),
        ("mode", &|store, id| store.tree_dir(id).unwrap().chmod(b"f", Mode::new(0o600)).unwrap()),
        ("more", &|store, id| put(&store.tree_dir(id).unwrap(), "g", b"")),
        ("index", &|store, id| {
            let path = store.layer_path(id).join("index");
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[50] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }),
        ("meta", &|store, id| std::fs::remove_file(store.layer_path(id).join("meta.json")).unwrap()),
    ];
    for (at, (what, damage)) in damage.into_iter().enumerate() {
        let id = layer(&store, what, "f", &[u8::try_from(at).unwrap()]);
        assert!(check(&store).unwrap().is_empty());
        damage(&store, id);
        let file = store.tree_path(id).join("f");
        // a change of content that hides behind the old time is found by its hash
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
        std::fs::File::options().read(true).open(&file).unwrap().set_modified(time).unwrap();
        store
            .tree_dir(id)
            .unwrap()
            .set_times_self(
                None,
                Some(
                    store.index(id).map_or(TIME, |index| index.changes.entry(&path("")).unwrap().meta.mtime),
                ),
            )
            .unwrap();
        let found = check(&store).unwrap();
        assert_eq!(found.len(), 1, "{what}: {found:?}");
        assert_eq!(store.check(false, &mut |_| true).unwrap().len(), usize::from(at >= 3), "{what}");
        store.remove_name(&name(what)).unwrap();
        collect(&store, &[]);
    }
    let id = layer(&store, "lost", "f", b"lost");
    std::fs::remove_dir_all(store.layer_path(id)).unwrap();
    assert_eq!(store.check(false, &mut |_| true).unwrap().len(), 1);
}

#[test]
fn nobody_else_may_reach_what_a_store_holds() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = tempfile::tempdir().unwrap();
    let open_to_others = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o077;
    let at = host.path().join("new/store");
    let create = Opening { create: true, syncs: Syncs::Ephemeral };
    drop(Store::open(&at, create).unwrap());
    assert_eq!((open_to_others(&host.path().join("new")), open_to_others(&at)), (0, 0));
    // a directory that was there keeps its mode, so all that matters inside has one of its own
    let there = host.path().join("there");
    std::fs::create_dir(&there).unwrap();
    std::fs::set_permissions(&there, std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(Store::open(&there, create).unwrap());
    for part in ["layers", "drafts", "names", "mounts", "tmp"] {
        assert_eq!(open_to_others(&there.join(part)), 0, "{part}");
    }
}

#[test]
fn those_who_start_at_the_same_time_make_one_store() {
    for _ in 0..20 {
        let host = tempfile::tempdir().unwrap();
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (host, start) = (host.path(), &start);
                scope.spawn(move || {
                    start.wait();
                    let store = open(host);
                    layer(&store, &format!("l{number}"), "f", b"1");
                });
            }
        });
        let store = open(host.path());
        assert_eq!((store.names().unwrap().len(), store.layers().unwrap().len()), (4, 1));
    }
}

#[test]
fn anything_else_in_the_place_of_a_part_of_the_store_is_damage() {
    let (host, store) = store();
    let base = layer(&store, "base", "f", b"1");
    mount(&store, "web", &[base]);
    store.draft(&name("draft")).unwrap();
    drop(store);
    let (at, outside) = (host.path().join("store"), host.path().join("outside"));
    std::fs::create_dir(&outside).unwrap();
    let layer_at = format!("layers/sha256/{}", base.hex());
    let parts =
        ["layers", "layers/sha256", "drafts", "names", "mounts", "tmp", "lock", "format"].map(str::to_owned);
    let inner = ["", "/index", "/meta.json", "/tree"].map(|inner| format!("{layer_at}{inner}"));
    let others = ["names/base", "mounts/web", "mounts/web/mount.json", "mounts/web/up", "drafts/draft"];
    for part in parts.iter().chain(&inner).map(String::as_str).chain(others) {
        let (path, kept) = (at.join(part), host.path().join("kept"));
        std::fs::rename(&path, &kept).unwrap();
        for link in [true, false] {
            if link {
                std::os::unix::fs::symlink(&outside, &path).unwrap();
            } else {
                let dir = Dir::open(path.parent().unwrap()).unwrap();
                let file_name = path.file_name().unwrap().to_str().unwrap().as_bytes();
                dir.mknod(file_name, &crate::model::Node::Fifo, Mode::new(0o644)).unwrap();
            }
            let used = Store::open(&at, Opening::default()).and_then(|store| {
                store.names()?;
                store.name(&name("base"))?;
                store.export_tar(base, &mut Vec::new(), &mut |_| true)?;
                store.summary(base)?;
                drop(store.draft(&name("draft"))?);
                store.open_mount(&name("web"))?.upper()
            });
            // a lock that is a fifo locks as well as any other
            if part != "lock" || link {
                let error = used.unwrap_err();
                let is_damage = matches!(error, Error::Damaged { .. } | Error::DamagedMount { .. });
                assert!(is_damage, "{part} {link}: {error:?}");
            }
            std::fs::remove_file(&path).unwrap();
        }
        std::fs::rename(&kept, &path).unwrap();
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    let store = open(host.path());
    assert!(check(&store).unwrap().is_empty());
}

#[test]
fn looking_for_a_draft_makes_none() {
    let (host, store) = store();
    assert!(store.open_draft(&name("a")).unwrap().is_none());
    let draft = store.draft(&name("a")).unwrap();
    assert!(store.open_draft(&name("a")).unwrap().is_some());
    assert!(matches!(open(host.path()).open_draft(&name("a")), Err(Error::Busy { .. })));
    store.discard_draft(&draft).unwrap();
    assert!(!store.has_draft(&name("a")).unwrap());
}

#[test]
fn leftovers_that_cannot_be_removed_are_in_nobodys_way() {
    if crate::sys::dir::own_ids().0 == 0 {
        return; // root removes everything
    }
    let (host, store) = store();
    drop(store);
    let left = host.path().join("store/tmp/left");
    std::fs::create_dir_all(left.join("inner")).unwrap();
    let tmp = Dir::open(&host.path().join("store/tmp")).unwrap();
    tmp.chmod(b".", Mode::new(0o500)).unwrap();
    drop(open(host.path()));
    tmp.chmod(b".", Mode::new(0o700)).unwrap();
}

#[test]
fn a_name_is_given_only_in_place_of_what_was_seen() {
    let (_host, store) = store();
    let (one, two) = (layer(&store, "one", "f", b"1"), layer(&store, "two", "f", b"2"));
    let record = |id: TreeId| NameRecord {
        name: name("x"),
        stack: vec![StackPart::Sealed(id)],
        chain_id: None,
        message: None,
        created: CREATED,
    };
    let (first, second) = (record(one), record(two));
    assert!(store.set_name(&first, None).unwrap());
    assert!(store.set_name(&first, None).unwrap(), "it has it already");
    assert!(!store.set_name(&second, None).unwrap(), "somebody was quicker");
    assert_eq!(store.name(&name("x")).unwrap(), Some(first.clone()));
    assert!(store.set_name(&second, Some(&first)).unwrap());
    assert!(!store.set_name(&first, Some(&first)).unwrap());
    store.remove_name(&name("x")).unwrap();
    assert!(!store.set_name(&first, Some(&second)).unwrap(), "what was taken away stays so");
    assert_eq!(store.name(&name("x")).unwrap(), None);
}

#[test]
fn a_check_beside_a_commit_of_another_process_raises_no_alarm() {
    let (host, store) = store();
    let base = layer(&store, "base", "f", b"1");
    let at_work = mount(&store, "m", &[base]);
    // between the steps of a commit there is no upper
    std::fs::remove_dir_all(host.path().join("store/mounts/m/up")).unwrap();
    let other = open(host.path());
    assert_eq!(check(&other).unwrap(), []);
    drop((at_work, store));
    let problems = check(&other).unwrap();
    assert!(problems.len() == 1 && problems[0].to_string().contains("upper of the mount `m` is missing"));
}
