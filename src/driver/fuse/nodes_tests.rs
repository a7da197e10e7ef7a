//! The table of nodes.

use super::*;
use crate::model::{Device, Mode, Timestamp};
use crate::sys::RawStat;

fn shown(number: u64, single: bool) -> Shown {
    let time = Timestamp::default();
    let stat = RawStat {
        kind: Kind::File,
        mode: Mode::new(0o644),
        uid: 0,
        gid: 0,
        nlink: 1,
        size: 0,
        blocks: 0,
        dev: 1,
        ino: number,
        rdev: Device { major: 0, minor: 0 },
        mtime: time,
        atime: time,
        ctime: time,
    };
    Shown { stat, in_upper: true, single }
}

fn path(nodes: &Nodes, id: u64) -> Option<String> {
    nodes.path(id).map(|path| String::from_utf8_lossy(path.as_bytes()).into_owned())
}

#[test]
fn a_renamed_directory_takes_what_is_beneath_along() {
    let nodes = Nodes::new(0);
    let dir = nodes.enter(ROOT, b"d", &shown(10, true)).id;
    let file = nodes.enter(dir, b"f", &shown(11, true)).id;
    assert_eq!((dir, file), (10, 11));
    nodes.rename((ROOT, b"d"), (ROOT, b"e"), None);
    assert_eq!(path(&nodes, file).unwrap(), "e/f");
    assert_eq!(nodes.child(ROOT, b"d"), None);
}

#[test]
fn names_of_one_file_share_a_node_and_names_of_a_lower_one_do_not() {
    let nodes = Nodes::new(0);
    let first = nodes.enter(ROOT, b"a", &shown(10, true));
    assert_eq!(nodes.enter(ROOT, b"b", &shown(10, true)), first);
    nodes.unname(ROOT, b"a", None);
    assert_eq!(path(&nodes, first.id).unwrap(), "b");
    let c = nodes.enter(ROOT, b"c", &shown(20, false));
    let d = nodes.enter(ROOT, b"d", &shown(20, false));
    assert_ne!(c.id, d.id);
    assert_eq!(nodes.enter(ROOT, b"c", &shown(20, false)), c);
}

#[test]
fn a_name_more_of_a_node_leads_to_it_whatever_the_number() {
    let nodes = Nodes::new(0);
    let one = nodes.enter(ROOT, b"a", &shown(20, false));
    let two = nodes.enter(ROOT, b"b", &shown(20, false));
    // `b` is copied up, and gets a further name
    assert_eq!(nodes.enter_as(two.id, ROOT, b"c"), Some(two));
    assert_eq!(nodes.enter(ROOT, b"c", &shown(30, true)), two);
    assert_eq!(nodes.enter(ROOT, b"a", &shown(20, false)), one);
}

#[test]
fn a_node_goes_when_all_lookups_are_forgotten_and_its_id_comes_back_as_another() {
    let nodes = Nodes::new(0);
    let first = nodes.enter(ROOT, b"a", &shown(10, true));
    nodes.enter(ROOT, b"a", &shown(10, true));
    nodes.forget(first.id, 1);
    assert!(nodes.path(first.id).is_some());
    nodes.forget(first.id, 1);
    assert!(nodes.path(first.id).is_none());
    let again = nodes.enter(ROOT, b"a", &shown(10, true));
    assert_eq!(again.id, first.id);
    assert_ne!(again.generation, first.generation);
}

#[test]
fn exchanged_names_swap_their_nodes() {
    let nodes = Nodes::new(0);
    let a = nodes.enter(ROOT, b"a", &shown(10, true)).id;
    let b = nodes.enter(ROOT, b"b", &shown(11, true)).id;
    nodes.exchange((ROOT, b"a"), (ROOT, b"b"));
    assert_eq!((nodes.child(ROOT, b"a"), nodes.child(ROOT, b"b")), (Some(b), Some(a)));
}
