//! What a stream is by its first bytes: a tar, a compressed one, an archive of another kind, or anything else.
//!
//! Names count for nothing. Decompression holds a window of bounded size, whatever the stream asks for, and what comes out
//! is read piece by piece.
//!
//! # Source
//! RFC 1952 (gzip), RFC 8878 (zstd, with skippable frames), the `.xz` file format 1.2.1, bzip2's `BZh`; the magic numbers
//! of the others as file(1) has them.

use std::io::{self, BufRead, Cursor, Read};

use super::{BLOCK, TarError, field};

/// How many first bytes are looked at: one more than an empty tar of GNU tar has.
const HEAD: usize = 20 * BLOCK + 1;
/// The most that a window of xz may take, in KiB; `xz -9` takes 64 MiB. zstd has a limit of its own, 128 MiB.
const XZ_MEMORY: u32 = 256 * 1024;

/// What a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A tar, an empty one too.
    Tar,
    /// Something compressed that can be read.
    Compressed(Compression),
    /// An archive that cannot be read here, with its name.
    Foreign(&'static str),
    /// No archive.
    Other,
}

/// A way of compression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// gzip, of any number of members.
    Gzip,
    /// zstd, of any number of frames.
    Zstd,
    /// xz, of any number of streams.
    Xz,
    /// bzip2, of any number of streams.
    Bzip2,
}

impl Compression {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }
}

/// A stream whose first bytes are known.
#[derive(Debug)]
pub struct Peeked<R> {
    head: Cursor<Vec<u8>>,
    rest: R,
}

impl<R: Read> Peeked<R> {
    /// Reads the first bytes.
    ///
    /// # Errors
    /// What the stream says.
    pub fn new(mut rest: R) -> io::Result<Self> {
        let mut head = Vec::new();
        rest.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        Ok(Self { head: Cursor::new(head), rest })
    }

    /// How it begins.
    pub fn head(&self) -> &[u8] {
        self.head.get_ref()
    }

    /// What the stream is.
    pub fn form(&self) -> Form {
        form(self.head.get_ref())
    }

    /// The stream from its beginning.
    fn whole(self) -> impl BufRead {
        io::BufReader::with_capacity(1 << 18, self.head.chain(self.rest))
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.head.read(buffer)? {
            0 => self.rest.read(buffer),
            read => Ok(read),
        }
    }
}

/// What is in a compressed stream.
///
/// # Errors
/// [`TarError::Compressed`] where its beginning is damaged.
pub fn unpacked<'a, R: Read + 'a>(
    stream: Peeked<R>,
    how: Compression,
) -> Result<Peeked<Box<dyn Read + 'a>>, TarError> {
    let stream = stream.whole();
    let inner: io::Result<Box<dyn Read + 'a>> = match how {
        Compression::Gzip => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(stream))),
        Compression::Zstd => {
            zstd::stream::read::Decoder::with_buffer(stream).map(|inner| Box::new(inner) as _)
        }
        Compression::Xz => Ok(Box::new(lzma_rust2::XzReader::new_mem_limit(stream, true, XZ_MEMORY))),
        Compression::Bzip2 => Ok(Box::new(bzip2::bufread::MultiBzDecoder::new(stream))),
    };
    inner.and_then(Peeked::new).map_err(|source| TarError::Compressed { how: how.name(), source })
}

/// What a stream is that begins so.
fn form(head: &[u8]) -> Form {
    if is_tar(head) {
        return Form::Tar;
    }
    match head {
        [0x1f, 0x8b, 8, ..] => Form::Compressed(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Form::Compressed(Compression::Zstd)
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Form::Compressed(Compression::Xz),
        // a block, or the end of a stream of none
        [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', b'S', b'Y', ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, b'r', b'E', b'8', 0x50, 0x90, ..] => {
            Form::Compressed(Compression::Bzip2)
        }
        _ => {
            let found = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic));
            found.map_or(Form::Other, |(_, name)| Form::Foreign(name))
        }
    }
}

/// Archives that are not read here, by their first bytes; a longer beginning before its own beginning.
const FOREIGN: [(&[u8], &str); 18] = [
    (b"!<arch>\ndebian-binary", "a Debian package"),
    (b"!<arch>\n", "an ar archive"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
    (b"070701", "a cpio archive"),
    (b"070702", "a cpio archive"),
    (b"070707", "a cpio archive"),
    (b"\xc7\x71", "a cpio archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"xar!", "a xar archive"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"\x02\x21\x4c\x18", "compressed with lz4"),
    (b"LZIP\x01", "compressed with lzip"),
    (b"\x89LZO\0\r\n\x1a\n", "compressed with lzop"),
    (b"\x1f\x9d", "compressed with compress (`.Z`)"),
    (b"\x1f\xa0", "compressed with compress (`.Z`)"),
];

/// Whether a tar begins so: a header with a right checksum or with ustar's magic (one that is damaged is a tar all the
/// same), or an empty tar, which is nothing but zeros.
fn is_tar(head: &[u8]) -> bool {
    let Some(first) = head.first_chunk::<BLOCK>() else { return false };
    if head.iter().all(|&byte| byte == 0) {
        return (2 * BLOCK..HEAD).contains(&head.len()) && head.len().is_multiple_of(BLOCK);
    }
    field::checksum_fits(first) || &first[257..262] == b"ustar"
}

/// Whether a tar is a whole image as `docker save` and skopeo write it, and no layer.
///
/// Only where the first name is one that begins such a tar are the others looked at, up to the file that tells.
///
/// # Source
/// OCI image-layout; Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format".
///
/// # Errors
/// As [`super::Reader::next`].
pub fn is_image(tar: impl Read) -> Result<bool, TarError> {
    let mut reader = super::Reader::new(tar);
    let mut first = true;
    while let Some(item) = reader.next()? {
        let mut names = item.path.components();
        let Some(top) = names.next() else { continue };
        if names.next().is_none() {
            let mut start = Vec::new();
            let content = reader.content().take(1 << 20).read_to_end(&mut start);
            content.map_err(|source| TarError::Content { path: item.path.clone(), source })?;
            if tells_of_image(top, &start) {
                return Ok(true);
            }
        }
        if first && !begins_image(top) {
            return Ok(false);
        }
        first = false;
    }
    Ok(false)
}

/// Whether a tar that begins so may be a whole image: only all of it tells.
pub fn may_be_image(head: &[u8]) -> bool {
    let first = super::Reader::new(head).next();
    first.is_ok_and(|item| item.is_some_and(|item| item.path.components().next().is_some_and(begins_image)))
}

/// Whether the tar of a whole image may begin with this name.
fn begins_image(top: &[u8]) -> bool {
    let digest = top.get(..64).is_some_and(|start| start.iter().all(u8::is_ascii_hexdigit));
    digest || matches!(top, b"blobs" | b"index.json" | b"manifest.json" | b"oci-layout" | b"repositories")
}

/// Whether a file at the root, by its name and the start of its content, says that an image lies there.
pub fn tells_of_image(name: &[u8], content: &[u8]) -> bool {
    let key: &[u8] = match name {
        b"oci-layout" => b"\"imageLayoutVersion\"",
        b"manifest.json" => b"\"Layers\"",
        _ => return false,
    };
    content.windows(key.len()).any(|part| part == key)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(bytes, 1).unwrap()
    }

    /// `head -c 3000 /dev/zero | xz`, twice.
    const XZ: &[u8] = include_bytes!("tests/zeros.xz");

    fn read(stream: &[u8]) -> Vec<u8> {
        let peeked = Peeked::new(stream).unwrap();
        let Form::Compressed(how) = peeked.form() else { panic!("{:?}", peeked.form()) };
        let mut out = Vec::new();
        unpacked(peeked, how).unwrap().read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn streams_of_several_parts_are_read_to_their_end() {
        // longer than what is looked at first
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let (a, b) = text.split_at(50_000);
        let skippable = b"\x5a\x2a\x4d\x18\x03\0\0\0abc";
        assert!(read(&[gzip(a), gzip(b)].concat()) == text);
        assert!(read(&[bzip2(a), bzip2(b)].concat()) == text);
        assert!(read(&[&skippable[..], &zstd(a), skippable, &zstd(b), skippable].concat()) == text);
        assert!(read(XZ) == [0; 6000]);
    }

    #[test]
    fn a_stream_that_is_cut_is_an_error() {
        let text = vec![7; 100_000];
        for whole in [gzip(&text), bzip2(&text), zstd(&text), XZ.to_vec()] {
            let peeked = Peeked::new(&whole[..whole.len() - 3]).unwrap();
            let Form::Compressed(how) = peeked.form() else { panic!("{:?}", peeked.form()) };
            let read = unpacked(peeked, how).map(|mut inner| io::copy(&mut inner, &mut io::sink()));
            assert!(!matches!(read, Ok(Ok(_))), "{how:?}");
        }
    }

    #[test]
    fn what_a_stream_is_does_not_hang_on_its_length() {
        assert_eq!(form(b""), Form::Other);
        assert_eq!(form(b"\x1f"), Form::Other);
        assert_eq!(form(b"!<arch>\ndebian-binary   "), Form::Foreign("a Debian package"));
        assert_eq!(form(b"!<arch>\nfoo.o/"), Form::Foreign("an ar archive"));
        assert_eq!(form(b"BZh is a text"), Form::Other);
        for (zeros, expected) in [
            (512, Form::Other),
            (1024, Form::Tar),
            (1025, Form::Other),
            (10_240, Form::Tar),
            (10_241, Form::Other),
        ] {
            assert_eq!(form(&vec![0; zeros]), expected, "{zeros}");
        }
    }
}
