//! What is mounted where, from `/proc/self/mountinfo`.
//!
//! # Source
//! `proc_pid_mountinfo(5)`: space-separated fields, octal escapes, `-` before type and source.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::mount::SOURCE;
use super::{Dir, Errno, fuse};

/// One mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mounted {
    /// The mount's ID.
    pub id: u64,
    /// The device number of its file system, as stat(2) has it.
    pub dev: u64,
    /// Where it is mounted.
    pub point: PathBuf,
    /// The file system's type, such as `overlay`.
    pub fs_type: String,
    /// What it was mounted from.
    pub source: String,
    /// The directories of an overlay, as the kernel names them: its upper and its lowers. A kernel before 6.13 names none that
    /// it got by descriptor.
    pub layers: Vec<PathBuf>,
    /// The upper alone.
    pub upper: Option<PathBuf>,
}

/// Reads every mount of this namespace, in mount order; none where `/proc` is not there.
///
/// # Errors
/// What reading it gives otherwise, such as `EMFILE`.
pub fn all() -> Result<Vec<Mounted>, Errno> {
    read("/proc/self/mountinfo")
}

/// As [`all`], in the namespace of a process, whose root is `/` there.
///
/// # Errors
/// As [`all`]; `EACCES` for what this user may not see.
pub(super) fn of_process(pid: u32) -> Result<Vec<Mounted>, Errno> {
    read(&format!("/proc/{pid}/mountinfo"))
}

fn read(file: &str) -> Result<Vec<Mounted>, Errno> {
    match std::fs::read(file) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
    }
}

fn parse(text: &[u8]) -> Vec<Mounted> {
    text.split(|&b| b == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|&b| b == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let path = |field| PathBuf::from(OsString::from_vec(unescape(field)));
    let (major, minor) = std::str::from_utf8(fields.nth(1)?).ok()?.split_once(':')?;
    let dev = rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?);
    let point = path(fields.nth(1)?);
    let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
    let fs_type = String::from_utf8_lossy(rest.next()?).into_owned();
    let source = String::from_utf8_lossy(&unescape(rest.next()?)).into_owned();
    let (mut layers, mut upper) = (Vec::new(), None);
    for option in rest.next().unwrap_or_default().split(|&b| b == b',') {
        let (is_upper, value) = match (option.strip_prefix(b"upperdir="), option.strip_prefix(b"lowerdir+="))
        {
            (Some(value), _) => (true, value),
            (_, Some(value)) => (false, value),
            _ => continue,
        };
        // such a name means something else in each process
        if fs_type == "overlay" && !value.starts_with(b"/proc/") {
            layers.push(path(value));
            upper = upper.or_else(|| is_upper.then(|| path(value)));
        }
    }
    Some(Mounted { id, dev, point, fs_type, source, layers, upper })
}

/// Resolves `\040` and its like.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    plain
}

/// Whether the topmost mount at exactly this path is seen to be a FUSE mount of this program, in a store or not.
pub fn is_of_fuse(target: &Path) -> bool {
    let real = real(target);
    let mounts = all().unwrap_or_default();
    mounts.iter().rfind(|mount| mount.point == real).is_some_and(|mount| mount.fs_type == "fuse.ufs")
}

/// The path that mountinfo has, also where the server of what is mounted there is gone and the path itself answers nothing.
pub fn real(path: &Path) -> PathBuf {
    let by_parent = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(by_parent).unwrap_or_else(|| path.to_owned())
}

/// Whether the topmost mount at exactly this path is the one of a mount directory of a store, left by a dead process: it
/// lies inside that directory, or is an overlay of what does, or its server is dead. Another store's mount, or another one of
/// this store, may have come to the same place since.
pub fn is_left_of(target: &Path, dir: &Path) -> Result<bool, Errno> {
    let (real, dir) = (real(target), real(dir));
    let mounts = all()?;
    let top = mounts.iter().rfind(|mount| mount.point == real && mount.source == SOURCE);
    Ok(top.is_some_and(|mount| match &*mount.fs_type {
        "overlay" => {
            let of_dir = |layer: &PathBuf| layer.starts_with(&dir) || is_same(layer, &dir.join("up/tree"));
            real.starts_with(&dir) || mount.layers.iter().any(of_dir)
        }
        "fuse" | "fuse.ufs" => real.starts_with(&dir) || has_dead_server(&real),
        _ => false,
    }))
}

fn is_same(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let place = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    place(a).is_some_and(|a| Some(a) == place(b))
}

fn has_dead_server(root: &Path) -> bool {
    match Dir::open(root) {
        Ok(root) => fuse::is_dead(&root),
        Err(errno) => matches!(errno, Errno::NOTCONN | Errno::CONNABORTED),
    }
}

/// The mount points strictly inside a directory.
///
/// # Errors
/// Those of [`all`].
pub fn inside(dir: &Path) -> Result<Vec<PathBuf>, Errno> {
    let real = real(dir);
    let mounts = all()?.into_iter().map(|mount| mount.point);
    Ok(mounts.filter(|point| *point != real && point.starts_with(&real)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_tells_its_layers() {
        let text = b"67 44 0:39 / /m rw - overlay ufs rw,lowerdir+=/a\\040b,lowerdir+=/proc/self/fd/7,upperdir=/s/up/tree,x\n";
        assert_eq!(parse(text)[0].layers, [PathBuf::from("/a b"), PathBuf::from("/s/up/tree")]);
    }

    #[test]
    fn escapes_and_optional_fields_are_read() {
        let text = b"36 35 98:0 /mnt1 /mnt\\040two rw,noatime master:1 shared:2 - overlay ufs rw,errors=x\n\
                     37 35 0:5 / /proc rw - proc proc rw\n";
        let mounts = parse(text);
        assert_eq!(mounts[0].point, PathBuf::from("/mnt two"));
        assert_eq!((&*mounts[0].fs_type, &*mounts[0].source, mounts[0].id), ("overlay", "ufs", 36));
        assert_eq!(mounts[1].fs_type, "proc");
        assert!(!all().unwrap().is_empty());
    }
}
