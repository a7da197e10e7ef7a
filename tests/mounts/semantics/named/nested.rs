//! Whiteouts without devices, and a store that lies on an overlay itself, as in a container.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ufs::driver::DriverKind;
use ufs::model::WhiteoutForm;
use ufs::store::{Opening, Store};
use ufs::sys::namespace::State;
use ufs::sys::{Dir, Errno, mount};
use ufs::workspace::{MountOptions, Options, Quiet, StackItem, StorePlace, Workspace};

use super::super::case::{Case, summary};
use super::super::ops::{self, snapshot};
use super::super::stage::Stage;
use super::super::{layers, traces};
use super::with_mounts;

#[test]
fn a_whiteout_by_attribute_hides_as_one_by_device_does() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[
                &|l| {
                    l.file("d/f", "1");
                    l.file("d/g", "1");
                    l.file("e/in/f", "1");
                },
                &|l| {
                    l.xattr_whiteout("d/f");
                    l.xattr_whiteout("e/in");
                },
            ],
        );
        assert_eq!(case.same(|h| h.list("d")).unwrap(), ["g"]);
        assert_eq!(case.same(|h| h.stat("d/f")), Err(Errno::NOENT));
        assert_eq!(case.same(|h| h.stat("e/in")), Err(Errno::NOENT));
        assert_eq!(case.same(|h| h.list("e")), Ok(vec![]));
        assert_eq!(case.same(|h| (h.write("d/f", "2"), h.mkdir("e/in"))), (Ok(()), Ok(())));
        assert_eq!(case.same(|h| h.list("e/in")), Ok(vec![]));
        assert_eq!(case.same(|h| h.unlink("d/f")), Ok(()));
        assert_eq!(case.end(), ["d dir", "e dir", "e/in dir"]);
    });
}

#[test]
fn the_attribute_is_no_whiteout_on_a_file_with_content() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| ["a", "b"].iter().for_each(|name| l.file(format!("d/{name}"), "1")), &|l| {
                l.xattr_whiteout("d/other");
                l.file("d/a", "content");
                l.raw_xattr("d/a", "user.overlay.whiteout", "");
            }],
        );
        assert_eq!(case.same(|h| h.read("d/a")), Ok("content".to_owned()));
        assert_eq!(case.same(|h| h.list("d")).unwrap(), ["a", "b"]);
        case.end();
    });
}

#[test]
fn outside_of_a_marked_directory_the_attribute_hides_from_lookups_and_not_from_listings() {
    with_mounts(|scratch| {
        let case = Case::new(
            scratch,
            &[&|l| l.file("d/f", "1"), &|l| {
                l.file("d/f", "");
                l.raw_xattr("d/f", "user.overlay.whiteout", "");
            }],
        );
        assert_eq!(case.same(|h| h.stat("d/f")), Err(Errno::NOENT));
        assert_eq!(case.same(|h| h.list("d")).unwrap(), ["f"]);
        assert_eq!(case.same(|h| h.write("d/f", "2")), Ok(()));
        assert_eq!(case.same(|h| h.unlink("d/f")), Ok(()));
    });
}

#[test]
fn the_kernel_counts_whiteouts_by_attribute_when_a_directory_is_to_be_removed() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.file("d/f", "1"), &|l| l.xattr_whiteout("d/f")]);
        assert_eq!(case.same(|h| h.list("d")), Ok(vec![]));
        // it lists nothing in it, and calls it not empty all the same; we remove it
        assert_eq!(case.each(|h| h.rmdir("d")), (Err(Errno::NOTEMPTY), Ok(())));
    });
}

#[test]
fn a_whiteout_by_attribute_in_the_lowest_part_is_listed_by_the_kernel() {
    with_mounts(|scratch| {
        let case = Case::new(scratch, &[&|l| l.xattr_whiteout("d/f")]);
        assert_eq!(case.each(|h| h.list("d").unwrap()), (vec!["f".to_owned()], vec![]));
    });
}

/// An overlay mount at `scratch/outer`, as a container's root is one.
fn outer(scratch: &Path) -> PathBuf {
    let make = |name: &str| {
        let path = scratch.join(name);
        std::fs::create_dir(&path).unwrap();
        Dir::open(&path).unwrap()
    };
    let (lower, upper, work, target) = (make("lower"), make("upper"), make("work"), make("outer"));
    let what = mount::Overlay {
        lowers: &[lower.as_fd()],
        upper: Some((upper.as_fd(), work.as_fd())),
        read_only: false,
        volatile: false,
        exclusive: false,
    };
    mount::overlay(&what).unwrap().attach(&target, mount::Place::Top).unwrap();
    scratch.join("outer")
}

#[test]
fn a_store_on_an_overlay_finds_out_that_whiteouts_need_attributes() {
    with_mounts(|scratch| {
        let outer = outer(scratch);
        let how = || Opening { create: true, ..Opening::default() };
        let store = Store::open(&outer.join("store"), how()).unwrap();
        assert_eq!(store.whiteout_form(), WhiteoutForm::Xattr);
        let store = Store::open(&scratch.join("store"), how()).unwrap();
        assert_eq!(store.whiteout_form(), WhiteoutForm::Device);
    });
}

#[test]
fn random_traces_on_an_overlay_give_what_the_model_gives() {
    with_mounts(|scratch| traces::direct_against_model(&outer(scratch), 50));
}

#[test]
fn layers_made_on_an_overlay_are_read_by_the_kernel() {
    with_mounts(|scratch| {
        let outer = outer(scratch);
        let options = Options {
            store: StorePlace::Dir(outer.join("store")),
            sync: true,
            driver: None,
            keep: false,
            epoch: None,
            namespace: State::Root,
            sandbox: None,
        };
        let workspace = Workspace::open(options, Rc::new(Quiet)).unwrap();
        let base = workspace.layer("base").unwrap();
        for path in ["keep", "gone", "dir/a", "dir/b", "emptied/a", "remade/old", "moved"] {
            base.write(path.as_bytes(), b"base").unwrap();
        }
        let stack = workspace.stack(&[StackItem::Layer(base)]).unwrap();
        let mount = workspace.mount(None, &stack, &MountOptions::default()).unwrap();
        assert_ne!(mount.driver().unwrap(), DriverKind::Overlay);
        for path in ["gone", "dir/a", "emptied/a", "remade/old"] {
            mount.rm(path.as_bytes()).unwrap();
        }
        mount.rm_all(b"remade").unwrap();
        mount.mkdir(b"remade").unwrap();
        mount.write(b"remade/new", b"upper").unwrap();
        mount.mv(b"moved", b"dir/moved").unwrap();
        let first = workspace.commit(&mount, Some("first"), None).unwrap();
        mount.write(b"gone", b"again").unwrap();
        mount.rm(b"dir/b").unwrap();
        workspace.commit(&mount, Some("second"), None).unwrap();
        assert_eq!(
            summary(&first.changes().unwrap()),
            [
                "dir dir",
                "dir/a whiteout",
                "dir/moved file",
                "emptied dir",
                "emptied/a whiteout",
                "gone whiteout",
                "moved whiteout",
                "remade opaque dir",
                "remade/new file",
            ]
        );

        let lowers: Vec<PathBuf> =
            mount.stack().unwrap().layers().iter().map(|layer| layer.path().unwrap()).collect();
        assert_eq!(lowers.len(), 3);
        let stage = Stage::over(scratch, &lowers);
        stage.add_target("kernel");
        let by_union = stage.mount(DriverKind::Direct, "kernel", WhiteoutForm::Xattr);
        let by_kernel = stage.mount(DriverKind::Overlay, "kernel", WhiteoutForm::Xattr);
        let shown = snapshot(by_kernel.files());
        assert_eq!(shown, snapshot(by_union.files()));
        let names: Vec<String> = shown.keys().map(|path| path.escape_ascii().to_string()).collect();
        assert_eq!(names, ["", "dir", "dir/moved", "emptied", "gone", "keep", "remade", "remade/new"]);
        drop((by_union, by_kernel));

        // and beneath an upper elsewhere, as the kernel writes it
        stage.add_upper("over");
        let over = stage.mount(DriverKind::Overlay, "over", WhiteoutForm::Device);
        over.files().mkdir(&ops::path("emptied/a"), ufs::model::Mode::new(0o755)).unwrap();
        assert!(over.files().read_dir(&ops::path("emptied/a")).unwrap().is_empty());
        drop(over);
        assert_eq!(summary(&layers::scan(&stage.upper("over"))), ["emptied dir", "emptied/a dir"]);
        workspace.close();
    });
}
