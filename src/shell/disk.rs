//! Values about what a store takes on disk: what a collection freed, and what each part takes.

use std::rc::Rc;

use rhai::{Array, Dynamic, Map};

use super::values::{host_path, int, map_of};
use crate::workspace::{FreedReport, Part, UsageReport};

/// What a collection freed, or would.
#[derive(Clone)]
pub(super) struct Freed(pub(super) Rc<FreedReport>);

/// What a store takes on disk.
#[derive(Clone)]
pub(super) struct DiskUsage(pub(super) Rc<UsageReport>);

impl Freed {
    pub(super) fn map(&self) -> Map {
        let report = &*self.0;
        let items = report.items.iter().map(|item| {
            Dynamic::from_map(map_of([
                ("what", item.part.word().into()),
                ("name", item.name.clone().into()),
                ("id", item.id.map_or(Dynamic::UNIT, |id| id.hex().into())),
                ("why", item.why.clone().into()),
                ("bytes", int(item.bytes)),
            ]))
        });
        map_of([
            ("done", report.done.into()),
            ("layers", int(report.count(Part::Layer))),
            ("names", int(report.count(Part::Name))),
            ("bytes", int(report.bytes())),
            ("items", items.collect::<Array>().into()),
            ("in_use", int(report.in_use.0 as u64)),
        ])
    }
}

impl DiskUsage {
    pub(super) fn map(&self) -> Map {
        let report = &*self.0;
        let items = report.items.iter().map(|item| {
            let used_by: Array = item.used_by.iter().map(|user| user.clone().into()).collect();
            Dynamic::from_map(map_of([
                ("what", item.part.word().into()),
                ("name", item.name.clone().into()),
                ("id", item.id.map_or(Dynamic::UNIT, |id| id.hex().into())),
                ("bytes", int(item.bytes)),
                ("shared_bytes", int(item.shared)),
                ("own_bytes", int(item.own())),
                ("used_by", used_by.into()),
            ]))
        });
        map_of([
            ("store", host_path(Some(report.store.clone()))),
            ("bytes", int(report.bytes)),
            ("gc", int(report.gc)),
            ("prune", int(report.prune)),
            ("items", items.collect::<Array>().into()),
        ])
    }
}
