//! Where an image is written to, as skopeo has it: `oci:DIR[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::Error;

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A directory that is an OCI image layout; other images in it stay.
    Layout,
    /// A tar of one.
    OciArchive,
    /// What `docker load` takes.
    DockerArchive,
}

/// Where an image is written to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// What is written.
    pub kind: Kind,
    /// The directory or file.
    pub path: PathBuf,
    /// What the image is called there.
    pub name: Option<String>,
}

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// [`Error::Target`].
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let wrong = |reason| Error::Target { text: text.escape_ascii().to_string(), reason };
        let kinds: [(&[u8], Kind); 3] = [
            (b"oci:", Kind::Layout),
            (b"oci-archive:", Kind::OciArchive),
            (b"docker-archive:", Kind::DockerArchive),
        ];
        let found = kinds.iter().find_map(|(prefix, kind)| Some((*kind, text.strip_prefix(*prefix)?)));
        let (kind, rest) = found.ok_or_else(|| wrong("it does not say what is to be written"))?;
        let mut parts = rest.splitn(2, |&byte| byte == b':');
        let path = parts.next().unwrap_or_default();
        if path.is_empty() || path.contains(&0) {
            return Err(wrong("it names no path"));
        }
        let name = match parts.next() {
            None | Some(b"") => None,
            Some(name) => {
                Some(std::str::from_utf8(name).map_err(|_| wrong("the name is not UTF-8"))?.to_owned())
            }
        };
        let target = Self { kind, path: PathBuf::from(OsStr::from_bytes(path)), name: None };
        match name {
            Some(name) => target.named(&name),
            None => Ok(target),
        }
    }

    /// The same with a name.
    ///
    /// # Errors
    /// [`Error::Target`] where that is no name of an image.
    pub fn named(self, name: &str) -> Result<Self, Error> {
        if !is_name(name) {
            let reason = "names of images have letters, digits and `-._:@/+`";
            return Err(Error::Target { text: name.escape_default().to_string(), reason });
        }
        Ok(Self { name: Some(name.to_owned()), ..self })
    }
}

/// Whether it may name an image: what references are made of.
///
/// # Source
/// image-spec `annotations.md`, `org.opencontainers.image.ref.name`.
fn is_name(name: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:@/+".contains(&byte);
    !name.is_empty() && name.len() <= 512 && name.bytes().all(part)
}
