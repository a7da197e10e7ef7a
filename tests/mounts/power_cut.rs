//! What a disk holds after a power cut: the image of an ext4 that was copied while it was mounted, mounted again.
//!
//! The copy has what the file system had sent to its disk by then: after another file's fsync(2) all metadata, and the
//! content of what was synced itself. Only root has loop devices, so for other users there is nothing to see here.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ufs::driver::{self, DriverKind, MountSpec};
use ufs::model::{Identity, LayerPath, Mode, Trust, WhiteoutForm};
use ufs::sys::{Dir, mountinfo, probe};

use crate::host::{skip, with_mounts};
use crate::semantics::{Rights, rights};

/// An ext4 of its own in a file.
struct Disk {
    dir: PathBuf,
}

/// Runs a test with a disk, as root.
fn with_disk(scratch: &Path, test: impl FnOnce(&Disk)) {
    if rights() != Rights::Root {
        return;
    }
    let disk = Disk { dir: scratch.join("disk") };
    for name in ["now", "then"] {
        fs::create_dir_all(disk.dir.join(name)).unwrap();
    }
    File::create(disk.dir.join("image")).unwrap().set_len(96 << 20).unwrap();
    let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(disk.dir.join("image")).status();
    if !made.as_ref().is_ok_and(std::process::ExitStatus::success) {
        return skip(&format!("no ext4 can be made: {made:?}"));
    }
    if let Err(why) = disk.mount("image", "now") {
        return skip(&format!("no loop device: {why}"));
    }
    test(&disk);
    run("umount", &[disk.now()]).unwrap();
}

fn run(program: &str, args: &[PathBuf]) -> Result<(), String> {
    let output = Command::new(program).args(args).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

impl Disk {
    fn mount(&self, image: &str, at: &str) -> Result<(), String> {
        run("mount", &["-o".into(), "loop".into(), self.dir.join(image), self.dir.join(at)])
    }

    /// Where it is mounted.
    fn now(&self) -> PathBuf {
        self.dir.join("now")
    }

    /// Everything is on the disk.
    fn sync(&self) {
        ufs::sys::sync_fs(Dir::open(&self.now()).unwrap()).unwrap();
    }

    /// The power goes after some other program has synced a file; gives what is found by `look` on the disk then.
    fn after_cut<T>(&self, look: impl FnOnce(&Path) -> T) -> T {
        let other = File::create(self.now().join("other")).unwrap();
        other.set_len(1).unwrap();
        other.sync_all().unwrap();
        fs::copy(self.dir.join("image"), self.dir.join("cut")).unwrap();
        self.in_cut(look)
    }

    /// Looks at the disk as it was copied to `cut`.
    fn in_cut<T>(&self, look: impl FnOnce(&Path) -> T) -> T {
        self.mount("cut", "then").unwrap();
        let found = look(&self.dir.join("then"));
        run("umount", &[self.dir.join("then")]).unwrap();
        found
    }
}

#[test]
fn a_copy_up_is_on_the_disk_before_it_has_its_name() {
    with_mounts(|scratch| {
        with_disk(scratch, |disk| {
            let mut kinds = vec![DriverKind::Overlay, DriverKind::Direct];
            match probe::fuse_device() {
                Ok(_) => kinds.push(DriverKind::Fuse),
                Err(no) => skip(&no.reason),
            }
            for kind in kinds {
                let stack = disk.now().join(kind.word());
                for name in ["lower/sub", "upper", "work", "merged"] {
                    fs::create_dir_all(stack.join(name)).unwrap();
                }
                for (name, length) in [("mode", 10), ("great", 100_000), ("moved", 10), ("sub/linked", 10)] {
                    fs::write(stack.join("lower").join(name), vec![b'x'; length]).unwrap();
                }
                disk.sync();
                let open = |name: &str| Dir::open(&stack.join(name)).unwrap();
                let (lower, upper, work) = (open("lower"), open("upper"), open("work"));
                let mut mounted = driver::mount(
                    kind,
                    &MountSpec {
                        lowers: vec![lower.as_fd()],
                        upper: Some((upper.as_fd(), work.as_fd())),
                        empty: None,
                        target: Some(stack.join("merged")),
                        read_only: false,
                        volatile: false,
                        whiteouts: WhiteoutForm::Device,
                        identity: Identity::AsIs,
                        trust: Trust::Nobody,
                    },
                )
                .unwrap();
                let path = |name: &str| LayerPath::parse(name.as_bytes()).unwrap();
                let files = mounted.files();
                files.chmod(&path("mode"), Mode::new(0o600)).unwrap();
                files.chmod(&path("great"), Mode::new(0o600)).unwrap();
                files.rename(&path("moved"), &path("elsewhere"), driver::RenameHow::Replace).unwrap();
                files.link(&path("sub/linked"), &path("second")).unwrap();
                disk.after_cut(|then| {
                    let upper = then.join(kind.word()).join("upper");
                    let names = ["mode", "great", "elsewhere", "sub/linked", "second"];
                    let lengths =
                        names.map(|name| fs::metadata(upper.join(name)).map(|meta| meta.len()).ok());
                    let whole = [10, 100_000, 10, 10, 10].map(Some);
                    assert_eq!(lengths, whole, "{kind}");
                    assert_eq!(fs::read(upper.join("great")).unwrap(), vec![b'x'; 100_000]);
                });
                mounted.unmount().unwrap();
            }
        });
    });
}

/// What `ufs -e CODE` says on the store of a disk; it must work.
fn said(disk: &Path, code: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ufs"));
    command.args(["--quiet", "--store"]).arg(disk.join("store")).args(["-e", code]).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{code}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

const BASE: &str = r#"let base = layer("base"); base.write("old", "old"); base.seal();"#;

#[test]
fn a_file_that_was_synced_in_a_mount_is_found_by_the_mounts_name() {
    with_mounts(|scratch| {
        with_disk(scratch, |disk| {
            let mut drivers = vec!["overlay"];
            match probe::fuse_device() {
                Ok(_) => drivers.push("fuse"),
                Err(no) => skip(&no.reason),
            }
            said(&disk.now(), BASE);
            for driver in drivers {
                disk.sync();
                let (image, cut) = (disk.dir.join("image"), disk.dir.join("cut"));
                let program = format!(
                    "dd if=/dev/zero of=synced bs=4k count=1 conv=fsync && cp {} {}",
                    image.display(),
                    cut.display()
                );
                said(
                    &disk.now(),
                    &format!("mount_{driver}(\"base\", #{{ name: \"{driver}\" }}); sh(\"{program}\");"),
                );
                disk.in_cut(|then| {
                    let code = format!(
                        "collect(); let m = use_mount(\"{driver}\"); print(m.stat(\"synced\").size);"
                    );
                    assert_eq!(said(then, &code), "4096", "{driver}");
                });
            }
        });
    });
}

#[test]
fn a_draft_can_be_written_and_sealed_after_a_cut() {
    with_mounts(|scratch| {
        with_disk(scratch, |disk| {
            said(&disk.now(), BASE);
            disk.sync();
            said(&disk.now(), r#"let l = layer("new"); l.write("x", "x"); l.symlink("x", "s");"#);
            disk.after_cut(|then| {
                let code = r#"let l = layer("new"); l.write("y", "y"); l.seal(); print(check(#{ deep: true }).len());"#;
                assert_eq!(said(then, code), "0");
            });
        });
    });
}

#[test]
fn what_is_sealed_and_committed_is_there_after_a_cut() {
    with_mounts(|scratch| {
        with_disk(scratch, |disk| {
            said(&disk.now(), BASE);
            // nothing is synced but by the program itself
            let code = r#"let m = mount_direct("base", #{ name: "m" }); m.write("a", "1"); commit("top"); m.write("b", "2");"#;
            said(&disk.now(), code);
            disk.after_cut(|then| {
                let code = r#"let m = use_mount("m"); print(m.read("a") + m.read("b") + layer("top").read("a"));
                    print(check(#{ deep: true }).len());"#;
                assert_eq!(said(then, code), "121\n0");
            });
        });
    });
}

#[test]
fn a_file_made_on_the_host_is_whole_or_not_there_after_a_cut() {
    with_mounts(|scratch| {
        with_disk(scratch, |disk| {
            said(&disk.now(), BASE);
            disk.sync();
            let tar = disk.now().join("layer.tar");
            said(&disk.now(), &format!("layer(\"base\").export_tar(\"{}\");", tar.display()));
            let length = fs::metadata(&tar).unwrap().len();
            disk.after_cut(|then| assert_eq!(fs::metadata(then.join("layer.tar")).unwrap().len(), length));
        });
    });
}

#[test]
fn what_was_written_is_there_after_a_cut_once_it_is_unmounted() {
    with_mounts(|scratch| {
        with_disk(scratch, |disk| {
            let mut drivers = vec!["overlay", "direct"];
            match probe::fuse_device() {
                Ok(_) => drivers.push("fuse"),
                Err(no) => skip(&no.reason),
            }
            said(&disk.now(), BASE);
            for driver in drivers {
                disk.sync();
                let (image, cut) = (disk.dir.join("image"), disk.dir.join("cut"));
                // another program keeps the disk's state when the mount is unmounted, while this one goes on
                let copy = format!("cp {} {}", image.display(), cut.display());
                let code = format!(
                    "let other = mount_overlay(\"base\"); let m = mount_{driver}(\"base\", #{{ name: \"{driver}\" }}); \
                     m.write(\"new\", \"new\"); m.unmount(); other.sh(\"{copy}\"); m.discard(); other.discard();"
                );
                said(&disk.now(), &code);
                disk.in_cut(|then| {
                    let code = format!("print(use_mount(\"{driver}\").read(\"new\"));");
                    assert_eq!(said(then, &code), "new", "{driver}");
                });
            }
        });
    });
}

#[test]
fn a_draft_is_there_after_a_cut_once_its_program_has_ended() {
    with_mounts(|scratch| {
        with_disk(scratch, |disk| {
            said(&disk.now(), BASE);
            disk.sync();
            said(
                &disk.now(),
                r#"let l = layer("new"); l.write("x", "x"); l.symlink("x", "s"); l.chown("s", 5, 6);"#,
            );
            fs::copy(disk.dir.join("image"), disk.dir.join("cut")).unwrap();
            disk.in_cut(|then| {
                let code = r#"let l = layer("new"); print(l.read("x") + l.stat("s").uid);"#;
                assert_eq!(said(then, code), "x5");
            });
        });
    });
}

#[test]
fn what_was_written_is_on_the_disk_when_the_server_of_a_mount_has_ended() {
    with_mounts(|scratch| {
        with_disk(scratch, |disk| {
            if let Err(no) = probe::fuse_device() {
                return skip(&no.reason);
            }
            let at = |name: &str| disk.now().join(name);
            for name in ["lower", "upper", "work", "merged"] {
                fs::create_dir(at(name)).unwrap();
            }
            let ways: [(&str, &[&str]); 3] =
                [("umount", &["umount"]), ("lazily", &["umount", "-l"]), ("signal", &[])];
            for (name, way) in ways {
                disk.sync();
                // in the foreground, so that its end can be waited for
                let mut server = Command::new(env!("CARGO_BIN_EXE_ufs"))
                    .args(["mount", "-f", "-o", "lowerdir=lower,upperdir=upper,workdir=work", "merged"])
                    .current_dir(disk.now())
                    .spawn()
                    .unwrap();
                while !mountinfo::inside(&disk.now()).unwrap().contains(&at("merged")) {
                    assert!(server.try_wait().unwrap().is_none());
                    std::thread::sleep(Duration::from_millis(1));
                }
                fs::write(at("merged").join(name), vec![b'x'; 100_000]).unwrap();
                match way {
                    [] => kill(Pid::from_raw(server.id().cast_signed()), Signal::SIGTERM).unwrap(),
                    [program, flags @ ..] => {
                        let flags = flags.iter().map(PathBuf::from);
                        run(program, &flags.chain([at("merged")]).collect::<Vec<_>>()).unwrap();
                    }
                }
                assert!(server.wait().unwrap().success());
                fs::copy(disk.dir.join("image"), disk.dir.join("cut")).unwrap();
                let found = disk.in_cut(|then| fs::read(then.join("upper").join(name)));
                assert_eq!(found.unwrap(), vec![b'x'; 100_000], "{name}");
            }
        });
    });
}
