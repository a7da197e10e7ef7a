//! What the files of a draft cannot keep themselves: its record, `draft.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Error;
use super::publish::replace_json_beside;
use super::record::{VERSION, hex, read_doubtful, read_json, unhex};
use crate::model::{KeptTime, LayerPath, Timestamp};
use crate::sys::Dir;

#[derive(Serialize, Deserialize)]
struct DraftJson {
    version: u32,
    /// Path in hex → user and group.
    #[serde(default)]
    owners: BTreeMap<String, (u32, u32)>,
    /// Path in hex → seconds and nanoseconds of the time that is meant, and of the one in its place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    times: BTreeMap<String, (i64, u32, i64, u32)>,
    /// Whether the root is said to be as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    root: bool,
}

/// What the files of a draft cannot keep themselves: symlinks and special files take no attributes of ours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kept {
    /// The owners that the host could not give.
    pub owners: BTreeMap<LayerPath, (u32, u32)>,
    /// The times that the file system could not hold.
    pub times: BTreeMap<LayerPath, KeptTime>,
    /// Whether the draft says what its root is like, as a tar does that has an entry for it: else one that is as every new
    /// root, 0755 and root's, is only implied.
    pub root: bool,
}

impl Kept {
    /// What a draft's record says.
    pub(super) fn read(dir: &Dir, at: &Path) -> Result<Self, Error> {
        let Some(json) = read_json::<DraftJson>(dir, "draft.json", at)? else { return Ok(Self::default()) };
        Self::of(&json, at)
    }

    /// As [`Kept::read`], of a record whose checksum may be wrong; `None` where it cannot be read at all.
    pub(super) fn doubtful(dir: &Dir, at: &Path) -> Option<Self> {
        Self::of(&read_doubtful(dir, "draft.json", at)?, at).ok()
    }

    fn of(json: &DraftJson, at: &Path) -> Result<Self, Error> {
        let damaged = |why: String| Error::Damaged { path: at.join("draft.json"), why };
        let parsed = |path: &String| {
            let parsed = unhex(path).and_then(|raw| LayerPath::parse(&raw).ok());
            parsed.ok_or_else(|| damaged(format!("`{path}` is no path in hex")))
        };
        let owners = json.owners.iter().map(|(path, &owner)| Ok((parsed(path)?, owner)));
        let time = |&(secs, nanos, held_secs, held_nanos): &(i64, u32, i64, u32)| KeptTime {
            meant: Timestamp { secs, nanos: nanos.min(999_999_999) },
            held: Timestamp { secs: held_secs, nanos: held_nanos },
        };
        let times = json.times.iter().map(|(path, kept)| Ok((parsed(path)?, time(kept))));
        Ok(Self {
            owners: owners.collect::<Result<_, Error>>()?,
            times: times.collect::<Result<_, Error>>()?,
            root: json.root,
        })
    }

    /// Writes a draft's record.
    pub(super) fn write(&self, dir: &Dir, at: &Path, sync: bool) -> Result<(), Error> {
        let owners = self.owners.iter().map(|(path, &owner)| (hex(path.as_bytes()), owner)).collect();
        let times = self.times.iter().map(|(path, KeptTime { meant, held })| {
            (hex(path.as_bytes()), (meant.secs, meant.nanos, held.secs, held.nanos))
        });
        let json = DraftJson { version: VERSION, owners, times: times.collect(), root: self.root };
        replace_json_beside(dir, "draft.json", &json, at, sync)
    }

    /// Whatever is kept of one file is of the other too.
    pub(super) fn copy(&mut self, from: &LayerPath, to: &LayerPath) {
        self.set(to, self.owners.get(from).copied(), self.times.get(from).copied());
    }

    /// Records what a file cannot keep itself.
    pub(super) fn set(&mut self, path: &LayerPath, owner: Option<(u32, u32)>, time: Option<KeptTime>) {
        match owner {
            Some(owner) => self.owners.insert(path.clone(), owner),
            None => self.owners.remove(path),
        };
        match time {
            Some(time) => self.times.insert(path.clone(), time),
            None => self.times.remove(path),
        };
    }
}
