//! Stacks: layers bottom → top, as users name them.

use std::collections::HashMap;
use std::rc::Rc;

use super::error::Error;
use super::layer::State;
use super::standing::Standing;
use super::{Layer, Mount, Workspace};
use crate::model::{ChainId, LayerName, TreeId, is_id};
use crate::store::{NameRecord, StackPart};

/// The most layers that the kernel takes in one overlay (`OVL_MAX_STACK`).
pub(super) const MAX_LAYERS: usize = 500;

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

    /// The layers of an image as they are: also none, or one several times.
    pub(super) fn of_image(layers: Vec<Layer>, title: String) -> Self {
        Self { layers, title }
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
                State::Blob(_) => {
                    return Err(Error::WrongLayer {
                        layer: layer.title(),
                        is: "in an image, where it lies",
                        instead: "`img.copy_out(\"/\", DIR)` takes what the image shows, and \
                                  `mount(layer_at(DIR))` mounts that"
                            .to_owned(),
                    });
                }
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
        Ok(Error::UnknownLayer { name: text.to_owned(), near: near(text, &names) })
    }

    /// The layers behind a stack of the store; a sealed one with the oldest name that records it as its top, if any: a
    /// stack does not read otherwise because its layer got one more name.
    ///
    /// The names are read once for all of them: a stack of many layers is often one of many names.
    pub(super) fn layers_of(&self, references: &[StackPart]) -> Result<Vec<Layer>, Error> {
        if references.is_empty() {
            return Ok(Vec::new());
        }
        let mut named: HashMap<TreeId, Rc<NameRecord>> = HashMap::new();
        // newest first, so that the oldest stays
        for record in self.store()?.names()? {
            if let Some(StackPart::Sealed(id)) = record.stack.last() {
                named.insert(*id, Rc::new(record));
            }
        }
        let stack: Rc<[StackPart]> = references.into();
        let layer = |(at, reference): (usize, &StackPart)| match reference {
            StackPart::Sealed(id) => {
                let standing = match named.get(id) {
                    Some(record) => Standing::Named(Rc::clone(record)),
                    None => Standing::In { stack: Rc::clone(&stack), depth: at + 1 },
                };
                Ok(Layer::new(self, self.sealed(*id, standing)?))
            }
            StackPart::Host(dir) => Ok(Layer::new(self, State::Host(dir.clone()))),
        };
        references.iter().enumerate().map(layer).collect()
    }
}

/// The nearest of some names, for an error.
pub(super) fn near(text: &str, names: &[String]) -> Option<String> {
    nearest(text, names.iter().map(String::as_str)).map(str::to_owned)
}

/// The word that is nearest to what was typed, if it is near enough to be meant.
pub fn nearest<'a>(text: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |word: &str| strsim::damerau_levenshtein(&text.to_lowercase(), &word.to_lowercase());
    let best = words.into_iter().min_by_key(|word| distance(word))?;
    (distance(best) <= 1 + text.len() / 5).then_some(best)
}
