//! What a file has beside its content: mode, owner, time, extended attributes.

use std::collections::BTreeMap;
use std::fmt;

/// Permission bits with setuid, setgid and sticky (12 bits, POSIX `mode_t` without the type).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mode(u16);

/// Why a text is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a mode (octal such as `0755`, or symbolic such as `u+x,go-w`)")]
pub struct ModeError {
    /// The text as given.
    pub text: String,
}

impl Mode {
    /// Keeps the 12 permission bits of a raw mode.
    pub const fn new(bits: u32) -> Self {
        Self((bits & 0o7777) as u16)
    }

    /// The bits, 0 to 0o7777.
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }

    /// What chown(2) leaves of a file's mode: setgid without group execution is a locking mark and stays.
    #[must_use]
    pub const fn without_set_ids(self) -> Self {
        let setgid = if self.bits() & 0o010 == 0 { 0 } else { 0o2000 };
        Self::new(self.bits() & !(0o4000 | setgid))
    }

    /// Applies a mode text to this mode: octal replaces it, symbolic changes it.
    ///
    /// # Errors
    /// [`ModeError`] for any other text.
    ///
    /// # Source
    /// POSIX `chmod`, without the umask: a missing *who* means `a`.
    pub fn apply(self, text: &str, is_dir: bool) -> Result<Self, ModeError> {
        let error = || ModeError { text: text.to_owned() };
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let bits = u32::from_str_radix(text, 8).map_err(|_| error())?;
            return if bits > 0o7777 { Err(error()) } else { Ok(Self::new(bits)) };
        }
        let mut bits = self.bits();
        for clause in text.split(',') {
            bits = apply_clause(bits, clause, is_dir).ok_or_else(error)?;
        }
        Ok(Self::new(bits))
    }
}

/// One clause `[ugoa]*([-+=]([rwxXst]*|[ugo]))+` of a symbolic mode.
fn apply_clause(mut bits: u32, clause: &str, is_dir: bool) -> Option<u32> {
    let split = clause.find(['+', '-', '='])?;
    let (who, mut actions) = clause.split_at(split);
    let mut mask = 0;
    for c in who.chars() {
        mask |= match c {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o1007,
            'a' => 0o7777,
            _ => return None,
        };
    }
    if who.is_empty() {
        mask = 0o7777;
    }
    while let Some(operator) = actions.chars().next() {
        let rest = actions.get(1..)?;
        let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
        let (permissions, next) = rest.split_at(end);
        let value = match permissions {
            "u" => (bits >> 6 & 7) * 0o111,
            "g" => (bits >> 3 & 7) * 0o111,
            "o" => (bits & 7) * 0o111,
            _ => {
                let mut value = 0;
                for c in permissions.chars() {
                    value |= match c {
                        'r' => 0o444,
                        'w' => 0o222,
                        'x' => 0o111,
                        'X' if is_dir || bits & 0o111 != 0 => 0o111,
                        'X' => 0,
                        's' => 0o6000,
                        't' => 0o1000,
                        _ => return None,
                    };
                }
                value
            }
        } & if permissions.contains('t') { mask | 0o1000 } else { mask };
        bits = match operator {
            '+' => bits | value,
            '-' => bits & !value,
            '=' => bits & !(mask & 0o777 | if is_dir { 0 } else { mask & 0o7000 }) | value,
            _ => return None,
        };
        actions = next;
    }
    Some(bits)
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A moment: seconds since 1970-01-01 UTC (may be negative) and nanoseconds (0 to 999,999,999).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp {
    /// Whole seconds.
    pub secs: i64,
    /// Nanoseconds within the second.
    pub nanos: u32,
}

/// Extended attributes: full name (`user.colour`) → value, sorted by raw bytes.
pub type Xattrs = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// Everything about a file but its type, content and names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metadata {
    /// Permission bits.
    pub mode: Mode,
    /// Numeric owner, as the layer means it (not as the host stores it).
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Time of the last change of content.
    pub mtime: Timestamp,
    /// The user's extended attributes; never the overlay's or our bookkeeping.
    pub xattrs: Xattrs,
}

impl Metadata {
    /// Those of a directory of which nothing is said and beneath which nothing lies: mode 0755, owner 0, time 0.
    pub const fn of_plain_dir() -> Self {
        let mtime = Timestamp { secs: 0, nanos: 0 };
        Self { mode: Mode::new(0o755), uid: 0, gid: 0, mtime, xattrs: Xattrs::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_as_chmod_reads_them() {
        let cases = [
            (0o644, "0755", 0o755),
            (0o644, "755", 0o755),
            (0o644, "4755", 0o4755),
            (0o644, "u+x", 0o744),
            (0o644, "+x", 0o755),
            (0o777, "go-w", 0o755),
            (0o644, "u=rwx,go=rx", 0o755),
            (0o755, "u+s", 0o4755),
            (0o755, "+t", 0o1755),
            (0o755, "g+s", 0o2755),
            (0o640, "o=g", 0o644),
            (0o644, "a+X", 0o644),
            (0o744, "a+X", 0o755),
            (0o644, "a=", 0),
            (0o644, "u-w+x", 0o544),
        ];
        for (before, text, after) in cases {
            assert_eq!(Mode::new(before).apply(text, false), Ok(Mode::new(after)), "{before:o} {text}");
        }
        for text in ["", "8", "u", "z+x", "u+q", "77777", "0x1"] {
            assert!(Mode::new(0).apply(text, false).is_err(), "{text}");
        }
    }
}
