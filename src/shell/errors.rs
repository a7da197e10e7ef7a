//! Errors as scripts see them: maps with `kind, message, path, layer, errno, hint`.

use rhai::{Dynamic, EvalAltResult, Map, Position};

use super::command::from_bytes;
use super::kinds;
use crate::sys::{self, signals};
use crate::workspace::{Error, Image, Layer, Mount};

/// How a script was asked to end: by `exit`, or by a signal.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// `exit(code)`, with what is to be told on stderr.
    Exit { code: u8, said: Option<String> },
    /// Ctrl-C or a signal.
    Interrupted,
    /// Somebody was asked at the prompt whether to go on, and did not say yes.
    Declined(&'static str),
    /// It took more than it may: an error, but one that ends the script, as there is no room to go on.
    Overrun(Map),
}

fn map(kind: &str, message: String, hint: Option<String>) -> Map {
    let mut map = Map::new();
    map.insert("kind".into(), kind.into());
    map.insert("message".into(), message.into());
    map.insert("path".into(), Dynamic::UNIT);
    map.insert("layer".into(), Dynamic::UNIT);
    map.insert("errno".into(), Dynamic::UNIT);
    map.insert("hint".into(), hint.map_or(Dynamic::UNIT, Into::into));
    map
}

/// The keys of an error of a kind, without words.
pub(super) fn keys(kind: &str) -> Map {
    map(kind, String::new(), None)
}

/// The keys of a thrown value: those of one of our maps, or of anything.
pub(super) fn thrown_keys(value: &Dynamic) -> Map {
    let mut found = keys(&kinds::of_caught(value));
    if let Some(map) = value.read_lock::<Map>() {
        for key in ["path", "layer", "errno"] {
            found.extend(map.get(key).map(|value| (key.into(), value.clone())));
        }
    }
    found
}

/// An error as one line of JSON.
pub(super) fn document(map: Map) -> String {
    format!("{}\n", super::json::line(&map.into()))
}

/// What went wrong outside of a script, as one line of JSON.
pub(crate) fn bare_document(kind: &str, message: &str, hint: Option<&str>) -> String {
    let mut map = map(kind, message.to_owned(), hint.map(str::to_owned));
    map.insert("at".into(), Dynamic::UNIT);
    document(map)
}

/// A façade's error that no line of a script is to blame for, as one line of JSON.
pub(super) fn workspace_document(error: &Error) -> String {
    let mut map = from_error(error);
    map.remove("exit_code");
    map.insert("at".into(), Dynamic::UNIT);
    document(map)
}

/// What an error says, in one line for the log.
pub(super) fn in_words(error: &EvalAltResult) -> String {
    let ours = match error {
        EvalAltResult::ErrorRuntime(value, _) => value.read_lock::<Map>(),
        _ => None,
    };
    let message = ours.and_then(|map| map.get("message").map(ToString::to_string));
    message.unwrap_or_else(|| error.to_string())
}

fn raise(map: Map, position: Position) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorRuntime(map.into(), position))
}

/// What a façade's error says, its causes included.
pub(super) fn message(error: &Error) -> String {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = inner.source();
    }
    sys::without_numbers(&message)
}

/// The façade's error.
pub(super) fn from_workspace(error: &Error, position: Position) -> Box<EvalAltResult> {
    raise(from_error(error), position)
}

fn from_error(error: &Error) -> Map {
    let mut map = map(error.kind(), message(error), error.hint());
    map.insert("path".into(), error.path().map_or(Dynamic::UNIT, from_bytes));
    map.insert("layer".into(), error.layer().map_or(Dynamic::UNIT, Into::into));
    map.insert("errno".into(), error.errno().map_or(Dynamic::UNIT, Into::into));
    map.insert("exit_code".into(), i64::from(error.exit_code()).into());
    map
}

/// A wrong call.
pub(super) fn usage(message: String, hint: Option<String>, position: Position) -> Box<EvalAltResult> {
    raise(map("invalid_argument", message, hint), position)
}

/// A failed assertion.
pub(super) fn assertion(message: String, position: Position) -> Box<EvalAltResult> {
    raise(map("assertion", message, None), position)
}

/// What `on_progress` ends a script with: at Ctrl-C, a signal, or when its time is up.
pub(super) fn interrupt_token() -> Dynamic {
    match signals::time_up() {
        Some(most) => {
            let hint = "`--limit-time` allows more: `ufs --limit-time 10m`".to_owned();
            overrun("limit", format!("this takes longer than {most:?}"), hint)
        }
        None => Dynamic::from(Ending::Interrupted),
    }
}

/// What `on_progress` ends a script with that took too much.
pub(super) fn overrun(kind: &str, message: String, hint: String) -> Dynamic {
    Dynamic::from(Ending::Overrun(map(kind, message, Some(hint))))
}

/// The same as an error of the place where it was noticed.
pub(super) fn overrun_at(keys: Map, position: Position) -> Box<EvalAltResult> {
    raise(keys, position)
}

/// A value that a call would make takes too much.
pub(super) fn too_large(message: String, hint: String, position: Position) -> Box<EvalAltResult> {
    raise(map("data_too_large", message, Some(hint)), position)
}

/// Ctrl-C in a native function: no `try` catches it.
pub(super) fn interrupted(position: Position) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorTerminated(interrupt_token(), position))
}

/// The end of an entry that somebody did not agree to: no `try` catches it.
pub(super) fn declined(said: &'static str, position: Position) -> Box<EvalAltResult> {
    Box::new(EvalAltResult::ErrorTerminated(Dynamic::from(Ending::Declined(said)), position))
}

/// The end that a script asked for: no `try` catches it.
pub(super) fn exit(value: &Dynamic, position: Position) -> Box<EvalAltResult> {
    let ending = if value.is_unit() {
        Ending::Exit { code: 0, said: None }
    } else if let Ok(code) = value.as_int() {
        let Ok(code) = u8::try_from(code) else {
            let hint = "an exit code is a number from 0 to 255".to_owned();
            return usage(format!("`exit({code})`: no program can end with that"), Some(hint), position);
        };
        Ending::Exit { code, said: None }
    } else {
        Ending::Exit { code: 1, said: Some(super::draw::debug(value).trim_matches('"').to_owned()) }
    };
    Box::new(EvalAltResult::ErrorTerminated(Dynamic::from(ending), position))
}

/// The end that an error stands for, if it is one; looks through function calls.
pub(super) fn ending(error: &EvalAltResult) -> Option<Ending> {
    match error {
        EvalAltResult::ErrorTerminated(token, _) => {
            Some(token.clone().try_cast::<Ending>().unwrap_or(Ending::Interrupted))
        }
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => {
            ending(inner)
        }
        _ => None,
    }
}

/// A value's type in a word.
pub(super) fn type_word(value: &Dynamic) -> &'static str {
    if value.is::<Layer>() {
        return "a layer";
    }
    if value.is::<Mount>() {
        return "a mount";
    }
    if value.is::<Image>() {
        return "an image";
    }
    match value.type_name() {
        "()" => "()",
        "bool" => "a bool",
        "i64" => "an integer",
        "f64" => "a float",
        "char" => "a character",
        "string" => "a string",
        "array" => "an array",
        "blob" => "a blob",
        "map" => "a map",
        _ => "another value",
    }
}
