//! Tests of the option string.

use proptest::prelude::*;

use super::*;

fn parsed(string: &str) -> Wanted {
    parse([string.as_bytes()]).unwrap()
}

fn refused(string: &str) -> Wrong {
    parse([string.as_bytes()]).unwrap_err()
}

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

/// As somebody would write the name of a directory.
fn escaped(name: &[u8], in_list: bool) -> Vec<u8> {
    let special = |b: u8| matches!(b, b'\\' | b',') || (in_list && b == b':');
    name.iter().flat_map(|&b| special(b).then_some(b'\\').into_iter().chain([b])).collect()
}

#[test]
fn layers_are_a_list_that_backslashes_keep_together() {
    let wanted = parsed(r"lowerdir=/a\:b:/c\,d:e\\,upperdir=u\,:x,workdir=w");
    assert_eq!(wanted.lowers, paths(&["/a:b", "/c,d", r"e\"]));
    assert_eq!((wanted.upper, wanted.work), (Some("u,:x".into()), Some("w".into())));
    let singly = parsed("lowerdir+=/a:b,lowerdir+=/c");
    assert_eq!(singly.lowers, paths(&["/a:b", "/c"]));
    assert_eq!(parsed("lowerdir=a,lowerdir=b:c").lowers, paths(&["b", "c"]));
    assert!(refused("lowerdir=a,lowerdir+=b").message.contains("both"));
    assert!(refused("lowerdir=a::b").message.contains("empty name"));
}

#[test]
fn several_strings_count_like_one_and_empty_options_are_none() {
    let wanted = parse([&b"lowerdir=l,,ro,"[..], b"rw,volatile", b""]).unwrap();
    assert_eq!((wanted.lowers, wanted.read_only, wanted.syncs), (paths(&["l"]), false, Syncs::Never));
}

#[test]
fn an_unknown_option_is_refused_with_the_one_that_was_meant() {
    let wrong = refused("lowerdri=l");
    assert_eq!(wrong.message, "unknown mount option `lowerdri`");
    assert_eq!(wrong.hint.unwrap(), "did you mean `lowerdir`?");
    assert!(refused("frobnicate").hint.unwrap().contains("--help"));
    assert!(refused("lowerdir").message.contains("needs a value"));
    assert!(refused("ro=1").message.contains("takes no value"));
    assert!(refused("index=on").hint.unwrap().contains("`index=off`"));
    assert_eq!(parse_leaving_out([&b"frobnicate,lowerdir=l"[..]]).unwrap().lowers, paths(&["l"]));
    assert_eq!(parsed("x-systemd.automount,X-mount.mkdir=1,comment=a").lowers, paths(&[]));
}

#[test]
fn mappings_come_in_threes() {
    let range = |disk, shown, length| IdRange { disk, shown, length };
    let wanted = parsed("uidmapping=0:1000:1:1:110000:65536,gidmapping=0:5:1");
    assert_eq!(wanted.owners.uids, [range(0, 1000, 1), range(1, 110_000, 65_536)]);
    assert_eq!(wanted.owners.gids, [range(0, 5, 1)]);
    assert!(refused("uidmapping=0:1").hint.unwrap().contains("ON-DISK:SHOWN:COUNT"));
    assert!(refused("gidmapping=a:b:c").message.contains("no mapping"));
}

#[test]
fn a_squashed_owner_that_is_named_counts_for_more_than_root() {
    for string in ["squash_to_root,squash_to_uid=7", "squash_to_uid=7,squash_to_root"] {
        let owners = parsed(string).owners;
        assert_eq!((owners.squash_uid, owners.squash_gid), (Some(7), Some(0)), "{string}");
    }
}

#[test]
fn the_last_of_two_that_contradict_each_other_counts() {
    let wanted = parsed("nodev,nosuid,noatime,suid,strictatime,sync,lazytime,async");
    let expected = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_STRICTATIME;
    assert_eq!(wanted.attributes, expected);
    assert_eq!(wanted.settings, [(b"lazytime".to_vec(), None)]);
}

#[test]
fn a_label_in_quotes_keeps_its_commas() {
    let wanted = parsed(r#"lowerdir=l,context="system_u:object_r:x:s0:c1,c2",ro"#);
    let label = b"system_u:object_r:x:s0:c1,c2".to_vec();
    assert_eq!(wanted.settings, [(b"context".to_vec(), Some(label))]);
    assert!(wanted.read_only);
    // elsewhere a quote is a byte like any other
    assert_eq!(parsed(r#"lowerdir=a"b,ro"#).lowers, paths(&[r#"a"b"#]));
}

#[test]
fn a_change_of_a_mount_keeps_what_counts_for_any_mount() {
    let wanted = parsed("rw,noatime,remount,user_id=0,default_permissions,lowerdir=q,sync");
    assert!(wanted.remount);
    assert_eq!(wanted.generic, [&b"rw"[..], b"noatime", b"remount", b"sync"]);
}

#[test]
fn a_mount_needs_layers_and_an_upper_needs_a_work_directory() {
    assert!(parsed("ro").check().unwrap_err().hint.unwrap().contains("lowerdir=TOP"));
    assert!(parsed("lowerdir=l,upperdir=u").check().unwrap_err().message.contains("workdir"));
    assert!(parsed("lowerdir=l,workdir=w").check().unwrap_err().message.contains("without"));
    parsed("lowerdir=l").check().unwrap();
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![prop::sample::select(b"\\,:=\"a/ ".to_vec()), 1..=255_u8];
    prop::collection::vec(byte, 1..12)
}

proptest! {
    #[test]
    fn what_is_escaped_is_read_back(
        lowers in prop::collection::vec(name(), 1..5),
        upper in name(),
        work in name(),
    ) {
        let list: Vec<Vec<u8>> = lowers.iter().map(|lower| escaped(lower, true)).collect();
        let mut string = b"noatime,lowerdir=".to_vec();
        string.extend(list.join(&b':'));
        string.extend_from_slice(b",upperdir=");
        string.extend(escaped(&upper, false));
        string.extend_from_slice(b",workdir=");
        string.extend(escaped(&work, false));
        let wanted = parse([&string[..]]).unwrap();
        let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
        prop_assert_eq!(wanted.lowers, lowers.iter().map(|lower| path(lower)).collect::<Vec<_>>());
        prop_assert_eq!((wanted.upper, wanted.work), (Some(path(&upper)), Some(path(&work))));
    }

    #[test]
    fn no_string_makes_it_panic(string in prop::collection::vec(any::<u8>(), 0..60)) {
        drop(parse([&string[..]]));
    }
}
