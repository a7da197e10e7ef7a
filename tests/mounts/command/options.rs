//! The option string and what it does to a mount.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use super::stack::{Ran, Stack, WRITABLE, on_stack, ufs, with_stack};

fn line(stack: &Stack) -> String {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let at = stack.at("merged");
    text.lines().rfind(|line| line.contains(at.to_str().unwrap())).unwrap().to_owned()
}

#[test]
fn relative_names_mount_in_the_background_and_the_upper_takes_the_changes() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            stack.mount(WRITABLE).ok();
            assert_eq!(stack.read("merged/file"), "top");
            fs::write(stack.at("merged/d/deep"), "changed").unwrap();
            fs::remove_file(stack.at("merged/file")).unwrap();
            assert_eq!(stack.read("upper/d/deep"), "changed");
            assert_eq!(stack.read("base/d/deep"), "deep");
            let whiteout = fs::symlink_metadata(stack.at("upper/file")).unwrap();
            assert!(whiteout.file_type().is_char_device() && whiteout.rdev() == 0);
            let line = line(&stack);
            assert!(line.contains(" - fuse.ufs ufs rw"), "{line}");
            stack.umount();
            stack.mount(WRITABLE).ok();
            assert!(!stack.at("merged/file").exists());
            stack.umount();
        });
    });
}

#[test]
fn names_with_commas_colons_and_backslashes_are_escaped() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let odd = OsString::from_vec(b"a:b,c\\d\xff".to_vec());
            fs::create_dir(stack.at(&odd)).unwrap();
            fs::write(stack.at(&odd).join("odd"), "odd").unwrap();
            fs::create_dir(stack.at("u,p")).unwrap();
            let options =
                OsString::from_vec(b"lowerdir=a\\:b\\,c\\\\d\xff:base,upperdir=u\\,p,workdir=work".to_vec());
            stack.mount(options).ok();
            assert_eq!((stack.read("merged/odd"), stack.read("merged/file")), ("odd".into(), "base".into()));
            fs::write(stack.at("merged/new"), "1").unwrap();
            assert_eq!(stack.read("u,p/new"), "1");
            stack.umount();
            let options = OsString::from_vec(b"lowerdir+=a:b\\,c\\\\d\xff,lowerdir+=base".to_vec());
            stack.run(&["mount".into(), "-o".into(), options, OsString::from("merged")]).ok();
            assert_eq!(stack.read("merged/odd"), "odd");
            stack.umount();
        });
    });
}

#[test]
fn without_an_upper_or_with_ro_nothing_can_be_changed() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            for options in ["lowerdir=top:base".to_owned(), format!("{WRITABLE},ro")] {
                stack.mount(options).ok();
                let refused = fs::write(stack.at("merged/new"), "1").unwrap_err();
                assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
                assert!(line(&stack).contains(" ro"));
                stack.umount();
            }
        });
    });
}

#[test]
fn a_mount_is_changed_by_remount() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            fs::write(stack.at("base/large"), "0".repeat(200_000)).unwrap();
            stack.mount(format!("{WRITABLE},ro")).ok();
            let (read, unread) = (stack.open("merged/large"), stack.open("merged/large"));
            read.read_exact_at(&mut [0; 9], 0).unwrap();
            stack.run(&["mount", "-o", "remount,rw", "merged"]).ok();
            fs::write(stack.at("merged/new"), "1").unwrap();
            fs::write(stack.at("merged/large"), "changed").unwrap();
            // who read it when nobody could change it
            for reader in [read, unread] {
                let mut text = [0; 9];
                assert_eq!((reader.read_at(&mut text, 0).unwrap(), &text[..7]), (7, &b"changed"[..]));
            }
            stack.run(&["mount", "-o", "remount,ro", "merged"]).ok();
            fs::write(stack.at("merged/new"), "2").unwrap_err();
            stack.umount();
        });
    });
}

#[test]
fn generic_options_have_their_effect() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            fs::copy("/bin/true", stack.at("base/program")).unwrap();
            fs::set_permissions(stack.at("base/program"), fs::Permissions::from_mode(0o755)).unwrap();
            stack.mount(format!("{WRITABLE},noexec,nosuid,nodev,noatime,lazytime,dirsync,nofail,x-a=b")).ok();
            let line = line(&stack);
            for word in ["nosuid", "nodev", "noexec", "noatime", "lazytime", "dirsync"] {
                assert!(line.contains(word), "`{word}` in {line}");
            }
            Command::new(stack.at("merged/program")).status().unwrap_err();
            stack.umount();
            stack.mount(format!("{WRITABLE},noexec,exec")).ok();
            assert!(Command::new(stack.at("merged/program")).status().unwrap().success());
            stack.umount();
        });
    });
}

#[test]
fn errors_reach_the_caller_with_their_code_and_nothing_stays_mounted() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let merged = |options: &str| stack.mount(options);
            merged("lowerdir=nope").refused(1, &["lower directory `nope`", "No such file"]);
            merged("lowerdir=top,upperdir=nope,workdir=work").refused(1, &["upper directory `nope`"]);
            merged("lowerdir=top,upperdir=upper,workdir=upper").refused(1, &["overlap", "hint"]);
            for (lower, inside) in [("upper", "upperdir"), ("upper/in", "upperdir"), ("work/in", "workdir")] {
                fs::create_dir_all(stack.at(lower)).unwrap();
                merged(&format!("lowerdir=top:{lower},upperdir=upper,workdir=work"))
                    .refused(1, &[&format!("`lowerdir={lower}` lies in `{inside}="), "hint"]);
            }
            merged("lowerdir=top,xattr_permissions=2").refused(2, &["`xattr_permissions=0`"]);
            merged("lowerdir=top,upperdir=upper,workdir=/proc").refused(1, &["not on the mount"]);
            merged("lowerdir=top,upperdir=upper").refused(2, &["needs a `workdir`"]);
            merged("upperdir=upper,workdir=work").refused(2, &["no layers", "lowerdir=TOP"]);
            merged("lowerdir=top,lowedir=base")
                .refused(2, &["unknown mount option", "did you mean `lowerdir`"]);
            merged("lowerdir=top,metacopy=on").refused(2, &["`metacopy=on`"]);
            stack.run(&["mount", "-o", "lowerdir=top", "nowhere"]).refused(1, &["nowhere"]);
            stack.run(&["mount", "-o", "lowerdir=top", "base/file"]).refused(1, &["base/file"]);
            stack.run(&["mount"]).refused(2, &["Usage"]);
            assert!(!stack.is_mounted());
            let help = stack.run(&["mount", "--help"]).ok();
            assert!(help.out.contains("lowerdir=TOP") && help.out.contains("workdir"), "{}", help.out);
        });
    });
}

#[test]
fn an_upper_is_mounted_once_at_a_time() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            stack.mount(WRITABLE).ok();
            fs::create_dir(stack.at("second")).unwrap();
            let words = ["mount", "-o", WRITABLE, "second"];
            let point = stack.at("merged").display().to_string();
            let server = format!("process {} (ufs)", stack.server().unwrap());
            stack.run(&words).refused(1, &["the upper `upper` is in use", &server, &point]);
            // nor with another work directory
            fs::create_dir(stack.at("work2")).unwrap();
            let other = ["mount", "-o", "lowerdir=base,upperdir=upper,workdir=work2", "second"];
            stack.run(&other).refused(1, &["the upper `upper` is in use", &server, &point]);
            stack.umount();
            // right after umount(8) has returned it is free
            stack.run(&words).ok();
            let ran: Ran = Command::new("umount").arg(stack.at("second")).output().unwrap().into();
            ran.ok();
        });
    });
}

#[test]
fn owners_are_shown_as_asked() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let owner = |name: &str| {
                let found = fs::symlink_metadata(stack.at(name)).unwrap();
                (found.uid(), found.gid())
            };
            stack.mount(format!("{WRITABLE},squash_to_root")).ok();
            fs::write(stack.at("merged/new"), "1").unwrap();
            assert_eq!([owner("merged/file"), owner("merged/new"), owner("upper/new")], [(0, 0); 3]);
            stack.umount();
            if std::os::unix::fs::chown(stack.at("base/file"), Some(3), Some(4)).is_err() {
                return; // only one user is mapped here
            }
            fs::remove_file(stack.at("top/file")).unwrap();
            stack.mount(format!("{WRITABLE},squash_to_root")).ok();
            assert_eq!(owner("merged/file"), (0, 0));
            // a change of the group leaves the user on disk alone
            std::os::unix::fs::chown(stack.at("merged/file"), None, Some(9)).unwrap();
            assert_eq!((owner("merged/file"), owner("upper/file")), ((0, 0), (3, 9)));
            stack.umount();
            stack.mount(format!("{WRITABLE},uidmapping=0:5000:10,gidmapping=0:6000:10")).ok();
            assert_eq!(owner("merged/file"), (5003, 6009));
            std::os::unix::fs::chown(stack.at("merged/file"), Some(5001), Some(6002)).unwrap();
            assert_eq!((owner("merged/file"), owner("upper/file")), ((5001, 6002), (1, 2)));
            std::os::unix::fs::chown(stack.at("merged/file"), Some(9), None).unwrap();
            assert_eq!(owner("upper/file"), (65534, 2), "as fuse-overlayfs has it");
            stack.umount();
        });
    });
}

#[test]
fn every_directory_may_have_one_link() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            fs::create_dir_all(stack.at("base/many/a/b")).unwrap();
            let links = || fs::metadata(stack.at("merged/many")).unwrap().nlink();
            stack.mount(WRITABLE).ok();
            assert_eq!(links(), fs::metadata(stack.at("base/many")).unwrap().nlink());
            stack.umount();
            stack.mount(format!("{WRITABLE},static_nlink")).ok();
            assert_eq!(links(), 1);
            stack.umount();
        });
    });
}

#[test]
fn it_starts_with_its_streams_closed_and_keeps_none_that_it_was_given() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let program = ufs().get_program().to_owned();
            let mut shell = Command::new("sh");
            shell.current_dir(&stack.dir).arg("-c");
            // descriptor 9 stands for a lock that whoever started it waits for
            shell.arg(format!("exec 9>held; \"$0\" mount -o {WRITABLE} merged <&- >&- 2>&-")).arg(program);
            let ran: Ran = shell.output().unwrap().into();
            ran.ok();
            assert_eq!(stack.read("merged/file"), "top");
            let server = stack.server().unwrap();
            let proc = std::path::PathBuf::from(format!("/proc/{server}"));
            assert_eq!(fs::read_link(proc.join("cwd")).unwrap(), std::path::Path::new("/"));
            let open: Vec<_> = fs::read_dir(proc.join("fd")).unwrap().flatten().collect();
            let held = stack.at("held");
            assert!(open.iter().all(|file| fs::read_link(file.path()).unwrap() != held));
            let stat = fs::read_to_string(proc.join("stat")).unwrap();
            let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
            assert_eq!((fields[3], fields[4]), (&*server.to_string(), "0"), "a session without a terminal");
            stack.umount();
        });
    });
}

#[test]
fn a_name_of_mount_8_makes_it_a_helper() {
    on_stack(|scratch| {
        with_stack(scratch, |stack| {
            let helper = stack.at("mount.fuse.ufs");
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ufs"), &helper).unwrap();
            let call = |words: &[&str]| -> Ran {
                Command::new(&helper).current_dir(&stack.dir).args(words).output().unwrap().into()
            };
            let said = call(&["overlay", "merged", "-n", "-v", "-o", "rw,noatime,lowerdir=top:base"]).ok();
            assert!(said.out.contains("overlay mounted on merged"), "{said:?}");
            assert!(line(&stack).contains(" - fuse.ufs overlay "), "{}", line(&stack));
            let echoed = "rw,noatime,remount,user_id=0,group_id=0,default_permissions,allow_other";
            call(&["overlay", "merged", "-o", echoed]).ok();
            stack.umount();
            call(&["overlay", "merged", "-f", "-o", "lowerdir=top"]).ok();
            assert!(!stack.is_mounted(), "a fake mount");
            call(&["overlay", "merged", "-o", "lowerdir=nope"]).refused(32, &["`nope`"]);
            call(&["overlay", "merged", "-o", "lowerdri=top"]).refused(1, &["did you mean"]);
            call(&["overlay", "merged", "-s", "-o", "frobnicate,lowerdir=top"]).ok();
            stack.umount();
        });
    });
}
