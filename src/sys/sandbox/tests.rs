//! The kernel's part alone: nothing here asks the gate.

use std::fs;
use std::io::{Error, Write as _};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getppid};

use super::*;

/// What a way out came to: `Ok` where it led out.
type Tried = Result<(), Error>;

fn call(number: libc::c_long, args: [libc::c_long; 4]) -> Tried {
    #[expect(unsafe_code, reason = "system calls that are refused before they look at anything")]
    // SAFETY: the filter refuses them; where it did not, none of them would get valid memory to write to.
    let done = unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], 0, 0) };
    if done >= 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

fn ways(dir: &Path) -> Vec<(&'static str, Tried)> {
    let (secret, own, write) = (dir.join("secret/key"), dir.join("own"), dir.join("write"));
    let parent = getppid().as_raw();
    let proc = |name: &str| PathBuf::from(format!("/proc/{parent}/{name}"));
    let read = |path: &Path| match fs::read(path) {
        Ok(bytes) if bytes.is_empty() => Err(Error::from_raw_os_error(libc::EACCES)),
        other => other.map(drop),
    };
    let through = |at: &str| Path::new(at).join(secret.strip_prefix("/").unwrap());
    vec![
        ("read", read(&secret)),
        ("list", fs::read_dir(dir.join("secret")).map(drop)),
        ("read by a symlink", read(&own.join("out/key"))),
        ("read by a symlink that is written", read(&write.join("out/key"))),
        ("read by ..", read(&own.join("../secret/key"))),
        ("read by /proc/self/root", read(&through("/proc/self/root"))),
        ("read by /proc/self/cwd", read(&through("/proc/self/cwd/../../../../../../../.."))),
        ("read another's environment", read(&proc("environ"))),
        ("read another's memory", fs::File::open(proc("mem")).map(drop)),
        ("read by another's root", read(&proc("root").join(secret.strip_prefix("/").unwrap()))),
        (
            "write",
            fs::OpenOptions::new().append(true).open(&secret).and_then(|mut file| file.write_all(b"x")),
        ),
        ("truncate", fs::File::create(&secret).map(drop)),
        ("write what may be read", fs::write(dir.join("read/f"), "x")),
        ("create", fs::write(dir.join("secret/new"), "x")),
        ("make a directory", fs::create_dir(dir.join("secret/d"))),
        ("make a symlink", std::os::unix::fs::symlink("x", dir.join("secret/s"))),
        ("remove", fs::remove_file(&secret)),
        ("move out", fs::rename(own.join("f"), dir.join("secret/f"))),
        ("move in", fs::rename(&secret, own.join("stolen"))),
        ("link in", fs::hard_link(&secret, own.join("stolen"))),
        ("link out", fs::hard_link(own.join("f"), dir.join("secret/f"))),
        ("run a program", std::process::Command::new("/bin/true").status().map(drop)),
        ("a socket", std::net::TcpListener::bind("127.0.0.1:0").map(drop)),
        ("a packet", std::net::UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("a local socket", std::os::unix::net::UnixListener::bind(own.join("socket")).map(drop)),
        (
            "an abstract socket",
            call(libc::SYS_socket, [libc::AF_UNIX.into(), libc::SOCK_STREAM.into(), 0, 0]),
        ),
        ("a signal", call(libc::SYS_kill, [parent.into(), 0, 0, 0])),
        ("trace", call(libc::SYS_ptrace, [libc::PTRACE_SEIZE.into(), parent.into(), 0, 0])),
        ("mount", call(libc::SYS_mount, [0; 4])),
        ("unmount", call(libc::SYS_umount2, [0; 4])),
        ("a mount's file system", call(libc::SYS_fsopen, [0; 4])),
        ("namespaces", call(libc::SYS_unshare, [libc::CLONE_NEWUSER.into(), 0, 0, 0])),
        ("another namespace", call(libc::SYS_setns, [0; 4])),
        ("clone3", call(libc::SYS_clone3, [0; 4])),
        ("another root", call(libc::SYS_chroot, [0; 4])),
        ("handles", call(libc::SYS_open_by_handle_at, [0; 4])),
        ("BPF", call(libc::SYS_bpf, [0; 4])),
        ("io_uring", call(libc::SYS_io_uring_setup, [0; 4])),
        ("keys", call(libc::SYS_keyctl, [0; 4])),
        ("modules", call(libc::SYS_finit_module, [0; 4])),
        ("page faults", call(libc::SYS_userfaultfd, [0; 4])),
        ("typing", call(libc::SYS_ioctl, [0, 0x5412, 0, 0])),
    ]
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
fn skip(reason: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "skipped where CI wants none: {reason}");
    eprintln!("skipped: {reason}");
}

/// The filter alone, also for root with all rights, and with an answer that no call gives by itself: most of these
/// would be refused as well for want of rights.
#[test]
fn the_filter_refuses_each_closed_call_whatever_rights_there_are() {
    const ANSWER: libc::c_int = libc::ENOTNAM;
    // arguments that each call refuses where it is not closed
    const NONE: [libc::c_long; 4] = [-1; 4];
    if let Err(no) = seccomp() {
        return skip(&no.reason);
    }
    let host = tempfile::tempdir().unwrap();
    let found = host.path().join("found");
    #[expect(unsafe_code, reason = "fork")]
    // SAFETY: the child has one thread, which takes no lock that the harness's threads may hold but the allocator's.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let mut open: Vec<String> = Vec::new();
            let mut look = |what: &str, number, args| {
                let tried = call(number, args);
                if tried.as_ref().err().and_then(Error::raw_os_error) != Some(ANSWER) {
                    open.push(format!("{what} {number}: {tried:?}"));
                }
            };
            if restrict_calls(ANSWER) == Ok(true) {
                for number in CLOSED {
                    look("call", *number, NONE);
                }
                for request in TYPES {
                    look("ioctl", libc::SYS_ioctl, [-1, request.cast_signed(), 0, 0]);
                }
                // with flags that do not go together
                for flag in NAMESPACES {
                    look("clone", libc::SYS_clone, [libc::c_long::from(flag | libc::CLONE_THREAD), 0, 0, 0]);
                }
            } else {
                open.push("no filter".to_owned());
            }
            fs::write(&found, open.join(", ")).unwrap();
            crate::sys::apart::exit()
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
        }
    }
    assert_eq!(fs::read_to_string(found).unwrap(), "");
}

#[test]
fn the_kernel_refuses_every_way_out_by_itself() {
    if let Err(no) = landlock().and_then(|_| seccomp()) {
        return skip(&no.reason);
    }
    let host = tempfile::tempdir().unwrap();
    let dir = host.path().canonicalize().unwrap();
    for name in ["secret", "own", "read", "write"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    for (name, text) in [("secret/key", "key"), ("own/f", "own"), ("read/f", "read")] {
        fs::write(dir.join(name), text).unwrap();
    }
    for name in ["own/out", "write/out"] {
        std::os::unix::fs::symlink("../secret", dir.join(name)).unwrap();
    }
    let rules =
        Rules { read: vec![dir.join("read")], write: vec![dir.join("write")], own: vec![dir.join("own")] };
    #[expect(unsafe_code, reason = "fork")]
    // SAFETY: the child has one thread, which takes no lock that the harness's threads may hold but the allocator's.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let separated = separate().is_ok();
            let led_out = match enter(&rules, separated) {
                Ok(missing) if missing.is_empty() => tried(&dir, separated),
                other => vec![format!("the sandbox: {other:?}")],
            };
            fs::write(dir.join("own/found"), led_out.join(", ")).unwrap();
            crate::sys::apart::exit()
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
        }
    }
    assert_eq!(fs::read_to_string(dir.join("own/found")).unwrap(), "");
    assert_eq!(fs::read_to_string(dir.join("secret/key")).unwrap(), "key");
    assert_eq!(fs::read_dir(dir.join("secret")).unwrap().count(), 1);
}

/// The ways that led out, and what is wrong within.
fn tried(dir: &Path, separated: bool) -> Vec<String> {
    let mut found = Vec::new();
    for (way, tried) in ways(dir) {
        let refused = tried.as_ref().is_err_and(|error| {
            matches!(
                error.raw_os_error(),
                Some(libc::EACCES | libc::EPERM | libc::EXDEV | libc::ENOSYS | libc::EROFS)
            )
        });
        if !refused {
            found.push(format!("{way}: {tried:?}"));
        }
    }
    let device = dir.join("own/null");
    let number = nix::libc::makedev(1, 3);
    let made =
        nix::sys::stat::mknod(&device, nix::sys::stat::SFlag::S_IFCHR, nix::sys::stat::Mode::S_IRWXU, number);
    if separated && made.is_ok() && fs::File::open(&device).is_ok() {
        found.push("a device".to_owned());
    }
    let works = fs::read_to_string(dir.join("read/f")).is_ok_and(|text| text == "read")
        && fs::write(dir.join("write/new"), "1").is_ok()
        && fs::rename(dir.join("write/new"), dir.join("own/new")).is_ok()
        && std::thread::spawn(|| 1).join().is_ok_and(|one| one == 1);
    if !works {
        found.push("what is allowed does not work".to_owned());
    }
    found
}
