//! Names of layers and mounts.

use std::cmp::Ordering;
use std::fmt;

/// A layer's or mount's name: `[A-Za-z0-9][A-Za-z0-9._/-]*`, never 12 to 64 hex digits, which are IDs.
///
/// Safe as a relative file path: no empty, `.` or `..` component. In order, `m2` comes before `m10`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LayerName(String);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A character or the form is not allowed.
    #[error(
        "`{text}` is not a name (letters, digits, `.`, `_`, `-` and single `/`, a letter or digit first)"
    )]
    Form {
        /// The text as given.
        text: String,
    },
    /// It would be taken for an ID.
    #[error("`{text}` looks like an ID (12 to 64 hex digits), so it cannot be a name")]
    LooksLikeId {
        /// The text as given.
        text: String,
    },
}

/// Whether a text is read as a (possibly shortened) ID: 12 to 64 lower-case hex digits, `sha256:` in front or not.
pub fn is_id(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    (12..=64).contains(&hex.len()) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl LayerName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`NameError`] if the text has another form or looks like an ID.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let form = || NameError::Form { text: text.to_owned() };
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || text.len() > 200 {
            return Err(form());
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'-');
        if !text.bytes().all(allowed) || text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(form());
        }
        if is_id(text) {
            return Err(NameError::LooksLikeId { text: text.to_owned() });
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One file name for this name: `/` is written as `%`, which no name contains.
    pub fn file_name(&self) -> String {
        self.0.replace('/', "%")
    }

    /// Reads [`LayerName::file_name`] back.
    ///
    /// # Errors
    /// As [`LayerName::parse`].
    pub fn from_file_name(text: &str) -> Result<Self, NameError> {
        Self::parse(&text.replace('%', "/"))
    }
}

/// What begins a text: all of its digits, or all that are none; and the rest.
fn run(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

impl Ord for LayerName {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut own, mut their) = (&*self.0, &*other.0);
        while !own.is_empty() && !their.is_empty() {
            let ((a, own_rest), (b, their_rest)) = (run(own), run(their));
            let ordering = if a.as_bytes()[0].is_ascii_digit() && b.as_bytes()[0].is_ascii_digit() {
                let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
                a.len().cmp(&b.len()).then_with(|| a.cmp(b))
            } else {
                a.cmp(b)
            };
            if ordering.is_ne() {
                return ordering;
            }
            (own, their) = (own_rest, their_rest);
        }
        // names that differ in leading zeros alone
        own.len().cmp(&their.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for LayerName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for LayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_in_their_order() {
        let mut names =
            ["m10", "m2", "m02", "a-1", "a", "m2x", "m", "9"].map(|text| LayerName::parse(text).unwrap());
        names.sort();
        assert_eq!(names.map(|name| name.to_string()), ["9", "a", "a-1", "m", "m02", "m2", "m2x", "m10"]);
    }

    #[test]
    fn names_and_ids_never_mix() {
        for good in ["base", "a", "docker.io/library/debian", "v1.2_3-x", "deadbeef", "DEADBEEFDEADBEEF"] {
            let name = LayerName::parse(good).unwrap();
            assert_eq!(LayerName::from_file_name(&name.file_name()), Ok(name));
        }
        for bad in ["", ".a", "-a", "a b", "a//b", "a/../b", "a/", "é", "deadbeefdead", "a%b"] {
            assert!(LayerName::parse(bad).is_err(), "{bad}");
        }
        assert!(is_id("sha256:0123456789ab"));
        assert!(!is_id("0123456789a"));
    }
}
