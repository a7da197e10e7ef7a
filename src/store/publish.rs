//! How files get their names: what is written aside is on the disk before its name is there.
//!
//! A rename alone puts a new file in place of an old one in one step for whoever looks, but a file system may write the
//! name down before the content: after a power cut the name is there, and what it names is empty. So whatever has to
//! outlive one is synced before it is renamed, and the directory after. Where nothing has to (`sync` is `false`), both are
//! left out, and only the step is one.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::Error;
use super::error::{errno_of, io};
use super::record::to_json;
use super::temporary::Temporary;
use crate::model::Mode;
use crate::sys::{self, Dir, Errno, RenameFlags};

/// Gives a file that is written whole its name in `dir`, by `rename`. A directory that cannot be synced, as it cannot be
/// opened (`None`) or its file system has no such sync, is synced with all of its file system.
pub(super) fn publish(
    file: &File,
    dir: Option<&Dir>,
    sync: bool,
    rename: impl FnOnce() -> Result<(), Errno>,
) -> Result<(), Errno> {
    if !sync {
        return rename();
    }
    sys::sync(file)?;
    rename()?;
    match dir.map(sys::sync) {
        None | Some(Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) => sys::sync_fs(file),
        Some(synced) => synced,
    }
}

/// Makes a file of these bytes, in place of whatever has the name; it is not synced.
fn write(dir: &Dir, name: &str, bytes: &[u8], at: &Path) -> Result<File, Error> {
    let failed = |what| move |errno| io(what, at.join(name))(errno);
    match dir.unlink(name.as_bytes()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(failed("replace")(errno)),
    }
    let mut file = dir.create(name.as_bytes(), Mode::new(0o644)).map_err(failed("make"))?;
    file.write_all(bytes).map_err(|error| failed("write")(errno_of(&error)))?;
    Ok(file)
}

/// Writes a new file in place, where nothing else can see its directory yet: it is published with the directory.
pub(super) fn write_new(dir: &Dir, name: &str, bytes: &[u8], at: &Path, sync: bool) -> Result<(), Error> {
    let file = write(dir, name, bytes, at)?;
    if sync { sys::sync(&file).map_err(io("write", at.join(name))) } else { Ok(()) }
}

/// [`write_new`] of a JSON record.
pub(super) fn write_new_json(
    dir: &Dir,
    name: &str,
    value: &impl Serialize,
    at: &Path,
    sync: bool,
) -> Result<(), Error> {
    write_new(dir, name, &to_json(value, &at.join(name))?, at, sync)
}

/// Replaces a JSON record in one step, written aside in the store's `tmp/`.
pub(super) fn replace_json(
    temporary: &Temporary,
    dir: &Dir,
    name: &str,
    value: &impl Serialize,
    at: &Path,
    sync: bool,
) -> Result<(), Error> {
    replace_bytes(temporary, dir, name, &to_json(value, &at.join(name))?, at, sync)
}

/// As [`replace_json`], of any file.
pub(super) fn replace_bytes(
    temporary: &Temporary,
    dir: &Dir,
    name: &str,
    bytes: &[u8],
    at: &Path,
    sync: bool,
) -> Result<(), Error> {
    let aside = temporary.name();
    let written = replace((temporary.dir(), &aside, temporary.path()), (dir, name, at), bytes, sync);
    if written.is_err() {
        temporary.drop_name(&aside);
    }
    written
}

/// As [`replace_json`], aside in the same directory, where nobody else writes.
pub(super) fn replace_json_beside(
    dir: &Dir,
    name: &str,
    value: &impl Serialize,
    at: &Path,
    sync: bool,
) -> Result<(), Error> {
    let bytes = to_json(value, &at.join(name))?;
    replace((dir, &format!("{name}.new"), at), (dir, name, at), &bytes, sync)
}

fn replace(
    (from, aside, from_path): (&Dir, &str, &Path),
    (to, name, path): (&Dir, &str, &Path),
    bytes: &[u8],
    sync: bool,
) -> Result<(), Error> {
    let file = write(from, aside, bytes, from_path)?;
    let rename = || from.rename(aside.as_bytes(), to, name.as_bytes(), RenameFlags::empty());
    publish(&file, Some(to), sync, rename).map_err(io("write", path.join(name)))
}
