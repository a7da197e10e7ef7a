//! The file `format`: what tells a store from any other directory.
//!
//! JSON: `format` (the version, 1), `whiteouts` (`device` or `xattr`), `features` (names of what a later version
//! added and an earlier one must know; none so far). Written last when a store is made.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use super::error::{errno_of, io};
use super::record::{read_json, write_new_json};
use crate::model::{Mode, WhiteoutForm, names};
use crate::sys::{Dir, Errno, RenameFlags, xattr};

const VERSION: u64 = 1;
const PARTS: [&str; 6] = ["layers", "layers/sha256", "drafts", "names", "mounts", "tmp"];

#[derive(Serialize, Deserialize)]
struct FormatJson {
    format: u64,
    whiteouts: String,
    #[serde(default)]
    features: Vec<String>,
}

/// Opens the store's directory and reads its format; makes both where asked.
pub(super) fn open_root(path: &Path, create: bool) -> Result<(PathBuf, Dir, WhiteoutForm), Error> {
    let root = match Dir::open(path) {
        Ok(root) => root,
        Err(Errno::NOENT) if create => {
            std::fs::create_dir_all(path).map_err(|error| refused(path, errno_of(&error)))?;
            Dir::open(path).map_err(io("open", path))?
        }
        Err(Errno::NOENT) => return Err(Error::Missing { path: path.to_owned() }),
        Err(Errno::NOTDIR) => return Err(Error::NotAStore { path: path.to_owned() }),
        Err(errno) => return Err(io("open", path)(errno)),
    };
    let path = root.host_path().map_err(io("find", path))?;
    let form = if let Some(format) = read_json::<FormatJson>(&root, "format", &path)? {
        read(&format, &path)?
    } else {
        check_empty(&root, &path, create)?;
        make(&root, &path)?
    };
    Ok((path, root, form))
}

fn read(format: &FormatJson, path: &Path) -> Result<WhiteoutForm, Error> {
    if format.format > VERSION || !format.features.is_empty() {
        return Err(Error::Newer { path: path.to_owned(), found: format.format, known: VERSION });
    }
    match format.whiteouts.as_str() {
        "device" => Ok(WhiteoutForm::Device),
        "xattr" => Ok(WhiteoutForm::Xattr),
        other => Err(Error::Damaged {
            path: path.join("format"),
            why: format!("it knows no whiteouts of the form `{other}`"),
        }),
    }
}

/// Refuses a directory that holds anything but what an interrupted start left.
fn check_empty(root: &Dir, path: &Path, create: bool) -> Result<(), Error> {
    let items = root.items().map_err(io("list", path))?;
    let ours = |name: &[u8]| name == b"lock" || PARTS.iter().any(|part| part.as_bytes() == name);
    if items.iter().any(|item| !ours(&item.name)) {
        return Err(Error::NotAStore { path: path.to_owned() });
    }
    if create { Ok(()) } else { Err(Error::Missing { path: path.to_owned() }) }
}

fn refused(path: &Path, errno: Errno) -> Error {
    match errno {
        Errno::ROFS | Errno::ACCESS | Errno::PERM => Error::ReadOnly { path: path.to_owned(), errno },
        errno => io("make", path)(errno),
    }
}

fn make(root: &Dir, path: &Path) -> Result<WhiteoutForm, Error> {
    for part in PARTS {
        make_sub(root, part).map_err(|errno| refused(path, errno))?;
    }
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
    write_new_json(&tmp, &probe, &format, &path.join("tmp"), true)?;
    let moved = tmp.rename(probe.as_bytes(), root, b"format", RenameFlags::empty());
    moved.map_err(io("write", path.join("format")))?;
    crate::sys::sync(root).map_err(io("sync", path))?;
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
    match dir.whiteout(b"whiteout") {
        Ok(()) => Ok(WhiteoutForm::Device),
        Err(Errno::PERM | Errno::INVAL | Errno::OPNOTSUPP | Errno::ACCESS) => Ok(WhiteoutForm::Xattr),
        Err(errno) => Err(failed(errno)),
    }
}

fn make_sub(root: &Dir, name: &str) -> Result<(), Errno> {
    let (parent, last) = match name.split_once('/') {
        Some((parent, last)) => (root.dir(parent.as_bytes())?, last),
        None => (root.duplicate()?, name),
    };
    match parent.mkdir(last.as_bytes(), Mode::new(0o755)) {
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
            root.beneath(&layer_path).map_err(io("open", path.join(name)))
        }
        other => other.map_err(io("open", path.join(name))),
    }
}
