//! The lines of earlier times, kept in a file that several sessions write to at once.
//!
//! # Format
//! The first line is `#V2`; then one entry a line, oldest first, with a newline as `\n` and a backslash as `\\`. An
//! entry that comes again is written again; whoever loads a file that has grown to twice what is kept writes it anew.
//! Any change is made with the file locked. (The line editor's own history drops only repeated neighbours, and sets the
//! process's umask while it saves, which the threads of a FUSE mount would feel.)

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustyline::history::{History, SearchDirection, SearchResult};

/// How many lines are kept.
pub(super) const LINES: usize = 10_000;
/// The line that a file begins with.
const VERSION: &str = "#V2";

/// The entries, oldest first, each once.
#[derive(Default)]
pub(super) struct Entries {
    entries: Vec<String>,
    file: Option<PathBuf>,
}

impl Entries {
    /// Reads the file, and remembers it for what comes; one that cannot be read is as good as none.
    pub(super) fn open(file: Option<&Path>) -> Self {
        let mut history = Self { entries: Vec::new(), file: file.map(Path::to_owned) };
        if let Some(file) = file
            && let Err(error) = history.read(file)
        {
            log::debug!("history: {error}");
        }
        history
    }

    fn read(&mut self, file: &Path) -> io::Result<()> {
        let Ok(mut opened) = OpenOptions::new().read(true).write(true).open(file) else { return Ok(()) };
        opened.lock()?;
        let mut bytes = Vec::new();
        opened.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.strip_prefix(VERSION).unwrap_or(&text).lines().collect();
        let mut seen = HashSet::new();
        // the last of equal ones stays
        let newest = lines.iter().rev().filter(|line| !line.is_empty() && seen.insert(**line)).take(LINES);
        self.entries = newest.map(|line| unescaped(line)).collect();
        self.entries.reverse();
        if lines.len() > 2 * LINES {
            let mut text = format!("{VERSION}\n");
            for entry in &self.entries {
                text.push_str(&escaped(entry));
            }
            opened.rewind()?;
            opened.write_all(text.as_bytes())?;
            // the newest entries are at the end of what was there: they go once the disk has them where they are now
            opened.sync_data()?;
            opened.set_len(text.len() as u64)?;
        }
        Ok(())
    }

    fn append_line(&self, entry: &str) -> io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        if let Some(dir) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        file.lock()?;
        let begin = if file.metadata()?.len() == 0 { format!("{VERSION}\n") } else { String::new() };
        // in one write, so that a session that does not lock cannot cut it in two
        file.write_all(format!("{begin}{}", escaped(entry)).as_bytes())
    }

    /// Whether a line is to be kept.
    fn wants(line: &str) -> bool {
        !line.trim().is_empty() && !line.starts_with(char::is_whitespace)
    }

    fn find(
        &self,
        start: usize,
        direction: SearchDirection,
        at: impl Fn(&str) -> Option<usize>,
    ) -> Option<SearchResult<'_>> {
        let hit = |(idx, entry): (usize, &'_ String)| at(entry).map(|pos| (idx, pos));
        let (idx, pos) = match direction {
            SearchDirection::Reverse => {
                self.entries.iter().enumerate().take(start + 1).rev().find_map(hit)?
            }
            SearchDirection::Forward => self.entries.iter().enumerate().skip(start).find_map(hit)?,
        };
        Some(SearchResult { entry: Cow::Borrowed(self.entries.get(idx)?), idx, pos })
    }
}

/// An entry as a line of the file.
fn escaped(entry: &str) -> String {
    entry.replace('\\', "\\\\").replace('\n', "\\n") + "\n"
}

fn unescaped(line: &str) -> String {
    let mut entry = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('n')) => entry.push('\n'),
            ('\\', Some('\\')) => entry.push('\\'),
            _ => {
                entry.push(c);
                continue;
            }
        }
        chars.next();
    }
    entry
}

impl History for Entries {
    fn get(&self, index: usize, _: SearchDirection) -> rustyline::Result<Option<SearchResult<'_>>> {
        let entry = self.entries.get(index);
        Ok(entry.map(|entry| SearchResult { entry: Cow::Borrowed(entry), idx: index, pos: 0 }))
    }

    fn add(&mut self, line: &str) -> rustyline::Result<bool> {
        self.add_owned(line.to_owned())
    }

    fn add_owned(&mut self, line: String) -> rustyline::Result<bool> {
        if !Self::wants(&line) {
            return Ok(false);
        }
        let again = self.entries.last() == Some(&line);
        if !again {
            self.entries.retain(|entry| *entry != line);
            if self.entries.len() == LINES {
                self.entries.remove(0);
            }
            // a disk that is full takes nothing from this session
            if let Err(error) = self.append_line(&line) {
                log::debug!("history: {error}");
            }
            self.entries.push(line);
        }
        Ok(!again)
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn search(
        &self,
        term: &str,
        start: usize,
        direction: SearchDirection,
    ) -> rustyline::Result<Option<SearchResult<'_>>> {
        Ok(if term.is_empty() { None } else { self.find(start, direction, |entry| entry.find(term)) })
    }

    fn starts_with(
        &self,
        term: &str,
        start: usize,
        direction: SearchDirection,
    ) -> rustyline::Result<Option<SearchResult<'_>>> {
        Ok(self.find(start, direction, |entry| entry.starts_with(term).then_some(term.len())))
    }

    fn clear(&mut self) -> rustyline::Result<()> {
        self.entries.clear();
        Ok(())
    }

    // what is kept, and where, is settled here: the editor is never asked to change it

    fn set_max_len(&mut self, _: usize) -> rustyline::Result<()> {
        Ok(())
    }

    fn ignore_dups(&mut self, _: bool) -> rustyline::Result<()> {
        Ok(())
    }

    fn ignore_space(&mut self, _: bool) {}

    fn save(&mut self, _: &Path) -> rustyline::Result<()> {
        Ok(())
    }

    fn append(&mut self, _: &Path) -> rustyline::Result<()> {
        Ok(())
    }

    fn load(&mut self, _: &Path) -> rustyline::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(history: &Entries) -> Vec<&str> {
        history.entries.iter().map(String::as_str).collect()
    }

    fn find(history: &Entries, term: &str) -> Option<String> {
        let last = history.len() - 1;
        Some(history.starts_with(term, last, SearchDirection::Reverse).unwrap()?.entry.into_owned())
    }

    #[test]
    fn an_entry_that_comes_again_is_kept_once_as_the_newest_and_a_leading_space_keeps_it_out() {
        let mut history = Entries::default();
        for line in ["a", "b", "a", " secret", "", "c", "c"] {
            history.add(line).unwrap();
        }
        assert_eq!(lines(&history), ["b", "a", "c"]);
    }

    #[test]
    fn sessions_write_to_one_file_and_entries_of_many_lines_come_back_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("deep/down/history");
        let (mut one, mut two) = (Entries::open(Some(&file)), Entries::open(Some(&file)));
        one.add("fn f() {\n    \"a\\n\\\\\"\n}").unwrap();
        two.add("two").unwrap();
        one.add("one").unwrap();
        two.add("two again").unwrap();
        let next = Entries::open(Some(&file));
        assert_eq!(lines(&next), ["fn f() {\n    \"a\\n\\\\\"\n}", "two", "one", "two again"]);
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_grew_is_cut_to_what_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("history");
        let all: Vec<String> = (0..=LINES * 2).map(|n| (n % (LINES + 5)).to_string()).collect();
        std::fs::write(&file, format!("#V2\n{}\n", all.join("\n"))).unwrap();
        let history = Entries::open(Some(&file));
        assert_eq!(history.len(), LINES);
        assert_eq!(history.entries.last().unwrap(), &((LINES * 2) % (LINES + 5)).to_string());
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), LINES + 1);
        assert_eq!(lines(&Entries::open(Some(&file))), lines(&history));
    }

    #[test]
    fn what_begins_alike_is_found_from_the_newest_back() {
        let mut history = Entries::default();
        for line in ["read(1)", "write(1)", "read(2)"] {
            history.add(line).unwrap();
        }
        assert_eq!(find(&history, "rea").as_deref(), Some("read(2)"));
        assert_eq!(find(&history, "w").as_deref(), Some("write(1)"));
        assert_eq!(find(&history, "x"), None);
        let found = history.search("(1", 2, SearchDirection::Reverse).unwrap().unwrap();
        assert_eq!((found.idx, found.pos), (1, 5));
        let found = history.search("1", 0, SearchDirection::Forward).unwrap().unwrap();
        assert_eq!((found.idx, found.pos), (0, 5));
    }
}
