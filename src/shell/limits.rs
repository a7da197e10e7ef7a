//! What a script may take: memory, stack, operations and time, so that one that takes too much ends in an error and leaves no mount.
//!
//! Rhai's own limits on sizes are left alone: with any of them set it goes through a whole array at each call on it, and
//! they do not see how deeply values are nested.

use std::cell::Cell;
use std::time::Duration;

use rhai::{Array, Blob, Dynamic, Engine, EvalAltResult, INT, ImmutableString, NativeCallContext, Position};

use super::errors;
use crate::sys::{memory, signals};
use crate::view;

/// What a shell may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The memory that a script, or an entry at the prompt, may add, in bytes.
    pub memory: usize,
    /// The stack, in bytes.
    pub stack: usize,
    /// The operations of a script, or of an entry at the prompt.
    pub ops: Option<u64>,
    /// The time that it may take.
    pub time: Option<Duration>,
}

impl Limits {
    /// What was asked for; where nothing was, a quarter of the machine's memory, as one operation may double a value.
    pub fn or_default(memory: Option<usize>, stack: Option<usize>) -> Self {
        Self {
            memory: memory.unwrap_or_else(|| memory::of_machine() / 4),
            stack: stack.unwrap_or(memory::DEEP_STACK),
            ops: None,
            time: None,
        }
    }
}

/// What the text which runs now may take.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    /// The memory that was taken when it began.
    before: Cell<usize>,
    /// The operations that it made.
    ops: Cell<u64>,
}

type Checked<T> = Result<T, Box<EvalAltResult>>;

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, before: Cell::new(memory::taken()), ops: Cell::new(0) }
    }

    /// Another text begins, and lasts as long as what this gives: what the texts before it took does not count.
    ///
    /// # Errors
    /// In words, where time cannot be limited.
    pub(super) fn begin(&self) -> Result<Option<signals::TimeLimit>, String> {
        self.before.set(memory::taken());
        self.ops.set(0);
        let limit = self.limits.time.map(signals::limit_time).transpose();
        limit.map_err(|errno| format!("the time cannot be limited: {errno}"))
    }

    /// What ends a script that took too much, if it did; asked at each step.
    pub(super) fn overrun(&self) -> Option<Dynamic> {
        // Rhai's own count begins anew in each module
        self.ops.set(self.ops.get() + 1);
        if let Some(most) = self.limits.ops.filter(|most| self.ops.get() > *most) {
            let hint = format!("`--limit-ops` allows more: `ufs --limit-ops {}`", most.saturating_mul(10));
            return Some(errors::overrun("limit", format!("this takes more than {most} operations"), hint));
        }
        if memory::taken().saturating_sub(self.before.get()) > self.limits.memory {
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
        if taken.saturating_add(bytes) > self.limits.memory {
            return Err(errors::too_large(self.words(), memory_hint(), position));
        }
        Ok(())
    }

    fn words(&self) -> String {
        format!("this takes more memory than {}", view::quantity::size(self.limits.memory as u64))
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
