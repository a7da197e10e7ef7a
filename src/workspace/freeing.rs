//! Frees what nothing needs: `gc` and `prune`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Workspace;
use super::error::Error;
use super::progress::Total;
use super::report::{FreedItem, FreedReport, Part};
use crate::model::{LayerName, Timestamp};
use crate::store::{Collecting, NameRecord, StackPart, Waste};
use crate::sys;

/// How much is freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freeing {
    /// What no name, no mount and no process needs.
    Unnamed,
    /// Also the names that were not used for so long, and that no mount stands on.
    Unused(Duration),
}

impl Workspace {
    /// Frees what nothing needs, or with `really` unset only finds out what that is. `how` is the call that does it, for who
    /// is told.
    ///
    /// # Errors
    /// Those of the store.
    pub fn free(&self, what: Freeing, really: bool, how: String) -> Result<FreedReport, Error> {
        let store = self.store()?;
        let unneeded = match what {
            Freeing::Unnamed => Vec::new(),
            Freeing::Unused(span) => store.unneeded_names(before(sys::now(), span))?,
        };
        let mut items = Vec::with_capacity(unneeded.len());
        let mut without = BTreeSet::new();
        for (record, last) in unneeded {
            if really && !self.drop_unneeded(&record, what)? {
                continue;
            }
            without.insert(record.name.clone());
            items.push(FreedItem {
                part: Part::Name,
                name: record.name.to_string(),
                id: record.stack.last().and_then(|part| match part {
                    StackPart::Sealed(id) => Some(*id),
                    StackPart::Host(_) => None,
                }),
                why: format!("not used for {}", long(last, sys::now())),
                bytes: 0,
            });
        }
        let reached = self.reached_without(&without);
        let collecting = Collecting { reached: &reached, without: &without, really };
        let work = self.work(|| ("looking for what nothing needs".to_owned(), Total::Unknown));
        let mut go_on = || work.done(1, 0).is_ok();
        let collected = store.collect(collecting, &mut go_on)?;
        drop(work);
        for doubt in &collected.doubts {
            self.note(format!("nothing is freed, as a damaged record may need any layer: {doubt}"));
            if let Some(hint) = doubt.hint() {
                self.note(hint);
            }
        }
        items.extend(collected.items.into_iter().map(|(waste, bytes)| match waste {
            Waste::Layer(id) => FreedItem {
                part: Part::Layer,
                name: id.short(),
                id: Some(id),
                why: "no name, mount or process uses it".to_owned(),
                bytes,
            },
            Waste::LeftOver(name) => FreedItem {
                part: Part::LeftOver,
                name: format!("tmp/{name}"),
                id: None,
                why: "left by a process that has ended".to_owned(),
                bytes,
            },
        }));
        let (users, count) = collected.in_use;
        Ok(FreedReport { done: really, how, items, in_use: (count, users) })
    }

    /// Drops a name if it still means the same, and nobody used it meanwhile.
    fn drop_unneeded(&self, record: &NameRecord, what: Freeing) -> Result<bool, Error> {
        let Freeing::Unused(span) = what else { return Ok(false) };
        let dropped = self.store()?.remove_unneeded_name(record, before(sys::now(), span))?;
        if dropped {
            self.0.handles.borrow_mut().let_go(&record.name);
        }
        Ok(dropped)
    }

    /// What handles of this process reach, but for those on names that are to go.
    fn reached_without(&self, names: &BTreeSet<LayerName>) -> BTreeSet<crate::model::TreeId> {
        self.0.handles.borrow().reached_but_by(names)
    }
}

/// So long before a moment.
fn before(now: Timestamp, span: Duration) -> Timestamp {
    let secs = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    // what was used in this very second was used before the end of it
    Timestamp {
        secs: now.secs.saturating_sub(secs),
        nanos: if span.is_zero() { 999_999_999 } else { now.nanos },
    }
}

/// A time between two moments in words, roughly.
fn long(from: Timestamp, to: Timestamp) -> String {
    let secs = to.secs.saturating_sub(from.secs).max(0);
    let (number, word) = match secs {
        0..120 => (secs, "second"),
        120..7_200 => (secs / 60, "minute"),
        7_200..172_800 => (secs / 3_600, "hour"),
        _ => (secs / 86_400, "day"),
    };
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
