//! What a script may take: memory and stack, so that one that takes too much ends in an error and leaves no mount.
//!
//! Rhai's own limits on sizes are left alone: with any of them set it goes through a whole array at each call on it, and
//! they do not see how deeply values are nested.

use std::cell::Cell;

use rhai::{Array, Blob, Dynamic, Engine, EvalAltResult, INT, ImmutableString, NativeCallContext, Position};

use super::errors;
use crate::sys::memory;
use crate::view;

/// What a shell may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The memory that a script, or an entry at the prompt, may add, in bytes.
    pub memory: usize,
    /// The stack, in bytes.
    pub stack: usize,
}

impl Limits {
    /// What was asked for; where nothing was, a quarter of the machine's memory, as one operation may double a value.
    pub fn or_default(memory: Option<usize>, stack: Option<usize>) -> Self {
        Self {
            memory: memory.unwrap_or_else(|| memory::of_machine() / 4),
            stack: stack.unwrap_or(memory::DEEP_STACK),
        }
    }
}

/// The memory that the text which runs now may take.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    /// What was taken when it began.
    before: Cell<usize>,
}

type Checked<T> = Result<T, Box<EvalAltResult>>;

impl Budget {
    pub(super) fn new(most: usize) -> Self {
        Self { most, before: Cell::new(memory::taken()) }
    }

    /// Another text begins: what the texts before it left does not count.
    pub(super) fn begin(&self) {
        self.before.set(memory::taken());
    }

    /// What ends a script that took too much, if it did; asked at each step.
    pub(super) fn overrun(&self) -> Option<Dynamic> {
        if memory::taken().saturating_sub(self.before.get()) > self.most {
            return Some(errors::overrun("data_too_large", self.words(), memory_hint()));
        }
        memory::is_stack_short().then(|| {
            let hint =
                "a function or an `eval` that calls itself without an end? `--limit-stack` allows more";
            errors::overrun("stack_overflow", "the calls are nested too deeply".to_owned(), hint.to_owned())
        })
    }

    /// Whether a call that makes so many bytes at once may.
    pub(super) fn check(&self, bytes: usize, position: Position) -> Checked<()> {
        let taken = memory::taken().saturating_sub(self.before.get());
        if taken.saturating_add(bytes) > self.most {
            return Err(errors::too_large(self.words(), memory_hint(), position));
        }
        Ok(())
    }

    fn words(&self) -> String {
        format!("this takes more memory than {}", view::quantity::size(self.most as u64))
    }
}

fn memory_hint() -> String {
    "`--limit-memory` allows more: `ufs --limit-memory 8G`".to_owned()
}

fn number(count: INT) -> usize {
    usize::try_from(count).unwrap_or(0)
}

/// Replaces the standard functions that make a value of any size in one step, where no step in between could be asked.
pub(super) fn register(
    engine: &mut Engine,
    check: impl Fn(usize, Position) -> Checked<()> + Clone + 'static,
) {
    let may = check.clone();
    engine.register_fn("blob", move |context: NativeCallContext<'_>, size: INT| -> Checked<Blob> {
        may(number(size), context.call_position())?;
        Ok(vec![0; number(size)])
    });
    let may = check.clone();
    engine.register_fn(
        "blob",
        move |context: NativeCallContext<'_>, size: INT, value: INT| -> Checked<Blob> {
            may(number(size), context.call_position())?;
            Ok(vec![value.to_le_bytes()[0]; number(size)])
        },
    );
    let may = check.clone();
    engine.register_fn(
        "pad",
        move |context: NativeCallContext<'_>, blob: &mut Blob, size: INT, value: INT| -> Checked<()> {
            may(number(size), context.call_position())?;
            let size = number(size).max(blob.len());
            blob.resize(size, value.to_le_bytes()[0]);
            Ok(())
        },
    );
    let may = check.clone();
    engine.register_raw_fn(
        "pad",
        [std::any::TypeId::of::<Array>(), std::any::TypeId::of::<INT>(), std::any::TypeId::of::<Dynamic>()],
        move |context: NativeCallContext<'_>, args: &mut [&mut Dynamic]| -> Checked<Dynamic> {
            let size = number(args[1].as_int().unwrap_or(0));
            let item = std::mem::take(args[2]);
            let Some(mut array) = args[0].write_lock::<Array>() else { return Ok(Dynamic::UNIT) };
            let before = memory::taken();
            // one copy tells what each takes
            let copy = item.clone();
            let each = memory::taken().saturating_sub(before).saturating_add(size_of::<Dynamic>());
            drop(copy);
            may(size.saturating_sub(array.len()).saturating_mul(each), context.call_position())?;
            let size = size.max(array.len());
            array.resize(size, item);
            Ok(Dynamic::UNIT)
        },
    );
    pads_and_replaces(engine, check);
}

fn pads_and_replaces(engine: &mut Engine, check: impl Fn(usize, Position) -> Checked<()> + Clone + 'static) {
    macro_rules! pads {
        ($($kind:ty)*) => {$(
            let may = check.clone();
            engine.register_fn(
                "pad",
                move |context: NativeCallContext<'_>, text: &mut ImmutableString, size: INT, with: $kind| -> Checked<()> {
                    let with = with.to_string();
                    let missing = number(size).saturating_sub(text.chars().count());
                    let times = missing.div_ceil(with.chars().count().max(1));
                    if times == 0 || with.is_empty() {
                        return Ok(());
                    }
                    may(text.len().saturating_add(times.saturating_mul(with.len())), context.call_position())?;
                    let padded: String = text.chars().chain(with.chars().cycle().take(missing)).collect();
                    *text = padded.into();
                    Ok(())
                },
            );
        )*};
    }
    pads!(char ImmutableString);
    macro_rules! replaces {
        ($($find:ty, $with:ty;)*) => {$(
            let may = check.clone();
            engine.register_fn(
                "replace",
                move |context: NativeCallContext<'_>, text: &mut ImmutableString, find: $find, with: $with| -> Checked<()> {
                    if text.is_empty() {
                        return Ok(());
                    }
                    let (find, with) = (find.to_string(), with.to_string());
                    let times = text.matches(&*find).count();
                    may(text.len().saturating_add(times.saturating_mul(with.len())), context.call_position())?;
                    *text = text.replace(&*find, &with).into();
                    Ok(())
                },
            );
        )*};
    }
    replaces!(char, char; char, ImmutableString; ImmutableString, char; ImmutableString, ImmutableString;);
}
