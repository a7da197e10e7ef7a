//! Images as Docker, Podman and the OCI tools write them, read where they lie, and written as they take them: layouts and
//! archives, manifests, configs, and layers whose change set comes from their tar and whose content is read out of the blob.
//!
//! Nothing is unpacked and nothing stored. Everything in an image is hostile until it was checked: sizes and nesting of
//! JSON are bounded, a digest is one before it becomes a path, a name never leads out of the directory or the archive,
//! and bytes that were read whole have the digest that they should have.
//!
//! # Source
//! OCI image-spec 1.1: `image-layout.md`, `image-index.md`, `manifest.md`, `config.md`, `layer.md`; Docker image
//! specification v1.2 ("Combined Image JSON + Filesystem Changeset Format") and v1.0 (`repositories`).

pub mod blob;
mod candidates;
mod config;
mod container;
mod error;
mod image;
mod json;
mod layer;
mod manifest;
mod members;
mod open;
pub mod pack;
mod platform;
mod reading;
pub mod save;
mod source;
mod stream;
#[cfg(test)]
pub(crate) mod tests;

pub use config::{Config, Step};
pub use error::Error;
pub use image::{Image, Raw};
pub use layer::{Content, Layer, Opened};
pub use open::{Offer, Opening, offers, open};
pub use platform::Platform;
pub use source::{Source, Transport};
