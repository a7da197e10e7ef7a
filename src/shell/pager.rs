//! The program that shows what is longer than the screen: `less`, or what the user takes for it.

use std::io;

use crate::sys::terminal::{self, Back};

/// What makes `less` show colours, end by itself where all fits on the screen, and leave it there; and what does so for
/// others. What the user has set for these stays.
///
/// # Source
/// git-config(1), `core.pager`.
const ENVIRONMENT: &[(&str, &str)] = &[("LESS", "FRX"), ("LV", "-c")];

/// A pager.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pager {
    /// The program and its arguments. No shell sees them.
    words: Vec<String>,
}

impl Pager {
    /// By its command line; `None` for one that says that there is to be none: nothing, or `cat`.
    pub fn new(command: &str) -> Option<Self> {
        let words = words(command);
        (words.first().is_some_and(|program| program != "cat")).then_some(Self { words })
    }

    /// The program's name.
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Shows a text, and comes back when its reader has enough.
    pub(super) fn show(&self, text: &str) -> io::Result<()> {
        let unset = |(name, _): &&(&str, &str)| std::env::var_os(name).is_none();
        let environment: Vec<_> = ENVIRONMENT.iter().filter(unset).copied().collect();
        let (job, back) = terminal::run_pager(&self.words, &environment, text)?;
        if back == Back::Stopped {
            // nothing is lost with it: the answer can be asked for again
            job.end();
        }
        Ok(())
    }
}

/// A command line's words, as a shell takes them apart: quotes and backslashes hold what is between, nothing else counts.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pager_is_a_program_with_words_and_no_script() {
        assert_eq!(
            words(r#"less -R  --prompt="a b" 'c;$d' e\ f """#),
            ["less", "-R", "--prompt=a b", "c;$d", "e f", ""]
        );
        assert_eq!(Pager::new("most -s").unwrap().name(), "most");
        for none in ["", "  ", "cat", "cat -v"] {
            assert_eq!(Pager::new(none), None);
        }
    }
}
