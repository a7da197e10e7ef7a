//! For whom the program waits.

use std::path::Path;

use super::Style;
use super::escape::{host_path, prose};

/// Tells who holds the lock of a file that is waited for, and how to end that.
pub fn waiting(file: &Path, users: &[(u32, &str)], style: &Style) -> String {
    let file = host_path(file, style);
    format!(
        "waiting for {}, which holds the lock of {file}; Ctrl-C ends the waiting\n",
        processes(users, style)
    )
}

/// Processes by number and command.
pub(super) fn processes(users: &[(u32, &str)], style: &Style) -> String {
    let users: Vec<String> = users.iter().map(|(pid, name)| format!("process {pid} ({name})")).collect();
    if users.is_empty() { "another process".to_owned() } else { prose(&users.join(", "), style) }
}
