//! What comes out of whole blobs, from the beginning and at any place.

use std::io::Read as _;

use super::*;
use crate::model::{DiffId, Digest};

/// Every way that a layer of this content may be compressed.
fn forms(plain: &[u8]) -> Vec<(&'static str, Compression, Vec<u8>)> {
    let (a, b) = plain.split_at(plain.len() / 3);
    let pieces = |pack: &dyn Fn(&[u8]) -> Vec<u8>| plain.chunks(30_000).flat_map(pack).collect::<Vec<u8>>();
    vec![
        ("plain", Compression::None, plain.to_vec()),
        ("stored", Compression::Gzip, gzip(plain, 0)),
        ("quick", Compression::Gzip, gzip(plain, 1)),
        ("gzip", Compression::Gzip, gzip(plain, 6)),
        ("two members", Compression::Gzip, [gzip(a, 6), gzip(b"", 6), gzip(b, 9)].concat()),
        ("many members", Compression::Gzip, pieces(&|piece| gzip(piece, 6))),
        ("zstd", Compression::Zstd, zstd(plain)),
        ("frames", Compression::Zstd, [SKIPPABLE, &zstd(a), SKIPPABLE, &zstd(b), SKIPPABLE].concat()),
        ("many frames", Compression::Zstd, pieces(&|piece| zstd(piece))),
    ]
}

#[test]
fn a_pass_gives_all_bytes_and_both_digests() {
    let plain = text(700_000, 1);
    for (name, how, blob) in forms(&plain) {
        let (out, passed) = passed(&blob, 1 << 16, 1 << 20).unwrap();
        assert!(out == plain, "{name}");
        assert_eq!(passed.compression, how, "{name}");
        assert_eq!(passed.digest, Digest::of(&blob), "{name}");
        assert_eq!(passed.diff_id, DiffId(Digest::of(&plain)), "{name}");
        assert_eq!((passed.size, passed.plain), (blob.len() as u64, plain.len() as u64), "{name}");
    }
}

#[test]
fn who_stops_reading_gets_the_digests_of_all() {
    let plain = text(600_000, 2);
    for (name, _, blob) in forms(&plain) {
        let mut passing = Passing::new(&extent(&blob), &Limits::default()).unwrap();
        let mut start = [0; 1000];
        passing.read_exact(&mut start).unwrap();
        assert!(start[..] == plain[..1000], "{name}");
        let passed = passing.finish().unwrap();
        assert_eq!((passed.digest, passed.diff_id.0), (Digest::of(&blob), Digest::of(&plain)), "{name}");
    }
}

#[test]
fn every_place_reads_as_it_came_out() {
    let plain = text(900_000, 3);
    for (name, _, blob) in forms(&plain) {
        // once with all checkpoints, once with so little room that most of them go
        for most in [1 << 20, 60_000] {
            let (_, passed) = passed(&blob, 1 << 15, most).unwrap();
            let opened = open(extent(&blob), passed.checkpoints);
            let mut chance = Chance(4);
            let mut buffer = vec![0; 70_000];
            for turn in 0..60 {
                let offset = chance.below(plain.len() + 10);
                let length = chance.below(if turn % 5 == 0 { buffer.len() } else { 5000 });
                let read = opened.read_at(&mut buffer[..length], offset as u64).unwrap();
                let expected = &plain[offset.min(plain.len())..(offset + length).min(plain.len())];
                assert!(buffer[..read] == *expected, "{name}: {length} bytes from {offset} on");
            }
        }
    }
}

#[test]
fn checkpoints_are_as_close_as_they_should_be() {
    let plain = text(900_000, 5);
    for (name, how, blob) in forms(&plain) {
        let (_, all) = passed(&blob, 1 << 16, 1 << 20).unwrap();
        let (_, few) = passed(&blob, 1 << 16, 40_000).unwrap();
        let (all, few) = (all.checkpoints.points.len(), few.checkpoints.points.len());
        let expected = match name {
            // one frame cannot be entered, nor can one block, as the quickest level makes
            "plain" | "zstd" => 0..=0,
            "quick" => 0..=2,
            "frames" => 1..=2,
            _ => 5..=13,
        };
        assert!(expected.contains(&all), "{name}: {all}");
        if how == Compression::Gzip && !matches!(name, "quick" | "many members") {
            assert!((1..all).contains(&few), "{name}: {few} of {all}");
        }
    }
}

#[test]
fn a_blob_in_the_middle_of_a_file_is_read_alone() {
    let plain = text(100_000, 6);
    for (name, _, blob) in forms(&plain) {
        let file = file(&[&b"before"[..], &blob, b"behind"].concat());
        let extent = Extent::new(file, 6, blob.len() as u64);
        let mut out = Vec::new();
        let passed = pass(&extent, &Limits::default(), &mut |piece| {
            out.extend_from_slice(piece);
            Ok::<(), Error>(())
        });
        assert_eq!(passed.unwrap().digest, Digest::of(&blob), "{name}");
        assert!(out == plain, "{name}");
    }
}

#[test]
fn nothing_is_a_blob_as_well() {
    let (out, passed) = passed(b"", 1, 1).unwrap();
    assert_eq!((out.len(), passed.size, passed.digest), (0, 0, Digest::of(b"")));
    let (out, passed) = super::passed(&gzip(b"", 6), 1, 1).unwrap();
    assert_eq!((out.len(), passed.diff_id.0), (0, Digest::of(b"")));
}
