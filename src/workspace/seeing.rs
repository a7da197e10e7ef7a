//! Questions about a mount or a stack: the picture, the tree, differences, one path's life, the history.

use std::path::PathBuf;
use std::rc::Rc;

use super::content::{self, Home};
use super::error::Error;
use super::files;
use super::progress::{Total, interrupted};
use super::report::{
    DiffReport, ExplainReport, Handle, HistoryItem, HistoryReport, LayerLabel, Role, StackReport, TreeReport,
};
use super::{Image, Layer, Mount, Stack, StackItem, Workspace};
use crate::driver::DriverKind;
use crate::model::{ChainId, Changeset, Entry, Node};
use crate::overlay;

/// What a question is about.
#[derive(Clone, PartialEq, Debug)]
pub enum Subject {
    /// A mount with its upper.
    Mount(Mount),
    /// A bare stack.
    Stack(Stack),
    /// An image.
    Image(Image),
}

/// A subject opened for looking: everything by layer, bottom → top.
struct Sight {
    title: String,
    driver: Option<DriverKind>,
    merged: Option<PathBuf>,
    host_path: Option<PathBuf>,
    mounted: bool,
    labels: Vec<LayerLabel>,
    changes: Vec<Rc<Changeset>>,
    homes: Vec<Home>,
}

impl Sight {
    fn stack(&self) -> Vec<&Changeset> {
        self.changes.iter().map(|changes| &**changes).collect()
    }

    fn below(&self) -> Vec<&Changeset> {
        let mut stack = self.stack();
        stack.pop();
        stack
    }
}

impl Workspace {
    fn sight(subject: &Subject) -> Result<Sight, Error> {
        Self::sight_of(subject, Layer::changes)
    }

    fn sight_of(
        subject: &Subject,
        changes: impl Fn(&Layer) -> Result<Rc<Changeset>, Error>,
    ) -> Result<Sight, Error> {
        let (layers, mut sight) = match subject {
            Subject::Stack(stack) => {
                let title = stack.title();
                (stack.layers().to_vec(), Sight::empty(title))
            }
            Subject::Image(image) => (image.layers().to_vec(), Sight::empty(image.title())),
            Subject::Mount(mount) => {
                let mut layers = mount.stack()?.layers().to_vec();
                if !mount.read_only() {
                    layers.push(mount.upper()?);
                }
                let sight = Sight {
                    driver: Some(mount.driver()?),
                    merged: mount.path(),
                    host_path: mount.host_path(),
                    mounted: mount.mounted(),
                    ..Sight::empty(mount.name())
                };
                (layers, sight)
            }
        };
        for layer in &layers {
            sight.labels.push(layer.label());
            sight.changes.push(changes(layer)?);
            sight.homes.push(layer.home()?);
        }
        Ok(sight)
    }

    /// The picture of a mount or a stack, with at most `limit` rows.
    pub fn show(&self, subject: &Subject, limit: usize) -> Result<StackReport, Error> {
        let sight = Self::sight(subject)?;
        let matrix = overlay::matrix(&sight.stack(), limit);
        let handle = self.handle(subject);
        let Sight { title, driver, merged, host_path, mounted, labels, .. } = sight;
        Ok(StackReport { title, handle, driver, merged, host_path, mounted, layers: labels, matrix })
    }

    fn handle(&self, subject: &Subject) -> Handle {
        match subject {
            Subject::Mount(mount) if self.current().is_ok_and(|current| current == *mount) => Handle::Current,
            Subject::Mount(_) => Handle::Mount,
            Subject::Image(_) => Handle::Image,
            Subject::Stack(stack) => match self.stack(&[StackItem::Text(stack.title())]) {
                Ok(whole) if whole == *stack => Handle::Named,
                _ => Handle::Layers,
            },
        }
    }

    /// The union as a tree from `path` down, with at most `limit` paths.
    pub fn tree(&self, subject: &Subject, path: &[u8], limit: usize) -> Result<TreeReport, Error> {
        let path = files::path(path)?;
        let sight = Self::sight(subject)?;
        let stack = sight.stack();
        if overlay::resolve(&stack, &path).is_none() {
            return files::on(super::Act::List, &path, Err(crate::sys::Errno::NOENT));
        }
        let (items, left_out) = overlay::tree(&stack, &path, limit);
        Ok(TreeReport {
            title: sight.title,
            handle: self.handle(subject),
            layers: sight.labels,
            items,
            left_out,
        })
    }

    /// The upper of a mount against what lies beneath it.
    pub fn diff_mount(&self, mount: &Mount) -> Result<DiffReport, Error> {
        let before = format!("{} without its upper", mount.name());
        if mount.read_only() {
            return Ok(DiffReport { before, after: "as it is (read-only)".to_owned(), changes: Vec::new() });
        }
        let sight = Self::sight(&Subject::Mount(mount.clone()))?;
        let changes = self.differences((&sight.below(), &sight.homes), (&sight.stack(), &sight.homes))?;
        Ok(DiffReport { before, after: "with it".to_owned(), changes })
    }

    /// Two mounts or stacks against each other.
    pub fn diff(&self, old: &Subject, new: &Subject) -> Result<DiffReport, Error> {
        let (before, after) = (Self::sight(old)?, Self::sight(new)?);
        let changes = self.differences((&before.stack(), &before.homes), (&after.stack(), &after.homes))?;
        Ok(DiffReport { before: before.title, after: after.title, changes })
    }

    fn differences(
        &self,
        (before, old_homes): (&[&Changeset], &[Home]),
        (after, new_homes): (&[&Changeset], &[Home]),
    ) -> Result<Vec<overlay::Difference>, Error> {
        let work = self.work(|| {
            // what is to be read, found by a look at the indexes that takes all for equal
            let mut bytes = 0;
            overlay::diff(before, after, &mut |_: &_, (_, old): (usize, &Entry), _: (usize, &Entry)| {
                bytes += if let Node::File { size } = old.node { size } else { 0 };
                true
            });
            ("comparing".to_owned(), Total::of_bytes(bytes))
        });
        let mut same = |path: &_, (a, old): (usize, &_), (b, new): (usize, &_)| {
            content::same(path, (&old_homes[a], old), (&new_homes[b], new), &work)
        };
        let changes = overlay::diff(before, after, &mut same);
        interrupted()?;
        Ok(changes)
    }

    /// One path's life, bottom → top.
    pub fn explain(&self, subject: &Subject, path: &[u8]) -> Result<ExplainReport, Error> {
        let path = files::path(path)?;
        // a live tree is not walked whole for one path
        let sight = Self::sight_of(subject, |layer| layer.changes_at(&path))?;
        let work = self.work(|| ("comparing".to_owned(), Total::Unknown));
        let mut same = |path: &_, (a, old): (usize, &_), (b, new): (usize, &_)| {
            content::same(path, (&sight.homes[a], old), (&sight.homes[b], new), &work)
        };
        let life = overlay::explain(&sight.stack(), &path, &mut same);
        interrupted()?;
        drop(work);
        Ok(ExplainReport { layers: sight.labels, life })
    }

    /// The stack, oldest first; of a mount, its upper last.
    pub fn history(&self, subject: &Subject) -> Result<HistoryReport, Error> {
        let (title, layers) = match subject {
            Subject::Image(image) => return image.history(),
            Subject::Stack(stack) => (stack.title(), stack.layers().to_vec()),
            Subject::Mount(mount) => {
                let mut layers = mount.stack()?.layers().to_vec();
                if !mount.read_only() {
                    layers.push(mount.upper()?);
                }
                (mount.name(), layers)
            }
        };
        let mut chain = Some(Vec::new());
        let mut items = Vec::new();
        for layer in &layers {
            let label = layer.label();
            chain = match (chain, layer.diff_id()?) {
                (Some(mut ids), Some(id)) if label.role == Role::Layer => {
                    ids.push(id);
                    Some(ids)
                }
                _ => None,
            };
            let chain_id = chain.as_deref().and_then(ChainId::of);
            items.push(HistoryItem { label, counts: layer.changes()?.counts(), chain_id, made: None });
        }
        Ok(HistoryReport { title, now: self.now(), items })
    }
}

impl Sight {
    fn empty(title: String) -> Self {
        Self {
            title,
            driver: None,
            merged: None,
            host_path: None,
            mounted: true,
            labels: Vec::new(),
            changes: Vec::new(),
            homes: Vec::new(),
        }
    }
}
