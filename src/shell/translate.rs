//! Rhai's own errors in our words, with advice.

use rhai::EvalAltResult;

use super::command::Receiver;
use super::render::Known;
use super::{commands, help, properties};
use crate::view::Style;
use crate::view::escape::literal;
use crate::workspace::nearest;

/// What is called otherwise elsewhere, or comes later, and what there is instead.
const ELSEWHERE: &[(&str, &str)] = &[
    ("True", "it is written `true`"),
    ("False", "it is written `false`"),
    ("None", "`()` is no value"),
    ("cat", "`read(path)` gives a file's text"),
    ("echo", "`print(x)` prints"),
    ("println", "`print(x)` prints"),
    ("printf", "`print(x)` prints"),
    ("length", "it is called `len`"),
    ("size", "it is called `len`"),
    ("copy", "it is called `cp`"),
    ("rename", "it is called `mv`"),
    ("delete", "it is called `rm`"),
    ("umount", "it is called `unmount`"),
    ("run", "`sh(cmd)` runs a host shell in the merged directory"),
    ("system", "`sh(cmd)` runs a host shell in the merged directory"),
    ("image", IMAGES),
    ("images", IMAGES),
    ("load_image", IMAGES),
    ("pull_image", IMAGES),
    ("push_image", IMAGES),
];
const IMAGES: &str = "`open_image` looks into an image where it lies, `save_image` writes one; the rest comes in a later version";

/// What there is instead of a name that is known from elsewhere.
fn elsewhere(name: &str) -> Option<String> {
    ELSEWHERE.iter().find(|(known, _)| *known == name).map(|(_, instead)| (*instead).to_owned())
}

/// The message and the hint for an error that Rhai itself raised.
pub(super) fn told(error: &EvalAltResult, known: &Known<'_>) -> (String, Option<String>) {
    let (functions, variables) = (known.functions, known.around.variables);
    match error {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => function_not_found(signature, functions),
        EvalAltResult::ErrorVariableNotFound(name, _) => {
            let variable = |name: &str| variables.iter().find(|(known, _)| *known == name);
            let of_functions = name.strip_prefix("global::");
            if of_functions.is_some_and(|name| variable(name).is_some()) {
                let hint =
                    "functions see constants only: make it one by `const`, or hand it over as an argument";
                return (format!("`{name}` is not a constant"), Some(hint.to_owned()));
            }
            let hint = match (variable(name), help::calls(name)) {
                (Some((_, true)), _) => {
                    format!(
                        "functions do not see variables from outside; this constant is `global::{name}` there"
                    )
                }
                (Some(_), _) => format!(
                    "functions do not see variables from outside: hand `{name}` over as an argument, or make it a \
                     `const` and write `global::{name}`"
                ),
                (None, Some(calls)) => format!("to call it, write {calls}"),
                (None, None) if functions.contains(&name.as_str()) => {
                    format!("to call it, write `{name}(…)`")
                }
                (None, None) if (known.is_layer)(name) => {
                    let name = literal(name, &Style::plain(usize::MAX));
                    format!("the layer of that name is `{name}`, in quotes, or `layer({name})`")
                }
                (None, None) => match nearest(name, variables.iter().map(|(name, _)| *name)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => elsewhere(name).unwrap_or_else(|| {
                        format!("`let {name} = …` makes one; functions do not see variables from outside")
                    }),
                },
            };
            (format!("there is no variable `{name}`"), Some(hint))
        }
        EvalAltResult::ErrorDotExpr(text, _) => property_not_found(text),
        EvalAltResult::ErrorDataRace(..) => (
            "a closure uses the variable that its own call chain begins with".to_owned(),
            Some(
                "take the first part into a variable: `let found = x.first(…); found.map(|…| …)`".to_owned(),
            ),
        ),
        EvalAltResult::ErrorStackOverflow(_) => (
            format!("more than {} functions call each other", super::engine::CALL_DEPTH),
            Some("a loop goes as far as it wants".to_owned()),
        ),
        EvalAltResult::ErrorModuleNotFound(path, _) => (
            format!("there is no module `{path}`"),
            Some("`import \"name\" as n` reads `name.rhai` beside the script".to_owned()),
        ),
        other => {
            let mut text = other.to_string();
            // the position is shown by the caret
            if let Some(end) = text.rfind(" (line ") {
                text.truncate(end);
            }
            (lower_first(&text), None)
        }
    }
}

/// The name that a data race error is about: `map` in `argument #2 of function 'map'`.
pub(super) fn racing(error: &EvalAltResult) -> Option<&str> {
    let EvalAltResult::ErrorDataRace(text, _) = error else { return None };
    text.split('\'').nth(1)
}

fn function_not_found(signature: &str, functions: &[&str]) -> (String, Option<String>) {
    let (name, arguments) = signature.split_once(" (").unwrap_or((signature, ")"));
    let arguments = readable(arguments.trim_end_matches(')'));
    if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return (format!("`{name}` does not work on ({arguments})"), None);
    }
    if let Some(calls) = help::calls(name) {
        let hint = format!("it is called as {calls}; `help(\"{name}\")` tells more");
        return (format!("`{name}` cannot be called with ({arguments})"), Some(hint));
    }
    if functions.contains(&name) {
        return (format!("`{name}` cannot be called with ({arguments})"), None);
    }
    let hint = elsewhere(name).unwrap_or_else(|| match nearest(name, functions.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`help()` lists all commands".to_owned(),
    });
    (format!("there is no function `{name}({arguments})`"), Some(hint))
}

/// Rhai says `Unknown property 'x' - a getter is not registered for type 'T'`, and the like for setters.
fn property_not_found(text: &str) -> (String, Option<String>) {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    let (Some(name), Some(of)) = (quoted.next(), quoted.next()) else { return (lower_first(text), None) };
    let of = readable(of);
    if !text.to_lowercase().starts_with("unknown property") {
        return (format!("the property `{name}` of {of} cannot be set"), None);
    }
    let receiver = match &*of {
        "Layer" => Some(Receiver::Layer),
        "Mount" => Some(Receiver::Mount),
        "Image" => Some(Receiver::Image),
        _ => None,
    };
    let known = || properties().filter(|property| Some(property.on) == receiver);
    let method = commands()
        .find(|command| command.name == name && command.forms.iter().any(|form| Some(form.on) == receiver));
    let hint = if method.is_some() {
        Some(format!("it is a method: `.{name}(…)`"))
    } else {
        match nearest(name, known().map(|property| property.name)) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if receiver.is_some() => {
                let names: Vec<&str> = known().map(|property| property.name).collect();
                Some(format!("it has {}", names.join(", ")))
            }
            None => elsewhere(name),
        }
    };
    (format!("{of} has no property `{name}`"), hint)
}

/// Rhai's types in the words of scripts.
fn readable(types: &str) -> String {
    let mut text = types.replace("&str | ImmutableString | String", "string").replace("i64", "integer");
    text = text.replace("f64", "float").replace("Fn", "closure");
    while let Some(start) = text.find("ufs::") {
        let end = text[start..]
            .find(|c: char| !(c.is_alphanumeric() || c == ':' || c == '_'))
            .map_or(text.len(), |length| start + length);
        let short = text[start..end].rsplit("::").next().unwrap_or_default().to_owned();
        text.replace_range(start..end, &short);
    }
    text
}

pub(super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        // `EOF` and other abbreviations stay
        Some(first) if !chars.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
