//! Mounts and commits, and what is left when the process ends in their midst.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::model::{ChainId, DiffId};
use crate::store::{Error, ScanHow, scan};
use crate::sys::Errno;

/// Runs what ends at a point as a killed process does: nothing after it happens, locks are let go.
#[expect(clippy::needless_pass_by_value, reason = "it ends here, as its process does")]
fn crash(store: Store, point: &'static str, act: impl FnOnce(&Store)) {
    stop(&store, point, act);
}

/// Runs what stops at a point, as where a disk is full, in a process that goes on.
fn stop(store: &Store, point: &'static str, act: impl FnOnce(&Store)) {
    store.steps.crash_at.set(Some(point));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let ended = catch_unwind(AssertUnwindSafe(|| act(store)));
    std::panic::set_hook(hook);
    store.steps.crash_at.set(None);
    assert_eq!(ended.unwrap_err().downcast_ref::<&str>(), Some(&point));
}

const STEPS: [&str; 8] = ["hashed", "indexed", "intent", "moved", "named", "upper", "work", "recorded"];

#[test]
fn a_commit_makes_a_layer_and_a_fresh_upper() {
    let (_host, store) = store();
    let base = layer(&store, "base", "f", b"1");
    let web = mount(&store, "web", &[base]);
    let mut below = vec![DiffId(base.0)];
    for round in 0..3_u8 {
        assert!(!web.dirty().unwrap());
        put(&web.upper().unwrap(), &format!("new{round}"), &[round]);
        assert!(web.dirty().unwrap());
        let sealed = commit(&store, &web, &format!("web{round}"));
        store.sweep(&web);
        below.push(DiffId(sealed.id.0));
        let record = store.name(&name(&format!("web{round}"))).unwrap().unwrap();
        assert_eq!(record.stack, web.record().stack);
        assert_eq!(record.stack.last(), Some(&StackPart::Sealed(sealed.id)));
        assert_eq!(record.chain_id, ChainId::of(&below));
        assert!(!sealed.reused);
    }
    assert_eq!(web.record().stack.len(), 4);
    assert_eq!(store.mount(&name("web")).unwrap().unwrap(), web.record());
    store.finish_removals();
    assert!(store.temporary.is_empty().unwrap());
    assert!(check(&store).unwrap().is_empty());
}

#[test]
fn a_commit_that_ends_anywhere_keeps_the_upper_or_the_layer() {
    for known in [false, true] {
        for (at, step) in STEPS.into_iter().enumerate() {
            let (host, store) = store();
            let base = layer(&store, "base", "f", b"1");
            let same = if known { Some(layer(&store, "same", "new", b"2")) } else { None };
            let web = mount(&store, "web", &[base]);
            put(&web.upper().unwrap(), "new", b"2");
            let beside = open(host.path());
            crash(store, step, |store| {
                let web = web;
                commit(store, &web, "done");
            });
            // who was there before sees no damage in what waits to be ended
            assert_eq!(check(&beside).unwrap(), [], "{step}");
            drop(beside);
            let store = open(host.path());
            let stale = store.take_stale();
            assert_eq!(stale.len(), 1, "{step}");
            assert_eq!(stale[0].record.stack.len(), if at < 3 { 1 } else { 2 }, "{step}");
            let moved = at >= 3;
            assert_eq!(stale[0].changes.as_ref().ok(), Some(&!moved), "{step}");
            store.settle(&stale[0]).unwrap();
            drop(stale);
            let record = store.name(&name("done")).unwrap();
            assert_eq!(record.is_some(), moved, "{step}");
            let web = open_mount(&store, "web");
            let names: Vec<_> =
                web.upper().unwrap().items().unwrap().into_iter().map(|item| item.name).collect();
            if let Some(record) = record {
                assert!(names.is_empty());
                assert_eq!(record.stack, web.record().stack);
                let Some(&StackPart::Sealed(top)) = record.stack.last() else { panic!("no layer") };
                assert_eq!(store.tree_dir(top).unwrap().stat(b"new").unwrap().size, 1);
                assert!(same.is_none_or(|same| same == top));
            } else {
                assert_eq!(names, [(*b"new").into()], "{step}");
            }
            // and it goes on as if nothing had been
            put(&web.upper().unwrap(), "later", b"3");
            commit(&store, &web, "later");
            store.sweep(&web);
            assert!(check(&store).unwrap().is_empty(), "{step}: {:?}", check(&store));
            assert!(store.temporary.is_empty().unwrap(), "{step}");
        }
    }
}

#[test]
fn a_seal_that_ends_anywhere_keeps_the_draft_or_the_layer() {
    for known in [false, true] {
        for (at, step) in ["hashed", "indexed", "intent", "moved", "named"].into_iter().enumerate() {
            let (host, store) = store();
            if known {
                layer(&store, "same", "f", b"1");
            }
            let draft = store.draft(&name("a/b")).unwrap();
            put(&draft.tree().unwrap(), "f", b"1");
            crash(store, step, |store| {
                let draft = draft;
                seal_draft(store, &draft);
            });
            let store = open(host.path());
            let moved = at >= 3;
            assert_eq!(store.has_draft(&name("a/b")).unwrap(), !moved, "{step}");
            assert_eq!(store.name(&name("a/b")).unwrap().is_some(), moved, "{step}");
            if !moved {
                seal_draft(&store, &store.draft(&name("a/b")).unwrap());
            }
            assert_eq!(store.layers().unwrap().len(), 1);
            assert_eq!(store.drafts.items().unwrap(), []);
            assert!(check(&store).unwrap().is_empty(), "{step}");
            assert!(store.temporary.is_empty().unwrap(), "{step}");
        }
    }
}

#[test]
fn a_seal_that_ended_before_its_name_is_settled_by_whoever_is_there() {
    let moved = |host: &Path| {
        let store = open(host);
        let draft = store.draft(&name("new")).unwrap();
        put(&draft.tree().unwrap(), "f", b"1");
        let other = open(host);
        crash(store, "moved", |store| {
            let draft = draft;
            seal_draft(store, &draft);
        });
        assert!(!other.has_draft(&name("new")).unwrap() && other.name(&name("new")).unwrap().is_none());
        other
    };
    // by a collection
    let host = tempfile::tempdir().unwrap();
    let other = moved(host.path());
    assert_eq!(collect(&other, &[]).items, []);
    assert_eq!(other.layers().unwrap().len(), 1);
    // by a draft of the same name
    let host = tempfile::tempdir().unwrap();
    let other = moved(host.path());
    let draft = other.draft(&name("new")).unwrap();
    assert!(other.name(&name("new")).unwrap().is_some());
    drop((draft, other));
    let store = open(host.path());
    assert_eq!(collect(&store, &[]).items, []);
    assert!(store.name(&name("new")).unwrap().is_some());
    assert!(check(&store).unwrap().is_empty());
}

#[test]
fn a_commit_that_ended_before_its_name_is_settled_before_the_name_is_taken() {
    let (host, store) = store();
    let base = layer(&store, "base", "f", b"1");
    let web = mount(&store, "web", &[base]);
    put(&web.upper().unwrap(), "new", b"2");
    let other = open(host.path());
    let top = name("top");
    crash(store, "moved", |store| {
        let web = web;
        commit(store, &web, "top");
    });
    assert!(other.name(&top).unwrap().is_none());
    // a draft that is begun anew knows what it replaces
    let draft = other.fresh_draft(&top).unwrap();
    let named = other.name(&top).unwrap().unwrap();
    assert_eq!((draft.replaces(), named.stack.len()), (Some(&named), 2));
    assert_eq!(other.open_mount(&name("web")).unwrap().record().stack, named.stack);
    assert!(check(&other).unwrap().is_empty());
}

#[test]
fn a_seal_that_failed_late_can_be_tried_again_or_dropped() {
    for again in [true, false] {
        let (host, store) = store();
        let draft = store.draft(&name("new")).unwrap();
        put(&draft.tree().unwrap(), "f", b"1");
        let new = name("new");
        stop(&store, "moved", |store| {
            seal_draft(store, &draft);
        });
        assert!(!store.has_draft(&new).unwrap());
        if again {
            let sealed = store.seal_draft(&draft, seal(Some(&new), &mut |_| true)).unwrap();
            assert_eq!(sealed.named.map(|record| record.name), Some(new.clone()));
        } else {
            assert!(store.remove_name(&new).unwrap());
        }
        drop((draft, store));
        let store = open(host.path());
        assert_eq!(store.name(&new).unwrap().is_some(), again);
        assert!(check(&store).unwrap().is_empty());
    }
}

#[test]
fn a_commit_that_failed_late_is_ended_by_the_next_try() {
    let (_host, store) = store();
    let web = mount(&store, "web", &[]);
    put(&web.upper().unwrap(), "f", b"1");
    let done = name("done");
    stop(&store, "moved", |store| {
        commit(store, &web, "done");
    });
    assert!(store.end_commit(&web).unwrap());
    assert!(!store.end_commit(&web).unwrap());
    assert_eq!(web.record().stack.len(), 1);
    assert!(!web.dirty().unwrap());
    assert!(store.name(&done).unwrap().is_some());
    put(&web.upper().unwrap(), "g", b"2");
    commit(&store, &web, "later");
    store.sweep(&web);
    assert!(check(&store).unwrap().is_empty());
}

#[test]
fn a_commit_under_way_holds_its_layer() {
    let (host, store) = store();
    let web = mount(&store, "web", &[]);
    put(&web.upper().unwrap(), "f", b"1");
    let other = open(host.path());
    crash(store, "moved", |store| {
        let web = web;
        commit(store, &web, "done");
    });
    assert_eq!(collect(&other, &[]).items, []);
    drop(other);
    assert!(open(host.path()).name(&name("done")).unwrap().is_some());
}

#[test]
fn an_upper_that_cannot_be_looked_at_counts_as_unknown() {
    let (host, store) = store();
    drop(mount(&store, "web", &[]));
    drop(store);
    let tree = host.path().join("store/mounts/web/up/tree");
    std::fs::remove_dir(&tree).unwrap();
    std::fs::write(&tree, "something else").unwrap();
    let store = open(host.path());
    let stale = store.take_stale();
    assert!(matches!(stale[0].changes, Err(Error::Damaged { .. })));
}

#[test]
fn a_reset_that_ends_anywhere_leaves_an_empty_upper() {
    let (host, store) = store();
    let web = mount(&store, "web", &[]);
    put(&web.upper().unwrap(), "f", b"1");
    crash(store, "emptied", |store| {
        let web = web;
        store.reset_upper(&web).unwrap();
    });
    let store = open(host.path());
    let web = open_mount(&store, "web");
    assert!(!web.dirty().unwrap());
    put(&web.upper().unwrap(), "f", b"1");
    store.reset_upper(&web).unwrap();
    assert!(!web.dirty().unwrap());
    store.sweep(&web);
    store.finish_removals();
    assert!(store.temporary.is_empty().unwrap());
}

#[test]
fn a_mount_is_used_by_one_process_at_a_time() {
    let (host, store) = store();
    let web = mount(&store, "web", &[]);
    let other = open(host.path());
    assert!(other.take_stale().is_empty());
    assert!(other.is_live(&name("web")));
    assert!(matches!(other.open_mount(&name("web")), Err(Error::Busy { .. })));
    assert!(matches!(store.open_mount(&name("web")), Err(Error::Busy { .. })));
    assert!(matches!(
        other.create_mount(
            &name("web"),
            &NewMount {
                stack: Vec::new(),
                driver: "direct",
                at: None,
                read_only: false,
                volatile: false,
                root: Metadata::default()
            }
        ),
        Err(Error::MountExists { .. })
    ));
    put(&web.upper().unwrap(), "f", b"1");
    store.release_mount(&web, false).unwrap();
    drop(web);
    assert!(!other.is_live(&name("web")));
    let record = other.mount(&name("web")).unwrap().unwrap();
    assert_eq!((record.owner, record.kept), (None, false));
    let web = open_mount(&other, "web");
    assert!(web.dirty().unwrap());
    other.discard_mount(&web).unwrap();
    assert_eq!(store.mounts().unwrap(), []);
    assert!(matches!(store.open_mount(&name("web")), Err(Error::NoMount { .. })));
}

#[test]
fn a_mount_left_by_a_dead_process_is_found_and_keeps_its_upper() {
    let (host, store) = store();
    let web = mount(&store, "web", &[]);
    put(&web.upper().unwrap(), "f", b"1");
    let kept = mount(&store, "kept", &[]);
    store.release_mount(&kept, true).unwrap();
    drop((store, web, kept));
    let store = open(host.path());
    let stale = store.take_stale();
    assert_eq!(stale.len(), 1);
    assert_eq!((stale[0].name.as_str(), stale[0].changes.as_ref().ok()), ("web", Some(&true)));
    assert!(stale[0].merged.ends_with("mounts/web/merged"));
    assert!(store.mount(&name("kept")).unwrap().unwrap().kept);
    // it is one process's to look after at a time
    assert!(open(host.path()).take_stale().is_empty());
    drop(stale);
    let stale = open(host.path()).take_stale();
    assert_eq!(stale.len(), 1);
    store.settle(&stale[0]).unwrap();
    drop((store, stale));
    assert!(open(host.path()).take_stale().is_empty());
}

#[test]
fn the_upper_of_a_mount_that_is_missing_is_told() {
    let (_host, store) = store();
    let web = mount(&store, "web", &[]);
    web.dir().remove_tree(b"up").unwrap();
    assert!(matches!(web.upper(), Err(Error::NoUpper { .. })));
    assert!(matches!(store.commit(&web, seal(None, &mut |_| true)), Err(Error::NoUpper { .. })));
    assert_eq!(store.check(false, &mut |_| true).unwrap().len(), 1);
}

#[test]
fn a_scratch_directory_that_denies_everybody_is_removed() {
    let (_host, store) = store();
    let web = mount(&store, "web", &[]);
    let work = web.work().unwrap();
    work.mkdir(b"work", Mode::new(0o700)).unwrap();
    work.dir(b"work").unwrap().mkdir(b"incompat", Mode::new(0)).unwrap();
    work.chmod(b"work", Mode::new(0)).unwrap();
    store.release_mount(&web, false).unwrap();
    drop(web);
    let web = open_mount(&store, "web");
    store.ready_again(&web).unwrap();
    assert_eq!(web.work().unwrap().stat(b"work").unwrap_err(), Errno::NOENT);
    store.finish_removals();
    assert!(store.temporary.is_empty().unwrap());
}

#[test]
fn an_upper_root_looks_like_the_one_beneath() {
    let (_host, store) = store();
    let draft = store.draft(&name("base")).unwrap();
    let tree = draft.tree().unwrap();
    crate::sys::xattr::set(&tree, b"user.overlay.overlay.x", b"1").unwrap();
    draft.set_owner(&path(""), 17, 18).unwrap();
    tree.chmod(b".", Mode::new(0o1770)).unwrap();
    tree.set_times_self(None, Some(TIME)).unwrap();
    let base = seal_draft(&store, &draft).id;
    let web = mount(&store, "web", &[base]);
    let how = ScanHow { trust: store.trust(), ..ScanHow::default() };
    let root = |tree| scan(&tree, &how).unwrap().changes.entry(&path("")).unwrap().clone();
    assert_eq!(root(web.upper().unwrap()), root(store.tree_dir(base).unwrap()));
    assert_eq!(root(web.upper().unwrap()).meta.uid, 17);
    web.upper().unwrap().chmod(b".", Mode::new(0o755)).unwrap();
    assert!(web.dirty().unwrap());
}

#[test]
fn a_commit_of_what_a_layer_of_the_stack_holds_already_moves_that_layer_to_the_top() {
    let (_host, store) = store();
    let one = layer(&store, "one", "f", b"1");
    let two = layer(&store, "two", "f", b"2");
    let web = mount(&store, "web", &[one, two]);
    put(&web.upper().unwrap(), "f", b"1");
    let sealed = commit(&store, &web, "again");
    assert_eq!(sealed.id, one);
    let record = store.name(&name("again")).unwrap().unwrap();
    assert_eq!(record.stack, [StackPart::Sealed(two), StackPart::Sealed(one)]);
    assert_eq!(record.stack, web.record().stack);
    assert_eq!(record.chain_id, store.chain_id(&[two, one]).unwrap());
}

#[test]
fn a_half_done_commit_never_touches_what_a_link_in_its_place_leads_to() {
    let (host, store) = store();
    let web = mount(&store, "web", &[]);
    put(&web.upper().unwrap(), "f", b"1");
    crash(store, "intent", |store| {
        let web = web;
        commit(store, &web, "done");
    });
    let (up, outside) = (host.path().join("store/mounts/web/up"), host.path().join("outside"));
    std::fs::rename(&up, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &up).unwrap();
    let store = open(host.path());
    assert!(matches!(store.open_mount(&name("web")), Err(Error::DamagedMount { .. })));
    assert!(outside.join("index").exists());
}

#[test]
fn a_copied_up_symlink_keeps_the_owner_that_only_the_index_has() {
    let (_host, mut store) = store();
    store.every_right = false;
    let draft = store.draft(&name("base")).unwrap();
    let tree = draft.tree().unwrap();
    let fifo =
        |tree: &crate::sys::Dir| tree.mknod(b"p", &crate::model::Node::Fifo, Mode::new(0o600)).unwrap();
    fifo(&tree);
    for link in [&b"same"[..], b"other", b"again"] {
        tree.symlink(b"there", link).unwrap();
    }
    for file in ["p", "same", "other", "again"] {
        draft.set_owner(&path(file), 12, 34).unwrap();
    }
    let base = seal_draft(&store, &draft).id;
    let web = mount(&store, "hide", &[base]);
    let gone = path("again");
    store.put_whiteout(&web.upper().unwrap(), &gone).unwrap();
    let hide = commit(&store, &web, "hidden").id;
    let web = mount(&store, "web", &[base, hide]);
    let upper = web.upper().unwrap();
    fifo(&upper);
    for (target, link) in [(&b"there"[..], &b"same"[..]), (b"elsewhere", b"other"), (b"there", b"again")] {
        upper.symlink(target, link).unwrap();
    }
    let changes = store.changeset(commit(&store, &web, "top").id).unwrap();
    let owner = |file| changes.entry(&path(file)).map(|entry| (entry.meta.uid, entry.meta.gid)).unwrap();
    assert_eq!((owner("p"), owner("same")), ((12, 34), (12, 34)));
    assert_eq!((owner("other"), owner("again")), ((0, 0), (0, 0)));
    assert!(check(&store).unwrap().is_empty());
}
