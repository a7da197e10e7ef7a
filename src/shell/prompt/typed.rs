//! What a line means beside being a script: `!ls -l`, `?commit`, `commit?`, `show`; and what somebody meant who types
//! at the prompt as at any shell's.

use rhai::Scope;

use super::colours::KEYWORDS;
use crate::shell::command::Receiver;
use crate::shell::syntax::gives_value;
use crate::shell::{commands, is_word};
use crate::view::Style;
use crate::view::escape::literal;

/// What a line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Typed<'a> {
    /// A command of the host, as it stands behind the `!`.
    Host(&'a str),
    /// Help on a topic; the overview where there is none.
    Help(String),
    /// A call of the function of this name, without arguments.
    Call(&'a str),
    /// A script.
    Code,
}

/// What the names at a line's beginning may stand for.
pub(super) struct Known<'a> {
    pub(super) scope: &'a Scope<'static>,
    /// Whether the user defined a function of this name that takes no arguments.
    pub(super) function: &'a dyn Fn(&str) -> bool,
}

/// Reads a line.
pub(super) fn read<'a>(line: &'a str, known: &Known<'_>) -> Typed<'a> {
    let line = line.trim();
    if let Some(command) = line.strip_prefix('!') {
        return Typed::Host(command.trim());
    }
    if let Some(topic) = help_topic(line) {
        return Typed::Help(with_type(topic, known.scope));
    }
    if let Some(topic) = line.strip_prefix("help(").and_then(|rest| rest.strip_suffix(')'))
        && is_topic(topic)
        && !known.scope.contains(topic)
    {
        return Typed::Help(with_type(topic, known.scope));
    }
    let callable =
        is_word(line) && !known.scope.contains(line) && (is_called_bare(line) || (known.function)(line));
    if callable { Typed::Call(line) } else { Typed::Code }
}

/// Whether a line is whole although it may be the beginning of a script: `?x`, `!x`, `ls /etc/*`.
pub(super) fn is_whole(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('!')
        || help_topic(text).is_some()
        || shell_line(text).is_some_and(|(word, _)| has_habit(word))
}

/// The topic of `?topic` and `topic?`.
fn help_topic(line: &str) -> Option<&str> {
    if let Some(topic) = line.strip_prefix('?') {
        // `??x` is what other prompts know for more of the same
        return Some(topic.trim_start_matches('?').trim());
    }
    let topic = line.strip_suffix('?')?.trim_end_matches('?').trim_end();
    is_topic(topic).then_some(topic)
}

/// `commit`, `m.upper`, `copy-up`, `commit()`.
fn is_topic(text: &str) -> bool {
    let text = text.strip_suffix("()").unwrap_or(text);
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// A topic whose part before the dot is a variable: with the kind of its value instead.
fn with_type(topic: &str, scope: &Scope<'_>) -> String {
    if let Some((name, member)) = topic.split_once('.')
        && let Some(value) = scope.get(name)
        && let Some(on) = Receiver::ALL.into_iter().find(|on| on.is_type_of(&value.flatten_clone()))
    {
        return format!("{}{member}", on.prefix());
    }
    topic.to_owned()
}

/// Whether a command can be called on nothing and without arguments.
fn is_called_bare(name: &str) -> bool {
    commands().any(|command| {
        command.name == name
            && command
                .forms
                .iter()
                .any(|form| form.on == Receiver::None && form.params.is_empty() && !form.many)
    })
}

/// Takes a line apart that looks like one of a shell: a word, a space, and what no script would have there.
fn shell_line(line: &str) -> Option<(&str, &str)> {
    if line.contains('\n') {
        return None;
    }
    let (word, rest) = line.split_once([' ', '\t'])?;
    let rest = rest.trim().trim_end_matches(';').trim_end();
    let is_command = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+'));
    if !is_command || rest.is_empty() || KEYWORDS.contains(&word) {
        return None;
    }
    let mut chars = rest.chars();
    let first = chars.next()?;
    // an operator has a space behind it, or an equals sign
    let operator = match first {
        '=' | '(' | ';' | ',' | '?' | '[' | ':' | ')' | ']' | '}' => true,
        '.' => chars.as_str().starts_with(|c: char| c.is_alphabetic()),
        '+' | '-' | '*' | '/' | '%' | '<' | '>' | '&' | '|' | '^' | '!' => {
            let next = chars.as_str().trim_start_matches(first);
            next.starts_with([' ', '=']) && !next.trim().is_empty()
        }
        _ => rest.starts_with("in ") || rest.starts_with("is "),
    };
    (!operator).then_some((word, rest))
}

/// Commands of shells that have a call of ours, or a reason why there is none.
const HABITS: &[&str] = &["cat", "cd", "chgrp", "echo", "less", "ll", "ln", "more", "pwd", "rmdir", "umount"];

fn has_habit(word: &str) -> bool {
    HABITS.contains(&word) || commands().any(|command| command.name == word)
}

/// The bare word for a command of other prompts: `.quit`, `:q`, `\\q`, `/help`.
fn elsewhere(line: &str) -> Option<&str> {
    match line.strip_prefix(['.', ':', '\\', '/'])? {
        "q" | "q!" | "quit" | "exit" => Some("quit"),
        "h" | "?" => Some("help"),
        word => is_called_bare(word).then_some(word),
    }
}

/// What to type instead of a line that is none of ours: what is wrong, and the right call. `is_program`: whether the
/// host has a program of that name.
pub(super) fn advice(
    line: &str,
    scope: &Scope<'_>,
    is_program: impl Fn(&str) -> bool,
) -> Option<(String, String)> {
    let line = line.trim();
    if let Some(word) = elsewhere(line) {
        return Some((format!("`{line}` is not a call"), format!("`{word}`")));
    }
    let style = Style::plain(usize::MAX);
    let (word, rest) = match shell_line(line) {
        Some(parts) => parts,
        None if !line.contains(char::is_whitespace) && !KEYWORDS.contains(&line) => (line, ""),
        None => return None,
    };
    if scope.contains(word) || (rest.is_empty() && commands().any(|command| command.name == word)) {
        return None;
    }
    let args: Vec<&str> = rest.split_whitespace().map(|arg| arg.trim_matches(['"', '\''])).collect();
    let (flags, plain): (Vec<&str>, Vec<&str>) = args.iter().partition(|arg| arg.starts_with('-'));
    let written = |args: &[&str]| -> String {
        let args = args.iter().map(|arg| match arg.parse::<i64>() {
            Ok(_) => (*arg).to_owned(),
            Err(_) if is_word(arg) && scope.contains(arg) => (*arg).to_owned(),
            Err(_) => literal(arg, &style),
        });
        args.collect::<Vec<_>>().join(", ")
    };
    let on_host = is_program(word).then(|| in_mount(line)).flatten();
    let host =
        on_host.as_ref().map_or_else(String::new, |line| format!("; `!{line}` runs the host's `{word}`"));
    let said = format!("`{line}` is not a call");
    let hint = match (word, &plain[..]) {
        ("exit" | "quit", [code, ..]) if code.parse::<i64>().is_err() => {
            "`quit` leaves, `exit(3)` with an exit code".to_owned()
        }
        ("man" | "info", []) => format!("`help()` lists all commands{host}"),
        ("man" | "info", [topic, ..]) => format!("`help({})`{host}", written(&[topic])),
        ("jobs" | "fg" | "bg", _) => "`!jobs` lists what is stopped, `!fg` goes on with it".to_owned(),
        ("clear", []) => "Ctrl-L clears the screen".to_owned(),
        ("show" | "tree", [path]) if path.starts_with('/') => {
            format!("`tree(m, {})` draws the tree of a mount `m` from there down", written(&[path]))
        }
        ("show" | "print", [what]) if !scope.contains(what) && gives_value(what) => {
            format!("`{word}({what}())`")
        }
        ("cd", _) | ("pwd", []) => {
            let hint = match word {
                "cd" => "`ls(\"/etc\")` lists one; `!` alone opens a shell in the mount",
                _ => "`mounts()` tells where the merged directories are",
            };
            let said = "there is no current directory: paths begin at the root of the mount";
            return Some((said.to_owned(), hint.to_owned()));
        }
        ("ll", _) => {
            let host = in_mount(&format!("ls -l {rest}"));
            let host =
                host.map_or_else(String::new, |line| format!("; `!{}` lists as the host does", line.trim()));
            format!("`ls({})` gives the names{host}", written(&plain))
        }
        ("ls", _) if !flags.is_empty() => {
            format!("`ls({})` gives the names{host}", written(&plain))
        }
        ("cat" | "less" | "more", [path]) => {
            format!("`read({})` gives a file's text{host}", written(&[path]))
        }
        ("rm", [path]) if flags.iter().any(|flag| flag.contains(['r', 'R'])) => {
            format!("`rm_all({})` removes a path with all beneath it", written(&[path]))
        }
        ("rmdir", [path]) => format!("`rm({})` removes an empty directory", written(&[path])),
        ("ln", [target, path]) if flags.iter().any(|flag| flag.contains('s')) => {
            format!("`symlink({})` makes the symlink", written(&[target, path]))
        }
        ("ln", [old, new]) => format!("`link({})` makes the hard link", written(&[old, new])),
        ("chmod", [mode, path]) => {
            let mode = if mode.len() == 3 && mode.parse::<u32>().is_ok() {
                format!("0{mode}")
            } else {
                (*mode).to_owned()
            };
            format!("`chmod({}, {})` changes the mode", written(&[path]), literal(&mode, &style))
        }
        ("echo", _) => format!("`print({})` prints it", literal(rest.trim_matches(['"', '\'']), &style)),
        ("umount", _) => "`unmount()` unmounts the current mount".to_owned(),
        _ => match commands().find(|command| command.name == word) {
            Some(command) => {
                let takes = |form: &crate::shell::command::Form| {
                    form.on == Receiver::None
                        && (form.params.len() == plain.len() || (form.many && !plain.is_empty()))
                };
                if flags.is_empty() && command.forms.iter().any(takes) {
                    format!("`{word}({})`{host}", written(&plain))
                } else {
                    format!("`?{word}` tells how it is called{host}")
                }
            }
            None => match on_host {
                Some(line) => format!("`!{line}` runs the host's `{word}` in the merged directory"),
                None => return None,
            },
        },
    };
    Some((said, hint))
}

/// A line as a command of the host that reaches the same files of the mount, in whose merged directory it runs: paths from
/// the root on would be the host's own. `None` where that cannot be told.
fn in_mount(line: &str) -> Option<String> {
    let word = |word: &str| {
        let relative = if word.starts_with('/') { format!(".{word}") } else { word.to_owned() };
        // a path inside a word, a home, a way up: who knows whose they are
        let inside = word.starts_with('-') && word.contains('/')
            || relative.match_indices('/').any(|(at, _)| {
                let before = relative[..at].chars().next_back();
                before.is_none_or(|c| !(c.is_alphanumeric() || ".-_/*?]@+%,".contains(c)))
            });
        (!inside && !relative.starts_with('~') && !relative.contains("..")).then_some(relative)
    };
    let words: Option<Vec<String>> = line.split_whitespace().map(word).collect();
    Some(words?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in(line: &str, scope: &Scope<'static>) -> String {
        let typed = read(line, &Known { scope, function: &|name| name == "lesson" });
        match typed {
            Typed::Host(command) => format!("host {command}"),
            Typed::Help(topic) => format!("help {topic}"),
            Typed::Call(name) => format!("call {name}"),
            Typed::Code => "code".to_owned(),
        }
    }

    #[test]
    fn help_is_asked_for_before_and_behind() {
        let scope = Scope::new();
        for (line, means) in [
            ("?", "help "),
            ("?commit", "help commit"),
            (" ? commit ", "help commit"),
            ("commit?", "help commit"),
            ("commit ??", "help commit"),
            ("commit()?", "help commit()"),
            ("m.upper?", "help m.upper"),
            ("?copy-up", "help copy-up"),
            ("help(commit)", "help commit"),
            ("help(\"commit\")", "code"),
            ("x ?? y", "code"),
            ("`what?", "code"),
            ("f(1)?", "code"),
        ] {
            assert_eq!(read_in(line, &scope), means, "{line}");
        }
    }

    #[test]
    fn a_bare_word_is_called_unless_a_variable_has_its_name() {
        let mut scope = Scope::new();
        for word in [
            "show", "diff", "quit", "exit", "help", "doctor", "layers", "mounts", "history", "unmount",
            "lesson",
        ] {
            assert_eq!(read_in(&format!(" {word} "), &scope), format!("call {word}"));
        }
        for line in ["write", "mount", "commit + 1", "nothing", "1", ""] {
            assert_eq!(read_in(line, &scope), "code", "{line}");
        }
        scope.push("show", 1_i64);
        assert_eq!(read_in("show", &scope), "code");
        assert_eq!(read_in("help(show)", &scope), "code");
        assert_eq!(read_in("!show -l", &scope), "host show -l");
    }

    #[test]
    fn what_is_typed_as_at_a_shell_gets_the_right_call_as_advice() {
        let mut scope = Scope::new();
        scope.push("m", 1_i64);
        let hint =
            |line: &str| advice(line, &scope, |name| ["ls", "grep", "rm"].contains(&name)).map(|both| both.1);
        for (line, call) in [
            ("ls /etc", "`ls(\"/etc\")`"),
            ("ls /etc", "`!ls ./etc`"),
            ("ls -l /etc", "`!ls -l ./etc`"),
            ("ll /", "`!ls -l ./`"),
            ("ls /etc/*", "`ls(\"/etc/*\")`"),
            ("ls /", "`ls(\"/\")`"),
            ("cat etc/motd;", "`read(\"etc/motd\")`"),
            ("rm -rf /srv", "`rm_all(\"/srv\")`"),
            ("rm /a", "`rm(\"/a\")`"),
            ("ln -s /a b", "`symlink(\"/a\", \"b\")`"),
            ("chmod 755 /a", "`chmod(\"/a\", \"0755\")`"),
            ("echo \"two words\"", "`print(\"two words\")`"),
            ("help commit", "`help(\"commit\")`"),
            ("explain /etc/motd", "`explain(\"/etc/motd\")`"),
            ("show m", "`show(m)`"),
            ("show layers", "`show(layers())`"),
            ("show base", "`show(\"base\")`"),
            ("mount base app", "`mount(\"base\", \"app\")`"),
            ("exit 3", "`exit(3)`"),
            ("exit now", "`quit` leaves"),
            ("man commit", "`help(\"commit\")`"),
            ("man", "`help()`"),
            (".quit", "`quit`"),
            (":q", "`quit`"),
            ("\\h", "`help`"),
            ("/show", "`show`"),
            ("fg", "`!fg`"),
            ("tree /etc", "`tree(m, \"/etc\")`"),
            ("write", "none"),
            ("commit a b c", "`?commit`"),
            ("cd", "`!` alone"),
            ("cd /etc", "`!` alone"),
            ("pwd", "`mounts()`"),
            ("grep -r x .", "`!grep -r x .`"),
            ("grep", "`!grep`"),
        ] {
            assert!(hint(line).unwrap_or("none".to_owned()).contains(call), "{line}: {:?}", hint(line));
        }
        for script in [
            "let x = 1",
            "x = 1",
            "x += 1",
            "x - 1",
            "x && y",
            "x in y",
            "m.find (1)",
            "ls(\"/\")",
            "if x { 1 }",
            "x /y",
            "fn f() {",
            "x.y",
            "m -1",
            "print (1)",
            "unknown",
            "unknown words",
            "ls\n/etc",
        ] {
            assert_eq!(hint(script), None, "{script}");
        }
    }

    #[test]
    fn no_advice_names_a_path_of_the_host() {
        let scope = Scope::new();
        for line in [
            "rm /etc/motd",
            "rm -f /etc/motd /srv",
            "cat >/etc/motd",
            "dd if=/dev/zero of=/dev/sda",
            "rm '/etc/motd'",
            "rm \"/a b\"",
            "ls ~/x",
            "rm ../../etc/motd",
            "tar -C/ -x",
            "cp a host:/etc",
        ] {
            let hint = advice(line, &scope, |_| true).map(|both| both.1).unwrap_or_default();
            let host = hint.split('`').find(|part| part.starts_with('!')).unwrap_or_default();
            assert!(
                !host.contains(" /") && !host.contains("=/") && !host.contains(['~', '"', '\'', ':']),
                "{line}: {hint}"
            );
            assert!(!host.contains("..") && !host.contains("C/"), "{line}: {hint}");
        }
        assert_eq!(in_mount("rm -r /a b/c ./d /"), Some("rm -r ./a b/c ./d ./".to_owned()));
    }

    #[test]
    fn a_line_of_a_shell_is_whole_and_a_script_may_not_be() {
        for whole in ["!ls (", "?(", "ls /etc/*", "cat `x", "cd {a", "commit?"] {
            assert!(is_whole(whole), "{whole}");
        }
        for script in ["mount([", "let x = `a", "if x {", "x /* a", "mount ["] {
            assert!(!is_whole(script), "{script}");
        }
    }
}
