//! The kinds of errors, explained where `help("not_found")` asks for them and where a command's help lists its own; and
//! the kinds of Rhai's own errors.

use std::fmt::{self, Write};

use rhai::{Dynamic, EvalAltResult, Map};

/// A kind, and what it says.
pub(super) const KINDS: &[(&str, &str)] = &[
    ("ambiguous_id", "an ID was shortened so far that several layers begin with it"),
    ("arithmetic", "a number is too large, or something is divided by zero"),
    ("assertion", "`assert`, `assert_eq` or `fail` found that something is not as it should be"),
    ("busy", "a process, another mount or another `ufs` uses it; the message names who"),
    ("changed", "a file was written while its layer was sealed"),
    ("command_failed", "a host command ended with an exit code that is not 0"),
    ("cross_device", "a link or a move would cross from one file system to another"),
    ("damaged", "something in the store is not as it was written; `check(#{ deep: true })` finds all such"),
    ("data_race", "a function changes a value while it is called on that value"),
    ("data_too_large", "a value takes more memory than the script may; `--limit-memory` allows more"),
    ("exists", "there is something at that path already"),
    ("fault", "`ufs` itself is at fault; what is told with it helps whoever mends it"),
    ("image", "an image that is damaged, or none: the message tells which part, and what it should be"),
    ("interrupted", "Ctrl-C; no `try` catches it"),
    (
        "invalid_argument",
        "a call with a value that makes no sense there: a wrong type, mode, name, option or number",
    ),
    ("invalid_path", "a path with `..` or a NUL byte in it, which is none inside a layer"),
    ("io", "the disk or the system failed; `errno` has its answer"),
    ("is_a_directory", "a directory where a file is needed"),
    ("limit", "it took more than `--limit-ops` or `--limit-time` allows; no `try` catches it"),
    ("module_not_found", "`import` found no such file"),
    ("mount", "the system refused a step of mounting; `errno` has its answer"),
    ("mount_exists", "there is a mount of that name already"),
    ("name_too_long", "a name of more than 255 bytes, or a path of more than 4096"),
    ("newer_store", "a later version of `ufs` made the store"),
    ("no_attribute", "the file has no extended attribute of that name"),
    ("no_mount", "no mount is current: nothing is mounted yet, or all is unmounted"),
    ("no_space", "the disk or the quota is full; nothing is lost"),
    ("no_store", "there is no store at that place"),
    ("no_upper", "the writable directory of the mount is gone from the store"),
    ("not_a_directory", "a part of the path is not a directory"),
    ("not_a_store", "the directory for the store holds something else"),
    ("not_empty", "a directory that is not empty"),
    ("not_found", "there is nothing at that path"),
    ("not_mounted", "the mount is not mounted now; `use_mount(NAME)` mounts it again"),
    ("out_of_bounds", "an index beyond the end of an array or a string"),
    ("parse_error", "a text that is no script"),
    ("permission", "this user may not do that"),
    ("read_only", "what was to be changed is mounted or stored read-only"),
    ("sandbox", "`--sandbox` lets no script do that; `--allow-read` and `--allow-write` open paths"),
    ("script", "what Rhai refuses, and no other kind names"),
    ("sealed", "sealed layers never change; build on them: mount, change files, `commit`"),
    ("stack_overflow", "too many functions call each other, or texts of `eval`"),
    ("symlink_loop", "symlinks that lead to each other"),
    ("tar", "a tar that cannot be read, or a file that a layer tar cannot hold"),
    ("thrown", "the script threw a value of its own"),
    ("too_large", "a file of more bytes than one value can hold"),
    ("unknown_function", "no function takes these arguments"),
    (
        "unknown_image",
        "the source holds no image of that name or for that platform, or several and none was chosen",
    ),
    ("unknown_layer", "no layer has that name or ID"),
    ("unknown_mount", "no mount has that name"),
    ("unknown_property", "the value has no such property"),
    ("unknown_variable", "there is no variable of that name; functions do not see those from outside"),
    ("unsuitable", "the store's file system cannot hold layers"),
    ("unsupported", "this machine or this driver cannot do that; `doctor()` tells why, and what would help"),
    (
        "unsynced",
        "the machine stopped while a `volatile` mount was written: what its upper holds may be damaged",
    ),
    ("wrong_layer", "the layer is a draft, an upper or a host directory, which cannot be used there"),
];

/// Rhai's own errors that a script can meet: the variant, its kind, and the words that its message may begin with.
const OF_RHAI: &[(&str, &str, &[&str])] = &[
    ("ErrorParsing", "parse_error", &["Syntax error"]),
    ("ErrorFunctionNotFound", "unknown_function", &["Function not found"]),
    ("ErrorVariableNotFound", "unknown_variable", &["Variable not found"]),
    ("ErrorPropertyNotFound", "unknown_property", &["Property not found"]),
    ("ErrorDotExpr", "unknown_property", &["Unknown property"]),
    ("ErrorModuleNotFound", "module_not_found", &["Module not found"]),
    ("ErrorDataRace", "data_race", &["Data race"]),
    ("ErrorMismatchDataType", "invalid_argument", &["Data type incorrect"]),
    ("ErrorMismatchOutputType", "invalid_argument", &["Output type incorrect"]),
    ("ErrorArrayBounds", "out_of_bounds", &["Array index"]),
    ("ErrorStringBounds", "out_of_bounds", &["String index"]),
    ("ErrorBitFieldBounds", "out_of_bounds", &["Bit-field index"]),
    ("ErrorIndexNotFound", "out_of_bounds", &["Invalid index"]),
    (
        "ErrorArithmetic",
        "arithmetic",
        &[
            "Addition overflow",
            "Arithmetic error",
            "Division by zero",
            "Division overflow",
            "Error taking",
            "Exponential overflow",
            "Integer raised",
            "Invalid radix",
            "Modulo division",
            "Multiplication overflow",
            "Negation overflow",
            "Sign of NaN",
            "Subtraction overflow",
            "step value",
        ],
    ),
    ("ErrorStackOverflow", "stack_overflow", &["Stack overflow"]),
    // its message begins with a type
    ("ErrorDataTooLarge", "data_too_large", &[]),
];

/// The kind of what Rhai refuses and the table does not have.
const OTHER: &str = "script";

/// The kind of one of Rhai's own errors.
pub(super) fn of_rhai(error: &EvalAltResult) -> &'static str {
    let mut variant = Variant(String::new());
    // it stops behind the name, which is no failure
    let _ = write!(variant, "{error:?}");
    of_variant(&variant.0)
}

/// The kind of anything that `catch` can give.
pub(super) fn of_caught(error: &Dynamic) -> String {
    let thrown = || "thrown".to_owned();
    let Some(map) = error.read_lock::<Map>() else { return thrown() };
    let text = |key: &str| map.get(key).and_then(|value| value.clone().into_string().ok());
    if let Some(kind) = text("kind") {
        return kind;
    }
    // Rhai's own errors are maps with the variant's name in `error`
    match text("error").as_deref() {
        // the error inside has no keys of its own, only its words
        Some("ErrorInFunctionCall" | "ErrorInModule") => {
            of_words(&text("message").unwrap_or_default()).to_owned()
        }
        Some(variant) => of_variant(variant).to_owned(),
        None => thrown(),
    }
}

fn of_variant(name: &str) -> &'static str {
    OF_RHAI.iter().find(|(variant, ..)| *variant == name).map_or(OTHER, |(_, kind, _)| kind)
}

fn of_words(message: &str) -> &'static str {
    let begins = |words: &&[&str]| words.iter().any(|word| message.starts_with(word));
    OF_RHAI.iter().find(|(.., words)| begins(words)).map_or(OTHER, |(_, kind, _)| kind)
}

/// Takes the name of a variant out of what `Debug` writes, and no more: a value behind it may be large.
struct Variant(String);

impl fmt::Write for Variant {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (name, ends) = text.split_once(['(', ' ']).map_or((text, false), |(name, _)| (name, true));
        self.0 += name;
        if ends { Err(fmt::Error) } else { Ok(()) }
    }
}

/// What any command may fail with, so that the help of each need not say it.
pub(super) const COMMON: &[&str] = &[
    "damaged",
    "interrupted",
    "invalid_argument",
    "io",
    "limit",
    "name_too_long",
    "no_space",
    "permission",
    "sandbox",
];

/// What a kind says.
pub(super) fn meaning(kind: &str) -> Option<&'static str> {
    KINDS.iter().find(|(known, _)| *known == kind).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_sorted_and_those_of_the_commands_are_explained() {
        assert!(KINDS.is_sorted_by(|(a, _), (b, _)| a < b));
        for (.., kind, _) in OF_RHAI {
            assert!(meaning(kind).is_some(), "{kind}");
        }
        for kind in COMMON.iter().chain(crate::shell::commands().flat_map(|command| command.errors)) {
            assert!(meaning(kind).is_some(), "{kind}");
        }
        for command in crate::shell::commands() {
            let own = command.errors.iter().find(|kind| COMMON.contains(kind));
            assert!(own.is_none(), "{}: any command may raise {own:?}", command.name);
            assert!(command.errors.is_sorted(), "{}", command.name);
        }
    }

    /// The texts that make kinds say them in the form `=> "kind"`.
    #[test]
    fn every_kind_that_our_errors_have_is_explained() {
        let texts = [
            include_str!("../workspace/error.rs"),
            include_str!("../store/error.rs"),
            include_str!("../driver/error.rs"),
            include_str!("../oci/error.rs"),
            include_str!("../oci/save/error.rs"),
        ];
        let mut found = 0;
        for text in texts {
            let functions = text.split("fn kind").skip(1);
            for body in functions.map(|rest| rest.split("\n    }\n").next().unwrap_or(rest)) {
                let word = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                for kind in body.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()) {
                    assert!(word(kind) && meaning(kind).is_some(), "{kind}");
                    found += 1;
                }
            }
        }
        assert!(found > 40, "{found}");
    }
}
