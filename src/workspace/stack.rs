//! Stacks: layers bottom → top, as users name them.

use std::collections::HashMap;

use super::error::Error;
use super::layer::State;
use super::{Layer, Mount, Workspace};
use crate::model::{ChainId, LayerName, is_id};
use crate::store::{NameRecord, StackPart};

/// The most layers that the kernel takes in one overlay (`OVL_MAX_STACK`).
const MAX_LAYERS: usize = 500;

/// Layers, bottom → top, each once.
#[derive(Clone, PartialEq, Debug)]
pub struct Stack {
    layers: Vec<Layer>,
    title: String,
}

/// What users pass where a stack is meant.
#[derive(Clone, PartialEq, Debug)]
pub enum StackItem {
    /// A layer.
    Layer(Layer),
    /// A name or an ID.
    Text(String),
    /// A mount: its stack without the upper.
    Mount(Mount),
    /// A stack.
    Stack(Stack),
}

impl Stack {
    /// Takes layers, bottom → top; one that occurs twice counts where it is topmost.
    ///
    /// # Errors
    /// [`Error::StackSize`] for none or more than 500.
    pub(super) fn new(layers: Vec<Layer>, title: String) -> Result<Self, Error> {
        let mut unique: Vec<Layer> = Vec::with_capacity(layers.len());
        for layer in layers.into_iter().rev() {
            if !unique.contains(&layer) {
                unique.push(layer);
            }
        }
        unique.reverse();
        match unique.len() {
            1..=MAX_LAYERS => Ok(Self { layers: unique, title }),
            count => Err(Error::StackSize { count }),
        }
    }

    /// The layers, bottom → top.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The name of its top for headings.
    pub fn title(&self) -> String {
        self.title.clone()
    }

    /// The chain ID, when every layer is sealed.
    pub fn chain_id(&self) -> Result<Option<ChainId>, Error> {
        let ids = self.layers.iter().map(Layer::diff_id).collect::<Result<Option<Vec<_>>, _>>()?;
        Ok(ids.as_deref().and_then(ChainId::of))
    }

    /// Seals the drafts in it, and tells the store's references to all.
    pub(super) fn sealed_parts(&self) -> Result<Vec<StackPart>, Error> {
        let mut refs: Vec<StackPart> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            layer.seal()?;
            let reference = match layer.state() {
                State::Sealed { id, .. } => StackPart::Sealed(id),
                State::Host(dir) => StackPart::Host(dir),
                State::Draft(_) | State::Upper(_) => {
                    return Err(Error::WrongLayer {
                        layer: layer.title(),
                        is: "a mount's upper",
                        instead: "a stack is made of sealed layers; `commit()` makes it one".to_owned(),
                    });
                }
            };
            // two drafts of equal content are one layer once sealed
            refs.retain(|earlier| *earlier != reference);
            refs.push(reference);
        }
        Ok(refs)
    }
}

impl Workspace {
    /// Reads a stack argument. One item alone stands for its whole recorded stack; in a list each is one layer.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`] with the nearest name, [`Error::StackSize`].
    pub fn stack(&self, items: &[StackItem]) -> Result<Stack, Error> {
        if let [item] = items {
            return match item {
                StackItem::Layer(layer) => layer.stack(),
                StackItem::Text(text) => self.find_layer(text)?.stack(),
                StackItem::Mount(mount) => mount.stack(),
                StackItem::Stack(stack) => Ok(stack.clone()),
            };
        }
        let mut layers = Vec::new();
        for item in items {
            match item {
                StackItem::Layer(layer) => layers.push(layer.clone()),
                StackItem::Text(text) => layers.push(self.find_layer(text)?),
                StackItem::Mount(mount) => layers.extend(mount.stack()?.layers),
                StackItem::Stack(stack) => layers.extend(stack.layers.iter().cloned()),
            }
        }
        let title = layers.iter().map(Layer::title).collect::<Vec<_>>().join(" + ");
        Stack::new(layers, title)
    }

    /// Finds a layer that must exist: a name (a draft's too), or a possibly shortened ID.
    pub fn find_layer(&self, text: &str) -> Result<Layer, Error> {
        if is_id(text) {
            return self.layer_by_id(text);
        }
        let unknown = || self.unknown_layer(text);
        let Ok(name) = LayerName::parse(text) else { return Err(unknown()?) };
        if let Some(layer) = self.existing(&name)? {
            return Ok(layer);
        }
        // a shortened ID may have fewer than 12 digits where that is unambiguous
        match self.layer_by_id(text) {
            Ok(layer) => Ok(layer),
            Err(_) => Err(unknown()?),
        }
    }

    fn unknown_layer(&self, text: &str) -> Result<Error, Error> {
        let mut names = Vec::new();
        for layer in self.layers()? {
            names.extend(layer.name());
        }
        Ok(Error::UnknownLayer { name: text.to_owned(), near: nearest(text, &names) })
    }

    /// The layer behind a store's reference; a sealed one with the oldest name that records it as its top, if any: a
    /// stack does not read otherwise because its layer got one more name.
    pub(super) fn layer_of(&self, reference: &StackPart) -> Result<Layer, Error> {
        Ok(self.layers_of(std::slice::from_ref(reference))?.remove(0))
    }

    /// As [`Workspace::layer_of`], of many at once.
    pub(super) fn layers_of(&self, references: &[StackPart]) -> Result<Vec<Layer>, Error> {
        let mut by_top: HashMap<StackPart, NameRecord> = HashMap::new();
        // newest first, so that the oldest stays
        for record in self.store()?.names()? {
            if let Some(top) = record.stack.last() {
                by_top.insert(top.clone(), record);
            }
        }
        let layer = |reference: &StackPart| {
            let state = match reference {
                StackPart::Sealed(id) => State::Sealed { id: *id, record: by_top.get(reference).cloned() },
                StackPart::Host(dir) => State::Host(dir.clone()),
            };
            Layer::new(self, state)
        };
        Ok(references.iter().map(layer).collect())
    }
}

/// The name that is nearest to what was typed, if it is near enough to be meant.
pub(super) fn nearest(text: &str, names: &[String]) -> Option<String> {
    let distance = |name: &String| strsim::damerau_levenshtein(&text.to_lowercase(), &name.to_lowercase());
    let best = names.iter().min_by_key(|name| distance(name))?;
    (distance(best) <= 1 + text.len() / 4).then(|| best.clone())
}
