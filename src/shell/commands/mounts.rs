//! Mounting, resuming, unmounting.

use std::path::PathBuf;

use rhai::{Array, Dynamic, Map};

use super::dropping::{dropping, is_sure};
use super::layers::done;
use crate::driver::DriverKind;
use crate::shell::command::{
    Call, Command, Effect, Form, Group, Outcome, Property, Raise, Receiver, as_bytes, from_bytes, global,
    on_mount,
};
use crate::shell::errors;
use crate::shell::params::{Opt, Takes};
use crate::shell::values::host_path;
use crate::workspace::{Mount, MountOptions};

/// A stack in separate arguments or an array, and options.
const STACK: Form = Form { on: Receiver::None, params: &["stack"], many: true, options: OPTIONS };
/// How it is mounted.
const OPTIONS: &[Opt] = &[
    Opt {
        key: "at",
        takes: Takes::HostDir,
        default: "a directory in the store",
        summary: "where: an empty directory",
    },
    Opt {
        key: "name",
        takes: Takes::Value,
        default: "m1, m2, …",
        summary: "its name, for `use_mount` and the prompt",
    },
    Opt {
        key: "fresh",
        takes: Takes::Flag,
        default: "false",
        summary: "whether a mount that has the name is dropped before, unless another process uses it",
    },
    Opt {
        key: "read_only",
        takes: Takes::Flag,
        default: "false",
        summary: "no upper, nothing can be changed",
    },
    Opt {
        key: "volatile",
        takes: Takes::Flag,
        default: "false",
        summary: "faster: nothing is synced before a commit or the end",
    },
];

/// What is said of every way to mount.
/// What mounting by a driver that makes a mount fails with.
const MOUNTING_RAISES: &[&str] = &[
    "ambiguous_id",
    "busy",
    "mount",
    "mount_exists",
    "not_a_directory",
    "not_empty",
    "not_found",
    "unknown_layer",
    "unsupported",
    "wrong_layer",
];

const MOUNTING: &str = "The stack is a layer, a name, an ID, several of them bottom → top, or an array; one alone stands \
    for its whole recorded stack. Drafts are sealed. It gets a fresh upper and becomes the current mount.\n\
    Options: `#{ at: \"/mnt/x\", name: \"web\", fresh: false, read_only: false, volatile: false }`.";

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "mount",
        group: Group::Mounts,
        effect: Effect::Changes,
        forms: &[STACK, on_mount(&[])],
        gives: "a mount",
        summary: "Mounts a stack by the best driver that works here, and says which and why; on a mount: mounts it again.",
        details: MOUNTING,
        errors: &[
            "ambiguous_id",
            "busy",
            "mount",
            "mount_exists",
            "not_empty",
            "not_found",
            "unknown_layer",
            "unknown_mount",
            "unsupported",
            "unsynced",
            "wrong_layer",
        ],
        example: "layer(\"base\").write(\"/a\", \"1\");\nlet m = mount(\"base\");\nassert_eq(read(\"/a\"), \"1\");",
        see: &["mount_overlay", "mount_fuse", "mount_direct", "unmount", "mounts", "doctor"],
        run: Some(|call| match call.receiver.as_ref().and_then(|value| value.clone().try_cast::<Mount>()) {
            Some(mount) => Ok(Dynamic::from(call.shell.workspace().use_mount(&mount)?)),
            None => mount(call, None),
        }),
    },
    Command {
        name: "mount_overlay",
        group: Group::Mounts,
        effect: Effect::Changes,
        forms: &[STACK],
        gives: "a mount",
        summary: "Mounts a stack by the kernel's OverlayFS, with a fresh upper.",
        details: MOUNTING,
        errors: MOUNTING_RAISES,
        example: "layer(\"base\").write(\"/a\", \"1\");\nif doctor().best == \"overlay\" {\n    \
                  mount_overlay(\"base\");\n    sh(\"cat a\");\n}",
        see: &["mount", "mount_fuse", "mount_direct", "command"],
        run: Some(|call| mount(call, Some(DriverKind::Overlay))),
    },
    Command {
        name: "mount_fuse",
        group: Group::Mounts,
        effect: Effect::Changes,
        forms: &[STACK],
        gives: "a mount",
        summary: "Mounts a stack by our own union behind FUSE, with a fresh upper.",
        details: MOUNTING,
        errors: MOUNTING_RAISES,
        example: "layer(\"base\").write(\"/a\", \"1\");\nlet fuse = doctor().checks.filter(|c| c.what == \"driver `fuse`\")[0];\n\
                  if fuse.ok {\n    mount_fuse(\"base\");\n    sh(\"echo 2 >>a; cat a; getfattr -n user.ufs.origin a 2>/dev/null || true\");\n}",
        see: &["mount", "mount_overlay", "mount_direct", "doctor"],
        run: Some(|call| mount(call, Some(DriverKind::Fuse))),
    },
    Command {
        name: "mount_direct",
        group: Group::Mounts,
        effect: Effect::Changes,
        forms: &[STACK],
        gives: "a mount",
        summary: "Gives the same union without any mount, inside this process: works on every machine.",
        details: MOUNTING,
        errors: &["ambiguous_id", "busy", "mount", "mount_exists", "unknown_layer", "wrong_layer"],
        example: "layer(\"base\").write(\"/a\", \"1\");\nmount_direct(\"base\");\nrm(\"/a\");\nassert(!exists(\"/a\"));",
        see: &["mount", "mount_overlay", "mount_fuse"],
        run: Some(|call| mount(call, Some(DriverKind::Direct))),
    },
    Command {
        name: "unmount",
        group: Group::Mounts,
        effect: Effect::Changes,
        forms: &[global(&[]), on_mount(&[])],
        gives: "",
        summary: "Unmounts; the upper stays in the store.",
        details: "Refused while a process writes in the mount; who only reads keeps a detached, read-only view.",
        errors: &["busy", "mount", "no_mount", "not_mounted", "unknown_mount"],
        example: "layer(\"base\").write(\"/a\", \"1\");\nlet m = mount(\"base\");\nunmount();\nassert(!m.mounted);",
        see: &["mount", "discard", "use_mount"],
        run: Some(|call| done(call.mount()?.unmount())),
    },
    Command {
        name: "discard",
        group: Group::Mounts,
        effect: Effect::Changes,
        forms: &[on_mount(&[]), on_mount(&["sure"])],
        gives: "",
        summary: "Drops a mount and its upper with all changes in it.",
        details: "At the prompt it names the changes that are lost and asks; elsewhere it is told what was dropped. \
                  `m.discard(true)` neither asks nor tells.\n\
                  Of a mount whose record is damaged the files are kept aside in the store, and it is said where.",
        errors: &["busy", "mount", "unknown_mount"],
        example: "layer(\"base\").write(\"/a\", \"1\");\nlet m = mount(\"base\");\nwrite(\"/b\", \"2\");\nm.discard(true);",
        see: &["unmount", "reset"],
        run: Some(|call| {
            let (mount, sure) = (call.mount()?, is_sure(call, 0)?);
            let loss = || Ok(call.shell.workspace().loss_of_mount(&mount));
            done(dropping(call, sure, loss, || Ok(mount.discard()?)))
        }),
    },
    Command {
        name: "mounts",
        group: Group::Mounts,
        effect: Effect::Looks,
        forms: &[global(&[])],
        gives: "an array of mounts",
        summary: "Lists all mounts, those left by earlier runs and those of other processes too.",
        details: "Those that another process uses say which; only that one can change or drop them.\n\
                  With `--json` each is `name, driver, mounted, read_only, used_by, path, host_path, work, upper, stack`; `upper` is an \
                  object as of `layers()`, `stack` has the names of the lower layers, bottom first.",
        errors: &[],
        example: "layer(\"base\").write(\"/a\", \"1\");\nmount(\"base\", #{ name: \"web\" });\nassert_eq(mounts()[0].name, \"web\");",
        see: &["use_mount", "layers"],
        run: Some(|call| {
            let mounts = call.shell.workspace().mounts()?;
            Ok(mounts.into_iter().map(Dynamic::from).collect::<Array>().into())
        }),
    },
    Command {
        name: "use_mount",
        group: Group::Mounts,
        effect: Effect::Changes,
        forms: &[global(&["mount"])],
        gives: "the mount",
        summary: "Makes a mount current, by itself or by name, and mounts it again if it is not mounted.",
        details: "",
        errors: &[
            "busy",
            "mount",
            "no_upper",
            "not_empty",
            "not_found",
            "unknown_mount",
            "unsupported",
            "unsynced",
        ],
        example: "layer(\"base\").write(\"/a\", \"1\");\nlet one = mount(\"base\");\nlet two = mount(\"base\");\n\
                  use_mount(one);\nwrite(\"/b\", \"2\");\nassert(!two.exists(\"/b\"));",
        see: &["mounts", "mount"],
        run: Some(|call| {
            let workspace = call.shell.workspace();
            let mount = match call.value(0).try_cast::<Mount>() {
                Some(mount) => mount,
                None => workspace.mount_named(&call.text(0)?)?,
            };
            Ok(Dynamic::from(workspace.use_mount(&mount)?))
        }),
    },
    Command {
        name: "command",
        group: Group::Mounts,
        effect: Effect::Looks,
        forms: &[on_mount(&[])],
        gives: "a string",
        summary: "Gives the `mount -t overlay …` line that would do the same by hand, in the kernel's order.",
        details: "The kernel lists layers top first. In one option string they may not exceed 4 KiB; `ufs` itself hands \
                  each directory over by descriptor and has no such limit. Layers beneath an opaque root are left out, as \
                  the kernel would show them; so are the directories that `ufs` lays over layers that only imply some \
                  (`help(\"implied\")`), which by hand look as the topmost layer has them.",
        errors: &["unknown_mount"],
        example: "layer(\"base\").write(\"/a\", \"1\");\nassert(mount(\"base\").command().starts_with(\"mount -t overlay\"));",
        see: &["mount_overlay"],
        run: Some(|call| Ok(from_bytes(call.mount()?.command()?))),
    },
];

pub(super) const PROPERTIES: &[Property] = &[
    property("name", "a string", "Its name.", |call| Ok(call.mount()?.name().into())),
    property(
        "path",
        "a path",
        "The merged directory; `()` with `direct` and when it is not mounted.",
        |call| Ok(host_path(call.mount()?.path())),
    ),
    property(
        "host_path",
        "a path",
        "Where another terminal of this user or of root finds the merged directory.",
        |call| Ok(host_path(call.mount()?.host_path())),
    ),
    property("work", "a path", "The kernel's scratch directory.", |call| Ok(host_path(call.mount()?.work()))),
    property("driver", "a string", "`overlay`, `fuse` or `direct`.", |call| {
        Ok(call.mount()?.driver()?.word().into())
    }),
    property("mounted", "true or false", "Whether it is mounted now.", |call| {
        Ok(call.mount()?.mounted().into())
    }),
    property("read_only", "true or false", "Whether it takes no changes.", |call| {
        Ok(call.mount()?.read_only().into())
    }),
    property(
        "used_by",
        "a number",
        "The process that uses it, if it is another one than this, or 0 where that cannot be told from here; else `()`.",
        |call| Ok(call.mount()?.user().map_or(Dynamic::UNIT, |user| user.number().into())),
    ),
    property("stack", "an array of layers", "Its read-only layers, bottom → top.", |call| {
        let stack = call.mount()?.stack()?;
        Ok(stack.layers().iter().cloned().map(Dynamic::from).collect::<Array>().into())
    }),
    property(
        "upper",
        "a layer",
        "Its upper as a live layer: `.path`, `.read`, `.ls`, `.stat`, `.entries()`.",
        |call| Ok(Dynamic::from(call.mount()?.upper()?)),
    ),
];

const fn property(
    name: &'static str,
    gives: &'static str,
    summary: &'static str,
    get: fn(&Call<'_>) -> Outcome,
) -> Property {
    Property { on: Receiver::Mount, name, gives, summary, get }
}

fn mount(call: &Call<'_>, driver: Option<DriverKind>) -> Outcome {
    let map = call.options()?;
    let items = call.stack_items(map.is_some())?;
    let options = map.as_ref().map(options).transpose()?.unwrap_or_default();
    let workspace = call.shell.workspace();
    let stack = workspace.stack(&items)?;
    Ok(Dynamic::from(workspace.mount(driver, &stack, &options)?))
}

fn options(map: &Map) -> Result<MountOptions, Raise> {
    use std::os::unix::ffi::OsStringExt as _;
    let mut options = MountOptions::default();
    for (key, value) in map {
        let wrong = |wanted: &str| -> Raise {
            Raise::Usage {
                message: format!("the option `{key}` wants {wanted}, not {}", errors::type_word(value)),
                hint: Some("`help(\"mount\")` shows the options".to_owned()),
            }
        };
        let flag = || value.as_bool().map_err(|_| wrong("true or false"));
        match key.as_str() {
            _ if value.is_unit() => {}
            "at" => match as_bytes(value) {
                Some(bytes) => options.at = Some(PathBuf::from(std::ffi::OsString::from_vec(bytes))),
                None => return Err(wrong("a host directory")),
            },
            "name" => match value.clone().into_string() {
                Ok(name) => options.name = Some(name),
                Err(_) => return Err(wrong("a string")),
            },
            "fresh" => options.fresh = flag()?,
            "read_only" => options.read_only = flag()?,
            _ => options.volatile = flag()?,
        }
    }
    Ok(options)
}
