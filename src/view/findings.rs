//! What a check or a repair found.

use super::escape::prose;
use super::line::{Line, paragraph, rest};
use super::{Paint, ROWS, Style};
use crate::workspace::Repaired;

/// Draws findings: a line that names each, beneath it what is wrong, what that means, and what `repair` would do or did.
pub fn findings(found: &[&Repaired], style: &Style) -> String {
    let signs = style.signs();
    let mut out = String::new();
    let kinds = found.iter().map(|one| one.finding.kind.word().len()).max().unwrap_or(0);
    for one in &found[..found.len().min(ROWS)] {
        let finding = &one.finding;
        let mut line = Line::new(style);
        let (paint, sign) = match &one.done {
            Some(_) => (Paint::Added, signs.yes),
            None if finding.is_damage() => (Paint::Deleted, signs.no),
            None => (Paint::Changed, signs.absent),
        };
        line.put(paint, sign);
        line.skip(1);
        line.put(paint, finding.kind.word());
        line.pad_to(2 + kinds + 2);
        line.put(Paint::Heading, &prose(&finding.subject.to_string(), style));
        line.end(&mut out);
        // the path has a line of its own, so the words need only its last name
        let path = finding.path.display().to_string();
        let last = finding.path.file_name().unwrap_or_default().display().to_string();
        paragraph(&mut out, style, Paint::Plain, 4, &prose(&finding.what.replace(&path, &last), style));
        paragraph(&mut out, style, Paint::Path, 4, &prose(&path, style));
        paragraph(&mut out, style, Paint::Dim, 4, &format!("means: {}", prose(finding.means(), style)));
        let (word, text) = match (&one.done, &one.failed) {
            (Some(done), _) => ("done", done.as_str()),
            (None, Some(failed)) => ("failed", failed.as_str()),
            (None, None) => ("repair", finding.cure.words()),
        };
        paragraph(&mut out, style, Paint::Hint, 4, &format!("{word}: {}", prose(text, style)));
    }
    rest(
        &mut out,
        style,
        found.len(),
        "findings",
        "a `for` over the array goes through all, `--json` prints them",
    );
    out
}
