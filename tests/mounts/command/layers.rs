//! What layers that others wrote mean, and where they may lie.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::{CWD, FileType, Mode as RawMode};
use ufs::sys::{process, xattr};

use super::stack::{Ran, Stack, WRITABLE, on_stack, with_stack};

fn mark(path: &Path, name: &str, value: &str) {
    xattr::set(fs::File::open(path).unwrap(), name.as_bytes(), value.as_bytes()).unwrap();
}

fn marked(path: &Path, name: &str) -> bool {
    xattr::get(fs::File::open(path).unwrap(), name.as_bytes()).is_ok()
}

fn listed(stack: &Stack, name: &str) -> Vec<String> {
    let entries = fs::read_dir(stack.at(name)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_marks_that_count_are_those_that_the_kernels_overlay_would_take() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            fs::create_dir(stack.at("top/d")).unwrap();
            mark(&stack.at("top/d"), "user.overlay.opaque", "y");
            let shows = |options: &str| {
                stack.mount(format!("lowerdir=top:base{options}")).ok();
                let shows = stack.at("merged/d/deep").exists();
                stack.umount();
                shows
            };
            assert!(!shows(",userxattr") && !shows(",xattrs=user"));
            let trusted = process::reaches_trusted();
            assert_eq!(shows(""), trusted, "root of the machine has marks of its own");
            if !trusted {
                return;
            }
            mark(&stack.at("top/d"), "trusted.overlay.opaque", "y");
            assert!(!shows("") && !shows(",xattrs=trusted"));
        });
    });
}

#[test]
fn what_another_kernel_overlay_moved_or_copied_in_part_is_refused() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            fs::create_dir(stack.at("top/moved")).unwrap();
            fs::write(stack.at("base/partly"), "content").unwrap();
            // its size, and nothing else of its content
            fs::File::create(stack.at("top/partly")).unwrap().set_len(7).unwrap();
            fs::write(stack.at("top/inside"), "shown").unwrap();
            let prefixes: &[&str] = if process::reaches_trusted() { &["user", "trusted"] } else { &["user"] };
            for prefix in prefixes {
                mark(&stack.at("top/moved"), &format!("{prefix}.overlay.redirect"), "/d");
                mark(&stack.at("top/partly"), &format!("{prefix}.overlay.metacopy"), "");
                let options =
                    if *prefix == "user" { format!("{WRITABLE},userxattr") } else { WRITABLE.to_owned() };
                let seen = || {
                    let error = |name| fs::metadata(stack.at(name)).map(drop).map_err(|e| e.raw_os_error());
                    (error("merged/moved"), error("merged/partly"), stack.read("merged/inside"))
                };
                stack.mount_by_the_kernel(&options).ok();
                let kernel = seen();
                stack.umount();
                stack.mount(&options).ok();
                let ours = seen();
                stack.umount();
                let refused = Err(Some(libc::EPERM));
                assert_eq!(ours, (refused, refused, "shown".to_owned()), "{prefix}");
                assert_eq!((&kernel.1, &kernel.2), (&ours.1, &ours.2), "{prefix}");
                // root of the machine may have told the kernel to follow redirects (`redirect_always_follow`)
                assert!(kernel.0 == refused || *prefix == "trusted" && kernel.0.is_ok(), "{kernel:?}");
            }
        });
    });
}

#[test]
fn what_is_written_with_either_marks_is_read_by_the_kernels_overlay() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let trusted = process::reaches_trusted();
            for (options, name, kernel) in [("", "trusted", ""), (",userxattr", "user", "userxattr,")]
                .into_iter()
                .skip(usize::from(!trusted))
            {
                stack.mount(format!("{WRITABLE}{options}")).ok();
                fs::remove_dir_all(stack.at("merged/d")).unwrap();
                fs::create_dir(stack.at("merged/d")).unwrap();
                fs::write(stack.at("merged/d/new"), "1").unwrap();
                fs::remove_file(stack.at("merged/file")).unwrap();
                mark(&stack.at("merged/d"), "user.overlay.mine", "kept");
                assert!(marked(&stack.at("merged/d"), "user.overlay.mine"));
                assert!(!marked(&stack.at("merged/d"), &format!("{name}.overlay.opaque")));
                stack.umount();
                assert!(marked(&stack.at("upper/d"), &format!("{name}.overlay.opaque")));
                assert_eq!(marked(&stack.at("upper/d"), "user.overlay.mine"), name == "trusted");
                let at = |name: &str| stack.at(name).display().to_string();
                let layers = format!("{kernel}lowerdir={}:{}:{}", at("upper"), at("top"), at("base"));
                mount(Some("o"), &stack.at("merged"), Some("overlay"), MsFlags::empty(), Some(&*layers))
                    .unwrap();
                assert_eq!(listed(&stack, "merged"), ["d"]);
                assert_eq!(listed(&stack, "merged/d"), ["new"]);
                assert!(marked(&stack.at("merged/d"), "user.overlay.mine"));
                umount2(&stack.at("merged"), MntFlags::empty()).unwrap();
                let clear: Ran = Command::new("sh")
                    .current_dir(&stack.dir)
                    .args(["-c", "rm -r upper/*"])
                    .output()
                    .unwrap()
                    .into();
                clear.ok();
            }
        });
    });
}

#[test]
fn whiteouts_by_name_count_only_where_they_are_asked_for() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            for (name, text) in
                [("base/gone", "1"), ("base/d/e", "1"), ("top/.wh.gone", ""), ("top/.wh.nothing", "")]
            {
                fs::write(stack.at(name), text).unwrap();
            }
            fs::create_dir_all(stack.at("top/d")).unwrap();
            fs::write(stack.at("top/d/.wh..wh..opq"), "").unwrap();
            fs::write(stack.at("top/d/mine"), "").unwrap();
            stack.mount(WRITABLE).ok();
            assert_eq!(listed(&stack, "merged"), [".wh.gone", ".wh.nothing", "d", "file", "gone"]);
            assert_eq!(listed(&stack, "merged/d"), [".wh..wh..opq", "deep", "e", "mine"]);
            stack.umount();

            stack.mount(format!("{WRITABLE},whiteouts=wh")).ok();
            assert_eq!(listed(&stack, "merged"), ["d", "file"]);
            assert_eq!(listed(&stack, "merged/d"), ["mine"]);
            assert_eq!(
                fs::metadata(stack.at("merged/.wh.gone")).unwrap_err().kind(),
                io::ErrorKind::NotFound
            );
            assert_eq!(
                fs::write(stack.at("merged/.wh.x"), "").unwrap_err().kind(),
                io::ErrorKind::PermissionDenied
            );
            assert_eq!(
                fs::rename(stack.at("merged/file"), stack.at("merged/.wh.x")).unwrap_err().kind(),
                io::ErrorKind::PermissionDenied
            );
            // a name that was hidden is free
            fs::write(stack.at("merged/gone"), "again").unwrap();
            assert_eq!(stack.read("merged/gone"), "again");
            fs::remove_file(stack.at("merged/gone")).unwrap();
            fs::create_dir(stack.at("merged/gone")).unwrap();
            fs::remove_dir(stack.at("merged/gone")).unwrap();
            fs::remove_dir_all(stack.at("merged/d")).unwrap();
            assert_eq!(listed(&stack, "merged"), ["file"]);
            stack.umount();
        });
    });
}

#[test]
fn an_upper_with_whiteouts_by_name_goes_on_hiding() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            fs::create_dir_all(stack.at("base/gone/inner")).unwrap();
            fs::write(stack.at("upper/.wh.gone"), "").unwrap();
            fs::write(stack.at("upper/.wh.file"), "").unwrap();
            stack.mount(format!("{WRITABLE},whiteouts=wh")).ok();
            assert_eq!(listed(&stack, "merged"), ["d"]);
            fs::create_dir(stack.at("merged/gone")).unwrap();
            assert!(listed(&stack, "merged/gone").is_empty());
            fs::write(stack.at("merged/file"), "mine").unwrap();
            stack.umount();
            stack.mount(format!("{WRITABLE},whiteouts=wh")).ok();
            assert!(listed(&stack, "merged/gone").is_empty());
            assert_eq!(stack.read("merged/file"), "mine");
            stack.umount();
        });
    });
}

#[test]
fn a_mount_point_in_a_layer_never_leads_the_server_into_its_own_mount() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            fs::create_dir(stack.at("base/point")).unwrap();
            let words = ["mount", "-o", "lowerdir=base", "base/point"];
            stack.run(&words).ok();
            assert_eq!(stack.read("base/point/d/deep"), "deep");
            assert!(listed(&stack, "base/point/point").is_empty());
            umount2(&stack.at("base/point"), MntFlags::empty()).unwrap();
            // on a layer itself
            stack.run(&["mount", "-o", "lowerdir=top:base", "base"]).ok();
            assert_eq!(stack.read("base/file"), "top");
            umount2(&stack.at("base"), MntFlags::empty()).unwrap();
            fs::create_dir(stack.at("upper/point")).unwrap();
            stack.run(&["mount", "-o", WRITABLE, "upper/point"]).refused(1, &["lies inside"]);
        });
    });
}

#[test]
fn what_is_mounted_in_a_layer_is_not_part_of_it() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let point = stack.at("base/d");
            mount(Some("other"), &point, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
            fs::write(point.join("other"), "").unwrap();
            stack.mount("lowerdir=base").ok();
            assert_eq!(listed(&stack, "merged/d"), ["deep"]);
            stack.umount();
            umount2(&point, MntFlags::empty()).unwrap();
        });
    });
}

#[test]
fn syncs_may_be_left_out() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            for options in ["volatile", "fsync=0", "fsync=volatile", "fsync=auto"] {
                stack.mount(format!("{WRITABLE},{options}")).ok();
                let file = fs::File::create(stack.at("merged/new")).unwrap();
                file.sync_all().unwrap();
                fs::File::open(stack.at("merged/d")).unwrap().sync_all().unwrap();
                drop(file);
                stack.umount();
                let mark = stack.at("work/work/incompat/volatile");
                assert_eq!(mark.exists(), options != "fsync=auto", "{options}");
                if mark.exists() {
                    // neither takes what may be damaged for whole, whoever wrote it
                    for again in ["volatile", "fsync=auto"] {
                        stack
                            .mount(format!("{WRITABLE},{again}"))
                            .refused(1, &["without syncs", "incompat/volatile"]);
                    }
                    stack.mount_by_the_kernel(WRITABLE).refused(32, &[]);
                    fs::remove_dir_all(mark).unwrap();
                }
            }
            // the kernel's mark, of an upper that it wrote
            stack.mount_by_the_kernel(&format!("{WRITABLE},volatile")).ok();
            stack.umount();
            stack.mount(WRITABLE).refused(1, &["without syncs"]);
        });
    });
}

#[test]
fn an_upper_that_keeps_no_attributes_takes_copies_without_them() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            mark(&stack.at("base/d/deep"), "user.note", "1");
            mark(&stack.at("base/d"), "user.note", "1");
            let bare = stack.at("bare");
            fs::create_dir(&bare).unwrap();
            mount(Some("ramfs"), &bare, Some("ramfs"), MsFlags::empty(), None::<&str>).unwrap();
            for name in ["bare/up", "bare/work"] {
                fs::create_dir(stack.at(name)).unwrap();
            }
            let options = "lowerdir=top:base,upperdir=bare/up,workdir=bare/work";
            // the kernel's overlay, then ours, each on the other's upper
            for kernel in [true, false] {
                let name = if kernel { "kernel" } else { "ours" };
                if kernel {
                    stack.mount_by_the_kernel(options).ok();
                } else {
                    stack.mount(options).ok();
                }
                fs::write(stack.at("merged/d/deep"), name).unwrap();
                fs::write(stack.at("merged/new"), name).unwrap();
                fs::create_dir(stack.at(format!("merged/d/{name}"))).unwrap();
                fs::rename(stack.at("merged/new"), stack.at("merged/moved")).unwrap();
                assert!(!marked(&stack.at("merged/d/deep"), "user.note"), "{name}");
                stack.umount();
                assert_eq!(stack.read("bare/up/d/deep"), name);
                fs::remove_file(stack.at("bare/up/d/deep")).unwrap();
            }
            umount2(&bare, MntFlags::empty()).unwrap();
        });
    });
}

#[test]
fn numbers_of_copies_stay_whatever_their_type() {
    on_stack(|scratch| {
        if !process::reaches_trusted() {
            // no file but regular ones and directories takes a mark of a user's
            return;
        }
        with_stack(scratch, |stack| {
            let (below, names) = (stack.at("base"), ["link", "fifo", "null", "file"]);
            std::os::unix::fs::symlink("nowhere", below.join("link")).unwrap();
            fs::write(below.join("file"), "1").unwrap();
            for (name, kind) in [("fifo", FileType::Fifo), ("null", FileType::CharacterDevice)] {
                rustix::fs::mknodat(CWD, below.join(name), kind, RawMode::RUSR, 0x103).unwrap();
            }
            let numbers = || {
                let listed: BTreeMap<_, _> = fs::read_dir(stack.at("merged"))
                    .unwrap()
                    .map(|item| item.unwrap())
                    .map(|item| (item.file_name(), item.ino()))
                    .collect();
                names.map(|name| {
                    let number = fs::symlink_metadata(stack.at("merged").join(name)).unwrap().ino();
                    assert_eq!(listed[OsStr::new(name)], number, "{name}");
                    number
                })
            };
            stack.mount(WRITABLE).ok();
            let before = numbers();
            for name in names {
                std::os::unix::fs::lchown(stack.at("merged").join(name), Some(7), None).unwrap();
            }
            assert_eq!(numbers(), before, "right after the copy-up");
            stack.umount();
            stack.mount(WRITABLE).ok();
            assert_eq!(numbers(), before, "mounted again");
            fs::rename(stack.at("merged/link"), stack.at("merged/d/link")).unwrap();
            fs::rename(stack.at("merged/d/link"), stack.at("merged/link")).unwrap();
            assert_eq!(numbers(), before, "moved there and back");
            stack.umount();
            // the kernel finds them by the same marks
            stack.mount_by_the_kernel(WRITABLE).ok();
            assert_eq!(numbers(), before, "mounted by the kernel");
            stack.umount();
        });
    });
}
