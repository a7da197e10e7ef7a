//! How FUSE mounts end, and what they leave when there is no space or no server any more.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ufs::driver::DriverKind;
use ufs::model::WhiteoutForm;
use ufs::sys::{Errno, mountinfo, probe};

use crate::host::{skip, with_mounts};
use crate::semantics::case::Lower;
use crate::semantics::stage::Stage;

/// `ufs -e CODE` on a store in `scratch`.
fn ufs(scratch: &Path, code: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ufs"));
    command.args(["-q", "--no-userns", "--store"]).arg(scratch.join("store")).args(["-e", code]);
    command.stdin(Stdio::null());
    command
}

/// Whether a mount of the store in `scratch` is there.
fn is_mounted(scratch: &Path) -> bool {
    mountinfo::all()
        .unwrap()
        .into_iter()
        .any(|mount| mount.fs_type == "fuse.ufs" && mount.point.starts_with(scratch))
}

/// Starts a run and reads the first line that it prints.
fn started(mut command: Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    let out = child.stdout.as_mut().unwrap();
    let mut byte = [0];
    while out.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(char::from(byte[0]));
    }
    (child, line)
}

/// Waits until a process is gone; it must not take long.
fn ends(process: &str) -> bool {
    let (stat, start) = (format!("/proc/{process}/stat"), Instant::now());
    while fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
        if start.elapsed() > Duration::from_secs(30) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

const BIG: usize = 600 << 10;

/// Fills the upper, changes what a lower layer has, makes room, changes it again; what came of each.
fn fill(root: &Path) -> Vec<Result<(), Errno>> {
    let told = |done: std::io::Result<()>| done.map_err(|error| Errno::from_io_error(&error).unwrap());
    let append = |name: &str| {
        let file = OpenOptions::new().append(true).open(root.join(name));
        told(file.and_then(|mut file| file.write_all(b"x")))
    };
    let mut given = Vec::new();
    let mut filler = File::create(root.join("filler")).unwrap();
    let mut full = Ok(());
    while full.is_ok() {
        full = told(filler.write_all(&[1; 4096]));
    }
    given.push(full);
    drop(filler);
    given.push(append("big"));
    given.push(append("small"));
    given.push(told(fs::rename(root.join("big"), root.join("moved"))));
    given.push(told(fs::copy(root.join("small"), root.join("new")).map(drop)));
    // nothing is lost, and nothing is there by half
    assert_eq!(fs::read(root.join("big")).unwrap(), vec![7; BIG]);
    assert_eq!(fs::read(root.join("small")).unwrap(), vec![8; 5000]);
    assert!(!root.join("moved").exists());
    given.push(told(fs::remove_file(root.join("filler"))));
    // the server of a FUSE mount hears a moment later that nobody has it open any more
    let (start, mut done) = (Instant::now(), append("big"));
    while done == Err(Errno::NOSPC) && start.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
        done = append("big");
    }
    given.push(done);
    given.push(append("small"));
    given.push(told(fs::rename(root.join("big"), root.join("moved"))));
    assert_eq!(fs::read(root.join("moved")).unwrap().len(), BIG + 1);
    given
}

#[test]
fn a_full_upper_refuses_and_damages_nothing() {
    with_mounts(|scratch| {
        if let Err(no) = probe::fuse_device() {
            return skip(&no.reason);
        }
        let given = [DriverKind::Overlay, DriverKind::Fuse].map(|kind| {
            let small = scratch.join(format!("{kind:?}"));
            fs::create_dir(&small).unwrap();
            mount(Some("small"), &small, Some("tmpfs"), MsFlags::empty(), Some("size=3m,mode=0755")).unwrap();
            let mut stage = Stage::new(&small, &[], true);
            Lower::make(stage.add_lower(), 0, &|l| {
                l.file("big", vec![7; BIG]);
                l.file("small", [8; 5000]);
            });
            stage.add_upper("u");
            let mounted = stage.mount(kind, "u", WhiteoutForm::Device);
            let given = fill(&stage.target("u"));
            drop(mounted);
            // the other driver shows the same of what is left
            let other = if kind == DriverKind::Fuse { DriverKind::Overlay } else { DriverKind::Fuse };
            let mounted = stage.mount(other, "u", WhiteoutForm::Device);
            let names = fs::read_dir(stage.target("u")).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.collect();
            names.sort();
            assert_eq!(fs::read(stage.target("u").join("moved")).unwrap().len(), BIG + 1);
            drop(mounted);
            let left = fs::read_dir(stage.upper("u").with_file_name("work-u")).unwrap();
            let left = left
                .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".ufs-"));
            assert_eq!(left.count(), 0, "copies by half in the work directory");
            (given, names)
        });
        assert_eq!(given[0], given[1], "kernel and FUSE");
        assert_eq!(given[0].0[..4], [Err(Errno::NOSPC); 4]);
    });
}

/// Whether a run ended by itself with an error that says `words`.
fn fails_with(output: &std::process::Output, words: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains(words), "{:?}: {said}", output.status);
}

#[test]
fn a_write_beyond_the_limit_of_file_sizes_is_an_error_and_ends_nobody() {
    with_mounts(|scratch| {
        fs::create_dir_all(scratch).unwrap();
        let mut drivers = vec!["overlay", "direct"];
        match probe::fuse_device() {
            Ok(_) => drivers.push("fuse"),
            Err(no) => skip(&no.reason),
        }
        for driver in drivers {
            let code = format!(
                "layer(\"b\").write(\"f\", \"x\"); mount_{driver}(\"b\"); let s = \"x\"; for i in 0..16 {{ s += s; }} \
                 write(\"big\", s);"
            );
            let mut command = Command::new("prlimit");
            command.arg("--fsize=30000").arg(env!("CARGO_BIN_EXE_ufs"));
            command.args(["-q", "--no-userns", "--ephemeral", "-e", &code]);
            fails_with(&command.stdin(Stdio::null()).output().unwrap(), "too large");
        }
        assert!(!is_mounted(scratch));
    });
}

#[test]
fn every_signal_that_ends_a_program_unmounts_first() {
    with_mounts(|scratch| {
        for signal in [Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGXCPU, Signal::SIGHUP] {
            let code = "layer(\"b\", #{ fresh: true }).write(\"f\", \"x\"); mount_overlay(\"b\"); print(\"ready\"); sleep(60);";
            let (mut child, line) = started(ufs(scratch, code));
            assert_eq!(line, "ready");
            let mounted = || {
                mountinfo::all()
                    .unwrap()
                    .into_iter()
                    .filter(|mount| mount.fs_type == "overlay" && mount.point.starts_with(scratch))
                    .count()
            };
            assert_eq!(mounted(), 1, "{signal}");
            kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
            let status = child.wait().unwrap();
            assert_eq!(status.code(), Some(128 + signal as i32), "{signal}");
            assert_eq!(mounted(), 0, "{signal}");
        }
    });
}

#[test]
fn a_signal_to_end_unmounts_and_keeps_what_was_written() {
    with_mounts(|scratch| {
        if let Err(no) = probe::fuse_device() {
            return skip(&no.reason);
        }
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
            let name = format!("{signal:?}");
            let code = format!(
                "let l = layer(\"{name}\"); l.write(\"/a\", \"1\"); mount_fuse(\"{name}\", #{{ name: \"{name}\" }}); \
                 sh(\"echo written >kept; echo ready; exec sleep 60\");"
            );
            let (mut child, line) = started(ufs(scratch, &code));
            assert_eq!(line, "ready");
            assert!(is_mounted(scratch));
            kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
            assert!(!child.wait().unwrap().success());
            assert!(!is_mounted(scratch), "{signal:?}");
            let upper = scratch.join(format!("store/mounts/{name}/up/tree"));
            assert_eq!(fs::read_to_string(upper.join("kept")).unwrap(), "written\n");
        }
    });
}

/// The upper's files of a mount `k`.
fn upper(scratch: &Path) -> PathBuf {
    scratch.join("store/mounts/k/up/tree")
}

#[test]
fn a_server_killed_during_a_copy_up_leaves_the_whole_file_or_none_and_nobody_stuck() {
    with_mounts(|scratch| {
        if let Err(no) = probe::fuse_device() {
            return skip(&no.reason);
        }
        let length = 48 << 20;
        let content: Vec<u8> = (0..length).map(|at: u32| (at / 4096 % 251) as u8).collect();
        fs::write(scratch.join("big"), &content).unwrap();
        let made = format!("let l = layer(\"b\"); l.add(\"{}/big\", \"/big\"); l.seal();", scratch.display());
        assert!(ufs(scratch, &made).status().unwrap().success());
        let mut wholes = 0;
        for wait in [0, 1, 2, 4, 6, 9, 13, 18, 25, 400] {
            let code = "mount_fuse(\"b\", #{ name: \"k\" }); sh(\"echo $$; echo x >>big\"); sleep(60);";
            let (mut child, writer) = started(ufs(scratch, code));
            // it copies the file up about now
            std::thread::sleep(Duration::from_millis(wait));
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(ends(&writer), "the writer is stuck");
            let copy = upper(scratch).join("big");
            if copy.exists() {
                let copied = fs::read(&copy).unwrap();
                assert!(
                    copied.starts_with(&content),
                    "a copy by half after {wait} ms: {} bytes",
                    copied.len()
                );
                wholes += 1;
            }
            // the next start cleans up, and shows the file
            let size = "let whole = true; for m in mounts() { let m = use_mount(m.name); \
                        whole = m.stat(\"/big\").size >= 50331648; m.discard(); } print(whole);";
            let output = ufs(scratch, size).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "true\n", "{output:?}");
            assert!(!is_mounted(scratch));
        }
        assert!(wholes > 0, "in 400 ms it is copied");
    });
}

/// Whether a process has the FUSE device open.
fn holds_the_device(process: u32) -> bool {
    let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|file| file.ends_with("fuse")))
}

#[test]
fn who_uses_a_mount_of_its_own_can_be_killed_at_any_moment() {
    with_mounts(|scratch| {
        if let Err(no) = probe::fuse_device() {
            return skip(&no.reason);
        }
        let made = "let b = layer(\"b\"); for i in 0..50 { b.write(`d/f${i}`, \"x\"); } b.seal();";
        assert!(ufs(scratch, made).status().unwrap().success());
        for wait in 0..8 {
            let code = "let m = mount_fuse(\"b\", #{ name: \"k\" }); print(\"ready\"); \
                        loop { for i in 0..50 { m.read(`d/f${i}`); m.write(`n${i}`, \"y\"); } }";
            let (mut child, line) = started(ufs(scratch, code));
            assert_eq!(line, "ready");
            // else a thread that waits for the server when it dies would wait for ever
            assert!(!holds_the_device(child.id()));
            std::thread::sleep(Duration::from_millis(wait));
            child.kill().unwrap();
            assert!(ends(&child.id().to_string()), "it is stuck");
            child.wait().unwrap();
            // the server has ended, too: nobody holds the upper
            let dropped = "for m in mounts() { m.discard(); } print(\"done\");";
            let output = ufs(scratch, dropped).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n", "{output:?}");
        }
    });
}

#[test]
fn a_limit_of_file_sizes_is_an_error_and_holds_for_who_has_it_alone() {
    with_mounts(|scratch| {
        if let Err(no) = probe::fuse_device() {
            return skip(&no.reason);
        }
        for kind in ["fuse", "direct", "overlay"] {
            let code = format!(
                "let b = layer(\"{kind}\"); b.write(\"/f\", \"x\"); let m = mount_{kind}(\"{kind}\"); \
                 let s = \"x\"; for i in 0..16 {{ s += s; }} \
                 try {{ m.write(\"/big\", s); }} catch (e) {{ print(e.errno); }} print(m.read(\"/f\")); \
                 if \"{kind}\" != \"direct\" {{ sh(\"head -c 65536 /dev/zero >other; echo $?\"); }}"
            );
            let mut limited = Command::new("prlimit");
            limited.arg("--fsize=30000:unlimited").arg(env!("CARGO_BIN_EXE_ufs"));
            limited.args(["-q", "--no-userns", "--store"]).arg(scratch.join("store")).args(["-e", &code]);
            let output = limited.stdin(Stdio::null()).output().unwrap();
            // programs die of it, as they do elsewhere
            let expected = if kind == "direct" { "EFBIG\nx\n" } else { "EFBIG\nx\n153\n" };
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{kind}: {output:?}");
        }
    });
}
