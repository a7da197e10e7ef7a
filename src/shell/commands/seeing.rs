//! Views of mounts, stacks and paths.

use std::rc::Rc;

use rhai::Dynamic;

use crate::shell::command::{
    Call, Command, Effect, Group, Outcome, Raise, global, on_image, on_layer, on_mount, usage,
};
use crate::shell::errors;
use crate::shell::values::{Explanation, Picture, Union, changes, generations};
use crate::workspace::{Image, Layer, Moment, Mount, Subject};

/// How many rows `show()` draws at the most; the rest is counted.
const ROWS: usize = 60;
/// How many paths `tree()` gives at the most; the rest is counted.
const PATHS: usize = 1000;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "show",
        group: Group::Seeing,
        effect: Effect::Looks,
        forms: &[global(&[]), global(&["x"]), on_mount(&[]), on_layer(&[])],
        gives: "",
        summary: "Prints the current mount as a picture: what each layer does to every path of the union.",
        details: "On top, one line a layer: role, short ID, message, what it adds, changes and deletes, bytes. Then every \
                  path and, for each layer, whether it supplies it, is hidden, deletes it or cuts off what lies beneath. \
                  Many paths are folded, with a count of the rest.\n\
                  `x` is a mount, a layer, its name or ID, a stack (an array of them), or any other value, which is printed: \
                  a text that names no layer, too.\n\
                  With `--json` every path has its row: `title, driver, mounted, merged, host_path, layers, rows, total, left_out`. `layers` \
                  (bottom first): `name, id, message, writable, added, changed, deleted, size`. `rows`: `path, kind, \
                  entry, cells, note, by, below, folded`; `cells` has one word a layer: `absent`, `supplies`, `merges`, \
                  `hidden`, `whiteout` or `opaque`; `note` is `only`, `hides`, `deletes`, `gone_with_parent`, `merged` \
                  or `cuts_off`, `by` and `below` are the layers meant, as indices.",
        errors: &["ambiguous_id", "no_mount", "unknown_layer", "unknown_mount"],
        example: "layer(\"base\").write(\"/a\", \"1\");\nmount_direct(\"base\");\nwrite(\"/b\", \"2\");\nshow();",
        see: &["tree", "diff", "explain", "history"],
        run: Some(show),
    },
    Command {
        name: "tree",
        group: Group::Seeing,
        effect: Effect::Looks,
        forms: &[global(&[]), global(&["x"]), global(&["x", "path"]), on_mount(&[]), on_mount(&["path"])],
        gives: "a tree: `title, paths, layers, deleted, left_out`",
        summary: "Gives the union as a tree, each name in the colour of the layer that supplies it.",
        details: "`x` is a mount, a layer, a name or an ID, or a stack; `path` the directory to begin at. \
                  `paths` has at most 1000, those nearest to it; `layers` the name of the layer that supplies each; \
                  `deleted` the whiteouts of one layer alone; `left_out` counts the rest.",
        errors: &[
            "ambiguous_id",
            "invalid_path",
            "no_mount",
            "not_a_directory",
            "not_found",
            "unknown_layer",
            "unknown_mount",
        ],
        example: "layer(\"base\").write(\"/etc/motd\", \"hi\");\nassert_eq(tree(\"base\").paths, [\"/\", \"/etc\", \"/etc/motd\"]);",
        see: &["show", "ls", "find"],
        run: Some(|call| {
            let method = call.receiver.is_some();
            let subject = if method { Subject::Mount(call.mount()?) } else { call.subject(0)? };
            let path = call.path_or_root(usize::from(!method))?;
            Ok(Dynamic::from(Union(Rc::new(call.shell.workspace().tree(&subject, &path, PATHS)?))))
        }),
    },
    Command {
        name: "diff",
        group: Group::Seeing,
        effect: Effect::Looks,
        forms: &[global(&[]), global(&["a", "b"]), on_mount(&[])],
        gives: "an array of changes: `path, kind, letter, what, bytes, beneath, before, after`",
        summary: "Tells what the upper changed: `A`dded, `C`hanged, `D`eleted, and how many bytes were copied up.",
        details: "`kind` is `added`, `changed` or `deleted`; `what` lists `content`, `mode`, `owner`, `xattr`, `time`, \
                  `type`; `bytes` were copied up at the most; `beneath` counts what went with a deleted directory; `before` and \
                  `after` are maps `kind, size, mode, uid, gid, mtime, target, xattrs`, or `()`.\n`diff(a, b)` compares any two layers, stacks or mounts.",
        errors: &["ambiguous_id", "no_mount", "read_only", "unknown_layer", "unknown_mount"],
        example: "layer(\"base\").write(\"/a\", \"1\");\nmount_direct(\"base\");\nwrite(\"/a\", \"22\");\n\
                  assert_eq(diff()[0].kind, \"changed\");",
        see: &["show", "explain", "commit"],
        run: Some(|call| {
            let workspace = call.shell.workspace();
            let report = if call.len() == 2 {
                workspace.diff(&call.subject(0)?, &call.subject(1)?)?
            } else {
                workspace.diff_mount(&call.mount()?)?
            };
            Ok(changes(report))
        }),
    },
    Command {
        name: "explain",
        group: Group::Seeing,
        effect: Effect::Looks,
        forms: &[global(&["path"]), global(&["path", "x"]), on_mount(&["path"]), on_image(&["path"])],
        gives: "an explanation: `path`, `steps`, `shown`",
        summary: "Tells one path's life, bottom → top, in words: created where, copied up why, hidden by what.",
        details: "`steps` is an array of maps: `layer` (its name), `what` (`created`, `merged`, `replaced`, `opaque`, \
                  `deleted`, `deleted_nothing` or `hidden_with_parent`), `changed` (as `what` of `diff()`), `parent` (the \
                  directory above that took it away) and `entry` (the file as the layer holds it). `shown` is a map with \
                  `layer` and `entry`, or `()` where the union shows nothing.",
        errors: &["ambiguous_id", "invalid_path", "no_mount", "unknown_layer", "unknown_mount"],
        example: "layer(\"base\").write(\"/a\", \"1\");\nmount_direct(\"base\");\nrm(\"/a\");\n\
                  assert_eq(explain(\"/a\").steps.len(), 2);",
        see: &["show", "diff"],
        run: Some(|call| {
            let path = call.bytes(0)?;
            let subject = match call.image() {
                Some(image) => Subject::Image(image),
                None => call.subject(1)?,
            };
            let report = call.shell.workspace().explain(&subject, &path)?;
            Ok(Dynamic::from(Explanation(Rc::new(report))))
        }),
    },
    Command {
        name: "watch",
        group: Group::Seeing,
        effect: Effect::Looks,
        forms: &[global(&[]), global(&["on"]), on_mount(&[]), on_mount(&["on"])],
        gives: "a bool: whether it is on",
        summary: "Tells what happens to the layers, one line each: copied up, created, changed, whiteout, opaque, renamed, removed.",
        details: "`watch(true)` watches every mount, those to come too; `m.watch(true)` one; `false` ends it.\n\
                  With `fuse` and `direct` each change is told as it is made, with `fuse` by whatever program: `sh`, another \
                  terminal, also while a line is being typed. The kernel's overlay tells nobody, so with `overlay` the upper \
                  is looked through after each line and each call that changes a mount, and what came and went in between is \
                  not seen. What happens while `!command` has the terminal is told when it is back.\n\
                  The lines go to stderr, before the answer of the call that caused them; `--quiet` does not silence them. Of \
                  one call, or of what comes without a pause, the first 100 are told and the rest is summed up. With `--json` \
                  each line is an object: `watch` (the word), `mount`, `path`, `to`, `kind`, `layer`, `bytes`, `what`, \
                  `copied_up`; the sum is `{\"watch\": \"more\", \"counts\": {…}}`.",
        example: "layer(\"base\").write(\"/etc/motd\", \"hello\");\nlet m = mount_direct(\"base\");\nwatch(true);\n\
                  chmod(\"/etc/motd\", \"0600\");\nrm(\"/etc/motd\");\nassert(watch());\nwatch(false);",
        errors: &["unknown_mount"],
        see: &["show", "diff", "explain"],
        run: Some(watch),
    },
    Command {
        name: "history",
        group: Group::Seeing,
        effect: Effect::Looks,
        forms: &[global(&[]), global(&["x"]), on_mount(&[]), on_layer(&[])],
        gives: "an array: `name, id, message, files, size, created, chain_id, download_size, empty`",
        summary: "Lists a stack, oldest first: ID, message, size, age.",
        details: "The upper of a mount comes last, without `id` and `chain_id`. `created` is in seconds since 1970.\n\
                  Of an image: the steps of its making, with the command in `message`; `empty` is true for one that made no \
                  layer, `download_size` the bytes of the layer as it lies there. Elsewhere these are false and `()`.",
        errors: &["ambiguous_id", "no_mount", "unknown_layer", "unknown_mount"],
        example: "layer(\"base\").write(\"/a\", \"1\");\nmount_direct(\"base\");\nassert_eq(history()[0].name, \"base\");",
        see: &["show", "layers"],
        run: Some(|call| {
            let subject = match call.layer() {
                Some(layer) => Subject::Stack(layer.stack()?),
                None => call.subject(0)?,
            };
            Ok(generations(call.shell.workspace().history(&subject)?))
        }),
    },
];

fn watch(call: &Call<'_>) -> Outcome {
    let workspace = call.shell.workspace();
    let mount = if call.receiver.is_some() { Some(call.mount()?) } else { None };
    if call.len() == 0 {
        return Ok(mount.map_or_else(|| workspace.is_watching(), |mount| mount.is_watched()).into());
    }
    let Ok(on) = call.value(0).as_bool() else {
        return usage(
            format!("`watch` wants true or false, not {}", errors::type_word(&call.value(0))),
            "`watch(true)` begins, `watch(false)` ends, `watch()` tells whether it is on",
        );
    };
    // what came until now is still told
    call.shell.settle(Moment::End);
    workspace.set_watcher(call.shell.teller().watcher());
    match mount {
        Some(mount) => mount.set_watch(on)?,
        None => workspace.set_watch(on)?,
    }
    Ok(Dynamic::UNIT)
}

fn show(call: &Call<'_>) -> Outcome {
    let workspace = call.shell.workspace();
    let subject = match (call.layer(), call.args.first()) {
        (Some(layer), _) => Subject::Stack(layer.stack()?),
        (None, None) => Subject::Mount(call.mount()?),
        (None, Some(value)) => {
            let is_stack = value.is::<Layer>()
                || value.is::<Mount>()
                || value.is::<Image>()
                || value.read_lock::<rhai::Array>().is_some_and(|items| is_stack(&items));
            let named = if is_stack { Some(call.subject(0)?) } else { by_name(call, value)? };
            let Some(subject) = named else {
                call.shell.print(value);
                return Ok(Dynamic::UNIT);
            };
            subject
        }
    };
    // what programs read is whole
    let rows = if call.shell.is_json() { usize::MAX } else { ROWS };
    let picture = Picture(Rc::new(workspace.show(&subject, rows)?));
    call.shell.print(&Dynamic::from(picture));
    Ok(Dynamic::UNIT)
}

fn is_stack(items: &rhai::Array) -> bool {
    !items.is_empty() && items.iter().all(rhai::Dynamic::is::<Layer>) && items.len() > 1
}

/// The stack that a text, or an array with texts in it, names; `None` where it is a value like any other.
fn by_name(call: &Call<'_>, value: &Dynamic) -> Result<Option<Subject>, Raise> {
    let may_be = |item: &Dynamic| item.is_string() || item.is::<Layer>() || item.is::<Mount>();
    let items = value.read_lock::<rhai::Array>();
    let wanted = match &items {
        Some(items) => items.iter().all(may_be) && items.iter().any(Dynamic::is_string),
        None => value.is_string(),
    };
    if !wanted {
        return Ok(None);
    }
    match call.subject(0) {
        Ok(subject) => Ok(Some(subject)),
        Err(Raise::Workspace(error)) if !matches!(error.kind(), "unknown_layer" | "invalid_argument") => {
            Err(Raise::Workspace(error))
        }
        Err(_) => Ok(None),
    }
}
