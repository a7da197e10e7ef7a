//! Where an image is, as skopeo writes it: `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]`, or a
//! path alone, which is looked at.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::Error;

/// What kind of source it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// Whatever lies there.
    Any,
    /// A directory that is an OCI image layout.
    OciDir,
    /// A tar of one.
    OciArchive,
    /// What `docker save` writes.
    DockerArchive,
}

/// A source of images.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// What kind it is.
    pub transport: Transport,
    /// Where it lies.
    pub path: PathBuf,
    /// Which image of it, if that was said: a name, a digest, or `@` and its place.
    pub name: Option<String>,
}

/// What other tools have beside these, and what to do here.
const ELSEWHERE: [(&str, &str); 4] = [
    ("docker", "fetch it first: `skopeo copy docker://NAME oci:DIR`"),
    ("docker-daemon", "write it to a file first: `docker save -o FILE NAME`"),
    ("containers-storage", "write it to a file first: `podman save -o FILE NAME`"),
    ("dir", "`skopeo copy dir:DIR oci:LAYOUT` makes a layout of it"),
];

impl Source {
    /// Reads a source. A path may hold colons: what exists counts.
    ///
    /// # Errors
    /// [`Error::Source`], [`Error::Transport`].
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let wrong =
            |reason| Error::Source { source_text: String::from_utf8_lossy(text).into_owned(), reason };
        if text.contains(&0) {
            return Err(wrong("it holds a NUL byte"));
        }
        let (transport, rest) = transport(text)?;
        let (path, name) = split(rest);
        if path.is_empty() {
            return Err(wrong("it names no path"));
        }
        let name = match name {
            None | Some(b"") => None,
            Some(name) => Some(
                std::str::from_utf8(name).map_err(|_| wrong("the image's name is not UTF-8"))?.to_owned(),
            ),
        };
        Ok(Self { transport, path: PathBuf::from(OsStr::from_bytes(path)), name })
    }

    /// The same source with another name.
    pub(super) fn with_name(&self, name: &str) -> String {
        let prefix = match self.transport {
            Transport::Any => "",
            Transport::OciDir => "oci:",
            Transport::OciArchive => "oci-archive:",
            Transport::DockerArchive => "docker-archive:",
        };
        format!("{prefix}{}:{name}", self.path.display())
    }
}

/// What stands before the first colon, if that is a word that somebody knows.
fn transport(text: &[u8]) -> Result<(Transport, &[u8]), Error> {
    let Some(colon) = text.iter().position(|&b| b == b':') else { return Ok((Transport::Any, text)) };
    let (word, rest) = (&text[..colon], &text[colon + 1..]);
    let transport = match word {
        b"oci" => Transport::OciDir,
        b"oci-archive" => Transport::OciArchive,
        b"docker-archive" => Transport::DockerArchive,
        _ => match ELSEWHERE.iter().find(|(known, _)| known.as_bytes() == word) {
            Some((known, instead)) => {
                return Err(Error::Transport { transport: (*known).to_owned(), instead });
            }
            None => return Ok((Transport::Any, text)),
        },
    };
    Ok((transport, rest))
}

/// A path and the name behind it: the shortest beginning up to a colon that exists is the path, else all up to the first.
fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let there = |path: &[u8]| !path.is_empty() && Path::new(OsStr::from_bytes(path)).exists();
    let mut colons = text.iter().enumerate().filter(|(_, b)| **b == b':').map(|(at, _)| at);
    let first = colons.clone().next();
    let Some(at) = colons.find(|&at| there(&text[..at])).or(first.filter(|_| !there(text))) else {
        return (text, None);
    };
    (&text[..at], Some(&text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Transport, String, Option<String>) {
        let source = Source::parse(text.as_bytes()).unwrap();
        (source.transport, source.path.display().to_string(), source.name)
    }

    #[test]
    fn a_source_is_read_as_skopeo_reads_it() {
        let (file, name) = (|| "no/file".to_owned(), |name: &str| Some(name.to_owned()));
        assert_eq!(parsed("oci:no/file"), (Transport::OciDir, file(), None));
        assert_eq!(parsed("oci:no/file:app:1.2"), (Transport::OciDir, file(), name("app:1.2")));
        assert_eq!(parsed("docker-archive:no/file:@1"), (Transport::DockerArchive, file(), name("@1")));
        assert_eq!(parsed("no/file"), (Transport::Any, file(), None));
        assert_eq!(parsed("no/file:app:1"), (Transport::Any, file(), name("app:1")));
        assert!(matches!(Source::parse(b"docker://debian"), Err(Error::Transport { .. })));
        assert!(matches!(Source::parse(b"oci:"), Err(Error::Source { .. })));
    }

    #[test]
    fn a_path_with_colons_is_found_where_it_exists() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a:b");
        std::fs::write(&path, "").unwrap();
        let path = path.display().to_string();
        assert_eq!(parsed(&path), (Transport::Any, path.clone(), None));
        assert_eq!(parsed(&format!("oci-archive:{path}:x:y")).1, path);
    }
}
