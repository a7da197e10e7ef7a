//! Layers and uppers on file systems that keep less than others: no attributes, no access control lists.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use ufs::driver::{DriverKind, Mounted};
use ufs::model::WhiteoutForm;
use ufs::sys::{probe, xattr};

use super::{User, as_user, told};
use crate::host::{skip, with_mounts};
use crate::semantics::stage::Stage;
use crate::semantics::{Rights, rights};

const OTHER: User = User { uid: 4001, gid: 4001, groups: &[] };

/// ramfs keeps no attributes of any kind.
fn mount_ramfs(at: &Path) {
    fs::create_dir_all(at).unwrap();
    assert!(Command::new("mount").args(["-t", "ramfs", "ramfs"]).arg(at).status().unwrap().success());
    fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Mounts a lower beneath an upper by a driver; runs `test` in it.
fn mounted<T>(upper: &Path, lower: &Path, kind: DriverKind, test: impl FnOnce(&Path) -> T) -> T {
    let stage = Stage::over(upper, &[lower.to_owned()]);
    fs::set_permissions(stage.upper("it").parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    stage.add_upper("it");
    let _mount: Box<dyn Mounted> = stage.mount(kind, "it", WhiteoutForm::Device);
    test(&stage.target("it"))
}

fn is_able() -> bool {
    match probe::fuse_device() {
        Ok(_) => rights() == Rights::Root,
        Err(no) => {
            skip(&no.reason);
            false
        }
    }
}

#[test]
fn files_of_a_lower_without_access_lists_open() {
    with_mounts(|scratch| {
        if !is_able() {
            return;
        }
        let (lower, upper) = (scratch.join("ramfs"), scratch.join("upper"));
        mount_ramfs(&lower);
        fs::create_dir(&upper).unwrap();
        fs::write(lower.join("f"), "content").unwrap();
        chown(lower.join("f"), Some(1), Some(1)).unwrap();
        let look = |at: &Path| {
            let dir = fs::File::open(at).unwrap();
            let user = || told(fs::read(at.join("f")));
            let list = xattr::get_at(&dir, b"f", b"system.posix_acl_access");
            let other = xattr::get_at(&dir, b"f", b"user.a");
            let names = xattr::list_at(&dir, b"f");
            (told(fs::read(at.join("f"))), as_user(Some(OTHER), user), list, other, names)
        };
        let kernel = mounted(&upper, &lower, DriverKind::Overlay, look);
        assert_eq!(kernel.1.as_deref(), Ok(&b"content"[..]));
        assert_eq!(mounted(&upper, &lower, DriverKind::Fuse, look), kernel);
    });
}

#[test]
fn an_upper_without_attributes_takes_copies_without_them() {
    with_mounts(|scratch| {
        if !is_able() {
            return;
        }
        let (lower, upper) = (scratch.join("lower"), scratch.join("ramfs"));
        mount_ramfs(&upper);
        fs::create_dir_all(lower.join("d")).unwrap();
        fs::write(lower.join("d/f"), "content").unwrap();
        fs::write(lower.join("gone"), "").unwrap();
        xattr::set_at(fs::File::open(lower.join("d")).unwrap(), b"f", b"user.a", b"1").unwrap();
        let change = |at: &Path| {
            let append = told(
                OpenOptions::new().append(true).open(at.join("d/f")).and_then(|mut f| f.write_all(b"+")),
            );
            let made = told(fs::create_dir(at.join("new")));
            let removed = told(fs::remove_file(at.join("gone")));
            let size = told(fs::metadata(at.join("d/f")).map(|found| found.size()));
            let value = xattr::get_at(fs::File::open(at.join("d")).unwrap(), b"f", b"user.a");
            (append, made, removed, size, value, at.join("gone").exists())
        };
        let kernel = mounted(&upper, &lower, DriverKind::Overlay, change);
        assert_eq!(mounted(&upper, &lower, DriverKind::Fuse, change), kernel);
    });
}
