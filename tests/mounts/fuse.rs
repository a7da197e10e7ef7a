//! What the FUSE driver does that no single operation shows: open files, lasting numbers, its beginning and its end.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ufs::driver::{DriverKind, MountError, Mounted};
use ufs::model::{LayerPath, WhiteoutForm};
use ufs::sys::dir::stat_fd;
use ufs::sys::{Dir, Errno, mountinfo, probe, xattr};

use crate::host::{skip, with_mounts};
use crate::semantics::layers::{LayerSpec, Made};
use crate::semantics::stage::Stage;

/// Two layers: `a` in the lower one; `d/f`, two names of one file, in the upper one.
fn layers() -> Vec<LayerSpec> {
    let file = |content: &[u8]| Made::File { content: content.to_vec(), mode: 0o644 };
    let dir = Made::Dir { opaque: false, mode: 0o755 };
    let layer = |entries| LayerSpec { form: WhiteoutForm::Device, entries };
    vec![
        layer(vec![("a", file(b"lower a")), ("b", file(b"lower b"))]),
        layer(vec![("c", dir), ("c/a", file(b"twice")), ("c/b", Made::Link("c/a"))]),
    ]
}

/// Runs a test on a stack that FUSE mounts.
fn with_stack(scratch: &Path, test: impl FnOnce(&mut Stage, Box<dyn Mounted>)) {
    if let Err(no) = probe::fuse_device() {
        return skip(&no.reason);
    }
    let mut stage = Stage::new(scratch, &layers(), true);
    stage.add_upper("u");
    let mounted = stage.mount(DriverKind::Fuse, "u", WhiteoutForm::Device);
    test(&mut stage, mounted);
}

fn writer(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

#[test]
fn a_file_that_was_cached_shows_what_is_written_past_the_cache() {
    with_mounts(|scratch| {
        with_stack(scratch, |stage, _mounted| {
            let path = stage.target("u").join("a");
            // small and in a lower layer: in the cache
            assert_eq!(fs::read(&path).unwrap(), b"lower a");
            // copied up, and where the kernel may, written by it alone
            writer(&path).write_all_at(b"UPPER", 0).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"UPPER a");
            // a write must take the mark away, so it goes through the cache
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
            let marked = writer(&path);
            marked.write_all_at(b"!", 6).unwrap();
            let mut all = [0; 7];
            marked.read_exact_at(&mut all, 0).unwrap();
            assert_eq!(&all, b"UPPER !");
            // an open that was there before a copy-up goes on with the copy
            let path = stage.target("u").join("b");
            let early = File::open(&path).unwrap();
            writer(&path).write_all_at(b"UPPER", 0).unwrap();
            early.read_exact_at(&mut all, 0).unwrap();
            assert_eq!(&all, b"UPPER b");
        });
    });
}

#[test]
fn a_name_of_a_lower_file_counts_its_links_alone_once_it_is_opened_for_writing() {
    with_mounts(|scratch| {
        with_stack(scratch, |stage, _mounted| {
            let path = stage.target("u").join("c/a");
            assert_eq!(fs::metadata(&path).unwrap().nlink(), 2);
            drop(writer(&path));
            assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
        });
    });
}

#[test]
fn files_without_a_name_go_on() {
    with_mounts(|scratch| {
        with_stack(scratch, |stage, _mounted| {
            let merged = stage.target("u");
            let at = |name: &str| merged.join(name);
            let mut gone = writer(&at("gone"));
            gone.write_all(b"data").unwrap();
            fs::remove_file(at("gone")).unwrap();
            assert_eq!((gone.metadata().unwrap().nlink(), gone.metadata().unwrap().size()), (0, 4));
            gone.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            gone.set_len(2).unwrap();
            assert_eq!(gone.metadata().unwrap().mode() & 0o777, 0o600);
            let mut two = [0; 2];
            gone.read_exact_at(&mut two, 0).unwrap();
            assert_eq!(&two, b"da");

            // renamed over, while both are open
            fs::write(at("x"), "x").unwrap();
            fs::write(at("y"), "y").unwrap();
            let (mut x, mut y) = (File::open(at("x")).unwrap(), File::open(at("y")).unwrap());
            fs::rename(at("x"), at("y")).unwrap();
            let mut text = String::new();
            y.read_to_string(&mut text).unwrap();
            x.read_to_string(&mut text).unwrap();
            assert_eq!((&*text, y.metadata().unwrap().nlink()), ("yx", 0));

            // a lower layer's file, too
            let mut lower = File::open(at("a")).unwrap();
            fs::remove_file(at("a")).unwrap();
            fs::write(at("a"), "another").unwrap();
            text.clear();
            lower.read_to_string(&mut text).unwrap();
            assert_eq!(text, "lower a");
            // which never changes
            lower.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap_err();
            xattr::set(&lower, b"user.x", b"1").unwrap_err();
            let kept = fs::metadata(stage.lower(0).join("a")).unwrap();
            assert_eq!(kept.mode() & 0o777, 0o644);
            assert!(xattr::list(File::open(stage.lower(0).join("a")).unwrap()).unwrap().is_empty());

            let dir = Dir::open(&at("c")).unwrap();
            fs::remove_dir_all(at("c")).unwrap();
            assert_eq!(stat_fd(&dir).unwrap().nlink, 0);
            assert_eq!(dir.mkdir(b"in", ufs::model::Mode::new(0o755)).unwrap_err(), Errno::NOENT);
        });
    });
}

#[test]
fn numbers_stay_across_copy_up_and_listings_agree() {
    with_mounts(|scratch| {
        with_stack(scratch, |stage, _mounted| {
            let merged = stage.target("u");
            let number = |name: &str| fs::symlink_metadata(merged.join(name)).unwrap().ino();
            let before = [number("a"), number("c"), number("b")];
            writer(&merged.join("a")).write_all(b"x").unwrap();
            fs::write(merged.join("c/new"), "1").unwrap();
            assert_eq!([number("a"), number("c"), number("b")], before);
            fs::hard_link(merged.join("a"), merged.join("c/link")).unwrap();
            assert_eq!((number("c/link"), fs::metadata(merged.join("a")).unwrap().nlink()), (before[0], 2));
            // two names of one lower file have one number until one of them is copied up
            assert_eq!(number("c/a"), number("c/b"));
            fs::write(merged.join("c/a"), "once").unwrap();
            assert_ne!(number("c/a"), number("c/b"));
            assert_eq!(fs::read(merged.join("c/b")).unwrap(), b"twice");
            for item in Dir::open(&merged).unwrap().items().unwrap() {
                assert_eq!(item.ino, number(std::str::from_utf8(&item.name).unwrap()));
            }
        });
    });
}

#[test]
fn copies_keep_their_numbers_whichever_driver_mounts_them_next() {
    with_mounts(|scratch| {
        if let Err(no) = probe::fuse_device() {
            return skip(&no.reason);
        }
        for first in [DriverKind::Fuse, DriverKind::Overlay] {
            for next in [DriverKind::Fuse, DriverKind::Overlay] {
                let stage = Stage::new(scratch, &layers(), true);
                stage.add_upper("u");
                let merged = stage.target("u");
                let number = |name: &str| fs::symlink_metadata(merged.join(name)).unwrap().ino();
                let mounted = stage.mount(first, "u", WhiteoutForm::Device);
                let before = ["a", "b", "c", "c/b"].map(number);
                for name in ["a", "b", "c/b"] {
                    OpenOptions::new().append(true).open(merged.join(name)).unwrap().write_all(b"x").unwrap();
                }
                fs::rename(merged.join("b"), merged.join("c/moved")).unwrap();
                fs::create_dir(merged.join("new")).unwrap();
                fs::hard_link(merged.join("a"), merged.join("new/link")).unwrap();
                let names = ["a", "c/moved", "c"];
                let kept = [before[0], before[1], before[2]];
                assert_eq!(names.map(number), kept, "{first:?}");
                drop(mounted);
                let mounted = stage.mount(next, "u", WhiteoutForm::Device);
                if super::semantics::rights() == super::semantics::Rights::Root {
                    assert_eq!(names.map(number), kept, "{first:?}, then {next:?}");
                    assert_eq!(number("new/link"), before[0], "{first:?}, then {next:?}");
                } else {
                    // in a user namespace the kernel keeps only those of directories, and so do we
                    assert_eq!(number("c"), before[2]);
                }
                // one of two names of a lower file: a file of its own since it was copied up
                assert_ne!(number("c/b"), before[3]);
                for dir in ["", "c", "new"] {
                    // the other name of that lower file: its number is only in listings without attributes (`driver/fuse`)
                    let items = Dir::open(&merged.join(dir)).unwrap().items().unwrap();
                    for item in items.into_iter().filter(|item| (dir, &*item.name) != ("c", b"a")) {
                        let path = Path::new(dir).join(std::str::from_utf8(&item.name).unwrap());
                        assert_eq!(
                            item.ino,
                            number(path.to_str().unwrap()),
                            "{first:?}, then {next:?}: {path:?}"
                        );
                    }
                }
                drop(mounted);
            }
        }
    });
}

#[test]
fn what_is_mounted_inside_is_listed_as_everybody_sees_it() {
    with_mounts(|scratch| {
        with_stack(scratch, |stage, mounted| {
            let top = stage.target("u");
            let listed = |dir: &str| {
                let dir = LayerPath::parse(dir.as_bytes()).unwrap();
                let mut names = mounted.files().read_dir(&dir).unwrap();
                names.sort_by(|a, b| a.name.cmp(&b.name));
                names
                    .into_iter()
                    .map(|item| String::from_utf8_lossy(&item.name).into_owned())
                    .collect::<Vec<_>>()
            };
            fs::remove_file(top.join("b")).unwrap();
            fs::write(top.join("new"), "").unwrap();
            std::os::unix::fs::symlink("/c", top.join("l")).unwrap();
            assert_eq!(listed(""), ["a", "c", "l", "new"]);
            assert_eq!(listed("l"), ["a", "b"]);
            fs::create_dir(top.join("m")).unwrap();
            let inner = top.join("m");
            let mount = |command: &mut Command| assert!(command.arg(&inner).status().unwrap().success());
            mount(Command::new("mount").args(["-t", "tmpfs", "tmpfs"]));
            fs::write(inner.join("inside"), "").unwrap();
            assert_eq!(listed("m"), ["inside"]);
            let beneath = mounted.files().beneath(&LayerPath::parse(b"m").unwrap()).unwrap();
            assert_eq!(beneath.read_dir(&LayerPath::root()).unwrap().len(), 1);
            drop(beneath);
            mount(&mut Command::new("umount"));
            // the same file system, and yet another place of it
            mount(Command::new("mount").arg("--bind").arg(top.join("c")));
            assert_eq!(listed("m"), ["a", "b"]);
            mount(&mut Command::new("umount"));
            assert_eq!(listed("m"), [""; 0]);
        });
    });
}

#[test]
fn a_file_tells_which_layer_supplies_it() {
    with_mounts(|scratch| {
        with_stack(scratch, |stage, _mounted| {
            let dir = Dir::open(&stage.target("u")).unwrap();
            let origin = |name: &[u8]| xattr::get_at(&dir, name, b"user.ufs.origin").unwrap();
            let told = |layer: &str, place: &Path| format!("{layer} {}", place.display()).into_bytes();
            assert_eq!(origin(b"a"), told("0", &stage.lower(0)));
            assert_eq!(origin(b"c"), told("1", &stage.lower(1)));
            writer(&stage.target("u").join("a"));
            assert_eq!(origin(b"a"), told("upper", &stage.upper("u")));
            assert!(xattr::list_at(&dir, b"a").unwrap().is_empty());
        });
    });
}

#[test]
fn a_freeze_names_who_writes_and_then_nobody_can() {
    with_mounts(|scratch| {
        with_stack(scratch, |stage, mut mounted| {
            let merged = stage.target("u");
            let file = writer(&merged.join("new"));
            match mounted.freeze() {
                Err(MountError::Busy { users, .. }) => {
                    assert!(users.iter().any(|user| user.pid == std::process::id()));
                }
                other => panic!("{other:?}"),
            }
            drop(file);
            mounted.freeze().unwrap();
            let refused = fs::write(merged.join("late"), "1").unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(Errno::ROFS.raw_os_error()));
            mounted.thaw().unwrap();
            fs::write(merged.join("late"), "1").unwrap();
        });
    });
}

#[test]
fn who_reads_a_file_while_the_mount_is_frozen_sees_what_is_written_after_the_thaw() {
    with_mounts(|scratch| {
        if let Err(no) = probe::fuse_device() {
            return skip(&no.reason);
        }
        let large = Made::File { content: vec![b'0'; 200_000], mode: 0o644 };
        let lower = LayerSpec { form: WhiteoutForm::Device, entries: vec![("large", large)] };
        let stage = Stage::new(scratch, &[lower], true);
        stage.add_upper("u");
        let mut mounted = stage.mount(DriverKind::Fuse, "u", WhiteoutForm::Device);
        let path = stage.target("u").join("large");
        mounted.freeze().unwrap();
        let reader = File::open(&path).unwrap();
        let mut text = [0; 5];
        reader.read_exact_at(&mut text, 0).unwrap();
        mounted.thaw().unwrap();
        writer(&path).write_all_at(b"UPPER", 0).unwrap();
        reader.read_exact_at(&mut text, 0).unwrap();
        assert_eq!(&text, b"UPPER");
    });
}

#[test]
fn an_unmount_ends_although_somebody_reads() {
    with_mounts(|scratch| {
        with_stack(scratch, |stage, mut mounted| {
            let merged = stage.target("u");
            let reader = File::open(merged.join("a")).unwrap();
            let start = Instant::now();
            mounted.unmount().unwrap();
            assert!(start.elapsed() < Duration::from_secs(20), "it does not wait for ever");
            assert!(!mountinfo::is_of_fuse(&merged));
            drop(reader);
            // the upper is free for the next mount
            let again = stage.mount(DriverKind::Fuse, "u", WhiteoutForm::Device);
            assert_eq!(fs::read(merged.join("a")).unwrap(), b"lower a");
            drop(again);
            assert!(!mountinfo::is_of_fuse(&merged));
        });
    });
}

#[test]
fn what_a_killed_process_leaves_mounted_is_cleaned_and_its_upper_kept() {
    with_mounts(|scratch| {
        if let Err(no) = probe::fuse_device() {
            return skip(&no.reason);
        }
        let store = scratch.join("store");
        let ufs = |code: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ufs"));
            command.args(["-q", "--no-userns", "--store"]).arg(&store).args(["-e", code]);
            command
        };
        let code = "layer(\"b\").write(\"/a\", \"1\"); mount_fuse(\"b\", #{ name: \"k\" }); \
                    write(\"/kept\", \"2\"); sh(\"echo ready; exec sleep 60\");";
        let mut child = ufs(code).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut ready = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let left = || {
            let all = mountinfo::all().unwrap().into_iter();
            all.filter(|mount| mount.fs_type == "fuse.ufs" && mount.point.starts_with(&store)).count()
        };
        assert_eq!(left(), 1);
        let output = ufs("print(use_mount(\"k\").read(\"/kept\"));").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "2\n", "{output:?}");
        assert_eq!(left(), 0);
    });
}
