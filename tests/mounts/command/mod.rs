//! `ufs mount`: the program itself, as users and mount(8) call it.

mod ending;
mod holding;
mod layers;
mod options;
mod proc;
mod stack;
mod times;
