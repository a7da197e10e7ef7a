//! The daemon: opens the layers, mounts, goes into the background, serves until the mount is gone or a signal comes.

use std::path::{Path, PathBuf};

use super::holding::{self, Held};
use super::{Codes, Failure, Request, complain, incompat};
use crate::driver::{Alone, AloneSpec, Manner, MountError, mount_alone};
use crate::model::{Identity, Marks, Trust, WhiteoutForm};
use crate::sys::daemon::{self, Ends, Parted, Starting};
use crate::sys::fault;
use crate::sys::fuse::MountAttrFlags;
use crate::sys::{self, Dir, Errno, mount, mountinfo, private, probe, process, signals};
use crate::union::{LowerDir, Options, Syncs, UpperDirs, Whereabouts};

/// A mount that is served, and what must be held for as long.
struct Served {
    alone: Alone,
    #[expect(dead_code, reason = "held")]
    held: Option<Held>,
}

/// Mounts and serves; gives the exit code once the mount is ready, or in the foreground once it is gone.
pub(super) fn start(request: &Request, codes: Codes) -> u8 {
    if let Err(no) = probe::proc() {
        let message = format!("cannot serve a mount: {}", no.reason);
        complain(&Failure { message, hint: no.cure, lacks: true });
        return codes.lacks;
    }
    let starting = if request.foreground {
        None
    } else {
        match daemon::part() {
            Ok(Parted::Starter(code)) => return code,
            Ok(Parted::Daemon(starting)) => Some(starting),
            Err(Errno::CHILD) => {
                complain(&Failure::new("the server ended before the mount was ready".to_owned()));
                return codes.failed;
            }
            Err(errno) => {
                complain(&Failure::new(format!("cannot start a server: {errno}")));
                return codes.failed;
            }
        }
    };
    sys::raise_file_limit();
    fault::set_after(fault::After::Terminates);
    if let Err(errno) = signals::let_writes_fail() {
        log::warn!("a write beyond the limit of file sizes ends the server: {errno}");
    }
    // who writes through the mount is held to a limit of his own
    if let Err(errno) = sys::apart::raise_file_size() {
        log::debug!("the limit of file sizes stays: {errno}");
    }
    let ready = Ends::new()
        .map_err(|errno| Failure::new(format!("cannot wait for signals: {errno}")))
        .and_then(|ends| Ok((mount_all(request)?, ends)));
    match ready {
        Ok((served, ends)) => serve(served, &ends, starting, codes),
        Err(failure) => {
            complain(&failure);
            let code = if failure.lacks { codes.lacks } else { codes.failed };
            if let Some(starting) = starting {
                starting.failed(code);
            }
            code
        }
    }
}

fn serve(served: Served, ends: &Ends, starting: Option<Starting>, codes: Codes) -> u8 {
    let alone = served.alone;
    let is_awaited = starting.is_none_or(|starting| {
        starting.ready().unwrap_or_else(|errno| {
            log::warn!("the server cannot leave its starter: {errno}");
            false
        })
    });
    let told = if is_awaited { ends.wait(alone.ended()) } else { Ok(true) };
    let ended = match told {
        Ok(false) => alone.finish(),
        Ok(true) | Err(_) => alone.unmount(),
    };
    match ended {
        Ok(()) => 0,
        Err(error) => {
            complain(&error.into());
            codes.failed
        }
    }
}

impl From<MountError> for Failure {
    fn from(error: MountError) -> Self {
        Self { message: error.to_string(), hint: error.hint(), lacks: error.kind() == "unsupported" }
    }
}

fn open(what: &str, path: &Path) -> Result<Dir, Failure> {
    Dir::open(path).map_err(|errno| {
        Failure::new(format!("cannot open the {what} directory `{}`: {errno}", path.display()))
    })
}

/// Opens everything and mounts it.
fn mount_all(request: &Request) -> Result<Served, Failure> {
    let wanted = &request.wanted;
    // the server goes to `/`
    let target = std::path::absolute(&request.dir).map(|path| mountinfo::real(&path)).map_err(|error| {
        Failure::new(format!("cannot find the mount point `{}`: {error}", request.dir.display()))
    })?;
    let mut lowers = Vec::new();
    let mut seen = Vec::new();
    for path in &wanted.lowers {
        let dir = open("lower", path)?;
        let place = dir.stat_self().map(|stat| (stat.dev, stat.ino));
        let place = place.map_err(|errno| Failure::new(format!("`{}`: {errno}", path.display())))?;
        // one that is there twice counts where it is topmost
        if !seen.contains(&place) {
            seen.push(place);
            lowers.push(lower(dir, path, &target)?);
        }
    }
    lowers.reverse();
    let pair = match (&wanted.upper, &wanted.work) {
        (Some(upper), Some(work)) => Some((upper, work)),
        _ => None,
    };
    let marks = wanted.marks.unwrap_or_else(default_marks);
    let mut whiteouts = WhiteoutForm::default();
    let mut held = None;
    let upper = match pair {
        None => None,
        Some((upper_path, work_path)) => {
            let (upper, work) = (open("upper", upper_path)?, open("work", work_path)?);
            check_upper((&upper, upper_path), (&work, work_path), &wanted.lowers, &target)?;
            let taken = own(upper, work, upper_path, wanted.attributes);
            let (upper, work) = (&taken.dirs.upper, &taken.dirs.work);
            let found = taken.found.as_ref().map_or([upper, work], |[upper, work]| [upper, work]);
            held = Some(holding::take([upper, work], found, upper_path)?);
            incompat::refuse(work, work_path)?;
            // the union sweeps names away that begin so
            whiteouts = probe::whiteout_form(work, b".ufs-probe").map_err(|errno| {
                let shown = work_path.display();
                Failure::new(format!("cannot write in the work directory `{shown}`: {errno}"))
            })?;
            if wanted.syncs == Syncs::Never {
                incompat::mark(work, work_path)?;
            }
            Some(taken.dirs)
        }
    };
    let identity = if wanted.owners == crate::model::Owners::default() {
        Identity::AsIs
    } else {
        // for the life of the process, which serves this mount alone
        Identity::Shown(Box::leak(Box::new(wanted.owners.clone())))
    };
    let mut for_helper = Vec::new();
    for (given, word) in [(wanted.allow_other, "allow_other"), (wanted.allow_root, "allow_root")] {
        for_helper.extend(given.then_some(word));
    }
    let alone = mount_alone(AloneSpec {
        lowers,
        read_only: wanted.read_only || upper.is_none(),
        upper,
        target,
        options: Options {
            whiteouts,
            identity,
            trust: trust(),
            marks,
            whiteouts_by_name: wanted.whiteouts_by_name,
            static_links: wanted.static_links,
            syncs: wanted.syncs,
        },
        manner: Manner {
            acl: wanted.acl,
            private: wanted.allow_root,
            threads: wanted.threads,
            clone_device: wanted.clone_fd,
        },
        source: wanted.source.clone().unwrap_or_else(|| mount::SOURCE.as_bytes().to_vec()),
        settings: wanted.settings.clone(),
        attributes: wanted.attributes,
        for_helper,
    })?;
    Ok(Served { alone, held })
}

/// Which attributes the kernel's overlay would take for marks here.
fn default_marks() -> Marks {
    if process::reaches_trusted() { Marks::Trusted } else { Marks::User }
}

/// Where we can give every owner and device ourselves no mark of ours stands for one.
fn trust() -> Trust {
    if process::has_every_right() { Trust::Nobody } else { Trust::FilesOf(sys::dir::own_ids().0) }
}

/// A layer as the kernel's overlay takes it: it is only read, and what is mounted inside is no part of it. That is most of
/// all the union itself, if its mount point lies there: whoever serves it must never ask it.
fn lower(dir: Dir, path: &Path, target: &Path) -> Result<LowerDir, Failure> {
    let real = mountinfo::real(path);
    match private::read_only(&dir) {
        Ok(dir) => Ok(LowerDir { dir, whereabouts: Whereabouts::Path(real) }),
        Err(_) if target != real && target.starts_with(&real) => {
            Err(MountError::InsideLower { target: target.to_owned(), lower: real }.into())
        }
        Err(errno) => {
            // who may not mount anything leaves that to `fusermount3`
            log::debug!("`{}` is read as it is found, with what is mounted in it: {errno}", path.display());
            Ok(LowerDir { dir, whereabouts: Whereabouts::Itself })
        }
    }
}

/// An upper and its scratch directory.
struct Taken {
    /// By a mount of this process's own, if it may have one.
    dirs: UpperDirs,
    /// By the mount that they were found in, where that is another one.
    found: Option<[Dir; 2]>,
}

/// Takes an upper as the kernel's overlay does: whoever unmounts the union can unmount the upper's file system right after
/// it, although the server needs a moment more, and times of reading are kept as the union's mount says.
///
/// umount(2) of a FUSE mount does not wait for the server (Linux asks for that by `FUSE_DESTROY`, with `fuseblk` only).
/// What is unwritten goes to the disk meanwhile: the file system is there until the server has let go of it, as after
/// `umount -l`.
fn own(upper: Dir, work: Dir, path: &Path, times: MountAttrFlags) -> Taken {
    match private::writable([&upper, &work], times) {
        Ok([own_upper, own_work]) => {
            let whereabouts = Whereabouts::Path(mountinfo::real(path));
            let dirs = UpperDirs { upper: own_upper, work: own_work, whereabouts };
            Taken { dirs, found: Some([upper, work]) }
        }
        Err(errno) => {
            log::debug!("the mount of `{}` is in use until the server ends: {errno}", path.display());
            Taken { dirs: UpperDirs { upper, work, whereabouts: Whereabouts::Itself }, found: None }
        }
    }
}

/// Refuses what renames between the two could not serve, and layers that would change.
fn check_upper(
    (upper, upper_path): (&Dir, &Path),
    (work, work_path): (&Dir, &Path),
    lowers: &[PathBuf],
    target: &Path,
) -> Result<(), Failure> {
    let shown = |path: &Path| path.display().to_string();
    let failed = |errno: Errno| Failure::new(format!("`{}`: {errno}", shown(upper_path)));
    let (up, scratch) = (upper.stat_self().map_err(failed)?, work.stat_self().map_err(failed)?);
    let one_mount = match (mount::id(upper), mount::id(work)) {
        (Ok(one), Ok(other)) => one == other,
        _ => true,
    };
    if up.dev != scratch.dev || !one_mount {
        let message =
            format!("`workdir={}` is not on the mount of `upperdir={}`", shown(work_path), shown(upper_path));
        return Err(Failure::new(message).hint("take a directory beside the upper"));
    }
    let (real_upper, real_work) = (mountinfo::real(upper_path), mountinfo::real(work_path));
    if real_upper.starts_with(&real_work) || real_work.starts_with(&real_upper) {
        let message = format!("`workdir={}` and `upperdir={}` overlap", shown(work_path), shown(upper_path));
        return Err(Failure::new(message).hint("take a directory beside the upper"));
    }
    for lower in lowers {
        let real = mountinfo::real(lower);
        for (above, dir, path) in [("upperdir", &real_upper, upper_path), ("workdir", &real_work, work_path)]
        {
            if real.starts_with(dir) {
                let message = format!("`lowerdir={}` lies in `{above}={}`", shown(lower), shown(path));
                return Err(Failure::new(message).hint("layers beneath never change: take another directory"));
            }
        }
    }
    for inner in [real_upper, real_work] {
        if target != inner && target.starts_with(&inner) {
            return Err(MountError::InsideLower { target: target.to_owned(), lower: inner }.into());
        }
    }
    Ok(())
}
