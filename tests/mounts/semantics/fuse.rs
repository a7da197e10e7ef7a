//! The FUSE driver against the kernel: random traces, and open files, which traces do not keep.

use std::path::Path;

use ufs::driver::DriverKind;
use ufs::model::WhiteoutForm;
use ufs::sys::probe;

use super::layers::{self, LayerSpec};
use super::ops::{Op, apply, snapshot};
use super::stage::Stage;
use super::traces::{comparable, runner, same, traces};
use proptest::test_runner::TestCaseError;

/// Kernel and FUSE: the same answers, the same tree, the same upper.
pub(crate) fn kernel_and_fuse(parent: &Path, usual: u32) {
    if let Err(no) = probe::fuse_device() {
        crate::host::skip(&no.reason);
        return;
    }
    if let Err(error) = runner(usual).run(&traces(true), |(layers, ops)| two_ways(parent, &layers, &ops)) {
        panic!("{error}");
    }
}

fn two_ways(parent: &Path, layers: &[LayerSpec], ops: &[Op]) -> Result<(), TestCaseError> {
    let form = WhiteoutForm::Device;
    let ops = comparable(layers, ops);
    let mut stage = Stage::new(parent, layers, true);
    stage.add_upper("kernel");
    stage.add_upper("fuse");
    let mount = |stage: &Stage| {
        (stage.mount(DriverKind::Overlay, "kernel", form), stage.mount(DriverKind::Fuse, "fuse", form))
    };
    let (mut kernel, mut fuse) = mount(&stage);
    same("kernel and FUSE at the start", &snapshot(kernel.files()), &snapshot(fuse.files()))?;
    for op in ops {
        if matches!(op, Op::Remount | Op::Seal) {
            drop((kernel, fuse));
            same("the kernel's upper and FUSE's", &scan(&stage, "kernel"), &scan(&stage, "fuse"))?;
            if matches!(op, Op::Seal) {
                stage.seal(&["kernel", "fuse"]);
            }
            (kernel, fuse) = mount(&stage);
            same(
                &format!("kernel and FUSE after {op:?}"),
                &snapshot(kernel.files()),
                &snapshot(fuse.files()),
            )?;
            continue;
        }
        same(&format!("kernel and FUSE at {op:?}"), &apply(kernel.files(), op), &apply(fuse.files(), op))?;
    }
    let shown = snapshot(kernel.files());
    same("kernel and FUSE at the end", &shown, &snapshot(fuse.files()))?;
    drop((kernel, fuse));
    same("the kernel's upper and FUSE's", &scan(&stage, "kernel"), &scan(&stage, "fuse"))?;
    let by_fuse = stage.mount(DriverKind::Fuse, "kernel", form);
    same("the kernel's upper by FUSE", &shown, &snapshot(by_fuse.files()))?;
    let by_kernel = stage.mount(DriverKind::Overlay, "fuse", form);
    same("FUSE's upper by the kernel", &shown, &snapshot(by_kernel.files()))
}

fn scan(stage: &Stage, name: &str) -> ufs::model::Changeset {
    layers::scan(&stage.upper(name))
}
