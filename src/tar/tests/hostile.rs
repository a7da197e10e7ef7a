//! Archives that mean harm.

use super::super::{Limits, Note, Reader, TarError};
use super::foreign::{GNU, USTAR, archive, pax, plain, raw};
use super::{path, read};
use crate::model::PathError;

fn refused(parts: &[Vec<u8>]) -> TarError {
    read(&archive(parts)).unwrap_err()
}

#[test]
fn no_name_leads_out_of_the_layer() {
    for name in ["../x", "a/../../x", "..", "/..", "a/.."] {
        let error = refused(&[plain(name, b'0', b"")]);
        assert!(matches!(&error, TarError::Name { source: PathError::Parent, .. }), "{name}: {error}");
        let link = raw(b"l", b'1', USTAR, b"", |block| {
            block[157..157 + name.len()].copy_from_slice(name.as_bytes());
        });
        assert!(matches!(refused(&[link]), TarError::Name { .. }), "{name}");
    }
    let error = refused(&[pax(&[(b"path", b"a\0b")]), plain("a", b'0', b"")]);
    assert!(matches!(error, TarError::Name { source: PathError::Nul, .. }));
    let layer = read(&archive(&[plain("//etc/./passwd", b'0', b"")])).unwrap().assembled;
    assert!(layer.entry(&path("etc/passwd")).is_some());
}

#[test]
fn whiteouts_of_no_name_are_refused() {
    for name in [".wh.", "d/.wh.", ".wh..", ".wh...", ".wh.a/b", "d/.wh.x/"] {
        let kind = if name.ends_with('/') { b'5' } else { b'0' };
        assert!(matches!(refused(&[plain(name, kind, b"")]), TarError::Whiteout { .. }), "{name}");
    }
}

#[test]
fn links_to_nothing_and_files_beneath_files_are_refused() {
    let link =
        |to: &[u8]| raw(b"l", b'1', USTAR, b"", |block| block[157..157 + to.len()].copy_from_slice(to));
    assert!(matches!(refused(&[link(b"none")]), TarError::Link { .. }));
    assert!(matches!(refused(&[link(b"l")]), TarError::Link { .. }));
    assert!(matches!(refused(&[plain("d", b'5', b""), link(b"d")]), TarError::Link { .. }));
    let symlink = raw(b"s", b'2', USTAR, b"", |block| block[157..161].copy_from_slice(b"/etc"));
    let error = refused(&[symlink, plain("s/passwd", b'0', b"")]);
    assert!(matches!(&error, TarError::Parent { parent, .. } if *parent == path("s")), "{error}");
    let empty = raw(b"s", b'2', USTAR, b"", |_| {});
    assert!(matches!(refused(&[empty]), TarError::Target { .. }));
}

#[test]
fn headers_that_lie_are_refused() {
    let edited = |edit: fn(&mut [u8])| raw(b"a", b'0', USTAR, b"", edit);
    let cases = [
        edited(|block| block[124..136].copy_from_slice(b"0000000000x\0")),
        edited(|block| block[124..136].copy_from_slice(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
        edited(|block| block[124..136].copy_from_slice(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff")),
        edited(|block| block[108..116].copy_from_slice(b"\xff\xff\xff\xff\xff\xff\xff\xff")),
        edited(|block| block[116..124].copy_from_slice(b"\x80\0\0\x01\0\0\0\0")),
        edited(|block| block[0] = 0),
        // chown(2) would leave the owner as it is
        edited(|block| block[108..116].copy_from_slice(b"\x80\0\0\0\xff\xff\xff\xff")),
        edited(|block| block[116..124].copy_from_slice(b"\x80\0\0\0\xff\xff\xff\xff")),
        [raw(b"x", b'x', USTAR, b"18 uid=4294967295\n", |_| {}), plain("a", b'0', b"")].concat(),
        [raw(b"x", b'x', USTAR, b"9 uid=-1\n", |_| {}), plain("a", b'0', b"")].concat(),
        [raw(b"x", b'x', USTAR, b"99 uid=1\n", |_| {}), plain("a", b'0', b"")].concat(),
        pax(&[(b"uid", b"1")]),
    ];
    for case in cases {
        let error = refused(&[case]);
        assert!(matches!(&error, TarError::Header { .. }), "{error}");
    }
    let mut broken = archive(&[plain("a", b'0', b"")]);
    broken[0] = b'b';
    assert!(matches!(read(&broken), Err(TarError::Header { .. })));
    assert!(matches!(refused(&[plain("a", b'M', b"")]), TarError::Kind { kind: b'M', .. }));
}

#[test]
fn extensions_have_a_limit() {
    let huge = raw(b"x", b'x', USTAR, b"", |block| block[124..136].copy_from_slice(b"77777777777\0"));
    assert!(matches!(refused(&[huge]), TarError::TooBig { .. }));
    let many: Vec<Vec<u8>> = (0..30).map(|_| raw(b"L", b'L', GNU, &vec![b'a'; 50_000], |_| {})).collect();
    assert!(matches!(refused(&many), TarError::TooBig { .. }));
}

#[test]
fn sparse_layouts_must_fit_what_is_stored() {
    let cases: [(&[u8], &[u8], bool); 7] = [
        (b"0,3", b"3", true),
        (b"5,3", b"10", true),
        (b"5,3", b"7", false),
        (b"0,2", b"10", false),
        (b"2,2,1,1", b"10", false),
        (b"0,18446744073709551615,1,4", b"10", false),
        (b"0,3,9,0", b"9", true),
    ];
    for (map, size, fits) in cases {
        let parts = [pax(&[(b"GNU.sparse.size", size), (b"GNU.sparse.map", map)]), plain("a", b'0', b"abc")];
        assert_eq!(read(&archive(&parts)).is_ok(), fits, "{}", map.escape_ascii());
    }
    // a map that claims more than it has room for
    let parts = [
        pax(&[(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"10")]),
        plain("a", b'0', b"4000000000\n1\n1\n"),
    ];
    assert!(matches!(refused(&parts), TarError::Header { .. }));
    let map: Vec<u8> = (0..50).map(|n| format!("{},1", 2 * n)).collect::<Vec<_>>().join(",").into_bytes();
    let parts = [pax(&[(b"GNU.sparse.size", b"100"), (b"GNU.sparse.map", &map)]), plain("a", b'0', &[1; 50])];
    let bytes = archive(&parts);
    let mut reader = Reader::with_limits(&bytes[..], Limits { extents: 49, ..Limits::default() });
    assert!(reader.next().is_err());
    assert!(read(&bytes).is_ok());
}

#[test]
fn a_cut_archive_is_an_error_wherever_it_is_cut() {
    let whole = archive(&[pax(&[(b"mtime", b"1.5")]), plain("a", b'0', &[7; 700]), plain("b", b'5', b"")]);
    // but after an entry, or in its padding: 3 headers, a record and 2 blocks of content
    let (after_a, after_b) = (512 * 3 + 700..=512 * 5, 512 * 6);
    for end in 0..whole.len() - 512 {
        let expected = (after_a.contains(&end) || end == after_b).then(|| vec![Note::NoEnd]);
        assert_eq!(read(&whole[..end]).ok().map(|archive| archive.notes), expected, "{end}");
    }
    assert!(read(&whole).unwrap().notes.is_empty());
}

#[test]
fn devices_that_no_linux_has_are_refused() {
    let device = |kind, major: &[u8], minor: &[u8]| {
        raw(b"n", kind, GNU, b"", |block| {
            block[329..337].copy_from_slice(major);
            block[337..345].copy_from_slice(minor);
        })
    };
    let most = device(b'3', b"0007777\0", b"3777777\0");
    assert!(read(&archive(&[most])).is_ok());
    for (kind, major, minor) in [
        (b'3', &b"0010000\0"[..], &b"0000003\0"[..]),
        (b'4', b"0000001\0", b"4000000\0"),
        (b'3', b"\x80\0\0\0\x80\0\0\0", b"\x80\0\0\0\x80\0\0\0"),
    ] {
        assert!(matches!(refused(&[device(kind, major, minor)]), TarError::Device { .. }));
    }
}
