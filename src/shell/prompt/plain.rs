//! The prompt without an editor: lines as the terminal gives them, and nothing written but text.
//!
//! For terminals that cannot move their cursor: the shell window of an editor, a serial console.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use rustyline::error::ReadlineError;

use super::incomplete::is_whole;
use crate::sys::signals::{self, Pending};

/// The terminals that know no escape codes.
const PLAIN: [&str; 3] = ["dumb", "emacs", "cons25"];
/// Before each further line of an entry.
const GOES_ON: &str = "...> ";

/// Whether an editor cannot be used here.
pub(super) fn is_needed() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    PLAIN.contains(&term.as_str())
}

/// Reads an entry, until it is whole or the input ends; Ctrl-C drops it. `begun` tells whether there was a line of it.
pub(super) fn read(prompt: &str, begun: &mut bool) -> Result<String, ReadlineError> {
    let mut entry = String::new();
    let mut prompt = prompt;
    loop {
        *begun = !entry.is_empty();
        say(prompt)?;
        let line = match line() {
            Ok(line) => line,
            Err(error) => {
                // the cursor stands behind the prompt or behind `^C`
                say("\n")?;
                return Err(error);
            }
        };
        let Some(line) = line else {
            say("\n")?;
            return if entry.is_empty() { Err(ReadlineError::Eof) } else { Ok(entry) };
        };
        entry += &line;
        // a script that is pasted has empty lines, so one of them ends nothing here; two do, for who is stuck
        if is_whole(entry.trim_end()) || entry.ends_with("\n\n") {
            return Ok(entry);
        }
        entry.push('\n');
        prompt = GOES_ON;
    }
}

/// Reads a line, without its end; `None` at the end of the input.
pub(super) fn line() -> Result<Option<String>, ReadlineError> {
    let mut line = Vec::new();
    let mut input = io::stdin().lock();
    loop {
        match signals::pending() {
            None => {}
            Some(Pending::Interrupt | Pending::TimeIsUp) => return Err(ReadlineError::Interrupted),
            // as the editor does: the end is for the caller to see
            Some(Pending::End(_)) => return Err(ReadlineError::Eof),
        }
        let part = match input.fill_buf() {
            // a signal; which, is seen above
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let end = part.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(part.len(), |end| end + 1);
        line.extend_from_slice(&part[..end.unwrap_or(part.len())]);
        input.consume(length);
        if end.is_some() || length == 0 {
            let is_end = end.is_none() && line.is_empty();
            return Ok((!is_end).then(|| String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()));
        }
    }
}

/// Writes where it is seen: values that go elsewhere keep the prompt out.
pub(super) fn say(text: &str) -> io::Result<()> {
    let mut out: Box<dyn io::Write> =
        if io::stdout().is_terminal() { Box::new(io::stdout()) } else { Box::new(io::stderr()) };
    out.write_all(text.as_bytes())?;
    out.flush()
}
