//! stub
#![allow(missing_docs)]
pub mod escape;
pub mod quantity;
mod paint;
mod signs;
pub use paint::{Paint, Style};
use crate::workspace::*;
pub fn bytes(_: &[u8], _: &Style) -> String { String::new() }
pub fn diff(r: &DiffReport, _: &Style) -> String { format!("{r:#?}\n") }
pub fn doctor(r: &DoctorReport, _: &Style) -> String { format!("{r:#?}\n") }
pub fn error(m: &str, h: Option<&str>, _: &Style) -> String { format!("error: {m}\nhint: {h:?}\n") }
pub fn explain(r: &ExplainReport, _: &Style) -> String { format!("{r:#?}\n") }
pub fn history(r: &HistoryReport, _: &Style) -> String { format!("{r:#?}\n") }
pub fn layers(r: &[LayerReport], _: &Style) -> String { format!("{r:#?}\n") }
pub fn mounts(r: &[MountReport], _: &Style) -> String { format!("{r:#?}\n") }
pub fn stack(r: &StackReport, _: &Style) -> String { format!("{r:#?}\n") }
pub fn stat(r: &crate::driver::Stat, _: &Style) -> String { format!("{r:#?}\n") }
pub fn tree(r: &TreeReport, _: &Style) -> String { format!("{r:#?}\n") }
