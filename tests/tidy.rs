//! Keeps the walls of the house: which module may use which, where outside crates live, how long a file is.
//!
//! Deliberately absent: no module may be used from beneath, no crate appears away from its home, no file in `src`
//! or `tests` is longer than [`LINES`], no `unsafe` outside `sys`, nothing else at the top level.

#![allow(clippy::unwrap_used)]

#[path = "tidy/circles.rs"]
mod circles;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, bottom → top: a module uses only those before it.
const FLOORS: &[&str] =
    &["model", "overlay", "sys", "tar", "store", "oci", "union", "driver", "workspace", "view", "shell"];

/// Floors that are forbidden although they lie beneath, with the reason.
const SHUT: &[(&str, &str, &str)] = &[
    ("sys", "overlay", "the system knows no rules of unions"),
    ("tar", "sys", "a tar is bytes in and bytes out"),
    ("tar", "overlay", "a tar is one layer"),
    ("oci", "overlay", "an image is read, not resolved"),
    ("union", "store", "a union works on directories, wherever they are"),
    ("union", "oci", "a union works on directories, wherever they are"),
    ("driver", "oci", "a driver mounts directories, wherever they are"),
    ("shell", "oci", "commands go through the façade"),
    ("view", "oci", "views draw reports"),
    ("union", "tar", "a union works on directories, wherever they are"),
    ("driver", "store", "a driver mounts directories, wherever they are"),
    ("view", "store", "views draw reports"),
    ("view", "sys", "views do no I/O"),
    ("view", "union", "views draw reports"),
    ("shell", "store", "commands go through the façade"),
    ("shell", "union", "commands go through the façade"),
];

/// The outside crates and the modules (or files) that are their home.
const HOMES: &[(&str, &[&str])] = &[
    ("annotate_snippets", &["shell"]),
    ("bzip2", &["tar"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("dirs", &["config.rs"]),
    ("flate2", &["tar", "oci"]),
    ("fuser", &["driver"]),
    ("globset", &["workspace"]),
    ("landlock", &["sys"]),
    ("libc", &["sys"]),
    ("libz_rs_sys", &["sys"]),
    ("lzma_rust2", &["tar"]),
    ("nix", &["sys"]),
    ("owo_colors", &["view"]),
    ("rhai", &["shell"]),
    ("rustix", &["sys"]),
    ("rustyline", &["shell"]),
    ("seccompiler", &["sys"]),
    ("serde_json", &["store", "oci", "shell"]),
    ("sha2", &["model"]),
    ("stacker", &["sys"]),
    ("strsim", &["workspace", "cli"]),
    ("tar_core", &["tar"]),
    ("tempfile", &["store", "oci"]),
    ("unicode_width", &["view"]),
    ("zstd", &["tar", "oci"]),
];

/// Crates that may appear anywhere.
const ANYWHERE: &[&str] = &["log", "serde", "thiserror"];

/// The longest that a file may be.
const LINES: usize = 500;

/// What may stand at the top level beside hidden files.
const TOP: &[&str] = &[
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "examples",
    "scripts",
    "src",
    "tests",
];

struct Source {
    /// Relative to the top, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The floor it is on, or its file's name for those above all floors.
    fn floor(&self) -> &str {
        let rest = self.path.strip_prefix("src/").unwrap_or(&self.path);
        rest.split('/').next().unwrap_or(rest)
    }

    /// Unit tests may use what is convenient.
    fn is_test(&self) -> bool {
        !self.path.starts_with("src/") || self.path.contains("/tests/") || self.path.ends_with("tests.rs")
    }

    /// Its lines of code: comments and the unit tests at its end left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("\n#[cfg(test)]\nmod ").filter(|_| self.text.ends_with("}\n"));
        let code = &self.text[..end.unwrap_or(self.text.len())];
        code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The words behind `prefix` in its code, with the line: `crate::model::x` → `model`.
    fn words_after<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        self.code().flat_map(move |(number, line)| {
            line.match_indices(prefix).filter_map(move |(at, _)| {
                let free = !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
                let word =
                    line[at + prefix.len()..].split(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
                (free && !word.is_empty()).then_some((number + 1, word))
            })
        })
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = ["src", "tests", "examples"].map(|dir| top().join(dir)).into();
    while let Some(dir) = waiting.pop() {
        for item in fs::read_dir(dir).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(top()).unwrap().to_str().unwrap().to_owned();
                found.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    assert!(found.len() > 100, "the sources are found");
    found
}

fn height(floor: &str) -> Option<usize> {
    FLOORS.iter().position(|name| *name == floor)
}

#[track_caller]
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn arrows_go_one_way() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| source.path.starts_with("src/")) {
        let Some(own) = height(source.floor()) else { continue };
        for (line, word) in source.words_after("crate::") {
            let why = match height(word) {
                Some(used) if used > own => "it stands above",
                Some(_) => match SHUT.iter().find(|(from, to, _)| *from == source.floor() && *to == word) {
                    Some((_, _, why)) if !source.is_test() => why,
                    _ => continue,
                },
                None if word == "config" || word == "cli" => "it stands above all floors",
                None => continue,
            };
            complaints.push(format!("{}:{line}: uses `{word}`: {why}", source.path));
        }
    }
    none(&complaints);
}

#[test]
fn the_pure_floors_do_no_input_or_output() {
    let mut complaints = Vec::new();
    for source in sources() {
        if !matches!(source.floor(), "model" | "overlay") || source.is_test() {
            continue;
        }
        for (line, word) in source.words_after("std::") {
            if matches!(word, "fs" | "net" | "process" | "time" | "env" | "thread") {
                complaints.push(format!("{}:{line}: uses `std::{word}`", source.path));
            }
        }
    }
    none(&complaints);
}

#[test]
fn outside_crates_stay_at_home() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for (name, homes) in HOMES {
            if homes.contains(&source.floor()) {
                continue;
            }
            let marks = [format!("{name}::"), format!("use {name}")];
            for (number, line) in source.code() {
                let used = marks.iter().any(|mark| {
                    line.match_indices(mark.as_str()).any(|(at, _)| {
                        let end = line[at + mark.len()..].chars().next();
                        let starts =
                            !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
                        starts && (mark.ends_with(':') || matches!(end, Some(';' | ':' | ' ')))
                    })
                });
                if used {
                    complaints.push(format!(
                        "{}:{}: `{name}` belongs to {}",
                        source.path,
                        number + 1,
                        homes.join(", ")
                    ));
                }
            }
        }
    }
    none(&complaints);
}

#[test]
fn every_outside_crate_has_a_home_and_is_used() {
    let manifest = fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let section = manifest.split("[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let listed: BTreeSet<String> = section
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim().replace('-', "_")))
        .collect();
    let known: BTreeSet<String> =
        HOMES.iter().map(|(name, _)| *name).chain(ANYWHERE.iter().copied()).map(str::to_owned).collect();
    assert_eq!(listed, known, "Cargo.toml and the table of homes");
    let sources = sources();
    for name in known {
        let mark = format!("{name}::");
        let used =
            sources.iter().any(|source| source.path.starts_with("src/") && source.text.contains(&mark));
        assert!(used, "`{name}` is listed in Cargo.toml and never used");
    }
}

#[test]
fn no_file_is_too_long_and_each_says_what_it_owns() {
    let mut complaints = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > LINES {
            complaints.push(format!("{}: {lines} lines; the most is {LINES}", source.path));
        }
        let mut head = source.text.lines().filter(|line| !line.starts_with("#!"));
        if !head.next().is_some_and(|line| line.starts_with("//!")) {
            complaints.push(format!("{}: its first line does not say what it owns (`//!`)", source.path));
        }
    }
    none(&complaints);
}

#[test]
fn only_sys_is_unsafe() {
    let mut complaints = Vec::new();
    for source in sources() {
        if source.floor() == "sys" || source.path.starts_with("tests/") {
            continue;
        }
        for (number, line) in source.code() {
            if line.contains("unsafe ") {
                complaints.push(format!("{}:{}: unsafe", source.path, number + 1));
            }
        }
    }
    none(&complaints);
}

#[test]
fn the_top_level_holds_what_it_should() {
    let mut found: Vec<String> = fs::read_dir(top())
        .unwrap()
        .map(|item| item.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.') && name != "target" && !TOP.contains(&name.as_str()))
        .collect();
    found.sort();
    assert_eq!(found, Vec::<String>::new(), "at the top level");
}

#[test]
fn files_of_a_room_form_no_circles_but_those_that_are_known() {
    let files: Vec<circles::File> = sources()
        .iter()
        .filter(|source| !source.is_test())
        .map(|source| circles::File {
            path: source.path.clone(),
            code: source.code().map(|(_, line)| line).collect::<Vec<_>>().join("\n"),
        })
        .collect();
    let found = circles::circles(&circles::arrows(&files));
    let mut complaints = Vec::new();
    for circle in &found {
        if !circles::ALLOWED.iter().any(|allowed| circle.iter().all(|file| allowed.contains(&file.as_str())))
        {
            complaints.push(format!("a circle that is not allowed: {circle:?}"));
        }
    }
    for file in circles::ALLOWED.iter().copied().flatten() {
        if !found.iter().any(|circle| circle.contains(*file)) {
            complaints.push(format!("{file}: in no circle any more; take it off the list"));
        }
    }
    none(&complaints);
}
