//! Where things live and how output looks, from the environment; values handed down, nothing kept.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use crate::model::Timestamp;
use crate::shell::Pager;

/// The user's own directories, as the platform has them; each `None` where the user has no home.
///
/// Where `HOME` is not set they hang on who the user is by ID, so they are asked for before a user namespace makes that 0:
/// in there root's would be taken.
#[derive(Clone, Debug)]
pub struct Homes {
    /// The home where the environment does not tell it.
    pub untold: Option<PathBuf>,
    data: Option<PathBuf>,
    state: Option<PathBuf>,
    config: Option<PathBuf>,
}

impl Homes {
    /// Those of the user that this process runs as.
    pub fn of_user() -> Self {
        Self {
            untold: if set("HOME").is_none() { dirs::home_dir() } else { None },
            data: dirs::data_dir(),
            state: dirs::state_dir().or_else(dirs::data_dir),
            config: dirs::config_dir(),
        }
    }

    /// The store's directory: as given, else `UFS_STORE`, else in the platform's data directory.
    pub fn store_dir(&self, given: Option<PathBuf>) -> Option<PathBuf> {
        given
            .or_else(|| set("UFS_STORE").map(PathBuf::from))
            .or_else(|| Some(self.data.as_ref()?.join("ufs")))
    }

    /// The file of the prompt's history.
    pub fn history_file(&self) -> Option<PathBuf> {
        Some(self.state.as_ref()?.join("ufs").join("history"))
    }

    /// The script that the prompt begins with.
    pub fn start_up_file(&self) -> Option<PathBuf> {
        Some(self.config.as_ref()?.join("ufs").join("init.rhai"))
    }
}

/// The program for what is longer than the screen: `UFS_PAGER`, else `PAGER`, else `less`. None on a terminal that
/// is dumb.
pub fn pager() -> Option<Pager> {
    if is_dumb() {
        return None;
    }
    // one that is set to nothing means none
    let command = ["UFS_PAGER", "PAGER"].into_iter().find_map(env::var_os);
    Pager::new(&command.map_or("less".into(), |command| command.to_string_lossy().into_owned()))
}

/// `SOURCE_DATE_EPOCH`, in seconds since 1970.
///
/// # Errors
/// The text, if it is no whole number.
///
/// # Source
/// reproducible-builds.org, `SOURCE_DATE_EPOCH` specification.
pub fn source_date_epoch() -> Result<Option<Timestamp>, String> {
    let Some(text) = set("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let text = text.to_string_lossy();
    match text.parse() {
        Ok(secs) => Ok(Some(Timestamp { secs, nanos: 0 })),
        Err(_) => Err(text.into_owned()),
    }
}

/// Whether output is coloured, for a stream that is a terminal or not.
///
/// # Source
/// no-color.org; bixense.com/clicolors.
pub fn color(is_terminal: bool) -> bool {
    if set("NO_COLOR").is_some() {
        return false;
    }
    let forced = set("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    forced || (is_terminal && !is_dumb())
}

/// Whether the terminal can do no more than a printer.
pub fn is_dumb() -> bool {
    set("TERM").is_some_and(|term| term == "dumb")
}

/// Whether the locale says that the terminal takes UTF-8.
pub fn unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    let Some(locale) = locale else { return false };
    let text = locale.to_string_lossy().to_lowercase();
    text.contains("utf-8") || text.contains("utf8")
}

fn set(name: &str) -> Option<std::ffi::OsString> {
    env::var_os(name).filter(|value| value != OsStr::new(""))
}
