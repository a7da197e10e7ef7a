//! `help()`: everything from the table of commands.

use super::command::{Command, Form, Group, Raise, Receiver, usage};
use super::words::WORDS;
use super::{commands, properties};
use crate::view::escape::prose;
use crate::view::{self, Paint, Style, words};
use crate::workspace::nearest;

/// All groups with their commands, one line each.
pub(super) fn overview(style: &Style) -> String {
    let mut text = String::new();
    for group in
        [Group::Layers, Group::Mounts, Group::Files, Group::Seeing, Group::Committing, Group::Control]
    {
        text.push_str(&words(Paint::Heading, 0, group.title(), style));
        let rows = commands().filter(|command| command.group == group);
        text.push_str(&view::calls(rows.map(|command| (shortest(command), command.summary)), style));
        text.push('\n');
    }
    let more =
        "help(\"commit\") tells all about one of them, help(\"whiteout\") explains a word of the field:";
    text.push_str(&words(Paint::Plain, 0, more, style));
    let topics: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    text.push_str(&words(Paint::Plain, 2, &topics.join(", "), style));
    text
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

/// All about one command, property or word.
pub(super) fn topic(name: &str, style: &Style) -> Result<String, Raise> {
    let name = name.trim().trim_end_matches("()");
    let mut text = String::new();
    if let Some(command) = commands().find(|command| command.name == name) {
        about(command, style, &mut text);
    }
    let found = properties().filter(|property| property.name == name);
    let rows: Vec<_> = found
        .map(|property| (format!("{}{}", property.on.prefix(), property.name), property.summary))
        .collect();
    for (call, summary) in rows {
        text.push_str(&words(Paint::Heading, 0, &call, style));
        text.push_str(&words(Paint::Plain, 2, summary, style));
    }
    let word = name.to_lowercase().replace([' ', '_'], "-");
    if let Some((word, meaning)) = WORDS.iter().find(|(known, _)| *known == word) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&words(Paint::Heading, 0, word, style));
        text.push_str(&words(Paint::Plain, 2, meaning, style));
    }
    if !text.is_empty() {
        return Ok(text);
    }
    let known = commands()
        .map(|command| command.name)
        .chain(properties().map(|property| property.name))
        .chain(WORDS.iter().map(|(word, _)| *word));
    match nearest(name, known) {
        Some(near) => usage(format!("there is no help for `{name}`"), &format!("did you mean `{near}`?")),
        None => usage(format!("there is no help for `{name}`"), "`help()` lists all topics"),
    }
}

fn about(command: &Command, style: &Style, text: &mut String) {
    for form in command.forms {
        text.push_str(&words(Paint::Heading, 0, &written(command, form), style));
    }
    let mut say = |words_of: &str| text.push_str(&words(Paint::Plain, 0, words_of, style));
    say(command.summary);
    if !command.gives.is_empty() {
        say(&format!("Gives {}.", command.gives));
    }
    if !command.details.is_empty() {
        say(&format!("\n{}", command.details));
    }
    text.push_str(&words(Paint::Heading, 0, "\nExample", style));
    for row in command.example.lines() {
        // a script must stay one that runs: its lines are not set anew
        text.push_str(&format!("  {}\n", prose(row, style)));
    }
    let mut say = |words_of: &str| text.push_str(&words(Paint::Plain, 0, words_of, style));
    if !command.see.is_empty() {
        say(&format!("\nSee also: {}", command.see.join(", ")));
    }
    if command.forms.iter().any(|form| form.on == Receiver::Mount) && command.forms.len() > 1 {
        say("Without a mount in front, the current mount is meant.");
    }
}
