//! The table: every command and property, family by family.

mod checking;
mod checks;
mod committing;
mod control;
mod dropping;
mod files;
mod freeing;
mod images;
mod layers;
mod mounts;
mod saving;
mod seeing;

use super::command::{Command, Property};

pub(super) use control::register_special;
pub(super) use files::path_value;

/// Every command, in the order of `help()`.
pub fn all() -> impl Iterator<Item = &'static Command> {
    [
        layers::COMMANDS,
        images::COMMANDS,
        saving::COMMANDS,
        freeing::COMMANDS,
        checking::COMMANDS,
        mounts::COMMANDS,
        files::COMMANDS,
        seeing::COMMANDS,
        committing::COMMANDS,
    ]
    .into_iter()
    .chain([checks::COMMANDS, control::COMMANDS])
    .flatten()
}

/// Every property of layers and mounts.
pub fn properties() -> impl Iterator<Item = &'static Property> {
    layers::PROPERTIES.iter().chain(mounts::PROPERTIES).chain(images::PROPERTIES)
}
