//! Our values in Rhai: reports and their parts, with properties, equality and a drawn form.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, Map};

use super::command::from_bytes;
use super::commands::path_value;
use super::disk::{DiskUsage, Freed};
use super::finding::Finding;
pub(super) use super::plain::{host_path, id_text, int, map_of, seconds};
use super::state::Shell;
use super::{draw, fields, json};
use crate::driver;
use crate::model::{Change as LayerChange, Changeset, Entry, LayerPath, Node};
use crate::overlay::{DiffKind, Difference, RowNote, StepKind};
use crate::workspace::{
    DiffReport, DoctorReport, ExplainReport, HistoryItem, HistoryReport, Image, Layer, Made, Mount,
    StackReport, TreeReport,
};

/// A text that is printed as it is.
#[derive(Clone)]
pub(super) struct Text(pub(super) Rc<str>);

/// The picture of a stack.
#[derive(Clone)]
pub(super) struct Picture(pub(super) Rc<StackReport>);

/// A union as a tree.
#[derive(Clone)]
pub(super) struct Union(pub(super) Rc<TreeReport>);

/// One path's life.
#[derive(Clone)]
pub(super) struct Explanation(pub(super) Rc<ExplainReport>);

/// What the machine allows.
#[derive(Clone)]
pub(super) struct Doctor(pub(super) Rc<DoctorReport>);

/// One difference, with the report that it stands in.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) report: Rc<DiffReport>,
    pub(super) index: usize,
}

/// One layer of a history, with the report that it stands in.
#[derive(Clone)]
pub(super) struct Generation {
    pub(super) report: Rc<HistoryReport>,
    pub(super) index: usize,
}

/// A file's attributes.
#[derive(Clone)]
pub(super) struct Stat(pub(super) Rc<driver::Stat>);

/// A layer's changes, gone through lazily.
#[derive(Clone)]
pub(super) struct Entries {
    changes: Rc<Changeset>,
    last: Option<LayerPath>,
}

impl Stat {
    pub(super) fn new(stat: driver::Stat) -> Self {
        Self(Rc::new(stat))
    }
}

impl Change {
    pub(super) fn difference(&self) -> Option<&Difference> {
        self.report.changes.get(self.index)
    }
}

impl Generation {
    pub(super) fn item(&self) -> Option<&HistoryItem> {
        self.report.items.get(self.index)
    }
}

impl Entries {
    pub(super) fn new(changes: Rc<Changeset>) -> Self {
        Self { changes, last: None }
    }

    /// The changes that are still to come.
    pub(super) fn rest(&self) -> impl Iterator<Item = (&LayerPath, &LayerChange)> {
        let start = self.last.clone().unwrap_or_default();
        // the root is a directory of every layer and no change
        self.changes.from_path(&start).filter(move |(path, _)| !path.is_root() && **path != start)
    }
}

impl Iterator for Entries {
    type Item = Map;

    fn next(&mut self) -> Option<Map> {
        let (path, change) = self.rest().next()?;
        let (map, path) = (entry_line(path, change), path.clone());
        self.last = Some(path);
        Some(map)
    }
}

/// All differences as an array that scripts decide on.
pub(super) fn changes(report: DiffReport) -> Dynamic {
    let report = Rc::new(report);
    let all = (0..report.changes.len()).map(|index| Dynamic::from(Change { report: report.clone(), index }));
    all.collect::<Array>().into()
}

/// All layers of a history as an array.
pub(super) fn generations(report: HistoryReport) -> Dynamic {
    let report = Rc::new(report);
    let all =
        (0..report.items.len()).map(|index| Dynamic::from(Generation { report: report.clone(), index }));
    all.collect::<Array>().into()
}

/// A file of a layer as a map: `kind, size, mode, uid, gid, mtime, target, xattrs`.
pub(super) fn entry(entry: &Entry) -> Map {
    let target = match &entry.node {
        Node::Symlink { target } => from_bytes(target.to_vec()),
        Node::CharDevice(device) | Node::BlockDevice(device) => {
            format!("{}:{}", device.major, device.minor).into()
        }
        _ => Dynamic::UNIT,
    };
    let xattrs: Map = entry
        .meta
        .xattrs
        .iter()
        .map(|(name, value)| (attribute(name).into(), from_bytes(value.to_vec())))
        .collect();
    map_of([
        ("kind", if entry.is_opaque() { "opaque".into() } else { entry.node.kind().word().into() }),
        ("size", int(entry.size())),
        ("mode", entry.meta.mode.to_string().into()),
        ("uid", i64::from(entry.meta.uid).into()),
        ("gid", i64::from(entry.meta.gid).into()),
        ("mtime", seconds(entry.meta.mtime)),
        ("target", target),
        ("xattrs", xattrs.into()),
    ])
}

/// An attribute's name as a key, which must be text: `\xff` for what is not UTF-8.
fn attribute(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => name.escape_ascii().to_string(),
    }
}

fn entry_line(path: &LayerPath, change: &LayerChange) -> Map {
    let mut map = match change {
        LayerChange::Put(put) => {
            let mut map = entry(put);
            if put.implied {
                for said in ["mode", "uid", "gid", "mtime"] {
                    map.insert(said.into(), Dynamic::UNIT);
                }
            }
            map
        }
        LayerChange::Whiteout => map_of([
            ("kind", "whiteout".into()),
            ("size", 0_i64.into()),
            ("mode", Dynamic::UNIT),
            ("uid", Dynamic::UNIT),
            ("gid", Dynamic::UNIT),
            ("mtime", Dynamic::UNIT),
            ("target", Dynamic::UNIT),
            ("xattrs", Map::new().into()),
        ]),
    };
    map.insert("path".into(), path_value(path));
    map
}

fn optional(found: Option<&Entry>) -> Dynamic {
    found.map_or(Dynamic::UNIT, |found| entry(found).into())
}

impl Change {
    pub(super) fn map(&self) -> Map {
        let Some(change) = self.difference() else { return Map::new() };
        let kind = match change.kind {
            DiffKind::Added => "added",
            DiffKind::Changed => "changed",
            DiffKind::Deleted => "deleted",
        };
        let what: Array = change.aspects.iter().map(|aspect| aspect.word().into()).collect();
        map_of([
            ("path", path_value(&change.path)),
            ("kind", kind.into()),
            ("letter", change.kind.letter().into()),
            ("what", what.into()),
            ("bytes", int(change.copied_up)),
            ("beneath", int(change.beneath)),
            ("before", optional(change.before.as_ref())),
            ("after", optional(change.after.as_ref())),
        ])
    }
}

impl Generation {
    pub(super) fn map(&self) -> Map {
        let Some(item) = self.item() else { return Map::new() };
        map_of([
            ("name", item.label.name.clone().into()),
            ("id", item.label.id.map_or(Dynamic::UNIT, |id| id.hex().into())),
            ("message", item.label.message.clone().map_or(Dynamic::UNIT, Into::into)),
            ("size", int(item.counts.bytes)),
            ("files", int(item.counts.files)),
            ("created", item.label.created.map_or(Dynamic::UNIT, seconds)),
            ("chain_id", id_text(item.chain_id)),
            (
                "download_size",
                match item.made {
                    Some(Made::Layer { blob }) => int(blob),
                    Some(Made::Nothing) => int(0),
                    None => Dynamic::UNIT,
                },
            ),
            ("empty", (item.made == Some(Made::Nothing)).into()),
        ])
    }
}

impl Stat {
    pub(super) fn map(&self) -> Map {
        let stat = &*self.0;
        let target = match &stat.node {
            Node::Symlink { target } => from_bytes(target.to_vec()),
            Node::CharDevice(device) | Node::BlockDevice(device) => {
                format!("{}:{}", device.major, device.minor).into()
            }
            _ => Dynamic::UNIT,
        };
        map_of([
            ("kind", stat.kind().word().into()),
            ("size", int(stat.size)),
            ("mode", stat.mode.to_string().into()),
            ("uid", i64::from(stat.uid).into()),
            ("gid", i64::from(stat.gid).into()),
            ("mtime", seconds(stat.mtime)),
            ("atime", seconds(stat.atime)),
            ("ctime", seconds(stat.ctime)),
            ("nlink", int(stat.nlink)),
            ("ino", int(stat.ino)),
            ("blocks", int(stat.blocks)),
            ("target", target),
        ])
    }
}

impl Union {
    pub(super) fn map(&self) -> Map {
        let report = &*self.0;
        let there = || report.items.iter().filter(|item| item.entry.is_some());
        let paths: Array = there().map(|item| path_value(&item.path)).collect();
        let deleted = report.items.iter().filter(|item| item.entry.is_none());
        let deleted: Array = deleted.map(|item| path_value(&item.path)).collect();
        let layers: Array = there()
            .map(|item| {
                report.layers.get(item.layer).map_or(Dynamic::UNIT, |label| label.name.clone().into())
            })
            .collect();
        map_of([
            ("title", report.title.clone().into()),
            ("paths", paths.into()),
            ("layers", layers.into()),
            ("deleted", deleted.into()),
            ("left_out", int(report.left_out)),
        ])
    }
}

impl Explanation {
    pub(super) fn map(&self) -> Map {
        let report = &*self.0;
        let name =
            |index: usize| report.layers.get(index).map_or(Dynamic::UNIT, |label| label.name.clone().into());
        let steps: Array = report
            .life
            .steps
            .iter()
            .map(|step| {
                let (what, aspects, parent) = match &step.kind {
                    StepKind::Created => ("created", &[][..], None),
                    StepKind::Merged { aspects } => ("merged", &aspects[..], None),
                    StepKind::Replaced { aspects } => ("replaced", &aspects[..], None),
                    StepKind::MadeOpaque => ("opaque", &[][..], None),
                    StepKind::Deleted => ("deleted", &[][..], None),
                    StepKind::DeletedNothing => ("deleted_nothing", &[][..], None),
                    StepKind::HiddenWithParent { parent } => ("hidden_with_parent", &[][..], Some(parent)),
                };
                let aspects: Array = aspects.iter().map(|aspect| aspect.word().into()).collect();
                Dynamic::from_map(map_of([
                    ("layer", name(step.layer)),
                    ("what", what.into()),
                    ("changed", aspects.into()),
                    ("parent", parent.map_or(Dynamic::UNIT, path_value)),
                    ("entry", optional(step.entry.as_ref())),
                ]))
            })
            .collect();
        let shown = report.life.shown.as_ref().map_or(Dynamic::UNIT, |(layer, found)| {
            Dynamic::from_map(map_of([("layer", name(*layer)), ("entry", entry(found).into())]))
        });
        map_of([("path", path_value(&report.life.path)), ("steps", steps.into()), ("shown", shown)])
    }
}

impl Doctor {
    pub(super) fn map(&self) -> Map {
        let checks: Array = self
            .0
            .checks
            .iter()
            .map(|check| {
                Dynamic::from_map(map_of([
                    ("what", check.what.clone().into()),
                    ("ok", check.ok.into()),
                    ("found", check.found.clone().into()),
                    ("cure", check.cure.clone().map_or(Dynamic::UNIT, Into::into)),
                ]))
            })
            .collect();
        let best = self.0.best.as_ref();
        map_of([
            ("checks", checks.into()),
            ("best", best.map_or(Dynamic::UNIT, |(kind, _)| kind.word().into())),
            ("why", best.map_or(Dynamic::UNIT, |(_, why)| why.clone().into())),
        ])
    }
}

impl Picture {
    /// What `show()` gives as JSON: `title, driver, mounted, merged, host_path, layers, rows, total, left_out`.
    ///
    /// `layers`, bottom → top: `name, id, message, writable, added, changed, deleted, size`. `rows`, in path
    /// order: `path`, `kind`, `entry` (the union's file, `null` where it shows none), `cells` (one word a
    /// layer, bottom → top: `absent`, `supplies`, `merges`, `hidden`, `whiteout`, `opaque`), `note` (`only`,
    /// `hides`, `deletes`, `gone_with_parent`, `merged`, `cuts_off`), `by` and `below` (the layers that the
    /// note is about, as indices of `layers`), `folded` (paths beneath it without rows, `null` where all is
    /// shown). `left_out` of `total` paths have no row.
    pub(super) fn map(&self) -> Map {
        let report = &*self.0;
        let index = |layer: Option<usize>| layer.map_or(Dynamic::UNIT, |layer| int(layer as u64));
        let rows: Array = report
            .matrix
            .rows
            .iter()
            .map(|row| {
                let cells: Array = row.cells.iter().map(|cell| json::cell(*cell).into()).collect();
                let (note, by, below) = match row.note {
                    RowNote::Only { layer } => ("only", Some(layer), None),
                    RowNote::Hides { layer, below } => ("hides", Some(layer), Some(below)),
                    RowNote::Deletes { layer, below } => ("deletes", Some(layer), below),
                    RowNote::HiddenBeneath { layer } => ("gone_with_parent", Some(layer), None),
                    RowNote::Merged => ("merged", None, None),
                    RowNote::CutsOff { layer, below } => ("cuts_off", Some(layer), Some(below)),
                };
                Dynamic::from_map(map_of([
                    ("path", path_value(&row.path)),
                    ("kind", row.kind.word().into()),
                    ("entry", optional(row.entry.as_ref())),
                    ("cells", cells.into()),
                    ("note", note.into()),
                    ("by", index(by)),
                    ("below", index(below)),
                    ("folded", row.folded.map_or(Dynamic::UNIT, int)),
                ]))
            })
            .collect();
        let layers: Array = report
            .layers
            .iter()
            .zip(&report.matrix.layers)
            .map(|(label, effect)| {
                Dynamic::from_map(map_of([
                    ("name", label.name.clone().into()),
                    ("id", label.id.map_or(Dynamic::UNIT, |id| id.hex().into())),
                    ("message", label.message.clone().map_or(Dynamic::UNIT, Into::into)),
                    ("writable", label.writable.into()),
                    ("added", int(effect.added)),
                    ("changed", int(effect.changed)),
                    ("deleted", int(effect.deleted)),
                    ("size", int(effect.counts.bytes)),
                ]))
            })
            .collect();
        map_of([
            ("title", report.title.clone().into()),
            ("driver", report.driver.map_or(Dynamic::UNIT, |kind| kind.word().into())),
            ("mounted", report.mounted.into()),
            ("merged", host_path(report.merged.clone())),
            ("host_path", host_path(report.host_path.clone())),
            ("layers", layers.into()),
            ("rows", rows.into()),
            ("total", int(report.matrix.total)),
            ("left_out", int(report.matrix.left_out)),
        ])
    }
}

/// Registers the types: names, drawn forms, equality, properties.
pub(super) fn register(engine: &mut Engine, shell: &Shell) {
    macro_rules! drawn {
        ($($kind:ty as $name:literal),*) => {$(
            engine.register_type_with_name::<$kind>($name);
            let drawing = shell.clone();
            engine.register_fn("to_string", move |value: &mut $kind| {
                draw::inline(&Dynamic::from(value.clone()), &drawing.style())
            });
            engine.register_fn("to_debug", |value: &mut $kind| draw::debug(&Dynamic::from(value.clone())));
        )*};
    }
    drawn!(Layer as "Layer", Mount as "Mount", Image as "Image", Union as "Tree", Explanation as "Explanation", Change as "Change", Finding as "Finding",
        Generation as "Generation", Stat as "Stat", Doctor as "Doctor", Freed as "Freed", DiskUsage as "DiskUsage", Text as "Text", Entries as "Entries");
    fields::register(engine);
    engine.register_fn("==", |a: &mut Layer, b: Layer| *a == b);
    engine.register_fn("!=", |a: &mut Layer, b: Layer| *a != b);
    engine.register_fn("==", |a: &mut Mount, b: Mount| *a == b);
    engine.register_fn("!=", |a: &mut Mount, b: Mount| *a != b);
    engine.register_fn("==", |a: &mut Image, b: Image| *a == b);
    engine.register_fn("!=", |a: &mut Image, b: Image| *a != b);
    engine.register_iterator::<Entries>();
}
