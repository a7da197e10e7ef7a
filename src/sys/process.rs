//! Processes: who we are for other runs, and who uses a mount.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

pub use super::child::{Ended, Stream, shell};

/// A process for other runs to recognise, although its number may be used again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The process number in its own PID namespace.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// The boot that it belongs to.
    pub boot: String,
    /// The inode of its PID namespace; 0 where `/proc` does not tell.
    #[serde(default)]
    pub namespace: u64,
}

impl Identity {
    /// This process.
    pub fn own() -> Self {
        let pid = std::process::id();
        Self { pid, started: started(pid).unwrap_or(0), boot: boot(), namespace: namespace() }
    }

    /// Whether that process still runs. One of another PID namespace cannot be seen and counts as running until the
    /// machine boots again: only its locks tell.
    pub fn is_alive(&self) -> bool {
        let is_seen = self.namespace == namespace() && proc_counts_as_we_do();
        self.is_of_this_boot() && (!is_seen || started(self.pid) == Some(self.started))
    }

    /// Whether it is of this PID namespace, in which its number means something, and still runs.
    pub fn is_seen(&self) -> bool {
        self.namespace == namespace() && self.is_alive()
    }

    /// Whether the machine has not stopped since.
    pub fn is_of_this_boot(&self) -> bool {
        self.boot == boot()
    }
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Whether `/proc` is of this process's PID namespace: in another's, as `unshare --pid` alone leaves it, a number that the
/// kernel tells us is somebody else's.
fn proc_counts_as_we_do() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let own = std::fs::read_link("/proc/self").ok();
        own.and_then(|own| own.to_str()?.parse().ok()) == Some(std::process::id())
    })
}

/// What `/proc` has of a process or thread; `None` where it would be somebody else's.
fn in_proc(number: u32, what: &str) -> Option<PathBuf> {
    proc_counts_as_we_do().then(|| PathBuf::from(format!("/proc/{number}/{what}")))
}

fn namespace() -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |found| found.ino())
}

/// Whether this process reaches `trusted.*` attributes: as root of the machine, not of a user namespace.
///
/// # Source
/// xattr(7); the number from Linux `uapi/linux/capability.h`.
pub fn reaches_trusted() -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    is_whole_machine() && capabilities() >> CAP_SYS_ADMIN & 1 == 1
}

/// The capabilities that count for this process.
fn capabilities() -> u64 {
    effective(&std::fs::read_to_string("/proc/self/status").unwrap_or_default()).unwrap_or(0)
}

/// A field of a process's status.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name))
}

/// The capabilities that count, by a process's status.
fn effective(status: &str) -> Option<u64> {
    u64::from_str_radix(field(status, "CapEff:")?.trim(), 16).ok()
}

/// The user and the group that stand for all that this process's user namespace does not map; each `None` where it maps all
/// that there is, or that ID itself.
///
/// # Source
/// `user_namespaces(7)`, "Unmapped user and group IDs".
pub fn unknown_owner() -> (Option<u32>, Option<u32>) {
    let unknown = |map: &str, overflow: &str| {
        let shown = std::fs::read_to_string(overflow).ok()?.trim().parse().ok()?;
        (!maps(&std::fs::read_to_string(map).ok()?, shown)).then_some(shown)
    };
    let (uid, gid) = ("/proc/sys/kernel/overflowuid", "/proc/sys/kernel/overflowgid");
    (unknown("/proc/self/uid_map", uid), unknown("/proc/self/gid_map", gid))
}

/// Whether a map of a user namespace has this ID inside.
fn maps(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut fields = line.split_whitespace().filter_map(|field| field.parse::<u64>().ok());
        let (Some(inside), Some(_), Some(count)) = (fields.next(), fields.next(), fields.next()) else {
            return false;
        };
        (inside..inside + count).contains(&u64::from(id))
    })
}

/// Whether this process's user namespace is the machine's.
fn is_whole_machine() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Whether this process is root of the machine with every right over files: the owner, the device or the capability that
/// such a process gives a file is never refused for want of a right.
///
/// # Source
/// `capabilities(7)`, `user_namespaces(7)`; the numbers from Linux `uapi/linux/capability.h`.
pub fn has_every_right() -> bool {
    const CAP_CHOWN: u32 = 0;
    const CAP_MKNOD: u32 = 27;
    const CAP_SETFCAP: u32 = 31;
    let held = capabilities();
    is_whole_machine()
        && super::dir::own_ids().0 == 0
        && [CAP_CHOWN, CAP_MKNOD, CAP_SETFCAP].iter().all(|cap| held >> cap & 1 == 1)
}

/// The time a process started, in ticks; `None` for one that is gone or a zombie.
pub(super) fn started(pid: u32) -> Option<u64> {
    let fields = stat_fields(pid)?;
    let mut fields = fields.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The fields of `/proc/PID/stat` from the third (the state) on.
fn stat_fields(pid: u32) -> Option<String> {
    let stat = std::fs::read(in_proc(pid, "stat")?).ok()?;
    // the name in parentheses may hold anything
    let end = stat.iter().rposition(|&b| b == b')')?;
    Some(std::str::from_utf8(stat.get(end + 2..)?).ok()?.to_owned())
}

/// Who started a process, or who took it in since.
fn parent(pid: u32) -> Option<u32> {
    stat_fields(pid)?.split(' ').nth(1)?.parse().ok()
}

/// The process that this one works for, if it is not itself.
static PRINCIPAL: AtomicU32 = AtomicU32::new(0);

/// From now on this process works for another: what is asked here of our own threads means that one's.
pub(super) fn stand_in_for(principal: u32) {
    PRINCIPAL.store(principal, Ordering::Relaxed);
}

fn principal() -> u32 {
    match PRINCIPAL.load(Ordering::Relaxed) {
        0 => std::process::id(),
        principal => principal,
    }
}

/// Whether a thread, by its number, is one of this process, or of the one that it works for.
pub fn is_own_thread(number: u32) -> bool {
    let own = principal();
    number == own || in_proc(own, &format!("task/{number}")).is_some_and(|task| task.exists())
}

/// Whether a process or thread is this process, or was started by it or by what it started.
pub fn hangs_on_us(number: u32) -> bool {
    let mut at = number;
    // a chain that is read while processes come and go must still end
    for _ in 0..64 {
        if at <= 1 {
            return principal() == at;
        }
        if is_own_thread(at) {
            return true;
        }
        let Some(parent) = parent(at) else { return false };
        at = parent;
    }
    false
}

/// Whether a process (or thread) is about to end by a signal: the kernel gives each of its threads a SIGKILL then,
/// whatever the signal was.
///
/// # Source
/// Linux `kernel/signal.c` (`complete_signal`).
pub fn is_being_killed(number: u32) -> bool {
    const KILL: u64 = 1 << 8;
    let status = in_proc(number, "status").and_then(|path| std::fs::read_to_string(path).ok());
    let status = status.unwrap_or_default();
    let pending = status.lines().filter_map(|line| {
        let set = line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:"))?;
        u64::from_str_radix(set.trim(), 16).ok()
    });
    pending.into_iter().any(|set| set & KILL != 0)
}

/// What a process may do with files that no mode tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// Its further groups.
    pub groups: Vec<u32>,
    /// Whether files keep their marks (`CAP_FSETID`, in this process's user namespace).
    pub keeps_set_ids: bool,
    /// Whether it reaches `trusted.*` attributes (`CAP_SYS_ADMIN`, in this process's user namespace).
    pub reaches_trusted: bool,
}

/// The credentials of a process or thread; `None` for one that is gone or not seen from here.
///
/// # Source
/// `proc_pid_status(5)`; the number of the capability from Linux `uapi/linux/capability.h`.
pub fn credentials(number: u32) -> Option<Credentials> {
    const CAP_FSETID: u32 = 4;
    const CAP_SYS_ADMIN: u32 = 21;
    let status = std::fs::read_to_string(in_proc(number, "status")?).ok()?;
    let groups =
        field(&status, "Groups:")?.split_whitespace().filter_map(|group| group.parse().ok()).collect();
    let held = effective(&status)?;
    // held in a namespace of its own it counts nothing here
    let namespace = |number: &str| std::fs::read_link(format!("/proc/{number}/ns/user")).ok();
    let held = if namespace(&number.to_string()) == namespace("self") { held } else { 0 };
    let holds = |capability: u32| held >> capability & 1 == 1;
    Some(Credentials { groups, keeps_set_ids: holds(CAP_FSETID), reaches_trusted: holds(CAP_SYS_ADMIN) })
}

/// Every process number that `/proc` has.
pub(super) fn all() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A process and everything that it started and that still hangs on it, with their start times.
pub(super) fn family(of: u32) -> Vec<(u32, u64)> {
    let parents: Vec<(u32, u32)> = all().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut family = vec![of];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    family.into_iter().filter_map(|pid| Some((pid, started(pid)?))).collect()
}

/// A process that stands in the way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Its number.
    pub pid: u32,
    /// Its command's name.
    pub name: String,
}

/// How a process must use a directory to count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// A file in it is open for writing or mapped writable, or a deleted one is open: what keeps a mount from
    /// becoming read-only.
    Blocks,
    /// Any file in it is open, or the process stands in it.
    Any,
}

/// The processes that use what lies beneath `dir`, as far as this user may see them.
pub fn users(dir: &Path, how: Use) -> Vec<User> {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    all().filter(|&pid| uses(pid, &dir, how)).map(user).collect()
}

/// A process by its number, with its name.
pub(super) fn user(pid: u32) -> User {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    User { pid, name: name.trim().to_owned() }
}

/// The processes that hold a lock on a file, or on one byte of it, as far as this user may see them. Of a process in
/// another user namespace only locks on whole files are seen: whoever uses a byte has such a lock of the file, too.
///
/// # Source
/// `proc_pid_fdinfo(5)`: the `lock:` lines, whose last two words are the first and the last byte, or `EOF`; `proc_locks(5)`.
pub fn lockers(file: &Path, byte: Option<u64>) -> Vec<User> {
    let mut found: Vec<u32> = all().filter(|&pid| locks(pid, file, byte)).collect();
    let own = std::process::id();
    if found.iter().all(|&pid| pid == own) {
        found.extend(whole_lockers(file).into_iter().filter(|&pid| pid != own));
    }
    found.into_iter().map(|pid| User { pid, name: command(pid) }).collect()
}

/// The processes that took a lock on a whole file, and still run.
fn whole_lockers(file: &Path) -> Vec<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(inode) = std::fs::metadata(file).map(|found| format!(":{}", found.ino())) else {
        return Vec::new();
    };
    let held = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let found = held.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let kind = words.next()?;
        let pid: u32 = words.nth(2)?.parse().ok()?;
        (kind == "FLOCK" && words.next()?.ends_with(&inode) && started(pid).is_some()).then_some(pid)
    });
    found.collect()
}

fn locks(pid: u32, file: &Path, byte: Option<u64>) -> bool {
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    fds.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target == file)).any(|fd| {
        let number = fd.file_name();
        let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", number.display()));
        let info = info.unwrap_or_default();
        info.lines().filter(|line| line.starts_with("lock:")).any(|line| match byte {
            None => line.contains("FLOCK"),
            Some(byte) => line.contains("OFDLCK") && line.split(' ').rev().nth(1) == Some(&byte.to_string()),
        })
    })
}

/// A process's command with its arguments, cut where it is long; its name alone where nothing more is seen.
fn command(pid: u32) -> String {
    const MOST: usize = 60;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = line
        .split(|&byte| byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let text = words.join(" ");
    if text.is_empty() {
        return std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    }
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

fn uses(pid: u32, dir: &Path, how: Use) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    let link = |path: String| std::fs::read_link(path).ok().filter(|target| target.starts_with(dir));
    if how == Use::Any && (link(format!("/proc/{pid}/cwd")).or(link(format!("/proc/{pid}/root")))).is_some() {
        return true;
    }
    let fds = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    for fd in fds {
        let number = fd.file_name();
        let Some(number) = number.to_str() else { continue };
        let Some(target) = link(format!("/proc/{pid}/fd/{number}")) else { continue };
        if how == Use::Any || target.as_os_str().as_bytes().ends_with(b" (deleted)") {
            return true;
        }
        let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let mode = flags.and_then(|text| i32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0);
        if mode & libc::O_ACCMODE != libc::O_RDONLY {
            return true;
        }
    }
    // shared writable maps are `rw-s` lines; the path is the sixth field and escapes only newlines
    let maps = std::fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.split(|&b| b == b'\n').any(|line| {
        let Some(at) = line.iter().position(|&b| b == b'/') else { return false };
        let (head, path) = line.split_at(at);
        let mapped = Path::new(std::ffi::OsStr::from_bytes(path)).starts_with(dir);
        mapped && (how == Use::Any || head.windows(3).any(|part| part == b"w-s" || part == b"wxs"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends() {
        let own = Identity::own();
        assert!(own.is_alive());
        assert!(!Identity { started: own.started + 1, ..own.clone() }.is_alive());
        assert!(!Identity { boot: "other".to_owned(), ..own.clone() }.is_alive());
        let foreign = Identity { started: 1, namespace: own.namespace + 1, ..own };
        assert!(foreign.is_alive());
    }

    #[test]
    fn a_map_has_the_ids_of_its_lines() {
        let whole = "         0          0 4294967295\n";
        let some = "0 1000 1\n1 100000 65533\n";
        assert!(maps(whole, 65534) && maps(some, 0) && maps(some, 65533));
        assert!(!maps(some, 65534) && !maps("", 0) && !maps("x", 0));
    }

    #[test]
    fn who_writes_or_holds_a_deleted_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let own = |how| users(dir.path(), how).iter().any(|user| user.pid == std::process::id());
        let path = dir.path().join("f");
        std::fs::write(&path, "x").unwrap();
        assert!(!own(Use::Any));
        let reader = std::fs::File::open(&path).unwrap();
        assert!(own(Use::Any) && !own(Use::Blocks));
        let writer = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        assert!(own(Use::Blocks));
        drop(writer);
        assert!(!own(Use::Blocks));
        std::fs::remove_file(&path).unwrap();
        assert!(own(Use::Blocks));
        drop(reader);
        assert!(!own(Use::Any));
    }
}
