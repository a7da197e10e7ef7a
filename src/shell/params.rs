//! What the parameters and options of commands take, by their names: one meaning a name, for all commands.

/// What a parameter or an option takes, as far as it can be completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// Anything.
    Value,
    /// A path in the layer or mount that is meant.
    Path,
    /// A path on the host.
    HostPath,
    /// A directory on the host.
    HostDir,
    /// A path on the host where images are, behind `oci:` and the like or alone.
    Source,
    /// The name of a layer.
    Layer,
    /// Layers, by their names or otherwise.
    Stack,
    /// A mount, or its name.
    Mount,
    /// What `help` knows.
    Topic,
    /// An environment variable's name.
    Variable,
    /// A command of the host's shell, in the merged directory.
    Command,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// What a parameter of a name takes, and its type as definition files write it.
pub struct Parameter {
    /// The name.
    pub name: &'static str,
    /// What completion offers for it.
    pub takes: Takes,
    /// Its type.
    pub kind: &'static str,
}

/// A key of an options map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opt {
    /// The key.
    pub key: &'static str,
    /// What its value is.
    pub takes: Takes,
    /// What it is where it is not given; empty where that is nothing.
    pub default: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
}

impl Opt {
    /// All about it, in one line: its type, its meaning, its default.
    pub(super) fn about(&self) -> String {
        let kind = match self.takes {
            Takes::Flag => "true or false".to_owned(),
            Takes::HostPath => "a host path".to_owned(),
            Takes::HostDir => "a host directory".to_owned(),
            Takes::OneOf(words) => words.join(" or "),
            _ => "a string".to_owned(),
        };
        let default = match self.default {
            "" => String::new(),
            default => format!(" ({default} if left out)"),
        };
        format!("{kind}: {}{default}", self.summary)
    }
}

const BYTES: &str = "String | Blob";
const STACK: &str = "Layer | Mount | Image | String | Array";

/// All names.
const PARAMETERS: &[Parameter] = &[
    parameter("a", Takes::Stack, "?"),
    parameter("at", Takes::Path, BYTES),
    parameter("attribute", Takes::Value, BYTES),
    parameter("b", Takes::Stack, "?"),
    parameter("cmd", Takes::Command, "String"),
    parameter("code", Takes::Value, "?"),
    parameter("condition", Takes::Value, "bool"),
    parameter("data", Takes::Value, BYTES),
    parameter("destination", Takes::HostPath, BYTES),
    parameter("dir", Takes::Path, BYTES),
    parameter("do_it", Takes::Flag, "bool"),
    parameter("error", Takes::Value, "?"),
    parameter("from", Takes::Path, BYTES),
    parameter("gid", Takes::Value, "int"),
    parameter("glob", Takes::Path, "String"),
    parameter("host_dir", Takes::HostDir, BYTES),
    parameter("host_path", Takes::HostPath, BYTES),
    parameter("message", Takes::Value, "String"),
    parameter("mode", Takes::Value, "String"),
    parameter("mount", Takes::Mount, "Mount | String"),
    parameter("name", Takes::Layer, "String"),
    parameter("new", Takes::Path, BYTES),
    parameter("old", Takes::Path, BYTES),
    parameter("older_than", Takes::Value, "String"),
    parameter("on", Takes::Flag, "bool"),
    parameter("options", Takes::Value, "Map"),
    parameter("path", Takes::Path, BYTES),
    parameter("seconds", Takes::Value, "int | float"),
    parameter("size", Takes::Value, "int"),
    parameter("source", Takes::Source, BYTES),
    parameter("stack", Takes::Stack, STACK),
    parameter("style", Takes::OneOf(&["emacs", "vi"]), "String"),
    parameter("sure", Takes::Flag, "bool"),
    parameter("target", Takes::Path, BYTES),
    parameter("to", Takes::Path, BYTES),
    parameter("topic", Takes::Topic, "String"),
    parameter("uid", Takes::Value, "int"),
    parameter("value", Takes::Value, BYTES),
    parameter("variable", Takes::Variable, "String"),
    parameter("x", Takes::Stack, "?"),
];

const fn parameter(name: &'static str, takes: Takes, kind: &'static str) -> Parameter {
    Parameter { name, takes, kind }
}

/// What a parameter of that name is; none for a name that no command uses.
pub fn named(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::commands;

    #[test]
    fn every_parameter_of_the_table_has_a_meaning() {
        for command in commands() {
            for name in command.forms.iter().flat_map(|form| form.params) {
                assert!(named(name).is_some(), "`{name}` of `{}`", command.name);
            }
        }
        assert!(PARAMETERS.is_sorted_by_key(|parameter| parameter.name));
    }
}
