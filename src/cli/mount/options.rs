//! The option string of a mount, as mount(8), the kernel's overlay and fuse-overlayfs have it; pure.
//!
//! Options are separated by commas; a backslash takes the meaning from the byte after it; `lowerdir` is a list separated
//! by colons, top first. Of several that contradict each other the last counts.
//!
//! # Source
//! Kernel `Documentation/filesystems/overlayfs.rst`; mount(8), "FILESYSTEM-INDEPENDENT MOUNT OPTIONS"; fuse-overlayfs(1).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::known::{KNOWN, Known, Meaning, Value};
use crate::model::{IdRange, Marks, Owners};
use crate::sys::fuse::{MountAttrFlags, Setting};
use crate::union::Syncs;

/// What a mount was asked to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    /// Top first, as they were given.
    pub(super) lowers: Vec<PathBuf>,
    pub(super) upper: Option<PathBuf>,
    pub(super) work: Option<PathBuf>,
    pub(super) owners: Owners,
    pub(super) read_only: bool,
    pub(super) syncs: Syncs,
    pub(super) acl: bool,
    pub(super) static_links: bool,
    /// `None`: what the kernel's overlay would take here.
    pub(super) marks: Option<Marks>,
    pub(super) whiteouts_by_name: bool,
    pub(super) allow_other: bool,
    pub(super) allow_root: bool,
    pub(super) threads: Option<usize>,
    pub(super) clone_fd: bool,
    pub(super) debug: bool,
    pub(super) source: Option<Vec<u8>>,
    pub(super) settings: Vec<Setting>,
    pub(super) attributes: MountAttrFlags,
    pub(super) remount: bool,
    /// Those that count for any mount, as they were given, for mount(8).
    pub(super) generic: Vec<Vec<u8>>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            lowers: Vec::new(),
            upper: None,
            work: None,
            owners: Owners::default(),
            read_only: false,
            syncs: Syncs::default(),
            acl: true,
            static_links: false,
            marks: None,
            whiteouts_by_name: false,
            allow_other: false,
            allow_root: false,
            threads: None,
            clone_fd: false,
            debug: false,
            source: None,
            settings: Vec::new(),
            attributes: MountAttrFlags::empty(),
            remount: false,
            generic: Vec::new(),
        }
    }
}

impl Wanted {
    /// Whether it names what a mount needs.
    pub(super) fn check(&self) -> Result<(), Wrong> {
        if self.lowers.is_empty() {
            return wrong(
                "no layers to mount".to_owned(),
                "name them, top first: `-o lowerdir=TOP:NEXT`".to_owned(),
            );
        }
        match (&self.upper, &self.work) {
            (Some(_), None) => wrong(
                "`upperdir` needs a `workdir`".to_owned(),
                "an empty directory on the same file system: `-o workdir=DIR`".to_owned(),
            ),
            (None, Some(_)) => wrong(
                "`workdir` without `upperdir`".to_owned(),
                "leave it out for a read-only mount, or name where changes go: `-o upperdir=DIR`".to_owned(),
            ),
            _ => Ok(()),
        }
    }
}

/// What is wrong with an option string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

fn wrong<T>(message: String, hint: impl Into<Option<String>>) -> Result<T, Wrong> {
    Err(Wrong { message, hint: hint.into() })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Cuts at every `at` that no backslash takes the meaning from; backslashes stay.
fn split(bytes: &[u8], at: u8) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut start, mut escaped, mut quoted) = (0, false, false);
    for (index, &b) in bytes.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            // mount(8) has quotes around labels, which may hold commas
            b'"' if at == b',' && (quoted || is_label(&bytes[start..index])) => quoted = !quoted,
            _ if b == at && !quoted => {
                parts.push(&bytes[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&bytes[start..]);
    parts
}

fn is_label(before: &[u8]) -> bool {
    before.ends_with(b"context=")
}

/// Takes the backslashes away.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&b) = rest.next() {
        match (b, rest.as_slice().first()) {
            (b'\\', Some(&next)) => {
                rest.next();
                out.push(next);
            }
            _ => out.push(b),
        }
    }
    out
}

fn path(value: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(plain(value)))
}

/// Reads option strings, one after another.
pub(super) fn parse<'a>(strings: impl IntoIterator<Item = &'a [u8]>) -> Result<Wanted, Wrong> {
    read(strings, false)
}

/// The same, without those that are not known.
pub(super) fn parse_leaving_out<'a>(strings: impl IntoIterator<Item = &'a [u8]>) -> Result<Wanted, Wrong> {
    read(strings, true)
}

fn read<'a>(strings: impl IntoIterator<Item = &'a [u8]>, leaves_out: bool) -> Result<Wanted, Wrong> {
    let mut wanted = Wanted::default();
    let mut listed = Listed::default();
    for item in strings.into_iter().flat_map(|string| split(string, b',')) {
        if item.is_empty() {
            continue;
        }
        let (name, value) = match item.iter().position(|&b| b == b'=') {
            Some(at) => (&item[..at], Some(&item[at + 1..])),
            None => (item, None),
        };
        let known = match find(name) {
            Err(_) if leaves_out => continue,
            other => other?,
        };
        match (known.value, value) {
            (Value::No, Some(_)) => {
                return wrong(format!("the option `{}` takes no value", known.name), None);
            }
            (Value::Yes, None | Some([])) => {
                return wrong(
                    format!("the option `{}` needs a value", known.name),
                    format!("`{}=…`", known.name),
                );
            }
            _ => {}
        }
        take(&mut wanted, &mut listed, known, value, item)?;
    }
    wanted.lowers = listed.lowers()?;
    Ok(wanted)
}

/// The lower layers as they were named, in one list or one by one.
#[derive(Default)]
struct Listed {
    list: Vec<PathBuf>,
    singly: Vec<PathBuf>,
}

impl Listed {
    fn lowers(self) -> Result<Vec<PathBuf>, Wrong> {
        match (self.list.is_empty(), self.singly.is_empty()) {
            (false, false) => wrong("`lowerdir` and `lowerdir+` were both given".to_owned(), None),
            (true, _) => Ok(self.singly),
            (false, true) => Ok(self.list),
        }
    }
}

fn find(name: &[u8]) -> Result<&'static Known, Wrong> {
    if let Some(known) = KNOWN.iter().find(|known| known.name.as_bytes() == name) {
        return Ok(known);
    }
    // what fstab(5) keeps for other programs
    if name.starts_with(b"x-") || name.starts_with(b"X-") {
        return Ok(&Known { name: "x-", value: Value::Maybe, meaning: Meaning::Nothing });
    }
    let given = text(name);
    let near = KNOWN.iter().map(|known| (strsim::damerau_levenshtein(known.name, &given), known.name)).min();
    let hint = match near {
        Some((distance, near)) if distance <= 1 + given.len() / 5 => format!("did you mean `{near}`?"),
        _ => "`ufs mount --help` lists the options".to_owned(),
    };
    wrong(format!("unknown mount option `{given}`"), hint)
}

fn take(
    wanted: &mut Wanted,
    listed: &mut Listed,
    known: &Known,
    value: Option<&[u8]>,
    item: &[u8],
) -> Result<(), Wrong> {
    let given = value.unwrap_or_default();
    if known.meaning.is_generic() {
        wanted.generic.push(item.to_vec());
    }
    match known.meaning {
        Meaning::Lower => {
            let parts = split(given, b':');
            if parts.iter().any(|part| part.is_empty()) {
                return wrong(
                    format!("`lowerdir={}` holds an empty name", text(given)),
                    "a colon that belongs to a name is written `\\:`; layers of data alone (`::`) are the kernel's only"
                        .to_owned(),
                );
            }
            listed.list = parts.into_iter().map(path).collect();
        }
        Meaning::LowerMore => listed.singly.push(path(given)),
        Meaning::Upper => wanted.upper = Some(path(given)),
        Meaning::Work => wanted.work = Some(path(given)),
        Meaning::SquashToRoot => {
            // one that was named counts for more
            wanted.owners.squash_uid.get_or_insert(0);
            wanted.owners.squash_gid.get_or_insert(0);
        }
        Meaning::SquashUid => wanted.owners.squash_uid = Some(number(known, given)?),
        Meaning::SquashGid => wanted.owners.squash_gid = Some(number(known, given)?),
        Meaning::Uids => wanted.owners.uids = ranges(known, given)?,
        Meaning::Gids => wanted.owners.gids = ranges(known, given)?,
        Meaning::ReadOnly(on) => wanted.read_only = on,
        Meaning::Volatile => wanted.syncs = Syncs::Never,
        Meaning::Fsync => {
            wanted.syncs = match given {
                b"0" | b"volatile" => Syncs::Never,
                b"1" | b"auto" => Syncs::Content,
                b"strict" => Syncs::All,
                _ => return bad_value(known, given, "`volatile`, `auto`, `strict`, `0`, `1`"),
            }
        }
        Meaning::Acl(on) => wanted.acl = on,
        Meaning::StaticLinks => wanted.static_links = true,
        Meaning::UserMarks => wanted.marks = Some(Marks::User),
        Meaning::Marks => {
            wanted.marks = Some(match given {
                b"user" => Marks::User,
                b"trusted" => Marks::Trusted,
                _ => return bad_value(known, given, "`user`, `trusted`"),
            });
        }
        Meaning::Whiteouts => {
            wanted.whiteouts_by_name = match given {
                b"wh" => true,
                b"overlay" => false,
                _ => return bad_value(known, given, "`overlay`, `wh`"),
            }
        }
        Meaning::AllowOther => wanted.allow_other = true,
        Meaning::AllowRoot => wanted.allow_root = true,
        Meaning::Threads => match usize::try_from(number(known, given)?) {
            Ok(threads @ 1..=256) => wanted.threads = Some(threads),
            _ => return bad_value(known, given, "1 to 256"),
        },
        Meaning::CloneFd => wanted.clone_fd = true,
        Meaning::Debug => wanted.debug = true,
        Meaning::Source => wanted.source = Some(plain(given)),
        Meaning::Attribute { clear, set } => {
            wanted.attributes.remove(clear);
            wanted.attributes.insert(set);
        }
        Meaning::Setting(name, on) => {
            wanted.settings.retain(|(key, _)| key != name.as_bytes());
            if on {
                wanted.settings.push((name.as_bytes().to_vec(), None));
            }
        }
        Meaning::Label => {
            let unquoted =
                given.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(given);
            wanted.settings.push((known.name.as_bytes().to_vec(), Some(unquoted.to_vec())));
        }
        Meaning::Remount => wanted.remount = true,
        Meaning::Generic | Meaning::Nothing => {}
        Meaning::OneOf(values, instead) => {
            if !values.iter().any(|one| one.as_bytes() == given) {
                let hint = format!("{instead}: `{}={}`", known.name, values[0]);
                return wrong(format!("`{}` is not to be had here", text(item)), hint);
            }
        }
        Meaning::Never(why) => {
            return wrong(format!("the option `{}` is not to be had here", known.name), why.to_owned());
        }
    }
    Ok(())
}

fn bad_value<T>(known: &Known, given: &[u8], allowed: &str) -> Result<T, Wrong> {
    wrong(format!("`{}={}` is not known", known.name, text(given)), format!("it may be {allowed}"))
}

fn number(known: &Known, given: &[u8]) -> Result<u32, Wrong> {
    match text(given).parse() {
        Ok(number) => Ok(number),
        Err(_) => wrong(format!("`{}={}` is no number", known.name, text(given)), None),
    }
}

/// `DISK:SHOWN:COUNT`, as often as needed.
fn ranges(known: &Known, given: &[u8]) -> Result<Vec<IdRange>, Wrong> {
    let words = text(given);
    let numbers: Result<Vec<u32>, _> = words.split(':').map(str::parse).collect();
    match numbers {
        Ok(numbers) if numbers.len().is_multiple_of(3) => Ok(numbers
            .chunks_exact(3)
            .map(|three| IdRange { disk: three[0], shown: three[1], length: three[2] })
            .collect()),
        _ => wrong(
            format!("`{}={words}` is no mapping", known.name),
            format!("`{}=ON-DISK:SHOWN:COUNT[:ON-DISK:SHOWN:COUNT…]`", known.name),
        ),
    }
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
