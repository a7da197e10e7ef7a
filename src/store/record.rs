//! The store's small records: JSON files. How they come to be whole or not at all is said in `publish`.
//!
//! Bytes that need not be UTF-8 (host paths, attributes) are written in hex. The last member of every record is `check`, the
//! SHA-256 of all bytes before it in hex, so that no changed byte goes unseen. Records of earlier versions have none.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::Error;
use super::error::{errno_of, io, own};
use crate::model::{ChainId, Digest, Kind, LayerName, Metadata, Mode, Timestamp, TreeId};
use crate::sys::dir::stat_fd;
use crate::sys::{Dir, Errno};

/// The version of every JSON record written here.
pub(super) const VERSION: u32 = 1;

/// The longest record that is read, in bytes.
pub(super) const LIMIT: u64 = 16 << 20;

/// One layer of a stack, as records name it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StackPart {
    /// A sealed layer of the store.
    Sealed(TreeId),
    /// A host directory, used in place.
    Host(PathBuf),
}

/// What a name stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameRecord {
    /// The name.
    pub name: LayerName,
    /// The layers, bottom → top; the last one is the named layer itself.
    pub stack: Vec<StackPart>,
    /// The stack's chain ID; `None` where a host directory is part of it.
    pub chain_id: Option<ChainId>,
    /// The message of its commit.
    pub message: Option<String>,
    /// When it was made.
    pub created: Timestamp,
}

#[derive(Serialize, Deserialize, Clone)]
pub(super) struct TimeJson {
    secs: i64,
    nanos: u32,
}

impl From<Timestamp> for TimeJson {
    fn from(time: Timestamp) -> Self {
        Self { secs: time.secs, nanos: time.nanos }
    }
}

impl From<TimeJson> for Timestamp {
    fn from(time: TimeJson) -> Self {
        Self { secs: time.secs, nanos: time.nanos.min(999_999_999) }
    }
}

#[derive(Serialize, Deserialize, Clone)]
#[serde(rename_all = "lowercase")]
pub(super) enum PartJson {
    /// 64 hex digits.
    Layer(String),
    /// The path's bytes in hex.
    Host(String),
}

impl From<&StackPart> for PartJson {
    fn from(part: &StackPart) -> Self {
        match part {
            StackPart::Sealed(id) => Self::Layer(id.hex()),
            StackPart::Host(path) => Self::Host(hex(path.as_os_str().as_bytes())),
        }
    }
}

/// The parts of a stack as a record has them.
pub(super) fn parts_to_json(stack: &[StackPart]) -> Vec<PartJson> {
    stack.iter().map(PartJson::from).collect()
}

/// Reads [`parts_to_json`] back.
pub(super) fn parts_from_json(parts: &[PartJson]) -> Result<Vec<StackPart>, String> {
    let read = |part: &PartJson| match part {
        PartJson::Layer(id) => id_from(id).map(StackPart::Sealed),
        PartJson::Host(path) => path_from(path).map(StackPart::Host),
    };
    parts.iter().map(read).collect()
}

/// A layer's ID in a record.
pub(super) fn id_from(text: &str) -> Result<TreeId, String> {
    Digest::parse(text).map(TreeId).map_err(|error| error.to_string())
}

/// A host path in hex.
pub(super) fn path_from(text: &str) -> Result<PathBuf, String> {
    let bytes = unhex(text).ok_or_else(|| format!("`{text}` is no path in hex"))?;
    Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[derive(Serialize, Deserialize, Clone)]
pub(super) struct NameJson {
    version: u32,
    stack: Vec<PartJson>,
    chain_id: Option<String>,
    message: Option<String>,
    created: TimeJson,
}

impl From<&NameRecord> for NameJson {
    fn from(record: &NameRecord) -> Self {
        Self {
            version: VERSION,
            stack: parts_to_json(&record.stack),
            chain_id: record.chain_id.map(|id| id.to_string()),
            message: record.message.clone(),
            created: record.created.into(),
        }
    }
}

impl NameJson {
    /// The record under `name`.
    pub(super) fn read(self, name: LayerName) -> Result<NameRecord, String> {
        let stack = parts_from_json(&self.stack)?;
        if !matches!(stack.last(), Some(StackPart::Sealed(_))) {
            return Err("its stack has no sealed layer on top".to_owned());
        }
        let chain_id = self.chain_id.map(|text| Digest::parse(&text).map(ChainId)).transpose();
        Ok(NameRecord {
            name,
            stack,
            chain_id: chain_id.map_err(|error| error.to_string())?,
            message: self.message,
            created: self.created.into(),
        })
    }
}

/// The version of a record that a later ufs wrote. Every record has one; what else a later version has need not look as it
/// does here.
fn later(bytes: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let version = serde_json::from_slice::<Versioned>(bytes).ok()?.version;
    (version > VERSION).then_some(version)
}

/// Metadata without their time.
#[derive(Serialize, Deserialize, Clone)]
pub(super) struct MetadataJson {
    mode: String,
    uid: u32,
    gid: u32,
    secs: i64,
    nanos: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<String, String>,
}

impl From<&Metadata> for MetadataJson {
    fn from(meta: &Metadata) -> Self {
        let xattrs = meta.xattrs.iter().map(|(name, value)| (hex(name), hex(value))).collect();
        Self {
            mode: meta.mode.to_string(),
            uid: meta.uid,
            gid: meta.gid,
            secs: meta.mtime.secs,
            nanos: meta.mtime.nanos,
            xattrs,
        }
    }
}

impl MetadataJson {
    /// The metadata.
    pub(super) fn read(&self) -> Result<Metadata, String> {
        let wrong = || "its metadata make no sense".to_owned();
        let bits =
            u32::from_str_radix(&self.mode, 8).ok().filter(|&bits| bits <= 0o7777).ok_or_else(wrong)?;
        let mut meta = Metadata {
            mode: Mode::new(bits),
            uid: self.uid,
            gid: self.gid,
            mtime: Timestamp { secs: self.secs, nanos: self.nanos.min(999_999_999) },
            ..Metadata::default()
        };
        for (name, value) in &self.xattrs {
            let (name, value) = (unhex(name).ok_or_else(wrong)?, unhex(value).ok_or_else(wrong)?);
            meta.xattrs.insert(name.into(), value.into());
        }
        Ok(meta)
    }
}

/// Bytes as lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads [`hex`] back.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Reads a small file whole; `None` if it is not there.
pub(super) fn read_bytes(dir: &Dir, name: &str, at: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let file = match dir.file(name.as_bytes()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(own("open", at.join(name))(errno)),
    };
    let damaged = |why: &str| Error::Damaged { path: at.join(name), why: why.to_owned() };
    let stat = stat_fd(&file).map_err(io("look at", at.join(name)))?;
    if stat.kind != Kind::File {
        return Err(damaged("something else lies in its place"));
    }
    if stat.size > limit {
        return Err(damaged("it is far too long"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stat.size).unwrap_or(0));
    let read = file.take(stat.size).read_to_end(&mut bytes);
    read.map_err(|error| io("read", at.join(name))(errno_of(&error)))?;
    Ok(Some(bytes))
}

/// Reads a JSON record; `None` if it is not there. `at`: the directory's path, for messages.
pub(super) fn read_json<T: DeserializeOwned>(dir: &Dir, name: &str, at: &Path) -> Result<Option<T>, Error> {
    let Some(bytes) = read_bytes(dir, name, at, LIMIT)? else { return Ok(None) };
    let damaged = |why: String| Error::Damaged { path: at.join(name), why };
    if let Some(version) = later(&bytes).filter(|_| is_whole(&bytes)) {
        return Err(Error::Later { path: at.join(name), version });
    }
    let record = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if is_whole(&bytes) { Ok(Some(record)) } else { Err(damaged("its checksum is wrong".to_owned())) }
}

/// As [`read_json`], of a record whose checksum may be wrong: what it says may be wrong anywhere. `None` where it cannot be
/// read at all.
pub(super) fn read_doubtful<T: DeserializeOwned>(dir: &Dir, name: &str, at: &Path) -> Option<T> {
    let bytes = read_bytes(dir, name, at, LIMIT).ok().flatten().filter(|bytes| later(bytes).is_none())?;
    serde_json::from_slice(&bytes).ok()
}

/// A record's bytes; `path`: for messages.
pub(super) fn to_json(value: &impl Serialize, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec(value)
        .map_err(|error| Error::Damaged { path: path.to_owned(), why: error.to_string() })?;
    // every record is an object that is not empty
    bytes.pop();
    let check = Digest::of(&bytes).hex();
    bytes.extend_from_slice(CHECK.0);
    bytes.extend_from_slice(check.as_bytes());
    bytes.extend_from_slice(CHECK.1);
    Ok(bytes)
}

/// What stands before and behind a record's checksum, at its end.
const CHECK: (&[u8], &[u8]) = (b",\"check\":\"", b"\"}\n");

/// Whether a record's checksum is that of its bytes; where it has none, also in a damaged form, it is of an earlier version.
fn is_whole(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Checked {
        check: Option<IgnoredAny>,
    }
    let length = CHECK.0.len() + 64 + CHECK.1.len();
    let (body, end) = bytes.split_at(bytes.len().saturating_sub(length));
    let right = [CHECK.0, Digest::of(body).hex().as_bytes(), CHECK.1].concat();
    if end == right {
        return true;
    }
    // the member's name may be what was changed
    let value = end.get(CHECK.0.len()..CHECK.0.len() + 64);
    let looks_so = end.starts_with(b",\"")
        && end.ends_with(CHECK.1)
        && value.is_some_and(|value| value.iter().all(u8::is_ascii_hexdigit));
    let named = serde_json::from_slice::<Checked>(bytes).is_ok_and(|found| found.check.is_some());
    !looks_so && !named
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_name_record_with_anything_in_it_is_read_or_refused(
            version in any::<u32>(),
            parts in prop::collection::vec(("layer|host|x", "[0-9a-fA-Z:é]{0,70}"), 0..4),
            chain in prop::option::of("(sha256:)?[0-9a-g]{60,66}"),
            (secs, nanos) in (any::<i64>(), any::<u32>()),
        ) {
            let stack: Vec<_> = parts.iter().map(|(kind, text)| serde_json::json!({ kind: text })).collect();
            let created = serde_json::json!({ "secs": secs, "nanos": nanos });
            let text = serde_json::json!({
                "version": version, "stack": stack, "chain_id": chain, "message": null, "created": created,
            });
            if let Ok(json) = serde_json::from_value::<NameJson>(text)
                && let Ok(record) = json.read(LayerName::parse("name").unwrap())
            {
                let again = NameJson::from(&record).read(record.name.clone());
                prop_assert_eq!(again, Ok(record));
            }
        }

        #[test]
        fn any_bytes_in_the_place_of_a_record_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let host = tempfile::tempdir().unwrap();
            std::fs::write(host.path().join("r"), &bytes).unwrap();
            let dir = Dir::open(host.path()).unwrap();
            prop_assert!(read_json::<NameJson>(&dir, "r", host.path()).is_err());
        }
    }

    fn written(bytes: &[u8]) -> Result<Option<TimeJson>, Error> {
        let host = tempfile::tempdir().unwrap();
        std::fs::write(host.path().join("r"), bytes).unwrap();
        read_json::<TimeJson>(&Dir::open(host.path()).unwrap(), "r", host.path())
    }

    #[test]
    fn no_changed_or_missing_byte_of_a_record_goes_unseen() {
        let record = to_json(&TimeJson { secs: 12, nanos: 345 }, Path::new("")).unwrap();
        assert_eq!(written(&record).unwrap().unwrap().secs, 12);
        for at in 0..record.len() {
            for bit in 0..8 {
                let mut bad = record.clone();
                bad[at] ^= 1 << bit;
                assert!(written(&bad).is_err(), "{}", bad.escape_ascii());
            }
            let mut bad = record.clone();
            bad[at] = b' ';
            assert!(bad == record || written(&bad).is_err(), "{}", bad.escape_ascii());
            assert!(written(&record[..at]).is_err(), "{at}");
        }
    }

    #[test]
    fn a_record_of_an_earlier_version_has_no_checksum() {
        assert_eq!(written(b"{\"secs\":1,\"nanos\":2}\n").unwrap().unwrap().nanos, 2);
        assert_eq!(written(b"{\"secs\":1,\"nanos\":2}").unwrap().unwrap().nanos, 2);
    }

    #[test]
    fn hex_reads_back_and_nothing_else_does() {
        assert_eq!(unhex(&hex(b"\0\xff/a")), Some(b"\0\xff/a".to_vec()));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
    }

    #[test]
    fn metadata_read_back_from_their_record() {
        let meta = Metadata {
            mode: Mode::new(0o1777),
            uid: 3,
            gid: 4,
            mtime: Timestamp { secs: -1, nanos: 5 },
            xattrs: [(b"user.\xff".as_slice().into(), b"".as_slice().into())].into(),
        };
        let text = serde_json::to_string(&MetadataJson::from(&meta)).unwrap();
        let back: MetadataJson = serde_json::from_str(&text).unwrap();
        assert_eq!(back.read(), Ok(meta));
    }
}
