//! Blobs that are cut, changed, lengthened, or larger inside than they should be.

use std::error::Error as _;

use super::*;

#[test]
fn a_blob_that_is_cut_anywhere_is_an_error() {
    let plain = text(3000, 1);
    for blob in [gzip(&plain, 6), gzip(&plain, 0), zstd(&plain), [SKIPPABLE, &zstd(&plain)].concat()] {
        let skippable = blob.starts_with(SKIPPABLE);
        // shorter than what tells that it is compressed
        for length in 4..blob.len() {
            let told = passed(&blob[..length], 500, 10_000).map(|(_, passed)| passed.plain);
            if skippable && length == SKIPPABLE.len() {
                assert!(matches!(told, Ok(0)), "{length}: {told:?}");
                continue;
            }
            let error = told.expect_err("it is cut");
            assert!(matches!(error, Error::Cut { .. }), "{length} of {}: {error}", blob.len());
        }
    }
}

#[test]
fn a_file_that_is_shorter_than_its_blob_is_an_error() {
    for blob in [text(3000, 2), gzip(&text(3000, 2), 6), zstd(&text(3000, 2))] {
        let extent = Extent::new(file(&blob), 0, blob.len() as u64 + 1);
        let told = pass(&extent, &Limits::default(), &mut |_| Ok::<(), Error>(()));
        let (found, expected) = (blob.len() as u64, blob.len() as u64 + 1);
        assert!(
            matches!(told, Err(Error::Short { found: f, expected: e }) if (f, e) == (found, expected)),
            "{told:?}"
        );
    }
}

#[test]
fn what_lies_behind_the_end_is_told() {
    let plain = text(3000, 3);
    for blob in [gzip(&plain, 6), zstd(&plain)] {
        for garbage in [&b"\0"[..], b"\0\0\0\0\0\0\0\0\0\0", b"garbage", b"\x1f\0", b"PK\x03\x04"] {
            let error = passed(&[&blob, garbage].concat(), 500, 10_000).unwrap_err();
            let (at, bytes) = (blob.len() as u64, garbage.len() as u64);
            assert!(
                matches!(error, Error::Trailing { at: a, bytes: b, .. } if (a, b) == (at, bytes)),
                "{garbage:?}: {error}"
            );
        }
    }
}

#[test]
fn a_wrong_trailer_of_gzip_is_told() {
    let whole = gzip(&text(3000, 4), 6);
    for (back, words) in [(8, "its CRC-32 is wrong"), (4, "its length is not what it says")] {
        let mut blob = whole.clone();
        let at = blob.len() - back;
        blob[at] ^= 1;
        let error = passed(&blob, 500, 10_000).unwrap_err();
        assert!(error.to_string().ends_with(words), "{error}");
    }
}

#[test]
fn a_bomb_is_stopped_before_it_goes_off() {
    let zeros = vec![0; 20 << 20];
    for blob in [gzip(&zeros, 9), zstd(&zeros)] {
        let try_with = |limits: Limits| {
            let mut most = 0;
            let told = pass(&extent(&blob), &limits, &mut |piece| {
                most += piece.len() as u64;
                Ok::<(), Error>(())
            });
            (most, told)
        };
        let (most, told) = try_with(Limits { plain: 1 << 20, ..Limits::default() });
        assert!(matches!(told, Err(Error::TooMuch { .. })), "{told:?}");
        assert!(most <= 1 << 20, "{most}");
        let (most, told) = try_with(Limits { unasked: 0, ratio: 10, ..Limits::default() });
        assert!(matches!(told, Err(Error::TooMuch { .. })), "{told:?}");
        assert!(most <= blob.len() as u64 * 10, "{most}");
        for limits in [Limits::default(), Limits::NONE] {
            assert_eq!(try_with(limits).1.unwrap().plain, zeros.len() as u64);
        }
    }
}

#[test]
fn a_frame_that_asks_for_too_much_memory_is_refused() {
    // a frame header with a window of 2^41 bytes, and one that declares 2^63 bytes of content
    for header in [&b"\x28\xb5\x2f\xfd\x00\xf8"[..], b"\x28\xb5\x2f\xfd\xc0\xf8\0\0\0\0\0\0\0\x80"] {
        let error = passed(&[header, &[0; 64]].concat(), 500, 10_000).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
}

#[test]
fn other_compressions_are_named() {
    let xz = b"\xfd7zXZ\0rest";
    assert!(matches!(passed(xz, 500, 10_000), Err(Error::Compression { how: "xz" })));
}

#[test]
fn an_error_is_found_again_inside_that_of_a_reader() {
    let blob = gzip(&text(3000, 5), 6);
    let mut passing = Passing::new(&extent(&blob[..100]), &Limits::default()).unwrap();
    let error = std::io::copy(&mut passing, &mut std::io::sink()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(error.get_ref().unwrap().is::<Error>() && error.source().is_none());
}

#[test]
fn a_blob_that_changed_behind_its_checkpoints_gives_errors_and_no_more() {
    let plain = text(300_000, 6);
    let mut chance = Chance(7);
    for blob in [gzip(&plain, 6), plain.chunks(20_000).flat_map(zstd).collect()] {
        let (_, found) = passed(&blob, 20_000, 1 << 20).unwrap();
        for turn in 0..120 {
            let mut other = blob.clone();
            if turn % 2 == 0 {
                other.truncate(chance.below(blob.len()));
            }
            for _ in 0..chance.below(4) {
                if let Some(last) = other.len().checked_sub(1) {
                    other[chance.below(last + 1)] ^= 1 << chance.below(8);
                }
            }
            let opened = open(extent(&other), found.checkpoints.clone());
            let mut buffer = vec![0; 1000];
            for _ in 0..5 {
                let offset = chance.below(plain.len()) as u64;
                // whatever it is, it ends
                drop(opened.read_at(&mut buffer, offset));
            }
        }
    }
}

#[test]
fn random_changes_of_a_blob_are_errors_or_other_bytes() {
    let plain = text(4000, 8);
    let wholes = [gzip(&plain, 6), gzip(&plain, 0), [zstd(&plain), zstd(&plain)].concat()];
    let mut chance = Chance(9);
    let mut errors = 0;
    for _ in 0..3000 {
        let mut blob = wholes[chance.below(3)].clone();
        for _ in 0..=chance.below(6) {
            let at = chance.below(blob.len());
            match chance.below(4) {
                0 => drop(blob.remove(at)),
                1 => blob.insert(at, u8::try_from(chance.below(256)).unwrap()),
                _ => blob[at] ^= 1 << chance.below(8),
            }
        }
        match passed(&blob, 500, 10_000) {
            Ok((out, passed)) => assert_eq!(passed.plain, out.len() as u64),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 1500, "{errors}");
}
