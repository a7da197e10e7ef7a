//! Owners that are shown otherwise than they are on disk.

/// Consecutive IDs on disk and what they are shown as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdRange {
    /// The first on disk.
    pub disk: u32,
    /// What it is shown as.
    pub shown: u32,
    /// How many.
    pub length: u32,
}

/// How owners are shown. Nothing set: as they are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Owners {
    /// The one user that all files are shown to belong to.
    pub squash_uid: Option<u32>,
    /// The one group.
    pub squash_gid: Option<u32>,
    /// How users are shown; as they are if there is none.
    pub uids: Vec<IdRange>,
    /// How groups are shown.
    pub gids: Vec<IdRange>,
}

/// What stands for an ID that is in no range (Linux `overflowuid`).
const OVERFLOW: u32 = 65534;

impl Owners {
    /// What an owner on disk is shown as.
    pub fn to_shown(&self, uid: u32, gid: u32) -> (u32, u32) {
        let shown = |squash: Option<u32>, ranges: &[IdRange], id| {
            squash.unwrap_or_else(|| map(ranges, id, |range| (range.disk, range.shown)))
        };
        (shown(self.squash_uid, &self.uids, uid), shown(self.squash_gid, &self.gids, gid))
    }

    /// What is written for an owner that somebody asks for.
    pub fn to_disk(&self, uid: u32, gid: u32) -> (u32, u32) {
        let disk = |ranges: &[IdRange], id| map(ranges, id, |range| (range.shown, range.disk));
        (disk(&self.uids, uid), disk(&self.gids, gid))
    }
}

fn map(ranges: &[IdRange], id: u32, ends: impl Fn(&IdRange) -> (u32, u32)) -> u32 {
    if ranges.is_empty() {
        return id;
    }
    let mapped = ranges.iter().find_map(|range| {
        let (from, to) = ends(range);
        let offset = id.checked_sub(from).filter(|offset| *offset < range.length)?;
        to.checked_add(offset)
    });
    mapped.unwrap_or(OVERFLOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_go_both_ways_and_what_is_in_none_overflows() {
        let range = |disk, shown, length| IdRange { disk, shown, length };
        let owners = Owners { uids: vec![range(0, 1000, 1), range(1, 110_000, 65_536)], ..Owners::default() };
        assert_eq!(owners.to_shown(0, 7), (1000, 7));
        assert_eq!(owners.to_shown(2, 7), (110_001, 7));
        assert_eq!(owners.to_shown(70_000, 0), (OVERFLOW, 0));
        assert_eq!(owners.to_disk(110_001, 7), (2, 7));
        assert_eq!(owners.to_disk(5, 7), (OVERFLOW, 7));
    }

    #[test]
    fn squashed_owners_are_shown_as_one_and_written_as_asked() {
        let owners = Owners { squash_uid: Some(0), squash_gid: Some(5), ..Owners::default() };
        assert_eq!(owners.to_shown(1000, 1000), (0, 5));
        assert_eq!(owners.to_disk(1000, 1001), (1000, 1001));
    }
}
