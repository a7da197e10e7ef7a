//! Paths inside a layer: raw bytes, checked once, relative to the layer's root.

use std::cmp::Ordering;
use std::fmt;

/// The longest name of one component, in bytes (POSIX `NAME_MAX` on Linux).
pub const NAME_MAX: usize = 255;
/// The longest path that one call of the system takes and the longest target of a symlink, in bytes, without the
/// closing NUL (Linux `PATH_MAX` - 1).
pub const PATH_MAX: usize = 4095;
/// The most names on a [`LayerPath`].
///
/// A tree that is gone down step by step may be longer than any path that is named to the system, so the bytes have no
/// limit of their own. The levels keep the one that follows from `PATH_MAX` for the shortest names: a walk of a tree
/// never goes deeper, and a path takes at most so many times its length for the directories above it.
pub const LEVELS_MAX: usize = PATH_MAX / 2 + 1;

/// A path inside a layer or a mount; the root is empty.
///
/// Holds no leading, closing or doubled `/`, no `.`, no `..`, no NUL. Ordered component by component in
/// raw bytes, so that a directory comes right before everything beneath it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct LayerPath(Box<[u8]>);

/// Why bytes are no layer path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path holds `..`, which could lead out of the layer.
    #[error("`..` could lead out of it")]
    Parent,
    /// The path holds a NUL byte.
    #[error("a path cannot contain a NUL byte")]
    Nul,
    /// One name has more than 255 bytes.
    #[error("a name has {length} bytes; at most 255 are possible")]
    NameTooLong {
        /// The length found, in bytes.
        length: usize,
    },
    /// The path has more than 2,048 names.
    #[error("the path goes down more than {LEVELS_MAX} directories; so many are possible")]
    TooDeep,
}

impl LayerPath {
    /// The root of the layer.
    pub fn root() -> Self {
        Self::default()
    }

    /// Checks a path as a user types it; `/a//b/.` is `a/b`.
    ///
    /// # Errors
    /// [`PathError`] for `..`, NUL, names that are too long and too many of them.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.contains(&0) {
            return Err(PathError::Nul);
        }
        let mut clean = Vec::with_capacity(bytes.len());
        let mut levels = 0;
        for name in bytes.split(|&b| b == b'/') {
            match name {
                b"" | b"." => continue,
                b".." => return Err(PathError::Parent),
                _ if name.len() > NAME_MAX => {
                    return Err(PathError::NameTooLong { length: name.len() });
                }
                _ => {}
            }
            levels += 1;
            if levels > LEVELS_MAX {
                return Err(PathError::TooDeep);
            }
            if !clean.is_empty() {
                clean.push(b'/');
            }
            clean.extend_from_slice(name);
        }
        Ok(Self(clean.into()))
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes without a leading `/`; empty for the root.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The names from the root down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|name| !name.is_empty())
    }

    /// The last name; `None` for the root.
    pub fn file_name(&self) -> Option<&[u8]> {
        if self.is_root() { None } else { self.0.rsplit(|&b| b == b'/').next() }
    }

    /// The directory that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Some(Self(self.0[..end].into()))
    }

    /// This path with one more name.
    ///
    /// # Errors
    /// [`PathError`] as [`LayerPath::parse`].
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        bytes.push(b'/');
        bytes.extend_from_slice(name);
        Self::parse(&bytes)
    }

    /// Every directory above this path, from the root down, without the path itself.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        let root = (!self.is_root()).then(Self::root);
        let inner = self.0.iter().enumerate().filter(|&(_, &b)| b == b'/');
        root.into_iter().chain(inner.map(|(end, _)| Self(self.0[..end].into())))
    }

    /// Whether `self` is `dir` or lies beneath it.
    pub fn is_within(&self, dir: &Self) -> bool {
        dir.is_root()
            || self.0.strip_prefix(&*dir.0).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
    }

    /// The first key after everything beneath this path; for ranges only, as its last name may be too long.
    pub(super) fn subtree_end(&self) -> Self {
        // beneath, a separator (the smallest byte) follows; a sibling continues with a byte from 1 on
        Self([&self.0, &b"\x01"[..]].concat().into())
    }

    /// The rest of this path below `dir`; `None` if it is not within.
    pub fn below(&self, dir: &Self) -> Option<Self> {
        if !self.is_within(dir) {
            return None;
        }
        let rest = &self.0[dir.0.len()..];
        Some(Self(rest.strip_prefix(b"/").unwrap_or(rest).into()))
    }
}

impl PartialOrd for LayerPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LayerPath {
    fn cmp(&self, other: &Self) -> Ordering {
        // as if the separator were the smallest byte: the order of a walk that sorts each directory
        let key = |b: u8| if b == b'/' { 0 } else { b };
        match self.0.iter().zip(&other.0).find(|(a, b)| a != b) {
            Some((&a, &b)) => key(a).cmp(&key(b)),
            None => self.0.len().cmp(&other.0.len()),
        }
    }
}

impl fmt::Debug for LayerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> LayerPath {
        LayerPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn one_file_has_one_path() {
        assert_eq!(path("/etc//./motd/"), path("etc/motd"));
        assert!(path("/").is_root());
        assert_eq!(path("a/b/c").parent(), Some(path("a/b")));
        assert_eq!(path("a").parent(), Some(LayerPath::root()));
        assert_eq!(path("a/b").file_name(), Some(&b"b"[..]));
        assert_eq!(path("a/b/c").ancestors().collect::<Vec<_>>(), [path(""), path("a"), path("a/b")]);
        assert_eq!(path("").ancestors().count(), 0);
        assert_eq!(path("a/b").below(&path("a")), Some(path("b")));
        assert!(!path("ab").is_within(&path("a")));
    }

    #[test]
    fn a_path_cannot_leave_the_layer() {
        assert_eq!(LayerPath::parse(b"a/../b"), Err(PathError::Parent));
        assert_eq!(LayerPath::parse(b"a\0"), Err(PathError::Nul));
        assert_eq!(LayerPath::parse(&[b'x'; 256]), Err(PathError::NameTooLong { length: 256 }));
        assert!(LayerPath::parse(&[b'x'; 255]).is_ok());
        assert!(LayerPath::parse(&[&[b'x'; 255][..], b"/"].concat().repeat(LEVELS_MAX)).is_ok());
        assert_eq!(LayerPath::parse(&b"a/".repeat(LEVELS_MAX + 1)), Err(PathError::TooDeep));
    }

    #[test]
    fn a_directory_sorts_right_before_what_it_holds() {
        let mut paths = [path("a.b"), path("a/b"), path("a"), path("a/b/c"), path("a-b")];
        paths.sort();
        assert_eq!(paths, [path("a"), path("a/b"), path("a/b/c"), path("a-b"), path("a.b")]);
    }
}
