//! What fits in a string: paths, names of layers and mounts, topics; and the words of host commands.

use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::names::Called;
use super::place::{Argument, Key};
use super::quoted::{closing, read, written};
use super::shape::Shape;
use super::{Item, World};
use crate::driver::DirItem;
use crate::model::Kind;
use crate::shell::params::Takes;
use crate::shell::prompt::lexer::{Quote, Unclosed};
use crate::shell::{help, state::Shell};
use crate::workspace::{Image, Known, Layer, Mount};

/// What looks texts up.
pub(super) struct Texts<'a> {
    pub(super) world: &'a World<'a>,
    /// What stands behind the cursor.
    pub(super) after: &'a str,
}

/// What stands before the path in a source of images.
const SOURCES: [&str; 3] = ["oci:", "oci-archive:", "docker-archive:"];

/// Where paths lead.
enum Tree {
    Mount(Mount),
    Layer(Layer),
    Image(Image),
    /// The host, from this directory on.
    Host(PathBuf),
}

/// A name that fits, and what is typed for it inside of its string.
struct Found {
    name: Vec<u8>,
    kind: Kind,
}

impl Tree {
    /// The names in a directory that begin so; none where there is no such.
    fn list(&self, dir: &str, begin: &[u8]) -> Vec<Found> {
        let inside = |items: Result<Vec<DirItem>, _>| {
            let items = items.unwrap_or_default().into_iter();
            items.map(|item| Found { name: item.name.into_vec(), kind: item.kind }).collect()
        };
        match self {
            Self::Mount(mount) => inside(mount.ls_from(dir.as_bytes(), begin)),
            Self::Layer(layer) => inside(layer.ls_from(dir.as_bytes(), begin)),
            Self::Image(image) => inside(image.ls_from(dir.as_bytes(), begin)),
            Self::Host(from) => {
                let dir = match (dir.strip_prefix("~/"), std::env::var_os("HOME")) {
                    (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
                    _ => from.join(dir),
                };
                let dir = if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir };
                let items = std::fs::read_dir(dir).into_iter().flatten().flatten();
                let found = items.filter_map(|item| {
                    let name = item.file_name().into_vec();
                    if !name.starts_with(begin) {
                        return None;
                    }
                    let kind = item.file_type().ok()?;
                    let kind = match (kind.is_dir(), kind.is_symlink()) {
                        (true, _) => Kind::Dir,
                        (_, true) => Kind::Symlink,
                        _ => Kind::File,
                    };
                    Some(Found { name, kind })
                });
                found.collect()
            }
        }
    }

    /// The names that a half-typed path may go on with, sorted, and how much of it is the directory.
    fn fitting(&self, path: &str) -> (usize, Vec<Found>) {
        let split = path.rfind('/').map_or(0, |slash| slash + 1);
        let (dir, prefix) = path.split_at(split);
        let mut found = self.list(dir, prefix.as_bytes());
        // as in every shell, what begins with a dot is there for who asks for it
        let hidden = prefix.starts_with('.');
        found.retain(|found| hidden || !found.name.starts_with(b"."));
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        if let [only] = &mut *found
            && only.kind == Kind::Symlink
            && let Ok(name) = std::str::from_utf8(&only.name)
            && self.is_dir(&format!("{dir}{name}"))
        {
            only.kind = Kind::Dir;
        }
        (split, found)
    }

    fn is_dir(&self, path: &str) -> bool {
        match self {
            Self::Mount(mount) => mount.ls(path.as_bytes()).is_ok(),
            Self::Layer(layer) => layer.ls(path.as_bytes()).is_ok(),
            Self::Image(image) => image.ls(path.as_bytes()).is_ok(),
            Self::Host(from) => from.join(path).is_dir(),
        }
    }
}

impl Texts<'_> {
    fn shell(&self) -> &Shell {
        self.world.shell
    }

    /// What fits in a half-typed string that is an argument; from which byte on.
    pub(super) fn quoted(
        &self,
        called: &Called,
        argument: Argument<'_>,
        open: Unclosed,
        before: &str,
    ) -> (usize, Vec<Item>) {
        let typed = &before[open.content..];
        let (start, items) = self.fitting(called, argument, open.quote, typed);
        (open.content + start, items)
    }

    /// What fits where an argument is to begin: strings with their quotes, or words of the language.
    pub(super) fn unquoted(&self, called: &Called, argument: Argument<'_>, prefix: &str) -> Vec<Item> {
        if takes(called, argument) == Takes::Flag {
            let words = ["true", "false"].into_iter().filter(|word| word.starts_with(prefix));
            return words.map(|word| Item::new(word, word, "", "")).collect();
        }
        if !prefix.is_empty() {
            return Vec::new();
        }
        let (_, items) = self.fitting(called, argument, Quote::Double, "");
        let quote = |item: Item| Item { insert: format!("\"{}", item.insert), ..item };
        items.into_iter().map(quote).collect()
    }

    fn fitting(
        &self,
        called: &Called,
        argument: Argument<'_>,
        quote: Quote,
        typed: &str,
    ) -> (usize, Vec<Item>) {
        let end = self.ending(called, argument, quote);
        let none = (0, Vec::new());
        match takes(called, argument) {
            Takes::Value | Takes::Flag => none,
            Takes::Path => self.tree(called).map_or(none, |tree| paths(&tree, quote, typed, &end, false)),
            Takes::HostPath => paths(&Tree::Host(PathBuf::new()), quote, typed, &end, false),
            Takes::Source => {
                let kind = SOURCES.iter().find(|kind| typed.starts_with(**kind)).map_or("", |kind| kind);
                let from = kind.len();
                let host = Tree::Host(PathBuf::new());
                let (start, items) = paths(&host, quote, &typed[from..], &end, kind == "oci:");
                (from + start, items)
            }
            Takes::HostDir => paths(&Tree::Host(PathBuf::new()), quote, typed, &end, true),
            Takes::Command => {
                let (start, items) = self.command_words(typed, Some(called));
                let in_string =
                    |item: Item| Some(Item { insert: written(quote, item.insert.as_bytes())?, ..item });
                (start, items.into_iter().filter_map(in_string).collect())
            }
            Takes::Layer | Takes::Stack => named(self.shell().workspace().known_layers(), quote, typed, &end),
            Takes::Mount => named(self.shell().workspace().known_mounts(), quote, typed, &end),
            Takes::Topic => named(topics(), quote, typed, &end),
            Takes::Variable => {
                let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
                let mut names: Vec<Known> = names.map(|name| Known { name, what: String::new() }).collect();
                names.sort_by(|a, b| a.name.cmp(&b.name));
                named(names, quote, typed, &end)
            }
            Takes::OneOf(words) => {
                let words = words.iter().map(|&word| Known { name: word.to_owned(), what: String::new() });
                named(words.collect(), quote, typed, &end)
            }
        }
    }

    /// Where a path is looked for: in what the call is on, else in the current mount.
    fn tree(&self, called: &Called) -> Option<Tree> {
        use crate::shell::command::Receiver;
        match (&called.receiver, called.on) {
            (Some(value), Receiver::Layer) => {
                value.read_lock::<Layer>().map(|layer| Tree::Layer(layer.clone()))
            }
            (Some(value), Receiver::Mount) => {
                value.read_lock::<Mount>().map(|mount| Tree::Mount(mount.clone()))
            }
            (Some(value), Receiver::Image) => {
                value.read_lock::<Image>().map(|image| Tree::Image(image.clone()))
            }
            (None, Receiver::None) => self.shell().workspace().current().ok().map(Tree::Mount),
            _ => None,
        }
    }

    /// What is typed behind a name that ends its string: the quote, and what surely comes behind it.
    fn ending(&self, called: &Called, argument: Argument<'_>, quote: Quote) -> String {
        let quote = closing(quote);
        if self.after.starts_with(&quote) {
            return String::new();
        }
        let alone = !argument.in_array && argument.key == Key::None && self.after.trim().is_empty();
        let next = match called.ends(argument.index) {
            Some(true) if alone => ")",
            Some(false) if alone => ", ",
            _ => "",
        };
        quote + next
    }

    /// The keys of a map in the brackets behind it.
    pub(super) fn map_keys(&self, shape: &Shape, open: Unclosed, before: &str) -> (usize, Vec<Item>) {
        let Shape::Keys(keys) = shape else { return (before.len(), Vec::new()) };
        let known = keys.iter().map(|key| Known { name: key.clone(), what: String::new() }).collect();
        let end = if self.after.is_empty() { closing(open.quote) + "]" } else { closing(open.quote) };
        let (start, items) = named(known, open.quote, &before[open.content..], &end);
        (open.content + start, items)
    }

    /// The last word of a command of the host, behind `!`.
    pub(super) fn host_command(&self, command: &str, pos: usize) -> (usize, Vec<Item>) {
        let (start, items) = self.command_words(command, None);
        (pos - command.len() + start, items)
    }

    /// The last word of a command: a path from where it will run.
    fn command_words(&self, command: &str, called: Option<&Called>) -> (usize, Vec<Item>) {
        let mut start = 0;
        let mut escaped = false;
        for (at, c) in command.char_indices() {
            if !escaped && (c.is_whitespace() || matches!(c, ';' | '|' | '&' | '<' | '>' | '(' | '=')) {
                start = at + c.len_utf8();
            }
            escaped = c == '\\' && !escaped;
        }
        let word = &command[start..];
        // programs are not looked for, nor is anything in quotes of the shell
        if word.contains(['"', '\'', '$', '`']) || (start == 0 && !word.contains('/')) {
            return (0, Vec::new());
        }
        let mount = match called.and_then(|called| called.receiver.as_ref()) {
            Some(value) => value.read_lock::<Mount>().map(|mount| mount.clone()),
            None => self.shell().workspace().current().ok(),
        };
        let from = mount.and_then(|mount| mount.path()).unwrap_or_default();
        let (split, found) = Tree::Host(from).fitting(&word.replace('\\', ""));
        let dir = word.rfind('/').map_or(0, |slash| slash + 1);
        debug_assert!(split <= word.len());
        let item = |found: Found| {
            let name = std::str::from_utf8(&found.name).ok()?;
            let mut text = String::new();
            for c in name.chars() {
                let plain =
                    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '+' | ',' | ':' | '@' | '%');
                if !plain {
                    text.push('\\');
                }
                text.push(c);
            }
            text.push(if found.kind == Kind::Dir { '/' } else { ' ' });
            // a newline cannot be escaped so
            (!name.contains(char::is_control)).then(|| shown(found, text))
        };
        (start + dir, found.into_iter().filter_map(item).collect())
    }
}

/// What the argument or the option takes that the cursor is in.
pub(super) fn takes(called: &Called, argument: Argument<'_>) -> Takes {
    match argument.key {
        Key::None if argument.in_array && called.takes(argument.index) != Takes::Stack => Takes::Value,
        Key::None => called.takes(argument.index),
        Key::Wanted(_) => Takes::Value,
        Key::Value(key) => {
            called.options().find(|option| option.key == key).map_or(Takes::Value, |option| option.takes)
        }
    }
}

/// Names that begin as what is typed.
fn named(known: Vec<Known>, quote: Quote, typed: &str, end: &str) -> (usize, Vec<Item>) {
    let Some(prefix) = read(quote, typed) else { return (0, Vec::new()) };
    let fits = known.into_iter().filter(|known| known.name.starts_with(&prefix));
    let items = fits.filter_map(|known| {
        let insert = written(quote, known.name.as_bytes())?;
        Some(Item::new(format!("{insert}{end}"), &known.name, "", known.what))
    });
    (0, items.collect())
}

/// Paths that begin as what is typed; from which byte of it on.
fn paths(tree: &Tree, quote: Quote, typed: &str, end: &str, only_dirs: bool) -> (usize, Vec<Item>) {
    let Some(path) = read(quote, typed) else { return (0, Vec::new()) };
    let (_, found) = tree.fitting(&path);
    // a slash is never escaped, but by who wants to
    let start = typed.rfind('/').map_or(0, |slash| slash + 1);
    let fits = |found: &Found| !only_dirs || found.kind != Kind::File;
    let item = |found: Found| {
        let insert = match written(quote, &found.name) {
            Some(name) if found.kind == Kind::Dir => format!("{name}/"),
            Some(name) => format!("{name}{end}"),
            // it is shown that it is there, and cannot be typed so
            None => typed[start..].to_owned(),
        };
        shown(found, insert)
    };
    (start, found.into_iter().filter(fits).map(item).collect())
}

fn shown(found: Found, insert: String) -> Item {
    let mut item = Item::new(insert, "", "", "");
    item.shown.name = found.name;
    if found.kind == Kind::Dir {
        item.shown.name.push(b'/');
    }
    item
}

/// What `?` explains.
pub(super) fn asked(typed: &str) -> (usize, Vec<Item>) {
    named(topics(), Quote::Raw(1), typed, "")
}

/// Everything that `help` knows.
fn topics() -> Vec<Known> {
    let mut topics: Vec<Known> =
        help::topics().map(|(name, what)| Known { name, what: what.to_owned() }).collect();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    topics.dedup_by(|a, b| a.name == b.name);
    topics
}
