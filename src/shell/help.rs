//! `help()`: everything from the table of commands.

use super::command::{Command, Form, Group, Property, Raise, Receiver, usage};
use super::kinds::{COMMON, KINDS, meaning};
use super::params::Opt;
use super::words::WORDS;
use super::{commands, prompt, properties};
use crate::view::escape::prose;
use crate::view::{self, Paint, Style, words};
use crate::workspace::nearest;

/// The names of all commands, group by group, and how to learn more: at 80 columns it fits on a screen of 24 lines.
pub(super) fn overview(style: &Style) -> String {
    let mut text = String::new();
    for group in Group::ALL {
        let names: Vec<String> = in_group(group).map(briefest).collect();
        text += &view::names(capital(group.word()).as_str(), names.iter().map(String::as_str), style);
    }
    text += &view::names("Words", WORDS.iter().map(|(word, _)| *word), style);
    text.push('\n');
    let more = "help(\"commit\") tells all about one of these, help(\"files\") lists a group with a line each, help(\"all\") \
                everything. At the prompt:\n`?commit` and `commit?` are help(\"commit\"), `show` alone is show(), \
                `!ls -l` runs a host command in the merged directory, `_` is the last value, Tab completes, `quit` or \
                Ctrl-D ends.";
    text + words(Paint::Plain, 0, more, style).as_str()
}

fn in_group(group: Group) -> impl Iterator<Item = &'static Command> {
    commands().filter(move |command| command.group == group)
}

/// A group with its commands, one line each.
fn listed(group: Group, style: &Style) -> String {
    let rows = in_group(group).map(|command| (shortest(command), command.summary));
    words(Paint::Heading, 0, group.title(), style) + view::calls(rows, style).as_str()
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// All ways to call a command, for a hint; `None` if there is no such command.
pub(super) fn calls(name: &str) -> Option<String> {
    let command = commands().find(|command| command.name == name)?;
    Some(
        command
            .forms
            .iter()
            .map(|form| format!("`{}`", written(command, form)))
            .collect::<Vec<_>>()
            .join(", "),
    )
}

/// As [`calls`], of methods on one kind of value.
pub(super) fn calls_on(name: &str, on: Receiver) -> Option<String> {
    let command = commands().find(|command| command.name == name)?;
    let forms = command.forms.iter().filter(|form| form.on == on);
    let calls: Vec<String> = forms.map(|form| format!("`{}`", written(command, form))).collect();
    (!calls.is_empty()).then(|| calls.join(", "))
}

/// A form as it is typed.
fn written(command: &Command, form: &Form) -> String {
    let many = if form.many { ", … [, options]" } else { "" };
    format!("{}{}({}{many})", form.on.prefix(), command.name, form.params.join(", "))
}

/// A command's shortest form.
fn shortest(command: &Command) -> String {
    let form = command.forms.first();
    form.map_or_else(String::new, |form| {
        format!("{}{}({})", form.on.prefix(), command.name, form.params.join(", "))
    })
}

/// A command's name with what it is called on.
fn briefest(command: &Command) -> String {
    let on = command.forms.first().map_or(Receiver::None, |form| form.on);
    format!("{}{}", on.short_prefix(), command.name)
}

/// The forms on one kind of value as one call, what may be left out in brackets: `commit([name [, message]])`.
/// Several where they are not each other's beginnings.
pub(super) fn signatures(command: &Command, on: Receiver) -> Vec<String> {
    let forms: Vec<&Form> = command.forms.iter().filter(|form| form.on == on).collect();
    let (Some(least), Some(most)) = (
        forms.iter().min_by_key(|form| form.params.len()),
        forms.iter().max_by_key(|form| form.params.len()),
    ) else {
        return Vec::new();
    };
    let nested = forms.iter().all(|form| !form.many && most.params.starts_with(form.params));
    let no_gap = forms.len() == most.params.len() - least.params.len() + 1;
    if !nested || !no_gap {
        return forms.iter().map(|form| written(command, form)).collect();
    }
    let mut text = format!("{}{}({}", on.prefix(), command.name, least.params.join(", "));
    let rest = &most.params[least.params.len()..];
    for (at, param) in rest.iter().enumerate() {
        text += if at == 0 && least.params.is_empty() { "[" } else { " [, " };
        text += param;
    }
    text += &"]".repeat(rest.len());
    vec![text + ")"]
}

/// What a topic is asked of.
struct Asked<'a> {
    /// What stands before the dot, if there is a dot.
    on: Option<&'a str>,
    /// The kind of value that this names, if it does.
    receiver: Option<Receiver>,
    name: &'a str,
}

impl<'a> Asked<'a> {
    fn new(topic: &'a str) -> Self {
        let topic = topic.split('(').next().unwrap_or_default().trim();
        match topic.rsplit_once('.') {
            Some((on, name)) if !on.is_empty() && !name.is_empty() => {
                Self { on: Some(on), receiver: Receiver::named(on), name }
            }
            _ => Self { on: None, receiver: None, name: topic },
        }
    }

    /// Whether this is one of the kinds of values that are meant.
    fn fits(&self, on: Receiver) -> bool {
        match (self.on, self.receiver) {
            (None, _) => true,
            (Some(_), Some(receiver)) => on == receiver,
            // some variable of the user's
            (Some(_), None) => on != Receiver::None,
        }
    }

    /// Whether an error that the command may raise can come where it is called on this.
    fn may_raise(&self, kind: &str) -> bool {
        match self.receiver {
            Some(Receiver::Layer) => !matches!(kind, "no_mount" | "not_mounted"),
            Some(Receiver::Mount) => !matches!(kind, "no_mount" | "sealed"),
            Some(Receiver::Image) => !matches!(kind, "no_mount" | "not_mounted" | "sealed"),
            _ => true,
        }
    }

    fn command(&self) -> Option<&'static Command> {
        commands()
            .find(|command| command.name == self.name && command.forms.iter().any(|form| self.fits(form.on)))
    }

    fn properties(&self) -> impl Iterator<Item = &'static Property> {
        properties().filter(|property| property.name == self.name && self.fits(property.on))
    }
}

/// All about one command, method, property, word, kind of error or group.
pub(super) fn topic(name: &str, style: &Style) -> Result<String, Raise> {
    let asked = Asked::new(name);
    let mut parts: Vec<String> = Vec::new();
    if let Some(command) = asked.command() {
        parts.push(about(command, &asked, style));
    }
    for property in asked.properties() {
        let call = format!("{}{}", property.on.prefix(), property.name);
        parts.push(
            words(Paint::Heading, 0, &call, style) + words(Paint::Plain, 2, property.summary, style).as_str(),
        );
    }
    if asked.on.is_none() {
        plain_topics(asked.name, style, &mut parts);
    }
    if parts.is_empty() { unknown(&asked) } else { Ok(parts.join("\n")) }
}

/// What a word without a dot may be beside a command or a property.
fn plain_topics(name: &str, style: &Style, parts: &mut Vec<String>) {
    let word = name.to_lowercase().replace([' ', '_'], "-");
    if let Some((word, meaning)) = WORDS.iter().find(|(known, _)| *known == word) {
        let mut text =
            words(Paint::Heading, 0, word, style) + words(Paint::Plain, 2, meaning, style).as_str();
        if *word == "errors" {
            text += &words(Paint::Heading, 0, "\nAny call may fail with", style);
            text += &view::terms(KINDS.iter().copied().filter(|(kind, _)| COMMON.contains(kind)), style);
            text += &words(Paint::Heading, 0, "\nOthers", style);
            text += &view::terms(KINDS.iter().copied().filter(|(kind, _)| !COMMON.contains(kind)), style);
        }
        parts.push(text);
    }
    if let Some(meaning) = meaning(name) {
        let mut text = words(Paint::Heading, 0, &format!("{name}, a kind of error"), style);
        text += &words(Paint::Plain, 2, &format!("{}.", capital(meaning)), style);
        let raised: Vec<String> =
            commands().filter(|command| command.errors.contains(&name)).map(briefest).collect();
        let by = if COMMON.contains(&name) { "any call".to_owned() } else { raised.join(", ") };
        if !by.is_empty() {
            text += &words(Paint::Plain, 2, &format!("Raised by {by}."), style);
        }
        parts.push(text);
    }
    parts.extend(
        Group::ALL.into_iter().filter(|group| group.word() == name).map(|group| listed(group, style)),
    );
    if name == "all" {
        parts.extend(Group::ALL.into_iter().map(|group| listed(group, style)));
        let defined = WORDS.iter().map(|(word, meaning)| (word.to_string(), first_sentence(meaning)));
        parts.push(words(Paint::Heading, 0, "Words", style) + view::calls(defined, style).as_str());
    }
}

/// Everything that [`topic`] explains, with a few words on it.
pub(super) fn topics() -> impl Iterator<Item = (String, &'static str)> {
    let owned = |(name, what): (&'static str, &'static str)| (name.to_owned(), what);
    commands()
        .map(|command| (command.name, command.summary))
        .chain(properties().map(|property| (property.name, property.summary)))
        .chain(WORDS.iter().map(|(word, meaning)| (*word, first_sentence(meaning))))
        .chain(KINDS.iter().copied())
        .chain(Group::ALL.map(|group| (group.word(), group.title())))
        .chain([("all", "everything, a line each")])
        .map(owned)
}

fn first_sentence(text: &str) -> &str {
    let end = text.find(". ").or_else(|| text.find(".\n"));
    end.map_or(text, |end| &text[..end])
}

/// There is nothing of that name: what could have been meant.
fn unknown(asked: &Asked<'_>) -> Result<String, Raise> {
    let Asked { on, receiver, name } = *asked;
    if let Some(on) = on
        && let Some(calls) = calls(name)
    {
        return usage(format!("there is no `{name}` of `{on}`"), &format!("it is called as {calls}"));
    }
    let what = on.map_or_else(|| name.to_owned(), |on| format!("{on}.{name}"));
    let message = format!("there is no help for `{what}`");
    let here = |on: Receiver| receiver.is_none_or(|receiver| receiver == on);
    let members = commands()
        .filter(|command| command.forms.iter().any(|form| here(form.on)))
        .map(|command| command.name)
        .chain(properties().filter(|property| here(property.on)).map(|property| property.name));
    let plain = WORDS.iter().chain(KINDS).map(|(word, _)| *word).chain(Group::ALL.map(Group::word));
    let known = members.chain(plain.filter(|_| on.is_none()));
    match nearest(name, known) {
        Some(near) => {
            let near = on.map_or_else(|| near.to_owned(), |on| format!("{on}.{near}"));
            usage(message, &format!("did you mean `{near}`?"))
        }
        None => usage(message, "`help()` lists all topics"),
    }
}

/// Whether a call on a mount can also be made without one.
fn has_both(command: &Command) -> bool {
    let has = |on, params| command.forms.iter().any(|form| form.on == on && form.params == params);
    command.forms.iter().any(|form| form.on == Receiver::Mount && has(Receiver::None, form.params))
}

/// The keys of the options that a command's forms take, each once.
fn options(command: &Command, asked: &Asked<'_>) -> Vec<&'static Opt> {
    let mut options: Vec<&Opt> = Vec::new();
    for option in command.forms.iter().filter(|form| asked.fits(form.on)).flat_map(|form| form.options) {
        if !options.iter().any(|known| known.key == option.key) {
            options.push(option);
        }
    }
    options
}

fn about(command: &Command, asked: &Asked<'_>, style: &Style) -> String {
    let mut text = String::new();
    for on in Receiver::ALL {
        if asked.fits(on) {
            for signature in signatures(command, on) {
                text += &words(Paint::Heading, 0, &signature, style);
            }
        }
    }
    text += &words(Paint::Plain, 0, command.summary, style);
    if !command.gives.is_empty() {
        text += &words(Paint::Plain, 0, &format!("Gives {}.", command.gives), style);
    }
    if !command.details.is_empty() {
        text += &words(Paint::Plain, 0, &format!("\n{}", command.details), style);
    }
    if asked.on.is_none() && has_both(command) {
        text += &words(Paint::Plain, 0, "Without a mount in front, the current mount is meant.", style);
    }
    let options = options(command, asked);
    if !options.is_empty() {
        text += &words(Paint::Heading, 0, "\nOptions", style);
        let about: Vec<String> = options.iter().map(|option| option.about()).collect();
        text += &view::terms(
            options.iter().map(|option| option.key).zip(about.iter().map(String::as_str)),
            style,
        );
    }
    text += &words(Paint::Heading, 0, "\nErrors", style);
    let own = command.errors.iter().filter(|kind| asked.may_raise(kind));
    text += &view::terms(own.filter_map(|kind| Some((*kind, meaning(kind)?))), style);
    let rest = if command.errors.is_empty() { "Only those" } else { "And those" };
    text += &words(
        Paint::Plain,
        2,
        &format!("{rest} that any call may raise: help(\"errors\") lists them."),
        style,
    );
    text += &words(Paint::Heading, 0, "\nExample", style);
    let rows: Vec<String> = command.example.lines().map(|row| prose(row, style)).collect();
    for row in prompt::coloured(&rows.join("\n"), style).lines() {
        // a script must stay one that runs: its lines are not set anew
        text += &format!("  {row}\n");
    }
    if !command.see.is_empty() {
        text += &words(Paint::Plain, 0, &format!("\nSee also: {}", command.see.join(", ")), style);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overview_names_every_command_and_word_and_fits_on_a_small_screen() {
        let text = overview(&Style::plain(80));
        assert!(text.lines().count() < 24, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c == '.').collect();
        for name in commands().map(|command| command.name).chain(WORDS.iter().map(|(word, _)| *word)) {
            assert!(words.contains(&name), "{name}: {text}");
        }
    }

    #[test]
    fn what_may_be_left_out_of_a_call_stands_in_brackets() {
        let of = |name: &str, on| signatures(commands().find(|command| command.name == name).unwrap(), on);
        assert_eq!(of("commit", Receiver::None), ["commit([name [, message]])"]);
        assert_eq!(of("add", Receiver::Layer), ["layer.add(host_path [, at [, options]])"]);
        assert_eq!(of("ls", Receiver::Mount), ["mount.ls([path])"]);
        assert_eq!(of("diff", Receiver::None), ["diff()", "diff(a, b)"]);
        assert_eq!(of("commit", Receiver::Layer), Vec::<String>::new());
    }
}
