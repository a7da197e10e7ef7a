//! A tar into a draft: safe whatever the archive says.
//!
//! Names stay inside the draft, symlinks that the draft holds are never followed (a path beneath one is refused),
//! a later entry replaces an earlier one. `.wh.` entries become whiteouts and opaque marks: they say nothing of the
//! same archive's own files, but take away what the draft held before. One beneath a name that is no directory says
//! nothing, wherever either stands; nor do they make the directories above them the archive's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom, Write as _};

use super::changes::{descend, imply, is_covered, mark_opaque, put_whiteout};
use super::error::{errno_of, tree as failed};
use super::seal::Progress;
use super::unpack::{Adding, Note, beneath_if_there, link, ready_dir};
use super::{Draft, Error, Store, place};
use crate::model::{Entry, Kind, LayerPath, Metadata, Mode, Node, Timestamp};
use crate::sys::step::step;
use crate::sys::{Dir, Errno};
use crate::tar::{Piece, Reader, TarError, What};

const BUFFER: usize = 256 * 1024;

impl Store {
    /// Unpacks an uncompressed tar into a draft, beneath `at`. All gets `owner`, if there is one.
    ///
    /// # Errors
    /// [`Error::Tar`] for a damaged archive, [`Error::NotADirectory`], [`Error::Tree`], [`Error::Interrupted`]. What
    /// was unpacked before stays in the draft.
    pub fn add_tar(
        &self,
        draft: &Draft,
        at: &LayerPath,
        archive: impl Read,
        owner: Option<(u32, u32)>,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Vec<Note>, Error> {
        let _step = step("unpack a tar at", || format!("/{}", at.as_bytes().escape_ascii()));
        let mut unpacker = Unpacker {
            adding: Adding::start(self, draft, owner, progress)?,
            own: BTreeMap::new(),
            times: BTreeMap::new(),
            pruned: BTreeSet::new(),
            buffer: vec![0; BUFFER],
            last: None,
        };
        let unpacked = unpacker.all(at, Reader::new(archive)).and_then(|()| unpacker.finish_dirs());
        let finished = unpacker.adding.finish(draft);
        unpacked.and(finished)
    }
}

struct Unpacker<'a> {
    adding: Adding<'a>,
    /// What this archive put, and every directory above that.
    own: BTreeMap<LayerPath, Own>,
    /// The times of directories that were there before this archive needed them, which come back where it does not name
    /// them.
    times: BTreeMap<LayerPath, Option<Timestamp>>,
    /// Directories that hold nothing of what was there before this archive.
    pruned: BTreeSet<LayerPath>,
    buffer: Vec<u8>,
    /// The directory used last.
    last: Option<(LayerPath, Dir)>,
}

/// What an archive put at a path.
enum Own {
    /// Anything that is no directory.
    File,
    /// A directory, with the metadata that it gets at the end. One that the archive does not name has none: it is as it
    /// was before, or implied.
    Dir(Option<Metadata>),
}

impl Unpacker<'_> {
    fn all<R: Read>(&mut self, at: &LayerPath, mut reader: Reader<R>) -> Result<(), Error> {
        while let Some(item) = reader.next()? {
            let path = beneath(at, &item.path)?;
            match item.what {
                What::Put(entry) if entry.is_dir() => self.put_dir(path, entry.meta)?,
                What::Put(entry) => self.put(&path, &entry, &mut reader)?,
                What::Link { to } => self.link(&path, &beneath(at, &to)?)?,
                What::Whiteout => self.whiteout(&path)?,
                What::Opaque => self.opaque(&path)?,
            }
            self.adding.tick(1, 0)?;
        }
        self.adding.notes.extend(reader.notes().iter().cloned().map(Note::Tar));
        Ok(())
    }

    /// Opens the directory that is to hold `path`; one that is missing counts as made by the archive.
    fn holder(&mut self, path: &LayerPath) -> Result<Dir, Error> {
        let parent = path.parent().unwrap_or_default();
        if let Some((last, dir)) = &self.last
            && *last == parent
        {
            return dir.duplicate().map_err(failed("open", &parent));
        }
        let dir = self.descend(&parent, path)?;
        let kept = dir.duplicate().map_err(failed("open", &parent))?;
        self.last = Some((parent, kept));
        Ok(dir)
    }

    /// Opens a directory for the sake of `path`, which the archive puts, and makes what is missing.
    fn descend(&mut self, dir: &LayerPath, path: &LayerPath) -> Result<Dir, Error> {
        self.keep_times(dir)?;
        let mut deleted = Vec::new();
        let open = descend(&self.adding.tree, dir, path, &mut |dir, implied| {
            if !implied {
                deleted.push(dir);
            }
        })?;
        let mut above = path.parent();
        while let Some(dir) = above.filter(|dir| !self.own.contains_key(dir)) {
            above = dir.parent();
            self.own.insert(dir, Own::Dir(None));
        }
        for dir in deleted {
            // there is none beneath that it could be as
            self.own.insert(dir, Own::Dir(Some(Metadata::of_plain_dir())));
        }
        Ok(open)
    }

    /// Remembers the times of a directory and of those above it, as they are before the archive needs them.
    fn keep_times(&mut self, dir: &LayerPath) -> Result<(), Error> {
        for above in dir.ancestors().chain([dir.clone()]) {
            if !self.times.contains_key(&above) {
                let there = beneath_if_there(&self.adding.tree, &above)?;
                let time = there.map(|dir| dir.stat_self()).transpose().map_err(failed("look at", &above))?;
                self.times.insert(above, time.map(|stat| stat.mtime));
            }
        }
        Ok(())
    }

    /// Takes away what is at a path, to put something else there.
    fn clear(&mut self, dir: &Dir, name: &[u8], path: &LayerPath) -> Result<(), Error> {
        match dir.unlink(name) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(_) => {}
        }
        dir.remove_tree(name).map_err(failed("replace", path))?;
        self.last = None;
        let gone = self.own.range(path.clone()..).map(|(own, _)| own).take_while(|own| own.is_within(path));
        for own in gone.cloned().collect::<Vec<_>>() {
            self.own.remove(&own);
        }
        Ok(())
    }

    fn put_dir(&mut self, path: LayerPath, meta: Metadata) -> Result<(), Error> {
        if let Some(name) = path.file_name() {
            let holder = self.holder(&path)?;
            ready_dir(&holder, name, &path)?;
        } else {
            self.keep_times(&path)?;
        }
        self.own.insert(path, Own::Dir(Some(meta)));
        Ok(())
    }

    fn put<R: Read>(&mut self, path: &LayerPath, entry: &Entry, reader: &mut Reader<R>) -> Result<(), Error> {
        let Some(name) = path.file_name() else { return Ok(()) };
        let dir = self.holder(path)?;
        self.clear(&dir, name, path)?;
        let kind = if let Node::File { size } = entry.node {
            let file = dir.create(name, Mode::new(0o600)).map_err(failed("make", path))?;
            self.content(path, file, size, reader)?;
            Kind::File
        } else {
            place::make(&dir, name, &entry.node).map_err(failed("make", path))?;
            dir.stat(name).map_err(failed("look at", path))?.kind
        };
        self.adding.metadata(&dir, name, path, kind, &entry.meta)?;
        self.own.insert(path.clone(), Own::File);
        Ok(())
    }

    fn content<R: Read>(
        &mut self,
        path: &LayerPath,
        mut file: File,
        size: u64,
        reader: &mut Reader<R>,
    ) -> Result<(), Error> {
        let mut content = reader.content();
        let mut hole = false;
        let wrong = |error: std::io::Error| failed("write", path)(errno_of(&error));
        loop {
            let piece = content
                .piece(&mut self.buffer)
                .map_err(|source| TarError::Content { path: path.clone(), source })?;
            match piece {
                Piece::Data(length) => {
                    file.write_all(&self.buffer[..length]).map_err(wrong)?;
                    self.adding.tick(0, length as u64)?;
                }
                Piece::Hole(length) => {
                    let length = i64::try_from(length).map_err(|_| failed("write", path)(Errno::FBIG))?;
                    file.seek(SeekFrom::Current(length)).map_err(wrong)?;
                    hole = true;
                }
                Piece::End => break,
            }
        }
        if hole { file.set_len(size).map_err(wrong) } else { Ok(()) }
    }

    fn link(&mut self, path: &LayerPath, to: &LayerPath) -> Result<(), Error> {
        let wrong = || TarError::Link { path: path.clone(), to: to.clone() };
        if !matches!(self.own.get(to), Some(Own::File)) {
            return Err(wrong().into());
        }
        let Some(name) = path.file_name() else { return Err(wrong().into()) };
        if path == to {
            return Ok(());
        }
        let dir = self.holder(path)?;
        self.clear(&dir, name, path)?;
        if !self.own.contains_key(to) {
            // it lay beneath the directory that the link replaces
            return Err(wrong().into());
        }
        link(&self.adding.tree, to, &dir, name).map_err(failed("link", path))?;
        self.adding.kept.copy(to, path);
        self.own.insert(path.clone(), Own::File);
        Ok(())
    }

    fn whiteout(&mut self, path: &LayerPath) -> Result<(), Error> {
        let Some(parent) = path.parent() else { return Ok(()) };
        match self.own.get_mut(path) {
            Some(Own::File) => return Ok(()),
            Some(Own::Dir(meta)) => {
                // the one beneath is deleted, so there is none that it could be as
                meta.get_or_insert_with(Metadata::of_plain_dir);
                return self.opaque(path);
            }
            None => {}
        }
        if is_covered(&self.adding.tree, &parent)? {
            return Ok(());
        }
        self.last = None;
        self.keep_times(&parent)?;
        put_whiteout(&self.adding.tree, path, self.adding.form)
    }

    /// Marks a directory, and takes away what it held before this archive.
    fn opaque(&mut self, path: &LayerPath) -> Result<(), Error> {
        if is_covered(&self.adding.tree, path)? {
            return Ok(());
        }
        self.last = None;
        self.keep_times(path)?;
        let dir = descend(&self.adding.tree, path, path, &mut |_, _| {})?;
        self.prune(path)?;
        mark_opaque(&dir, path)
    }

    /// Takes away what this archive did not put. A directory that it put something into, but does not name, was another
    /// one before: it is implied now.
    fn prune(&mut self, top: &LayerPath) -> Result<(), Error> {
        let mut todo = vec![top.clone()];
        while let Some(path) = todo.pop() {
            if !self.pruned.insert(path.clone()) {
                // all that came since is the archive's
                continue;
            }
            let dir = self.adding.tree.beneath(&path).map_err(failed("open", &path))?;
            for item in dir.items().map_err(failed("list", &path))? {
                let inner = beneath_name(&path, &item.name)?;
                match self.own.get(&inner) {
                    None => dir.remove_tree(&item.name).map_err(failed("remove", &inner))?,
                    Some(Own::File) => {}
                    Some(Own::Dir(meta)) => {
                        if meta.is_none() {
                            let open = dir.dir(&item.name).and_then(|dir| imply(&dir));
                            open.map_err(failed("mark", &inner))?;
                            self.times.insert(inner.clone(), None);
                        }
                        todo.push(inner);
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives directories their metadata, what lies deeper first.
    fn finish_dirs(&mut self) -> Result<(), Error> {
        let own = std::mem::take(&mut self.own);
        for (path, time) in std::mem::take(&mut self.times) {
            if let (Some(time), None | Some(Own::Dir(None))) = (time, own.get(&path))
                && let Some(dir) = beneath_if_there(&self.adding.tree, &path)?
            {
                dir.set_times_self(None, Some(time)).map_err(failed("set the time of", &path))?;
            }
        }
        for (path, own) in own.into_iter().rev() {
            let Own::Dir(Some(meta)) = own else { continue };
            let (holder, name) = match path.parent().zip(path.file_name()) {
                Some((parent, name)) => (self.adding.tree.beneath(&parent), name),
                None => (self.adding.tree.duplicate(), &b"."[..]),
            };
            let holder = holder.map_err(failed("open", &path))?;
            self.adding.kept.root |= path.is_root();
            self.adding.metadata(&holder, name, &path, Kind::Dir, &meta)?;
        }
        Ok(())
    }
}

fn beneath(at: &LayerPath, path: &LayerPath) -> Result<LayerPath, Error> {
    if at.is_root() { Ok(path.clone()) } else { beneath_name(at, path.as_bytes()) }
}

fn beneath_name(at: &LayerPath, name: &[u8]) -> Result<LayerPath, Error> {
    at.join(name).map_err(|source| Error::Path { name: name.to_vec(), dir: "/".into(), source })
}
