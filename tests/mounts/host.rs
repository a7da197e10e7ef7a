//! Runs a test where it may mount: in a child process with a mount namespace of its own.
//!
//! A user without privilege gets a user namespace with it, which only a process of one thread can enter; the harness
//! has several. So the test binary starts itself again for this one test. What a test leaves mounted goes with it.

use std::ffi::CString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use ufs::sys::dir::own_ids;
use ufs::sys::probe::No;
use ufs::sys::{Dir, OFlags, probe};

/// Set in the child: the directory that the test may use.
const SCRATCH: &str = "UFS_TEST_SCRATCH";

/// A directory to test in instead of a fresh tmpfs, to see what another file system does.
const WHERE: &str = "UFS_TEST_DIR";

/// Runs `test` with a directory that can hold uppers and in which overlays can be mounted.
///
/// Must be called by the test function itself: the child is told to run the test that the closure is named after.
pub(crate) fn with_mounts<F: FnOnce(&Path)>(test: F) {
    if let Some(scratch) = std::env::var_os(SCRATCH) {
        match prepare(Path::new(&scratch)) {
            Ok(()) => test(Path::new(&scratch)),
            Err(no) => skip(&no.reason),
        }
        return;
    }
    let name = std::any::type_name::<F>();
    let name = name.split_once("::").unwrap().1.strip_suffix("::{{closure}}").unwrap();
    let parent = std::env::var_os(WHERE).map_or_else(std::env::temp_dir, PathBuf::from);
    let scratch = tempfile::Builder::new().prefix("ufs-test-").tempdir_in(&parent).unwrap().keep();
    let output = child(name, &scratch).output();
    Dir::open(&parent).unwrap().remove_tree(scratch.file_name().unwrap().as_encoded_bytes()).unwrap();
    match output {
        Err(error) => skip(&format!("no mount namespace: {error}")),
        Ok(output) => {
            let (out, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && out.contains("1 passed"), "in the child:\n{out}\n{err}");
            for line in err.lines().filter(|line| line.starts_with(SKIPPED)) {
                tell(line);
            }
        }
    }
}

const SKIPPED: &str = "skipped: ";

pub(crate) fn skip(reason: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "with CI=true nothing is skipped: {reason}"
    );
    tell(&format!("{SKIPPED}{reason}"));
}

/// To the terminal itself: what a passing test prints is kept back by the harness.
fn tell(line: &str) {
    writeln!(io::stderr(), "{line}").unwrap();
}

/// The command that runs one test of this binary in a namespace.
#[expect(unsafe_code, reason = "what a child does before it runs a program")]
fn child(test: &str, scratch: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(SCRATCH, scratch);
    let (uid, gid) = own_ids();
    let map = |id: u32| CString::new(format!("0 {id} 1")).unwrap();
    let files = [
        (c"/proc/self/setgroups", c"deny".to_owned()),
        (c"/proc/self/uid_map", map(uid)),
        (c"/proc/self/gid_map", map(gid)),
    ];
    let enter = move || -> io::Result<()> {
        if uid == 0 {
            return Ok(unshare(CloneFlags::CLONE_NEWNS)?);
        }
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
        for (path, text) in &files {
            let file = rustix::fs::open(*path, OFlags::WRONLY, rustix::fs::Mode::empty())?;
            rustix::io::write(&file, text.to_bytes())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made; what they need was allocated before.
    unsafe { command.pre_exec(enter) };
    command
}

/// Makes a scratch directory ready: a file system that can hold an upper, and a trial mount.
fn prepare(scratch: &Path) -> Result<(), No> {
    let failed = |act: &str, errno: nix::Error| No { reason: format!("{act}: {}", errno.desc()), cure: None };
    ufs::sys::mount::make_all_private()
        .map_err(|errno| No { reason: format!("make the mounts private: {errno}"), cure: None })?;
    if std::env::var_os(WHERE).is_none() {
        let options = Some("mode=0755");
        mount(Some("ufs-test"), scratch, Some("tmpfs"), MsFlags::empty(), options)
            .map_err(|errno| failed("mount a tmpfs", errno))?;
        // before Linux 6.6 it takes no attributes
        if probe::upper(scratch).is_err() {
            umount2(scratch, MntFlags::empty()).map_err(|errno| failed("unmount the tmpfs", errno))?;
        }
    }
    probe::upper(scratch)?;
    probe::overlay_mount(scratch).map(|_| ())
}

/// An access control list as on disk (Linux `posix_acl_xattr.h`): the rights of the owner, of one more user, of the
/// group, those at most, and of all others.
pub(crate) fn access_list(rights: [u16; 5], uid: u32) -> Vec<u8> {
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (rights, tag) in rights.into_iter().zip([0x01_u16, 0x02, 0x04, 0x10, 0x20]) {
        let id = if tag == 0x02 { uid } else { u32::MAX };
        value.extend(tag.to_le_bytes());
        value.extend(rights.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    value
}
