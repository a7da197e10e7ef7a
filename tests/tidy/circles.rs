//! Which files of a room use each other: read from their imports and paths, and looked at for circles.
//!
//! A file uses another when it names the other's module, or an item that lies there, by a path that begins with `crate::`,
//! `super::` or `self::`, or by a module of its own. A `mod.rs` that only hands an item on (`pub use`) is looked through:
//! the arrow goes to the file where the item lies. Methods that an `impl` in one file gives to a type of another are not
//! seen, as only a compiler could.

use std::collections::{BTreeMap, BTreeSet};

/// The circles that there are. The list only shrinks: a new file never joins one, and a file that left is taken off.
pub(crate) const ALLOWED: &[&[&str]] = &[
    &["src/cli/arguments.rs", "src/cli/mod.rs", "src/cli/mount/mod.rs"],
    &["src/driver/fuse/served.rs", "src/driver/fuse/server.rs", "src/driver/fuse/work.rs"],
    &[
        "src/shell/command.rs",
        "src/shell/commands/dropping.rs",
        "src/shell/commands/files.rs",
        "src/shell/commands/layers.rs",
        "src/shell/commands/mod.rs",
        "src/shell/draw.rs",
        "src/shell/engine.rs",
        "src/shell/errors.rs",
        "src/shell/fields.rs",
        "src/shell/help.rs",
        "src/shell/json.rs",
        "src/shell/layout.rs",
        "src/shell/limits.rs",
        "src/shell/modules.rs",
        "src/shell/places.rs",
        "src/shell/render.rs",
        "src/shell/run.rs",
        "src/shell/state.rs",
        "src/shell/syntax.rs",
        "src/shell/translate.rs",
        "src/shell/values.rs",
        "src/shell/watching/mod.rs",
    ],
    &["src/store/check/strays.rs", "src/store/repair/mod.rs"],
    &["src/store/ephemeral.rs", "src/store/format.rs", "src/store/opening.rs"],
    &["src/store/place.rs", "src/store/scan.rs", "src/store/seal.rs", "src/store/walk.rs"],
    &["src/sys/apart.rs", "src/sys/fault.rs"],
    &[
        "src/union/by_name.rs",
        "src/union/create.rs",
        "src/union/lookup.rs",
        "src/union/make.rs",
        "src/union/marks.rs",
        "src/union/mod.rs",
        "src/union/origin.rs",
        "src/union/raise.rs",
        "src/union/shown.rs",
        "src/union/xattrs.rs",
    ],
    &[
        "src/workspace/add.rs",
        "src/workspace/layer.rs",
        "src/workspace/mount.rs",
        "src/workspace/opening.rs",
        "src/workspace/stack.rs",
        "src/workspace/standing.rs",
    ],
    &["src/workspace/copying.rs", "src/workspace/files.rs"],
    &["src/workspace/error.rs", "src/workspace/gate.rs"],
    &[
        "src/workspace/watching/compare.rs",
        "src/workspace/watching/mod.rs",
        "src/workspace/watching/survey.rs",
    ],
];

/// A module as the words of its path: `src/store/seal.rs` is `["store", "seal"]`.
type Module = Vec<String>;

/// A file: where it lies, and its code without comments and unit tests.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) code: String,
}

/// A file's module.
fn module(path: &str) -> Module {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut words: Module = inner.split('/').map(str::to_owned).collect();
    if words.last().is_some_and(|last| last == "mod") {
        words.pop();
    }
    words
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The paths that an import names: groups and renamings are taken apart, `a::{b, c::{d, self}}` is `a::b`, `a::c::d`,
/// `a::c`.
fn leaves(import: &str) -> Vec<Vec<String>> {
    let import = import.trim();
    let Some((head, rest)) = import.split_once('{') else {
        let path = import.split(" as ").next().unwrap_or(import);
        return vec![path.split("::").map(|word| word.trim().to_owned()).collect()];
    };
    let head: Vec<String> =
        head.trim_end_matches("::").split("::").map(|word| word.trim().to_owned()).collect();
    let inner = rest.trim_end().strip_suffix('}').unwrap_or(rest);
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let item = inner[start..at].trim();
                start = (at + 1).min(inner.len());
                for leaf in leaves(item) {
                    let leaf = if leaf == ["self"] { Vec::new() } else { leaf };
                    if leaf != [""] {
                        found.push([head.clone(), leaf].concat());
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// The imports of a file, each with whether it hands on what it names.
fn imports(code: &str) -> Vec<(bool, Vec<String>)> {
    let mut found = Vec::new();
    for statement in code.split_inclusive(';') {
        // what stands before the import on lines of its own is none of it
        let Some(at) = statement.rfind("use ").filter(|at| {
            let line = statement[..*at].rsplit('\n').next().unwrap_or_default().trim();
            line.is_empty() || line == "pub" || line.starts_with("pub(") && line.ends_with(')')
        }) else {
            continue;
        };
        let hands_on = statement[..at].trim_end().ends_with(['b', ')']);
        let import = statement[at + 4..].trim_end_matches(';');
        found.extend(leaves(import).into_iter().map(|path| (hands_on, path)));
    }
    found
}

/// The paths in code that begin in this crate: `super::lookup::Found` where it is used without an import.
fn inline(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for first in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(first) {
            if code[..at].ends_with(|c: char| is_word(c) || c == ':') {
                continue;
            }
            let path: String = code[at..].chars().take_while(|c| is_word(*c) || *c == ':').collect();
            // a group: imports are read whole
            if code[at + path.len()..].starts_with('{') {
                continue;
            }
            found.push(path.trim_end_matches(':').split("::").map(str::to_owned).collect());
        }
    }
    found
}

/// The modules of a crate and what each hands on.
struct Map {
    files: BTreeMap<Module, String>,
    /// By module and name: the path that the name stands for there.
    handed: BTreeMap<(Module, String), Module>,
}

impl Map {
    /// A path from a module on, with `crate`, `super` and `self` taken out; `None` for what lies in other crates.
    fn absolute(&self, own: &Module, path: &[String]) -> Option<Module> {
        let mut base = own.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {}
            child => {
                base.push(child.to_owned());
                return self.files.contains_key(&base).then(|| [own.as_slice(), path].concat());
            }
        }
        while rest.first().is_some_and(|word| word == "super") {
            base.pop();
            rest = &rest[1..];
        }
        Some([base.as_slice(), rest].concat())
    }

    /// The file in which what a path names lies.
    fn home(&self, path: &[String]) -> Option<&Module> {
        let mut path = path.to_vec();
        // a bound, in case two modules hand on to each other
        for _ in 0..8 {
            let deepest = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
            let (module, rest) = path.split_at(deepest);
            let Some((name, rest)) = rest.split_first() else { break };
            let Some(onward) = self.handed.get(&(module.to_vec(), name.clone())) else { break };
            path = [onward.as_slice(), rest].concat();
        }
        let deepest = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        self.files.get_key_value(&path[..deepest]).map(|(module, _)| module)
    }
}

/// For each file of a room the other files of the same room that it uses.
pub(crate) fn arrows(files: &[File]) -> BTreeMap<String, BTreeSet<String>> {
    let by_module = files.iter().map(|file| (module(&file.path), file.path.clone())).collect();
    let mut map = Map { files: by_module, handed: BTreeMap::new() };
    for file in files {
        let own = module(&file.path);
        for (_, path) in imports(&file.code).into_iter().filter(|(hands_on, _)| *hands_on) {
            if let (Some(name), Some(target)) = (path.last(), map.absolute(&own, &path)) {
                map.handed.insert((own.clone(), name.clone()), target);
            }
        }
    }
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let own = module(&file.path);
        let used = found.entry(file.path.clone()).or_default();
        let named = imports(&file.code).into_iter().filter(|(hands_on, _)| !hands_on).map(|(_, path)| path);
        for path in named.chain(inline(&file.code)) {
            let Some(target) = map.absolute(&own, &path).and_then(|path| map.home(&path)) else { continue };
            if *target != own && target.first() == own.first() && !target.is_empty() {
                used.insert(map.files[target].clone());
            }
        }
    }
    found
}

/// The circles: sets of files of which each reaches each.
pub(crate) fn circles(arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reach = |from: &String| {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![from]);
        while let Some(next) = waiting.pop() {
            for used in arrows.get(next).into_iter().flatten() {
                if seen.insert(used.clone()) {
                    waiting.push(used);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> =
        arrows.keys().map(|file| (file, reach(file))).collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (file, seen) in &reached {
        if !seen.contains(*file) || found.iter().any(|circle| circle.contains(*file)) {
            continue;
        }
        let circle = seen.iter().filter(|other| reached.get(other).is_some_and(|back| back.contains(*file)));
        found.push(circle.cloned().collect());
    }
    found
}

#[test]
fn a_circle_is_seen_through_groups_and_what_is_handed_on() {
    let file = |path: &str, code: &str| File { path: path.to_owned(), code: code.to_owned() };
    let arrows = arrows(&[
        file("src/a/mod.rs", "mod b;\nmod c;\npub use b::{B, other as Other};\n"),
        file("src/a/b.rs", "use super::c::{self, deep::{D}};\nfn f() {}\n"),
        file("src/a/c.rs", "use std::fs;\nfn f(x: super::B) {}\n"),
        file("src/a/d.rs", "use super::{B, c};\n"),
        file("src/e.rs", "use crate::a::B;\n"),
    ]);
    let used = |path: &str| arrows[path].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(used("src/a/mod.rs"), [""; 0]);
    assert_eq!(used("src/a/b.rs"), ["src/a/c.rs"]);
    assert_eq!(used("src/a/c.rs"), ["src/a/b.rs"]);
    assert_eq!(used("src/a/d.rs"), ["src/a/b.rs", "src/a/c.rs"]);
    assert_eq!(used("src/e.rs"), [""; 0]);
    let found = circles(&arrows);
    assert_eq!(found, [BTreeSet::from(["src/a/b.rs".to_owned(), "src/a/c.rs".to_owned()])]);
}
