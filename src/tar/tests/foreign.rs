//! Forms that we never write: old headers, GNU long names, base 256, libarchive's attributes, odd orders.

use std::io::Cursor;

use super::super::{Form, Limits, Note, Peeked, Reader, TarError};
use super::{path, read};
use crate::model::{Change, Entry, LayerPath, Node, Timestamp};

/// A header with its data; `magic`: ustar's, GNU's or none.
pub(super) fn raw(name: &[u8], kind: u8, magic: &[u8], data: &[u8], edit: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[124..136].copy_from_slice(format!("{:011o}\0", data.len()).as_bytes());
    block[136..148].copy_from_slice(b"00000000007\0");
    block[156] = kind;
    block[257..257 + magic.len()].copy_from_slice(magic);
    edit(&mut block);
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.extend_from_slice(data);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

pub(super) const USTAR: &[u8] = b"ustar\x0000";
pub(super) const GNU: &[u8] = b"ustar  \0";

pub(super) fn plain(name: &str, kind: u8, data: &[u8]) -> Vec<u8> {
    raw(name.as_bytes(), kind, USTAR, data, |_| {})
}

pub(super) fn pax(records: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut data = Vec::new();
    for (key, value) in records {
        super::super::pax::push(&mut data, key, value);
    }
    raw(b"x", b'x', USTAR, &data, |_| {})
}

pub(super) fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = parts.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn entry(parts: &[Vec<u8>], at: &str) -> Entry {
    read(&archive(parts)).unwrap().assembled.entry(&path(at)).unwrap().clone()
}

#[test]
fn the_oldest_headers_are_read() {
    let file = raw(b"dir/file", 0, b"", b"hello", |_| {});
    let directory = raw(b"dir/", 0, b"", b"", |_| {});
    let archive = read(&archive(&[directory, file])).unwrap();
    assert!(archive.assembled.entry(&path("dir")).unwrap().is_dir());
    assert_eq!(archive.contents[&path("dir/file")], b"hello");
}

#[test]
fn gnu_long_names_and_targets_are_read() {
    let (name, target) = ("n/".repeat(150) + "x", "t".repeat(300));
    let parts = [
        raw(b"././@LongLink", b'K', GNU, format!("{target}\0").as_bytes(), |_| {}),
        raw(b"././@LongLink", b'L', GNU, format!("{name}\0").as_bytes(), |_| {}),
        raw(b"n/n/n", b'2', GNU, b"", |_| {}),
    ];
    assert_eq!(entry(&parts, &name).node, Node::Symlink { target: target.as_bytes().into() });
}

#[test]
fn base_256_numbers_are_read() {
    let parts = [raw(b"a", b'0', GNU, b"", |block| {
        block[108..116].copy_from_slice(b"\x80\0\0\0\xff\xff\xff\xfe");
        block[136..148].copy_from_slice(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf6");
    })];
    let meta = entry(&parts, "a").meta;
    assert_eq!(meta.uid, u32::MAX - 1);
    assert_eq!(meta.mtime, Timestamp { secs: -10, nanos: 0 });
}

#[test]
fn the_prefix_counts_in_ustar_only() {
    let edit = |block: &mut [u8]| block[345..348].copy_from_slice(b"pre");
    let parts = [raw(b"a", b'0', USTAR, b"", edit), raw(b"b", b'0', GNU, b"", edit)];
    let layer = read(&archive(&parts)).unwrap().assembled;
    assert!(layer.entry(&path("pre/a")).is_some());
    assert!(layer.entry(&path("b")).is_some());
}

#[test]
fn attributes_keep_every_byte_and_overlay_marks_are_never_honoured() {
    let parts = [
        pax(&[
            (b"SCHILY.xattr.user.a", b"1\n20 path=evil\n"),
            (b"SCHILY.xattr.user.overlay.opaque", b"y"),
            (b"SCHILY.xattr.user.ufs.owner", b"1:1"),
            (b"SCHILY.xattr.trusted.overlay.opaque", b"y"),
            (b"SCHILY.xattr.security.selinux", b"x"),
            (b"LIBARCHIVE.xattr.user.caf%C3%A9", b"AP8"),
            (b"SCHILY.acl.access", b"user::rw-"),
        ]),
        plain("d", b'5', b""),
    ];
    let found = read(&archive(&parts)).unwrap();
    let entry = found.assembled.entry(&path("d")).unwrap();
    assert!(!entry.is_opaque());
    let xattrs: Vec<(&[u8], &[u8])> =
        entry.meta.xattrs.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(
        xattrs,
        [
            (&b"user.a"[..], &b"1\n20 path=evil\n"[..]),
            ("user.café".as_bytes(), &[0, 255]),
            (b"user.overlay.opaque", b"y")
        ]
    );
    let left_out = |name: &str| Note::Attribute { name: name.into(), path: path("d"), count: 1 };
    assert_eq!(
        found.notes,
        [
            Note::TextAcl { path: path("d") },
            left_out("user.ufs.owner"),
            left_out("trusted.overlay.opaque"),
            left_out("security.selinux")
        ]
    );
}

#[test]
fn attributes_of_the_system_are_kept_and_labels_of_a_host_noted_once() {
    let labelled = || {
        pax(&[
            (b"SCHILY.xattr.security.ima", b"v"),
            (b"SCHILY.xattr.trusted.k", b"v"),
            (b"SCHILY.xattr.security.selinux", b"x"),
            (b"RHT.security.selinux", b"x"),
        ])
    };
    let parts = [labelled(), plain("a", b'0', b""), labelled(), plain("b", b'0', b"")];
    let found = read(&archive(&parts)).unwrap();
    for at in ["a", "b"] {
        let xattrs = &found.assembled.entry(&path(at)).unwrap().meta.xattrs;
        let names: Vec<&[u8]> = xattrs.keys().map(|name| &**name).collect();
        assert_eq!(names, [&b"security.ima"[..], b"trusted.k"]);
    }
    let left_out = |name: &str| Note::Attribute { name: name.into(), path: path("a"), count: 2 };
    assert_eq!(found.notes, [left_out("security.selinux"), left_out("RHT.security.selinux")]);
}

#[test]
fn pax_overrides_the_header_and_an_empty_value_takes_it_back() {
    let parts = [
        pax(&[(b"path", b"other"), (b"path", b""), (b"uid", b"7"), (b"mtime", b"-1.5"), (b"size", b"3")]),
        raw(b"a", b'0', USTAR, b"abc", |block| block[124..136].copy_from_slice(b"00000000000\0")),
        plain("b", b'0', b""),
    ];
    let found = read(&archive(&parts)).unwrap();
    let entry = found.assembled.entry(&path("a")).unwrap();
    assert_eq!((entry.meta.uid, entry.meta.mtime), (7, Timestamp { secs: -2, nanos: 500_000_000 }));
    assert_eq!(found.contents[&path("a")], b"abc");
    // the records are for one entry only
    assert_eq!(found.assembled.entry(&path("b")).unwrap().meta.uid, 0);
}

#[test]
fn marks_count_wherever_they_stand() {
    let parts = [
        plain("d/.wh..wh..opq", b'0', b""),
        plain("d/a", b'0', b""),
        plain("d/", b'5', b""),
        plain("e/x", b'0', b""),
        plain(".wh.e", b'0', b""),
        plain(".wh.f", b'0', b""),
        plain("f", b'0', b""),
        plain(".wh.g", b'0', b""),
        plain("g/h", b'0', b""),
        plain("k/.wh.l", b'0', b""),
    ];
    let found = read(&archive(&parts)).unwrap().assembled;
    let layer = &found;
    for opaque in ["d", "e", "g"] {
        assert!(layer.entry(&path(opaque)).unwrap().is_opaque(), "{opaque}");
    }
    assert!(layer.entry(&path("f")).is_some());
    assert_eq!(layer.get(&path("k/l")), Some(&Change::Whiteout));
    // what deletes a directory says something of the one that it makes
    assert_eq!(found.implied().cloned().collect::<Vec<_>>(), [path("k")]);
    assert!(found.entry(&LayerPath::root()).unwrap().implied);
}

#[test]
fn later_entries_replace_earlier_ones() {
    let link = |name: &str, to: &str| {
        raw(name.as_bytes(), b'1', USTAR, b"", |block| {
            block[157..157 + to.len()].copy_from_slice(to.as_bytes());
        })
    };
    let parts = [
        plain("a/b/c", b'0', b""),
        plain("a", b'0', b"now a file"),
        plain("x", b'0', b"x"),
        link("y", "x"),
        link("z", "./y"),
        plain("x", b'0', b"another"),
        link("x", "x"),
    ];
    let layer = read(&archive(&parts)).unwrap().assembled;
    let names: Vec<LayerPath> = layer.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(names, ["", "a", "x", "y", "z"].map(path));
    assert_eq!(layer.entry(&path("x")).unwrap().link, None);
    assert!(layer.entry(&path("y")).unwrap().link.is_some());
    assert_eq!(layer.entry(&path("y")), layer.entry(&path("z")));
    assert_eq!(layer.entry(&LayerPath::root()), Some(&Entry::implied_dir(false)));
}

#[test]
fn what_says_nothing_about_files_is_left_out_with_a_note() {
    let parts = [
        raw(b"g", b'g', USTAR, b"13 comment=x\n", |_| {}),
        raw(b"g", b'g', USTAR, b"9 uid=77\n", |_| {}),
        plain(".wh..wh.plnk/12.34", b'0', b"xx"),
        plain(".wh..wh.aufs", b'0', b"xx"),
        raw(b"label", b'V', GNU, b"", |_| {}),
        raw(b"dead", b'3', USTAR, b"", |_| {}),
        plain("a", b'0', b""),
    ];
    let found = read(&archive(&parts)).unwrap();
    assert_eq!(found.notes.len(), 5);
    assert_eq!(found.notes[0], Note::GlobalHeader);
    assert_eq!(found.assembled.len(), 3);
    assert_eq!(found.assembled.get(&path("dead")), Some(&Change::Whiteout));
    assert!(
        found
            .notes
            .iter()
            .all(|note| note.to_string().contains("left out") || note.to_string().contains("0:0"))
    );
}

#[test]
fn only_files_bring_content() {
    let with_size = |name: &[u8], kind| {
        raw(name, kind, USTAR, b"", |block| {
            block[124..136].copy_from_slice(b"00000001000\0");
            block[157] = b'a';
        })
    };
    let parts = [
        plain("a", b'0', b"a"),
        with_size(b"d", b'5'),
        with_size(b"l", b'1'),
        with_size(b"s", b'2'),
        plain("z", b'0', b"z"),
    ];
    let found = read(&archive(&parts)).unwrap();
    assert_eq!(found.contents[&path("z")], b"z");
}

#[test]
fn a_tar_without_its_end_mark_is_read_with_a_note() {
    let part = plain("a", b'0', b"a");
    assert_eq!(read(&part).unwrap().notes, [Note::NoEnd]);
    // nor with the padding of its last entry
    for length in [513, 514, 1023] {
        let found = read(&part[..length]).unwrap();
        assert_eq!(
            (found.notes.as_slice(), &found.contents[&path("a")][..]),
            (&[Note::NoEnd][..], &b"a"[..])
        );
        let mut seeking = Reader::seeking(Cursor::new(&part[..length]), length as u64, Limits::default());
        assert!(seeking.next().unwrap().is_some() && seeking.next().unwrap().is_none());
        assert_eq!(seeking.notes(), [Note::NoEnd]);
    }
    assert!(read(&part[..512]).is_err());
    assert!(matches!(read(b""), Err(TarError::Truncated { offset: 0 })));
    let mut lone = part;
    lone.resize(lone.len() + 512, 0);
    assert!(read(&lone).is_ok());
    lone.extend(plain("b", b'0', b""));
    assert!(matches!(read(&lone), Err(TarError::Header { .. })));
}

#[test]
fn a_checksum_of_signed_bytes_is_one_too() {
    let mut part = raw(b"caf\xe9", b'0', USTAR, b"hi", |_| {});
    let stored = u32::from_str_radix(std::str::from_utf8(&part[148..154]).unwrap(), 8).unwrap();
    part[148..154].copy_from_slice(format!("{:06o}", stored - 256).as_bytes());
    let tar = archive(&[part]);
    assert_eq!(Peeked::new(&tar[..]).unwrap().form(), Form::Tar);
    let name = LayerPath::parse(b"caf\xe9").unwrap();
    assert_eq!(read(&tar).unwrap().contents[&name], b"hi");
}
