//! From a source to one image in it.

use std::path::Path;
use std::rc::Rc;

use super::Error;
use super::blob::Plain as _;
use super::candidates::{self, Candidate, Head, read_json};
use super::config::Config;
use super::container::{Container, Looked};
use super::image::{Image, Raw};
use super::json;
use super::layer::Layer;
use super::manifest::{Descriptor, DockerImage, Manifest};
use super::platform::Platform;
use super::source::{Source, Transport};
use crate::model::{DiffId, Digest};

/// The most layers of an image: more than any tool makes, and bounded.
const LAYERS: usize = 4096;

/// How an image is opened.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// The platform that is wanted; none is this machine's, or the only one that there is.
    pub platform: Option<Platform>,
    /// Where files without a name may be made.
    pub scratch: &'a Path,
}

/// An image that a source offers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Its names.
    pub names: Vec<String>,
    /// What platforms it is for.
    pub platforms: Vec<Platform>,
}

/// Opens one image of a source; its layers are not looked into.
///
/// # Errors
/// Any of [`Error`].
pub fn open(source: &Source, how: &Opening<'_>) -> Result<Image, Error> {
    let (container, all) = look(source, how.scratch)?;
    let chosen = named(source, &all)?;
    let one = for_platform(&container, source, &chosen, how.platform.as_ref())?;
    match &one.head {
        Head::Manifest(descriptor) => by_manifest(&container, descriptor, one.names.clone()),
        Head::Docker(image) => by_docker(&container, image),
    }
}

/// What a source offers: all, or what has the name that it says.
///
/// # Errors
/// Any of [`Error`].
pub fn offers(source: &Source, how: &Opening<'_>) -> Result<Vec<Offer>, Error> {
    let (container, all) = look(source, how.scratch)?;
    let chosen = if source.name.is_some() { named(source, &all)? } else { all.iter().collect() };
    let mut offers: Vec<(usize, Offer)> = Vec::new();
    for candidate in chosen {
        let platform = platform_of(&container, candidate)?;
        if let Some((_, offer)) = offers.iter_mut().find(|(place, _)| *place == candidate.place) {
            offer.platforms.push(platform);
        } else {
            let offer = Offer { names: candidate.names.clone(), platforms: vec![platform] };
            offers.push((candidate.place, offer));
        }
    }
    Ok(offers.into_iter().map(|(_, offer)| offer).collect())
}

fn look(source: &Source, scratch: &Path) -> Result<(Container, Vec<Candidate>), Error> {
    let path = &source.path;
    let container = match Container::open(path, scratch)? {
        Looked::Container(container) => container,
        Looked::Other(what) => {
            return Err(Error::NoImage { path: path.clone(), tried: vec![format!("a tar (it is {what})")] });
        }
    };
    let wrong = match (source.transport, &container) {
        (Transport::OciDir, Container::Archive(_)) => Some("a directory (it is a file)"),
        (Transport::OciArchive | Transport::DockerArchive, Container::Dir(_)) => {
            Some("a tar (it is a directory)")
        }
        _ => None,
    };
    if let Some(tried) = wrong {
        return Err(Error::NoImage { path: path.clone(), tried: vec![tried.to_owned()] });
    }
    let all = candidates::all(&container, source.transport, path)?;
    Ok((container, all))
}

/// Those that have the source's name; where it has none, the only image that there is.
fn named<'a>(source: &Source, all: &'a [Candidate]) -> Result<Vec<&'a Candidate>, Error> {
    let at_place = |place: usize| all.iter().filter(|one| one.place == place).collect::<Vec<_>>();
    let mut places: Vec<usize> = all.iter().map(|one| one.place).collect();
    places.dedup();
    let unknown = |wanted: &str| {
        let wanted = wanted.to_owned();
        Err(Error::Unknown { path: source.path.clone(), wanted, names: how_chosen(&places, all) })
    };
    let Some(name) = &source.name else {
        return match places[..] {
            [] => unknown("at all"),
            [place] => Ok(at_place(place)),
            _ => {
                let names = how_chosen(&places, all);
                let first = names.first().map_or("", String::as_str);
                let choose = format!("{:?}", source.with_name(first));
                Err(Error::Several { path: source.path.clone(), names, choose })
            }
        };
    };
    if let Some(number) = name.strip_prefix('@').and_then(|number| number.parse::<usize>().ok()) {
        return match places.get(number) {
            Some(&place) => Ok(at_place(place)),
            None => unknown(name),
        };
    }
    if let Some(digest) = name.strip_prefix("sha256:").and_then(|hex| Digest::parse(hex).ok()) {
        let found: Vec<_> = all.iter().filter(|one| one.digests.contains(&digest)).collect();
        return if found.is_empty() { unknown(name) } else { Ok(found) };
    }
    let exactly = |one: &&Candidate| one.names.iter().any(|known| known == name);
    let alike = |one: &&Candidate| one.names.iter().any(|known| whole(known) == whole(name));
    let first = all.iter().find(exactly).or_else(|| all.iter().find(alike));
    first.map_or_else(|| unknown(name), |first| Ok(at_place(first.place)))
}

/// How each image is chosen: by its name, else by its place.
fn how_chosen(places: &[usize], all: &[Candidate]) -> Vec<String> {
    let how = |(at, place): (usize, &usize)| {
        let name = all.iter().find(|one| one.place == *place).and_then(|one| one.names.first().cloned());
        name.unwrap_or_else(|| format!("@{at}"))
    };
    places.iter().enumerate().map(how).collect()
}

/// A name in full: `docker.io/library/debian` and `debian:latest` are the same.
fn whole(name: &str) -> String {
    let mut short = name;
    for host in ["docker.io/", "library/", "localhost/"] {
        short = short.strip_prefix(host).unwrap_or(short);
    }
    let last = short.rsplit('/').next().unwrap_or(short);
    if last.contains([':', '@']) { short.to_owned() } else { format!("{short}:latest") }
}

/// The one that serves a platform best.
fn for_platform<'a>(
    container: &Container,
    source: &Source,
    chosen: &[&'a Candidate],
    wanted: Option<&Platform>,
) -> Result<&'a Candidate, Error> {
    if let ([one], None) = (chosen, wanted) {
        return Ok(one);
    }
    let own = Platform::own();
    let wanted = wanted.unwrap_or(&own);
    let mut there = Vec::new();
    let mut best: Option<(u32, &Candidate)> = None;
    for one in chosen {
        let platform = platform_of(container, one)?;
        if let Some(worth) = platform.serves(wanted)
            && best.is_none_or(|(known, _)| worth > known)
        {
            best = Some((worth, one));
        }
        there.push(platform.to_string());
    }
    let what = || match chosen.first().and_then(|one| one.names.first()) {
        Some(name) => format!("`{name}`"),
        None => format!("the image in {}", source.path.display()),
    };
    best.map(|(_, one)| one).ok_or_else(|| Error::Platform {
        what: what(),
        wanted: wanted.to_string(),
        there,
    })
}

/// What is said beside an image, else what its config says.
fn platform_of(container: &Container, one: &Candidate) -> Result<Platform, Error> {
    if let Some(platform) = &one.platform {
        return Ok(platform.clone());
    }
    let config = match &one.head {
        Head::Manifest(descriptor) => {
            let bytes = read_json(container, descriptor, "the manifest")?;
            let manifest: Manifest = json::parse(&bytes, "the manifest")?;
            read_json(container, &manifest.config, "the config")?
        }
        Head::Docker(image) => docker_config(container, image)?,
    };
    Ok(json::parse::<Config>(&config, "the image's config")?.platform())
}

/// An image of an OCI layout.
fn by_manifest(container: &Container, descriptor: &Descriptor, names: Vec<String>) -> Result<Image, Error> {
    let manifest_bytes = read_json(container, descriptor, "the manifest")?;
    let manifest: Manifest = json::parse(&manifest_bytes, "the manifest")?;
    let config = read_json(container, &manifest.config, "the config")?;
    let details: Config = json::parse(&config, "the image's config")?;
    let diff_ids = diff_ids(&details, manifest.layers.len())?;
    let mut layers = Vec::new();
    for (at, (descriptor, diff_id)) in manifest.layers.iter().zip(diff_ids).enumerate() {
        let digest = descriptor.digest("the manifest")?;
        let what = format!("layer {} ({})", at + 1, digest.short());
        let Some(blob) = container.blob(digest)? else {
            return Err(Error::Missing { what, outside: descriptor.outside() });
        };
        if blob.len() != descriptor.size {
            let reason = format!("it has {} bytes, and the manifest says {}", blob.len(), descriptor.size);
            return Err(Error::damaged(what, reason));
        }
        layers.push(Rc::new(Layer::new(what, diff_id, Some(digest), blob)));
    }
    Ok(Image { names, manifest: Some(Raw::new(manifest_bytes)), config: Raw::new(config), details, layers })
}

/// An image of an archive that Docker wrote.
fn by_docker(container: &Container, image: &DockerImage) -> Result<Image, Error> {
    let config = docker_config(container, image)?;
    let details: Config = json::parse(&config, "the image's config")?;
    let paths = image.layers.as_deref().unwrap_or_default();
    let diff_ids = diff_ids(&details, paths.len())?;
    let mut layers = Vec::new();
    for (at, (path, diff_id)) in paths.iter().zip(diff_ids).enumerate() {
        let what = format!("layer {} ({})", at + 1, diff_id.short());
        let Some(blob) = container.find(path)? else {
            return Err(Error::Missing { what: format!("{what}, `{}`", path.escape_debug()), outside: None });
        };
        let digest = digest_in(path);
        layers.push(Rc::new(Layer::new(what, diff_id, digest, blob)));
    }
    let names = image.repo_tags.clone().unwrap_or_default();
    Ok(Image { names, manifest: None, config: Raw::new(config), details, layers })
}

/// The config of an archive that Docker wrote; where its name holds a digest, it has that one.
fn docker_config(container: &Container, image: &DockerImage) -> Result<Vec<u8>, Error> {
    let what = format!("the config `{}`", image.config.escape_debug());
    let Some(extent) = container.find(&image.config)? else {
        return Err(Error::Missing { what, outside: None });
    };
    let bytes = json::bytes(&extent, &what)?;
    let found = Digest::of(&bytes);
    match digest_in(&image.config) {
        Some(expected) if expected != found => Err(Error::Digest { what, of: "digest", expected, found }),
        _ => Ok(bytes),
    }
}

/// The digest that a blob's path names.
fn digest_in(path: &str) -> Option<Digest> {
    Digest::parse(path.strip_prefix("blobs/sha256/")?).ok()
}

/// The diff IDs, one a layer.
fn diff_ids(details: &Config, layers: usize) -> Result<Vec<DiffId>, Error> {
    let diff_ids = details.diff_ids()?;
    if layers > LAYERS || diff_ids.len() != layers {
        let reason = format!("it names {} diff IDs for {layers} layers (at most {LAYERS})", diff_ids.len());
        return Err(Error::damaged("the image's config", reason));
    }
    Ok(diff_ids)
}
