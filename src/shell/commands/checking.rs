//! Whether the store is whole, and what puts it right.

use rhai::{Array, Dynamic};

use crate::shell::command::{Call, Command, Effect, Group, Raise, flag, global, usage};
use crate::shell::finding::Finding;
use crate::shell::params::{Opt, Takes};
use crate::shell::{errors, prompt};
use crate::view;
use crate::workspace::Repaired;

const DEEP: &[Opt] = &[Opt {
    key: "deep",
    takes: Takes::Flag,
    default: "false",
    summary: "every file of every layer is read, too, and compared with the layer's index and ID",
}];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "check",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[global(&[]), global(&["options"]).with(DEEP)],
        gives: "an array of findings: `kind, of, path, what, means, repair, damaged`",
        summary: "Looks through the store for damage, and changes nothing.",
        details: "An empty array is the good answer. With `deep` every file of every layer is read, too. The records of names, mounts and drafts, every index against its \
                  `meta.json`, layers that a stack misses, what others may write, and what the store has not made are \
                  looked at. `kind` is `record`, `index`, `summary`, `content`, `missing`, `stray`, `rights`, `unverified` \
                  (this user may not read it) or `unfinished` (an earlier process was killed, the next start goes on); \
                  the last two are no damage: `damaged` is false. Other processes may work on the store meanwhile. \
                  `ufs check` does the same without even ending what an earlier run left half done, also on a store of \
                  another user.",
        errors: &[],
        example: "layer(\"base\").seal();\nassert(check(#{ deep: true }).is_empty());",
        see: &["repair", "gc"],
        run: Some(|call| {
            let deep = flag(call.options()?.as_ref(), "deep", false)?;
            let found = call.shell.workspace().check(deep)?;
            let found = found.into_iter().map(|finding| Repaired { finding, done: None, failed: None });
            Ok(values(found.collect()))
        }),
    },
    Command {
        name: "repair",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[global(&[]), global(&["sure"])],
        gives: "an array of findings: those of `check`, and `done, failed`",
        summary: "Puts right what a deep check finds; in scripts, without `true`, it only says what it would do.",
        details: "At the prompt it lists what it would do, and asks; `repair(true)` does it without a question. \
                  Nothing is deleted: what is taken out of its place is moved to `lost+found/` in the store. What follows from \
                  something whole is written anew from it: `meta.json` from the index, the index from files that give the \
                  layer's ID, the record of a name or a mount whose layers can be verified. A layer whose files do not give \
                  its ID goes aside, and what needs it is told; once the same layer is made or loaded again all is well. \
                  Where a name is lost, every layer that nothing holds gets one, `recovered/ID`. `done` says what was done, \
                  `failed` why it could not be, and both are `()` where nothing in the store can help. It may be called \
                  again after whatever ended it.",
        errors: &["read_only"],
        example: "layer(\"base\").seal();\nassert(repair(true).is_empty());",
        see: &["check"],
        run: Some(|call| {
            let workspace = call.shell.workspace();
            if is_sure(call)? {
                return Ok(values(workspace.repair()?));
            }
            let found = workspace.would_repair()?;
            let cures = found.iter().filter(|one| one.finding.cure.does_something()).count();
            if cures == 0 || !call.shell.asks() {
                return Ok(values(found));
            }
            let style = call.shell.err_style();
            let all: Vec<&Repaired> = found.iter().collect();
            let question = match cures {
                1 => "`repair` does what stands behind \"repair:\"".to_owned(),
                _ => format!("`repair` does the {cures} things that stand behind \"repair:\""),
            };
            if !prompt::agrees(call.shell, &view::findings(&all, &style), &question) {
                return Err(Raise::Rhai(errors::declined(
                    "nothing was changed",
                    call.context.call_position(),
                )));
            }
            Ok(values(workspace.repair()?))
        }),
    },
];

/// Whether it is to be done, and not only told.
fn is_sure(call: &Call<'_>) -> Result<bool, Raise> {
    match call.args.first() {
        None => Ok(false),
        Some(value) => value.as_bool().or_else(|_| {
            let given = errors::type_word(value);
            usage(
                format!("`repair` wants true or false, not {given}"),
                "`repair(true)` does what `repair()` says",
            )
        }),
    }
}

fn values(found: Vec<Repaired>) -> Dynamic {
    found.into_iter().map(|one| Dynamic::from(Finding::new(one))).collect::<Array>().into()
}
