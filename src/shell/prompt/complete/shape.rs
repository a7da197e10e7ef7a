//! What a value or an expression is, as far as that can be told without running it.

use rhai::{Array, Blob, Dynamic, Map};

use crate::shell::command::Receiver;
use crate::shell::{commands, fields, properties, values};
use crate::workspace::{Image, Layer, Mount};

/// What can be told of an expression.
pub(super) enum Of {
    /// Its value.
    Value(Dynamic),
    /// Only what it is like.
    Shape(Shape),
}

/// What a value is like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// Nothing is known.
    Unknown,
    Layer,
    Mount,
    Image,
    /// The changes of a layer.
    Entries,
    Text,
    Char,
    Blob,
    Number,
    Bool,
    Array(Box<Shape>),
    /// A map, or one of our values, with these keys.
    Keys(Vec<String>),
}

impl Shape {
    /// On what methods are looked up in the table of commands.
    pub(super) fn receiver(&self) -> Option<Receiver> {
        match self {
            Self::Layer => Some(Receiver::Layer),
            Self::Mount => Some(Receiver::Mount),
            Self::Image => Some(Receiver::Image),
            Self::Entries => Some(Receiver::Entries),
            _ => None,
        }
    }

    /// What Rhai calls the first parameter of its methods for such a value.
    pub(super) fn standard(&self) -> &'static [&'static str] {
        match self {
            Self::Text => &["&str", "ImmutableString", "&mut ImmutableString"],
            Self::Char => &["char"],
            Self::Blob => &["&mut Blob"],
            Self::Number => &["INT", "f64"],
            Self::Array(_) => &["&mut Array"],
            Self::Keys(_) => &["&mut Map"],
            _ => &[],
        }
    }

    /// Reads it from the words in which a command says what it gives: what it is, then its keys in backticks.
    pub(super) fn of_words(gives: &str) -> Self {
        let (words, keys) =
            gives.split_once('`').map_or((gives, ""), |(words, _)| (words, &gives[words.len()..]));
        let mut words =
            words.split([' ', ',', ':']).filter(|word| !matches!(*word, "" | "a" | "an" | "the" | "new"));
        let keys: Vec<String> = keys
            .split(['`', ',', ' '])
            .filter(|key| key.starts_with(|c: char| c.is_ascii_lowercase()))
            .map(str::to_owned)
            .collect();
        let head = words.next().unwrap_or_default();
        let record =
            |name: &str| Self::Keys(fields::named(name).iter().map(|&field| field.to_owned()).collect());
        match head {
            "layer" | "layers" => Self::Layer,
            "mount" | "mounts" => Self::Mount,
            "image" | "images" => Self::Image,
            "entries" => Self::Entries,
            "string" | "strings" | "name" | "names" | "path" | "paths" => Self::Text,
            "blob" => Self::Blob,
            "number" => Self::Number,
            "bool" | "true" => Self::Bool,
            "stat" => record("Stat"),
            "tree" => record("Tree"),
            "explanation" => record("Explanation"),
            "report" => record("Doctor"),
            "collection" => record("Freed"),
            "usage" => record("DiskUsage"),
            "change" | "changes" => record("Change"),
            "generation" | "generations" => record("Generation"),
            "map" | "maps" => Self::Keys(keys),
            "array" => {
                let inner = match words.next() {
                    Some("of") => Self::of_words(&gives[gives.find(" of ").map_or(0, |at| at + 4)..]),
                    _ if !keys.is_empty() => Self::Keys(keys),
                    _ => Self::Unknown,
                };
                Self::Array(Box::new(inner))
            }
            _ => Self::Unknown,
        }
    }

    /// Reads it from the type that Rhai's own functions say they return.
    pub(super) fn of_rust(name: &str) -> Self {
        let inner = name.trim_start_matches("RhaiResultOf<").trim_end_matches('>').trim();
        match inner {
            "Array" => Self::Array(Box::new(Self::Unknown)),
            "Map" => Self::Keys(Vec::new()),
            "Blob" => Self::Blob,
            "INT" | "f64" => Self::Number,
            "bool" => Self::Bool,
            "char" => Self::Char,
            "ImmutableString" | "String" | "&str" => Self::Text,
            _ => Self::Unknown,
        }
    }

    fn of_value(value: &Dynamic) -> Self {
        if value.is::<Layer>() {
            return Self::Layer;
        }
        if value.is::<Mount>() {
            return Self::Mount;
        }
        if value.is::<Image>() {
            return Self::Image;
        }
        if value.is::<values::Entries>() {
            return Self::Entries;
        }
        if let Some(map) = value.read_lock::<Map>() {
            return Self::Keys(map.keys().map(ToString::to_string).collect());
        }
        if let Some(array) = value.read_lock::<Array>() {
            return Self::Array(Box::new(array.first().map_or(Self::Unknown, Self::of_value)));
        }
        match value.type_name() {
            "string" => Self::Text,
            "char" => Self::Char,
            "i64" | "f64" => Self::Number,
            "bool" => Self::Bool,
            _ if value.is::<Blob>() => Self::Blob,
            _ => match fields::of(value) {
                [] => Self::Unknown,
                fields => Self::Keys(fields.iter().map(|&field| field.to_owned()).collect()),
            },
        }
    }
}

impl Of {
    pub(super) const UNKNOWN: Self = Self::Shape(Shape::Unknown);

    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Value(value) => Shape::of_value(value),
            Self::Shape(shape) => shape.clone(),
        }
    }

    /// What a property of it is.
    pub(super) fn property(&self, name: &str) -> Self {
        if let Self::Value(value) = self {
            if let Some(map) = value.read_lock::<Map>() {
                return map.get(name).map_or(Self::UNKNOWN, |value| Self::Value(value.clone()));
            }
            if name == "upper"
                && let Some(mount) = value.read_lock::<Mount>()
                && let Ok(upper) = mount.upper()
            {
                return Self::Value(Dynamic::from(upper));
            }
        }
        let on = self.shape().receiver();
        let found = properties().find(|property| Some(property.on) == on && property.name == name);
        Self::Shape(found.map_or(Shape::Unknown, |property| Shape::of_words(property.gives)))
    }

    /// What a call of a method on it gives.
    pub(super) fn method(&self, name: &str, standard: impl Fn(&Shape, &str) -> Option<Shape>) -> Self {
        let shape = self.shape();
        let on = shape.receiver();
        let ours = commands()
            .find(|command| command.name == name && command.forms.iter().any(|form| Some(form.on) == on));
        Self::Shape(match ours {
            Some(command) => Shape::of_words(command.gives),
            None => standard(&shape, name).unwrap_or(Shape::Unknown),
        })
    }

    /// What its items are.
    pub(super) fn item(&self) -> Self {
        if let Self::Value(value) = self
            && let Some(array) = value.read_lock::<Array>()
        {
            return array.first().map_or(Self::UNKNOWN, |value| Self::Value(value.clone()));
        }
        match self.shape() {
            Shape::Array(inner) => Self::Shape(*inner),
            Shape::Entries => {
                let entries = commands().find(|command| command.name == "entries");
                let keys = entries.map_or("", |command| command.gives);
                Self::Shape(Shape::of_words(&format!(
                    "map {}",
                    &keys[keys.find('`').unwrap_or(keys.len())..]
                )))
            }
            Shape::Text => Self::Shape(Shape::Char),
            _ => Self::UNKNOWN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_says_it_gives_is_understood() {
        assert_eq!(Shape::of_words("the new layer"), Shape::Layer);
        assert_eq!(Shape::of_words("an array of mounts"), Shape::Array(Box::new(Shape::Mount)));
        assert_eq!(Shape::of_words("a string, or `()`"), Shape::Text);
        let keys = |keys: &[&str]| Shape::Keys(keys.iter().map(|&key| key.to_owned()).collect());
        assert_eq!(Shape::of_words("a map: `code`, `out`, `err`"), keys(&["code", "out", "err"]));
        assert_eq!(Shape::of_words("an array of maps"), Shape::Array(Box::new(keys(&[]))));
        for command in commands().filter(|command| !matches!(command.gives, "" | "a text")) {
            assert_ne!(Shape::of_words(command.gives), Shape::Unknown, "{}: {}", command.name, command.gives);
        }
        for property in properties() {
            assert_ne!(
                Shape::of_words(property.gives),
                Shape::Unknown,
                "{}: {}",
                property.name,
                property.gives
            );
        }
    }
}
