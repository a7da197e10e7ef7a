//! `UFS_LOG`: what the program does, told on stderr as it does it.

use std::io::{self, Write as _};
use std::time::Instant;

use log::{LevelFilter, Log, Metadata, Record};

use crate::view::{Style, escape};

/// Tells lines `ufs[PID] SECONDS LEVEL TEXT`: the seconds since the start, for the order of several processes.
struct Stderr {
    start: Instant,
    /// Whether other crates are heard, too.
    all: bool,
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.all || metadata.target().split("::").next() == Some("ufs")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = record.level().as_str().to_ascii_lowercase();
        let text = escape::prose(&record.args().to_string(), &Style::plain(usize::MAX));
        let (pid, seconds) = (std::process::id(), self.start.elapsed().as_secs_f64());
        let line = format!("ufs[{pid}] {seconds:.6} {level} {text}\n");
        // where stderr is closed nobody listens
        drop(io::stderr().lock().write_all(line.as_bytes()));
    }

    fn flush(&self) {}
}

/// Begins to tell what `UFS_LOG` asks for; where that is not set nothing is told, and nothing is made to be told.
///
/// # Errors
/// What is wrong with its value.
pub(super) fn start() -> Result<(), String> {
    let Some(word) = std::env::var_os("UFS_LOG").filter(|word| !word.is_empty()) else { return Ok(()) };
    let level = word.to_str().and_then(|word| word.parse::<LevelFilter>().ok());
    let level = level.ok_or_else(|| format!("`UFS_LOG` is `{}`", word.display()))?;
    let logger = Stderr { start: Instant::now(), all: level == LevelFilter::Trace };
    // for the life of the process
    if log::set_logger(Box::leak(Box::new(logger))).is_ok() {
        log::set_max_level(level);
    }
    Ok(())
}
