//! What `save_script` writes: the entries that worked, as a script that runs by itself.
//!
//! At the prompt there is more than in a script, and it is written out: bare words are calls already, `!command` is
//! `sh`, `_` becomes a variable, a function that was defined anew has another name until then, and an import is found
//! from where the script will lie.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use rhai::{Engine, OptimizationLevel, Position};

use super::calls::{functions, names};
use super::edits::{Edit, apply};
use super::lexer::{Kind, Lexed, lex};
use super::versions::Versions;

/// The entries that worked so far.
#[derive(Default)]
pub(in crate::shell) struct Transcript(Vec<Entry>);

/// One of them.
pub(super) struct Entry {
    /// What was typed, with bare words as calls.
    pub(super) source: String,
    /// What it is.
    pub(super) what: What,
}

/// What an entry is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// A script; where its last statement begins, if that had a value.
    Code(Option<usize>),
    /// A command of the host that a script can run as well.
    Host,
    /// A command of the host that it cannot: there was no mount to run it in.
    HostAlone,
    /// The start-up file; where it lies.
    StartUp(PathBuf),
}

impl Transcript {
    /// Adds an entry.
    pub(super) fn add(&mut self, source: impl Into<String>, what: What) {
        let source = source.into();
        if !source.trim().is_empty() && !is_talk(&source) {
            self.0.push(Entry { source, what });
        }
    }

    /// The script, and how many entries are in it; `dir` is where it will lie.
    pub(in crate::shell) fn script(&self, dir: &Path) -> (String, usize) {
        let texts: Vec<Lexed> = self.0.iter().map(|entry| lex(&entry.source)).collect();
        let plan = Plan::new(&self.0, &texts);
        let parser = parser();
        let mut script = format!(
            "#!/usr/bin/env ufs\n// The entries that worked in a session of ufs {}.\n",
            env!("CARGO_PKG_VERSION")
        );
        let mut count = 0;
        for (index, entry) in self.0.iter().enumerate() {
            let text = match &entry.what {
                What::StartUp(_) if !plan.starts_up => continue,
                What::Host => format!("sh({});", raw(&entry.source)),
                What::HostAlone => format!("// !{}", entry.source.replace('\n', "\n// ")),
                What::Code(_) | What::StartUp(_) => {
                    let mut edits = plan.values(index, entry, &texts[index]);
                    edits.extend(imports(entry, &texts[index], dir));
                    edits.extend(plan.versions.edits(index, &entry.source, &edits));
                    let named = plan.named.get(&index).zip(entry.value()).map(|(name, start)| Edit {
                        start,
                        end: start,
                        text: format!("let {name} = "),
                    });
                    let plain = apply(&entry.source, &edits);
                    edits.extend(named);
                    let whole = closed(&parser, &apply(&entry.source, &edits));
                    whole.or_else(|| closed(&parser, &plain)).unwrap_or(plain)
                }
            };
            let text = text.trim();
            match entry.what {
                What::StartUp(_) => script += &format!("\n// From the start-up file:\n{text}\n"),
                _ => script += &format!("\n{text}"),
            }
            count += 1;
        }
        script.push('\n');
        (script, count)
    }
}

impl Entry {
    fn is_code(&self) -> bool {
        matches!(self.what, What::Code(_) | What::StartUp(_))
    }

    fn value(&self) -> Option<usize> {
        match self.what {
            What::Code(value) => value,
            _ => None,
        }
    }
}

/// What is to be changed, over all entries.
#[derive(Default)]
struct Plan {
    versions: Versions,
    /// The variables for the values that a later `_` means, by entry.
    named: HashMap<usize, String>,
    /// Whether the start-up file is needed.
    starts_up: bool,
}

impl Plan {
    fn new(entries: &[Entry], texts: &[Lexed]) -> Self {
        let mut plan = Self::default();
        let mut words: HashSet<&str> = HashSet::new();
        for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.is_code()) {
            words.extend(names(&entry.source, &texts[index]).map(|(_, word)| word));
        }
        let free = |wanted: String| {
            let mut name = wanted;
            while words.contains(name.as_str()) {
                name.push('_');
            }
            name
        };
        let code: Vec<_> = entries
            .iter()
            .zip(texts)
            .map(|(entry, text)| entry.is_code().then_some((entry.source.as_str(), text)))
            .collect();
        plan.versions = Versions::new(&code, &words);
        let mut last: Option<usize> = None;
        for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.is_code()) {
            let uses = names(&entry.source, &texts[index])
                .any(|(token, word)| word == "_" && !is_case(&entry.source, &texts[index], token));
            if let Some(last) = last.filter(|_| uses) {
                plan.named.insert(last, free(format!("value_{}", last + 1)));
            }
            last = entry.value().map(|_| index).or(last);
        }
        plan.starts_up = is_start_up_used(entries, texts);
        plan
    }

    /// The values that `_` meant in an entry, by the names of their variables.
    fn values(&self, index: usize, entry: &Entry, text: &Lexed) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut edit = |token: usize, name: &str| {
            let token = text.tokens[token];
            edits.push(Edit { start: token.start, end: token.end, text: name.to_owned() });
        };
        let before = self.named.iter().filter(|(entry, _)| **entry < index).max_by_key(|(entry, _)| **entry);
        if let Some((_, name)) = before {
            for (token, word) in names(&entry.source, text) {
                if word == "_" && !is_case(&entry.source, text, token) {
                    edit(token, name);
                }
            }
        }
        edits
    }
}

/// Where the statement begins that a position of an entry is in.
pub(super) fn statement_at(source: &str, position: Position) -> Option<usize> {
    let line = position.line()?;
    let start: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let skip = position.position().unwrap_or(1).saturating_sub(1);
    let rest = source.get(start..)?;
    let at = start + rest.char_indices().nth(skip).map_or(rest.len(), |(offset, _)| offset);
    let text = lex(source);
    let mut begins = 0;
    let mut index = 0;
    while let Some(token) = text.tokens.get(index).filter(|token| token.start < at) {
        let inside = text.pairs.iter().find(|(open, _)| *open == index).map(|(_, close)| *close);
        let last = inside.unwrap_or(index);
        let ends = text.tokens[last].end;
        let word = &source[token.start..token.end];
        if ends <= at && (word == ";" || (word == "{" && inside.is_some())) {
            begins = ends;
        }
        index = last + 1;
    }
    Some(begins)
}

/// What an entry did before the statement that failed, and the functions that it defined behind it.
pub(super) fn worked(source: &str, position: Position) -> String {
    let Some(end) = statement_at(source, position) else { return String::new() };
    let mut kept = source[..end].to_owned();
    for function in functions(0, source, &lex(source)).iter().filter(|function| function.start >= end) {
        kept.push('\n');
        kept += &source[function.start..function.end];
    }
    if parser().compile(&kept).is_ok() { kept } else { String::new() }
}

/// Entries that are about the session and not about layers.
fn is_talk(source: &str) -> bool {
    let text = lex(source);
    let last = text.tokens.iter().rposition(|token| &source[token.start..token.end] != ";").unwrap_or(0);
    matches!(text.text(source, 0), "help" | "save_script" | "edit_mode") && text.pairs.contains(&(1, last))
}

/// Whether a `_` is the rest of a `switch`.
fn is_case(source: &str, text: &Lexed, token: usize) -> bool {
    source[text.tokens[token].end..].trim_start().starts_with("=>")
}

/// Whether an entry names something that the start-up file made.
fn is_start_up_used(entries: &[Entry], texts: &[Lexed]) -> bool {
    let Some(first) = entries.iter().position(|entry| matches!(entry.what, What::StartUp(_))) else {
        return false;
    };
    let (source, text) = (&entries[first].source, &texts[first]);
    let made: HashSet<&str> = names(source, text)
        .filter(|(token, _)| {
            *token > 0 && matches!(text.text(source, token - 1), "let" | "const" | "fn" | "as")
        })
        .map(|(_, word)| word)
        .collect();
    let mut others = entries.iter().zip(texts).skip(first + 1).filter(|(entry, _)| entry.is_code());
    others.any(|(entry, text)| names(&entry.source, text).any(|(_, word)| made.contains(word)))
}

/// What imports are to be written as, so that they are found from another directory.
fn imports(entry: &Entry, text: &Lexed, dir: &Path) -> Vec<Edit> {
    let from = match &entry.what {
        What::StartUp(file) => file.parent().map(Path::to_owned),
        _ => std::env::current_dir().ok(),
    };
    let Some(from) = from.filter(|from| from != dir) else { return Vec::new() };
    names(&entry.source, text)
        .filter(|(_, word)| *word == "import")
        .filter_map(|(token, _)| {
            let literal = text.tokens.get(token + 1)?;
            let path = entry.source[literal.start..literal.end].strip_prefix('"')?.strip_suffix('"')?;
            let is_plain = !path.contains('\\') && Path::new(path).is_relative();
            let whole = from.join(path).to_str()?.to_owned();
            is_plain.then(|| Edit { start: literal.start, end: literal.end, text: format!("{whole:?}") })
        })
        .collect()
}

/// What parses as scripts are parsed.
fn parser() -> Engine {
    let mut engine = Engine::new_raw();
    engine.set_max_expr_depths(0, 0);
    engine.set_optimization_level(OptimizationLevel::None);
    engine
}

/// A text that another statement may follow; none if it does not parse.
fn closed(parser: &Engine, text: &str) -> Option<String> {
    let text = text.trim_end();
    let last =
        lex(text).tokens.iter().rfind(|token| token.kind != Kind::Comment).map_or(0, |token| token.end);
    let with_end = format!("{};{}", &text[..last], &text[last..]);
    [text, &with_end].into_iter().find(|text| is_closed(parser, text)).map(str::to_owned)
}

/// Whether nothing that comes behind a text can come to belong to it.
fn is_closed(parser: &Engine, text: &str) -> bool {
    let statements = |next: &str| parser.compile(format!("{text}\n{next}")).map(|ast| ast.statements().len());
    match (statements(""), statements("[0];"), statements("let a = 1;")) {
        (Ok(alone), Ok(index), Ok(other)) => index == alone + 1 && other == alone + 1,
        _ => false,
    }
}

/// A text as a raw string.
fn raw(text: &str) -> String {
    let mut hashes = "#".to_owned();
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!("{hashes}\"{text}\"{hashes}")
}
