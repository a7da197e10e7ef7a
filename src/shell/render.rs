//! An uncaught error for people: the message, the source line with a caret, the cause, the hint.

use std::collections::HashMap;
use std::rc::Rc;

use annotate_snippets::renderer::{Ansi256Color, DecorStyle, Style as Ink};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use rhai::{Dynamic, EvalAltResult, Map, ParseError, ParseErrorType, Position};

use super::places::Places;
use super::{errors, kinds, syntax, translate};
use crate::view::escape::{prose as escape, wrap_whole};
use crate::view::{Paint, Style};

/// A text that positions point into, with the name that people know it by.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// The file's name, `-e`, `stdin`, or the prompt's line.
    pub(super) name: Rc<str>,
    /// All of it.
    pub(super) source: Rc<str>,
}

/// How many calls on the way to an error are told.
const THROUGH: usize = 4;

/// How much of a source line is shown at most, in columns.
const SOURCE: usize = 200;

/// What an error says, taken apart.
struct Told {
    message: String,
    hint: Option<String>,
    position: Position,
    text: Option<Text>,
    through: Vec<String>,
    /// The rest of what a script could ask of it.
    keys: Map,
}

/// How errors are told.
pub(super) enum Manner {
    /// For people.
    Drawn(Style),
    /// As one line of JSON: the keys that `catch` gives, and `at`: the text's name, the line, the column.
    Json,
}

/// Where the texts are that an error's positions point into, and what could have been meant.
pub(super) struct Known<'a> {
    /// What was there before the text that runs.
    pub(super) around: &'a Around<'a>,
    /// The texts of modules, by file.
    pub(super) modules: &'a HashMap<String, Text>,
    /// All native functions.
    pub(super) functions: &'a [&'a str],
    /// Whether a layer has a name.
    pub(super) is_layer: &'a dyn Fn(&str) -> bool,
}

/// What earlier entries of the prompt left.
#[derive(Clone, Copy, Default)]
pub(super) struct Around<'a> {
    /// The texts that functions stand in.
    pub(super) places: Option<&'a Places>,
    /// The variables, and whether each is a constant.
    pub(super) variables: &'a [(&'a str, bool)],
}

impl Known<'_> {
    /// The text that a position is in, and the position there: a function may stand in an earlier text.
    fn locate(&self, text: &Text, position: Position) -> (Text, Position) {
        let here = self.modules.contains_key(&*text.name)
            && position.line().is_none_or(|line| line <= text.source.split('\n').count());
        match self.around.places.filter(|_| !here).and_then(|places| places.find(position)) {
            Some((text, position)) => (text.clone(), position),
            None => (text.clone(), position),
        }
    }
}

/// Draws a runtime error.
pub(super) fn runtime(error: &EvalAltResult, text: &Text, known: &Known<'_>, manner: &Manner) -> String {
    tell(take_apart(error, text, known), manner)
}

/// Draws a parse error.
pub(super) fn parse(error: &ParseError, text: &Text, manner: &Manner) -> String {
    tell(parse_told(&error.0, error.1, text), manner)
}

fn tell(told: Told, manner: &Manner) -> String {
    match manner {
        Manner::Drawn(style) => draw(&told, style),
        Manner::Json => document(told),
    }
}

fn document(told: Told) -> String {
    let number = |number: Option<usize>| {
        number.and_then(|number| i64::try_from(number).ok()).map_or(Dynamic::UNIT, Dynamic::from)
    };
    let at = told.text.map_or(Dynamic::UNIT, |text| {
        let (line, column) = (number(told.position.line()), number(told.position.position()));
        let name: Dynamic = text.name.to_string().into();
        Map::from([("source".into(), name), ("line".into(), line), ("column".into(), column)]).into()
    });
    let mut map = told.keys;
    map.insert("message".into(), told.message.into());
    map.insert("hint".into(), told.hint.map_or(Dynamic::UNIT, Into::into));
    map.insert("at".into(), at);
    errors::document(map)
}

fn parse_told(kind: &ParseErrorType, position: Position, text: &Text) -> Told {
    let (message, hint) = syntax::told(kind, position, &text.source);
    Told {
        message,
        hint,
        position,
        text: Some(text.clone()),
        through: Vec::new(),
        keys: errors::keys("parse_error"),
    }
}

fn take_apart(error: &EvalAltResult, text: &Text, known: &Known<'_>) -> Told {
    match error {
        EvalAltResult::ErrorInFunctionCall(name, source, inner, position) => {
            // the inner position is in the text that defined the function
            let inside = known.modules.get(source).unwrap_or(text);
            let mut told = match &**inner {
                // the place is in a text that was made, which nobody can be shown
                EvalAltResult::ErrorParsing(kind, _) if name == "eval" => {
                    let (message, hint) = syntax::told(kind, Position::NONE, "");
                    Told {
                        message,
                        hint,
                        position: Position::NONE,
                        text: None,
                        through: Vec::new(),
                        keys: errors::keys("parse_error"),
                    }
                }
                inner => take_apart(inner, inside, known),
            };
            told.through.push(if name.starts_with("anon$") {
                "in a closure".to_owned()
            } else if known.functions.contains(&name.as_str()) {
                format!("called by `{name}`")
            } else {
                format!("in the function `{name}`")
            });
            if told.position.is_none() {
                let (text, position) = known.locate(text, *position);
                (told.position, told.text) = (position, Some(text));
            }
            told
        }
        EvalAltResult::ErrorInModule(path, inner, position) => {
            let Some(module) = known.modules.get(path) else {
                let mut told = take_apart(inner, text, known);
                let (text, position) = known.locate(text, *position);
                (told.position, told.text) = (position, Some(text));
                return told;
            };
            let mut told = take_apart(inner, module, known);
            told.through.push(format!("in the module `{path}`"));
            told
        }
        EvalAltResult::ErrorRuntime(value, position) => {
            let (message, hint) = thrown(value);
            let (text, position) = known.locate(text, *position);
            Told {
                message,
                hint,
                position,
                text: Some(text),
                through: Vec::new(),
                keys: errors::thrown_keys(value),
            }
        }
        EvalAltResult::ErrorParsing(kind, position) => parse_told(kind, *position, text),
        other => {
            let (mut message, mut hint) = translate::told(other, known);
            let (text, position) = match translate::racing(other) {
                Some(name) => (text.clone(), only_call(&text.source, name)),
                None => known.locate(text, other.position()),
            };
            if matches!(other, EvalAltResult::ErrorVariableNotFound(..))
                && let Some((said, instead)) = syntax::host_command(position, &text.source)
            {
                (message, hint) = (said, Some(instead));
            }
            let keys = errors::keys(kinds::of_rhai(other));
            Told { message, hint, position, text: Some(text), through: Vec::new(), keys }
        }
    }
}

/// Where a function is called as a method, if that is one place only.
fn only_call(source: &str, name: &str) -> Position {
    let call = format!(".{name}(");
    let mut found = source.match_indices(&call);
    let (Some((at, _)), None) = (found.next(), found.next()) else { return Position::NONE };
    let before = &source[..=at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    match (u16::try_from(line), u16::try_from(column)) {
        (Ok(line), Ok(column)) => Position::new(line, column),
        _ => Position::NONE,
    }
}

/// The message and hint of a thrown value: one of our maps, or anything.
fn thrown(value: &Dynamic) -> (String, Option<String>) {
    let Some(map) = value.read_lock::<rhai::Map>() else {
        return (format!("the script threw {}", super::draw::debug(value)), None);
    };
    let text = |key: &str| map.get(key).and_then(|value| value.clone().into_string().ok());
    match text("message") {
        Some(message) => (message, text("hint")),
        None => (format!("the script threw {}", super::draw::debug(value)), None),
    }
}

fn draw(told: &Told, style: &Style) -> String {
    let set = |text: &str, indent: usize| {
        wrap_whole(&escape(text, style), style.width.saturating_sub(indent).max(20)).join("\n")
    };
    let message = set(&told.message, "error: ".len());
    let renderer = if style.color { coloured() } else { Renderer::plain() };
    let decor = if style.unicode { DecorStyle::Unicode } else { DecorStyle::Ascii };
    let renderer = renderer.decor_style(decor).term_width(style.width.min(SOURCE));
    let hint = told.hint.as_deref().map(|hint| set(hint, "100 │ hint: ".chars().count()));
    let mut through: Vec<String> =
        told.through.iter().take(THROUGH).map(|place| escape(place, style)).collect();
    if told.through.len() > THROUGH {
        through.push(format!("and through {} more calls", told.through.len() - THROUGH));
    }
    let source = told.text.as_ref().map(|text| clean(&text.source));
    let name = told.text.as_ref().map(|text| escape(&text.name, style)).unwrap_or_default();
    let mut group = match (&told.text, &source, span(told)) {
        (Some(_), Some(source), Some(span)) => {
            let snippet = Snippet::source(source.as_str())
                .path(name.as_str())
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

/// In the colours of all that we draw: the renderer's own are a theme's, and some cannot be read on white.
fn coloured() -> Renderer {
    let ink = |paint: Paint| {
        let (color, bold) = paint.look();
        let ink = Ink::new().fg_color(color.map(|color| Ansi256Color(color).into()));
        if bold { ink.bold() } else { ink }
    };
    Renderer::styled()
        .error(ink(Paint::Error))
        .note(ink(Paint::Dim))
        .help(ink(Paint::Hint))
        .line_num(ink(Paint::Dim))
        .context(ink(Paint::Dim))
        .emphasis(ink(Paint::Heading))
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
        let mut map = rhai::Map::new();
        map.insert("message".into(), "it is not there".into());
        map.insert("hint".into(), "look\nelsewhere".into());
        let error = EvalAltResult::ErrorRuntime(map.into(), Position::new(2, 14));
        let known = Known {
            around: &Around::default(),
            modules: &HashMap::new(),
            functions: &[],
            is_layer: &|_| false,
        };
        let drawn = runtime(&error, &text(source), &known, &Manner::Drawn(style));
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
            assert!(parse(&error, &text(source), &Manner::Drawn(style)).starts_with("error"));
        }
    }
}
