//! An image: its manifest and config byte for byte, and its layers.

use super::config::{Config, Step};
use super::layer::Layer;
use crate::model::Digest;

/// JSON as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Raw {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
}

/// An image where it lies.
#[derive(Debug)]
pub struct Image {
    /// What people call it, the best name first; may be none.
    pub names: Vec<String>,
    /// The manifest, where there is one.
    pub manifest: Option<Raw>,
    /// The config.
    pub config: Raw,
    /// What the config says.
    pub details: Config,
    /// The layers, bottom → top.
    pub layers: Vec<std::rc::Rc<Layer>>,
}

impl Raw {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let digest = Digest::of(&bytes);
        Self { bytes, digest }
    }
}

impl Image {
    /// The steps of its making, oldest first, each with the index of the layer that it made, if it made one. Layers that no
    /// step tells of come last, without a step.
    pub fn steps(&self) -> Vec<(Option<&Step>, Option<usize>)> {
        let mut left = 0..self.layers.len();
        let made = |step| (Some(step), Step::makes_layer(step).then(|| left.next()).flatten());
        let mut steps: Vec<_> = self.details.history().iter().map(made).collect();
        steps.extend(left.map(|layer| (None, Some(layer))));
        steps
    }
}
