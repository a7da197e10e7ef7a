//! A layer as scripts hold it: a draft being written, a sealed layer, a host directory, or a mount's upper.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::rc::{Rc, Weak};

use super::Act;
use super::blob_files::BlobFiles;
use super::content::Home;
use super::copying::Beyond;
use super::error::Error;
use super::files::{self, on, path};
use super::report::{LayerLabel, LayerReport, Role};
use super::said::{Said, straight};
use super::standing::Standing;
use super::{AddOptions, Mount, Stack, ToRead, ToWrite, Workspace};
use crate::driver::{DirItem, Files, HostDir, Stat};
use crate::model::{ChainId, Counts, DiffId, LayerPath, Timestamp, TreeId};
use crate::oci;
use crate::store::Draft;
use crate::sys::{Dir, Errno};

/// A layer; a cheap handle. All handles on one draft see it sealed together.
#[derive(Clone)]
pub struct Layer {
    pub(super) workspace: Workspace,
    state: Rc<RefCell<State>>,
}

/// What a handle stands for now.
#[derive(Clone)]
pub(super) enum State {
    Draft(Draft),
    Sealed { id: TreeId, standing: Rc<Standing> },
    Host(PathBuf),
    Upper(Mount),
    Blob(Rc<oci::Layer>),
}

impl PartialEq for Layer {
    fn eq(&self, other: &Self) -> bool {
        match (&*self.state.borrow(), &*other.state.borrow()) {
            (State::Sealed { id: a, .. }, State::Sealed { id: b, .. }) => a == b,
            (State::Draft(a), State::Draft(b)) => a.name() == b.name(),
            (State::Host(a), State::Host(b)) => a == b,
            (State::Upper(a), State::Upper(b)) => a == b,
            (State::Blob(a), State::Blob(b)) => a.diff_id == b.diff_id,
            _ => false,
        }
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layer({})", self.title())
    }
}

/// A handle that keeps nothing.
pub(super) struct WeakLayer(Weak<RefCell<State>>);

impl WeakLayer {
    /// The layer, while another handle lives.
    pub(super) fn upgrade(&self, workspace: &Workspace) -> Option<Layer> {
        Some(Layer { workspace: workspace.clone(), state: self.0.upgrade()? })
    }
}

impl Layer {
    pub(super) fn downgrade(&self) -> WeakLayer {
        WeakLayer(Rc::downgrade(&self.state))
    }

    pub(super) fn new(workspace: &Workspace, state: State) -> Self {
        Self { workspace: workspace.clone(), state: Rc::new(RefCell::new(state)) }
    }

    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// The name for sentences: its own, else the short ID, the directory, or `upper`.
    pub fn title(&self) -> String {
        match &*self.state.borrow() {
            State::Draft(draft) => draft.name().to_string(),
            State::Sealed { id, standing } => {
                standing.record().map_or_else(|| id.short(), |record| record.name.to_string())
            }
            State::Host(dir) => dir
                .file_name()
                .map_or_else(|| "/".to_owned(), |name| name.as_encoded_bytes().escape_ascii().to_string()),
            State::Upper(_) => "upper".to_owned(),
            State::Blob(layer) => layer.diff_id.short(),
        }
    }

    /// Its name, if it has one.
    pub fn name(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::Draft(draft) => Some(draft.name().to_string()),
            State::Sealed { standing, .. } => Some(standing.record()?.name.to_string()),
            _ => None,
        }
    }

    /// What part it plays.
    pub fn role(&self) -> Role {
        match &*self.state.borrow() {
            State::Draft(_) => Role::Draft,
            State::Sealed { .. } => Role::Layer,
            State::Host(_) => Role::Host,
            State::Upper(_) => Role::Upper,
            State::Blob(_) => Role::Image,
        }
    }

    /// Its ID, when sealed.
    pub fn id(&self) -> Option<TreeId> {
        match &*self.state.borrow() {
            State::Sealed { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// Its diff ID, when sealed or in an image.
    pub fn diff_id(&self) -> Result<Option<DiffId>, Error> {
        Ok(match self.state() {
            State::Sealed { id, .. } => Some(self.workspace.store()?.diff_id(id)?),
            State::Blob(layer) => Some(layer.diff_id),
            State::Draft(_) | State::Host(_) | State::Upper(_) => None,
        })
    }

    /// The chain ID of its recorded stack, when all of it is sealed.
    pub fn chain_id(&self) -> Result<Option<ChainId>, Error> {
        let State::Sealed { standing, .. } = self.state() else { return Ok(None) };
        Ok(match standing.sealed() {
            Some(stack) => self.workspace.store()?.chain_id(&stack)?,
            None => None,
        })
    }

    /// Whether it can never change.
    pub fn sealed(&self) -> bool {
        matches!(self.role(), Role::Layer | Role::Image)
    }

    /// When it was made, for a layer opened by name.
    pub fn created(&self) -> Option<Timestamp> {
        match &*self.state.borrow() {
            State::Sealed { standing, .. } => Some(standing.record()?.created),
            _ => None,
        }
    }

    /// The message of its commit, for a layer opened by name.
    pub fn message(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::Sealed { standing, .. } => standing.record()?.message.clone(),
            _ => None,
        }
    }

    /// Bytes of its regular files, each inode once.
    pub fn size(&self) -> Result<u64, Error> {
        Ok(self.counts()?.bytes)
    }

    /// How many files it holds that are no directories.
    pub fn files(&self) -> Result<u64, Error> {
        Ok(self.counts()?.files)
    }

    /// Its totals; those of a sealed layer stand in its record.
    fn counts(&self) -> Result<Counts, Error> {
        match self.id() {
            Some(id) => Ok(self.workspace.store()?.summary(id)?.counts),
            None => Ok(self.changes()?.counts()),
        }
    }

    /// The directory on the host that holds its tree.
    pub fn path(&self) -> Result<PathBuf, Error> {
        match self.state() {
            State::Host(dir) => Ok(dir),
            _ => files::on(Act::Stat, &LayerPath::root(), self.tree()?.host_path()),
        }
    }

    /// The layers that it was built on and itself, bottom → top.
    pub fn stack(&self) -> Result<Stack, Error> {
        let layers = match self.state() {
            State::Sealed { standing, .. } => {
                // its top is this layer
                let below = standing.stack().split_last().map_or(&[][..], |(_, below)| below);
                let mut layers = self.workspace.layers_of(below)?;
                layers.push(self.clone());
                layers
            }
            _ => vec![self.clone()],
        };
        Stack::new(layers, self.title())
    }

    /// The open directory of its tree.
    pub(super) fn tree(&self) -> Result<Rc<Dir>, Error> {
        match self.state() {
            State::Sealed { id, .. } => Ok(Rc::new(self.workspace.store()?.tree_dir(id)?)),
            State::Draft(draft) => Ok(Rc::new(draft.tree()?)),
            State::Host(dir) => self.workspace.open_host(&dir).map(Rc::new),
            State::Upper(mount) => mount.upper_tree(),
            State::Blob(_) => Err(self.lies_in_image("mount the image, or load it")),
        }
    }

    /// Where the content of its files is.
    pub(super) fn home(&self) -> Result<Home, Error> {
        match self.state() {
            State::Blob(layer) => Ok(Home::Blob(layer)),
            _ => Ok(Home::Tree(self.tree()?)),
        }
    }

    fn lies_in_image(&self, instead: &str) -> Error {
        Error::WrongLayer {
            layer: self.title(),
            is: "in an image, where it lies",
            instead: instead.to_owned(),
        }
    }

    /// How views call it.
    pub(super) fn label(&self) -> LayerLabel {
        let role = self.role();
        LayerLabel {
            role,
            name: self.title(),
            id: self.id(),
            writable: matches!(role, Role::Draft | Role::Upper),
            message: self.message(),
            created: self.created(),
            path: self.path().ok(),
            diff_id: match self.state() {
                State::Blob(layer) => Some(layer.diff_id),
                _ => None,
            },
        }
    }

    /// Its own line.
    pub fn report(&self) -> Result<LayerReport, Error> {
        let depth = match self.state() {
            State::Sealed { standing, .. } => standing.stack().len(),
            _ => 1,
        };
        Ok(LayerReport {
            label: self.label(),
            diff_id: self.diff_id()?,
            chain_id: self.chain_id()?,
            depth,
            counts: self.counts()?,
        })
    }

    /// Its files, for looking.
    fn files_to_read(&self) -> Result<Box<dyn Files>, Error> {
        match self.state() {
            State::Blob(layer) => Ok(Box::new(BlobFiles::new(&[layer])?)),
            _ => Ok(Box::new(self.tree_files()?)),
        }
    }

    fn tree_files(&self) -> Result<HostDir, Error> {
        Ok(HostDir::raw_layer(self.tree()?, self.workspace.identity(), self.workspace.store()?.trust()))
    }

    /// A file's content.
    pub fn read(&self, at: &[u8]) -> Result<Vec<u8>, Error> {
        files::read(&*self.files_to_read()?, &path(at)?)
    }

    /// The names in a directory of this layer alone, sorted; whiteouts are not listed.
    pub fn ls(&self, at: &[u8]) -> Result<Vec<DirItem>, Error> {
        files::list(&*self.files_to_read()?, &path(at)?)
    }

    /// As [`Layer::ls`], only the names that begin so.
    pub fn ls_from(&self, at: &[u8], begin: &[u8]) -> Result<Vec<DirItem>, Error> {
        files::list_from(&*self.files_to_read()?, &path(at)?, begin)
    }

    /// A file's attributes, from the index when sealed, so that owners and times are the layer's.
    pub fn stat(&self, at: &[u8]) -> Result<Stat, Error> {
        let at = path(at)?;
        let files = self.files_to_read()?;
        let mut stat = files::stat(&*files, &at)?;
        if !self.sealed() {
            return Said::by([self.words()]).complete(&*files, &at, stat);
        }
        // the files of an image are as its index says already
        if self.id().is_some()
            && let Some(entry) = self.changes()?.entry(&straight(&*files, &at))
        {
            (stat.uid, stat.gid, stat.mtime) = (entry.meta.uid, entry.meta.gid, entry.meta.mtime);
            stat.node = entry.node.clone();
        }
        Ok(stat)
    }

    /// Whether this layer holds the path.
    pub fn exists(&self, at: &[u8]) -> Result<bool, Error> {
        files::exists(&*self.files_to_read()?, &path(at)?)
    }

    /// The files of a draft, for changing; an error that says why for any other layer.
    pub(super) fn draft_files(&self) -> Result<HostDir, Error> {
        self.open_draft()?;
        self.tree_files()
    }

    fn open_draft(&self) -> Result<Draft, Error> {
        let wrong = |is, instead: &str| {
            Err(Error::WrongLayer { layer: self.title(), is, instead: instead.to_owned() })
        };
        match self.state() {
            State::Draft(draft) => Ok(draft),
            State::Sealed { .. } => Err(Error::Sealed { layer: self.title() }),
            State::Host(_) => wrong(
                "a host directory",
                "only a draft can be changed: `layer(\"NAME\").add(DIR)` copies it into one",
            ),
            State::Upper(_) => wrong("a mount's upper", "change it through its mount: `m.write(…)`"),
            State::Blob(_) => Err(self.lies_in_image(
                "layers of images never change: `img.copy_out(\"/\", DIR)` takes what the image shows, and \
                 `layer(NAME).add(DIR)` makes a layer of it",
            )),
        }
    }

    /// Writes a whole file, with missing parents.
    pub fn write(&self, at: &[u8], data: &[u8]) -> Result<(), Error> {
        let (files, at) = self.draft_for(at)?;
        files::write(&files, &at, data)
    }

    /// Writes at a file's end.
    pub fn append_to(&self, at: &[u8], data: &[u8]) -> Result<(), Error> {
        let (files, at) = self.draft_for(at)?;
        files::append(&files, &at, data)
    }

    /// Makes a directory, with missing parents.
    pub fn mkdir(&self, at: &[u8]) -> Result<(), Error> {
        let (files, at) = self.draft_for(at)?;
        files::mkdir(&files, &at)
    }

    /// Makes a symlink.
    pub fn symlink(&self, target: &[u8], at: &[u8]) -> Result<(), Error> {
        let (files, at) = self.draft_for(at)?;
        files::symlink(&files, target, &at)
    }

    /// Makes a hard link.
    pub fn link(&self, old: &[u8], new: &[u8]) -> Result<(), Error> {
        let (files, new) = self.draft_for(new)?;
        files::link(&files, &path(old)?, &new)
    }

    /// Moves a file or directory within the draft.
    pub fn mv(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        let (files, to) = self.draft_for(to)?;
        let from = path(from)?;
        let work = |what: &str| self.workspace.work(|| files::about(what, &files, &from));
        files::rename(&files, &from, &to, &work, &Beyond::default())
    }

    /// Takes out the draft's own entry (a whiteout too); a directory with all it holds.
    pub fn rm(&self, at: &[u8]) -> Result<(), Error> {
        let draft = self.open_draft()?;
        let at = path(at)?;
        if at.is_root() {
            return on(Act::Remove, &at, Err(Errno::BUSY));
        }
        Ok(self.workspace.store()?.take_out(&draft.tree()?, &at)?)
    }

    /// Changes permission bits.
    pub fn chmod(&self, at: &[u8], mode: &str) -> Result<(), Error> {
        let (draft, at) = (self.open_draft()?, path(at)?);
        files::chmod(&self.draft_files()?, &at, mode)?;
        if at.is_root() { Ok(draft.say_root()?) } else { Ok(()) }
    }

    /// Changes the owner.
    pub fn chown(&self, at: &[u8], uid: u32, gid: u32) -> Result<(), Error> {
        let draft = self.open_draft()?;
        Ok(draft.set_owner(&path(at)?, uid, gid)?)
    }

    /// Sets an extended attribute.
    pub fn set_xattr(&self, at: &[u8], name: &[u8], value: &[u8]) -> Result<(), Error> {
        let at = path(at)?;
        on(Act::SetXattr, &at, self.draft_files()?.set_xattr(&at, name, value))
    }

    /// Records that a name is deleted here, whatever lower layers hold.
    pub fn whiteout(&self, at: &[u8]) -> Result<(), Error> {
        let draft = self.open_draft()?;
        let at = path(at)?;
        if at.is_root() {
            return on(Act::Remove, &at, Err(Errno::BUSY));
        }
        Ok(self.workspace.store()?.put_whiteout(&draft.tree()?, &at)?)
    }

    /// Records that nothing beneath a directory shows through; makes the directory if it is missing.
    pub fn opaque(&self, at: &[u8]) -> Result<(), Error> {
        let draft = self.open_draft()?;
        Ok(self.workspace.store()?.put_opaque(&draft.tree()?, &path(at)?)?)
    }

    /// Copies a host file or directory into the draft, metadata included; a tar, compressed or not, is unpacked.
    pub fn add(&self, host: &ToRead, at: &[u8], options: AddOptions) -> Result<(), Error> {
        let draft = self.open_draft()?;
        let at = path(at)?;
        super::add::add(&self.workspace, &draft, host.path(), &at, options)
    }

    /// Ends the draft: gives it its IDs. A sealed layer stays as it is.
    pub fn seal(&self) -> Result<(), Error> {
        match self.state() {
            State::Draft(draft) => {
                let state = self.workspace.seal_draft(&draft)?;
                *self.state.borrow_mut() = state;
                Ok(())
            }
            State::Sealed { .. } | State::Host(_) | State::Blob(_) => Ok(()),
            State::Upper(_) => Err(Error::WrongLayer {
                layer: self.title(),
                is: "a mount's upper",
                instead: "`commit()` makes it a layer".to_owned(),
            }),
        }
    }

    /// Writes the canonical tar; its SHA-256 is the diff ID of a layer made here.
    pub fn export_tar(&self, host: &ToWrite) -> Result<(), Error> {
        self.seal()?;
        let State::Sealed { id, .. } = self.state() else {
            if self.role() == Role::Image {
                return Err(self.lies_in_image(
                    "`copy_out(\"/\", DIR)` takes its files, and `layer(NAME).add(DIR)` makes a layer of them",
                ));
            }
            return Err(Error::WrongLayer {
                layer: self.title(),
                is: "a host directory",
                instead: "`layer(\"NAME\").add(DIR)` makes a layer of it, which has a canonical tar"
                    .to_owned(),
            });
        };
        super::add::export(&self.workspace, id, host.path())
    }

    fn draft_for(&self, at: &[u8]) -> Result<(HostDir, LayerPath), Error> {
        Ok((self.draft_files()?, path(at)?))
    }
}
