//! One path's life as a numbered story, bottom → top.

use super::describe::{differences, metadata, what};
use super::escape::{fit, literal, path, prose, width, wrap};
use super::line::Line;
use super::{Paint, Style};
use crate::model::Entry;
use crate::overlay::{Aspect, Step, StepKind};
use crate::workspace::{ExplainReport, Role};

/// Tells what each layer did to a path, then what the union shows.
pub fn explain(report: &ExplainReport, style: &Style) -> String {
    let mut out = String::new();
    let life = &report.life;
    let mut line = Line::new(style);
    line.put(Paint::Heading, &fit(&path(&life.path, style), style.width, style));
    line.end(&mut out);

    let digits = life.steps.len().to_string().len();
    let mut held: Option<(usize, &Entry)> = None;
    for (at, step) in life.steps.iter().enumerate() {
        let number = format!("{:>digits$}. ", at + 1);
        let paint = Paint::of_layer(&report.layers, step.layer);
        let who = (paint, name(report, step.layer, style));
        sentence(&mut out, &number, who, &story(report, step, held, style), style);
        let says_nothing = matches!(&step.entry, Some(entry) if entry.implied)
            && matches!(step.kind, StepKind::Merged { .. });
        if !says_nothing {
            held = step.entry.as_ref().map(|entry| (step.layer, entry));
        }
    }
    let text = match &life.shown {
        Some((layer, entry)) => format!(
            "{}, from {}; {}",
            what(&entry.node, style),
            name(report, *layer, style),
            metadata(&entry.meta)
        ),
        None => format!("nothing; {}", why_nothing(report, style)),
    };
    sentence(&mut out, "", (Paint::Heading, "The union shows:".to_owned()), &text, style);
    out
}

fn name(report: &ExplainReport, layer: usize, style: &Style) -> String {
    match report.layers.get(layer) {
        Some(label) => prose(&label.name, style),
        None => format!("layer {}", layer + 1),
    }
}

/// Writes a sentence whose first words have a colour, later lines beneath its first word.
fn sentence(out: &mut String, number: &str, (paint, head): (Paint, String), text: &str, style: &Style) {
    let indent = number.len().max(2);
    let head = fit(&head, style.width / 2, style);
    let room = style.width.saturating_sub(indent).max(20);
    // the head is set as one word, so that it is never broken
    let filler = "x".repeat(width(&head));
    for (at, part) in wrap(&format!("{filler} {text}"), room, style).into_iter().enumerate() {
        let mut line = Line::new(style);
        if at == 0 {
            line.put(Paint::Dim, number);
            line.put(paint, &head);
            line.put(Paint::Plain, &part[filler.len()..]);
        } else {
            line.skip(indent);
            line.put(Paint::Plain, &part);
        }
        line.end(out);
    }
}

/// What a layer does, after its name. `held`: what the layer before it in the story holds.
fn story(report: &ExplainReport, step: &Step, held: Option<(usize, &Entry)>, style: &Style) -> String {
    let upper = report.layers.get(step.layer).is_some_and(|label| label.role == Role::Upper);
    let described = |entry: &Entry| format!("{}; {}", what(&entry.node, style), metadata(&entry.meta));
    let own = step.entry.as_ref().map(described).unwrap_or_default();
    let changed = |aspects: &[Aspect]| match (held, &step.entry) {
        (Some((_, before)), Some(after)) if !aspects.is_empty() => {
            differences(before, after, aspects, style).join(", ")
        }
        _ => String::new(),
    };
    let below = held.map(|(layer, _)| name(report, layer, style));
    match &step.kind {
        StepKind::Created if step.entry.as_ref().is_some_and(|entry| entry.implied) => {
            format!("has it for what lies in it, and says nothing of it: {own}")
        }
        StepKind::Created => format!("creates it: {own}"),
        StepKind::Merged { aspects } => match changed(aspects) {
            text if text.is_empty() => "has this directory too: both merge".to_owned(),
            text => format!("has this directory too, and changes it: {text}; what they hold merges"),
        },
        StepKind::Replaced { aspects } => {
            let how = match (upper, aspects.contains(&Aspect::Type), aspects.contains(&Aspect::Content)) {
                (_, true, _) => format!("puts another file in its place: {own}"),
                (true, false, false) => format!("copies it up to change it: {}", changed(aspects)),
                (true, false, true) => format!("has its own copy with other content: {}", changed(aspects)),
                (false, ..) => format!("has its own copy: {}", changed(aspects)),
            };
            let how = how.trim_end_matches([' ', ':']).to_owned();
            match below {
                Some(below) => format!("{how}; the one in {below} is hidden"),
                None => how,
            }
        }
        StepKind::MadeOpaque => match below {
            Some(below) => format!("has an opaque directory: nothing of {below} and beneath shows through"),
            None => "has an opaque directory: nothing beneath shows through".to_owned(),
        },
        StepKind::Deleted => match below {
            Some(below) => format!("deletes it: a whiteout hides the one in {below}"),
            None => "deletes it by a whiteout".to_owned(),
        },
        StepKind::DeletedNothing => "has a whiteout for it, with nothing beneath to hide".to_owned(),
        StepKind::HiddenWithParent { parent } => {
            format!("takes it away with its parent {}", path(parent, style))
        }
    }
}

fn why_nothing(report: &ExplainReport, style: &Style) -> String {
    if let Some((link, there)) = &report.life.leads {
        let meant = match std::str::from_utf8(there.as_bytes()) {
            Ok(text) => format!("explain({})", literal(&format!("/{text}"), style)),
            Err(_) => path(there, style),
        };
        return format!("{} is a symlink: see {meant}", path(link, style));
    }
    match report.life.steps.last() {
        None => "no layer ever held it".to_owned(),
        Some(Step { kind: StepKind::DeletedNothing, .. }) => "no layer that counts holds it".to_owned(),
        Some(step) => match &step.kind {
            StepKind::HiddenWithParent { parent } => {
                format!("it went with {} in {}", path(parent, style), name(report, step.layer, style))
            }
            _ => format!("it is deleted in {}", name(report, step.layer, style)),
        },
    }
}
