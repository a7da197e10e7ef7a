//! When a name was used last, and which names nothing needs.
//!
//! A name's record is written when the name is given. When its layer is opened by it later, that time is kept in an
//! attribute of the record's file, which goes with the record: what the name means is not touched.

use std::collections::BTreeSet;

use super::error::io;
use super::{Error, NameRecord, StackPart, Store};
use crate::model::{LayerName, Timestamp};
use crate::sys::{self, Errno, xattr};

/// The attribute: seconds since 1970 in decimal.
const USED: &[u8] = b"user.ufs.used";

impl Store {
    /// Keeps that a name is used now. Where that cannot be written, the name only looks older than it is: as one that this
    /// user may only read.
    pub fn note_use(&self, name: &LayerName) {
        if self.aside.is_some() {
            return;
        }
        let (file, now) = (name.file_name(), sys::now().secs);
        if self.last_use(name).ok().flatten().is_some_and(|last| last.secs == now) {
            return;
        }
        if let Err(errno) = xattr::set_at(&self.names, file.as_bytes(), USED, now.to_string().as_bytes()) {
            log::debug!("the use of `{name}` is not kept: {errno}");
        }
    }

    /// When a name was given or used last; `None` where there is no such name.
    ///
    /// # Errors
    /// [`Error::Io`] if that cannot be seen.
    pub fn last_use(&self, name: &LayerName) -> Result<Option<Timestamp>, Error> {
        let file = name.file_name();
        let failed = |errno| io("look at", self.path.join("names").join(&file))(errno);
        let given = match self.names.stat(file.as_bytes()) {
            Ok(stat) => stat.mtime,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        let used = match xattr::get_at(&self.names, file.as_bytes(), USED) {
            Ok(value) => std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok()),
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOENT) => None,
            Err(errno) => return Err(failed(errno)),
        };
        let used = used.map_or(given, |secs| Timestamp { secs, nanos: 0 });
        Ok(Some(given.max(used)))
    }

    /// The names that were not used since a time, on which no mount stands, nor a name that stays: what such a one stands
    /// on stays, too, so that to drop its name frees nothing. With each, when it was used last.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::DamagedMount`] where it cannot be seen what a mount stands on.
    pub fn unneeded_names(&self, since: Timestamp) -> Result<Vec<(NameRecord, Timestamp)>, Error> {
        let mut needed: BTreeSet<StackPart> = BTreeSet::new();
        for name in self.mount_list()? {
            needed.extend(self.mount(&name)?.map(|mount| mount.stack).unwrap_or_default());
            needed.extend(self.intended(&name)?);
        }
        needed.extend(self.intended_by_seals()?);
        let (mut stays, mut found) = (Vec::new(), Vec::new());
        for record in self.names()? {
            match self.last_use(&record.name)? {
                Some(last) if last < since => found.push((record, last)),
                _ => stays.push(record),
            }
        }
        loop {
            for record in stays.drain(..) {
                let beneath = record.stack.len().saturating_sub(1);
                needed.extend(record.stack.into_iter().take(beneath));
            }
            let is_needed = |record: &NameRecord| record.stack.last().is_some_and(|top| needed.contains(top));
            let (more, left): (Vec<_>, Vec<_>) = found.into_iter().partition(|(record, _)| is_needed(record));
            found = left;
            if more.is_empty() {
                return Ok(found);
            }
            stays.extend(more.into_iter().map(|(record, _)| record));
        }
    }

    /// Drops a name that still stands for what this record says, and was not used since a time; whether it did.
    ///
    /// # Errors
    /// As [`Store::remove_name`].
    pub fn remove_unneeded_name(&self, record: &NameRecord, since: Timestamp) -> Result<bool, Error> {
        self.remove_name_if(&record.name, || {
            let used = self.last_use(&record.name)?;
            Ok(used.is_some_and(|used| used < since) && self.name(&record.name)?.as_ref() == Some(record))
        })
    }
}
