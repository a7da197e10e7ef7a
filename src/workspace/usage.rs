//! What the parts of a store take on disk: `du`.

use std::collections::{BTreeMap, BTreeSet};

use super::Workspace;
use super::error::Error;
use super::freeing::Freeing;
use super::progress::Total;
use super::report::{Part, UsageItem, UsageReport};
use crate::model::TreeId;
use crate::store::StackPart;

/// Who stands on a layer.
#[derive(Clone, PartialEq, Eq, Debug)]
enum User {
    Name(String),
    Mount(String),
}

impl User {
    fn words(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Mount(name) => format!("mount {name}"),
        }
    }
}

impl Workspace {
    /// What each part of the store takes on disk, what of it is shared, and what could be freed.
    ///
    /// # Errors
    /// Those of the store.
    pub fn usage(&self) -> Result<UsageReport, Error> {
        let store = self.store()?;
        let (names, mounts) = (store.names()?, store.mounts()?);
        let named = names.iter().map(|record| (User::Name(record.name.to_string()), &record.stack));
        let mounted = mounts.iter().map(|record| (User::Mount(record.name.to_string()), &record.stack));
        let mut users: BTreeMap<TreeId, Vec<User>> = BTreeMap::new();
        for (user, stack) in named.chain(mounted) {
            for id in sealed(stack) {
                users.entry(id).or_default().push(user.clone());
            }
        }
        let work = self.work(|| ("adding up what the store takes".to_owned(), Total::Unknown));
        let mut go_on = || work.done(1, 0).is_ok();
        let mut items = Vec::new();
        let mut layers: BTreeMap<TreeId, u64> = BTreeMap::new();
        for id in store.layers()? {
            let bytes = store.layer_usage(id, &mut go_on)?.bytes;
            layers.insert(id, bytes);
            let used_by: Vec<String> = users.get(&id).into_iter().flatten().map(User::words).collect();
            let shared = if used_by.len() > 1 { bytes } else { 0 };
            items.push(UsageItem {
                part: Part::Layer,
                name: id.short(),
                id: Some(id),
                bytes,
                shared,
                used_by,
            });
        }
        items.sort_by_key(|item| std::cmp::Reverse(item.bytes));
        for record in &names {
            let user = User::Name(record.name.to_string());
            let mut item = UsageItem {
                part: Part::Name,
                name: record.name.to_string(),
                id: sealed(&record.stack).next_back(),
                bytes: 0,
                shared: 0,
                used_by: Vec::new(),
            };
            let stack: BTreeSet<TreeId> = sealed(&record.stack).collect();
            for id in stack {
                let bytes = layers.get(&id).copied().unwrap_or_default();
                item.bytes += bytes;
                if users.get(&id).is_some_and(|users| users.iter().any(|other| *other != user)) {
                    item.shared += bytes;
                }
            }
            if let Some(id) = item.id {
                let mounts = users.get(&id).into_iter().flatten();
                let mounts = mounts.filter(|user| matches!(user, User::Mount(_))).map(User::words);
                item.used_by = mounts.collect();
            }
            items.push(item);
        }
        let plain = |part, name: String, bytes| UsageItem {
            part,
            name,
            id: None,
            bytes,
            shared: 0,
            used_by: Vec::new(),
        };
        for name in store.drafts()? {
            items.push(plain(Part::Draft, name.to_string(), store.draft_usage(&name, &mut go_on)?.bytes));
        }
        for record in &mounts {
            let bytes = store.mount_usage(&record.name, &mut go_on)?.bytes;
            items.push(plain(Part::Upper, record.name.to_string(), bytes));
        }
        drop(work);
        let gc = self.free(Freeing::Unnamed, false, String::new())?;
        items.extend(gc.items.iter().filter(|item| item.part == Part::LeftOver).map(|item| UsageItem {
            part: Part::LeftOver,
            name: item.name.clone(),
            id: None,
            bytes: item.bytes,
            shared: 0,
            used_by: Vec::new(),
        }));
        let prune = self.free(Freeing::Unused(std::time::Duration::ZERO), false, String::new())?.bytes();
        let bytes = items.iter().filter(|item| item.part != Part::Name).map(|item| item.bytes).sum();
        Ok(UsageReport { store: store.path().to_owned(), items, bytes, gc: gc.bytes(), prune })
    }
}

fn sealed(stack: &[StackPart]) -> impl DoubleEndedIterator<Item = TreeId> {
    stack.iter().filter_map(|part| match part {
        StackPart::Sealed(id) => Some(*id),
        StackPart::Host(_) => None,
    })
}
