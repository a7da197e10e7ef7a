//! Whether the store is whole, and what puts it right.

use super::opening::{sum, total_of};
use super::progress::Total;
use super::{Error, StorePlace, Workspace};
use crate::store::{Finding, Mended, Store, Trouble};

/// How often what a repair has changed is looked at again: a layer that goes aside leaves names that miss it.
const ROUNDS: usize = 4;

/// One thing that a repair found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repaired {
    /// What was wrong.
    pub finding: Finding,
    /// What was done; `None` where nothing was.
    pub done: Option<String>,
    /// Why it could not be done.
    pub failed: Option<String>,
}

impl Workspace {
    /// Looks for damage: records, indexes, strays; with `deep`, the content of every layer too. Changes nothing.
    ///
    /// # Errors
    /// Those of the store.
    pub fn check(&self, deep: bool) -> Result<Vec<Finding>, Error> {
        let store = match self.store() {
            Err(Error::Store(error)) => match Finding::of_format(&error) {
                Some(finding) => return Ok(vec![finding]),
                None => return Err(error.into()),
            },
            opened => opened?,
        };
        let found = self.look(store, deep)?;
        self.tell_aside(store);
        Ok(found)
    }

    /// Whether the store cannot be opened before a repair: whatever uses it is told, and `repair` can be called.
    pub(super) fn has_damaged_format(&self) -> bool {
        matches!(self.store(), Err(Error::Store(error)) if Finding::of_format(&error).is_some())
    }

    /// Writes the store's `format` anew where that keeps it from being opened.
    fn repair_format(&self) -> Result<Option<Repaired>, Error> {
        if !self.has_damaged_format() {
            return Ok(None);
        }
        let finding = match &self.0.options.store {
            StorePlace::Dir(dir) => Store::mend_format(dir, false)?,
            StorePlace::DirOfAnybody(dir) => Store::mend_format(dir, true)?,
            StorePlace::ToRead(_) | StorePlace::Ephemeral => None,
        };
        let done = Some("written anew; what was there is in `lost+found`".to_owned());
        Ok(finding.map(|finding| Repaired { finding, done, failed: None }))
    }

    fn look(&self, store: &Store, deep: bool) -> Result<Vec<Finding>, Error> {
        let work = self.work(|| {
            let all = || sum(store.layers().unwrap_or_default().iter().map(|id| total_of(store, *id)));
            ("checking the store".to_owned(), if deep { Total::Known(all()) } else { Total::Unknown })
        });
        Ok(store.check(deep, &mut work.watch())?)
    }

    /// Says how much lies in `lost+found/`.
    fn tell_aside(&self, store: &Store) {
        let words = match store.count_aside() {
            Ok(0) => return,
            Ok(1) => "1 thing that a repair moved aside".to_owned(),
            Ok(count) => format!("{count} things that repairs moved aside"),
            Err(error) => error.to_string(),
        };
        self.note(format!("`{}` holds {words}", store.path().join("lost+found").display()));
    }

    /// What a repair would find, and would do.
    ///
    /// # Errors
    /// Those of the store.
    pub fn would_repair(&self) -> Result<Vec<Repaired>, Error> {
        let found = self.check(true)?;
        Ok(found.into_iter().map(|finding| Repaired { finding, done: None, failed: None }).collect())
    }

    /// Puts right what can be, and gives all that it found: what is left has no `done`.
    ///
    /// # Errors
    /// Those of the store. What was done before stays done.
    pub fn repair(&self) -> Result<Vec<Repaired>, Error> {
        let mut all: Vec<Repaired> = self.repair_format()?.into_iter().collect();
        let store = self.store()?;
        for _ in 0..ROUNDS {
            let found = self.look(store, true)?;
            // what could not be done is not tried again
            let new: Vec<Finding> = found
                .into_iter()
                .filter(|finding| !all.iter().any(|old| old.done.is_none() && old.finding == *finding))
                .collect();
            if new.is_empty() {
                break;
            }
            for finding in new {
                let mended = self.mend(store, &finding);
                if let Err(error @ Error::Interrupted) = mended {
                    return Err(error);
                }
                let (done, failed) = match mended {
                    Ok(done) => (done, None),
                    Err(error) => (None, Some(error.to_string())),
                };
                all.push(Repaired { finding, done, failed });
            }
        }
        self.tell_aside(store);
        Ok(all)
    }

    fn mend(&self, store: &Store, finding: &Finding) -> Result<Option<String>, Error> {
        let work = self.work(|| ("repairing the store".to_owned(), Total::Unknown));
        match store.mend(finding, self.now(), &mut work.watch())? {
            Mended::Done(what) => Ok(Some(what)),
            Mended::PutAside(name) => {
                let aside = self.put_aside(&name)?;
                Ok(Some(format!("the mount with its files is now `{}`", aside.display())))
            }
            Mended::Left => Ok(None),
        }
    }
}

impl Repaired {
    /// Whether something is still damaged.
    pub fn is_left(&self) -> bool {
        self.done.is_none() && self.finding.kind != Trouble::Unfinished && self.finding.is_damage()
    }
}
