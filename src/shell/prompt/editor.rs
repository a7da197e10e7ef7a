//! The line editor: its settings, and what it asks of us while a line is typed.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io::IsTerminal as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustyline::completion::{Completer, Pair};
use rustyline::config::{Behavior, BellStyle};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{ColorMode, CompletionType, Config, Context, Editor, Helper};

use super::colours::{self, Moment, Names};
use super::complete::{Completer as Offers, World};
use super::hints::{self, Hint};
use super::history::Entries;
use super::incomplete::is_whole;
use super::keys;
use super::session::Session;
use crate::shell::state::Shell;
use crate::view::{Paint, Style};

/// The editor of lines, with all that it asks us.
pub(super) type Lines = Editor<Asked, Entries>;

/// Sets an editor up; `history` is the file of earlier lines.
pub(super) fn editor(
    shell: &Shell,
    session: &Rc<RefCell<Session>>,
    history: Option<&Path>,
) -> rustyline::Result<Lines> {
    let style = shell.style();
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        // the completer gives no more than it can show
        .completion_prompt_limit(usize::MAX)
        .bell_style(BellStyle::None)
        // answers that go elsewhere are not mixed with what is typed
        .behavior(if std::io::stdout().is_terminal() { Behavior::Stdio } else { Behavior::PreferTerm })
        .color_mode(if style.color { ColorMode::Forced } else { ColorMode::Disabled })
        .build();
    let closer = Arc::new(AtomicU8::new(0));
    let mut editor = Editor::with_history(config, Entries::open(history))?;
    editor.set_helper(Some(Asked {
        session: session.clone(),
        shell: shell.clone(),
        style,
        empty: Cell::new(true),
        done: Cell::new(false),
        closer: closer.clone(),
        offers: Offers::default(),
    }));
    keys::bind(&mut editor, &closer);
    Ok(editor)
}

/// What the line editor asks.
pub(super) struct Asked {
    session: Rc<RefCell<Session>>,
    shell: Shell,
    style: Style,
    /// Whether nothing stands in the line.
    empty: Cell<bool>,
    /// Whether the line is drawn for the last time.
    done: Cell<bool>,
    /// The closing bracket that was typed at the beginning of a line; 0 where none was.
    closer: Arc<AtomicU8>,
    offers: Offers,
}

impl Helper for Asked {}

impl Asked {
    /// A new line begins.
    pub(super) fn begin(&self) {
        self.empty.set(true);
    }

    /// Whether nothing stood in the line when it was drawn last.
    pub(super) fn is_empty(&self) -> bool {
        self.empty.get()
    }
}

impl Highlighter for Asked {
    fn highlight<'l>(&self, line: &'l str, pos: usize) -> Cow<'l, str> {
        self.empty.set(line.is_empty());
        let moment = if self.done.get() { Moment::Done } else { Moment::Edited(pos) };
        let session = self.session.borrow();
        let names = Names { scope: session.scope(), functions: session.functions() };
        Cow::Owned(colours::colour(line, moment, &names, &self.style))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(self.style.paint(Paint::Dim, hint))
    }

    fn highlight_candidate<'c>(&self, candidate: &'c str, _: CompletionType) -> Cow<'c, str> {
        Cow::Borrowed(candidate)
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.done.set(kind == CmdKind::ForcedRefresh);
        // each key may change the colour of all that follows, each move the pair of brackets
        true
    }
}

impl Completer for Asked {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let closer = self.closer.swap(0, Ordering::Relaxed);
        if closer != 0 {
            let (start, text) = keys::closed(&line[..pos], char::from(closer));
            return Ok((start, vec![Pair { display: String::new(), replacement: text }]));
        }
        let session = self.session.borrow();
        let world = World { shell: &self.shell, scope: session.scope(), functions: session.functions() };
        Ok(self.offers.complete(line, pos, &world, &self.shell.style()))
    }
}

impl Hinter for Asked {
    type Hint = Hint;

    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<Hint> {
        // without colours it would look as if it had been typed; a line that was fetched from the history is whole
        let fetched = context.history_index() < context.history().len();
        if !self.style.color || pos < line.len() || fetched {
            return None;
        }
        hints::hint(line, context.history())
    }
}

impl Validator for Asked {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        if is_whole(context.input()) {
            return Ok(ValidationResult::Valid(None));
        }
        Ok(ValidationResult::Incomplete)
    }
}
