//! A sealed layer's [`Changeset`] as one checked binary record, the file `index` beside its tree.
//!
//! # Layout, version 2
//! Integers called *varint* are unsigned LEB128 of at most 10 bytes; *bytes* are a varint length and the bytes.
//!
//! | what | form |
//! | --- | --- |
//! | magic | the 8 bytes `ufsindex` |
//! | version | 4 bytes, little endian |
//! | tree ID, diff ID | 32 raw bytes each |
//! | number of changes | varint |
//! | changes | in path order, the root first |
//! | check | SHA-256 of everything before, 32 raw bytes |
//!
//! A change is a varint of how many bytes its path shares with the one before, the *bytes* of the rest, and one
//! tag byte: the low 4 bits say what it is (0 whiteout, 1 directory, 2 opaque directory, 3 file, 4 symlink,
//! 5 fifo, 6 character device, 7 block device, 8 implied directory, 9 opaque implied directory), 0x10 that a link group
//! follows, 0x20 that attributes follow. But for whiteouts and implied directories there come: mode, uid, gid (varints), seconds of mtime (varint, zigzag), nanoseconds
//! (varint); then the file's size (varint), the symlink's target (*bytes*) or the device's major and minor
//! (varints); then the link group (varint); then the number of attributes (varint) and the name and value of
//! each (*bytes*), sorted by name.
//!
//! Version 1 has one byte more behind the version: 0 where the root is implied, else 1; no other directory is.
//!
//! Nothing in a record is trusted: sizes, order, paths and parents are checked before it is used.

use crate::model::{
    Change, Changeset, Device, DiffId, Digest, Entry, LayerPath, LinkGroup, Metadata, Mode, Node, Timestamp,
    TreeId, Xattrs,
};

const MAGIC: &[u8; 8] = b"ufsindex";
/// The version written here, and the newest that is read. Version 1, which has no implied directories, is read as well.
pub const VERSION: u32 = 2;
const CHECK: usize = 32;
const HEAD: usize = 8 + 4 + 32 + 32;
const IMPLIED: u8 = 8;
const OPAQUE_IMPLIED: u8 = 9;
const LINKED: u8 = 0x10;
const ATTRIBUTES: u8 = 0x20;

/// What an index says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Index {
    /// The layer's ID.
    pub(super) id: TreeId,
    /// The digest of the tar that it came as.
    pub(super) diff_id: DiffId,
    /// Its changes.
    pub(super) changes: Changeset,
}

/// What is wrong with a record.
pub(super) type Flaw = &'static str;

/// Writes the record.
pub(super) fn encode(id: TreeId, diff_id: DiffId, changes: &Changeset) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + CHECK + changes.len() * 48);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(id.0.as_bytes());
    out.extend_from_slice(diff_id.0.as_bytes());
    put_number(&mut out, changes.len() as u64);
    let mut before: &[u8] = b"";
    for (path, change) in changes.iter() {
        let path = path.as_bytes();
        let shared = before.iter().zip(path).take_while(|(a, b)| a == b).count();
        put_number(&mut out, shared as u64);
        put_bytes(&mut out, &path[shared..]);
        before = path;
        match change {
            Change::Whiteout => out.push(0),
            Change::Put(entry) => put_entry(&mut out, entry),
        }
    }
    let check = Digest::of(&out);
    out.extend_from_slice(check.as_bytes());
    out
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    if entry.implied {
        return out.push(if entry.is_opaque() { OPAQUE_IMPLIED } else { IMPLIED });
    }
    let kind = match &entry.node {
        Node::Dir { opaque: false } => 1,
        Node::Dir { opaque: true } => 2,
        // sealing leaves sockets out, so none gets here; a fifo is what a tar would make of it
        Node::Fifo | Node::Socket => 5,
        Node::File { .. } => 3,
        Node::Symlink { .. } => 4,
        Node::CharDevice(_) => 6,
        Node::BlockDevice(_) => 7,
    };
    let meta = &entry.meta;
    let linked = if entry.link.is_some() { LINKED } else { 0 };
    let attributes = if meta.xattrs.is_empty() { 0 } else { ATTRIBUTES };
    out.push(kind | linked | attributes);
    put_number(out, u64::from(meta.mode.bits()));
    put_number(out, u64::from(meta.uid));
    put_number(out, u64::from(meta.gid));
    put_number(out, (meta.mtime.secs << 1 ^ meta.mtime.secs >> 63).cast_unsigned());
    put_number(out, u64::from(meta.mtime.nanos));
    match &entry.node {
        Node::File { size } => put_number(out, *size),
        Node::Symlink { target } => put_bytes(out, target),
        Node::CharDevice(device) | Node::BlockDevice(device) => {
            put_number(out, u64::from(device.major));
            put_number(out, u64::from(device.minor));
        }
        Node::Dir { .. } | Node::Fifo | Node::Socket => {}
    }
    if let Some(LinkGroup(group)) = entry.link {
        put_number(out, u64::from(group));
    }
    if !meta.xattrs.is_empty() {
        put_number(out, meta.xattrs.len() as u64);
        for (name, value) in &meta.xattrs {
            put_bytes(out, name);
            put_bytes(out, value);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "7 bits at a time")]
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The version of a record that a later ufs wrote whole: its checksum is right.
pub(super) fn later(record: &[u8]) -> Option<u32> {
    let (body, check) = record.split_at_checked(record.len().checked_sub(CHECK)?)?;
    let version = u32::from_le_bytes(body.strip_prefix(MAGIC)?.first_chunk().copied()?);
    (version > VERSION && Digest::of(body).as_bytes() == check).then_some(version)
}

/// Reads the record back.
///
/// # Errors
/// In words, what is wrong with it.
pub(super) fn decode(record: &[u8]) -> Result<Index, Flaw> {
    let split = record.len().checked_sub(CHECK).filter(|&end| end >= HEAD).ok_or("it is too short")?;
    let (body, check) = record.split_at(split);
    if !body.starts_with(MAGIC) {
        return Err("it is no index");
    }
    let mut rest = Rest(&body[MAGIC.len()..]);
    let version = u32::from_le_bytes(rest.array()?);
    if version > VERSION {
        return Err("a later version of ufs wrote it");
    }
    if Digest::of(body).as_bytes() != check {
        return Err("its checksum is wrong");
    }
    let root_is_implied = match version {
        0 | 1 => match rest.byte()? {
            0 => true,
            1 => false,
            _ => return Err("its root flag is wrong"),
        },
        _ => false,
    };
    let id = TreeId(Digest::from_bytes(rest.array()?));
    let diff_id = DiffId(Digest::from_bytes(rest.array()?));
    let count = rest.number()?;
    // a change has at least 3 bytes: shared, the rest's length, tag, so this cannot ask for more memory than the record's own size
    if count > rest.0.len() as u64 / 3 {
        return Err("it has fewer changes than it says");
    }
    let mut changes: Vec<(LayerPath, Change)> = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    let mut raw: Vec<u8> = Vec::new();
    let mut dirs: Vec<LayerPath> = Vec::new();
    for _ in 0..count {
        let shared = usize::try_from(rest.number()?).map_err(|_| "a path is too long")?;
        if shared > raw.len() {
            return Err("a path shares more than there is");
        }
        raw.truncate(shared);
        raw.extend_from_slice(rest.bytes()?);
        let path = LayerPath::parse(&raw).map_err(|_| "a path is impossible")?;
        if path.as_bytes() != raw {
            return Err("a path is not in its plain form");
        }
        if changes.last().is_some_and(|(before, _)| *before >= path) {
            return Err("the paths are out of order");
        }
        while dirs.last().is_some_and(|dir| !path.is_within(dir)) {
            dirs.pop();
        }
        let tag = rest.byte()?;
        let change = match tag {
            0 => Change::Whiteout,
            IMPLIED | OPAQUE_IMPLIED if version > 1 => Change::Put(Entry::implied_dir(tag == OPAQUE_IMPLIED)),
            _ => match rest.entry(tag)? {
                entry if root_is_implied && path.is_root() => {
                    Change::Put(Entry::implied_dir(entry.is_opaque()))
                }
                entry => Change::Put(entry),
            },
        };
        let is_dir = matches!(&change, Change::Put(entry) if entry.is_dir());
        let parent_is_there = match path.parent() {
            None => is_dir,
            Some(parent) => dirs.last() == Some(&parent),
        };
        if !parent_is_there {
            return Err("a path has no directory above it");
        }
        if is_dir {
            dirs.push(path.clone());
        }
        changes.push((path, change));
    }
    if !rest.0.is_empty() {
        return Err("it has more than it says");
    }
    if changes.is_empty() {
        return Err("it has no root");
    }
    check_links(&changes)?;
    Ok(Index { id, diff_id, changes: changes.into_iter().collect() })
}

/// Names of one inode must agree in all but the path.
fn check_links(changes: &[(LayerPath, Change)]) -> Result<(), Flaw> {
    let mut first: Vec<&Entry> = Vec::new();
    for (_, change) in changes {
        let Change::Put(entry) = change else { continue };
        let Some(LinkGroup(group)) = entry.link else { continue };
        if entry.is_dir() {
            return Err("a directory is a hard link");
        }
        let group = group as usize;
        if group == first.len() {
            first.push(entry);
        } else if first.get(group) != Some(&entry) {
            return Err("two names of one file differ");
        }
    }
    Ok(())
}

/// What is left of a record.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Flaw> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        self.take(N)?.try_into().map_err(|_| "it ends too early")
    }

    fn byte(&mut self) -> Result<u8, Flaw> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, Flaw> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number is too big")
    }

    fn small(&mut self) -> Result<u32, Flaw> {
        u32::try_from(self.number()?).map_err(|_| "a number is too big")
    }

    fn bytes(&mut self) -> Result<&'a [u8], Flaw> {
        let length = usize::try_from(self.number()?).map_err(|_| "a length is too big")?;
        self.take(length)
    }

    fn entry(&mut self, tag: u8) -> Result<Entry, Flaw> {
        let bits = self.small()?;
        if bits > 0o7777 {
            return Err("a mode has too many bits");
        }
        let (uid, gid) = (self.small()?, self.small()?);
        let zigzag = self.number()?;
        let secs = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
        let nanos = self.small()?;
        if nanos >= 1_000_000_000 {
            return Err("a time has too many nanoseconds");
        }
        let node = match tag & !(LINKED | ATTRIBUTES) {
            1 => Node::Dir { opaque: false },
            2 => Node::Dir { opaque: true },
            3 => Node::File { size: self.number()? },
            4 => Node::Symlink { target: self.bytes()?.into() },
            5 => Node::Fifo,
            6 => Node::CharDevice(Device { major: self.small()?, minor: self.small()? }),
            7 => Node::BlockDevice(Device { major: self.small()?, minor: self.small()? }),
            _ => return Err("a change is of no known kind"),
        };
        let link = if tag & LINKED != 0 { Some(LinkGroup(self.small()?)) } else { None };
        let mut xattrs = Xattrs::new();
        if tag & ATTRIBUTES != 0 {
            for _ in 0..self.number()? {
                let name = self.bytes()?;
                if xattrs.last_key_value().is_some_and(|(last, _)| **last >= *name) {
                    return Err("attributes are out of order");
                }
                xattrs.insert(name.into(), self.bytes()?.into());
            }
        }
        let meta = Metadata { mode: Mode::new(bits), uid, gid, mtime: Timestamp { secs, nanos }, xattrs };
        Ok(Entry { node, meta, link, implied: false })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> LayerPath {
        LayerPath::parse(text.as_bytes()).unwrap()
    }

    fn put(node: Node, link: Option<u32>) -> Change {
        let meta = Metadata {
            mode: Mode::new(0o4755),
            uid: 7,
            gid: u32::MAX,
            mtime: Timestamp { secs: -5, nanos: 999_999_999 },
            xattrs: [(b"user.a".as_slice().into(), b"\0\n".as_slice().into())].into(),
        };
        Change::Put(Entry { node, meta, link: link.map(LinkGroup), implied: false })
    }

    fn sample() -> Changeset {
        let device = Device { major: 8, minor: 1 << 19 };
        [
            (path(""), put(Node::Dir { opaque: false }, None)),
            (path("a"), put(Node::Dir { opaque: true }, None)),
            (path("a/f"), put(Node::File { size: u64::MAX }, Some(0))),
            (path("a/g"), put(Node::File { size: u64::MAX }, Some(0))),
            (path("a/gone"), Change::Whiteout),
            (path("b"), put(Node::BlockDevice(device), None)),
            (path("i"), Change::Put(Entry::implied_dir(false))),
            (path("i/o"), Change::Put(Entry::implied_dir(true))),
            (path("c"), put(Node::CharDevice(device), None)),
            (path("p"), put(Node::Fifo, None)),
            (path("s"), put(Node::Symlink { target: b"\xff/../x".as_slice().into() }, None)),
        ]
        .into_iter()
        .collect()
    }

    fn encoded(changes: &Changeset) -> Vec<u8> {
        let (id, diff_id) = (TreeId(Digest::of(b"t")), DiffId(Digest::of(b"d")));
        encode(id, diff_id, changes)
    }

    fn sealed(mut body: Vec<u8>) -> Vec<u8> {
        let check = Digest::of(&body);
        body.extend_from_slice(check.as_bytes());
        body
    }

    #[test]
    fn every_kind_of_change_reads_back() {
        let index = decode(&encoded(&sample())).unwrap();
        assert_eq!(index.changes, sample());
        assert_eq!(index.id, TreeId(Digest::of(b"t")));
        assert_eq!(index.diff_id, DiffId(Digest::of(b"d")));
    }

    #[test]
    fn a_record_of_version_1_implies_no_directory_but_the_root() {
        let mut changes = sample();
        changes.remove(&path("i"));
        changes.remove(&path("i/o"));
        for flag in [0, 1] {
            let mut body = encoded(&changes);
            body.truncate(body.len() - CHECK);
            body[MAGIC.len()..MAGIC.len() + 4].copy_from_slice(&1_u32.to_le_bytes());
            body.insert(MAGIC.len() + 4, flag);
            let index = decode(&sealed(body)).unwrap();
            let mut expected = changes.clone();
            if flag == 0 {
                expected.insert(LayerPath::root(), Change::Put(Entry::implied_dir(false)));
            }
            assert_eq!(index.changes, expected);
        }
    }

    #[test]
    fn a_record_cut_or_changed_anywhere_is_refused() {
        let record = encoded(&sample());
        for length in 0..record.len() {
            assert!(decode(&record[..length]).is_err(), "{length}");
        }
        for at in 0..record.len() {
            let mut bad = record.clone();
            bad[at] ^= 1;
            assert!(decode(&bad).is_err(), "{at}");
        }
    }

    #[test]
    fn a_hostile_record_with_a_right_checksum_never_panics_nor_asks_for_much() {
        let record = encoded(&sample());
        let body = &record[..record.len() - CHECK];
        for at in MAGIC.len()..body.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, body[at].wrapping_add(1)] {
                let mut bad = body.to_vec();
                bad[at] = value;
                // whatever it gives, it keeps a changeset's promises
                if let Ok(index) = decode(&sealed(bad)) {
                    for (path, _) in index.changes.iter() {
                        assert!(path.parent().is_none_or(|dir| index.changes.entry(&dir).is_some()));
                    }
                }
            }
        }
        let mut huge = body[..HEAD].to_vec();
        huge.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
        assert_eq!(decode(&sealed(huge)), Err("it has fewer changes than it says"));
    }

    #[test]
    fn paths_without_a_directory_above_are_refused() {
        let orphan: Changeset =
            [(path(""), put(Node::Dir { opaque: false }, None)), (path("a/b"), put(Node::Fifo, None))]
                .into_iter()
                .collect();
        assert_eq!(decode(&encoded(&orphan)), Err("a path has no directory above it"));
        let rootless: Changeset = [(path("a"), Change::Whiteout)].into_iter().collect();
        assert_eq!(decode(&encoded(&rootless)), Err("a path has no directory above it"));
        assert_eq!(decode(&encoded(&Changeset::new())), Err("it has no root"));
    }

    /// Bytes that are near to what a record's body is made of.
    fn near_a_body() -> impl Strategy<Value = Vec<u8>> {
        let body = encoded(&sample());
        let body = body[MAGIC.len()..body.len() - CHECK].to_vec();
        let edit = (any::<prop::sample::Index>(), 0_usize..4, prop::collection::vec(any::<u8>(), 0..6));
        prop::collection::vec(edit, 0..6).prop_map(move |edits| {
            let mut body = body.clone();
            for (at, cut, insert) in edits {
                let at = at.index(body.len() + 1);
                let end = (at + cut).min(body.len());
                body.splice(at..end, insert);
            }
            [MAGIC.as_slice(), &body].concat()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_record_is_refused_or_reads_back_as_it_is_written(body in near_a_body()) {
            if let Ok(index) = decode(&sealed(body)) {
                let again = encode(index.id, index.diff_id, &index.changes);
                prop_assert_eq!(decode(&again), Ok(index));
            }
        }

        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(decode(&bytes).is_err());
            let mut rest = Rest(&bytes);
            while rest.byte().and_then(|tag| rest.entry(tag)).is_ok() {}
        }
    }
}
