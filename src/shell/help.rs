//! `help()`: everything from the table of commands.

use std::fmt::Write as _;

use super::command::{Command, Group, Raise, Receiver, usage};
use super::words::WORDS;
use super::{commands, properties};
use crate::view::{Paint, Style};
use crate::workspace::nearest;

/// All groups with their commands, one line each.
pub(super) fn overview(style: &Style) -> String {
    let mut text = String::new();
    for group in
        [Group::Layers, Group::Mounts, Group::Files, Group::Seeing, Group::Committing, Group::Control]
    {
        line(&mut text, &style.paint(Paint::Heading, group.title()));
        for command in commands().filter(|command| command.group == group) {
            let call = format!("{:<28}", shortest(command));
            line(
                &mut text,
                &format!("  {}{}", style.paint(Paint::Path, &call), fit(command.summary, style.width, 30)),
            );
        }
        text.push('\n');
    }
    let more =
        "help(\"commit\") tells all about one of them, help(\"whiteout\") explains a word of the field:";
    line(&mut text, more);
    let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    line(&mut text, &format!("  {}", words.join(", ")));
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// Cuts a summary to the rest of the line.
fn fit(summary: &str, width: usize, taken: usize) -> String {
    let room = width.saturating_sub(taken + 1).max(20);
    if summary.chars().count() <= room {
        return summary.to_owned();
    }
    let cut: String = summary.chars().take(room.saturating_sub(3)).collect();
    format!("{}...", cut.rsplit_once(' ').map_or(cut.as_str(), |(head, _)| head))
}

/// A command's shortest form.
fn shortest(command: &Command) -> String {
    match command.forms.first() {
        Some(form) => format!("{}{}({})", form.on.prefix(), command.name, form.params.join(", ")),
        None => format!("{}(…)", command.name),
    }
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
        line(&mut text, &format!("{}: {meaning}", style.paint(Paint::Heading, word)));
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
        let mut call = format!("{}{}({}", form.on.prefix(), command.name, form.params.join(", "));
        if form.many {
            call.push_str(", … [, options]");
        }
        call.push(')');
        line(text, &style.paint(Paint::Heading, &call));
    }
    line(text, command.summary);
    if !command.gives.is_empty() {
        line(text, &format!("Gives {}.", command.gives));
    }
    if !command.details.is_empty() {
        line(text, &format!("\n{}", command.details));
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
