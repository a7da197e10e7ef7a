//! Files that are opened up for a moment, and processes that are ended meanwhile.

use std::cell::RefCell;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::super::barred::{Barred, NOTE};
use super::super::{ScanHow, scan};
use super::*;
use crate::sys::lock;

/// What a process of its own does, and where it ends.
const TREE: &str = "UFS_TEST_BARRED_TREE";
const STEP: &str = "UFS_TEST_BARRED_STEP";
/// After how many changes of a mode, or writes of a note, it can be ended.
const STEPS: usize = 8;

/// Runs [`opens_up`] in a process of its own.
fn child(tree: &Path, step: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", "store::tests::barred::opens_up"]);
    command.env(TREE, tree).env(STEP, step).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// Does something only where [`child`] started it: opens up `d`, `d/f` and `e`, and ends itself after so many steps; or
/// waits at the third until its input ends, and goes on.
#[test]
fn opens_up() {
    let Some(tree) = std::env::var_os(TREE).map(PathBuf::from) else { return };
    let (tree, last) = (Dir::open(&tree).unwrap(), std::env::var(STEP).unwrap());
    let mut number = 0;
    let mut step = || {
        number += 1;
        if last == "wait" && number == 3 {
            writeln!(std::io::stdout(), "opened up").unwrap();
            std::io::read_to_string(std::io::stdin()).unwrap();
        } else if last == number.to_string() {
            std::process::abort();
        }
    };
    let mode = Mode::new(0);
    let mut barred = Barred::new(&tree, true).unwrap();
    let before = barred.note(&[(path("d"), mode, 0o700), (path("e"), mode, 0o600)]).unwrap();
    step();
    barred.open(&tree, b"d", mode, 0o700).unwrap();
    step();
    let dir = tree.dir(b"d").unwrap();
    let inner = barred.note(&[(path("d/f"), mode, 0o600)]).unwrap();
    barred.open(&dir, b"f", mode, 0o600).unwrap();
    step();
    barred.close().unwrap();
    step();
    barred.forget(inner);
    barred.close().unwrap();
    step();
    barred.open(&tree, b"e", mode, 0o600).unwrap();
    step();
    barred.close().unwrap();
    step();
    barred.forget(before);
    drop(barred);
    step();
}

/// Three files that deny their owner.
fn bar(tree: &Dir) {
    tree.mkdir(b"d", Mode::new(0o755)).unwrap();
    put(&tree.dir(b"d").unwrap(), "f", b"f");
    put(tree, "e", b"e");
    put(tree, "open", b"open");
    tree.dir(b"d").unwrap().chmod(b"f", Mode::new(0)).unwrap();
    tree.chmod(b"d", Mode::new(0)).unwrap();
    tree.chmod(b"e", Mode::new(0)).unwrap();
}

/// The modes of the three, read by opening the directory and closing it again.
fn modes(tree: &Dir) -> [u32; 3] {
    let mode = |dir: &Dir, name: &[u8]| dir.stat(name).unwrap().mode.bits();
    let (d, e) = (mode(tree, b"d"), mode(tree, b"e"));
    tree.chmod(b"d", Mode::new(0o700)).unwrap();
    let f = mode(&tree.dir(b"d").unwrap(), b"f");
    tree.chmod(b"d", Mode::new(d)).unwrap();
    [d, f, e]
}

/// Ends a process at each step over a tree; `settle` is who uses it next, and gives the tree.
fn killed_at_each_step(make: impl Fn(&Store) -> PathBuf, settle: impl Fn(&Store) -> Dir) {
    for step in 1..=STEPS {
        let (host, store) = store();
        let tree = make(&store);
        let ended = child(&tree, &step.to_string()).wait_with_output().unwrap();
        assert_eq!(ended.status.signal(), Some(6), "step {step}: {ended:?}");
        let note = tree.parent().unwrap().join(NOTE);
        assert_eq!(note.exists(), step < STEPS, "step {step}");
        let found = store.check(true, &mut |_| true).unwrap();
        let told = found.iter().filter(|finding| finding.path == note).count();
        assert_eq!(told, usize::from(step < STEPS), "step {step}: {found:?}");
        assert!(found.iter().all(|finding| !finding.is_damage()), "step {step}: {found:?}");
        drop(store);
        let store = open(host.path());
        let tree = settle(&store);
        assert!(!note.exists(), "step {step}");
        assert_eq!(modes(&tree), [0, 0, 0], "step {step}");
    }
}

#[test]
fn what_a_killed_seal_had_opened_up_is_set_right_at_the_next_start() {
    let at = |store: &Store| {
        let draft = store.draft(&name("d")).unwrap();
        bar(&draft.tree().unwrap());
        draft.path()
    };
    // nobody asks for the draft
    killed_at_each_step(at, |store| Dir::open(&store.path().join("drafts/d/tree")).unwrap());
    killed_at_each_step(at, |store| store.draft(&name("d")).unwrap().tree().unwrap());
}

#[test]
fn what_a_killed_commit_had_opened_up_is_set_right_at_the_next_start() {
    let at = |store: &Store| {
        let mount = mount(store, "m", &[]);
        bar(&mount.upper().unwrap());
        let path = mount.upper_path();
        store.release_mount(&mount, false).unwrap();
        path
    };
    killed_at_each_step(at, |store| Dir::open(&store.path().join("mounts/m/up/tree")).unwrap());
    killed_at_each_step(at, |store| store.open_mount(&name("m")).unwrap().upper().unwrap());
}

#[test]
fn what_a_killed_export_had_opened_up_is_set_right_by_whoever_uses_the_layer_next() {
    let at = |store: &Store| {
        let draft = store.draft(&name("l")).unwrap();
        bar(&draft.tree().unwrap());
        store.tree_path(seal_draft(store, &draft).id)
    };
    killed_at_each_step(at, |store| store.tree_dir(store.layers().unwrap()[0]).unwrap());
}

#[test]
fn a_check_beside_who_has_files_opened_up_raises_no_false_alarm() {
    let (_host, store) = store();
    let draft = store.draft(&name("l")).unwrap();
    bar(&draft.tree().unwrap());
    let id = seal_draft(&store, &draft).id;
    let mut child = child(&store.tree_path(id), "wait");
    let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("opened up") {
        assert!(std::io::BufRead::read_line(&mut said, &mut line).unwrap() > 0, "{line}");
    }
    // it goes on once the check is seen to wait for it
    let input = RefCell::new(child.stdin.take());
    lock::tell_waiting(Box::new(move |_, _| drop(input.take())));
    let found = store.check(true, &mut |_| true).unwrap();
    assert!(found.iter().all(|finding| !finding.is_damage()), "{found:?}");
    assert!(found.iter().all(|finding| finding.path != store.layer_path(id).join(NOTE)), "{found:?}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_denies_its_owner_is_sealed_exported_and_read_and_keeps_its_mode() {
    let (_host, store) = store();
    let draft = store.draft(&name("l")).unwrap();
    bar(&draft.tree().unwrap());
    let how = draft.how(&store).unwrap();
    let before = scan(&draft.tree().unwrap(), &how).unwrap().changes;
    assert_eq!(modes(&draft.tree().unwrap()), [0, 0, 0]);
    let sealed = seal_draft(&store, &draft);
    assert_eq!(*store.changeset(sealed.id).unwrap(), before);
    let mut tar = Vec::new();
    store.export_tar(sealed.id, &mut tar, &mut |_| true).unwrap();
    let twice = store.export_tar(sealed.id, &mut std::io::sink(), &mut |_| true);
    twice.unwrap();
    assert!(tar.windows(5).any(|bytes| bytes == b"open\0"));
    let tree = store.tree_dir(sealed.id).unwrap();
    assert_eq!(modes(&tree), [0, 0, 0]);
    assert!(!store.layer_path(sealed.id).join(NOTE).exists());
}

#[test]
fn a_host_directory_is_never_opened_up() {
    let host = tempfile::tempdir().unwrap();
    let tree = Dir::open(host.path()).unwrap();
    bar(&tree);
    let looked = scan(&tree, &ScanHow::default());
    if super::super::walk::identity() == crate::model::Identity::AsIs {
        assert_eq!(looked.unwrap().changes.len(), 5);
    } else {
        assert_eq!(looked.unwrap_err().errno(), Some(crate::sys::Errno::ACCESS));
    }
    assert_eq!(modes(&tree), [0, 0, 0]);
    tree.chmod(b"d", Mode::new(0o700)).unwrap();
}

#[test]
fn a_note_that_does_not_read_back_is_found_and_moved_aside() {
    let (_host, store) = store();
    let draft = store.draft(&name("d")).unwrap();
    let at = draft.path().parent().unwrap().join(NOTE);
    let mut file = std::fs::File::create(&at).unwrap();
    file.write_all(b"{\"version\":1,").unwrap();
    drop(draft);
    let found = check(&store).unwrap();
    assert_eq!(found.iter().map(|finding| &finding.path).collect::<Vec<_>>(), [&at]);
    assert!(store.draft(&name("d")).unwrap_err().is_damage());
    store.mend(&found[0], CREATED, &mut |_| true).unwrap();
    assert!(check(&store).unwrap().is_empty() && store.draft(&name("d")).is_ok());
}
