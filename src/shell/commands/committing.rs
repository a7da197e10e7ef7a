//! Upper → layer.

use rhai::Dynamic;

use super::dropping::{dropping, is_sure};
use super::layers::done;
use crate::shell::command::{Command, Effect, Group, global, on_mount};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "commit",
        group: Group::Committing,
        effect: Effect::Changes,
        forms: &[
            global(&[]),
            global(&["name"]),
            global(&["name", "message"]),
            on_mount(&[]),
            on_mount(&["name"]),
            on_mount(&["name", "message"]),
        ],
        gives: "the new layer",
        summary: "Makes the upper the newest sealed layer, and stacks a fresh upper on it at the same mount point.",
        details: "Nothing is copied: the upper is hashed once and renamed. Refused while a process has a file open for \
                  writing there; the error names it. A shell that stands in the mount keeps a read-only view of the old \
                  one: `cd .` shows the new. Without changes it gives the top layer, with a note.\n\
                  A layer without a name stays as long as its mount, the stack of a name or a value reaches it. A name that another process gives to \
                  something else meanwhile stays with that, with a note; what was committed is given all the same.",
        errors: &[
            "busy",
            "changed",
            "no_mount",
            "no_upper",
            "read_only",
            "tar",
            "unknown_mount",
            "unsynced",
            "wrong_layer",
        ],
        example: "layer(\"base\").write(\"/a\", \"1\");\nmount_direct(\"base\");\nwrite(\"/b\", \"2\");\n\
                  let app = commit(\"app\", \"add b\");\nassert_eq(app.stack.len(), 2);\nassert_eq(diff(), []);",
        see: &["diff", "reset", "squash", "history"],
        run: Some(|call| {
            let (name, message) = (call.optional_text(0)?, call.optional_text(1)?);
            let workspace = call.shell.workspace();
            Ok(Dynamic::from(workspace.commit(&call.mount()?, name.as_deref(), message.as_deref())?))
        }),
    },
    Command {
        name: "reset",
        group: Group::Committing,
        effect: Effect::Changes,
        forms: &[global(&[]), global(&["sure"]), on_mount(&[]), on_mount(&["sure"])],
        gives: "",
        summary: "Empties the upper: all uncommitted changes are gone.",
        details: "At the prompt it names what is lost and asks; elsewhere it is told what was dropped. `reset(true)` neither \
                  asks nor tells.\n\
                  Refused while a process has a file open for writing in the mount.",
        errors: &["busy", "no_mount", "read_only", "unknown_mount"],
        example: "layer(\"base\").write(\"/a\", \"1\");\nmount_direct(\"base\");\nrm(\"/a\");\nreset(true);\nassert(exists(\"/a\"));",
        see: &["commit", "discard"],
        run: Some(|call| {
            let (mount, sure, workspace) = (call.mount()?, is_sure(call, 0)?, call.shell.workspace());
            let loss = || Ok(workspace.loss_of_upper(&mount));
            done(dropping(call, sure, loss, || Ok(workspace.reset(&mount)?)))
        }),
    },
    Command {
        name: "squash",
        group: Group::Committing,
        effect: Effect::Looks,
        forms: &[global(&["stack", "name"])],
        gives: "the new layer",
        summary: "Makes one layer of a stack, showing the same files.",
        details: "What the layers hide of each other is gone from it. What they delete may also lie beneath them: such \
                  whiteouts and opaque directories stay. They go where nothing can lie beneath: where the lowest layer \
                  deletes nothing, and stands on nothing in any stack that the store has recorded.",
        errors: &["ambiguous_id", "tar", "unknown_layer", "wrong_layer"],
        example: "layer(\"base\").write(\"/a\", \"1\");\nlayer(\"top\").write(\"/b\", \"2\");\n\
                  let one = squash([\"base\", \"top\"], \"one\");\nassert_eq(one.files, 2);",
        see: &["commit", "diff"],
        run: Some(|call| {
            let mut items = call.stack_items(true)?;
            let name = call.text(1)?;
            let stack = call.shell.workspace().stack(&std::mem::take(&mut items))?;
            Ok(Dynamic::from(call.shell.workspace().squash(&stack, &name)?))
        }),
    },
];
