//! What is there by name, looked at without opening, making or changing anything: for completion.

use super::{Layer, Mount, Workspace};
use crate::model::LayerName;

/// A name, and a few words on what it stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// The name.
    pub name: String,
    /// What it stands for: a message, the kind of it.
    pub what: String,
}

impl Workspace {
    /// The layers that have a name, drafts too, by name. None before there is a store.
    pub fn known_layers(&self) -> Vec<Known> {
        let Some(store) = self.0.store.get() else { return Vec::new() };
        let drafts = store.drafts().unwrap_or_default();
        let drafts =
            drafts.into_iter().map(|name| Known { name: name.to_string(), what: "a draft".to_owned() });
        let sealed = store.names().unwrap_or_default().into_iter().map(|record| Known {
            name: record.name.to_string(),
            what: record.message.unwrap_or_else(|| "a layer".to_owned()),
        });
        let mut known: Vec<Known> = drafts.chain(sealed).collect();
        known.sort_by(|a, b| a.name.cmp(&b.name));
        known
    }

    /// The mounts that there are, those of earlier runs too, by name.
    pub fn known_mounts(&self) -> Vec<Known> {
        let Some(store) = self.0.store.get() else { return Vec::new() };
        let live = self.0.live.borrow();
        let what = |name: &LayerName, driver: &str| match live.get(name) {
            Some(live) if live.mounted.is_some() => format!("mounted, {driver}"),
            _ => format!("not mounted, {driver}"),
        };
        let records = store.mounts().unwrap_or_default();
        let known = |record: crate::store::MountRecord| Known {
            what: what(&record.name, &record.driver),
            name: record.name.to_string(),
        };
        records.into_iter().map(known).collect()
    }

    /// The layer of that name, if it can be had without opening a draft: a sealed one, or a draft that is open.
    pub fn known_layer(&self, text: &str) -> Option<Layer> {
        let store = self.0.store.get()?;
        let name = LayerName::parse(text).ok()?;
        if let Some(draft) = self.0.drafts.borrow().get(&name) {
            return Some(draft.clone());
        }
        let record = store.name(&name).ok()??;
        self.named(record).ok()
    }

    /// The mount of that name.
    pub fn known_mount(&self, text: &str) -> Option<Mount> {
        let name = LayerName::parse(text).ok()?;
        self.0.store.get()?.has_mount(&name).ok()?.then(|| Mount::new(self, name))
    }
}
