//! What this machine allows, each "no" with its cure.

use super::escape::{prose, width};
use super::line::{Line, paragraph};
use super::{Paint, Style};
use crate::workspace::DoctorReport;

/// Draws the answers, one a line, cures beneath; then the driver that `mount()` takes.
pub fn doctor(report: &DoctorReport, style: &Style) -> String {
    let signs = style.signs();
    let mut out = String::new();
    let asked = report.checks.iter().map(|check| width(&prose(&check.what, style)));
    let asked = asked.max().unwrap_or(0).min(style.width / 2);
    for check in &report.checks {
        let mut line = Line::new(style);
        let (paint, sign) = if check.ok { (Paint::Added, signs.yes) } else { (Paint::Deleted, signs.no) };
        line.put(paint, sign);
        line.skip(1);
        line.put(Paint::Plain, &super::escape::fit_end(&prose(&check.what, style), asked, style));
        let start = asked + 4;
        let found = prose(&check.found, style);
        let mut parts =
            super::escape::wrap(&found, style.width.saturating_sub(start).max(20), style).into_iter();
        line.pad_to(start);
        line.put(if check.ok { Paint::Dim } else { Paint::Plain }, &parts.next().unwrap_or_default());
        line.end(&mut out);
        for part in parts {
            let mut line = Line::new(style);
            line.skip(start);
            line.put(if check.ok { Paint::Dim } else { Paint::Plain }, &part);
            line.end(&mut out);
        }
        if let Some(cure) = check.cure.as_ref().filter(|_| !check.ok) {
            paragraph(&mut out, style, Paint::Hint, 4, &format!("cure: {}", prose(cure, style)));
        }
    }
    let (paint, text) = match &report.best {
        Some((driver, why)) => (Paint::Heading, format!("mount() takes {driver}: {}", prose(why, style))),
        None => (Paint::Error, "mount() finds no driver that works here".to_owned()),
    };
    paragraph(&mut out, style, paint, 0, &text);
    out
}
