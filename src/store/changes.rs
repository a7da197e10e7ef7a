//! Deletions in a tree that is being written: whiteouts and opaque marks, in the form that the store's file system takes.

use super::error::tree as failed;
use super::{Error, Store};
use crate::model::{Changeset, Kind, LayerPath, Mode, WhiteoutForm, names};
use crate::sys::{Dir, Errno, xattr};

impl Store {
    /// Records that a path is deleted: removes what the tree has there, makes missing parents, puts a whiteout.
    ///
    /// In an opaque directory, where nothing shows through, the attribute form needs no whiteout and makes none.
    ///
    /// # Errors
    /// [`Error::NotADirectory`] if a parent is none, [`Error::Tree`].
    pub fn put_whiteout(&self, tree: &Dir, path: &LayerPath) -> Result<(), Error> {
        put_whiteout(tree, path, self.form)
    }

    /// Takes a tree's own entry out: a file, a whole directory, a whiteout.
    ///
    /// # Errors
    /// [`Error::Tree`], with `ENOENT` if there is none.
    pub fn take_out(&self, tree: &Dir, path: &LayerPath) -> Result<(), Error> {
        let failed = failed("remove", path);
        let Some((parent, name)) = path.parent().zip(path.file_name()) else {
            return Err(failed(Errno::BUSY));
        };
        tree.beneath(&parent)
            .and_then(|dir| dir.stat(name).and_then(|_| self.temporary.remove_from(&dir, name)))
            .map_err(failed)
    }

    /// Records that nothing of lower layers shows through at a directory; makes it if it is missing.
    ///
    /// # Errors
    /// [`Error::NotADirectory`] if it or a parent is none, [`Error::Tree`].
    pub fn put_opaque(&self, tree: &Dir, dir: &LayerPath) -> Result<(), Error> {
        mark_opaque(&descend(tree, dir, dir, &mut |_, _| {})?, dir)
    }
}

pub(super) fn put_whiteout(tree: &Dir, path: &LayerPath, form: WhiteoutForm) -> Result<(), Error> {
    let Some((parent, name)) = path.parent().zip(path.file_name()) else {
        return Err(failed("delete", path)(Errno::BUSY));
    };
    let dir = descend(tree, &parent, path, &mut |_, _| {})?;
    dir.remove_tree(name).map_err(failed("remove", path))?;
    let put = match form {
        WhiteoutForm::Device => dir.whiteout(name),
        WhiteoutForm::Xattr => match xattr::get(&dir, names::OPAQUE) {
            Ok(value) if value == b"y" => return Ok(()),
            Ok(_) | Err(Errno::NODATA) => dir
                .create(name, Mode::new(0o600))
                .and_then(|file| xattr::set(&file, names::WHITEOUT, b"y"))
                .and_then(|()| xattr::set(&dir, names::OPAQUE, b"x")),
            Err(errno) => Err(errno),
        },
    };
    put.map_err(failed("put a whiteout at", path))
}

/// Marks an open directory; whiteouts of the attribute form inside would show as files, and go.
pub(super) fn mark_opaque(dir: &Dir, path: &LayerPath) -> Result<(), Error> {
    let mark = xattr::if_there(xattr::get(dir, names::OPAQUE)).map_err(failed("look at", path))?;
    if mark.is_some_and(|value| value == b"x") {
        for item in dir.items().map_err(failed("list", path))? {
            let marked = |name: &[u8]| has_mark(dir, name).map_err(failed("look at", path));
            if item.kind == Some(Kind::File) && marked(&item.name)? {
                dir.unlink(&item.name).map_err(failed("clean up in", path))?;
            }
        }
    }
    xattr::set(dir, names::OPAQUE, b"y").map_err(failed("mark as opaque", path))
}

/// Whether a name is a whiteout of either form.
pub(super) fn is_whiteout(dir: &Dir, name: &[u8]) -> Result<bool, Errno> {
    let stat = match dir.stat(name) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(errno),
    };
    Ok(stat.is_whiteout() || (stat.kind == Kind::File && stat.size == 0 && has_mark(dir, name)?))
}

/// Whether a file has the attribute that makes it a whiteout.
fn has_mark(dir: &Dir, name: &[u8]) -> Result<bool, Errno> {
    match xattr::if_there(xattr::get_at(dir, name, names::WHITEOUT)) {
        // ours can be read by their owner
        Err(Errno::ACCESS) => Ok(false),
        other => Ok(other?.is_some()),
    }
}

/// Whether something that is no directory, a file or a whiteout, lies at a path or above it: nothing can be beneath.
pub(super) fn is_covered(tree: &Dir, dir: &LayerPath) -> Result<bool, Error> {
    match tree.beneath(dir) {
        Ok(_) | Err(Errno::NOENT) => Ok(false),
        Err(Errno::NOTDIR | Errno::LOOP) => Ok(true),
        Err(errno) => Err(failed("open", dir)(errno)),
    }
}

/// Marks a directory that is there only for what lies in it.
pub(super) fn imply(dir: &Dir) -> Result<(), Errno> {
    xattr::set(dir, names::IMPLIED, b"y")
}

/// Takes a directory for one of which its draft says something.
pub(super) fn say(holder: &Dir, name: &[u8]) -> Result<(), Errno> {
    match xattr::remove_at(holder, name, names::IMPLIED) {
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        other => other,
    }
}

/// Takes the marks of implied directories off the tree of a layer, whose index has them; one that stays means nothing.
pub(super) fn forget_implied(tree: &Dir, layer: &Changeset) {
    for path in layer.implied() {
        if let Err(errno) = tree.beneath(path).and_then(|dir| say(&dir, b".")) {
            log::debug!("the mark of {path:?} stays: {errno}");
        }
    }
}

/// Opens a directory beneath the tree, for the sake of `path`; makes what is missing and tells it to `made`, with whether
/// it is implied: one in place of a whiteout is not, but opaque. Symlinks are never followed.
pub(super) fn descend(
    tree: &Dir,
    dir: &LayerPath,
    path: &LayerPath,
    made: &mut dyn FnMut(LayerPath, bool),
) -> Result<Dir, Error> {
    if let Ok(open) = tree.beneath(dir) {
        return Ok(open);
    }
    let mut open = tree.duplicate().map_err(failed("open", &LayerPath::root()))?;
    let mut at = LayerPath::root();
    for name in dir.components() {
        at = at.join(name).map_err(|source| Error::Path {
            name: name.to_vec(),
            dir: tree.host_path().unwrap_or_default(),
            source,
        })?;
        open = match open.dir(name) {
            Ok(inner) => inner,
            Err(Errno::NOENT) => {
                let inner = make_dir(&open, name, &at)?;
                imply(&inner).map_err(failed("mark", &at))?;
                made(at.clone(), true);
                inner
            }
            Err(Errno::NOTDIR | Errno::LOOP) => {
                if !is_whiteout(&open, name).map_err(failed("look at", &at))? {
                    return Err(Error::NotADirectory { path: path.clone(), parent: at });
                }
                open.unlink(name).map_err(failed("replace", &at))?;
                let inner = make_dir(&open, name, &at)?;
                mark_opaque(&inner, &at)?;
                made(at.clone(), false);
                inner
            }
            Err(errno) => return Err(failed("open", &at)(errno)),
        };
    }
    Ok(open)
}

fn make_dir(dir: &Dir, name: &[u8], path: &LayerPath) -> Result<Dir, Error> {
    dir.mkdir(name, Mode::new(0o755)).and_then(|()| dir.dir(name)).map_err(failed("make", path))
}
