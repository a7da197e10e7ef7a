//! Errors as scripts see them: maps with `kind, message, path, layer, errno, hint`.

use rhai::{Dynamic, EvalAltResult, Map, Position};

use super::command::from_bytes;
use crate::sys;
use crate::workspace::{Error, Layer, Mount};

/// How a script was asked to end: by `exit`, or by a signal.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// `exit(code)`, with what is to be told on stderr.
    Exit { code: u8, said: Option<String> },
    /// Ctrl-C or a signal.
    Interrupted,
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
    let mut found = keys(&kind_of(value));
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

/// The kind of one of Rhai's own errors.
pub(super) fn kind(error: &EvalAltResult) -> &'static str {
    match error {
        EvalAltResult::ErrorParsing(..) => "parse_error",
        EvalAltResult::ErrorFunctionNotFound(..) => "unknown_function",
        EvalAltResult::ErrorVariableNotFound(..) => "unknown_variable",
        EvalAltResult::ErrorPropertyNotFound(..) => "unknown_property",
        EvalAltResult::ErrorModuleNotFound(..) => "module_not_found",
        EvalAltResult::ErrorDataRace(..) => "data_race",
        EvalAltResult::ErrorMismatchDataType(..) | EvalAltResult::ErrorMismatchOutputType(..) => {
            "invalid_argument"
        }
        EvalAltResult::ErrorArrayBounds(..)
        | EvalAltResult::ErrorStringBounds(..)
        | EvalAltResult::ErrorIndexNotFound(..) => "out_of_bounds",
        EvalAltResult::ErrorArithmetic(..) => "arithmetic",
        EvalAltResult::ErrorStackOverflow(..) => "stack_overflow",
        EvalAltResult::ErrorDataTooLarge(..) => "data_too_large",
        _ => "script",
    }
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

/// What `on_progress` ends a script with.
pub(super) fn interrupt_token() -> Dynamic {
    Dynamic::from(Ending::Interrupted)
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

/// The kind of anything that `catch` can give.
pub(super) fn kind_of(error: &Dynamic) -> String {
    let Some(map) = error.read_lock::<Map>() else { return "thrown".to_owned() };
    let text = |key: &str| map.get(key).and_then(|value| value.clone().into_string().ok());
    if let Some(kind) = text("kind") {
        return kind;
    }
    // Rhai's own errors are maps with the variant's name in `error`
    match text("error").as_deref() {
        Some("ErrorFunctionNotFound") => "unknown_function".to_owned(),
        Some("ErrorVariableNotFound") => "unknown_variable".to_owned(),
        Some("ErrorArithmetic") => "arithmetic".to_owned(),
        Some("ErrorMismatchDataType" | "ErrorMismatchOutputType") => "invalid_argument".to_owned(),
        Some("ErrorArrayBounds" | "ErrorStringBounds" | "ErrorIndexNotFound") => "out_of_bounds".to_owned(),
        // the error inside has no keys of its own, only its words
        Some("ErrorInFunctionCall" | "ErrorInModule") => {
            kind_of_words(&text("message").unwrap_or_default()).to_owned()
        }
        Some("ErrorDotExpr") => "unknown_property".to_owned(),
        Some(name) => snake(name.strip_prefix("Error").unwrap_or(name)),
        None => "thrown".to_owned(),
    }
}

/// The kind of one of Rhai's own errors by the words that it begins with.
fn kind_of_words(message: &str) -> &'static str {
    const KINDS: &[(&str, &str)] = &[
        ("Function not found", "unknown_function"),
        ("Variable not found", "unknown_variable"),
        ("Unknown property", "unknown_property"),
        ("Module not found", "module_not_found"),
        ("Data race", "data_race"),
        ("Data type", "invalid_argument"),
        ("Output type", "invalid_argument"),
        ("Array index", "out_of_bounds"),
        ("String index", "out_of_bounds"),
        ("Invalid index", "out_of_bounds"),
        ("Division by zero", "arithmetic"),
        ("Modulo division by zero", "arithmetic"),
        ("Addition overflow", "arithmetic"),
        ("Subtraction overflow", "arithmetic"),
        ("Multiplication overflow", "arithmetic"),
        ("Stack overflow", "stack_overflow"),
    ];
    KINDS.iter().find(|(words, _)| message.starts_with(words)).map_or("in_function_call", |(_, kind)| kind)
}

/// `DataRace` as `data_race`.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// A value's type in a word.
pub(super) fn type_word(value: &Dynamic) -> &'static str {
    if value.is::<Layer>() {
        return "a layer";
    }
    if value.is::<Mount>() {
        return "a mount";
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
