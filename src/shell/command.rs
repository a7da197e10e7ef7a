//! One record a command: it feeds the engine, `help()`, completion and the tests.

use std::any::TypeId;
use std::path::PathBuf;

use rhai::{Array, Dynamic, EvalAltResult, ImmutableString, Map, NativeCallContext, Position};

pub use super::group::Group;
use super::params::Opt;
pub(super) use super::plain::{as_bytes, from_bytes};
use super::state::Shell;
use super::{commands, errors, help};
use crate::sys::signals;
use crate::workspace::{Error, Image, Layer, Mount, StackItem, Subject, ToRead, ToWrite, nearest};

/// On what a form of a command is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receiver {
    /// On nothing: a global function.
    None,
    /// On a layer: `l.write(…)`.
    Layer,
    /// On a mount: `m.write(…)`.
    Mount,
    /// On an image: `img.read(…)`.
    Image,
    /// On the changes of a layer: `l.entries().len()`.
    Entries,
}

impl Receiver {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Layer, Self::Mount, Self::Image, Self::Entries];

    pub(super) fn type_id(self) -> Option<TypeId> {
        match self {
            Self::None => None,
            Self::Layer => Some(TypeId::of::<Layer>()),
            Self::Mount => Some(TypeId::of::<Mount>()),
            Self::Image => Some(TypeId::of::<Image>()),
            Self::Entries => Some(TypeId::of::<super::values::Entries>()),
        }
    }

    /// Whether a value is one that methods of this kind are called on.
    pub(super) fn is_type_of(self, value: &Dynamic) -> bool {
        match self {
            Self::None => false,
            Self::Layer => value.is::<Layer>(),
            Self::Mount => value.is::<Mount>(),
            Self::Image => value.is::<Image>(),
            Self::Entries => value.is::<super::values::Entries>(),
        }
    }

    /// As one writes it before the dot where there is little room: `l.`, `m.`.
    pub fn short_prefix(self) -> &'static str {
        match self {
            Self::Layer => "l.",
            Self::Mount => "m.",
            Self::Image => "img.",
            Self::None | Self::Entries => self.prefix(),
        }
    }

    /// What a variable before the dot stands for in help, by its name.
    pub(super) fn named(word: &str) -> Option<Self> {
        match word {
            "layer" | "l" => Some(Self::Layer),
            "mount" | "m" => Some(Self::Mount),
            "image" | "img" => Some(Self::Image),
            "entries" => Some(Self::Entries),
            _ => None,
        }
    }

    /// How it is written before the dot in help: `layer.`, `mount.`.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Layer => "layer.",
            Self::Mount => "mount.",
            Self::Image => "image.",
            Self::Entries => "entries.",
        }
    }
}

/// One way to call a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Form {
    /// On what.
    pub on: Receiver,
    /// The parameters' names.
    pub params: &'static [&'static str],
    /// Whether the last parameter may be given up to 15 times.
    pub many: bool,
    /// The keys of its options, where it takes a map of them.
    pub options: &'static [Opt],
}

impl Form {
    /// The same form with these options.
    pub(super) const fn with(self, options: &'static [Opt]) -> Self {
        Self { options, ..self }
    }
}

/// What a command's function gives.
pub(super) type Outcome = Result<Dynamic, Raise>;

/// The work of a command or a property.
pub(super) type Run = fn(&Call<'_>) -> Outcome;

/// What a command does to mounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// It looks at them, or away from them: nothing need be told after it.
    Looks,
    /// It may change something in one.
    Changes,
}

/// A command.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Where it is listed.
    pub group: Group,
    /// What it does to mounts.
    pub(super) effect: Effect,
    /// The ways to call it.
    pub forms: &'static [Form],
    /// What it gives, in a few words; empty for `()`.
    pub gives: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The rest of its meaning. May be empty.
    pub details: &'static str,
    /// The kinds of errors that it may raise beside those that any call may, sorted: see `kinds`.
    pub errors: &'static [&'static str],
    /// A script that runs on an empty store.
    pub example: &'static str,
    /// Related commands.
    pub see: &'static [&'static str],
    /// The function; none where Rhai must be given one for each type of its argument: see `commands::control`.
    pub(super) run: Option<Run>,
}

/// A property of a layer or a mount.
pub struct Property {
    /// Of what.
    pub on: Receiver,
    /// Its name.
    pub name: &'static str,
    /// What it gives, in a few words.
    pub gives: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The function.
    pub(super) get: Run,
}

/// What a command fails with.
pub(super) enum Raise {
    /// The façade's error.
    Workspace(Error),
    /// A wrong argument, with a hint.
    Usage { message: String, hint: Option<String> },
    /// Rhai's own.
    Rhai(Box<EvalAltResult>),
}

impl<E: Into<Error>> From<E> for Raise {
    fn from(error: E) -> Self {
        Self::Workspace(error.into())
    }
}

impl Raise {
    pub(super) fn into_rhai(self, position: Position) -> Box<EvalAltResult> {
        match self {
            Self::Workspace(Error::Interrupted) => errors::interrupted(position),
            // whatever a call says that was stopped half way, it is Ctrl-C that stopped it
            Self::Workspace(_) if signals::interrupted() => errors::interrupted(position),
            Self::Workspace(error) => errors::from_workspace(&error, position),
            Self::Usage { message, hint } => errors::usage(message, hint, position),
            Self::Rhai(error) => error,
        }
    }
}

pub(super) fn usage<T>(message: impl Into<String>, hint: &str) -> Result<T, Raise> {
    Err(Raise::Usage { message: message.into(), hint: Some(hint.to_owned()) })
}

/// One call: what it is on, its arguments, and what all commands share.
pub(super) struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) shell: &'a Shell,
    pub(super) context: &'a NativeCallContext<'a>,
    pub(super) receiver: Option<Dynamic>,
    pub(super) args: Vec<Dynamic>,
}

impl Call<'_> {
    /// What it is about, for the log: what it is called on, and a first argument that may be a path or a name. Data is not
    /// for logs.
    pub(super) fn on(&self) -> String {
        let mount = || Some(self.receiver.as_ref()?.clone().try_cast::<Mount>()?.name());
        let of = self.layer().map(|layer| layer.title()).or_else(mount).unwrap_or_default();
        let shown = |bytes: Vec<u8>| format!("`{}`", bytes[..bytes.len().min(200)].escape_ascii());
        let first = self.args.first().and_then(as_bytes).map(shown).unwrap_or_default();
        format!("{of} {first}").trim().to_owned()
    }

    pub(super) fn len(&self) -> usize {
        self.args.len()
    }

    /// The layer it is called on.
    pub(super) fn layer(&self) -> Option<Layer> {
        self.receiver.as_ref().and_then(|receiver| receiver.clone().try_cast::<Layer>())
    }

    /// The layer that a method must be called on.
    pub(super) fn this_layer(&self) -> Result<Layer, Raise> {
        match self.layer() {
            Some(layer) => Ok(layer),
            None => usage(format!("`{}` is a method of layers", self.name), "call it as `l.…`"),
        }
    }

    /// The image it is called on.
    pub(super) fn image(&self) -> Option<Image> {
        self.receiver.as_ref().and_then(|receiver| receiver.clone().try_cast::<Image>())
    }

    /// The image that a method must be called on.
    pub(super) fn this_image(&self) -> Result<Image, Raise> {
        match self.image() {
            Some(image) => Ok(image),
            None => usage(format!("`{}` is a method of images", self.name), "call it as `img.…`"),
        }
    }

    /// The mount it is called on, else the current one.
    pub(super) fn mount(&self) -> Result<Mount, Raise> {
        match self.receiver.as_ref().and_then(|receiver| receiver.clone().try_cast::<Mount>()) {
            Some(mount) => Ok(mount),
            None => Ok(self.shell.workspace().current()?),
        }
    }

    fn wrong<T>(&self, index: usize, wanted: &str) -> Result<T, Raise> {
        // `l.write("/x")` reaches the function `write(path, data)` with the layer as its path
        if let (0, None, Some(first)) = (index, &self.receiver, self.args.first())
            && let Some(on) = [Receiver::Layer, Receiver::Mount, Receiver::Image]
                .into_iter()
                .find(|on| on.is_type_of(first))
            && let Some(calls) = help::calls_on(self.name, on)
        {
            let given: Vec<&str> = self.args.iter().skip(1).map(errors::type_word).collect();
            return usage(
                format!("`{}{}` cannot be called with ({})", on.prefix(), self.name, given.join(", ")),
                &format!("it is called as {calls}"),
            );
        }
        let given = self.args.get(index).map_or("nothing", |value| errors::type_word(value));
        self.refuse(index, wanted, given)
    }

    /// An error that says what an argument should have been, and what was given.
    fn refuse<T>(&self, index: usize, wanted: &str, given: &str) -> Result<T, Raise> {
        let hint = match self.args.get(index) {
            Some(value) if value.is_char() => "a string stands in double quotes".to_owned(),
            _ => format!("`help(\"{}\")` shows how it is called", self.name),
        };
        usage(format!("`{}` wants {wanted} as argument {}, not {given}", self.name, index + 1), &hint)
    }

    /// Text.
    pub(super) fn text(&self, index: usize) -> Result<ImmutableString, Raise> {
        match self.args.get(index).and_then(|value| value.clone().into_immutable_string().ok()) {
            Some(text) => Ok(text),
            None => self.wrong(index, "a string"),
        }
    }

    /// Text, or nothing where the argument is missing or `()`.
    pub(super) fn optional_text(&self, index: usize) -> Result<Option<ImmutableString>, Raise> {
        match self.args.get(index) {
            None => Ok(None),
            Some(value) if value.is_unit() => Ok(None),
            Some(_) => self.text(index).map(Some),
        }
    }

    /// Raw bytes: a path or data, as a string or a blob.
    pub(super) fn bytes(&self, index: usize) -> Result<Vec<u8>, Raise> {
        match self.args.get(index).and_then(as_bytes) {
            Some(bytes) => Ok(bytes),
            None => self.wrong(index, "a string or a blob"),
        }
    }

    /// A path in a layer or mount; the root where the argument is missing.
    pub(super) fn path_or_root(&self, index: usize) -> Result<Vec<u8>, Raise> {
        if index < self.len() { self.bytes(index) } else { Ok(Vec::new()) }
    }

    /// A path on the host; `~/` is the home directory.
    fn host_path(&self, index: usize) -> Result<PathBuf, Raise> {
        use std::os::unix::ffi::OsStringExt as _;
        let bytes = self.bytes(index)?;
        if bytes.is_empty() || bytes.contains(&0) {
            return self.wrong(index, "a host path");
        }
        if let Some(rest) = bytes.strip_prefix(b"~/")
            && let Some(home) = std::env::var_os("HOME")
        {
            return Ok(PathBuf::from(home).join(std::ffi::OsString::from_vec(rest.to_vec())));
        }
        Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
    }

    /// A path on the host that is to be read, if it may be.
    pub(super) fn to_read(&self, index: usize) -> Result<ToRead, Raise> {
        Ok(self.shell.workspace().to_read(&self.host_path(index)?)?)
    }

    /// A path on the host that is to be written, if it may be.
    pub(super) fn to_write(&self, index: usize) -> Result<ToWrite, Raise> {
        Ok(self.shell.workspace().to_write(&self.host_path(index)?)?)
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self, index: usize) -> Result<u64, Raise> {
        match self.args.get(index).and_then(|value| value.as_int().ok()).and_then(|n| u64::try_from(n).ok()) {
            Some(number) => Ok(number),
            None => match self.args.get(index).map(Dynamic::as_int) {
                Some(Ok(number)) => self.refuse(index, "a whole number from 0 up", &number.to_string()),
                _ => self.wrong(index, "a whole number from 0 up"),
            },
        }
    }

    /// A user or group ID.
    pub(super) fn owner(&self, index: usize) -> Result<u32, Raise> {
        match u32::try_from(self.count(index)?) {
            Ok(id) if id != u32::MAX => Ok(id),
            _ => self.refuse(index, "an ID below 4294967295", &self.count(index)?.to_string()),
        }
    }

    /// A mode text.
    pub(super) fn mode(&self, index: usize) -> Result<ImmutableString, Raise> {
        if self.args.get(index).is_some_and(Dynamic::is_int) {
            return usage(
                "a mode is a string, such as \"0755\" or \"u+x\"",
                "an integer would be misread: `0755` is decimal 755 in Rhai",
            );
        }
        self.text(index)
    }

    /// The value of an argument.
    pub(super) fn value(&self, index: usize) -> Dynamic {
        self.args.get(index).cloned().unwrap_or(Dynamic::UNIT)
    }

    /// An options map, if the last argument is one: only the keys that the command's forms name are taken.
    pub(super) fn options(&self) -> Result<Option<Map>, Raise> {
        let command = commands().filter(|command| command.name == self.name);
        let known: Vec<&str> = command
            .flat_map(|command| command.forms)
            .flat_map(|form| form.options)
            .map(|option| option.key)
            .collect();
        let Some(map) = self.args.last().and_then(|value| value.clone().try_cast::<Map>()) else {
            return Ok(None);
        };
        for key in map.keys() {
            if !known.contains(&key.as_str()) {
                let near = nearest(key, known.iter().copied());
                let hint = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it knows {}", known.join(", ")),
                };
                return usage(format!("`{}` has no option `{key}`", self.name), &hint);
            }
        }
        Ok(Some(map))
    }

    /// The items of a stack argument: everything but a closing options map.
    pub(super) fn stack_items(&self, has_options: bool) -> Result<Vec<StackItem>, Raise> {
        let args = if has_options { &self.args[..self.len() - 1] } else { &self.args[..] };
        let mut items = Vec::new();
        for arg in args {
            self.collect_items(arg, &mut items)?;
        }
        Ok(items)
    }

    pub(super) fn collect_items(&self, value: &Dynamic, items: &mut Vec<StackItem>) -> Result<(), Raise> {
        if let Some(array) = value.clone().try_cast::<Array>() {
            return array.iter().try_for_each(|value| self.collect_items(value, items));
        }
        items.push(self.item(value)?);
        Ok(())
    }

    fn item(&self, value: &Dynamic) -> Result<StackItem, Raise> {
        if let Some(layer) = value.clone().try_cast::<Layer>() {
            return Ok(StackItem::Layer(layer));
        }
        if let Some(mount) = value.clone().try_cast::<Mount>() {
            return Ok(StackItem::Mount(mount));
        }
        if let Some(image) = value.clone().try_cast::<Image>() {
            return Ok(StackItem::Stack(image.stack()));
        }
        match value.clone().into_immutable_string() {
            Ok(text) => Ok(StackItem::Text(text.to_string())),
            Err(_) => usage(
                format!("`{}` wants layers, not {}", self.name, errors::type_word(value)),
                "a layer is a name, an ID, or what `layer(name)` gives; a stack is an array of them, bottom first",
            ),
        }
    }

    /// What a question is about: a mount, a stack, a layer with its stack; the current mount where nothing is given.
    pub(super) fn subject(&self, index: usize) -> Result<Subject, Raise> {
        let workspace = self.shell.workspace();
        let Some(value) = self.args.get(index).filter(|value| !value.is_unit()) else {
            return Ok(Subject::Mount(self.mount()?));
        };
        if let Some(mount) = value.clone().try_cast::<Mount>() {
            return Ok(Subject::Mount(mount));
        }
        if let Some(image) = value.clone().try_cast::<Image>() {
            return Ok(Subject::Image(image));
        }
        let mut items = Vec::new();
        self.collect_items(value, &mut items)?;
        Ok(Subject::Stack(workspace.stack(&items)?))
    }
}

/// An option that is true or false.
pub(super) fn flag(options: Option<&Map>, key: &str, default: bool) -> Result<bool, Raise> {
    let value = options.and_then(|map| map.get(key)).filter(|value| !value.is_unit());
    value.map_or(Ok(default), Dynamic::as_bool).or_else(|_| {
        usage(format!("the option `{key}` is true or false"), &format!("`#{{ {key}: {} }}`", !default))
    })
}

/// Short for a form on nothing.
pub(super) const fn global(params: &'static [&'static str]) -> Form {
    Form { on: Receiver::None, params, many: false, options: &[] }
}

/// Short for a form on a layer.
pub(super) const fn on_layer(params: &'static [&'static str]) -> Form {
    Form { on: Receiver::Layer, params, many: false, options: &[] }
}

/// Short for a form on an image.
pub(super) const fn on_image(params: &'static [&'static str]) -> Form {
    Form { on: Receiver::Image, params, many: false, options: &[] }
}

/// Short for a form on a mount.
pub(super) const fn on_mount(params: &'static [&'static str]) -> Form {
    Form { on: Receiver::Mount, params, many: false, options: &[] }
}
