//! What is mounted where, from `/proc/self/mountinfo`.
//!
//! # Source
//! `proc_pid_mountinfo(5)`: space-separated fields, octal escapes, `-` before type and source.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::mount::SOURCE;

/// One mount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mounted {
    /// The mount's ID.
    pub id: u64,
    /// Where it is mounted.
    pub point: PathBuf,
    /// The file system's type, such as `overlay`.
    pub fs_type: String,
    /// What it was mounted from.
    pub source: String,
}

/// Reads every mount of this namespace, in mount order; none where `/proc` is not there.
pub fn all() -> Vec<Mounted> {
    parse(&std::fs::read("/proc/self/mountinfo").unwrap_or_default())
}

fn parse(text: &[u8]) -> Vec<Mounted> {
    text.split(|&b| b == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|&b| b == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let point = PathBuf::from(OsString::from_vec(unescape(fields.nth(3)?)));
    let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
    let fs_type = String::from_utf8_lossy(rest.next()?).into_owned();
    let source = String::from_utf8_lossy(&unescape(rest.next()?)).into_owned();
    Some(Mounted { id, point, fs_type, source })
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

/// Whether the topmost mount at exactly this path is a FUSE mount of this program, in a store or not.
pub fn is_of_fuse(target: &Path) -> bool {
    let real = real(target);
    all().iter().rfind(|mount| mount.point == real).is_some_and(|mount| mount.fs_type == "fuse.ufs")
}

/// The path that mountinfo has, also where the server of what is mounted there is gone and the path itself answers nothing.
pub fn real(path: &Path) -> PathBuf {
    let by_parent = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(by_parent).unwrap_or_else(|| path.to_owned())
}

/// Whether the topmost mount at exactly this path is one of ours.
pub fn is_ours(target: &Path) -> bool {
    let real = real(target);
    let mounts = all();
    let top = mounts.iter().rfind(|mount| mount.point == real);
    top.is_some_and(|mount| {
        mount.source == SOURCE && matches!(&*mount.fs_type, "overlay" | "fuse" | "fuse.ufs")
    })
}

/// The mount points strictly inside a directory.
pub fn inside(dir: &Path) -> Vec<PathBuf> {
    let real = real(dir);
    let mounts = all().into_iter().map(|mount| mount.point);
    mounts.filter(|point| *point != real && point.starts_with(&real)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_optional_fields_are_read() {
        let text = b"36 35 98:0 /mnt1 /mnt\\040two rw,noatime master:1 shared:2 - overlay ufs rw,errors=x\n\
                     37 35 0:5 / /proc rw - proc proc rw\n";
        let mounts = parse(text);
        assert_eq!(mounts[0].point, PathBuf::from("/mnt two"));
        assert_eq!((&*mounts[0].fs_type, &*mounts[0].source, mounts[0].id), ("overlay", "ufs", 36));
        assert_eq!(mounts[1].fs_type, "proc");
        assert!(!all().is_empty());
    }
}
