//! What an act would destroy, for whoever asks before it is done or tells it afterwards.

use std::fs::Metadata;

use super::error::Error;
use super::files::{child, interrupted, list, path};
use super::opening::has_nameless;
use super::{Mount, ToWrite, Workspace};
use crate::driver::{Files, Follow};
use crate::model::{Change, Changeset, Kind, LayerName, LayerPath};
use crate::store::{self, StackPart};

/// How many paths are named; the rest is counted.
const NAMED: usize = 5;
/// From so many names on, a tree is large: nobody who removes it has them all in mind.
const LARGE: u64 = 1000;

/// What is gone once something is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// What it is, as it stands behind "drops" and "dropped".
    pub what: String,
    /// How much that is.
    pub amount: Option<Lost>,
    /// Some of the paths, at most a few.
    pub paths: Vec<LayerPath>,
    /// How many more paths there are.
    pub more: u64,
    /// How it can be had back, where it can.
    pub until: Option<String>,
    /// Whether it is worth a question, and not only a word.
    pub asks: bool,
}

/// How much is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// Changes of a layer, and the bytes of its files.
    Changes(u64, u64),
    /// Files, and their bytes.
    Files(u64, u64),
    /// Bytes of a file.
    Bytes(u64),
    /// Names in a tree; so many or more where the flag says so.
    Names(u64, bool),
}

impl Loss {
    fn of(what: String) -> Self {
        Self { what, amount: None, paths: Vec::new(), more: 0, until: None, asks: true }
    }

    /// The changes of a layer that is written nowhere else.
    fn of_changes(changes: &Changeset, what: String) -> Self {
        let leaves = leaves(changes);
        let count = leaves.len() as u64;
        Self {
            amount: Some(Lost::Changes(count, changes.counts().bytes)),
            more: count.saturating_sub(NAMED as u64),
            paths: leaves.into_iter().take(NAMED).cloned().collect(),
            ..Self::of(what)
        }
    }
}

/// The paths that a layer says something about, without the directories that only lead to others.
fn leaves(changes: &Changeset) -> Vec<&LayerPath> {
    let mut leaves = Vec::new();
    let mut items = changes.iter().peekable();
    while let Some((path, change)) = items.next() {
        let is_dir =
            matches!(change, Change::Put(entry) if entry.node.kind() == Kind::Dir && !entry.is_opaque());
        let leads = is_dir && items.peek().is_some_and(|(next, _)| next.is_within(path));
        if !leads {
            leaves.push(path);
        }
    }
    leaves
}

impl Workspace {
    /// What is lost with a mount's upper: its uncommitted changes, if it has any.
    pub fn loss_of_upper(&self, mount: &Mount) -> Option<Loss> {
        // those of another process are not dropped, and that is told by who tries
        if mount.read_only() || mount.user().is_some() {
            return None;
        }
        let what = format!("what is not committed in `{}`", mount.name());
        let changes = || if mount.dirty()? { mount.upper()?.changes().map(Some) } else { Ok(None) };
        match changes() {
            Ok(changes) => Some(Loss::of_changes(&*changes?, what)),
            // there is none, or its files are kept aside
            Err(Error::UnknownMount { .. } | Error::Store(store::Error::DamagedMount { .. })) => None,
            Err(error) => Some(Loss::of(format!("{what}, which cannot be read: {error}"))),
        }
    }

    /// What is lost with a mount: its uncommitted changes, and what was committed in it without a name.
    pub fn loss_of_mount(&self, mount: &Mount) -> Option<Loss> {
        self.loss_of_upper(mount).or_else(|| {
            let record = mount.record().ok().filter(|_| mount.user().is_none())?;
            let nameless = has_nameless(self.store().ok()?, &record).unwrap_or(true);
            nameless.then(|| Loss {
                until: Some("until `gc()` their IDs find them".to_owned()),
                ..Loss::of(format!("the mount `{}` with its commits, which have no name", mount.name()))
            })
        })
    }

    /// What is lost with a name: a draft with all it holds; a layer that nothing else uses, which stays until it is
    /// collected.
    ///
    /// # Errors
    /// Those of the store.
    pub fn loss_of_name(&self, text: &str) -> Result<Option<Loss>, Error> {
        let Ok(name) = LayerName::parse(text) else { return Ok(None) };
        let store = self.store()?;
        let begun = self.0.drafts.borrow().contains_key(&name) && store.has_draft(&name)?;
        let record = match store.name(&name) {
            Ok(record) => record.filter(|_| !begun),
            // who drops it tells what is wrong with it
            Err(_) => return Ok(None),
        };
        let Some(record) = record else { return Ok(self.loss_of_draft(text)) };
        let Some(top @ StackPart::Sealed(id)) = record.stack.last() else { return Ok(None) };
        let named = store.names_and_damage()?.0.into_iter().filter(|other| other.name != name);
        let named = named.map(|other| (format!("`{}` needs it", other.name), other.stack));
        let mounted = store.mounts_and_damage()?.0.into_iter();
        let mounted = mounted.map(|mount| (format!("the mount `{}` needs it", mount.name), mount.stack));
        if let Some((why, _)) = named.chain(mounted).find(|(_, stack)| stack.contains(top)) {
            return Ok(Some(Loss {
                until: Some(format!("the layer {} stays, as {why}", id.short())),
                asks: false,
                ..Loss::of(format!("the name `{name}`"))
            }));
        }
        let counts = store.summary(*id).map(|summary| summary.counts).unwrap_or_default();
        Ok(Some(Loss {
            amount: Some(Lost::Files(counts.files, counts.bytes)),
            until: Some(format!("until `gc()` its ID finds it: `layer(\"{}\")`", id.short())),
            ..Loss::of(format!("the layer `{name}`, which nothing else uses"))
        }))
    }

    /// What is lost with a draft, if there is one of that name that holds something.
    pub fn loss_of_draft(&self, text: &str) -> Option<Loss> {
        let name = LayerName::parse(text).ok()?;
        let what = format!("the draft `{name}`");
        let changes = || self.look_at_draft(&name)?.map(|draft| draft.changes()).transpose();
        match changes() {
            Ok(changes) => {
                let loss = Loss::of_changes(&*changes?, what);
                Some(loss).filter(|loss| loss.paths.iter().any(|path| !path.is_root()))
            }
            Err(error) => Some(Loss::of(format!("{what}, which cannot be read: {error}"))),
        }
    }

    /// What is lost with a file of the host that is replaced, where that holds something.
    pub fn loss_of_host_file(&self, host: &ToWrite) -> Option<Loss> {
        let host = host.path();
        let size = host.metadata().ok().filter(Metadata::is_file)?.len();
        (size > 0).then(|| Loss {
            amount: Some(Lost::Bytes(size)),
            ..Loss::of(format!("the earlier `{}`", host.display()))
        })
    }
}

impl Mount {
    /// What is lost with a path and all beneath it, where that is much: the whole root, or a large tree.
    ///
    /// # Errors
    /// Those of a look at it.
    pub fn loss_of_tree(&self, at: &[u8]) -> Result<Option<Loss>, Error> {
        let at = path(at)?;
        let count = self.with(|files| count(files, &at))?;
        let is_much = count >= LARGE || at.is_root() && count > 0;
        Ok(is_much.then(|| Loss {
            amount: Some(Lost::Names(count, count >= LARGE)),
            ..Loss::of(self.tree_of(&at))
        }))
    }

    /// What was lost with a tree of so many names, where that was much.
    pub fn loss_of_names(&self, at: &[u8], count: u64) -> Option<Loss> {
        let at = path(at).ok()?;
        let is_much = count >= LARGE || at.is_root() && count > 0;
        is_much.then(|| Loss { amount: Some(Lost::Names(count, false)), ..Loss::of(self.tree_of(&at)) })
    }

    fn tree_of(&self, at: &LayerPath) -> String {
        if at.is_root() {
            format!("all that `{}` shows", self.name())
        } else {
            format!("`/{}` in `{}`", at.as_bytes().escape_ascii(), self.name())
        }
    }
}

/// Counts the names beneath a path, up to [`LARGE`]; none where it is no directory.
fn count(files: &dyn Files, at: &LayerPath) -> Result<u64, Error> {
    match files.stat(at, Follow::No) {
        Ok(stat) if stat.kind() == Kind::Dir => {}
        _ => return Ok(0),
    }
    let mut count = 0;
    let mut open = vec![at.clone()];
    while let Some(dir) = open.pop() {
        interrupted()?;
        for item in list(files, &dir)? {
            count += 1;
            if count == LARGE {
                return Ok(count);
            }
            if item.kind == Kind::Dir {
                open.push(child(&dir, &item.name)?);
            }
        }
    }
    Ok(count)
}
