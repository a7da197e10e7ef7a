//! What a store takes on disk, and freeing what nothing needs of it.

use std::rc::Rc;
use std::time::Duration;

use rhai::Dynamic;

use crate::shell::command::{Call, Command, Effect, Group, Outcome, global, usage};
use crate::shell::disk::{DiskUsage, Freed};
use crate::view;
use crate::workspace::Freeing;

/// What the answer of a collection has.
const GIVES: &str = "a collection: `done, layers, names, bytes, items, in_use`";

/// The letters of spans, and their seconds.
const UNITS: [(char, u64); 5] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400), ('w', 604_800)];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "gc",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[global(&[]), global(&["do_it"])],
        gives: GIVES,
        summary: "Frees what nothing needs: layers without a name, a mount or a process that uses them, and leftovers of processes that ended early.",
        details: "At the prompt `gc()` only lists what would go and why, and `gc(true)` does it; in a script `gc()` does it and \
                  says so, and `gc(false)` lists.\n\
                  `items` is an array of maps `what, name, id, why, bytes`, `bytes` what they take on disk, `in_use` how \
                  many layers stay only as other processes use them. Other processes may go on meanwhile: what one of them has \
                  mounted, holds in a variable or is about to name stays.\n\
                  Where the record of a name or a mount is damaged it may need any layer: none goes then, and said why.",
        errors: &["read_only"],
        example: "layer(\"old\").seal();\nremove(\"old\", true);\nassert_eq(gc(false).layers, 1);\nassert_eq(gc(true).layers, 1);",
        see: &["prune", "du", "remove"],
        run: Some(|call| free(call, Freeing::Unnamed, 0)),
    },
    Command {
        name: "collect",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[global(&[]), global(&["do_it"])],
        gives: GIVES,
        summary: "The same as `gc`.",
        details: "",
        errors: &["read_only"],
        example: "layer(\"old\").seal();\nremove(\"old\", true);\nassert_eq(collect().layers, 1);",
        see: &["gc"],
        run: Some(|call| free(call, Freeing::Unnamed, 0)),
    },
    Command {
        name: "prune",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[global(&["older_than"]), global(&["older_than", "do_it"])],
        gives: GIVES,
        summary: "Drops the names that were not used for so long and that no mount stands on, and frees what nothing needs then.",
        details: "`\"30d\"`, `\"12h\"`, `\"1d12h\"`: weeks `w`, days `d`, hours `h`, minutes `m`, seconds `s`; `\"0s\"` is any time. A name \
                  is used when it is given, and when its layer is opened by it, to be mounted, built on or looked at; `layers()` \
                  alone does not count.\n\
                  What a mount stands on stays, mounted or not, and so does what a name stands on that stays. Drafts and uppers \
                  are never dropped. At the prompt `prune(\"30d\")` only lists what would go, and `prune(\"30d\", true)` does it; in a \
                  script it is as with `gc`.",
        errors: &["read_only"],
        example: "layer(\"old\").seal();\nassert_eq(prune(\"1h\").names, 0);\nassert_eq(prune(\"0s\", true).names, 1);",
        see: &["gc", "du", "remove"],
        run: Some(|call| {
            let text = call.text(0)?;
            match span(&text) {
                Some(span) => free(call, Freeing::Unused(span), 1),
                None => usage(
                    format!("`{text}` is no span of time"),
                    "it is numbers with w, d, h, m or s behind them: \"30d\", \"12h\"",
                ),
            }
        }),
    },
    Command {
        name: "du",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[global(&[])],
        gives: "a usage: `store, bytes, gc, prune, items`",
        summary: "Tells what each layer, name, draft and upper takes on disk, what of it others share, and what could be freed.",
        details: "Bytes are those of the blocks that the file system gave; a file with several hard links counts once. A layer is \
                  shared where several names or mounts stand on it, else it is the one's own; a name's bytes are those of its whole \
                  stack, its own those that would be freed with it.\n\
                  `items` is an array of maps `what, name, id, bytes, shared_bytes, own_bytes, used_by`; `gc` and `prune` are the bytes that \
                  `gc()` and `prune(\"0s\")` would free.",
        errors: &[],
        example: "layer(\"base\").write(\"/f\", \"12345\");\nlayer(\"base\").seal();\nlet used = du();\n\
                  assert(used.bytes > 0 && used.gc == 0);\nassert_eq(used.items[0].used_by, [\"base\"]);",
        see: &["gc", "prune", "layers"],
        run: Some(|call| Ok(Dynamic::from(DiskUsage(Rc::new(call.shell.workspace().usage()?))))),
    },
];

/// Frees, or lists at the prompt, unless the argument says otherwise.
fn free(call: &Call<'_>, what: Freeing, flag: usize) -> Outcome {
    let shell = call.shell;
    let really = match call.value(flag) {
        none if none.is_unit() => !shell.is_prompt(),
        given => match given.as_bool() {
            Ok(given) => given,
            Err(_) => {
                return usage(
                    format!("`{}` wants true or false as argument {}", call.name, flag + 1),
                    "`true` does it, `false` only lists what would go",
                );
            }
        },
    };
    let how = match what {
        Freeing::Unnamed => format!("{}(true)", call.name),
        Freeing::Unused(_) => format!("{}(\"{}\", true)", call.name, call.text(0)?),
    };
    let report = shell.workspace().free(what, really, how)?;
    if really && !shell.is_prompt() && !report.items.is_empty() {
        shell.tell(&format!("freed {}", view::freed_sum(&report)));
    }
    Ok(Dynamic::from(Freed(Rc::new(report))))
}

/// A span of time such as `1d12h`.
fn span(text: &str) -> Option<Duration> {
    let mut secs: u64 = 0;
    let mut digits = String::new();
    if text.is_empty() {
        return None;
    }
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let (_, unit) = UNITS.into_iter().find(|(letter, _)| *letter == c)?;
        secs = secs.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit)?)?;
        digits.clear();
    }
    // a bare number could be meant in anything
    digits.is_empty().then(|| Duration::from_secs(secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_numbers_with_units() {
        let secs = |text| span(text).map(|span| span.as_secs());
        assert_eq!(secs("30d"), Some(30 * 86_400));
        assert_eq!(secs("1d12h"), Some(36 * 3_600));
        assert_eq!(secs("0s"), Some(0));
        assert_eq!(secs("2w1m5s"), Some(2 * 604_800 + 65));
        for wrong in
            ["", "30", "d", "3x", "-1d", "1d3", "99999999999999999999d", "9999999999999999999w", "1 d"]
        {
            assert_eq!(secs(wrong), None, "{wrong}");
        }
    }
}
