//! The images that a source holds, before one of them is chosen.

use std::collections::BTreeSet;
use std::path::Path;

use super::Error;
use super::container::Container;
use super::json;
use super::manifest::{Descriptor, DockerImage, Index, Shape};
use super::platform::Platform;
use super::source::Transport;
use crate::model::Digest;

/// The most images in one source.
const MOST: usize = 4096;
/// How deep indexes may lie in each other.
const DEPTH: usize = 8;

/// Where an image begins.
#[derive(Clone, Debug)]
pub(super) enum Head {
    /// With its manifest.
    Manifest(Descriptor),
    /// With a line of Docker's `manifest.json`.
    Docker(DockerImage),
}

/// One image, for one platform.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Its names; those of the index that it lies in.
    pub(super) names: Vec<String>,
    /// What machine it is for, where that is said beside it.
    pub(super) platform: Option<Platform>,
    pub(super) head: Head,
    /// Those of one place are one image, for several platforms.
    pub(super) place: usize,
    /// The digests of the manifest and of the indexes above it.
    pub(super) digests: Vec<Digest>,
}

/// All images of a source.
///
/// # Errors
/// [`Error::NoImage`], [`Error::TooOld`], [`Error::Damaged`].
pub(super) fn all(container: &Container, transport: Transport, path: &Path) -> Result<Vec<Candidate>, Error> {
    let docker = match transport {
        Transport::Any | Transport::DockerArchive => container.find("manifest.json")?,
        _ => None,
    };
    let layout = match transport {
        Transport::DockerArchive => None,
        _ => container.find("index.json")?,
    };
    if let Some(layout) = layout {
        let bytes = json::bytes(&layout, "`index.json`")?;
        let mut found = Found { container, list: Vec::new(), seen: BTreeSet::new() };
        let index: Index = json::parse(&bytes, "`index.json`")?;
        found.top(&index)?;
        return Ok(found.list);
    }
    if let Some(docker) = docker {
        let bytes = json::bytes(&docker, "`manifest.json`")?;
        let list: Vec<DockerImage> = json::parse(&bytes, "`manifest.json`")?;
        if list.len() > MOST {
            return Err(Error::damaged("`manifest.json`", format!("it has more than {MOST} images")));
        }
        let candidate = |(place, image): (usize, DockerImage)| Candidate {
            names: image.repo_tags.clone().unwrap_or_default(),
            platform: None,
            head: Head::Docker(image),
            place,
            digests: Vec::new(),
        };
        return Ok(list.into_iter().enumerate().map(candidate).collect());
    }
    if transport != Transport::OciDir
        && transport != Transport::OciArchive
        && container.find("repositories")?.is_some()
    {
        return Err(Error::TooOld { path: path.to_owned() });
    }
    let mut tried = Vec::new();
    if transport != Transport::DockerArchive {
        tried.push("an OCI layout (no `index.json`)".to_owned());
    }
    if matches!(transport, Transport::Any | Transport::DockerArchive) {
        tried.push("a Docker archive (no `manifest.json`)".to_owned());
    }
    Err(Error::NoImage { path: path.to_owned(), tried })
}

/// What was found in an OCI layout so far.
struct Found<'a> {
    container: &'a Container,
    list: Vec<Candidate>,
    /// Indexes that were gone through.
    seen: BTreeSet<Digest>,
}

impl Found<'_> {
    /// The entries of `index.json`: those of one name, or without any, for different platforms are one image.
    fn top(&mut self, index: &Index) -> Result<(), Error> {
        let mut places: Vec<(Vec<String>, Vec<Platform>)> = Vec::new();
        for descriptor in index.manifests.iter().filter(|descriptor| !descriptor.is_beside()) {
            let names = descriptor.names();
            let shared = descriptor.platform.as_ref().and_then(|platform| {
                let at = places.iter().position(|(known, platforms)| {
                    *known == names && !platforms.is_empty() && !platforms.contains(platform)
                })?;
                places[at].1.push(platform.clone());
                Some(at)
            });
            let place = shared.unwrap_or_else(|| {
                places.push((names.clone(), descriptor.platform.iter().cloned().collect()));
                places.len() - 1
            });
            self.add(descriptor, &names, place, &[])?;
        }
        Ok(())
    }

    /// A manifest, or all in an index.
    fn add(
        &mut self,
        descriptor: &Descriptor,
        names: &[String],
        place: usize,
        above: &[Digest],
    ) -> Result<(), Error> {
        let what = "an index of the image";
        let digest = descriptor.digest(what)?;
        let digests = [above, &[digest]].concat();
        if self.list.len() >= MOST {
            return Err(Error::damaged(what, format!("there are more than {MOST} images")));
        }
        if !self.is_index(descriptor, digest)? {
            self.list.push(Candidate {
                names: names.to_vec(),
                platform: descriptor.platform.clone(),
                head: Head::Manifest(descriptor.clone()),
                place,
                digests,
            });
            return Ok(());
        }
        if above.len() >= DEPTH {
            return Err(Error::damaged(what, format!("indexes lie in each other more than {DEPTH} deep")));
        }
        if !self.seen.insert(digest) {
            return Ok(());
        }
        let bytes = read_json(self.container, descriptor, "an index")?;
        let index: Index = json::parse(&bytes, what)?;
        for inner in index.manifests.iter().filter(|inner| !inner.is_beside()) {
            self.add(inner, names, place, &digests)?;
        }
        Ok(())
    }

    /// Whether it is an index: by its media type, and where that says nothing, by what it holds.
    fn is_index(&self, descriptor: &Descriptor, digest: Digest) -> Result<bool, Error> {
        if !descriptor.media_type.is_empty() {
            return Ok(descriptor.is_index());
        }
        let Some(extent) = self.container.blob(digest)? else { return Ok(false) };
        let shape: Shape = json::parse(&json::bytes(&extent, "a manifest")?, "a manifest")?;
        Ok(shape.manifests.is_some())
    }
}

/// The bytes that a descriptor names, which are what it says.
///
/// # Errors
/// [`Error::Missing`], [`Error::Damaged`] for another size, [`Error::Digest`].
pub(super) fn read_json(
    container: &Container,
    descriptor: &Descriptor,
    part: &str,
) -> Result<Vec<u8>, Error> {
    let digest = descriptor.digest(part)?;
    let what = format!("{part} ({})", digest.short());
    let Some(extent) = container.blob(digest)? else { return Err(Error::Missing { what, outside: None }) };
    let bytes = json::bytes(&extent, &what)?;
    let found = Digest::of(&bytes);
    if found != digest {
        return Err(Error::Digest { what, of: "digest", expected: digest, found });
    }
    if bytes.len() as u64 != descriptor.size {
        let reason = format!("it has {} bytes, and {} are said", bytes.len(), descriptor.size);
        return Err(Error::damaged(what, reason));
    }
    Ok(bytes)
}
