//! Names of layers: one record a name, replaced in one step, and only by who knows what it replaces.

use super::error::io;
use super::publish::replace_json;
use super::record::{NameJson, read_json};
use super::{Error, NameRecord, Store};
use crate::model::{LayerName, Timestamp};
use crate::sys::Errno;
use crate::sys::lock::{self, Lock};

impl Store {
    /// All names, newest first; records that do not read back are left out (see [`Store::check`]).
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be listed.
    pub fn names(&self) -> Result<Vec<NameRecord>, Error> {
        Ok(self.names_and_damage()?.0)
    }

    /// As [`Store::names`], with what is wrong with the records that do not read back.
    ///
    /// # Errors
    /// [`Error::Io`] if they cannot be listed, or one cannot be read.
    pub fn names_and_damage(&self) -> Result<(Vec<NameRecord>, Vec<Error>), Error> {
        let mut found: Vec<(Timestamp, NameRecord)> = Vec::new();
        let mut damaged = Vec::new();
        for name in self.name_list()? {
            match self.name(&name) {
                Ok(Some(record)) => {
                    let stat = self.names.stat(name.file_name().as_bytes());
                    found.push((stat.map_or(Timestamp::default(), |stat| stat.mtime), record));
                }
                Ok(None) => {}
                Err(error) if error.is_damage() => damaged.push(error),
                // a list that misses what could not be read would pass for whole
                Err(error) => return Err(error),
            }
        }
        // with a fixed clock all are made at one time, but not written at one
        found.sort_by(|(a_written, a), (b_written, b)| {
            (b.created, b_written, &b.name).cmp(&(a.created, a_written, &a.name))
        });
        Ok((found.into_iter().map(|(_, record)| record).collect(), damaged))
    }

    /// Every name that has a record, in no order.
    pub(super) fn name_list(&self) -> Result<Vec<LayerName>, Error> {
        let items = self.names.items().map_err(io("list", self.path.join("names")))?;
        let named = |item: &crate::sys::RawItem| {
            LayerName::from_file_name(std::str::from_utf8(&item.name).ok()?).ok()
        };
        Ok(items.iter().filter_map(named).collect())
    }

    /// What a name stands for.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn name(&self, name: &LayerName) -> Result<Option<NameRecord>, Error> {
        let at = self.path.join("names");
        let file = name.file_name();
        let Some(record) = read_json::<NameJson>(&self.names, &file, &at)? else { return Ok(None) };
        let read = record.read(name.clone());
        read.map(Some).map_err(|why| Error::Damaged { path: at.join(file), why })
    }

    /// Gives a name its meaning in place of `replaces`, what it meant when this was begun; whether it has it now. Where
    /// another process gave it to something else meanwhile, or took it away, it stays so.
    ///
    /// # Errors
    /// [`Error::NoLayer`] for a layer that another process has collected meanwhile, [`Error::Io`].
    pub fn set_name(&self, record: &NameRecord, replaces: Option<&NameRecord>) -> Result<bool, Error> {
        self.check_writable()?;
        self.hold_stack(&record.stack)?;
        self.replace_name(record, replaces)
    }

    fn replace_name(&self, record: &NameRecord, replaces: Option<&NameRecord>) -> Result<bool, Error> {
        let _alone = self.lock_names()?;
        let found = match self.name(&record.name) {
            Ok(found) => found,
            // what it means cannot be told, so neither whether it may be replaced
            Err(error) if error.is_damage() => return Ok(false),
            Err(error) => return Err(error),
        };
        if found.as_ref() == Some(record) {
            return Ok(true);
        }
        if found.as_ref() != replaces {
            return Ok(false);
        }
        self.write_name(&record.name, &NameJson::from(record))?;
        Ok(true)
    }

    /// As [`Store::set_name`], by what an intent says, which holds the layers.
    pub(super) fn resume_name(
        &self,
        name: &str,
        record: &NameJson,
        replaces: Option<&NameJson>,
        damaged: impl Fn(String) -> Error,
    ) -> Result<bool, Error> {
        let name = LayerName::parse(name).map_err(|error| damaged(error.to_string()))?;
        let read = |json: &NameJson| json.clone().read(name.clone()).map_err(&damaged);
        self.replace_name(&read(record)?, replaces.map(read).transpose()?.as_ref())
    }

    /// Keeps other processes from changing names.
    pub(super) fn lock_names(&self) -> Result<Lock, Error> {
        lock::exclusive_dir(&self.names).map_err(|errno| match errno {
            Errno::INTR => Error::Interrupted,
            errno => io("lock", self.path.join("names"))(errno),
        })
    }

    pub(super) fn write_name(&self, name: &LayerName, record: &NameJson) -> Result<(), Error> {
        let at = self.path.join("names");
        replace_json(&self.temporary, &self.names, &name.file_name(), record, &at, self.synced)
    }

    /// Drops a name, also one that a seal which stopped half-way was about to write; whether there was one. Its layer stays
    /// until it is collected.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove_name(&self, name: &LayerName) -> Result<bool, Error> {
        self.remove_name_if(name, || Ok(true))
    }

    /// As [`Store::remove_name`], if this says so once nobody else can change names.
    pub(super) fn remove_name_if(
        &self,
        name: &LayerName,
        wanted: impl FnOnce() -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let at = self.path.join("names");
        self.check_writable()?;
        let _alone = self.lock_names()?;
        if !wanted()? {
            return Ok(false);
        }
        let coming = self.drop_seal(name)?;
        match self.names.unlink(name.file_name().as_bytes()) {
            Ok(()) => {
                self.sync_dir(&self.names, &at)?;
                Ok(true)
            }
            Err(Errno::NOENT) => Ok(coming),
            Err(errno) => Err(io("remove", at.join(name.file_name()))(errno)),
        }
    }
}
