//! An uncaught error for people: the message, the source line with a caret, the cause, the hint.

use std::collections::HashMap;
use std::rc::Rc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use rhai::{Dynamic, EvalAltResult, Map, ParseError, Position};

use crate::view::Style;
use crate::view::escape::prose as escape;
use crate::workspace::nearest;

/// A text that positions point into, with the name that people know it by.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// The file's name, `-e`, `stdin`, or the prompt's line.
    pub(super) name: Rc<str>,
    /// All of it.
    pub(super) source: Rc<str>,
}

/// The texts that functions were defined in, by name.
pub(super) type Definitions = HashMap<String, Text>;

/// What an error says, taken apart.
struct Told {
    message: String,
    hint: Option<String>,
    position: Position,
    text: Option<Text>,
    through: Vec<String>,
}

/// Draws a runtime error.
pub(super) fn runtime(
    error: &EvalAltResult,
    text: &Text,
    definitions: &Definitions,
    functions: &[&str],
    style: &Style,
) -> String {
    draw(&take_apart(error, text, definitions, functions), style)
}

/// Draws a parse error.
pub(super) fn parse(error: &ParseError, text: &Text, style: &Style) -> String {
    let hint = match &*error.0 {
        rhai::ParseErrorType::UnexpectedEOF | rhai::ParseErrorType::MissingToken(..) => {
            Some("a bracket, a brace or a `;` may be missing before this".to_owned())
        }
        _ => None,
    };
    let message = lower_first(&error.0.to_string());
    let told = Told { message, hint, position: error.1, text: Some(text.clone()), through: Vec::new() };
    draw(&told, style)
}

fn take_apart(error: &EvalAltResult, text: &Text, definitions: &Definitions, functions: &[&str]) -> Told {
    match error {
        EvalAltResult::ErrorInFunctionCall(name, _, inner, _) => {
            // the inner position is in the text that defined the function
            let inside = definitions.get(name).unwrap_or(text);
            let mut told = take_apart(inner, inside, definitions, functions);
            told.through.push(name.clone());
            told
        }
        EvalAltResult::ErrorInModule(path, inner, _) => {
            let source = std::fs::read_to_string(path).ok();
            let module = source.map(|source| Text { name: path.as_str().into(), source: source.into() });
            let mut told = take_apart(inner, module.as_ref().unwrap_or(text), definitions, functions);
            if module.is_none() {
                told.text = None;
            }
            told
        }
        EvalAltResult::ErrorRuntime(value, position) => {
            let (message, hint) = thrown(value);
            Told { message, hint, position: *position, text: Some(text.clone()), through: Vec::new() }
        }
        EvalAltResult::ErrorParsing(kind, position) => Told {
            message: lower_first(&kind.to_string()),
            hint: None,
            position: *position,
            text: Some(text.clone()),
            through: Vec::new(),
        },
        other => {
            let (message, hint) = of_rhai(other, functions);
            Told { message, hint, position: other.position(), text: Some(text.clone()), through: Vec::new() }
        }
    }
}

/// The message and hint of a thrown value: one of our maps, or anything.
fn thrown(value: &Dynamic) -> (String, Option<String>) {
    let Some(map) = value.read_lock::<Map>() else {
        return (format!("the script threw {}", super::draw::debug(value)), None);
    };
    let text = |key: &str| map.get(key).and_then(|value| value.clone().into_string().ok());
    match text("message") {
        Some(message) => (message, text("hint")),
        None => (format!("the script threw {}", super::draw::debug(value)), None),
    }
}

fn of_rhai(error: &EvalAltResult, functions: &[&str]) -> (String, Option<String>) {
    match error {
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            let name = signature.split([' ', '(']).next().unwrap_or(signature);
            let hint = if functions.contains(&name) {
                format!("`help(\"{name}\")` shows how it is called")
            } else {
                match nearest(name, functions.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`help()` lists all commands".to_owned(),
                }
            };
            (format!("there is no function `{}`", readable(signature)), Some(hint))
        }
        EvalAltResult::ErrorVariableNotFound(name, _) => {
            let hint = if functions.contains(&name.as_str()) {
                format!("to call it, write `{name}()`")
            } else {
                format!("`let {name} = …` makes one; functions do not see variables from outside")
            };
            (format!("there is no variable `{name}`"), Some(hint))
        }
        other => {
            let mut text = other.to_string();
            // the position is shown by the caret
            if let Some(end) = text.rfind(" (line ") {
                text.truncate(end);
            }
            (lower_first(&text), None)
        }
    }
}

/// Rhai's signature without the Rust paths of our types.
fn readable(signature: &str) -> String {
    let mut text = signature.replace("&str | ImmutableString | String", "string");
    while let Some(start) = text.find("ufs::") {
        let end = text[start..]
            .find(|c: char| !(c.is_alphanumeric() || c == ':' || c == '_'))
            .map_or(text.len(), |length| start + length);
        let short = text[start..end].rsplit("::").next().unwrap_or_default().to_owned();
        text.replace_range(start..end, &short);
    }
    text
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        // `EOF` and other abbreviations stay
        Some(first) if !chars.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

fn draw(told: &Told, style: &Style) -> String {
    let message = escape(&told.message, style);
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let decor = if style.unicode { DecorStyle::Unicode } else { DecorStyle::Ascii };
    let renderer = renderer.decor_style(decor).term_width(style.width);
    let hint = told.hint.as_deref().map(|hint| escape(hint, style));
    let through: Vec<String> =
        told.through.iter().map(|name| format!("in the function `{}`", escape(name, style))).collect();
    let source = told.text.as_ref().map(|text| clean(&text.source));
    let mut group = match (&told.text, &source, span(told)) {
        (Some(text), Some(source), Some(span)) => {
            let snippet = Snippet::source(source.as_str())
                .path(&*text.name)
                .annotation(AnnotationKind::Primary.span(span));
            Level::ERROR.primary_title(message.as_str()).element(snippet)
        }
        _ => annotate_snippets::Group::with_title(Level::ERROR.primary_title(message.as_str())),
    };
    for place in &through {
        group = group.element(Level::NOTE.message(place.as_str()));
    }
    if let Some(hint) = &hint {
        group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
    }
    let mut drawn = renderer.render(&[group]);
    drawn.push('\n');
    drawn
}

/// A source without what a terminal would obey; byte for byte as long, so that positions stay right.
fn clean(source: &str) -> String {
    source.chars().map(|c| if c.is_ascii_control() && c != '\n' && c != '\t' { '?' } else { c }).collect()
}

/// The bytes of the token at the error's line and character.
fn span(told: &Told) -> Option<std::ops::Range<usize>> {
    let source = &told.text.as_ref()?.source;
    let line_number = told.position.line()?;
    let start: usize = source.split_inclusive('\n').take(line_number - 1).map(str::len).sum();
    let line = source.get(start..)?.split('\n').next()?;
    let skip = told.position.position().unwrap_or(1).saturating_sub(1);
    let offset = line.char_indices().nth(skip).map_or(line.len(), |(offset, _)| offset);
    let rest = &line[offset..];
    let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let length = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
    // at the end of the text the caret stands behind the last character
    Some(start + offset..start + offset + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> Text {
        Text { name: "t.rhai".into(), source: source.into() }
    }

    #[test]
    fn the_caret_stands_under_the_token_whatever_is_before_it() {
        let style = Style { unicode: false, ..Style::plain(80) };
        let source = "let a = 1;\nlet 名 = \"é\"; nope(a);\n";
        let mut map = Map::new();
        map.insert("message".into(), "it is not there".into());
        map.insert("hint".into(), "look\nelsewhere".into());
        let error = EvalAltResult::ErrorRuntime(map.into(), Position::new(2, 14));
        let drawn = runtime(&error, &text(source), &Definitions::new(), &[], &style);
        let lines: Vec<&str> = drawn.lines().collect();
        let line = lines.iter().position(|line| line.contains("nope(a)")).unwrap();
        let width = |text: &str| unicode_width::UnicodeWidthStr::width(text);
        let column = width(&lines[line][..lines[line].find("nope").unwrap()]);
        assert_eq!(width(&lines[line + 1][..lines[line + 1].find('^').unwrap()]), column, "{drawn}");
        assert!(drawn.starts_with("error: it is not there"), "{drawn}");
        assert!(drawn.contains("t.rhai:2:14"), "{drawn}");
        assert!(drawn.contains("hint: look\\nelsewhere"), "{drawn}");
    }

    #[test]
    fn an_error_at_the_end_of_the_text_is_drawn() {
        let style = Style::plain(80);
        for source in ["", "let x = ", "let x = \n", "f("] {
            let error = rhai::Engine::new().compile(format!("{source}(")).unwrap_err();
            assert!(parse(&error, &text(source), &style).starts_with("error"));
        }
    }
}
