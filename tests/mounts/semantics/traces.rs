//! Random traces: the same operations on each, the same answers, the same trees, the same upper.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use ufs::driver::{DriverKind, Files};
use ufs::model::{Changeset, LayerPath, Node, WhiteoutForm};
use ufs::overlay;

use super::layers::{self, LayerSpec, lowers};
use super::ops::{Op, Snapshot, an_op, apply, snapshot};
use super::stage::{Stage, takes_devices};

/// `UFS_TRACES` says how many traces; more take longer and find more.
fn runner(usual: u32) -> TestRunner {
    let cases = std::env::var("UFS_TRACES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    TestRunner::new(Config { cases, max_shrink_iters: 4000, failure_persistence: None, ..Config::default() })
}

fn traces(device: bool) -> impl Strategy<Value = (Vec<LayerSpec>, Vec<Op>)> {
    (lowers(device), prop::collection::vec(an_op(), 1..40))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, left: &T, right: &T) -> Result<(), TestCaseError> {
    prop_assert_eq!(left, right, "{}", what);
    Ok(())
}

/// The pure overlay rules over the scanned layers give what the files show.
fn rules_agree(stage: &Stage, upper: &Path, shown: &Snapshot) -> Result<(), TestCaseError> {
    let mut stack = stage.scan_lowers();
    stack.push(layers::scan(upper));
    let stack: Vec<&Changeset> = stack.iter().collect();
    let (tree, _) = overlay::tree(&stack, &LayerPath::root(), usize::MAX);
    let by_rules: Vec<_> = tree
        .into_iter()
        .map(|item| {
            let node = match item.entry.node {
                Node::Dir { .. } => Node::Dir { opaque: false },
                other => other,
            };
            let meta = item.entry.meta;
            let xattrs = meta.xattrs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            (item.path.as_bytes().to_vec(), node, meta.mode, meta.uid, meta.gid, meta.mtime, xattrs)
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
        let stage = Stage::new(parent, &layers, false);
        let upper = stage.add_upper("direct");
        let direct = stage.mount(DriverKind::Direct, "direct", form);
        let mut model = stage.model();
        same("model and union at the start", &model.snapshot(), &snapshot(direct.files()))?;
        for op in &ops {
            same(&format!("model and union at {op:?}"), &model.apply(op), &apply(direct.files(), op))?;
        }
        let shown = snapshot(direct.files());
        same("model and union at the end", &model.snapshot(), &shown)?;
        rules_agree(&stage, &upper, &shown)?;
        drop(direct);
        let again = stage.mount(DriverKind::Direct, "direct", form);
        same("the union mounted again", &shown, &snapshot(again.files()))
    };
    if let Err(error) = runner(usual).run(&(traces(device), form), check) {
        panic!("{error}");
    }
}

/// Kernel, union and model.
pub(crate) fn three_ways(parent: &Path, usual: u32) {
    if let Err(error) = runner(usual).run(&traces(true), |(layers, ops)| three_way(parent, &layers, &ops)) {
        panic!("{error}");
    }
}

fn three_way(parent: &Path, layers: &[LayerSpec], ops: &[Op]) -> Result<(), TestCaseError> {
    let form = WhiteoutForm::Device;
    // the kernel counts whiteouts of the attribute form when it asks whether a directory is empty (`named`)
    let counts = layers.iter().any(|layer| layer.form == WhiteoutForm::Xattr);
    let asks = |op: &&Op| matches!(op, Op::Rmdir(_) | Op::Rename(..));
    let ops: Vec<&Op> = ops.iter().filter(|op| !(counts && asks(op))).collect();
    let stage = Stage::new(parent, layers, true);
    let upper_kernel = stage.add_upper("kernel");
    let upper_direct = stage.add_upper("direct");
    let kernel = stage.mount(DriverKind::Overlay, "kernel", form);
    let direct = stage.mount(DriverKind::Direct, "direct", form);
    let mut model = stage.model();
    same("kernel and model at the start", &snapshot(kernel.files()), &model.snapshot())?;
    for op in ops {
        let by_kernel = apply(kernel.files(), op);
        same(&format!("kernel and union at {op:?}"), &by_kernel, &apply(direct.files(), op))?;
        same(&format!("kernel and model at {op:?}"), &by_kernel, &model.apply(op))?;
    }
    let shown = snapshot(kernel.files());
    same("kernel and union at the end", &shown, &snapshot(direct.files()))?;
    same("kernel and model at the end", &shown, &model.snapshot())?;
    let upper = layers::scan(&upper_kernel);
    same("the kernel's upper and the union's", &upper, &layers::scan(&upper_direct))?;
    rules_agree(&stage, &upper_direct, &shown)?;
    drop((kernel, direct));
    let swapped: [Box<dyn ufs::driver::Mounted>; 2] =
        [stage.mount(DriverKind::Direct, "kernel", form), stage.mount(DriverKind::Overlay, "direct", form)];
    let files = |index: usize| -> &dyn Files { swapped[index].files() };
    same("the kernel's upper in the union", &shown, &snapshot(files(0)))?;
    same("the union's upper in the kernel", &shown, &snapshot(files(1)))
}
