//! The script itself: its arguments, its end, help, the machine.

use std::path::Path;
use std::time::{Duration, Instant};

use rhai::{
    Array, Blob, Dynamic, Engine, EvalAltResult, FnPtr, INT, ImmutableString, Map, NativeCallContext,
};

use crate::shell::command::{Call, Command, Effect, Group, Outcome, Raise, flag, global, usage};
use crate::shell::params::{Opt, Takes};
use crate::shell::state::{Keys, Shell};
use crate::shell::values::{Explanation, Union};
use crate::shell::{disk, errors, finding, help, kinds, values};
use crate::sys::signals;
use crate::workspace::{Image, Layer, Mount, Want};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "args",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&[])],
        gives: "an array of strings",
        summary: "Gives the script's arguments: what stands behind its name on the command line.",
        details: "",
        errors: &[],
        example: "assert_eq(args(), []);",
        see: &["env"],
        run: Some(|call| {
            Ok(call.shell.args().iter().map(|arg| arg.clone().into()).collect::<Array>().into())
        }),
    },
    Command {
        name: "env",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&["variable"])],
        gives: "a string, or `()`",
        summary: "Gives an environment variable; `()` where it is not set.",
        details: "",
        errors: &[],
        example: "let home = env(\"HOME\") ?? \"/\";",
        see: &["args"],
        run: Some(|call| {
            let name = call.text(0)?;
            call.shell.workspace().may(Want::Variable)?;
            // std panics on these
            if name.is_empty() || name.contains(['=', '\0']) {
                return Ok(Dynamic::UNIT);
            }
            Ok(std::env::var_os(&*name)
                .map_or(Dynamic::UNIT, |value| crate::shell::command::from_bytes(value.into_encoded_bytes())))
        }),
    },
    Command {
        name: "kind",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&["error"])],
        gives: "a string",
        summary: "Gives the kind of a caught error, such as `not_found` or `sealed`; works for any error.",
        details: "Every error of `ufs` is a map with `kind, message, path, layer, errno, hint`.",
        errors: &[],
        example: "try { read(\"/x\"); } catch (e) { assert_eq(kind(e), \"no_mount\"); }",
        see: &["assert", "fail"],
        run: Some(|call| Ok(kinds::of_caught(&call.value(0)).into())),
    },
    Command {
        name: "help",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&[]), global(&["topic"])],
        gives: "a text",
        summary: "Lists all commands, or tells all about one command or one word of the field.",
        details: "A topic is a command (`\"commit\"`), a method or a property (`\"layer.write\"`, `\"mount.upper\"`), a word of the \
                  field (`\"whiteout\"`), a kind of error (`\"not_found\"`), a group (`\"files\"`) or `\"all\"`. At the prompt \
                  `?commit` and `commit?` do the same.",
        errors: &[],
        example: "print(help(\"commit\"));\nprint(help(\"whiteout\"));",
        see: &["doctor"],
        run: Some(|call| {
            let text = match call.optional_text(0)? {
                None => help::overview(&call.shell.style()),
                Some(topic) => help::topic(&topic, &call.shell.style())?,
            };
            Ok(Dynamic::from(values::Text(text.into())))
        }),
    },
    Command {
        name: "doctor",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&[])],
        gives: "a report: `checks, best, why`",
        summary: "Tells what this machine allows; each \"no\" with its reason and its cure.",
        details: "`checks` is an array of maps `what, ok, found, cure`; `best` the driver that `mount()` would take \
                  (`()` if none), `why` the reason.",
        errors: &[],
        example: "assert(doctor().best != ());",
        see: &["mount", "help"],
        run: Some(|call| {
            Ok(Dynamic::from(values::Doctor(std::rc::Rc::new(call.shell.workspace().doctor()))))
        }),
    },
    Command {
        name: "version",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&[])],
        gives: "a string",
        summary: "Gives the version of `ufs`.",
        details: "",
        errors: &[],
        example: "assert(version().len() > 0);",
        see: &["doctor"],
        run: Some(|_| Ok(env!("CARGO_PKG_VERSION").into())),
    },
    Command {
        name: "save_script",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[
            global(&["host_path"]),
            global(&["host_path", "options"]).with(&[Opt {
                key: "force",
                takes: Takes::Flag,
                default: "false",
                summary: "replaces a file that exists",
            }]),
        ],
        gives: "",
        summary: "At the prompt: writes the lines that worked as a script that runs by itself.",
        details: "Bare words are written as calls and `!command` in a mount as `sh`; of a line that failed, what it did \
                  before; help and `save_script` itself are left out. With `SOURCE_DATE_EPOCH` set, the script gives the \
                  same diff IDs where its inputs are the same.\n\
                  A file that exists is replaced only with `#{ force: true }`.",
        errors: &["exists", "is_a_directory", "not_a_directory", "not_found", "read_only"],
        example: "// at the prompt: save_script(\"session.rhai\")\n\
                  try { save_script(\"session.rhai\"); } catch (e) { assert(e.message.contains(\"prompt\")); }",
        see: &["help"],
        run: Some(save_script),
    },
    Command {
        name: "edit_mode",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&[]), global(&["style"])],
        gives: "a string: the style in use",
        summary: "Sets the keys of the prompt's line editor: `emacs`, as it begins, or `vi`.",
        details: "It holds from the next line to the end; the start-up file is the place to set it for every prompt. In \
                  `vi`, Escape leads to its commands, and `i` back to typing. In both: Tab completes, Right and End take \
                  the dim hint over, Alt-F a word of it; Alt-Enter begins a new line, Ctrl-R searches earlier lines, \
                  PageUp those that begin alike; a line that begins with a space is not remembered.",
        errors: &[],
        example: "edit_mode(\"vi\");\nassert_eq(edit_mode(), \"vi\");",
        see: &["help"],
        run: Some(|call| {
            let shell = call.shell;
            match call.optional_text(0)?.as_deref() {
                None => {}
                Some("emacs") => shell.set_keys(Keys::Emacs),
                Some("vi") => shell.set_keys(Keys::Vi),
                Some(other) => {
                    return usage(format!("there are no keys called `{other}`"), "it is `emacs` or `vi`");
                }
            }
            Ok(match shell.keys() {
                Keys::Emacs => "emacs".into(),
                Keys::Vi => "vi".into(),
            })
        }),
    },
    Command {
        name: "exit",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&[]), global(&["code"])],
        gives: "",
        summary: "Ends the script from anywhere, functions and `try` included: `exit()`, `exit(3)`.",
        details: "An integer is the exit code; a string is printed on stderr, and the code is 1; `()` is 0.",
        errors: &[],
        example: "if args().len() > 5 { exit(2); }",
        see: &["quit", "fail"],
        run: None,
    },
    Command {
        name: "quit",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&[])],
        gives: "",
        summary: "Ends the program, as `exit()` does: the word that one types at a prompt.",
        details: "At the end all is unmounted; an upper with uncommitted changes stays in the store and is named.",
        errors: &[],
        example: "if args().len() > 5 { quit(); }",
        see: &["exit"],
        run: Some(|call| Err(Raise::Rhai(errors::exit(&Dynamic::UNIT, call.context.call_position())))),
    },
    Command {
        name: "print",
        group: Group::Control,
        effect: Effect::Looks,
        forms: &[global(&["x"])],
        gives: "",
        summary: "Prints a value: our values as their views, with `--json` any value as one line of JSON.",
        details: "On a terminal, characters of a text that it would obey are shown as `\\x1b` and the like.",
        errors: &[],
        example: "print(\"hello\");",
        see: &["show"],
        run: None,
    },
    Command {
        name: "sleep",
        group: Group::Control,
        effect: Effect::Changes,
        forms: &[global(&["seconds"])],
        gives: "",
        summary: "Waits a number of seconds; ends at Ctrl-C.",
        details: "",
        errors: &[],
        example: "sleep(0.01);",
        see: &["exit"],
        run: None,
    },
];

fn save_script(call: &Call<'_>) -> Outcome {
    let target = call.to_write(0)?;
    let path = target.path();
    let force = flag(call.options()?.as_ref(), "force", false)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let Some((script, count)) = call.shell.transcript(&dir) else {
        return usage(
            "`save_script` writes what was typed at the prompt",
            "here, the script is saved already",
        );
    };
    call.shell.workspace().write_script(&target, script.as_bytes(), force)?;
    let entries = if count == 1 { "one entry".to_owned() } else { format!("{count} entries") };
    call.shell.tell(&format!("`{}`: {entries}", path.display()));
    Ok(Dynamic::UNIT)
}

/// Registers what must have the exact signature of a standard function to replace it: `print`, `sleep`, `exit`.
pub(in crate::shell) fn register_special(engine: &mut Engine, shell: &Shell) {
    let on_print = shell.clone();
    // Rhai takes the text from `print` and hands it on
    engine.on_print(move |text| on_print.write_out(format!("{text}\n").as_bytes()));
    macro_rules! printable {
        ($($kind:ty)*) => {$(
            let out = shell.clone();
            engine.register_fn("print", move |value: $kind| -> ImmutableString {
                let text = out.text_of(&Dynamic::from(value));
                text.strip_suffix('\n').unwrap_or(&text).into()
            });
        )*};
    }
    printable!(() bool char INT rhai::FLOAT ImmutableString Array Map Blob FnPtr Layer Mount Image Union Explanation);
    printable!(std::ops::Range<INT> std::ops::RangeInclusive<INT>);
    printable!(values::Change finding::Finding values::Generation values::Stat values::Doctor disk::Freed disk::DiskUsage values::Text values::Entries);
    engine.register_fn("sleep", |context: NativeCallContext<'_>, seconds: INT| {
        #[expect(clippy::cast_precision_loss, reason = "nobody waits that long")]
        sleep(&context, seconds as f64)
    });
    engine.register_fn("sleep", |context: NativeCallContext<'_>, seconds: rhai::FLOAT| {
        sleep(&context, seconds)
    });
    macro_rules! exits {
        ($($kind:ty)*) => {$(
            engine.register_fn("exit", |context: NativeCallContext<'_>, value: $kind| -> Result<(), Box<EvalAltResult>> {
                Err(errors::exit(&Dynamic::from(value), context.call_position()))
            });
        )*};
    }
    exits!(() bool char INT rhai::FLOAT ImmutableString Array Map Blob Dynamic);
    engine.register_fn("exit", |context: NativeCallContext<'_>| -> Result<(), Box<EvalAltResult>> {
        Err(errors::exit(&Dynamic::UNIT, context.call_position()))
    });
}

/// Waits in small steps, so that Ctrl-C ends it.
fn sleep(context: &NativeCallContext<'_>, seconds: f64) -> Result<(), Box<EvalAltResult>> {
    let Ok(whole) = Duration::try_from_secs_f64(seconds.max(0.0)) else { return Ok(()) };
    let start = Instant::now();
    while let Some(left) = whole.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
        if signals::interrupted() {
            return Err(errors::interrupted(context.call_position()));
        }
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
    Ok(())
}
