//! Writes entries in the canonical form; the caller keeps the order.

use std::io::{Read, Write};

use tar_core::Header;

use super::{BLOCK, OPAQUE, TarError, WHITEOUT, field, pax};
use crate::model::{Entry, LayerPath, Metadata, Node, Timestamp};

/// How much of a file is read at once.
const CHUNK: usize = 256 * 1024;

/// Writes a layer's tar, entry by entry, each name in its canonical place (see the module).
///
/// [`write_layer`](super::write_layer) does all of it for a [`Changeset`](crate::model::Changeset).
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    chunk: Vec<u8>,
}

/// One entry's header, before it is known what of it needs PAX.
struct Head<'a> {
    name: Vec<u8>,
    kind: u8,
    target: &'a [u8],
    size: u64,
    device: Option<(u32, u32)>,
    meta: &'a Metadata,
}

impl<W: Write> Writer<W> {
    /// Starts an archive.
    pub fn new(out: W) -> Self {
        Self { out, chunk: Vec::new() }
    }

    /// Writes an entry; a regular file's content must follow by [`Writer::content`]. The opaque mark of a
    /// directory is written by [`Writer::opaque`].
    ///
    /// # Errors
    /// [`TarError::ReservedName`], [`TarError::Socket`], [`TarError::DeviceNumber`], [`TarError::Write`].
    pub fn put(&mut self, path: &LayerPath, entry: &Entry) -> Result<(), TarError> {
        let (kind, target, device) = match &entry.node {
            Node::File { .. } => (b'0', &b""[..], None),
            Node::Dir { .. } => (b'5', &b""[..], None),
            Node::Symlink { target } => (b'2', &**target, None),
            Node::Fifo => (b'6', &b""[..], None),
            Node::CharDevice(device) => (b'3', &b""[..], Some((device.major, device.minor))),
            Node::BlockDevice(device) => (b'4', &b""[..], Some((device.major, device.minor))),
            Node::Socket => return Err(TarError::Socket { path: path.clone() }),
        };
        let size = if let Node::File { size } = entry.node { size } else { 0 };
        let name = tar_name(path, entry.is_dir())?;
        self.head(path, &Head { name, kind, target, size, device, meta: &entry.meta })
    }

    /// Copies the content of the regular file just put: exactly `size` bytes, then the padding.
    ///
    /// # Errors
    /// [`TarError::Content`], [`TarError::SizeChanged`] if `content` has fewer or more bytes, [`TarError::Write`].
    pub fn content(&mut self, path: &LayerPath, size: u64, content: &mut dyn Read) -> Result<(), TarError> {
        self.chunk.resize(CHUNK, 0);
        let mut copied: u64 = 0;
        while copied < size {
            // one byte more than is left, so that a file that grew is noticed without another read
            let wanted = usize::try_from(size - copied + 1).map_or(CHUNK, |left| left.min(CHUNK));
            let read = match content.read(&mut self.chunk[..wanted]) {
                Ok(read) => read,
                Err(source) if source.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(TarError::Content { path: path.clone(), source }),
            };
            if read == 0 || copied + read as u64 > size {
                let found = copied + read as u64;
                return Err(TarError::SizeChanged { path: path.clone(), expected: size, found });
            }
            write(&mut self.out, &self.chunk[..read])?;
            copied += read as u64;
        }
        self.pad(size)
    }

    /// Writes a further name of a file whose first name was put before.
    ///
    /// # Errors
    /// [`TarError::ReservedName`], [`TarError::Write`].
    pub fn link(&mut self, path: &LayerPath, entry: &Entry, first: &LayerPath) -> Result<(), TarError> {
        let name = tar_name(path, false)?;
        let target = first.as_bytes();
        self.head(path, &Head { name, kind: b'1', target, size: 0, device: None, meta: &entry.meta })
    }

    /// Writes the whiteout of `path`.
    ///
    /// # Errors
    /// [`TarError::ReservedName`], [`TarError::Write`].
    pub fn whiteout(&mut self, path: &LayerPath) -> Result<(), TarError> {
        let plain = tar_name(path, false)?;
        let start = plain.len() - path.file_name().map_or(0, <[u8]>::len);
        self.mark([&plain[..start], WHITEOUT, &plain[start..]].concat())
    }

    /// Writes the opaque marker of a directory.
    ///
    /// # Errors
    /// [`TarError::Write`].
    pub fn opaque(&mut self, dir: &LayerPath) -> Result<(), TarError> {
        let mut name = if dir.is_root() { Vec::new() } else { [dir.as_bytes(), b"/"].concat() };
        name.extend_from_slice(OPAQUE);
        self.mark(name)
    }

    /// Ends the archive and gives its destination back.
    ///
    /// # Errors
    /// [`TarError::Write`].
    pub fn finish(mut self) -> Result<W, TarError> {
        write(&mut self.out, &[0; 2 * BLOCK])?;
        self.out.flush().map_err(|source| TarError::Write { source })?;
        Ok(self.out)
    }

    fn mark(&mut self, name: Vec<u8>) -> Result<(), TarError> {
        let meta = Metadata::default();
        let head = Head { name, kind: b'0', target: b"", size: 0, device: None, meta: &meta };
        self.head(&LayerPath::root(), &head)
    }

    fn head(&mut self, path: &LayerPath, head: &Head<'_>) -> Result<(), TarError> {
        let mut header = Header::new_ustar();
        let fields = header.as_ustar_mut();
        let mut records = Vec::new();
        match split(&head.name) {
            Some((prefix, name)) => {
                fields.prefix[..prefix.len()].copy_from_slice(prefix);
                fields.name[..name.len()].copy_from_slice(name);
            }
            None => pax::push(&mut records, b"path", &head.name),
        }
        if head.target.len() <= fields.linkname.len() {
            fields.linkname[..head.target.len()].copy_from_slice(head.target);
        } else {
            pax::push(&mut records, b"linkpath", head.target);
        }
        field::put_octal(&mut fields.mode, u64::from(head.meta.mode.bits()));
        let numbers = [
            (&b"size"[..], &mut fields.size[..], head.size),
            (b"uid", &mut fields.uid[..], u64::from(head.meta.uid)),
            (b"gid", &mut fields.gid[..], u64::from(head.meta.gid)),
        ];
        for (key, field, value) in numbers {
            if !field::put_octal(field, value) {
                field::put_octal(field, 0);
                pax::push(&mut records, key, value.to_string().as_bytes());
            }
        }
        let Timestamp { secs, nanos } = head.meta.mtime;
        let whole = u64::try_from(secs).is_ok_and(|secs| field::put_octal(&mut fields.mtime, secs));
        if !whole {
            field::put_octal(&mut fields.mtime, 0);
        }
        if !whole || nanos != 0 {
            pax::push(&mut records, b"mtime", pax::encode_time(head.meta.mtime).as_bytes());
        }
        for (name, value) in &head.meta.xattrs {
            pax::push(&mut records, &pax::encode_name(name), value);
        }
        if let Some((major, minor)) = head.device {
            let major = field::put_octal(&mut fields.dev_major, u64::from(major));
            if !(field::put_octal(&mut fields.dev_minor, u64::from(minor)) && major) {
                return Err(TarError::DeviceNumber { path: path.clone() });
            }
        }
        fields.typeflag[0] = head.kind;
        if !records.is_empty() {
            self.records(&records)?;
        }
        self.block(header)
    }

    /// Writes a PAX header with its records.
    fn records(&mut self, records: &[u8]) -> Result<(), TarError> {
        let mut header = Header::new_ustar();
        let fields = header.as_ustar_mut();
        let name = b"././@PaxHeader";
        fields.name[..name.len()].copy_from_slice(name);
        field::put_octal(&mut fields.mode, 0o644);
        field::put_octal(&mut fields.uid, 0);
        field::put_octal(&mut fields.gid, 0);
        field::put_octal(&mut fields.size, records.len() as u64);
        field::put_octal(&mut fields.mtime, 0);
        fields.typeflag[0] = b'x';
        self.block(header)?;
        write(&mut self.out, records)?;
        self.pad(records.len() as u64)
    }

    /// Closes a header with its checksum and writes it.
    fn block(&mut self, mut header: Header) -> Result<(), TarError> {
        let sum = u64::from(field::checksum(header.as_bytes()));
        let stored = &mut header.as_ustar_mut().cksum;
        field::put_octal(&mut stored[..7], sum);
        stored[7] = b' ';
        write(&mut self.out, header.as_bytes())
    }

    fn pad(&mut self, size: u64) -> Result<(), TarError> {
        #[expect(clippy::cast_possible_truncation, reason = "less than a block")]
        let over = (size % BLOCK as u64) as usize;
        if over == 0 { Ok(()) } else { write(&mut self.out, &[0; BLOCK][over..]) }
    }
}

fn write(out: &mut impl Write, bytes: &[u8]) -> Result<(), TarError> {
    out.write_all(bytes).map_err(|source| TarError::Write { source })
}

/// A path as its entry's name.
fn tar_name(path: &LayerPath, is_dir: bool) -> Result<Vec<u8>, TarError> {
    let Some(name) = path.file_name() else {
        return Ok(b"./".to_vec());
    };
    if name.starts_with(WHITEOUT) {
        return Err(TarError::ReservedName { path: path.clone() });
    }
    let mut bytes = path.as_bytes().to_vec();
    if is_dir {
        bytes.push(b'/');
    }
    Ok(bytes)
}

/// Splits a name into ustar's prefix and name: whole if it fits, else at the last `/` that makes both fit.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= 100 {
        return Some((b"", name));
    }
    // the prefix has 1 to 155 bytes, the name 1 to 100
    let fits =
        |&slash: &usize| name[slash] == b'/' && slash + 1 < name.len() && name.len() - slash - 1 <= 100;
    let slash = (1..name.len().min(156)).rev().find(fits)?;
    Some((&name[..slash], &name[slash + 1..]))
}
