//! Names: of functions, variables, methods, properties, keys and keywords.

use rhai::Dynamic;

use super::expression::Knowledge;
use super::place::{Argument, Typed};
use super::shape::{Of, Shape};
use super::{Item, World};
use crate::shell::command::{Command, Receiver};
use crate::shell::params::{Opt, Takes};
use crate::shell::prompt::colours::KEYWORDS;
use crate::shell::prompt::lexer::Kind;
use crate::shell::{commands, errors, help, is_word, params, properties};

/// What looks names up.
pub(super) struct Names<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) knowledge: &'a Knowledge<'a>,
    pub(super) typed: &'a Typed<'a>,
    /// What stands behind the cursor.
    pub(super) after: &'a str,
}

/// The call that the cursor is in.
pub(super) struct Called {
    pub(super) command: &'static Command,
    /// On what it is called.
    pub(super) on: Receiver,
    /// The value that it is called on, if it is known.
    pub(super) receiver: Option<Dynamic>,
}

impl Called {
    fn forms(&self) -> impl Iterator<Item = &'static crate::shell::command::Form> {
        let on = self.on;
        self.command.forms.iter().filter(move |form| form.on == on)
    }

    /// What an argument takes.
    pub(super) fn takes(&self, index: usize) -> Takes {
        let name = self.forms().find_map(|form| match form.params.get(index) {
            None if form.many => form.params.last(),
            other => other,
        });
        name.and_then(|name| params::named(name)).map_or(Takes::Value, |parameter| parameter.takes)
    }

    /// What follows an argument in any call: `true` for the end of the call, `false` for one more, if either is sure.
    pub(super) fn ends(&self, index: usize) -> Option<bool> {
        let least = self.forms().map(|form| form.params.len()).min()?;
        let most = self.forms().map(|form| form.params.len()).max()?;
        match index + 1 {
            _ if self.forms().any(|form| form.many) => None,
            count if count < least => Some(false),
            count if count >= most => Some(true),
            _ => None,
        }
    }

    pub(super) fn options(&self) -> impl Iterator<Item = &'static Opt> {
        self.forms().flat_map(|form| form.options)
    }
}

impl Names<'_> {
    /// The command whose argument the cursor is in.
    pub(super) fn called(&self, argument: Argument<'_>) -> Option<Called> {
        let name = self.typed.text(argument.callee);
        let before =
            |back: usize| argument.callee.checked_sub(back).map_or("", |index| self.typed.text(index));
        let with = |on: Receiver| {
            commands().find(|command| command.name == name && command.forms.iter().any(|form| form.on == on))
        };
        if before(1) != "." {
            return with(Receiver::None).map(|command| Called {
                command,
                on: Receiver::None,
                receiver: None,
            });
        }
        let back = if before(2) == "?" { 3 } else { 2 };
        let of = self.knowledge.of(self.typed, argument.callee.checked_sub(back)?);
        let on = of.shape().receiver()?;
        let receiver = match of {
            Of::Value(value) => Some(value),
            Of::Shape(_) => None,
        };
        with(on).map(|command| Called { command, on, receiver })
    }

    /// What is typed for a function.
    fn call(&self, name: &str, bare: bool) -> String {
        match (self.after.starts_with('('), bare) {
            (true, _) => name.to_owned(),
            (false, true) => format!("{name}()"),
            (false, false) => format!("{name}("),
        }
    }

    fn command(&self, command: &Command, on: Receiver) -> Item {
        let bare = command.forms.iter().filter(|form| form.on == on).all(|form| form.params.is_empty());
        let calls = help::signatures(command, on).join(", ");
        let calls = calls.strip_prefix(on.prefix()).unwrap_or(&calls).to_owned();
        Item::new(self.call(command.name, bare), command.name, calls, command.summary)
    }

    /// Methods and properties.
    pub(super) fn members(&self, of: &Of, prefix: &str) -> Vec<Item> {
        let shape = of.shape();
        let mut items = Vec::new();
        if let Some(on) = shape.receiver() {
            let ours = commands().filter(|command| {
                command.name.starts_with(prefix) && command.forms.iter().any(|form| form.on == on)
            });
            items.extend(ours.map(|command| self.command(command, on)));
            let found =
                properties().filter(|property| property.on == on && property.name.starts_with(prefix));
            items.extend(found.map(|property| Item::new(property.name, property.name, "", property.summary)));
        }
        items.sort_by(|a, b| a.shown.name.cmp(&b.shown.name));
        if let Shape::Keys(keys) = &shape {
            let fits = |key: &&String| key.starts_with(prefix) && is_word(key);
            let mut keys: Vec<&String> = keys.iter().filter(fits).collect();
            keys.sort();
            items.splice(0..0, keys.into_iter().map(|key| Item::new(key, key, "", value_of(of, key))));
        }
        let standard = self.knowledge.standard.of_shape(&shape);
        let standard = standard.into_iter().filter(|method| method.name.starts_with(prefix));
        items.extend(standard.map(|method| {
            let call = format!("{}({})", method.name, method.params.join(", "));
            Item::new(self.call(&method.name, method.params.is_empty()), &method.name, call, &method.summary)
        }));
        items
    }

    /// The keys of a call's options that are not there yet.
    pub(super) fn keys(&self, called: &Called, open: usize, prefix: &str) -> Vec<Item> {
        let there: Vec<&str> = self
            .typed
            .level(open, None)
            .filter(|&index| self.typed.text(index + 1) == ":")
            .map(|index| self.typed.text(index))
            .collect();
        let fits = |option: &&Opt| option.key.starts_with(prefix) && !there.contains(&option.key);
        let mut options: Vec<&Opt> = called.options().filter(fits).collect();
        options.dedup();
        let colon = if self.after.trim_start().starts_with(':') { "" } else { ": " };
        options
            .into_iter()
            .map(|option| Item::new(format!("{}{colon}", option.key), option.key, "", option.summary))
            .collect()
    }

    /// Variables, functions, keywords.
    pub(super) fn free(&self, prefix: &str) -> Vec<Item> {
        let mut items = self.variables(prefix);
        let ours = commands().filter(|command| {
            command.name.starts_with(prefix) && command.forms.iter().any(|form| form.on == Receiver::None)
        });
        let mut functions: Vec<Item> = ours.map(|command| self.command(command, Receiver::None)).collect();
        let defined = self.world.functions.iter_script_fn_info().map(|(.., function)| function);
        let defined = defined.filter(|function| function.name.starts_with(prefix) && is_word(&function.name));
        functions.extend(defined.map(|function| {
            let params: Vec<&str> = function.params.iter().map(rhai::ImmutableString::as_str).collect();
            let call = format!("{}({})", function.name, params.join(", "));
            let docs = function.comments.iter().flat_map(|comment| comment.lines());
            let about = docs.map(|line| line.trim_start_matches('/').trim()).find(|line| !line.is_empty());
            let insert = self.call(&function.name, params.is_empty());
            Item::new(insert, &function.name, call, about.unwrap_or("defined at this prompt"))
        }));
        functions.sort_by(|a, b| a.shown.name.cmp(&b.shown.name));
        items.extend(functions);
        // an empty line asks what can be done, not how to write a script
        if !prefix.is_empty() {
            let words = KEYWORDS.iter().filter(|word| word.starts_with(prefix));
            items.extend(words.map(|word| Item::new(*word, word, "", "a word of the language")));
        }
        items
    }

    /// Variables whose value is what an argument takes.
    pub(super) fn variables_for(&self, takes: Takes, prefix: &str) -> Vec<Item> {
        let fits = |item: &Item| {
            let name = std::str::from_utf8(&item.shown.name).unwrap_or_default();
            let shape =
                self.world.scope.get(name).map_or(Shape::Unknown, |value| Of::Value(value.clone()).shape());
            match takes {
                Takes::Stack => {
                    matches!(
                        shape,
                        Shape::Layer | Shape::Mount | Shape::Image | Shape::Array(_) | Shape::Unknown
                    )
                }
                Takes::Mount => matches!(shape, Shape::Mount | Shape::Unknown),
                Takes::Flag => matches!(shape, Shape::Bool | Shape::Unknown),
                _ => matches!(shape, Shape::Text | Shape::Unknown),
            }
        };
        let mut items = self.variables(prefix);
        items.retain(fits);
        items
    }

    /// Variables that have a value, and those that this text sets.
    fn variables(&self, prefix: &str) -> Vec<Item> {
        let mut found: Vec<(&str, String)> = Vec::new();
        let typed = self.typed;
        for index in 1..typed.lexed.tokens.len().saturating_sub(1) {
            let sets = matches!(typed.text(index - 1), "let" | "const" | "for");
            if sets && typed.kind(index) == Some(Kind::Word) {
                found.push((typed.text(index), "set in this entry".to_owned()));
            }
        }
        for (name, _, value) in self.world.scope.iter_raw() {
            found.push((name, errors::type_word(value).to_owned()));
        }
        // a later one hides an earlier one of the same name
        found.reverse();
        found.sort_by_key(|(name, _)| *name);
        found.dedup_by_key(|(name, _)| *name);
        found.retain(|(name, _)| name.starts_with(prefix) && is_word(name));
        found.into_iter().map(|(name, about)| Item::new(name, name, "", about)).collect()
    }
}

/// What a key of a map holds, in a word.
fn value_of(of: &Of, key: &str) -> &'static str {
    match of.property(key) {
        Of::Value(value) => errors::type_word(&value),
        Of::Shape(_) => "",
    }
}
