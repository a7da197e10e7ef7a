//! `ufs definitions`: all calls as a definition file for editors with a Rhai language server.
//!
//! The format (`.d.rhai`): `module static;`, then `fn name(param: type) -> type;` and `fn get property(…)`, each
//! beneath its doc-comments. A function that gives nothing has no `->`. Types are names, `?` for any, and unions.
//!
//! # Source
//! The Rhai Book, "Generate Definition Files for Language Server"; the grammar of the language server's parser.

use rhai::Engine;

use super::command::{Command, Form, Property, Receiver};
use super::params::named;
use super::{commands, is_word, properties};

/// What a language server must know: our calls and properties, then Rhai's standard functions.
pub fn definitions() -> String {
    let mut text = String::from(
        "/// Everything that scripts of `ufs` can call. Made by `ufs definitions`.\nmodule static;\n",
    );
    for command in commands() {
        for form in command.forms {
            add(&mut text, &about(command), &signature(command, form));
        }
    }
    for property in properties() {
        add(&mut text, property.summary, &getter(property));
    }
    for (about, signature) in standard() {
        add(&mut text, &about, &signature);
    }
    // those that are part of the language; types with parameters are not for every language server
    let of_language = Engine::new_raw().definitions().builtin_functions();
    text.push('\n');
    text.push_str(&of_language.replace("RangeInclusive<int>", "?").replace("Range<int>", "?"));
    text
}

fn add(text: &mut String, about: &str, signature: &str) {
    text.push('\n');
    for line in about.lines() {
        text.push_str(format!("/// {line}").trim_end());
        text.push('\n');
    }
    text.push_str(signature);
    text.push_str(";\n");
}

fn about(command: &Command) -> String {
    let mut text = command.summary.to_owned();
    if !command.gives.is_empty() {
        text += &format!("\n\nGives {}.", command.gives);
    }
    if !command.details.is_empty() {
        text += &format!("\n\n{}", command.details);
    }
    text += &format!("\n\n# Example\n\n```rhai\n{}\n```", command.example);
    if !command.see.is_empty() {
        text += &format!("\n\nSee also: `{}`.", command.see.join("`, `"));
    }
    text
}

fn signature(command: &Command, form: &Form) -> String {
    let mut params: Vec<String> = receiver(form.on).into_iter().collect();
    params.extend(
        form.params
            .iter()
            .map(|name| format!("{name}: {}", named(name).map_or("?", |parameter| parameter.kind))),
    );
    if form.many {
        params.push("...more: ?".to_owned());
    }
    let gives = type_of_gift(command.gives).map(|gives| format!(" -> {gives}")).unwrap_or_default();
    format!("fn {}({}){gives}", command.name, params.join(", "))
}

fn getter(property: &Property) -> String {
    format!("fn get {}({}) -> ?", property.name, receiver(property.on).unwrap_or_default())
}

/// The parameter that a method is called on.
fn receiver(on: Receiver) -> Option<String> {
    let name = match on {
        Receiver::None => return None,
        Receiver::Layer => "layer: Layer",
        Receiver::Mount => "mount: Mount",
        Receiver::Image => "image: Image",
        Receiver::Entries => "entries: Entries",
    };
    Some(name.to_owned())
}

/// The type of what a command gives, from the words that say so; none for nothing.
fn type_of_gift(gives: &str) -> Option<&'static str> {
    let is = |beginnings: &[&str]| beginnings.iter().any(|beginning| gives.starts_with(beginning));
    Some(match gives {
        "" => return None,
        "a string" => "String",
        "a blob" => "Blob",
        "true or false" => "bool",
        "a number" => "int",
        "an array of layers" => "[Layer]",
        "an array of mounts" => "[Mount]",
        "an array of images" => "[Image]",
        "an array of strings" => "[String]",
        _ if is(&["an array"]) => "Array",
        _ if is(&["a layer", "the layer", "the new layer"]) => "Layer",
        _ if is(&["a mount", "the mount"]) => "Mount",
        _ if is(&["an image", "the image"]) => "Image",
        _ if is(&["a map"]) => "Map",
        _ if is(&["a tree"]) => "Tree",
        _ if is(&["an explanation"]) => "Explanation",
        _ => "?",
    })
}

/// Rhai's own functions and properties; no operators, which have no names.
fn standard() -> Vec<(String, String)> {
    let mut found = Engine::new().collect_fn_metadata(
        None,
        |info| {
            let function = info.metadata;
            let (word, name) = match function.name.split_once('$') {
                None => ("", function.name.as_str()),
                Some((word @ ("get" | "set"), name)) => (word, name),
                Some(_) => return None,
            };
            if !is_word(name) {
                return None;
            }
            let params = (0..function.num_params).map(|index| {
                let info = function.params_info.get(index).map_or("", |info| info.as_str());
                let (name, of) = info.split_once(':').unwrap_or((info, ""));
                let name = name.trim().rsplit(' ').next().filter(|name| is_word(name)).unwrap_or("_");
                format!("{name}: {}", standard_type(of).unwrap_or("?"))
            });
            let params = params.collect::<Vec<_>>().join(", ");
            let gives = match function.return_type.as_str() {
                "" | "()" => String::new(),
                of => format!(" -> {}", standard_type(of).unwrap_or("?")),
            };
            let about: Vec<String> = function.comments.iter().map(|comment| bare(comment)).collect();
            let between = if word.is_empty() { "" } else { " " };
            Some((about.join("\n"), format!("fn {word}{between}{name}({params}){gives}")))
        },
        true,
    );
    found.sort_by(|(_, a), (_, b)| a.cmp(b));
    found.dedup_by(|(_, a), (_, b)| a == b);
    found
}

/// A doc-comment without its slashes.
fn bare(comment: &str) -> String {
    comment
        .lines()
        .map(|line| {
            let line = line.strip_prefix("///").unwrap_or(line);
            line.strip_prefix(' ').unwrap_or(line)
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// A type of Rhai's own functions as scripts know it; none for those that have no simple name.
fn standard_type(of: &str) -> Option<&'static str> {
    let of = of.trim().trim_start_matches("&mut ").trim_start_matches('&');
    Some(match of {
        "i64" | "INT" => "int",
        "f64" | "FLOAT" => "float",
        "bool" => "bool",
        "char" => "char",
        "Array" => "Array",
        "Blob" => "Blob",
        "Map" => "Map",
        "FnPtr" => "FnPtr",
        _ if of.ends_with("str") || of.ends_with("String") => "String",
        _ => return None,
    })
}
