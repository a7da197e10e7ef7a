//! The canonical form: its exact bytes, its refusals, and that it says everything.

use std::io::Cursor;

use proptest::prelude::*;

use super::super::{TarError, write_layer};
use super::{bytes_of, dir, file, layer, node, path, read, write};
use crate::model::{Change, Changeset, Device, Digest, Entry, LayerPath, LinkGroup, Mode, Node, Timestamp};

fn sample() -> Changeset {
    let mut busy = file(700);
    busy.meta.mode = Mode::new(0o4755);
    (busy.meta.uid, busy.meta.gid) = (1000, 3_000_000);
    busy.meta.mtime = Timestamp { secs: 1_700_000_000, nanos: 120_000_000 };
    busy.meta.xattrs.insert(b"user.b=c"[..].into(), b"line\n\0end"[..].into());
    busy.meta.xattrs.insert(b"user.a"[..].into(), b""[..].into());
    let mut linked = file(3);
    linked.link = Some(LinkGroup(4));
    let mut old = node(Node::Symlink { target: b"../x".as_slice().into() }, 0o777);
    old.meta.mtime = Timestamp { secs: -1, nanos: 0 };
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(90));
    let longer = format!("{}/{}", "d".repeat(120), "f".repeat(101));
    layer([
        (path("etc/motd"), Change::Put(busy)),
        (path("etc/gone"), Change::Whiteout),
        (path("etc/z"), Change::Put(linked.clone())),
        (path("bin"), Change::Put(node(Node::Dir { opaque: true }, 0o755))),
        (path("bin/a"), Change::Whiteout),
        (path("bin/b"), Change::Put(linked)),
        (path("bin.d"), Change::Put(old)),
        (path("null"), Change::Put(node(Node::CharDevice(Device { major: 1, minor: 3 }), 0o666))),
        (path("pipe"), Change::Put(node(Node::Fifo, 0o600))),
        (path("top"), Change::Whiteout),
        (path(&long), Change::Put(file(1))),
        (path(&longer), Change::Put(file(0))),
    ])
}

#[test]
fn the_bytes_of_a_layer_never_change() {
    let bytes = write(&sample(), true).unwrap();
    assert_eq!(Digest::of(&bytes).hex(), "72091946dc8a6da4dd08e0faebd7ebb404ed78dd097a023a4c75c8d0297c5588");
    // and the smallest layer: nothing at all
    assert_eq!(write(&layer([]), false).unwrap(), vec![0; 1024]);
}

#[test]
fn entries_come_in_the_documented_order() {
    let bytes = write(&sample(), true).unwrap();
    let names: Vec<String> = bytes
        .chunks(512)
        .filter(|block| block[257..263] == *b"ustar\0" && block[156] != b'x')
        .map(|block| {
            let end = block.iter().position(|&b| b == 0).unwrap();
            let name = String::from_utf8_lossy(&block[..end.min(100)]).into_owned();
            format!("{}{name}", if block[345] == 0 { "" } else { "PREFIX/" })
        })
        .collect();
    let d = "d".repeat(100);
    let expected = [
        "./",
        ".wh.top",
        "bin/",
        "bin/.wh..wh..opq",
        "bin/.wh.a",
        "bin/b",
        "bin.d",
        &d, // a name of 121 bytes with nothing to split at: PAX, and the header's name is empty
        &format!("PREFIX/{}", "f".repeat(90)),
        "",
        "etc/",
        "etc/.wh.gone",
        "etc/motd",
        "etc/z",
        "null",
        "pipe",
    ];
    let expected: Vec<&str> = expected.into_iter().map(|name| if name == d { "" } else { name }).collect();
    assert_eq!(names, expected);
}

#[test]
fn a_header_has_exactly_the_documented_fields() {
    let mut entry = file(5);
    (entry.meta.uid, entry.meta.gid) = (1000, 100);
    entry.meta.mtime.secs = 1_700_000_000;
    let bytes = write(&layer([(path("a"), Change::Put(entry))]), false).unwrap();
    let mut expected = vec![0; 512];
    expected[0] = b'a';
    expected[100..108].copy_from_slice(b"0000644\0");
    expected[108..116].copy_from_slice(b"0001750\0");
    expected[116..124].copy_from_slice(b"0000144\0");
    expected[124..136].copy_from_slice(b"00000000005\0");
    expected[136..148].copy_from_slice(b"14524770400\0");
    expected[148..156].copy_from_slice(b"        ");
    expected[156] = b'0';
    expected[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = expected.iter().map(|&byte| u32::from(byte)).sum();
    expected[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(bytes[..512], expected);
    assert_eq!(bytes.len(), 512 * 4);
}

#[test]
fn pax_records_come_only_where_ustar_cannot_say_it_and_in_order() {
    let mut entry = node(Node::Symlink { target: vec![b't'; 101].into() }, 0o777);
    (entry.meta.uid, entry.meta.gid) = (2_097_152, u32::MAX);
    entry.meta.mtime = Timestamp { secs: -2, nanos: 500_000_000 };
    entry.meta.xattrs.insert(b"user.z"[..].into(), b"1"[..].into());
    let name = "n".repeat(101);
    let bytes = write(&layer([(path(&name), Change::Put(entry))]), false).unwrap();
    let records = format!(
        "111 path={name}\n115 linkpath={}\n15 uid=2097152\n18 gid=4294967295\n14 mtime=-1.5\n25 SCHILY.xattr.user.z=1\n",
        "t".repeat(101)
    );
    assert_eq!(&bytes[..14], b"././@PaxHeader");
    assert_eq!(&bytes[512..512 + records.len()], records.as_bytes());
    assert_eq!(&bytes[1024 + 136..1024 + 148], b"00000000000\0");
    let plain = write(&layer([(path("a"), Change::Put(file(1)))]), false).unwrap();
    assert!(!plain.windows(4).any(|window| window == b"@Pax"));
}

#[test]
fn what_a_tar_cannot_say_is_refused_by_name() {
    for change in [Change::Put(file(0)), Change::Put(dir()), Change::Whiteout] {
        let error = write(&layer([(path("d/.wh.x"), change)]), false).unwrap_err();
        assert!(matches!(&error, TarError::ReservedName { path: at } if *at == path("d/.wh.x")), "{error}");
    }
    let device = node(Node::BlockDevice(Device { major: 1, minor: 0o1000_0000 }), 0o600);
    let error = write(&layer([(path("b"), Change::Put(device))]), false).unwrap_err();
    assert!(matches!(error, TarError::DeviceNumber { .. }));
    let big = file(1 << 40);
    let error = write_layer(
        &layer([(path("b"), Change::Put(big))]),
        &mut |_: &LayerPath, _: &Entry| Ok(&b"x"[..]),
        std::io::sink(),
    );
    assert!(matches!(error.unwrap_err(), TarError::SizeChanged { found: 1, .. }));
}

#[test]
fn sockets_are_left_out_and_reported() {
    let layer = layer([
        (LayerPath::root(), Change::Put(Entry::implied_dir(false))),
        (path("s"), Change::Put(node(Node::Socket, 0o600))),
        (path("a"), Change::Put(file(0))),
    ]);
    let mut open = |_: &LayerPath, _: &Entry| Ok(std::io::empty());
    let (bytes, summary) = write_layer(&layer, &mut open, Vec::new()).unwrap();
    assert_eq!(summary.sockets, [path("s")]);
    assert_eq!(bytes.len(), 512 * 3);
}

#[test]
fn a_file_that_changes_its_size_while_it_is_read_is_an_error() {
    let one = layer([(path("a"), Change::Put(file(600_000)))]);
    for actual in [0, 1, 599_999, 600_001, 900_000] {
        let mut open = |path: &LayerPath, _: &Entry| Ok(Cursor::new(bytes_of(path, actual)));
        let error = write_layer(&one, &mut open, std::io::sink()).unwrap_err();
        assert!(matches!(error, TarError::SizeChanged { expected: 600_000, .. }), "{actual}: {error}");
    }
    assert!(write(&one, false).is_ok());
    let mut fail = |_: &LayerPath, _: &Entry| Err::<std::io::Empty, _>(std::io::ErrorKind::NotFound.into());
    let error = write_layer(&one, &mut fail, std::io::sink()).unwrap_err();
    assert_eq!(error.path(), Some(&path("a")));
    assert_eq!(error.io().unwrap().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn the_root_is_read_back_where_it_was_written() {
    let with = read(&write(&sample(), true).unwrap()).unwrap();
    let root = LayerPath::root();
    assert!(!with.assembled.entry(&root).unwrap().implied);
    let mut without = read(&write(&sample(), false).unwrap()).unwrap().assembled;
    assert!(without.entry(&root).unwrap().implied);
    without.insert(root.clone(), with.assembled.get(&root).unwrap().clone());
    assert_eq!(without, with.assembled);
}

fn random_name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        6 => prop::sample::select(b"abc.".to_vec()),
        1 => prop::sample::select(vec![b'\n', b' ', 0xff, 0xc3, b'=', b'%', 1]),
    ];
    prop_oneof![
        4 => prop::collection::vec(byte.clone(), 1..4),
        1 => prop::collection::vec(byte, 90..255),
    ]
    .prop_filter("possible", |name| !matches!(&name[..], b"." | b"..") && !name.starts_with(b".wh."))
}

fn random_entry() -> impl Strategy<Value = Entry> {
    let target = prop::collection::vec(1_u8.., 1..150);
    let device = (0_u32..4096, 0_u32..1_048_576).prop_map(|(major, minor)| Device { major, minor });
    let node = prop_oneof![
        4 => (0_u64..2000).prop_map(|size| Node::File { size }),
        2 => any::<bool>().prop_map(|opaque| Node::Dir { opaque }),
        1 => target.prop_map(|target| Node::Symlink { target: target.into() }),
        1 => Just(Node::Fifo),
        1 => device.clone().prop_filter("0:0 is a whiteout", |device| device.major > 0).prop_map(Node::CharDevice),
        1 => device.prop_map(Node::BlockDevice),
    ];
    let owner = prop_oneof![0_u32..2000, any::<u32>()];
    let secs = prop_oneof![0_i64..2_000_000_000, -10_i64..10, any::<i64>()];
    let nanos = prop_oneof![Just(0), 0_u32..1_000_000_000];
    let name = prop_oneof![
        "user\\.[a-z=%.]{1,20}".prop_map(String::into_bytes),
        Just(b"user.overlay.opaque".to_vec()),
        Just(b"user.\xff\n".to_vec()),
        Just(b"security.capability".to_vec()),
    ];
    // a capability of another version would be brought to version 2: values here never look like one
    let xattrs = prop::collection::btree_map(
        name.prop_map(Vec::into_boxed_slice),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Vec::into_boxed_slice),
        0..3,
    );
    (node, 0_u32..0o10000, owner.clone(), owner, secs, nanos, xattrs).prop_map(
        |(node, mode, uid, gid, secs, nanos, xattrs)| {
            let mut entry = super::node(node, mode);
            (entry.meta.uid, entry.meta.gid) = (uid, gid);
            entry.meta.mtime = Timestamp { secs, nanos };
            entry.meta.xattrs = xattrs;
            entry
        },
    )
}

fn random_layer() -> impl Strategy<Value = Changeset> {
    let change = prop_oneof![6 => random_entry().prop_map(Change::Put), 1 => Just(Change::Whiteout)];
    let names = prop::collection::vec(random_name(), 1..4);
    prop::collection::vec((names, change, prop::bool::weighted(0.2)), 0..12).prop_map(|entries| {
        let mut layer = layer([]);
        let (mut files, mut groups) = (Vec::<LayerPath>::new(), 0);
        for (names, change, link) in entries {
            let Ok(at) = LayerPath::parse(&names.join(&b'/')) else { continue };
            let blocked = |dir: LayerPath| {
                layer.get(&dir).is_some_and(|change| !matches!(change, Change::Put(entry) if entry.is_dir()))
            };
            if layer.get(&at).is_some() || at.ancestors().any(blocked) {
                continue;
            }
            for parent in at.ancestors() {
                if layer.get(&parent).is_none() {
                    layer.insert(parent, Change::Put(dir()));
                }
            }
            let linked = match (&change, files.last()) {
                (Change::Put(entry), Some(first)) if link && !entry.is_dir() => Some(first.clone()),
                _ => None,
            };
            if let Some(first) = linked {
                let mut entry = layer.entry(&first).unwrap().clone();
                entry.link = Some(LinkGroup(groups));
                groups += 1;
                layer.insert(first, Change::Put(entry.clone()));
                layer.insert(at, Change::Put(entry));
                // a group of two; the next link starts another
                files.pop();
                continue;
            }
            if matches!(&change, Change::Put(entry) if !entry.is_dir()) {
                files.push(at.clone());
            }
            layer.insert(at, change);
        }
        renumber(layer)
    })
}

/// Numbers link groups in path order, as an archive that is read gives them.
fn renumber(layer: Changeset) -> Changeset {
    let mut order = Vec::new();
    layer
        .into_iter()
        .map(|(path, mut change)| {
            if let Change::Put(Entry { link: Some(group), .. }) = &mut change {
                if !order.contains(group) {
                    order.push(*group);
                }
                let place = order.iter().position(|other| other == group).unwrap();
                *group = LinkGroup(u32::try_from(place).unwrap());
            }
            (path, change)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_layer_comes_back_from_its_tar(layer in random_layer()) {
        let bytes = write(&layer, true).unwrap();
        prop_assert_eq!(bytes.len() % 512, 0);
        let archive = read(&bytes).unwrap();
        prop_assert_eq!(&archive.assembled, &layer);
        prop_assert!(archive.notes.is_empty());
        for (path, content) in &archive.contents {
            prop_assert_eq!(content, &bytes_of(path, layer.entry(path).unwrap().size()));
        }
        // reading and writing again gives the same bytes
        let mut open = |path: &LayerPath, entry: &Entry| Ok(Cursor::new(bytes_of(path, entry.size())));
        let (again, _) = write_layer(&archive.assembled, &mut open, Vec::new()).unwrap();
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn damage_never_panics(layer in random_layer(), place in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
        let mut bytes = write(&layer, true).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        // right checksums, so that the damage is looked at
        let block = place / 512 * 512;
        if bytes[block + 257..block + 263] == *b"ustar\0" {
            let fixed: &mut [u8; 512] = (&mut bytes[block..block + 512]).try_into().unwrap();
            let sum = super::super::field::checksum(fixed);
            fixed[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        drop(read(&bytes));
        let end = cut.index(bytes.len() - 512);
        // one that is cut between two entries is read as far as it goes, with a note
        prop_assert!(read(&bytes[..end]).map_or(true, |archive| !archive.notes.is_empty()));
    }
}
