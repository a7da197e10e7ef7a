//! Reads any tar: ustar, old and new GNU, PAX; entry by entry, nothing held but the entry at hand.
//!
//! Nothing in an archive is trusted: names stay inside the layer, sizes are bounded, foreign overlay marks
//! are plain attributes, content that is missing is an error.

use std::collections::HashMap;
use std::io::{self, Read, Seek};

use tar_core::Header;

use super::content::{Source, Stretch};
use super::limits::Limits;
use super::pending::Pending;
use super::sparse::{Extent, Map};
use super::{BLOCK, Content, Note, OPAQUE, TarError, WHITEOUT, field, pax};
use crate::model::{Device, Entry, LayerPath, Node, PATH_MAX};

/// One entry of an archive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// The path that it is about.
    pub path: LayerPath,
    /// What it says.
    pub what: What,
}

/// What an entry says about its path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// The file is there; a regular file's content can be read next.
    Put(Entry),
    /// It is a further name of an earlier file.
    Link {
        /// The earlier name.
        to: LayerPath,
    },
    /// The name is deleted.
    Whiteout,
    /// The directory is opaque, wherever its own entry stands, if it has one.
    Opaque,
}

/// Reads an archive.
#[derive(Debug)]
pub struct Reader<R> {
    source: Source<R>,
    limits: Limits,
    notes: Vec<Note>,
    /// Attributes that were left out → where that is noted.
    left_out: HashMap<Vec<u8>, usize>,
    done: bool,
}

impl<R> Reader<R> {
    fn of(source: Source<R>, limits: Limits) -> Self {
        Self { source, limits, notes: Vec::new(), left_out: HashMap::new(), done: false }
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Starts reading an archive of `length` bytes whose content is passed over by seeking, where it is not asked for.
    pub fn seeking(source: R, length: u64, limits: Limits) -> Self {
        Self::of(Source::seeking(source, length), limits)
    }
}

impl<R: Read> Reader<R> {
    /// Starts reading an uncompressed archive.
    pub fn new(source: R) -> Self {
        Self::with_limits(source, Limits::default())
    }

    /// Starts reading with other limits.
    pub fn with_limits(source: R, limits: Limits) -> Self {
        Self::of(Source::new(source), limits)
    }

    /// The next entry; `None` after the last. What was not read of the last one's content is skipped.
    ///
    /// # Errors
    /// Any of [`TarError`] that tells of reading.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not lend the content")]
    pub fn next(&mut self) -> Result<Option<Item>, TarError> {
        if self.done {
            return Ok(None);
        }
        let mut pending = Pending::default();
        loop {
            let (left, padding) = (self.source.left, self.source.padding);
            (self.source.left, self.source.padding, self.source.map) = (0, 0, None);
            self.skip(left)?;
            // an archive without an end mark may lack the padding of its last entry, too, as umoci(1) writes them
            if !self.source.skip_padding(padding).map_err(|source| self.read_error(source))? {
                self.notes.push(Note::NoEnd);
                self.done = true;
                return Ok(None);
            }
            let start = self.source.offset;
            let Some(block) = self.block()? else {
                if pending.bytes > 0 {
                    return Err(TarError::Header { offset: start, reason: "an extension without an entry" });
                }
                self.done = true;
                return Ok(None);
            };
            let damaged = |reason| TarError::Header { offset: start, reason };
            if !field::checksum_fits(&block) {
                return Err(damaged("a header's checksum is wrong"));
            }
            let header = Header::from_bytes(&block);
            let fields = header.as_ustar();
            let stored = field::fitting(&fields.size).ok_or_else(|| damaged("a size is no number"))?;
            match fields.typeflag[0] {
                b'x' | b'X' => {
                    let records = self.extension(&mut pending, stored)?;
                    pending.apply(&records, self.limits).map_err(damaged)?;
                }
                b'L' => pending.gnu_name = Some(self.extension_text(&mut pending, stored)?),
                b'K' => pending.gnu_target = Some(self.extension_text(&mut pending, stored)?),
                b'g' => {
                    let records = self.extension(&mut pending, stored)?;
                    let found = pax::parse(&records).ok_or_else(|| damaged("a PAX record is damaged"))?;
                    if found.iter().any(|(key, _)| *key != b"comment") {
                        self.notes.push(Note::GlobalHeader);
                    }
                }
                b'V' => {
                    self.notes.push(Note::VolumeLabel);
                    self.set_content(stored, start)?;
                }
                _ => {
                    if let Some(item) = self.entry(header, stored, start, std::mem::take(&mut pending))? {
                        return Ok(Some(item));
                    }
                }
            }
        }
    }

    /// The content of the entry that [`Reader::next`] gave last.
    pub fn content(&mut self) -> Content<'_, R> {
        Content(&mut self.source)
    }

    /// Where the content of the entry that [`Reader::next`] gave last lies in the archive, as long as none of it was read:
    /// in the order of the file, without its holes.
    pub fn stretches(&self) -> Vec<Stretch> {
        let mut from = self.source.offset;
        let mut stretch = |at, length| {
            let here = Stretch { at, from, length };
            from += length;
            here
        };
        match &self.source.map {
            Some(map) => map.extents().iter().map(|&(at, length)| stretch(at, length)).collect(),
            None if self.source.left == 0 => Vec::new(),
            None => vec![stretch(0, self.source.left)],
        }
    }

    /// How many bytes of the archive were read or passed over so far.
    pub fn offset(&self) -> u64 {
        self.source.offset
    }

    /// What was left out or understood otherwise so far.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Reads the source to its end, past the archive's, and gives it back: so whoever hashes it has seen all.
    ///
    /// # Errors
    /// [`TarError::Read`].
    pub fn drain(mut self) -> Result<R, TarError> {
        let offset = self.source.offset;
        self.source.drain().map_err(|source| TarError::Read { offset, source })?;
        Ok(self.source.into_inner())
    }

    fn read_error(&self, source: io::Error) -> TarError {
        let offset = self.source.offset;
        if source.kind() == io::ErrorKind::UnexpectedEof {
            TarError::Truncated { offset }
        } else {
            TarError::Read { offset, source }
        }
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TarError> {
        self.source.skip(bytes).map_err(|source| self.read_error(source))
    }

    /// The next header block; `None` at the end mark (a single block of NUL at the very end counts as one), or where the
    /// archive ends after an entry.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut block = [0; BLOCK];
        let mut fill = |block: &mut [u8; BLOCK]| self.source.fill(block);
        match fill(&mut block) {
            Ok(true) if block != [0; BLOCK] => Ok(Some(block)),
            Ok(true) => match fill(&mut block) {
                Ok(true) if block != [0; BLOCK] => {
                    Err(TarError::Header { offset: self.source.offset, reason: "a lone block of zeros" })
                }
                Ok(_) => Ok(None),
                Err(source) => Err(self.read_error(source)),
            },
            Ok(false) if self.source.offset == 0 => Err(TarError::Truncated { offset: 0 }),
            Ok(false) => {
                self.notes.push(Note::NoEnd);
                Ok(None)
            }
            Err(source) => Err(self.read_error(source)),
        }
    }

    /// Reads an extension header's data.
    fn extension(&mut self, pending: &mut Pending, size: u64) -> Result<Vec<u8>, TarError> {
        let offset = self.source.offset;
        pending.bytes = pending.bytes.saturating_add(size).max(1);
        let too_big =
            TarError::TooBig { offset, what: "bytes of extension headers", limit: self.limits.extension };
        if pending.bytes > self.limits.extension {
            return Err(too_big);
        }
        let mut data = vec![0; usize::try_from(size).map_err(|_| too_big)?];
        self.exactly(&mut data)?;
        self.skip(padding(size))?;
        Ok(data)
    }

    fn extension_text(&mut self, pending: &mut Pending, size: u64) -> Result<Vec<u8>, TarError> {
        let data = self.extension(pending, size)?;
        Ok(field::text(&data).to_vec())
    }

    /// Fills `buffer` wholly.
    fn exactly(&mut self, buffer: &mut [u8]) -> Result<(), TarError> {
        match self.source.fill(buffer) {
            Ok(true) => Ok(()),
            Ok(false) if buffer.is_empty() => Ok(()),
            Ok(false) => Err(TarError::Truncated { offset: self.source.offset }),
            Err(source) => Err(self.read_error(source)),
        }
    }

    /// Notes how much content follows.
    fn set_content(&mut self, stored: u64, start: u64) -> Result<(), TarError> {
        if stored > i64::MAX as u64 {
            return Err(TarError::Header { offset: start, reason: "a size is impossible" });
        }
        (self.source.left, self.source.padding) = (stored, padding(stored));
        Ok(())
    }

    /// Makes an entry of its header and extensions; `None` for bookkeeping.
    fn entry(
        &mut self,
        header: &Header,
        stored: u64,
        start: u64,
        mut pending: Pending,
    ) -> Result<Option<Item>, TarError> {
        let kind = header.as_ustar().typeflag[0];
        let name = pending.name(header);
        let is_file = matches!(kind, b'0' | 0 | b'7' | b'S');
        if !is_file && !matches!(kind, b'1'..=b'6') {
            return Err(TarError::Kind { name, kind });
        }
        let is_dir = kind == b'5' || is_file && kind != b'S' && name.ends_with(b"/");
        // as in Go: only files bring content, whatever the size of another entry says
        let mut size = if is_file && !is_dir { pending.size.unwrap_or(stored) } else { 0 };
        self.set_content(size, start)?;
        if is_file && !is_dir {
            size = self.sparse(header, &mut pending, size, start)?.unwrap_or(size);
        }
        let Some((path, mark)) = self.place(&name)? else {
            return Ok(None);
        };
        if let Some(mark) = mark {
            return if is_dir {
                Err(TarError::Whiteout { name })
            } else {
                Ok(Some(Item { path, what: mark }))
            };
        }
        let node = match kind {
            b'1' => {
                let to = parse(&pending.target(header))?;
                return Ok(Some(Item { path, what: What::Link { to } }));
            }
            _ if is_dir => Node::Dir { opaque: false },
            b'2' => Node::Symlink { target: target(&path, pending.target(header))? },
            b'3' | b'4' => match (kind, device(header, &path, start)?) {
                (b'3', Device { major: 0, minor: 0 }) => {
                    self.notes.push(Note::DeviceWhiteout { path: path.clone() });
                    return Ok(Some(Item { path, what: What::Whiteout }));
                }
                (b'3', device) => Node::CharDevice(device),
                (_, device) => Node::BlockDevice(device),
            },
            b'6' => Node::Fifo,
            _ => Node::File { size },
        };
        if pending.text_acl {
            self.notes.push(Note::TextAcl { path: path.clone() });
        }
        let damaged = |reason| TarError::Header { offset: start, reason };
        let meta = pending.metadata(header).map_err(damaged)?;
        for name in pending.left_out(&meta.xattrs) {
            self.note_left_out(name, &path);
        }
        Ok(Some(Item { path, what: What::Put(Entry::new(node, meta)) }))
    }

    /// Notes each attribute once.
    fn note_left_out(&mut self, attribute: &[u8], at: &LayerPath) {
        let known = self.left_out.get(attribute).and_then(|&place| self.notes.get_mut(place));
        if let Some(Note::Attribute { count, .. }) = known {
            *count += 1;
            return;
        }
        self.left_out.insert(attribute.to_vec(), self.notes.len());
        self.notes.push(Note::Attribute { name: attribute.to_vec(), path: at.clone(), count: 1 });
    }

    /// Finds the layout of a sparse file; gives its full size.
    fn sparse(
        &mut self,
        header: &Header,
        pending: &mut Pending,
        stored: u64,
        start: u64,
    ) -> Result<Option<u64>, TarError> {
        let damaged = || TarError::Header { offset: start, reason: "a sparse file's layout is wrong" };
        let (extents, size, stored) = if header.as_ustar().typeflag[0] == b'S' {
            let (extents, size) = self.gnu_sparse(header, start)?;
            (extents, size, stored)
        } else if pending.sparse.major == Some(1) {
            let (extents, used) = self.pax_sparse(stored, start)?;
            (extents, pending.sparse.size.ok_or_else(damaged)?, stored.checked_sub(used).ok_or_else(damaged)?)
        } else if let Some(extents) = pending.sparse.map.take() {
            (extents, pending.sparse.size.ok_or_else(damaged)?, stored)
        } else {
            return Ok(None);
        };
        if size > i64::MAX as u64 {
            return Err(damaged());
        }
        self.set_content(stored, start)?;
        self.source.map = Some(Map::new(extents, size, stored).ok_or_else(damaged)?);
        Ok(Some(size))
    }

    /// The old GNU form: extents in the header, more in the blocks after it.
    fn gnu_sparse(&mut self, header: &Header, start: u64) -> Result<(Vec<Extent>, u64), TarError> {
        let damaged = || TarError::Header { offset: start, reason: "a sparse file's layout is wrong" };
        if !header.is_gnu() {
            return Err(damaged());
        }
        let fields = header.as_gnu();
        let size = field::fitting(&fields.realsize).ok_or_else(damaged)?;
        let block = header.as_bytes();
        // 4 pairs of 12-byte fields from byte 386 on, then a flag: more follow, 21 a block
        let mut extents = Vec::new();
        let mut more = block[482] != 0;
        self.gnu_extents(&block[386..482], &mut extents, start)?;
        while more {
            let mut block = [0; BLOCK];
            self.exactly(&mut block)?;
            self.gnu_extents(&block[..504], &mut extents, start)?;
            more = block[504] != 0;
        }
        Ok((extents, size))
    }

    fn gnu_extents(&self, table: &[u8], extents: &mut Vec<Extent>, start: u64) -> Result<(), TarError> {
        let damaged = || TarError::Header { offset: start, reason: "a sparse file's layout is wrong" };
        for pair in table.chunks_exact(24) {
            if pair[12] == 0 {
                break;
            }
            let number = |field| field::fitting(field).ok_or_else(damaged);
            extents.push((number(&pair[..12])?, number(&pair[12..])?));
            self.check_extents(extents, start)?;
        }
        Ok(())
    }

    fn check_extents(&self, extents: &[Extent], offset: u64) -> Result<(), TarError> {
        if extents.len() > self.limits.extents {
            let limit = self.limits.extents as u64;
            return Err(TarError::TooBig { offset, what: "stretches of a sparse file", limit });
        }
        Ok(())
    }

    /// The PAX form 1.0: decimal lines before the data, filled up to a block. Gives how many bytes they take.
    fn pax_sparse(&mut self, stored: u64, start: u64) -> Result<(Vec<Extent>, u64), TarError> {
        let damaged = || TarError::Header { offset: start, reason: "a sparse file's layout is wrong" };
        let (mut extents, mut used) = (Vec::new(), 0);
        let (mut text, mut numbers) = (Vec::new(), Vec::new());
        let mut wanted: Option<u64> = None;
        while wanted.is_none_or(|count| (numbers.len() as u64) < 2 * count) {
            if used + BLOCK as u64 > stored {
                return Err(damaged());
            }
            let mut block = [0; BLOCK];
            self.exactly(&mut block)?;
            used += BLOCK as u64;
            for &byte in &block {
                if byte != b'\n' {
                    text.push(byte);
                    if text.len() > BLOCK {
                        return Err(damaged());
                    }
                    continue;
                }
                let number = pax::number(&text).ok_or_else(damaged)?;
                text.clear();
                match wanted {
                    None => wanted = Some(number.min(self.limits.extents as u64 + 1)),
                    Some(_) => numbers.push(number),
                }
                if wanted.is_some_and(|count| numbers.len() as u64 == 2 * count) {
                    break;
                }
            }
        }
        for pair in numbers.chunks_exact(2) {
            extents.push((pair[0], pair[1]));
        }
        self.check_extents(&extents, start)?;
        Ok((extents, used))
    }

    /// Where a name lies, and what mark it is, if it is one; `None` for bookkeeping of aufs.
    fn place(&mut self, name: &[u8]) -> Result<Option<(LayerPath, Option<What>)>, TarError> {
        let end = name.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
        let start = name[..end].iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
        let (dir, last) = (&name[..start], &name[start..end]);
        let reserved = |part: &[u8]| part.starts_with(b".wh..wh.");
        if dir.split(|&b| b == b'/').any(reserved) || reserved(last) && last != OPAQUE {
            self.notes.push(Note::Bookkeeping { name: name.to_vec() });
            return Ok(None);
        }
        if dir.split(|&b| b == b'/').any(|part| part.starts_with(WHITEOUT)) {
            return Err(TarError::Whiteout { name: name.to_vec() });
        }
        if last == OPAQUE {
            return Ok(Some((parse(dir)?, Some(What::Opaque))));
        }
        let Some(hidden) = last.strip_prefix(WHITEOUT) else {
            if name.is_empty() {
                return Err(TarError::Header {
                    offset: self.source.offset,
                    reason: "an entry without a name",
                });
            }
            return Ok(Some((parse(name)?, None)));
        };
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(TarError::Whiteout { name: name.to_vec() });
        }
        Ok(Some((parse(&[dir, hidden].concat())?, Some(What::Whiteout))))
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

fn parse(name: &[u8]) -> Result<LayerPath, TarError> {
    LayerPath::parse(name).map_err(|source| TarError::Name { name: name.to_vec(), source })
}

/// A symlink's target, which must be possible.
fn target(path: &LayerPath, target: Vec<u8>) -> Result<Box<[u8]>, TarError> {
    if target.is_empty() || target.len() > PATH_MAX || target.contains(&0) {
        return Err(TarError::Target { path: path.clone() });
    }
    Ok(target.into())
}

/// A device's number, which Linux must be able to have.
///
/// # Source
/// Linux `include/linux/kdev_t.h`: `MINORBITS` 20 of 32 bits.
fn device(header: &Header, path: &LayerPath, start: u64) -> Result<Device, TarError> {
    let number = |field: &[u8]| {
        let damaged = TarError::Header { offset: start, reason: "a device's number is no number" };
        field::fitting::<u32>(field).ok_or(damaged)
    };
    let fields = header.as_ustar();
    let (major, minor) = (number(&fields.dev_major)?, number(&fields.dev_minor)?);
    if major >= 1 << 12 || minor >= 1 << 20 {
        return Err(TarError::Device { path: path.clone(), major, minor });
    }
    Ok(Device { major, minor })
}
