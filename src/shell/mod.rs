//! Rhai and the prompt: the engine, one table of commands, scripts, pipes and the interactive loop.
//!
//! A command returns a value; only the loop prints (and `show` and `print`, whose work that is). Everything that a
//! command is — names, forms, help, example, the function behind it — stands in one record: see [`command`].

pub mod command;
mod commands;
mod definitions;
mod disk;
mod draw;
mod engine;
mod errors;
mod fields;
mod finding;
mod group;
mod handle_maps;
mod handles;
mod help;
mod json;
mod kinds;
mod layout;
mod limits;
mod modules;
mod pager;
pub mod params;
mod places;
mod plain;
mod prompt;
mod render;
mod run;
mod state;
mod syntax;
mod translate;
mod values;
mod watching;
mod words;

pub use commands::{all as commands, properties};
pub use definitions::definitions;
pub(crate) use errors::bare_document;
pub use limits::Limits;
pub use pager::Pager;
pub(crate) use run::io_words;
pub use run::{Settings, Source, run};

/// Whether a text is a name as scripts have them.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
