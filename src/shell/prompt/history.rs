//! The lines of earlier times, kept in a file.

use std::path::Path;

use super::editor::Lines;

/// How many lines are kept.
pub(super) const LINES: usize = 10_000;

/// Reads the file, and makes its directory where it is missing.
pub(super) fn load(editor: &mut Lines, file: &Path) {
    if let Some(dir) = file.parent()
        && let Err(error) = std::fs::create_dir_all(dir)
    {
        log::debug!("history: {error}");
    }
    if file.exists()
        && let Err(error) = editor.load_history(file)
    {
        log::debug!("history: {error}");
    }
}

/// Adds an entry, here and in the file.
pub(super) fn add(editor: &mut Lines, file: Option<&Path>, entry: &str) {
    if let Err(error) = editor.add_history_entry(entry) {
        log::debug!("history: {error}");
    }
    if let Some(file) = file
        && let Err(error) = editor.append_history(file)
    {
        log::debug!("history: {error}");
    }
}
