//! Random traces: the same operations on each, the same answers, the same trees, the same upper.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use ufs::driver::{DriverKind, Mounted};
use ufs::model::{Changeset, LayerPath, Node, WhiteoutForm};
use ufs::overlay;
use ufs::sys::Errno;

use super::layers::{self, LayerSpec, lowers};
use super::ops::{Op, Outcome, Rights, Snapshot, an_op, apply, rights, snapshot};
use super::stage::{FRESH, Stage, takes_devices};

/// `UFS_TRACES` says how many traces; more take longer and find more.
pub(crate) fn runner(usual: u32) -> TestRunner {
    let cases = std::env::var("UFS_TRACES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    TestRunner::new(Config { cases, max_shrink_iters: 4000, failure_persistence: None, ..Config::default() })
}

pub(crate) fn traces(device: bool) -> impl Strategy<Value = (Vec<LayerSpec>, Vec<Op>)> {
    (lowers(device), prop::collection::vec(an_op(), 1..40))
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    left: &T,
    right: &T,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(left, right, "{}", what);
    Ok(())
}

/// The pure overlay rules over the scanned layers give what the files show.
fn rules_agree(stage: &Stage, name: &str, shown: &Snapshot) -> Result<(), TestCaseError> {
    let mut stack = stage.scan_lowers(name);
    stack.push(layers::scan(&stage.upper(name)));
    let stack: Vec<&Changeset> = stack.iter().collect();
    let (tree, _) = overlay::tree(&stack, &LayerPath::root(), usize::MAX);
    let by_rules: Vec<_> = tree
        .into_iter()
        .filter_map(|item| Some((item.path, item.entry?)))
        .map(|(path, entry)| {
            let node = match entry.node {
                Node::Dir { .. } => Node::Dir { opaque: false },
                other => other,
            };
            let meta = entry.meta;
            let xattrs = meta.xattrs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            (path.as_bytes().to_vec(), node, meta.mode, meta.uid, meta.gid, meta.mtime, xattrs)
        })
        .collect();
    let mut by_files: Vec<_> = shown
        .iter()
        .map(|(path, (seen, _, xattrs))| {
            let mtime = seen.mtime.unwrap_or_default();
            let path = LayerPath::parse(path).unwrap();
            (path, seen.node.clone(), seen.mode, seen.uid, seen.gid, mtime, xattrs.clone())
        })
        .collect();
    by_files.sort_by(|a, b| a.0.cmp(&b.0));
    let by_files: Vec<_> = by_files
        .into_iter()
        .map(|(path, b, c, d, e, f, g)| (path.as_bytes().to_vec(), b, c, d, e, f, g))
        .collect();
    same("the overlay rules and the files", &by_rules, &by_files)
}

/// Our union against the model, needing no privilege.
pub(crate) fn direct_against_model(parent: &Path, usual: u32) {
    let device = takes_devices(parent);
    let form = if device {
        prop_oneof![Just(WhiteoutForm::Device), Just(WhiteoutForm::Xattr)].boxed()
    } else {
        Just(WhiteoutForm::Xattr).boxed()
    };
    let check = |((layers, ops), form): ((Vec<LayerSpec>, Vec<Op>), WhiteoutForm)| {
        let mut stage = Stage::new(parent, &layers, false);
        stage.add_upper("direct");
        let mut direct = stage.mount(DriverKind::Direct, "direct", form);
        let mut model = stage.model();
        same("model and union at the start", &model.snapshot(), &snapshot(direct.files()))?;
        for op in &ops {
            let by_model = model.apply(op);
            if matches!(op, Op::Remount | Op::Seal) {
                drop(direct);
                if matches!(op, Op::Seal) {
                    stage.seal(&["direct"]);
                    model.set_root(0o755, FRESH);
                }
                direct = stage.mount(DriverKind::Direct, "direct", form);
                same(&format!("model and union after {op:?}"), &model.snapshot(), &snapshot(direct.files()))?;
                continue;
            }
            same(&format!("model and union at {op:?}"), &by_model, &apply(direct.files(), op))?;
        }
        let shown = snapshot(direct.files());
        same("model and union at the end", &model.snapshot(), &shown)?;
        rules_agree(&stage, "direct", &shown)?;
        drop(direct);
        let again = stage.mount(DriverKind::Direct, "direct", form);
        same("the union mounted again", &shown, &snapshot(again.files()))
    };
    if let Err(error) = runner(usual).run(&(traces(device), form), check) {
        panic!("{error}");
    }
}

/// Kernel, union in the process, union behind FUSE (where the machine has it) and model, on the same trace.
pub(crate) fn four_ways(parent: &Path, usual: u32, fuse: bool) {
    let check = |(layers, ops): (Vec<LayerSpec>, Vec<Op>)| all_ways(parent, &layers, &ops, fuse);
    if let Err(error) = runner(usual).run(&traces(true), check) {
        panic!("{error}");
    }
}

/// The operations whose answers the kernel's and ours can be told to agree in.
pub(crate) fn comparable<'o>(layers: &[LayerSpec], ops: &'o [Op]) -> Vec<&'o Op> {
    // the kernel counts whiteouts of the attribute form when it asks whether a directory is empty (`named`)
    let counts = layers.iter().any(|layer| layer.form == WhiteoutForm::Xattr);
    let asks = |op: &&Op| matches!(op, Op::Rmdir(_) | Op::Rename(..));
    ops.iter().filter(|op| !(counts && asks(op))).collect()
}

/// One driver's mount of the stack under an upper of its own.
struct Way {
    name: &'static str,
    mounted: Box<dyn Mounted>,
}

const KERNEL: (&str, DriverKind) = ("kernel", DriverKind::Overlay);
const DIRECT: (&str, DriverKind) = ("direct", DriverKind::Direct);
const FUSE: (&str, DriverKind) = ("fuse", DriverKind::Fuse);

fn mount(stage: &Stage, drivers: &[(&'static str, DriverKind)]) -> Vec<Way> {
    let way = |&(name, kind)| Way { name, mounted: stage.mount(kind, name, WhiteoutForm::Device) };
    drivers.iter().map(way).collect()
}

/// All show the same; what that is.
fn shown(when: &str, ways: &[Way]) -> Result<Snapshot, TestCaseError> {
    let first = snapshot(ways[0].mounted.files());
    for way in &ways[1..] {
        same(&format!("kernel and {} {when}", way.name), &first, &snapshot(way.mounted.files()))?;
    }
    Ok(first)
}

fn all_ways(parent: &Path, layers: &[LayerSpec], ops: &[Op], fuse: bool) -> Result<(), TestCaseError> {
    let drivers = if fuse { &[KERNEL, DIRECT, FUSE][..] } else { &[KERNEL, DIRECT] };
    let names: Vec<&str> = drivers.iter().map(|(name, _)| *name).collect();
    let ops = comparable(layers, ops);
    let mut stage = Stage::new(parent, layers, true);
    for name in &names {
        stage.add_upper(name);
    }
    let mut ways = mount(&stage, drivers);
    let mut model = stage.model();
    same("kernel and model at the start", &shown("at the start", &ways)?, &model.snapshot())?;
    for op in ops {
        let by_model = model.apply(op);
        if matches!(op, Op::Remount | Op::Seal) {
            drop(ways);
            uppers_agree(&stage, &names)?;
            if matches!(op, Op::Seal) {
                stage.seal(&names);
                model.set_root(0o755, FRESH);
            }
            ways = mount(&stage, drivers);
            let shown = shown(&format!("after {op:?}"), &ways)?;
            same(&format!("kernel and model after {op:?}"), &shown, &model.snapshot())?;
            continue;
        }
        let mut by_kernel = apply(ways[0].mounted.files(), op);
        // a rename from one name of a file to another, in a user namespace (`named::moving`)
        if rights() == Rights::Namespace && by_kernel == Outcome::Failed(Errno::STALE) {
            by_kernel = Outcome::Done;
        }
        for way in &ways[1..] {
            same(&format!("kernel and {} at {op:?}", way.name), &by_kernel, &apply(way.mounted.files(), op))?;
        }
        same(&format!("kernel and model at {op:?}"), &by_kernel, &by_model)?;
    }
    let shown = shown("at the end", &ways)?;
    same("kernel and model at the end", &shown, &model.snapshot())?;
    drop(ways);
    uppers_agree(&stage, &names)?;
    rules_agree(&stage, "direct", &shown)?;
    // each one's upper is mounted by the next
    for (index, (writer, _)) in drivers.iter().enumerate() {
        let (reader, kind) = drivers[(index + 1) % drivers.len()];
        let mounted = stage.mount(kind, writer, WhiteoutForm::Device);
        same(&format!("the upper of {writer} by {reader}"), &shown, &snapshot(mounted.files()))?;
    }
    Ok(())
}

fn uppers_agree(stage: &Stage, names: &[&str]) -> Result<(), TestCaseError> {
    let first = layers::scan(&stage.upper(names[0]));
    for name in &names[1..] {
        same(&format!("the kernel's upper and that of {name}"), &first, &layers::scan(&stage.upper(name)))?;
    }
    Ok(())
}
