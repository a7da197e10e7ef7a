//! A sandbox around this process that nothing in it can leave or take away: Landlock decides which paths, seccomp which
//! system calls, of root's rights those stay that concern files, and in a mount namespace of our own no file is run and no
//! device opened.
//!
//! Deliberately absent: rules for what Landlock does not know. It lets everybody look whether a path exists and change
//! modes, owners, times and attributes where the file's own mode allows it; there the gate in `workspace` stands alone.
//!
//! # Source
//! landlock(7); seccomp(2); capabilities(7); `mount_setattr(2)`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus,
    PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, Scope,
};
use nix::sched::{CloneFlags, unshare};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::probe::{Answer, No};
use super::{Errno, from_nix, mount};

/// The newest Landlock that the rules here are made for; an older one takes those that it knows.
const KNOWN: ABI = ABI::V6;
/// How long a thread of an earlier step may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What may be reached from within.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rules {
    /// Files and directories to be read, with all beneath them.
    pub read: Vec<PathBuf>,
    /// Directories to be read and written, with all beneath them; no devices are made there.
    pub write: Vec<PathBuf>,
    /// Directories of the program's own, such as its store.
    pub own: Vec<PathBuf>,
}

/// Gives this process mounts of its own, which others do not see. Must run before any thread exists, and before anything
/// is opened that [`enter`] shall concern.
///
/// # Errors
/// What unshare(2) gives: `EPERM` without the right to.
pub fn separate() -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(from_nix)?;
    mount::make_all_private()
}

/// Enters the sandbox; tells what of it this machine does not have. What is there holds, until the process ends.
///
/// # Errors
/// In words: a step that failed although the machine has it. Then nothing of others may be run.
pub fn enter(rules: &Rules, separated: bool) -> Result<Vec<&'static str>, String> {
    wait_for_threads()?;
    let mut missing = Vec::new();
    if separated {
        mount::use_for_data_only().map_err(|errno| format!("mounts without devices: {errno}"))?;
    }
    drop_rights()?;
    if !restrict_paths(rules)? {
        missing.push("Landlock");
    }
    if !restrict_calls(libc::EPERM)? {
        missing.push("seccomp");
    }
    Ok(missing)
}

/// Keeps of root's rights those that concern files alone: with others a process looks into any other.
fn drop_rights() -> Result<(), String> {
    let told = |errno: Errno| format!("rights: {errno}");
    let kept = CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::DAC_READ_SEARCH
        | CapabilitySet::FOWNER
        | CapabilitySet::FSETID
        | CapabilitySet::MKNOD
        | CapabilitySet::SETFCAP;
    let held = capabilities(None).map_err(told)?;
    let left = CapabilitySets {
        effective: held.effective & kept,
        permitted: held.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, left).map_err(told)
}

/// Waits until this thread is the only one: the rules are for the thread that takes them, and those that it starts.
fn wait_for_threads() -> Result<(), String> {
    let start = Instant::now();
    loop {
        let tasks =
            std::fs::read_dir("/proc/self/task").map_err(|error| format!("/proc/self/task: {error}"))?;
        if tasks.count() == 1 {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            return Err("another thread of this program does not end".to_owned());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sets the rules for paths, the network, abstract sockets and signals; whether the kernel has any.
fn restrict_paths(rules: &Rules) -> Result<bool, String> {
    let told = |error: landlock::RulesetError| format!("Landlock: {error}");
    let all = AccessFs::from_all(KNOWN);
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(KNOWN)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(KNOWN)))
        .and_then(Ruleset::create)
        .map_err(told)?;
    let looks = AccessFs::ReadFile | AccessFs::ReadDir;
    let never = AccessFs::Execute | AccessFs::IoctlDev;
    let nodes = AccessFs::MakeBlock | AccessFs::MakeChar;
    let system = [PathBuf::from("/proc")];
    let mut granted: Vec<(&Path, BitFlags<AccessFs>)> = Vec::new();
    granted.extend(rules.read.iter().chain(&system).map(|path| (path.as_path(), looks)));
    granted.extend(rules.write.iter().map(|path| (path.as_path(), all & !never & !nodes)));
    granted.extend(rules.own.iter().map(|path| (path.as_path(), all & !never)));
    let mut ruleset = ruleset;
    for (path, access) in granted {
        let place = PathFd::new(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
        ruleset = ruleset.add_rule(PathBeneath::new(place, access)).map_err(told)?;
    }
    let status = ruleset.restrict_self().map_err(told)?;
    Ok(matches!(status.landlock, LandlockStatus::Available { .. }))
}

/// System calls that nothing in the sandbox needs and that reach beyond files: the network, other programs and
/// processes, mounts and namespaces, the kernel itself.
const CLOSED: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_personality,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_accept,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// The flags of clone(2) that make namespaces.
const NAMESPACES: [libc::c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Requests of ioctl(2) that type into a terminal, for the shell beneath to read.
const TYPES: [u64; 2] = [0x5412, 0x541c]; // TIOCSTI, TIOCLINUX: Linux `asm-generic/ioctls.h`

/// Sets the filter of system calls, which fail with `errno`; whether the kernel has any.
fn restrict_calls(errno: libc::c_int) -> Result<bool, String> {
    let told = |error: seccompiler::BackendError| format!("seccomp: {error}");
    let when = |argument, operator, value| -> Result<SeccompRule, seccompiler::BackendError> {
        SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?])
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CLOSED.iter().map(|call| (*call, Vec::new())).collect();
    let mut clones = Vec::new();
    for flag in NAMESPACES {
        let flag = u64::from(flag.cast_unsigned());
        clones.push(when(0, SeccompCmpOp::MaskedEq(flag), flag).map_err(told)?);
    }
    rules.insert(libc::SYS_clone, clones);
    let types = TYPES.iter().map(|request| when(1, SeccompCmpOp::Eq, *request)).collect::<Result<_, _>>();
    rules.insert(libc::SYS_ioctl, types.map_err(told)?);
    let denied = filter(rules, errno).map_err(told)?;
    // its flags lie in memory, where no filter can look; the C library takes `clone` then
    let unknown = filter([(libc::SYS_clone3, Vec::new())].into(), libc::ENOSYS).map_err(told)?;
    for program in [denied, unknown] {
        match seccompiler::apply_filter(&program) {
            Ok(()) => {}
            Err(seccompiler::Error::Seccomp(error) | seccompiler::Error::Prctl(error))
                if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) =>
            {
                return Ok(false);
            }
            Err(error) => return Err(format!("seccomp: {error}")),
        }
    }
    Ok(true)
}

/// A program that lets everything but these calls pass; they fail with `errno`.
fn filter(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    errno: libc::c_int,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let refused = SeccompAction::Errno(errno.cast_unsigned());
    let arch = std::env::consts::ARCH.try_into()?;
    let program: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?.try_into()?;
    Ok(without_x32(program))
}

/// Refuses the other numbers that x86-64 has for the same calls (x32), which rules for the usual ones do not see.
///
/// # Source
/// seccomp(2), "Caveats": `__X32_SYSCALL_BIT`.
fn without_x32(program: BpfProgram) -> BpfProgram {
    if !cfg!(target_arch = "x86_64") {
        return program;
    }
    let statement = |code: u32, jt, jf, k| {
        let code = u16::try_from(code).unwrap_or_default();
        seccompiler::sock_filter { code, jt, jf, k }
    };
    let head = [
        // the number of the call is the first of what the filter sees
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, 0x4000_0000),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
    ];
    head.into_iter().chain(program).collect()
}

/// Which Landlock the kernel has, for `doctor()`.
#[expect(unsafe_code, reason = "a system call that asks for a number")]
pub fn landlock() -> Answer {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the call takes no memory and gives a number.
    let found =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, VERSION) };
    match found {
        1.. => Ok(format!("Landlock, version {found}")),
        _ => Err(No {
            reason: "the kernel has no Landlock: paths under `--sandbox` are guarded by ufs alone".to_owned(),
            cure: Some("Linux 5.13 or later with `lsm=landlock,...` on its command line".to_owned()),
        }),
    }
}

/// Whether the kernel has seccomp filters, for `doctor()`.
pub fn seccomp() -> Answer {
    let path = "/proc/sys/kernel/seccomp/actions_avail";
    match std::fs::read_to_string(path) {
        Ok(actions) if actions.split_whitespace().any(|action| action == "errno") => {
            Ok("filters of system calls".to_owned())
        }
        _ => Err(No {
            reason: "the kernel has no filters of system calls: those under `--sandbox` stay open".to_owned(),
            cure: Some("a kernel with `CONFIG_SECCOMP_FILTER`".to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests;
