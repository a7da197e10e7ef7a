//! One way for all commands that destroy something: at the prompt it is named and asked for, in scripts it is told.

use crate::shell::command::{Call, Raise, usage};
use crate::shell::{errors, prompt};
use crate::view::{self, quantity};
use crate::workspace::{Loss, Lost};

/// Does what drops something. At the prompt it is asked before, if there is anything to lose; elsewhere it is told
/// afterwards. Who is `sure` is neither asked nor told.
pub(super) fn dropping<T>(
    call: &Call<'_>,
    sure: bool,
    loss: impl FnOnce() -> Result<Option<Loss>, Raise>,
    act: impl FnOnce() -> Result<T, Raise>,
) -> Result<T, Raise> {
    if sure || call.shell.is_quiet() && !call.shell.asks() {
        return act();
    }
    match loss()? {
        Some(loss) if call.shell.asks() && loss.asks => {
            let question = format!("`{}` drops {}", call.name, words(call, &loss));
            if !prompt::agrees(call.shell, "", &question) {
                return Err(Raise::Rhai(errors::declined(
                    "nothing was dropped",
                    call.context.call_position(),
                )));
            }
            act()
        }
        loss => {
            let done = act()?;
            tell(call, loss.as_ref());
            Ok(done)
        }
    }
}

/// Tells what was dropped.
pub(super) fn tell(call: &Call<'_>, loss: Option<&Loss>) {
    if let Some(loss) = loss {
        call.shell.tell(&format!("dropped {}", words(call, loss)));
    }
}

/// Whether an argument says that nobody need be asked.
pub(super) fn is_sure(call: &Call<'_>, index: usize) -> Result<bool, Raise> {
    match call.args.get(index) {
        None => Ok(false),
        Some(value) if value.is_unit() => Ok(false),
        Some(value) => value.as_bool().or_else(|_| {
            usage(
                format!(
                    "`{}` wants true or false as argument {}, not {}",
                    call.name,
                    index + 1,
                    errors::type_word(value)
                ),
                "`true`: without a question at the prompt and without a word",
            )
        }),
    }
}

/// What is lost, in words that go on behind "drops".
fn words(call: &Call<'_>, loss: &Loss) -> String {
    let style = call.shell.err_style();
    let mut words = loss.what.clone();
    let many = |count: u64, word: &str| {
        format!("{} {word}{}", quantity::count(count), if count == 1 { "" } else { "s" })
    };
    match loss.amount {
        None => {}
        Some(Lost::Changes(count, bytes)) => {
            words += &format!(" ({}, {})", many(count, "change"), quantity::size(bytes));
        }
        Some(Lost::Files(count, bytes)) => {
            words += &format!(" ({}, {})", many(count, "file"), quantity::size(bytes));
        }
        Some(Lost::Bytes(bytes)) => words += &format!(" ({})", quantity::size(bytes)),
        Some(Lost::Names(count, at_least)) => {
            words += &format!(" ({}{})", many(count, "name"), if at_least { " or more" } else { "" });
        }
    }
    let paths: Vec<String> =
        loss.paths.iter().map(|path| format!("`{}`", view::escape::path(path, &style))).collect();
    match (paths.split_last(), loss.more) {
        (None, _) => {}
        (Some((only, [])), 0) => words += &format!(": {only}"),
        (Some((last, rest)), 0) => words += &format!(": {} and {last}", rest.join(", ")),
        (Some(_), more) => words += &format!(": {} and {} more", paths.join(", "), quantity::count(more)),
    }
    if let Some(until) = &loss.until {
        words += &format!("; {until}");
    }
    words
}
