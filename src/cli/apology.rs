//! What is said when the program itself is at fault, and what helps whoever looks for the cause.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::panic::PanicHookInfo;

use crate::view::{self, Style, escape};

/// Tells a panic on stderr, with the apology and all that a report should have.
pub(super) fn tell(info: &PanicHookInfo<'_>) {
    let said = info.payload();
    let said = said.downcast_ref::<&str>().copied().or_else(|| said.downcast_ref::<String>().map(|s| &**s));
    let place = info.location().map_or_else(String::new, |place| format!(" at {place}"));
    let thread = std::thread::current();
    let thread = thread.name().filter(|name| *name != "main");
    let thread = thread.map_or_else(String::new, |name| format!(", thread `{name}`"));
    let style = Style { unicode: crate::config::unicode(), ..Style::plain(80) };
    let message = format!(
        "that is a fault in ufs {}, not in what you asked for: sorry. {}{place}{thread}",
        env!("CARGO_PKG_VERSION"),
        said.unwrap_or("it gave no reason"),
    );
    let words: Vec<OsString> = std::env::args_os().collect();
    let trace = Backtrace::capture();
    let more = match trace.status() {
        BacktraceStatus::Captured => "and the backtrace below",
        _ => "once more with `RUST_BACKTRACE=1` if you can",
    };
    let hint = format!(
        "please report this with what you ran, `{}`, {more}; `ufs doctor` describes the machine",
        without_secrets(&words)
    );
    let mut text = if words.iter().any(|word| word == "--json") {
        crate::shell::bare_document("fault", &message, Some(&hint))
    } else {
        view::error(&message, &[], Some(&hint), &style)
    };
    if trace.status() == BacktraceStatus::Captured {
        text.push_str(&escape::text(&trace.to_string(), &style));
    }
    // where stderr is closed nobody listens
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// A command line that may be shown to strangers: options and the script's name; code and a script's own arguments,
/// which may hold anything, are left out.
fn without_secrets(words: &[OsString]) -> String {
    let mut shown = vec!["ufs".to_owned()];
    let mut left = words.iter().skip(1);
    while let Some(word) = left.next() {
        let text = word.to_string_lossy();
        // letters behind one dash, as `-qe`: what stands behind the `e` is code, or the next word is
        let code =
            text.strip_prefix('-').filter(|letters| !letters.starts_with('-')).and_then(|l| l.find('e'));
        if let Some(at) = code {
            let (letters, inside) = text.split_at(at + "-e".len());
            shown.push(format!("{letters}{}", if inside.is_empty() { "" } else { "…" }));
            if inside.is_empty() {
                shown.extend(left.next().map(|_| "…".to_owned()));
            }
            continue;
        }
        match &*text {
            _ if takes_value(&text) => {
                shown.push(text.into_owned());
                shown.extend(left.next().map(|value| value.to_string_lossy().into_owned()));
            }
            _ if text.starts_with('-') && *text != *"-" => shown.push(text.into_owned()),
            // a script, or a command: what is behind it is its own
            _ => {
                shown.push(text.into_owned());
                if left.next().is_some() {
                    shown.push("…".to_owned());
                }
                break;
            }
        }
    }
    shown.join(" ")
}

/// Whether the word behind an option is the option's.
fn takes_value(option: &str) -> bool {
    use clap::CommandFactory as _;
    let Some(name) = option.strip_prefix("--") else { return false };
    let command = super::Arguments::command();
    command.get_arguments().any(|known| known.get_long() == Some(name) && known.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_a_scripts_own_arguments_are_left_out_of_a_report() {
        let shown = |words: &[&str]| without_secrets(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(shown(&["/x/ufs", "--store", "/s", "-e", "secret"]), "ufs --store /s -e …");
        assert_eq!(shown(&["ufs", "-esecret", "--json"]), "ufs -e… --json");
        assert_eq!(shown(&["ufs", "-qe", "secret", "-qesecret", "-q"]), "ufs -qe … -qe… -q");
        assert_eq!(shown(&["ufs", "-q", "a.rhai", "secret", "more"]), "ufs -q a.rhai …");
        assert_eq!(shown(&["ufs", "-", "secret"]), "ufs - …");
        assert_eq!(shown(&["ufs", "doctor"]), "ufs doctor");
    }
}
