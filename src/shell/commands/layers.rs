//! Opening, listing, filling and reading layers.

use rhai::{Array, Dynamic};

use super::dropping::{dropping, is_sure, tell};
use crate::shell::command::{
    Call, Command, Effect, Form, Group, Outcome, Property, Raise, Receiver, flag, global, on_layer, usage,
};
use crate::shell::params::{Opt, Takes};
use crate::shell::values::{Entries, host_path, id_text, seconds};
use crate::workspace::{AddOptions, Layer};

/// On what `entries()` gives.
const ON_ENTRIES: Form = Form { on: Receiver::Entries, params: &[], many: false, options: &[] };

/// How a layer is begun.
const FRESH: Opt = Opt {
    key: "fresh",
    takes: Takes::Flag,
    default: "false",
    summary: "whether it is begun anew, whatever has the name",
};

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "layer",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[global(&["name"]), global(&["name", "options"]).with(&[FRESH])],
        gives: "a layer",
        summary: "Opens a layer by name or ID, or starts a draft.",
        details: "A draft takes files with `l.write`, `l.add` and the like, and is sealed by `l.seal()` or by mounting \
                  it. A sealed layer never changes; a committed one remembers the layers beneath it (`l.stack`).\n\
                  `#{ fresh: true }` starts an empty draft whatever has the name, as a script wants that is run again. A \
                  sealed layer keeps the name until the new one is sealed, and stays as long as something uses it.\n\
                  A name is letters, digits, `.`, `_`, `-` and `/`; 12 to 64 hex digits are an ID. \
                  Where a layer must exist, 4 digits of its ID are enough as long as they are unique.",
        errors: &["ambiguous_id", "busy", "unknown_layer"],
        example: "let base = layer(\"base\");\nbase.write(\"/etc/motd\", \"hello\\n\");\nassert_eq(base.read(\"etc/motd\"), \"hello\\n\");",
        see: &["layers", "seal", "layer_at", "remove"],
        run: Some(open),
    },
    Command {
        name: "layer_at",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[global(&["host_dir"])],
        gives: "a layer",
        summary: "Takes a host directory as a read-only layer, in place, nothing copied.",
        details: "The directory must not change while it is mounted: the kernel does not define what happens then.",
        errors: &["not_a_directory", "not_found"],
        example: "let etc = layer_at(\"/etc\");\nassert(etc.exists(\"passwd\"));",
        see: &["layer", "add"],
        run: Some(|call| Ok(Dynamic::from(call.shell.workspace().layer_at(&call.to_read(0)?)?))),
    },
    Command {
        name: "layers",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[global(&[])],
        gives: "an array of layers",
        summary: "Lists all named layers, newest first.",
        details: "With `--json` each is `name, id, diff_id, chain_id, stack, size, files, sealed, created, message, path`; \
                  `stack` has the names of its layers, bottom first.",
        errors: &[],
        example: "layer(\"base\").seal();\nassert_eq(layers()[0].name, \"base\");",
        see: &["layer", "mounts", "remove"],
        run: Some(|call| {
            let layers = call.shell.workspace().layers()?;
            Ok(layers.into_iter().map(Dynamic::from).collect::<Array>().into())
        }),
    },
    Command {
        name: "remove",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[global(&["name"]), global(&["name", "sure"])],
        gives: "",
        summary: "Drops a layer's name; a draft goes with all it holds.",
        details: "At the prompt it names what is lost and asks; elsewhere it is told what was dropped. `remove(name, true)` \
                  neither asks nor tells.\n\
                  What no name and no mount uses any more is freed by `gc()`.",
        errors: &["busy", "unknown_layer", "wrong_layer"],
        example: "layer(\"old\").seal();\nremove(\"old\", true);\nassert(layers().is_empty());",
        see: &["layers", "gc"],
        run: Some(|call| {
            let (name, sure, workspace) = (call.text(0)?, is_sure(call, 1)?, call.shell.workspace());
            let loss = || Ok(workspace.loss_of_name(&name)?);
            done(dropping(call, sure, loss, || Ok(workspace.remove(&name)?)))
        }),
    },
    Command {
        name: "add",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[
            on_layer(&["host_path"]),
            on_layer(&["host_path", "at"]),
            on_layer(&["host_path", "at", "options"]).with(&[
                Opt {
                    key: "unpack",
                    takes: Takes::Flag,
                    default: "true",
                    summary: "whether a tar is unpacked, or copied as a file",
                },
                Opt {
                    key: "owner",
                    takes: Takes::Value,
                    default: "each its own",
                    summary: "`USER:GROUP` in numbers, for all that is added",
                },
            ]),
        ],
        gives: "",
        summary: "Copies a host file or directory into a draft, metadata included; a tar, compressed or not, is unpacked.",
        details: "`at` is where it goes, the root if left out: a directory's content goes there, a file gets its own \
                  name there unless `at` names a file.\n\
                  Tars are known by their content, also in gzip, zstd, xz or bzip2 and out of a pipe, such as \
                  `/dev/stdin`. Other archives and whole images are errors that name them.\n\
                  Owners are added as this user sees them: without root's rights your own files are 0:0, and others' that \
                  a user namespace does not show are 65534, with a note. `#{ owner: \"0:0\" }` gives all one owner, so \
                  that everybody's layer is the same.",
        errors: &[
            "changed",
            "exists",
            "invalid_path",
            "not_a_directory",
            "not_found",
            "sealed",
            "tar",
            "wrong_layer",
        ],
        example: "let l = layer(\"conf\");\nl.add(\"/etc/passwd\", \"/etc/passwd\");\nassert(l.exists(\"/etc/passwd\"));",
        see: &["layer", "write", "export_tar"],
        run: Some(add),
    },
    Command {
        name: "whiteout",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[on_layer(&["path"])],
        gives: "",
        summary: "Records in a draft that a name is deleted, whatever lower layers hold.",
        details: "",
        errors: &["exists", "invalid_path", "not_a_directory", "sealed", "wrong_layer"],
        example: "layer(\"base\").write(\"/a\", \"1\");\nlet top = layer(\"top\");\ntop.whiteout(\"/a\");\n\
                  mount_direct([\"base\", \"top\"]);\nassert(!exists(\"/a\"));",
        see: &["opaque", "rm"],
        run: Some(|call| done(call.this_layer()?.whiteout(&call.bytes(0)?))),
    },
    Command {
        name: "opaque",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[on_layer(&["dir"])],
        gives: "",
        summary: "Records in a draft that nothing beneath a directory shows through.",
        details: "",
        errors: &["invalid_path", "not_a_directory", "sealed", "wrong_layer"],
        example: "layer(\"base\").write(\"/d/a\", \"1\");\nlet top = layer(\"top\");\ntop.opaque(\"/d\");\n\
                  mount_direct([\"base\", \"top\"]);\nassert_eq(ls(\"/d\"), []);",
        see: &["whiteout"],
        run: Some(|call| done(call.this_layer()?.opaque(&call.bytes(0)?))),
    },
    Command {
        name: "seal",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[on_layer(&[])],
        gives: "the layer",
        summary: "Ends a draft and gives it its IDs; mounting it as a lower does too.",
        details: "The ID is the SHA-256 of the layer's canonical tar, so equal content has equal IDs and is stored once.",
        errors: &["changed", "tar", "wrong_layer"],
        example: "let l = layer(\"base\");\nl.write(\"/a\", \"1\");\nl.seal();\nassert(l.sealed);",
        see: &["layer", "export_tar", "commit"],
        run: Some(|call| {
            let layer = call.this_layer()?;
            layer.seal()?;
            Ok(Dynamic::from(layer))
        }),
    },
    Command {
        name: "export_tar",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[
            on_layer(&["host_path"]),
            on_layer(&["host_path", "options"]).with(&[Opt {
                key: "force",
                takes: Takes::Flag,
                default: "false",
                summary: "replaces a file that exists without a question at the prompt and without a word",
            }]),
        ],
        gives: "",
        summary: "Writes a layer's canonical tar, whose SHA-256 is the diff ID of a layer made here.",
        details: "A draft is sealed first. The file is whole or not there at all. One that exists is replaced: at the prompt \
                  it asks before, elsewhere it is told; `#{ force: true }` does neither.",
        errors: &["is_a_directory", "not_a_directory", "not_found", "tar", "wrong_layer"],
        example: "let l = layer(\"base\");\nl.write(\"/a\", \"1\");\nlet tar = env(\"TMPDIR\") ?? \"/tmp\";\n\
                  tar += \"/ufs-help-example.tar\";\nl.export_tar(tar, #{ force: true });",
        see: &["add", "seal"],
        run: Some(|call| {
            let (layer, target) = (call.this_layer()?, call.to_write(0)?);
            let sure = flag(call.options()?.as_ref(), "force", false)?;
            let loss = || Ok(call.shell.workspace().loss_of_host_file(&target));
            done(dropping(call, sure, loss, || Ok(layer.export_tar(&target)?)))
        }),
    },
    Command {
        name: "entries",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[on_layer(&[])],
        gives: "entries, one after the other: maps with `path, kind, size, mode, uid, gid, mtime, target, xattrs`",
        summary: "Goes through all changes of a layer, deletions included.",
        details: "`kind` is `file`, `dir`, `symlink`, `fifo`, `char`, `block`, `whiteout` or `opaque` (a directory that \
                  cuts off what lies beneath). A directory that the layer has only for what lies in it has `()` for \
                  `mode`, `uid`, `gid` and `mtime`: the layers beneath say them. Meant for `for`: nothing is held in memory.",
        errors: &["wrong_layer"],
        example: "let l = layer(\"base\");\nl.write(\"/a\", \"123\");\nfor e in l.entries() { assert(e.kind != \"whiteout\"); }",
        see: &["ls", "stat", "len", "to_array"],
        run: Some(|call| Ok(Dynamic::from(Entries::new(call.this_layer()?.changes()?)))),
    },
    Command {
        name: "len",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[ON_ENTRIES],
        gives: "a number",
        summary: "Counts the changes that `entries()` goes through.",
        details: "",
        errors: &[],
        example: "let l = layer(\"base\");\nl.write(\"/a\", \"1\");\nassert_eq(l.entries().len(), 1);",
        see: &["entries"],
        run: Some(|call| Ok(int(entries(call)?.count() as u64))),
    },
    Command {
        name: "to_array",
        group: Group::Layers,
        effect: Effect::Looks,
        forms: &[ON_ENTRIES],
        gives: "an array of maps",
        summary: "Collects what `entries()` goes through.",
        details: "",
        errors: &[],
        example: "let l = layer(\"base\");\nl.write(\"/a\", \"1\");\nassert_eq(l.entries().to_array()[0].path, \"/a\");",
        see: &["entries"],
        run: Some(|call| Ok(entries(call)?.map(Dynamic::from_map).collect::<Array>().into())),
    },
];

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        on: Receiver::Layer,
        name: "name",
        gives: "a string",
        summary: "Its name; `()` where it has none.",
        get: |call| Ok(call.this_layer()?.name().map_or(Dynamic::UNIT, Dynamic::from)),
    },
    Property {
        on: Receiver::Layer,
        name: "id",
        gives: "a string",
        summary: "Its ID: the SHA-256 of its canonical tar, 64 hex digits; `()` for a draft.",
        get: |call| Ok(call.this_layer()?.id().map_or(Dynamic::UNIT, |id| id.hex().into())),
    },
    Property {
        on: Receiver::Layer,
        name: "diff_id",
        gives: "a string",
        summary: "`sha256:` and the hash of the uncompressed layer tar (OCI diff ID); `()` for a draft.",
        get: |call| Ok(id_text(call.this_layer()?.diff_id()?)),
    },
    Property {
        on: Receiver::Layer,
        name: "chain_id",
        gives: "a string",
        summary: "`sha256:` and the chained ID of its stack (OCI chain ID); `()` where not all of it is sealed.",
        get: |call| Ok(id_text(call.this_layer()?.chain_id()?)),
    },
    Property {
        on: Receiver::Layer,
        name: "stack",
        gives: "an array of layers",
        summary: "The layers that it was committed on and itself, bottom → top.",
        get: |call| {
            let stack = call.this_layer()?.stack()?;
            Ok(stack.layers().iter().cloned().map(Dynamic::from).collect::<Array>().into())
        },
    },
    Property {
        on: Receiver::Layer,
        name: "size",
        gives: "a number",
        summary: "Bytes of its regular files, each inode once.",
        get: |call| Ok(int(call.this_layer()?.size()?)),
    },
    Property {
        on: Receiver::Layer,
        name: "files",
        gives: "a number",
        summary: "How many files it holds, directories not counted.",
        get: |call| Ok(int(call.this_layer()?.files()?)),
    },
    Property {
        on: Receiver::Layer,
        name: "sealed",
        gives: "true or false",
        summary: "Whether it can never change.",
        get: |call| Ok(call.this_layer()?.sealed().into()),
    },
    Property {
        on: Receiver::Layer,
        name: "created",
        gives: "a number",
        summary: "When it was sealed, in seconds since 1970 (UTC); `()` where unknown.",
        get: |call| Ok(call.this_layer()?.created().map_or(Dynamic::UNIT, seconds)),
    },
    Property {
        on: Receiver::Layer,
        name: "message",
        gives: "a string",
        summary: "The message of its commit; `()` where there is none.",
        get: |call| Ok(call.this_layer()?.message().map_or(Dynamic::UNIT, Dynamic::from)),
    },
    Property {
        on: Receiver::Layer,
        name: "path",
        gives: "a path",
        summary: "The host directory that holds its tree.",
        get: |call| {
            let path = call.this_layer()?.path()?;
            Ok(host_path(Some(path)))
        },
    },
];

pub(super) fn done<T, E: Into<Raise>>(result: Result<T, E>) -> Outcome {
    result.map(|_| Dynamic::UNIT).map_err(Into::into)
}

pub(super) fn int(number: u64) -> Dynamic {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

fn entries(call: &Call<'_>) -> Result<Entries, Raise> {
    match call.receiver.as_ref().and_then(|value| value.clone().try_cast::<Entries>()) {
        Some(entries) => Ok(entries),
        None => usage(format!("`{}` is a method of entries", call.name), "call it as `l.entries().…`"),
    }
}

/// `USER:GROUP` in numbers; the highest means nobody to the system.
fn owner(value: &Dynamic) -> Option<(u32, u32)> {
    let text = value.clone().into_string().ok()?;
    let (uid, gid) = text.split_once(':')?;
    let number = |text: &str| text.parse().ok().filter(|&id| id != u32::MAX);
    Some((number(uid)?, number(gid)?))
}

fn open(call: &Call<'_>) -> Outcome {
    let options = call.options()?;
    if call.len() > 1 && options.is_none() {
        return usage("`layer` takes a name, and options in a map", "`layer(\"base\", #{ fresh: true })`");
    }
    let fresh = flag(options.as_ref(), "fresh", false)?;
    let workspace = call.shell.workspace();
    let name = call.text(0)?;
    if !fresh {
        return Ok(Dynamic::from(workspace.layer(&name)?));
    }
    let loss = workspace.loss_of_draft(&name).filter(|_| !call.shell.is_quiet());
    let layer = workspace.fresh_layer(&name)?;
    tell(call, loss.as_ref());
    Ok(Dynamic::from(layer))
}

fn add(call: &Call<'_>) -> Outcome {
    let layer: Layer = call.this_layer()?;
    let options = call.options()?;
    let unpack = flag(options.as_ref(), "unpack", true)?;
    let mut how = AddOptions { unpack, ..AddOptions::default() };
    if let Some(value) = options.as_ref().and_then(|map| map.get("owner")).filter(|value| !value.is_unit()) {
        how.owner = Some(owner(value).map_or_else(
            || usage("the option `owner` is a user and a group in numbers", "`#{ owner: \"0:0\" }`"),
            Ok,
        )?);
    }
    let at = match call.len() {
        1 => Vec::new(),
        2 if options.is_some() => Vec::new(),
        _ => call.bytes(1)?,
    };
    done(layer.add(&call.to_read(0)?, &at, how))
}
