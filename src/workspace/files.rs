//! What a user does with files, on any [`Files`]: built from its single operations, the same for every driver.

use std::io::{Read as _, Write as _};

use globset::{GlobBuilder, GlobSet};

use super::Act;
use super::copying::{Beyond, copy};
use super::error::Error;
pub(super) use super::progress::interrupted;
use super::progress::{Total, Work};
use crate::driver::{Content, DirItem, Files, Follow, OpenHow, RenameHow, Stat};
use crate::model::{Kind, LayerPath, Mode, Timestamp};
use crate::sys::Errno;

/// The mode of a file that a script makes.
const FILE_MODE: Mode = Mode::new(0o644);
/// The mode of a directory that a script makes.
const DIR_MODE: Mode = Mode::new(0o755);
/// The longest file that is read into one value, in bytes.
const READ_LIMIT: u64 = 1 << 30;

/// How much is read or written between two looks at Ctrl-C, in bytes.
const STEP: usize = 1 << 20;

/// Checks a path as a user types it.
pub(super) fn path(bytes: &[u8]) -> Result<LayerPath, Error> {
    LayerPath::parse(bytes).map_err(|cause| Error::Path { path: bytes.to_vec(), cause })
}

/// Ties an errno to what was tried on what.
pub(super) fn on<T>(act: Act, path: &LayerPath, result: Result<T, Errno>) -> Result<T, Error> {
    result.map_err(|errno| Error::File { act, path: path.clone(), errno })
}

/// Makes every missing directory above `path`.
pub(super) fn make_parents(files: &dyn Files, path: &LayerPath) -> Result<(), Error> {
    for dir in path.ancestors().skip(1) {
        match files.mkdir_above(&dir, DIR_MODE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return on(Act::MakeDirectory, &dir, Err(errno)),
        }
    }
    Ok(())
}

/// Tries once, makes the missing parents, tries again.
fn with_parents<T>(
    files: &dyn Files,
    act: Act,
    path: &LayerPath,
    operation: impl Fn() -> Result<T, Errno>,
) -> Result<T, Error> {
    match operation() {
        Err(Errno::NOENT) => {
            make_parents(files, path)?;
            on(act, path, operation())
        }
        other => on(act, path, other),
    }
}

fn write_how(files: &dyn Files, path: &LayerPath, data: &[u8], how: OpenHow) -> Result<(), Error> {
    if path.is_root() {
        return on(Act::Write, path, Err(Errno::ISDIR));
    }
    // a fifo or a device would block or leave the layer
    if let Ok(stat) = files.stat(path, Follow::Yes)
        && stat.kind() != Kind::File
    {
        let errno = if stat.kind() == Kind::Dir { Errno::ISDIR } else { Errno::INVAL };
        return on(Act::Write, path, Err(errno));
    }
    let mut file = with_parents(files, Act::Write, path, || files.open(path, how))?;
    for step in data.chunks(STEP) {
        interrupted()?;
        file.write_all(step).map_err(|cause| Error::io(Act::Write, path, &cause))?;
    }
    Ok(())
}

pub(super) fn write(files: &dyn Files, path: &LayerPath, data: &[u8]) -> Result<(), Error> {
    write_how(files, path, data, OpenHow::rewrite(FILE_MODE))
}

pub(super) fn append(files: &dyn Files, path: &LayerPath, data: &[u8]) -> Result<(), Error> {
    write_how(files, path, data, OpenHow::append(FILE_MODE))
}

/// Opens what must be a regular file.
fn open_regular<'a>(files: &'a dyn Files, path: &LayerPath) -> Result<(Box<dyn Content + 'a>, u64), Error> {
    let stat = on(Act::Read, path, files.stat(path, Follow::Yes))?;
    match stat.kind() {
        Kind::File => {}
        Kind::Dir => return on(Act::Read, path, Err(Errno::ISDIR)),
        _ => return on(Act::Read, path, Err(Errno::INVAL)),
    }
    Ok((on(Act::Read, path, files.content(path))?, stat.size))
}

pub(super) fn read(files: &dyn Files, path: &LayerPath) -> Result<Vec<u8>, Error> {
    let (mut content, size) = open_regular(files, path)?;
    if size > READ_LIMIT {
        return Err(Error::TooLarge { path: path.clone(), size, limit: READ_LIMIT });
    }
    let mut data = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    let mut left = READ_LIMIT;
    loop {
        interrupted()?;
        let step = content.by_ref().take(left.min(STEP as u64)).read_to_end(&mut data);
        let step = step.map_err(|cause| Error::io(Act::Read, path, &cause))? as u64;
        left -= step;
        if step < STEP as u64 || left == 0 {
            return Ok(data);
        }
    }
}

pub(super) fn list(files: &dyn Files, path: &LayerPath) -> Result<Vec<DirItem>, Error> {
    list_from(files, path, b"")
}

pub(super) fn list_from(files: &dyn Files, path: &LayerPath, begin: &[u8]) -> Result<Vec<DirItem>, Error> {
    let mut items = on(Act::List, path, files.read_dir_from(path, begin))?;
    items.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(items)
}

pub(super) fn stat(files: &dyn Files, path: &LayerPath) -> Result<Stat, Error> {
    on(Act::Stat, path, files.stat(path, Follow::No))
}

pub(super) fn exists(files: &dyn Files, path: &LayerPath) -> Result<bool, Error> {
    match files.stat(path, Follow::No) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(errno) => on(Act::Stat, path, Err(errno)),
    }
}

pub(super) fn mkdir(files: &dyn Files, path: &LayerPath) -> Result<(), Error> {
    if path.is_root() {
        return on(Act::MakeDirectory, path, Err(Errno::EXIST));
    }
    with_parents(files, Act::MakeDirectory, path, || files.mkdir(path, DIR_MODE))
}

pub(super) fn symlink(files: &dyn Files, target: &[u8], path: &LayerPath) -> Result<(), Error> {
    with_parents(files, Act::Symlink, path, || files.symlink(target, path))
}

pub(super) fn link(files: &dyn Files, old: &LayerPath, new: &LayerPath) -> Result<(), Error> {
    on(Act::Link, old, files.stat(old, Follow::No))?;
    with_parents(files, Act::Link, new, || files.link(old, new))
}

pub(super) fn remove(files: &dyn Files, path: &LayerPath) -> Result<(), Error> {
    if path.is_root() {
        return on(Act::Remove, path, Err(Errno::BUSY));
    }
    let stat = on(Act::Remove, path, files.stat(path, Follow::No))?;
    let result = if stat.kind() == Kind::Dir { files.rmdir(path) } else { files.unlink(path) };
    on(Act::Remove, path, result)
}

/// What is done with a path and all beneath it, and how much that is.
pub(super) fn about(what: &str, files: &dyn Files, path: &LayerPath) -> (String, Total) {
    let total = match files.stat(path, Follow::No) {
        Ok(stat) if stat.kind() == Kind::Dir => Total::of_tree(files.tree(path)),
        Ok(stat) => Total::of_bytes(stat.size),
        Err(_) => Total::Unknown,
    };
    (format!("{what} /{}", String::from_utf8_lossy(path.as_bytes())), total)
}

/// A directory that is being emptied.
struct Emptied {
    path: LayerPath,
    files: Box<dyn Files>,
    /// The names still to go.
    left: std::vec::IntoIter<DirItem>,
}

impl Emptied {
    /// The directory `at` in `files`, which is `path` in all.
    fn enter(files: &dyn Files, at: &LayerPath, path: LayerPath) -> Result<Self, Error> {
        let files = on(Act::Remove, &path, files.beneath(at))?;
        let left = on(Act::Remove, &path, files.read_dir(&LayerPath::root()))?.into_iter();
        Ok(Self { path, files, left })
    }
}

/// Removes a path and all beneath it; the root is emptied. However deep that is, it needs no more stack. Gives how many
/// names were beneath it.
pub(super) fn remove_all(files: &dyn Files, path: &LayerPath, work: &Work) -> Result<u64, Error> {
    let stat = on(Act::Remove, path, files.stat(path, Follow::No))?;
    let mut count = 0;
    if stat.kind() != Kind::Dir {
        on(Act::Remove, path, files.unlink(path))?;
        return Ok(count);
    }
    let mut levels = vec![Emptied::enter(files, path, path.clone())?];
    while let Some(level) = levels.last_mut() {
        interrupted()?;
        if let Some(item) = level.left.next() {
            work.done(1, 0)?;
            count += 1;
            let (at, path) = (single(&item.name)?, child(&level.path, &item.name)?);
            if item.kind == Kind::Dir {
                let inner = Emptied::enter(&*level.files, &at, path)?;
                levels.push(inner);
            } else {
                on(Act::Remove, &path, level.files.unlink(&at))?;
            }
            continue;
        }
        let Some(done) = levels.pop() else { break };
        match (levels.last(), done.path.file_name()) {
            (Some(above), Some(name)) => on(Act::Remove, &done.path, above.files.rmdir(&single(name)?))?,
            (None, Some(_)) => on(Act::Remove, path, files.rmdir(path))?,
            (_, None) => {}
        }
    }
    Ok(count)
}

/// rename(2); what cannot be renamed (a directory that lies in a lower) is copied and removed, as mv(1) does.
pub(super) fn rename(
    files: &dyn Files,
    from: &LayerPath,
    to: &LayerPath,
    work: &dyn Fn(&str) -> Work,
    beyond: &Beyond<'_>,
) -> Result<(), Error> {
    on(Act::Move, from, files.stat(from, Follow::No))?;
    if !from.is_root() && to.is_within(from) && to != from {
        return on(Act::Move, from, Err(Errno::INVAL));
    }
    match with_parents(files, Act::Move, to, || files.rename(from, to, RenameHow::Replace)) {
        Err(Error::File { errno: Errno::XDEV, .. }) => {
            if let Ok(target) = files.stat(to, Follow::No) {
                let empty = target.kind() == Kind::Dir && on(Act::List, to, files.read_dir(to))?.is_empty();
                if !empty {
                    let errno = if target.kind() == Kind::Dir { Errno::NOTEMPTY } else { Errno::NOTDIR };
                    return on(Act::Move, to, Err(errno));
                }
                on(Act::Remove, to, files.rmdir(to))?;
            }
            copy(files, from, files, to, &work("copying"), beyond)?;
            remove_all(files, from, &work("removing")).map(drop)
        }
        other => other,
    }
}

pub(super) fn chmod(files: &dyn Files, path: &LayerPath, mode: &str) -> Result<(), Error> {
    let stat = on(Act::ChangeMode, path, files.stat(path, Follow::Yes))?;
    let mode = stat.mode.apply(mode, stat.kind() == Kind::Dir).map_err(|cause| Error::Mode { cause })?;
    on(Act::ChangeMode, path, files.chmod(path, mode))
}

/// Makes an empty file, or sets both times of what is there.
pub(super) fn touch(files: &dyn Files, path: &LayerPath, now: Timestamp) -> Result<(), Error> {
    if !exists(files, path)? {
        write(files, path, b"")?;
    }
    on(Act::SetTimes, path, files.set_times(path, Some(now), Some(now)))
}

/// Every path that a glob matches, sorted. Without a `/` the pattern is matched against names, at any depth;
/// with one against whole paths, where `*` stays within one directory and `**` does not.
pub(super) fn find(files: &dyn Files, pattern: &[u8]) -> Result<Vec<LayerPath>, Error> {
    let bad = |reason: String| Error::Glob { pattern: pattern.to_vec(), reason };
    let text = std::str::from_utf8(pattern).map_err(|_| bad("it is not UTF-8".to_owned()))?;
    let whole = text.contains('/');
    let text = text.trim_start_matches('/');
    let glob = GlobBuilder::new(text)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| bad(error.kind().to_string()))?;
    // a set of one: alone, a pattern that is too large would panic
    let glob = GlobSet::new([glob]).map_err(|_| bad("it is too large".to_owned()))?;
    let mut found = Vec::new();
    let mut open = vec![LayerPath::root()];
    while let Some(dir) = open.pop() {
        interrupted()?;
        let items = match files.read_dir(&dir) {
            // gone or changed while we walk
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            other => on(Act::List, &dir, other)?,
        };
        for item in items {
            let path = child(&dir, &item.name)?;
            let subject = if whole { path.as_bytes() } else { &item.name };
            if glob.is_match(as_path(subject)) {
                found.push(path.clone());
            }
            if item.kind == Kind::Dir {
                open.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn child(dir: &LayerPath, name: &[u8]) -> Result<LayerPath, Error> {
    dir.join(name).map_err(|cause| Error::Path { path: name.to_vec(), cause })
}

/// A name right in the root.
pub(super) fn single(name: &[u8]) -> Result<LayerPath, Error> {
    child(&LayerPath::root(), name)
}

fn as_path(bytes: &[u8]) -> &std::path::Path {
    use std::os::unix::ffi::OsStrExt as _;
    std::path::Path::new(std::ffi::OsStr::from_bytes(bytes))
}
