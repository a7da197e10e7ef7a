//! The prompt's own text: the current mount, and whether it has changes.
//!
//! `ufs> ` with nothing mounted, `ufs web> ` with a mount, `ufs web*> ` where its upper has changes that are not committed.
//! A driver that is not the kernel's overlay is named: `ufs web:fuse*> `.

use crate::driver::DriverKind;
use crate::shell::state::Shell;
use crate::view::{Paint, escape};

/// The most columns that a mount's name gets.
const NAME: usize = 24;

/// The prompt, plain and styled.
pub(super) fn prompt(shell: &Shell) -> (String, String) {
    if shell.is_json() {
        return (String::new(), String::new());
    }
    let style = shell.style();
    let mut pieces = vec![(Paint::Heading, "ufs".to_owned())];
    if let Ok(mount) = shell.workspace().current() {
        pieces.push((
            Paint::Plain,
            format!(" {}", escape::fit(&escape::prose(&mount.name(), &style), NAME, &style)),
        ));
        match mount.driver() {
            Ok(DriverKind::Overlay) | Err(_) => {}
            Ok(kind) => pieces.push((Paint::Dim, format!(":{kind}"))),
        }
        if mount.dirty().unwrap_or(false) {
            pieces.push((Paint::Upper, "*".to_owned()));
        }
    }
    pieces.push((Paint::Heading, ">".to_owned()));
    let plain: String = pieces.iter().map(|(_, text)| text.as_str()).collect();
    let styled: String = pieces.iter().map(|(paint, text)| style.paint(*paint, text)).collect();
    (plain + " ", styled + " ")
}
