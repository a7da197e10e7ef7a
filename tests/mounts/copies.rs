//! What copies keep, on every driver.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use ufs::model::{Changeset, Mode, Timestamp};
use ufs::store::{ScanHow, scan};
use ufs::sys::{Dir, dir::own_ids, xattr};

use crate::host::with_mounts;

const CAPABILITY: &[u8] = b"security.capability";
const ACCESS: &[u8] = b"system.posix_acl_access";
const DEFAULT: &[u8] = b"system.posix_acl_default";

/// An access control list that gives a user more than the mode does.
///
/// # Source
/// Linux `posix_acl_xattr.h`: version 2, then tag, permissions and ID of each.
fn list(user: u32) -> Vec<u8> {
    const NOBODY: u32 = u32::MAX;
    let entries = [(1_u16, 6_u16, NOBODY), (2, 4, user), (4, 4, NOBODY), (16, 4, NOBODY), (32, 0, NOBODY)];
    let entries = entries.iter().flat_map(|(tag, rights, id)| {
        [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
    });
    2_u32.to_le_bytes().into_iter().chain(entries).collect()
}

/// A directory with files that a careless copy would change, and one whose default list a copy must not take.
fn originals(host: &Path) {
    let capability = [&[1, 0, 0, 2][..], &[0xff, 0, 0, 0], &[0; 12]].concat();
    fs::create_dir_all(host.join("from/dir")).unwrap();
    fs::create_dir(host.join("in")).unwrap();
    let from = Dir::open(&host.join("from")).unwrap();
    for name in ["program", "listed", "plain", "sparse", "setuid"] {
        fs::write(host.join("from").join(name), name).unwrap();
    }
    fs::write(host.join("from/dir/deep"), "deep").unwrap();
    for name in ["program", "setuid"] {
        chown(host.join("from").join(name), Some(7), Some(8)).unwrap();
    }
    from.chmod(b"program", Mode::new(0o755)).unwrap();
    from.chmod(b"setuid", Mode::new(0o6711)).unwrap();
    xattr::set_at(&from, b"program", CAPABILITY, &capability).unwrap();
    xattr::set_at(&from, b"program", b"user.colour", b"red").unwrap();
    xattr::set_at(&from, b"listed", ACCESS, &list(7)).unwrap();
    xattr::set_at(&from, b"dir", DEFAULT, &list(9)).unwrap();
    xattr::set_at(Dir::open(host).unwrap(), b"in", DEFAULT, &list(5)).unwrap();
    fs::OpenOptions::new().write(true).open(host.join("from/sparse")).unwrap().set_len(64 << 20).unwrap();
    from.symlink(b"program", b"link").unwrap();
    from.link(b"plain", &from, b"again").unwrap();
    let time = |nanos| Timestamp { secs: 1_500_000_000, nanos };
    for item in from.items().unwrap() {
        from.set_times(&item.name, None, Some(time(987_654_321))).unwrap();
    }
    from.set_times_self(None, Some(time(2))).unwrap();
}

fn all(dir: &Path) -> Changeset {
    scan(&Dir::open(dir).unwrap(), &ScanHow::default()).unwrap().changes
}

#[test]
fn a_copy_has_all_that_the_original_has() {
    if own_ids().0 != 0 {
        return; // only root gives files to others
    }
    with_mounts(|scratch| {
        let host = scratch.join("host");
        fs::create_dir(&host).unwrap();
        originals(&host);
        let wanted = all(&host.join("from"));
        for driver in ["overlay", "fuse", "direct"] {
            let out = scratch.join(driver);
            fs::create_dir(&out).unwrap();
            xattr::set_at(Dir::open(scratch).unwrap(), driver.as_bytes(), DEFAULT, &list(3)).unwrap();
            let code = r#"
                let out = env("OUT");
                layer("a").add(env("HOST")); layer("b").write("/b", "1");
                mount(["a", "b"]); copy_out("/from", out + "/out");
                cp("/from", "/to"); copy_out("/to", out + "/copied");
                cp("/from", "/in/to"); copy_out("/in/to", out + "/listed");
                // over files that are there
                for name in ["program", "listed"] { cp("/from/" + name, "/in/to/" + name); }
                copy_out("/in/to", out + "/again");
                let c = commit("c"); squash(c, "one"); mount("one");
                copy_out("/from", out + "/squashed"); copy_out("/in/to", out + "/both");
            "#;
            let mut command = Command::new(env!("CARGO_BIN_EXE_ufs"));
            command.args(["--ephemeral", "--quiet", "--driver", driver, "-e", code]).stdin(Stdio::null());
            let output = command.env("OUT", &out).env("HOST", &host).output().unwrap();
            assert!(output.status.success(), "{driver}: {}", String::from_utf8_lossy(&output.stderr));
            for copy in ["out", "copied", "listed", "again", "squashed", "both"] {
                let found = all(&out.join(copy));
                for (path, change) in wanted.iter() {
                    assert_eq!(found.get(path), Some(change), "{driver}: {copy}{path:?}");
                }
                assert_eq!(found.len(), wanted.len(), "{driver}: {copy}");
                let sparse = out.join(copy).join("sparse").metadata().unwrap();
                assert!(sparse.blocks() < 2048, "{driver}: {copy} has {} blocks", sparse.blocks());
            }
        }
    });
}
