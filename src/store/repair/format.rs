//! The file `format` itself: without it nothing in a store can be used, and nothing but the store's directories is needed to
//! write it anew.

use std::path::Path;

use crate::store::check::Finding;
use crate::store::error::io;
use crate::store::opening::Whose;
use crate::store::temporary::Temporary;
use crate::store::{Error, Store, format};
use crate::sys::Dir;

impl Store {
    /// Writes `format` anew where it does not read back, and keeps what was there in `lost+found/`; gives what was wrong,
    /// `None` where it reads back. After a kill it is whole or as it was. `of_anybody`: also for root in another user's store.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::NotAStore`], [`Error::NotOwn`], [`Error::Newer`], [`Error::ReadOnly`], [`Error::Io`].
    pub fn mend_format(path: &Path, of_anybody: bool) -> Result<Option<Finding>, Error> {
        let root = Dir::open(path).map_err(io("open", path))?;
        let path = root.host_path().map_err(io("find", path))?;
        let whose = if of_anybody { Whose::Anybodys } else { Whose::Own };
        whose.check(&root, &path)?;
        let damage = match format::read(&root, &path) {
            Ok(Some(_)) => return Ok(None),
            Ok(None) => return Err(Error::Missing { path }),
            Err(damage) if damage.is_damage() => damage,
            Err(error) => return Err(error),
        };
        // any directory may hold a file of that name
        if ["layers", "names"].iter().any(|part| root.dir(part.as_bytes()).is_err()) {
            return Err(Error::NotAStore { path });
        }
        let sub = |name| format::open_sub(&root, name, &path);
        let tmp = Temporary::new(sub("tmp")?, path.join("tmp"));
        let form = crate::model::WhiteoutForm::Device;
        let store = Self::of_parts(&root, path.clone(), form, (sub("mounts")?, tmp), None)?;
        store.keep_copy(&root, b"format", "record", &path.join("format"))?;
        format::write_anew(&root, &path)?;
        Ok(Finding::of_format(&damage))
    }
}
