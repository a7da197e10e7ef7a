//! How a mount ends: by umount(8), by a signal, by the death of its server.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use ufs::sys::xattr;

use super::stack::{Ran, WRITABLE, on_stack, runs, ufs, until, with_stack};
use crate::host::skip;

fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

#[test]
fn umount_ends_the_server() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            for round in 0..3 {
                stack.mount(WRITABLE).ok();
                let server = stack.server().unwrap();
                fs::write(stack.at("merged/new"), round.to_string()).unwrap();
                stack.umount();
                until("the server ends", || !runs(server));
                assert_eq!(stack.read("upper/new"), round.to_string());
            }
        });
    });
}

#[test]
fn the_layers_can_be_unmounted_right_after_the_union() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let system = stack.at("system");
            fs::create_dir(&system).unwrap();
            for round in 0..40 {
                mount(Some("layers"), &system, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
                for name in ["system/low", "system/up", "system/wk"] {
                    fs::create_dir(stack.at(name)).unwrap();
                }
                fs::write(stack.at("system/low/f"), "lower").unwrap();
                let options = "lowerdir=system/low,upperdir=system/up,workdir=system/wk";
                if round % 2 == 0 {
                    stack.mount_by_the_kernel(options).ok();
                } else {
                    stack.mount(options).ok();
                    let origin = |name| xattr::get(File::open(stack.at(name)).unwrap(), b"user.ufs.origin");
                    let told = |place: &str| place.replace('@', system.to_str().unwrap()).into_bytes();
                    assert_eq!(origin("merged/f").unwrap(), told("0 @/low"));
                    assert_eq!(origin("merged").unwrap(), told("upper @/up"));
                }
                fs::write(stack.at("merged/new"), "new").unwrap();
                let mut renamed = fs::read(stack.at("merged/f")).unwrap();
                renamed.push(b'!');
                fs::write(stack.at("merged/f"), renamed).unwrap();
                assert_eq!(stack.read("system/up/f"), "lower!");
                stack.umount();
                umount2(&system, MntFlags::empty()).unwrap_or_else(|errno| panic!("{round}: {errno}"));
            }
        });
    });
}

#[test]
fn umount_8_waits_for_the_server_by_its_helper() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let helper = stack.at("umount.fuse.ufs");
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ufs"), &helper).unwrap();
            let call = |words: &[&str]| -> Ran {
                let mut command = Command::new(&helper);
                command.arg(stack.at("merged")).args(words).output().unwrap().into()
            };
            for _ in 0..5 {
                stack.mount(WRITABLE).ok();
                let server = stack.server().unwrap();
                let file = File::create(stack.at("merged/new")).unwrap();
                call(&["-n"]).refused(32, &["cannot unmount", "busy"]);
                assert!(stack.is_mounted());
                drop(file);
                call(&["-v", "-t", "fuse.ufs"]).ok();
                assert!(!stack.is_mounted() && !runs(server));
            }
            // whoever has a file open is not waited for
            stack.mount(WRITABLE).ok();
            let server = stack.server().unwrap();
            let file = File::open(stack.at("merged/file")).unwrap();
            call(&["-l"]).ok();
            assert!(!stack.is_mounted() && runs(server));
            drop(file);
            until("the server ends", || !runs(server));
            call(&[]).refused(32, &["nothing is mounted"]);
            call(&["-N", "/proc/1/ns/mnt"]).refused(1, &["nsenter"]);
        });
    });
}

#[test]
fn a_lazy_umount_leaves_the_server_to_whoever_has_a_file_open() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            stack.mount(WRITABLE).ok();
            let server = stack.server().unwrap();
            let mut file = OpenOptions::new().append(true).open(stack.at("merged/file")).unwrap();
            let busy: Ran = Command::new("umount").arg(stack.at("merged")).output().unwrap().into();
            assert_ne!(busy.code, Some(0), "{busy:?}");
            let lazy: Ran = Command::new("umount").arg("-l").arg(stack.at("merged")).output().unwrap().into();
            lazy.ok();
            assert!(!stack.is_mounted());
            file.write_all(b" more").unwrap();
            assert!(runs(server));
            drop(file);
            until("the server ends", || !runs(server));
            assert_eq!(stack.read("upper/file"), "top more");
        });
    });
}

#[test]
fn a_signal_writes_out_unmounts_and_ends_the_server() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
                stack.mount(WRITABLE).ok();
                let server = stack.server().unwrap();
                fs::write(stack.at("merged/new"), signal.as_str()).unwrap();
                send(server, signal);
                until("the server ends", || !runs(server));
                assert!(!stack.is_mounted());
                assert_eq!(stack.read("upper/new"), signal.as_str());
            }
        });
    });
}

#[test]
fn a_signal_cuts_off_who_keeps_a_file_open() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            fs::write(stack.at("base/long"), vec![7; 1 << 20]).unwrap();
            // without passthrough a read must come to the server
            stack.mount(format!("{WRITABLE},max_threads=2")).ok();
            let server = stack.server().unwrap();
            let mut dir = fs::read_dir(stack.at("merged")).unwrap();
            assert!(dir.next().is_some());
            let mut writer = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .open(stack.at("merged/w"))
                .unwrap();
            writer.write_all(b"kept").unwrap();
            send(server, Signal::SIGTERM);
            until("the server ends", || !runs(server));
            assert!(!stack.is_mounted());
            assert_eq!(stack.read("upper/w"), "kept");
        });
    });
}

#[test]
fn the_death_of_the_server_leaves_nobody_stuck_and_the_place_can_be_used_again() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            stack.mount(WRITABLE).ok();
            let server = stack.server().unwrap();
            send(server, Signal::SIGSTOP);
            // they ask, and nobody answers
            let asks: Vec<_> = ["cat merged/file", "ls -R merged", "echo x >merged/new", "rm merged/d/deep"]
                .map(|line| {
                    let mut shell = Command::new("sh");
                    shell.current_dir(&stack.dir).args(["-c", line]);
                    shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
                })
                .into();
            std::thread::sleep(std::time::Duration::from_millis(50));
            send(server, Signal::SIGKILL);
            for mut ask in asks {
                assert!(!ask.wait().unwrap().success());
            }
            let mut text = String::new();
            let gone =
                File::open(stack.at("merged/file")).and_then(|mut file| file.read_to_string(&mut text));
            assert_eq!(gone.unwrap_err().raw_os_error(), Some(nix::errno::Errno::ENOTCONN as i32));
            stack.mount(WRITABLE).ok();
            assert_eq!(stack.read("merged/file"), "top");
            stack.umount();
            assert!(!stack.is_mounted());
        });
    });
}

#[test]
fn in_the_foreground_it_stays_until_the_mount_is_gone() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            for by_signal in [false, true] {
                let mut command = ufs();
                command.current_dir(&stack.dir).args(["mount", "-f", "-o", WRITABLE, "merged"]);
                let mut server = command.spawn().unwrap();
                until("it is mounted", || stack.is_mounted());
                assert_eq!(stack.read("merged/file"), "top");
                assert_eq!(server.try_wait().unwrap(), None);
                if by_signal {
                    send(server.id(), Signal::SIGINT);
                } else {
                    stack.umount();
                }
                assert_eq!(server.wait().unwrap().code(), Some(0));
                assert!(!stack.is_mounted());
            }
        });
    });
}

#[test]
fn what_was_mapped_and_written_is_there_after_a_signal() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            stack.mount(WRITABLE).ok();
            let server = stack.server().unwrap();
            let script = "import mmap,os,signal,sys\n\
                f=os.open('merged/file',os.O_RDWR); m=mmap.mmap(f,3); m[:]=b'new'\n\
                os.kill(int(sys.argv[1]),signal.SIGTERM); os.close(f); m.close()";
            let python = Command::new("python3")
                .current_dir(&stack.dir)
                .args(["-c", script, &server.to_string()])
                .status()
                .unwrap();
            assert!(python.success());
            until("the server ends", || !runs(server));
            assert_eq!(stack.read("upper/file"), "new");
        });
    });
}

#[test]
fn a_user_who_may_not_mount_goes_through_fusermount3() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let map = fs::read_to_string("/proc/self/uid_map").unwrap();
            if !map.split_whitespace().eq(["0", "0", "4294967295"]) {
                return; // only root of the machine can act for another user here
            }
            if Command::new("fusermount3").arg("-V").output().is_err() {
                return skip("fusermount3 is not installed");
            }
            // a FUSE device that is open to all, for this namespace
            let node = stack.at("fuse");
            let path: &str = node.to_str().unwrap();
            let steps = format!(
                "mknod --mode=666 {path} c 10 229 && mount --bind {path} /dev/fuse && chown -R 65534 {0} && cp {1} {0}/ufs && \
                 chmod 755 {0}/ufs",
                stack.dir.display(),
                env!("CARGO_BIN_EXE_ufs"),
            );
            let ran: Ran = Command::new("sh").args(["-c", &steps]).output().unwrap().into();
            ran.ok();
            let as_nobody = |words: &[&str]| -> Ran {
                let mut command = Command::new("setpriv");
                command.current_dir(&stack.dir).args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
                command.args(words).output().unwrap().into()
            };
            let lowers =
                "echo kept >base/kept && chmod 444 base/kept && mkdir base/shut && chmod 555 base/shut";
            as_nobody(&["sh", "-c", lowers]).ok();
            as_nobody(&["./ufs", "mount", "-o", WRITABLE, "merged"]).ok();
            as_nobody(&["sh", "-c", "cat merged/file && echo mine >merged/file && rm merged/d/deep"]).ok();
            // copies of what its owner may not write
            let changes = "chmod 644 merged/kept && mv merged/kept merged/moved && touch merged/shut/new 2>&1 || \
                           chmod 755 merged/shut && touch merged/shut/new";
            as_nobody(&["sh", "-c", changes]).ok();
            assert!(stack.at("upper/moved").exists() && stack.at("upper/shut/new").exists());
            assert_eq!(stack.read("upper/file"), "mine\n");
            // nobody else may look in, as with any mount of a user
            fs::read_dir(stack.at("merged")).unwrap_err();
            as_nobody(&["fusermount3", "-u", "merged"]).ok();
            assert!(!stack.is_mounted());
            let refused = as_nobody(&["./ufs", "mount", "-o", "lowerdir=top,allow_other", "merged"]);
            if refused.code == Some(0) {
                as_nobody(&["fusermount3", "-u", "merged"]).ok();
            } else {
                refused.refused(3, &["user_allow_other", "hint"]);
            }
        });
    });
}
