//! `help()`: everything from the table of commands.

use std::fmt::Write as _;

use super::command::{Command, Form, Group, Raise, Receiver, usage};
use super::errors::nearest;
use super::words::WORDS;
use super::{commands, properties};
use crate::view::escape::signs;
use crate::view::{Paint, Style};

/// All groups with their commands, one line each.
pub(super) fn overview(style: &Style) -> String {
    let mut text = String::new();
    for group in
        [Group::Layers, Group::Mounts, Group::Files, Group::Seeing, Group::Committing, Group::Control]
    {
        line(&mut text, &style.paint(Paint::Heading, group.title()));
        let calls = || commands().filter(|command| command.group == group).map(shortest);
        let column = calls().map(|call| call.chars().count()).max().unwrap_or(0) + 4;
        for (call, command) in calls().zip(commands().filter(|command| command.group == group)) {
            let call = format!("{call:<room$}", room = column - 2);
            let mut rows = wrap(command.summary, style, column).into_iter();
            let first = rows.next().unwrap_or_default();
            line(&mut text, &format!("  {}{first}", style.paint(Paint::Path, &call)));
            for row in rows {
                line(&mut text, &format!("{:column$}{row}", ""));
            }
        }
        text.push('\n');
    }
    let more =
        "help(\"commit\") tells all about one of them, help(\"whiteout\") explains a word of the field:";
    line(&mut text, more);
    let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    for row in wrap(&words.join(", "), style, 2) {
        line(&mut text, &format!("  {row}"));
    }
    signs(&text, style).into_owned()
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// Breaks a text at words to what is left of the width behind an indent; lines of its own stay lines.
fn wrap(text: &str, style: &Style, indent: usize) -> Vec<String> {
    let room = style.width.saturating_sub(indent + 1).max(20);
    let mut rows = Vec::new();
    for paragraph in text.split('\n') {
        let mut row = String::new();
        for word in paragraph.split(' ') {
            if !row.is_empty() && row.chars().count() + 1 + word.chars().count() > room {
                rows.push(std::mem::take(&mut row));
            } else if !row.is_empty() {
                row.push(' ');
            }
            row.push_str(word);
        }
        rows.push(row);
    }
    rows
}

/// Adds a text, broken at words.
fn prose(text: &mut String, words: &str, style: &Style) {
    for row in wrap(words, style, 0) {
        line(text, &row);
    }
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
    for property in properties().filter(|property| property.name == name) {
        let call = format!("{}{}", property.on.prefix(), property.name);
        line(&mut text, &format!("{}  {}", style.paint(Paint::Path, &call), property.summary));
    }
    let word = name.to_lowercase().replace([' ', '_'], "-");
    if let Some((word, meaning)) = WORDS.iter().find(|(known, _)| *known == word) {
        if !text.is_empty() {
            text.push('\n');
        }
        let told = format!("{word}: {meaning}");
        let told = wrap(&told, style, 0).join("\n");
        let rest = told.strip_prefix(word).unwrap_or(&told);
        line(&mut text, &format!("{}{rest}", style.paint(Paint::Heading, word)));
    }
    if !text.is_empty() {
        return Ok(signs(&text, style).into_owned());
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
        line(text, &style.paint(Paint::Heading, &written(command, form)));
    }
    prose(text, command.summary, style);
    if !command.gives.is_empty() {
        prose(text, &format!("Gives {}.", command.gives), style);
    }
    if !command.details.is_empty() {
        prose(text, &format!("\n{}", command.details), style);
    }
    let _ = write!(text, "\n{}\n", style.paint(Paint::Heading, "Example"));
    for row in command.example.lines() {
        line(text, &format!("  {row}"));
    }
    if !command.see.is_empty() {
        line(text, &format!("\nSee also: {}", command.see.join(", ")));
    }
    if command.forms.iter().any(|form| form.on == Receiver::Mount) && command.forms.len() > 1 {
        line(text, "Without a mount in front, the current mount is meant.");
    }
}
