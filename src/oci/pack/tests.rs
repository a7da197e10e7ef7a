//! What is packed comes out again, the same whoever packs it.

use std::io::Read as _;
use std::process::{Command, Stdio};

use super::*;

/// Bytes of some variety: numbers, text, zeros.
fn bytes(length: usize) -> Vec<u8> {
    let number = |at: usize| at.wrapping_mul(at).wrapping_mul(2_654_435_761) >> 13;
    (0..length)
        .map(|at| match at >> 15 & 3 {
            0 => u8::try_from(number(at) & 0xff).unwrap(),
            1 => 0,
            _ => b"the quick brown fox jumps over the lazy dog\n"[number(at >> 4) % 40],
        })
        .collect()
}

fn packed(plain: &[u8], packing: Packing, threads: usize, piece: usize) -> (Vec<u8>, Packed) {
    let mut packer = Packer::new(Vec::new(), packing, threads).unwrap();
    for piece in plain.chunks(piece) {
        packer.write_all(piece).unwrap();
    }
    packer.finish().unwrap()
}

fn unpacked(blob: &[u8], how: Compression) -> Vec<u8> {
    let mut out = Vec::new();
    match how {
        Compression::None => out.extend_from_slice(blob),
        // one member only
        Compression::Gzip => drop(flate2::read::GzDecoder::new(blob).read_to_end(&mut out).unwrap()),
        Compression::Zstd => out = zstd::stream::decode_all(blob).unwrap(),
    }
    out
}

const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

#[test]
fn what_goes_in_comes_out_with_both_digests() {
    let chunk = chunk::size(Compression::Gzip);
    for how in ALL {
        for length in [0, 1, 511, chunk - 1, chunk, chunk + 1, 3 * chunk, (9 << 20) + 5] {
            let plain = bytes(length);
            let (blob, packed) = packed(&plain, Packing::new(how), 3, 70_000);
            assert!(unpacked(&blob, how) == plain, "{how:?} of {length}");
            let expected = Packed {
                digest: Digest::of(&blob),
                diff_id: DiffId(Digest::of(&plain)),
                size: blob.len() as u64,
                plain: length as u64,
            };
            assert_eq!(packed, expected, "{how:?} of {length}");
        }
    }
}

#[test]
fn the_number_of_threads_and_pieces_makes_no_difference() {
    let plain = bytes(10 << 20);
    for how in ALL {
        for level in [1, 4, 6, 9] {
            let packing = Packing { compression: how, level };
            let (first, _) = packed(&plain, packing, 1, 1 << 20);
            for (threads, piece) in [(2, 333_333), (7, 1 << 19)] {
                assert!(packed(&plain, packing, threads, piece).0 == first, "{packing:?}, {threads}");
            }
        }
    }
}

#[test]
fn levels_that_there_are_not_are_brought_to_the_nearest() {
    let plain = bytes(100_000);
    for how in ALL {
        for level in [i32::MIN, -1, 0, 23, 1000] {
            let (blob, _) = packed(&plain, Packing { compression: how, level }, 2, 9999);
            assert!(unpacked(&blob, how) == plain, "{how:?} {level}");
        }
    }
}

#[test]
fn the_programs_of_the_compressions_read_it() {
    let plain = bytes(3 << 20);
    for (how, program) in [(Compression::Gzip, "gzip"), (Compression::Zstd, "zstd")] {
        let (blob, _) = packed(&plain, Packing::new(how), 2, 100_000);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&blob).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let run = Command::new(program).arg("-dc").stdin(file).stdout(Stdio::piped()).output();
        let Ok(run) = run else {
            assert!(std::env::var_os("CI").is_none(), "{program} is not there");
            continue;
        };
        assert!(run.status.success() && run.stdout == plain, "{program}");
    }
}

#[test]
fn a_destination_that_fails_ends_it() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let plain = bytes(12 << 20);
    for how in ALL {
        let mut packer = Packer::new(Full(300_000), Packing::new(how), 3).unwrap();
        let told = packer.write_all(&plain).and_then(|()| packer.finish().map(drop));
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::StorageFull, "{how:?}");
    }
}
