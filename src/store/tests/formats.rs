//! Stores of earlier formats, made by code from what is written today: they open, check clean and give the same layers.

use super::*;
use crate::model::Digest;
use crate::store::{Error, index};

/// An index of version 2 in which no directory but the root is implied, as version 1 would have it: the root with
/// attributes of its own, and a byte in front that says that it is implied.
fn as_version_1(record: &[u8]) -> Vec<u8> {
    let (magic_and_version, rest) = record.split_at(12);
    assert_eq!(magic_and_version[8..], 2_u32.to_le_bytes());
    let (ids, rest) = rest.split_at(64);
    // fewer than 128 changes; the root's path shares nothing, has no bytes, and is an implied directory
    let (count, rest) = rest.split_at(1);
    let (root, others) = rest.split_at(3);
    assert_eq!(root, [0, 0, 8]);
    let others = &others[..others.len() - 32];
    let root_then = [0, 0, 1, 0xed, 0x03, 0, 0, 0, 0];
    let body = [&magic_and_version[..8], &1_u32.to_le_bytes(), &[0], ids, count, &root_then, others].concat();
    let check = Digest::of(&body);
    [&body[..], check.as_bytes()].concat()
}

#[test]
fn an_index_is_of_a_later_version_only_where_it_is_whole() {
    let (host, store) = store();
    let id = layer(&store, "base", "a", b"one");
    let file = host.path().join(format!("store/layers/sha256/{}/index", id.0.hex()));
    let mut record = std::fs::read(&file).unwrap();
    assert_eq!(index::later(&record), None);
    // a changed byte does not make a record a later one
    record[8] = 9;
    assert_eq!(index::later(&record), None);
    record.truncate(record.len() - 32);
    let whole = [&record[..], Digest::of(&record).as_bytes()].concat();
    assert_eq!(index::later(&whole), Some(9));
    assert!(index::later(&whole[..whole.len() - 1]).is_none() && index::later(b"").is_none());
    std::fs::write(&file, whole).unwrap();
    let store = open(host.path());
    assert!(matches!(store.changeset(id), Err(Error::Later { version: 9, .. })));
}

#[test]
fn a_store_with_indexes_of_version_1_opens_and_checks_clean() {
    let (host, store) = store();
    let ids = [layer(&store, "base", "a", b"one"), layer(&store, "app", "b", b"two")];
    let before = ids.map(|id| store.changeset(id).unwrap());
    drop(store);
    for id in ids {
        let file = host.path().join(format!("store/layers/sha256/{}/index", id.0.hex()));
        let old = as_version_1(&std::fs::read(&file).unwrap());
        assert_eq!(index::decode(&old).unwrap().id, id);
        std::fs::write(&file, old).unwrap();
    }
    let store = open(host.path());
    for (id, before) in ids.iter().zip(before) {
        assert_eq!(store.changeset(*id).unwrap(), before);
    }
    assert!(check(&store).unwrap().is_empty());
    let web = mount(&store, "web", &ids);
    drop(web);
    layer(&store, "later", "c", b"three");
    assert!(check(&store).unwrap().is_empty());
}
