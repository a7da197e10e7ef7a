//! Who has an upper that cannot be mounted a second time.

use std::fs;
use std::process::{Child, Command, Stdio};

use nix::mount::{MsFlags, mount};

use super::stack::{Ran, Stack, WRITABLE, on_stack, ufs, until, with_stack};

/// A process that is ended when dropped.
struct Other(Child);

impl Other {
    fn start(stack: &Stack, program: &str, words: &[&str]) -> Self {
        let mut command = Command::new(program);
        Self(command.args(words).current_dir(&stack.dir).stdin(Stdio::null()).spawn().unwrap())
    }

    fn end(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    fn named(&self, program: &str) -> String {
        format!("process {} ({program})", self.0.id())
    }

    /// Whether it runs a program already.
    fn is_at_work(&self, program: &str) -> bool {
        fs::read_to_string(format!("/proc/{}/comm", self.0.id())).is_ok_and(|name| name.trim() == program)
    }
}

/// What is said, without where the lines break.
fn told(ran: &Ran) -> String {
    ran.err.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn refused(stack: &Stack, words: &[&str]) {
    let ran = stack.mount(WRITABLE);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for word in words {
        assert!(told(&ran).contains(word), "`{word}` in {}", told(&ran));
    }
}

#[test]
fn a_namespace_that_still_has_the_mount_is_named_with_the_way_to_end_it() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            stack.mount(WRITABLE).ok();
            let server = stack.server().unwrap();
            let other = Other::start(&stack, "unshare", &["--mount", "sleep", "1000"]);
            until("it is in its namespace", || other.is_at_work("sleep"));
            stack.umount();
            let (server, there) = (format!("process {server} (ufs)"), other.named("sleep"));
            let cure = format!("nsenter --target {} --mount umount", other.0.id());
            refused(&stack, &["the upper `upper` is in use by", &server, &there, &cure]);
            let point = stack.at("merged");
            let target = other.0.id().to_string();
            let words = ["--target", &target, "--mount", "umount"];
            let ran = Command::new("nsenter").args(words).arg(point).output().unwrap();
            Ran::from(ran).ok();
            // its server may take a moment
            stack.mount(WRITABLE).ok();
            stack.umount();
            other.end();
        });
    });
}

#[test]
fn whoever_has_a_file_open_in_a_mount_that_is_gone_is_named() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            stack.mount(WRITABLE).ok();
            let server = stack.server().unwrap();
            let other = Other::start(&stack, "sh", &["-c", "exec 3<merged/file; exec sleep 1000"]);
            until("it has the file open", || other.is_at_work("sleep"));
            let ran = Command::new("umount").arg("-l").arg(stack.at("merged")).output().unwrap();
            Ran::from(ran).ok();
            refused(&stack, &["the upper `upper` is in use by", &other.named("sleep"), &server.to_string()]);
            other.end();
            stack.mount(WRITABLE).ok();
            stack.umount();
        });
    });
}

#[test]
fn an_overlay_of_the_kernel_keeps_its_upper() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let at = |name: &str| stack.at(name).display().to_string();
            let (base, upper, work) = (at("base"), at("upper"), at("work2"));
            fs::create_dir(&work).unwrap();
            let data = format!("userxattr,lowerdir={base},upperdir={upper},workdir={work}");
            let point = stack.at("kernel");
            fs::create_dir(&point).unwrap();
            mount(Some("overlay"), &point, Some("overlay"), MsFlags::empty(), Some(&*data)).unwrap();
            let place = format!("mounted at `{}`", point.display());
            refused(&stack, &["the upper `upper` is in use by an overlay mount of the kernel", &place]);
            let ran = Command::new("umount").arg(&point).output().unwrap();
            Ran::from(ran).ok();
            stack.mount(WRITABLE).ok();
            stack.umount();
        });
    });
}

#[test]
fn the_upper_of_a_stores_mount_has_one_user_whichever_comes_first() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let shell = |driver: &str, code: &str| -> Ran {
                let store = stack.at(driver);
                let words = ["--quiet", "--driver", driver, "-e", code];
                ufs().current_dir(&stack.dir).arg("--store").arg(store).args(words).output().unwrap().into()
            };
            for driver in ["fuse", "direct"] {
                let options = format!(
                    "lowerdir=base,upperdir={driver}/mounts/m/up/tree,workdir={driver}/mounts/m/work"
                );
                let make = "layer(\"b\").write(\"a\", \"1\"); layer(\"b\").seal(); mount(\"b\", #{ name: \"m\" }).write(\"b\", \"2\");";
                shell(driver, make).ok();
                let hold = "let m = use_mount(\"m\"); m.write(\"c\", \"3\"); sleep(1000.0);";
                let words = ["--quiet", "--store", driver, "--driver", driver, "-e", hold];
                let user = Other::start(&stack, env!("CARGO_BIN_EXE_ufs"), &words);
                until("the shell has it", || stack.at(format!("{driver}/mounts/m/up/tree/c")).exists());
                let ran = stack.mount(options.clone());
                assert_eq!(ran.code, Some(1), "{ran:?}");
                assert!(told(&ran).contains(&user.named("ufs")), "{ran:?}");
                let gone = user.0.id();
                user.end();
                // and the other way round
                stack.mount(options).ok();
                let ran = shell(driver, "use_mount(\"m\");");
                ran.refused(1, &["the mount `m` is in use by process "]);
                assert!(!ran.err.contains(&format!("process {gone}\n")), "it is dead: {ran:?}");
                stack.umount();
                until("the server ends", || shell(driver, "use_mount(\"m\").discard();").code == Some(0));
            }
        });
    });
}
