//! What scripts prove themselves with.

use rhai::Dynamic;

use crate::shell::command::{Call, Command, Effect, Group, Outcome, Raise, global};
use crate::shell::{draw, engine, errors};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "assert",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&["condition"]), global(&["condition", "message"])],
        gives: "",
        summary: "Fails unless the condition is true.",
        details: "",
        errors: &["assertion"],
        example: "assert(1 + 1 == 2, \"arithmetic\");",
        see: &["assert_eq", "fail"],
        run: Some(|call| match call.value(0).as_bool() {
            Ok(true) => Ok(Dynamic::UNIT),
            Ok(false) => failed(call, 1, "the assertion does not hold"),
            Err(_) => {
                let given = errors::type_word(&call.value(0));
                failed(call, 1, &format!("an assertion wants true or false, not {given}"))
            }
        }),
    },
    Command {
        name: "assert_eq",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&["a", "b"]), global(&["a", "b", "message"])],
        gives: "",
        summary: "Fails unless both values are equal.",
        details: "",
        errors: &["assertion"],
        example: "assert_eq([1, 2], [1, 2]);",
        see: &["assert"],
        run: Some(|call| {
            let (a, b) = (call.value(0), call.value(1));
            if engine::equal(call.context, &a, &b).map_err(Raise::Rhai)? {
                return Ok(Dynamic::UNIT);
            }
            failed(call, 2, &format!("{} is not {}", draw::debug(&a), draw::debug(&b)))
        }),
    },
    Command {
        name: "fail",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&["message"])],
        gives: "",
        summary: "Ends the script as failed, with a message; `try` can catch it.",
        details: "",
        errors: &["assertion"],
        example: "try { fail(\"no\"); } catch (e) { assert_eq(e.message, \"no\"); }",
        see: &["assert", "exit"],
        run: Some(|call| {
            Err(Raise::Rhai(errors::assertion(call.text(0)?.to_string(), call.context.call_position())))
        }),
    },
];

fn failed(call: &Call<'_>, message: usize, said: &str) -> Outcome {
    let text = match call.optional_text(message)? {
        Some(text) => format!("{text}: {said}"),
        None => said.to_owned(),
    };
    Err(Raise::Rhai(errors::assertion(text, call.context.call_position())))
}
