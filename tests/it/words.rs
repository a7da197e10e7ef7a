//! First words that are no script: completions, the manual page, definitions for editors.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::program::{Place, Ran, holds};

/// Runs another program on a text; none if it is not installed.
fn with(program: &str, args: &[&str], text: &str) -> Option<Ran> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("left out: `{program}` is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    Some(Ran::of(child))
}

#[test]
fn a_script_may_have_the_name_of_a_command_and_take_one_as_its_argument() {
    let place = Place::new();
    place.file("man", "print(args())");
    assert_eq!(place.run(&["./man", "man", "--json"]).ok(), "[\"man\", \"--json\"]\n");
    assert_eq!(place.script("print(args())", &["doctor", "-q", "--"]).ok(), "[\"doctor\", \"-q\", \"--\"]\n");
    holds(&place.run(&["-e", "1", "man"]).fails(2), &["cannot be used with a command"]);
    holds(&place.run(&["-e", "1", "x.rhai"]).fails(2), &["cannot be used with"]);
    holds(&place.run(&["man", "x"]).fails(2), &["unexpected argument 'x'"]);
    holds(&place.run(&["--help"]).ok(), &["doctor ", "completions ", "man ", "definitions "]);
}

#[test]
fn the_words_need_neither_a_store_nor_a_reader() {
    let place = Place::new().with("UFS_STORE", "/dev/null/no");
    for args in [&["man"][..], &["definitions"], &["completions", "bash"]] {
        assert!(!place.run(args).ok().is_empty());
        let mut child = place.command(args).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(Ran::of(child).err, "");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn bash_completes_commands_options_and_their_values() {
    let script = Place::new().run(&["completions", "bash"]).ok();
    let ask = "ask() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _ufs ufs \"${@: -1}\" \"${@: -2:1}\"; \
               echo \"${COMPREPLY[*]}\"; }\nask ufs ma\nask ufs --driver \"\"\nask ufs completions z\nask ufs --no\n";
    let Some(ran) = with("bash", &[], &format!("{script}\n{ask}")) else { return };
    assert_eq!(ran.ok(), "man\noverlay fuse direct\nzsh\n--no-pager --no-userns\n");
}

#[test]
fn fish_completes_commands_options_and_their_values() {
    let script = Place::new().run(&["completions", "fish"]).ok();
    let ask = "for line in 'ufs ma' 'ufs --driver ' 'ufs --json completions ' 'ufs --no'\n\
               complete -C $line | string replace -r '\\t.*' ''; end\n";
    let Some(ran) = with("fish", &["--no-config"], &format!("{script}\n{ask}")) else { return };
    assert_eq!(ran.ok(), "man\ndirect\nfuse\noverlay\nbash\nfish\nzsh\n--no-pager\n--no-userns\n");
}

#[test]
fn zsh_takes_its_completions() {
    let script = Place::new().run(&["completions", "zsh"]).ok();
    holds(&script, &["#compdef ufs", "files:file:_files", "(*)\n_files", ":DRIVER:(overlay fuse direct)"]);
    let load = "autoload -U compinit && compinit -D -u\n";
    let Some(ran) = with("zsh", &["-f"], &format!("{load}{script}\nprint $_comps[ufs]\n")) else { return };
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("_ufs\n", ""));
}

#[test]
fn the_manual_page_tells_all_and_is_well_formed() {
    let page = Place::new().run(&["man"]).ok();
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "CALLS", "ENVIRONMENT", "FILES"]
    {
        assert!(page.contains(&format!("\n.SH {section}\n")), "{section}");
    }
    holds(&page, &["EXIT STATUS", "EXAMPLES", "SEE ALSO", "UFS_STORE", "SOURCE_DATE_EPOCH", "NO_COLOR"]);
    let help = Place::new().run(&["--help"]).ok();
    for option in help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2) {
        assert!(page.contains(&option.replace('-', "\\-")), "{option}");
    }
    for command in ufs::shell::commands() {
        assert!(page.contains(&format!("{}(", command.name)), "{}", command.name);
    }
    if let Some(ran) = with("mandoc", &["-Tlint", "-W", "warning"], &page) {
        assert_eq!(ran.ok(), "");
    }
}

#[test]
fn the_definitions_parse_and_hold_every_form_of_every_call() {
    let text = Place::new().run(&["definitions"]).ok();
    let found = definitions(&text);
    for command in ufs::shell::commands() {
        for form in command.forms {
            let receiver: Vec<&str> =
                form.on.prefix().strip_suffix('.').into_iter().chain(form.params.iter().copied()).collect();
            let of = found
                .iter()
                .filter(|found| found.name == command.name && found.params.starts_with(&receiver[..]));
            let doc: Vec<&str> = of.map(|found| found.doc.as_str()).collect();
            assert!(doc.iter().any(|doc| doc.contains(command.summary)), "{}: {receiver:?}", command.name);
            let example = command.example.lines().next().unwrap();
            assert!(doc.iter().any(|doc| doc.contains(example)), "{}", command.name);
        }
    }
    for property in ufs::shell::properties() {
        let on = property.on.prefix().trim_end_matches('.');
        let name = format!("get {}", property.name);
        assert!(found.iter().any(|found| found.name == name && found.params == [on]), "{name}");
    }
    for name in ["split", "keys", "type_of", "get len"] {
        assert!(found.iter().any(|found| found.name == name), "{name}, Rhai's own");
    }
}

/// A function of a definition file.
struct Defined<'a> {
    doc: String,
    /// With `get ` or `set ` in front of a property's.
    name: String,
    params: Vec<&'a str>,
}

/// Takes a definition file apart by the grammar of Rhai's language server; panics where it would complain.
fn definitions(text: &str) -> Vec<Defined<'_>> {
    let mut doc = String::new();
    let mut found = Vec::new();
    let mut is_open = false;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(words) = line.strip_prefix("///") {
            doc.push_str(words.strip_prefix(' ').unwrap_or(words));
            doc.push('\n');
            continue;
        }
        let statement = line.strip_suffix(';').unwrap_or_else(|| panic!("no `;`: {line}"));
        if is_open {
            let rest = statement.strip_prefix("fn ").unwrap_or_else(|| panic!("no function: {line}"));
            let (name, rest) = rest.split_once('(').unwrap_or_else(|| panic!("no parameters: {line}"));
            let (params, gives) = rest.rsplit_once(')').unwrap_or_else(|| panic!("an open list: {line}"));
            let bare = name.strip_prefix("get ").or_else(|| name.strip_prefix("set ")).unwrap_or(name);
            assert!(is_name(bare), "{line}");
            if !gives.is_empty() {
                assert!(gives.strip_prefix(" -> ").is_some_and(is_type), "{line}");
            }
            let params = params.split(", ").filter(|param| !param.is_empty()).map(|param| {
                let (name, of) = param.split_once(": ").unwrap_or_else(|| panic!("no type: {line}"));
                assert!(is_name(name.trim_start_matches("...")) && is_type(of), "{line}");
                name
            });
            found.push(Defined { doc: doc.clone(), name: name.to_owned(), params: params.collect() });
        } else {
            assert_eq!(statement, "module static", "the file's head");
            is_open = true;
        }
        doc.clear();
    }
    assert!(doc.is_empty(), "a comment of nothing");
    found
}

fn is_name(text: &str) -> bool {
    const TAKEN: &[&str] =
        &["let", "const", "fn", "if", "else", "for", "in", "import", "as", "switch", "this"];
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && text.starts_with(|c: char| !c.is_ascii_digit())
        && !TAKEN.contains(&text)
}

/// `?`, a name, an array of a type, or several of them.
fn is_type(text: &str) -> bool {
    text.split(" | ").all(|part| {
        let inner = part.strip_prefix('[').and_then(|part| part.strip_suffix(']'));
        part == "?" || inner.map_or_else(|| is_name(part), is_type)
    })
}
