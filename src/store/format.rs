//! The file `format`: what tells a store from any other directory.
//!
//! JSON: `format` (the version, 1), `whiteouts` (`device` or `xattr`), `features` (names of what a later version
//! added and an earlier one must know; none so far). Written last when a store is made.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ephemeral::MARK;
use super::error::{errno_of, io, own};
use super::opening::{Syncs, Whose};
use super::publish::replace_json;
use super::record::read_json;
use super::temporary::Temporary;
use super::unsynced::MARK as UNSYNCED;
use super::{Error, Opening};
use crate::model::{Mode, WhiteoutForm, names};
use crate::sys::probe::whiteout_form;
use crate::sys::{Dir, Errno, lock, xattr};

/// The version written here, and the newest that is opened; there was no other yet.
pub const VERSION: u64 = 1;
/// Layers hold what their makers put there, such as programs that run as root: nobody else may reach them.
pub(super) const PRIVATE: Mode = Mode::new(0o700);
const PARTS: [&str; 6] = ["layers", "layers/sha256", "drafts", "names", "mounts", "tmp"];

/// What every version of the file has.
#[derive(Deserialize)]
struct VersionJson {
    format: u64,
}

#[derive(Serialize, Deserialize)]
struct FormatJson {
    format: u64,
    whiteouts: String,
    #[serde(default)]
    features: Vec<String>,
}

/// Opens the store's directory and reads its format; makes both where asked.
pub(super) fn open_root(
    path: &Path,
    how: Opening,
    whose: Whose,
) -> Result<(PathBuf, Dir, WhiteoutForm), Error> {
    let root = match Dir::open(path) {
        Ok(root) => root,
        Err(Errno::NOENT) if how.create => {
            let made = std::fs::DirBuilder::new().recursive(true).mode(PRIVATE.bits()).create(path);
            made.map_err(|error| refused(path, errno_of(&error)))?;
            Dir::open(path).map_err(io("open", path))?
        }
        Err(Errno::NOENT) => return Err(Error::Missing { path: path.to_owned() }),
        Err(Errno::NOTDIR) => return Err(Error::NotAStore { path: path.to_owned() }),
        Err(errno) => return Err(io("open", path)(errno)),
    };
    let path = root.host_path().map_err(io("find", path))?;
    whose.check(&root, &path)?;
    let form = if let Some(form) = read(&root, &path)? {
        form
    } else {
        check_empty(&root, &path, how.create)?;
        // One process makes it, and the others that start at the same time find it made. They do not wait for the lock itself:
        // who made the store shares it from then on for as long as it runs.
        let made = || read(&root, &path).map_or(true, |form| form.is_some());
        let alone =
            lock::exclusive_unless(&path.join("lock"), made).map_err(|errno| refused(&path, errno))?;
        match (read(&root, &path)?, alone) {
            (Some(form), _) => form,
            (None, Some(_alone)) => make(&root, &path, how.syncs == Syncs::On)?,
            (None, None) => return Err(Error::Missing { path }),
        }
    };
    Ok((path, root, form))
}

/// Writes the file anew in a store whose own does not read back. How whiteouts are written is tried, as when a store is made:
/// those that are there are read in either form.
pub(super) fn write_anew(root: &Dir, path: &Path) -> Result<(), Error> {
    write(root, path, true).map(drop)
}

/// Reads the file, if it is there.
pub(super) fn read(root: &Dir, path: &Path) -> Result<Option<WhiteoutForm>, Error> {
    // the version alone first: what else a later one has need not look as it does here
    let Some(VersionJson { format: found }) = read_json(root, "format", path)? else { return Ok(None) };
    let newer = || Error::Newer { path: path.to_owned(), found, known: VERSION };
    if found > VERSION {
        return Err(newer());
    }
    let Some(format) = read_json::<FormatJson>(root, "format", path)? else { return Ok(None) };
    if !format.features.is_empty() {
        return Err(newer());
    }
    match format.whiteouts.as_str() {
        "device" => Ok(Some(WhiteoutForm::Device)),
        "xattr" => Ok(Some(WhiteoutForm::Xattr)),
        other => Err(Error::Damaged {
            path: path.join("format"),
            why: format!("it knows no whiteouts of the form `{other}`"),
        }),
    }
}

/// Refuses a directory that holds anything but what an interrupted start left.
fn check_empty(root: &Dir, path: &Path, create: bool) -> Result<(), Error> {
    let items = root.items().map_err(io("list", path))?;
    // `format` only where another process has just made it
    let files = [&b"lock"[..], b"format", b"lost+found", MARK.as_bytes(), UNSYNCED.as_bytes()];
    let ours = |name: &[u8]| files.contains(&name) || PARTS.iter().any(|part| part.as_bytes() == name);
    if items.iter().any(|item| !ours(&item.name)) {
        return Err(Error::NotAStore { path: path.to_owned() });
    }
    if create { Ok(()) } else { Err(Error::Missing { path: path.to_owned() }) }
}

fn refused(path: &Path, errno: Errno) -> Error {
    match errno {
        Errno::INTR => Error::Interrupted,
        Errno::ROFS | Errno::ACCESS | Errno::PERM => Error::ReadOnly { path: path.to_owned(), errno },
        errno => io("make", path)(errno),
    }
}

fn make(root: &Dir, path: &Path, sync: bool) -> Result<WhiteoutForm, Error> {
    for part in PARTS {
        make_sub(root, part).map_err(|errno| refused(path, errno))?;
    }
    write(root, path, sync)
}

/// Tries how whiteouts are written here, and writes it down.
fn write(root: &Dir, path: &Path, sync: bool) -> Result<WhiteoutForm, Error> {
    let tmp = open_sub(root, "tmp", path)?;
    let probe = format!("probe-{}", std::process::id());
    let form = match probe_whiteouts(&tmp, &probe, path) {
        Ok(form) => form,
        Err(error) => {
            if let Err(errno) = tmp.remove_tree(probe.as_bytes()) {
                log::debug!("the probe stays: {errno}");
            }
            return Err(error);
        }
    };
    tmp.remove_tree(probe.as_bytes()).map_err(io("remove", path.join("tmp").join(&probe)))?;
    let word = if form == WhiteoutForm::Device { "device" } else { "xattr" };
    let format = FormatJson { format: VERSION, whiteouts: word.to_owned(), features: Vec::new() };
    replace_json(&Temporary::new(tmp, path.join("tmp")), root, "format", &format, path, sync)?;
    Ok(form)
}

/// Tries what every layer needs, in a directory of its own.
fn probe_whiteouts(tmp: &Dir, probe: &str, path: &Path) -> Result<WhiteoutForm, Error> {
    let failed = |errno| io("write in", path)(errno);
    tmp.remove_tree(probe.as_bytes()).map_err(failed)?;
    tmp.mkdir(probe.as_bytes(), Mode::new(0o755)).map_err(failed)?;
    let dir = tmp.dir(probe.as_bytes()).map_err(failed)?;
    let lacks = |errno| Error::Unsuitable { path: path.to_owned(), lacks: "extended attributes", errno };
    xattr::set(&dir, names::OPAQUE, b"y").map_err(lacks)?;
    whiteout_form(&dir, b"whiteout").map_err(failed)
}

fn make_sub(root: &Dir, name: &str) -> Result<(), Errno> {
    let (parent, last) = match name.split_once('/') {
        Some((parent, last)) => (root.dir(parent.as_bytes())?, last),
        None => (root.duplicate()?, name),
    };
    match parent.mkdir(last.as_bytes(), PRIVATE) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Opens one of the store's directories, and makes it again if it is gone.
pub(super) fn open_sub(root: &Dir, name: &str, path: &Path) -> Result<Dir, Error> {
    let layer_path = crate::model::LayerPath::parse(name.as_bytes()).map_err(|source| Error::Path {
        name: name.as_bytes().to_vec(),
        dir: path.to_owned(),
        source,
    })?;
    match root.beneath(&layer_path) {
        Err(Errno::NOENT) => {
            for part in PARTS {
                make_sub(root, part).map_err(io("make", path.join(part)))?;
            }
            root.beneath(&layer_path).map_err(own("open", path.join(name)))
        }
        other => other.map_err(own("open", path.join(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn who_finds_a_store_being_made_does_not_wait_until_its_maker_ends() {
        let host = tempfile::tempdir().unwrap();
        let path = host.path().join("store");
        let how = Opening { create: true, ..Opening::default() };
        // the maker shares the lock from then on, and does not let it go
        std::fs::create_dir(&path).unwrap();
        let _maker = lock::shared(&path.join("lock")).unwrap();
        std::thread::scope(|scope| {
            let other = scope.spawn(|| open_root(&path, how, Whose::Own).map(|(_, _, form)| form));
            std::thread::sleep(Duration::from_millis(20));
            assert!(!other.is_finished(), "it waits until the store is there");
            let root = Dir::open(&path).unwrap();
            let form = make(&root, &path, false).unwrap();
            assert_eq!(other.join().unwrap().unwrap(), form);
        });
    }
}
