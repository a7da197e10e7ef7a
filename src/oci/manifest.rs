//! The JSON that leads to an image's parts: `index.json`, manifests, and Docker's `manifest.json`.
//!
//! # Source
//! image-spec `descriptor.md`, `image-index.md`, `manifest.md`; Docker image specification v1.2.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Error;
use super::platform::Platform;
use crate::model::Digest;

/// What names a blob.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    digest: String,
    pub(super) size: u64,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) platform: Option<Platform>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    urls: Option<Vec<String>>,
}

/// An image index, and `index.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Index {
    #[serde(default)]
    pub(super) manifests: Vec<Descriptor>,
}

/// An image manifest, or something that says that it is none.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) config: Descriptor,
    #[serde(default)]
    pub(super) layers: Vec<Descriptor>,
}

/// What a blob that an index names may be.
#[derive(Debug, Deserialize)]
pub(super) struct Shape {
    #[serde(default)]
    pub(super) manifests: Option<serde::de::IgnoredAny>,
}

/// One image of Docker's `manifest.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DockerImage {
    pub(super) config: String,
    #[serde(default)]
    pub(super) repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) layers: Option<Vec<String>>,
}

impl Descriptor {
    /// The digest, checked before it becomes part of a path.
    pub(super) fn digest(&self, what: &str) -> Result<Digest, Error> {
        let checked = self.digest.strip_prefix("sha256:").and_then(|hex| Digest::parse(hex).ok());
        checked.ok_or_else(|| {
            let text: String = self.digest.chars().take(100).collect();
            Error::damaged(what, format!("`{}` is no SHA-256 digest", text.escape_default()))
        })
    }

    /// What people call it.
    pub(super) fn names(&self) -> Vec<String> {
        let said = |key| self.annotations.as_ref()?.get(key).filter(|name| !name.is_empty()).cloned();
        let mut names: Vec<String> = ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
            .into_iter()
            .filter_map(said)
            .collect();
        names.dedup();
        names
    }

    /// Whether it is beside an image, and none: a signature, a bill of materials, what a build attests.
    pub(super) fn is_beside(&self) -> bool {
        let attests =
            self.annotations.as_ref().is_some_and(|said| said.contains_key("vnd.docker.reference.type"));
        attests || self.artifact_type.as_ref().is_some_and(|kind| !kind.is_empty())
    }

    /// Whether it names another index.
    pub(super) fn is_index(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "application/vnd.oci.image.index.v1+json"
                | "application/vnd.docker.distribution.manifest.list.v2+json"
        )
    }

    /// Where else it is to be had, in words.
    pub(super) fn outside(&self) -> Option<String> {
        Some(self.urls.as_ref()?.join(", ")).filter(|urls| !urls.is_empty())
    }
}
